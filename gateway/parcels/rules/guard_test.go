package rules

import (
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// audit lets the guard open a door, and close it again.
func (w *world) audit(g string, lock int) {
	w.t.Helper()
	w.must(GuardOpen{Session: g, Compartment: w.state.Compartments[lock-1].ID, Reason: "check", Intent: w.id("intent")})
	w.moves(drivers.Opened)
	w.close(lock)
}

func TestGuardResolves(t *testing.T) {
	cases := []struct {
		name    string
		forced  bool // else: a deposit that nobody confirmed
		inside  bool
		content Content
		state   ParcelState
	}{
		{"forced, still there", true, true, Occupied, Stored},
		{"forced, gone", true, false, Vacant, Lost},
		{"unconfirmed, there", false, true, Occupied, Stored},
		{"unconfirmed, never put in", false, false, Vacant, Void},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, false)
			d := w.courier()
			var p string
			if c.forced {
				p, _ = w.deposit(d)
				w.must(Leave{Visit: d})
				w.locks[0].Latch = drivers.LatchOpen
				w.poll()
				w.close(1)
			} else {
				p = w.reserve(d)
				w.moves(drivers.Opened)
				w.close(1)
				w.must(Leave{Visit: d})
				w.refuses(Inspect{Session: w.guard(), Compartment: "A-1", Reason: "check"}, ErrNotNow) // nobody has looked
			}
			g := w.guard()
			w.audit(g, 1)
			w.must(Inspect{Session: g, Compartment: "A-1", Inside: c.inside, Reason: "check"})
			w.is(1, c.content, p, c.state)
		})
	}
}

func TestOverdueIsClearedToTheOffice(t *testing.T) {
	w := newWorld(t, false)
	w.must(Policy{Stay: 48 * time.Hour, Holidays: []string{"2026-05-06"}})
	d := w.courier()
	p, _ := w.deposit(d)
	w.must(Leave{Visit: d})
	w.pass(100 * time.Hour)
	w.is(1, Occupied, p, Stored) // nobody was told
	w.now.Certain = false
	w.refuses(Told{Parcel: p}, ErrNotNow)
	w.now.Certain, w.now.Wall = true, noon
	w.must(Told{Parcel: p})
	w.now.Certain = false
	w.pass(100 * time.Hour)
	w.is(1, Occupied, p, Stored) // an uncertain clock ends no stay
	w.now.Certain, w.now.Wall = true, noon.Add(48*time.Hour)
	w.pass(0)
	w.is(1, Occupied, p, Stored) // a holiday
	w.pass(24 * time.Hour)
	w.is(1, Occupied, p, Overdue)
	g := w.guard()
	w.refuses(ToOffice{Session: g, Parcel: p, Shelf: "B-14", Reason: "overdue"}, ErrNotNow)
	w.must(GuardOpen{Session: g, Compartment: "A-1", Reason: "overdue", Intent: w.id("intent")})
	w.moves(drivers.Opened)
	w.must(ToOffice{Session: g, Parcel: p, Shelf: "B-14", Reason: "overdue"})
	w.close(1)
	w.is(1, Vacant, p, MovedToOffice)
	w.must(HandOver{Session: g, Parcel: p, Reason: "pin"})
	if !w.pin(UsePIN) {
		t.Error("the PIN is not used up")
	}
	w.is(1, Vacant, p, Collected)
}

func TestReturn(t *testing.T) {
	w := newWorld(t, false)
	d := w.courier()
	p, _ := w.deposit(d)
	w.must(Leave{Visit: d})
	g := w.guard()
	w.audit(g, 1)
	w.must(ToOffice{Session: g, Parcel: p, Shelf: "1", Reason: "return"})
	w.must(SendBack{Session: g, Parcel: p, Reason: "return"})
	w.is(1, Vacant, p, ReturnPending)
	w.must(SendBack{Session: g, Parcel: p, Reason: "return"})
	w.is(1, Vacant, p, Returned)
	if !w.pin(EndPIN) {
		t.Error("the PIN does not end")
	}
}

func TestReassign(t *testing.T) {
	w := newWorld(t, false)
	d := w.courier()
	p, _ := w.deposit(d)
	in := Reassign{Parcel: p, Unit: "u2", Household: "h2", Label: "B-7-1", Reason: "w1"}
	w.refuses(in, ErrNotNow) // the courier can still undo
	w.must(Leave{Visit: d})
	w.must(in)
	if len(w.out.PINs) != 2 || w.out.PINs[0] != (PINChange{p, "u1", EndPIN}) || w.out.PINs[1] != (PINChange{p, "u2", MintPIN}) {
		t.Errorf("PINs %+v", w.out.PINs)
	}
	if seen, _ := w.state.Visit(w.resident("household")); len(seen.Doors) != 0 {
		t.Error("the old household still sees it")
	}
}

func TestGuardsSessionEnds(t *testing.T) {
	w := newWorld(t, false)
	g := w.guard()
	w.now.Mono += GuardTime                                                                    // and no tick has come since
	w.refuses(GuardOpen{Session: g, Compartment: "A-1", Reason: "x", Intent: "i"}, ErrSession) // invariant 5
}
