package rules

import (
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const (
	shut = drivers.ContactClosed
	ajar = drivers.ContactOpen
)

func TestPassage(t *testing.T) {
	w := newWorld(t)
	w.enter("ktv")
	w.is(Opening)
	w.answers("ktv", true, "")
	w.is(Released)
	w.set(ajar)
	w.pass(time.Second)
	w.is(Open)
	if p := w.passage(wire.DoorOpened); p.Used != 1 || p.Grant != "b1" || w.uses["b1"] != 1 {
		t.Errorf("opened: %+v, uses %v", p, w.uses)
	}
	w.set(shut)
	w.pass(time.Second)
	w.is(Secured)
	w.enter("ktv")
	w.answers("ktv", true, "")
	w.pass(20 * time.Second)
	w.is(Secured)
	if p := w.passage(wire.DoorUnopened); p.Used != 0 || w.uses["b1"] != 1 { // not opened: no use counted
		t.Errorf("unopened: %+v, uses %v", p, w.uses)
	}
	w.enter("ktv")
	w.answers("ktv", false, "busy")
	w.is(Secured)
	if p := w.passage(wire.DoorRefused); p.Code != "busy" || w.uses["b1"] != 1 {
		t.Errorf("refused: %+v, uses %v", p, w.uses)
	}
	if w.count(wire.DoorForced)+w.count(wire.DoorUnknown) != 0 || w.releases["ktv"] != 3 {
		t.Errorf("%v, releases %v", w.kinds, w.releases)
	}
}

func TestWithoutContactTheReleaseIsTheUse(t *testing.T) {
	w := newWorld(t)
	w.enter("gym")
	w.answers("gym", true, "")
	if p := w.passage(wire.DoorOpened); p.Code != "no_contact" || w.uses["b1"] != 1 {
		t.Errorf("%+v, uses %v", p, w.uses)
	}
	w.refuses(Enter{Door: "gym", Right: ByTicket}, AlreadyOpen)
	w.pass(5 * time.Second)
	if d, _ := w.state.Door("gym"); d.State != Secured {
		t.Errorf("gym is %s after its strike", d.State)
	}
	w.enter("gym")
	w.answers("gym", false, "")
	w.pass(10 * time.Second)
	if p := w.passage(wire.DoorUnknown); p.Used != 2 || w.uses["b1"] != 2 {
		t.Errorf("unknown: %+v", p)
	}
}

// What the device did not say, the contact may; what nobody says is unknown, and may have let somebody in.
func TestOutcomeLost(t *testing.T) {
	w := newWorld(t)
	w.command()
	w.answers("ktv", false, "")
	w.set(ajar)
	w.pass(time.Second)
	if w.count(wire.DoorOpened) != 1 || w.count(wire.CommandOpened) != 1 {
		t.Errorf("seen to open: %v", w.kinds)
	}
	w.set(shut)
	w.pass(time.Second)
	for _, known := range []bool{false, true} {
		w.enter("ktv")
		w.answers("ktv", known, "")
		w.silent = true
		w.pass(10 * time.Second)
		w.is(Secured)
		w.silent = false
		w.pass(time.Second)
	}
	if w.count(wire.DoorUnknown) != 2 || w.uses["b1"] != 2 || w.secures != 2 { // invariant 15
		t.Errorf("silent: %v, uses %v, turned off %d times", w.kinds, w.uses, w.secures)
	}
}

func TestForced(t *testing.T) {
	tests := []struct {
		name   string
		before func(*world)
		forced bool
	}{
		{"nothing explains it", func(*world) {}, true},
		{"the button inside", func(w *world) { w.exit = true; w.pass(time.Second); w.exit = false }, false},
		{"in the same reading as the button", func(w *world) { w.exit = true }, false},
		{"long after the button", func(w *world) { w.exit = true; w.pass(time.Second); w.exit = false; w.pass(ExitGrace) }, true},
		{"a moment after the strike", func(w *world) { w.enter("ktv"); w.answers("ktv", true, ""); w.pass(5 * time.Second) }, false},
		{"just after its end was recorded", func(w *world) { w.enter("ktv"); w.answers("ktv", true, ""); w.pass(8 * time.Second) }, false},
		{"long after the strike", func(w *world) { w.enter("ktv"); w.answers("ktv", true, ""); w.pass(15 * time.Second) }, true},
		{"the latch had not caught", func(w *world) {
			w.exit = true
			w.set(ajar)
			w.pass(time.Second)
			w.exit = false
			w.pass(20 * time.Second)
			w.set(shut)
			w.pass(time.Second)
		}, false},
		{"while a release was refused", func(w *world) {
			w.enter("ktv")
			w.set(ajar)
			w.read()
			w.is(Opening)
			w.answers("ktv", false, "late")
		}, true},
		{"closed down", func(w *world) { w.must(CloseDown{"ktv", "g1", "party"}) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.before(w)
			w.set(ajar)
			w.pass(time.Second)
			if got := w.count(wire.DoorForced) == 1; got != tt.forced {
				t.Errorf("forced %t; want %t: %v", got, tt.forced, w.kinds)
			}
			if !tt.forced {
				return
			}
			w.is(Forced)
			w.pass(5 * time.Minute) // an alarm is enough
			w.set(shut)
			w.pass(time.Minute)
			w.is(Forced)
			if w.count(wire.DoorForced) != 1 || w.count(wire.DoorHeld) != 0 {
				t.Errorf("%v", w.kinds)
			}
			if d, _ := w.state.Door("ktv"); !d.Closed { // the alarm goes on; who has a right is let in all the same
				w.enter("ktv")
				w.answers("ktv", true, "")
				w.pass(20 * time.Second)
				w.is(Forced)
			}
			w.must(Clear{"ktv", "g1", "looked"})
			w.is(Secured)
			w.refuses(Clear{"ktv", "g1", "looked"}, ErrNotNow)
		})
	}
}

func TestHeldOpen(t *testing.T) {
	w := newWorld(t)
	w.enter("ktv")
	w.answers("ktv", true, "")
	w.set(ajar)
	w.pass(time.Second)
	w.pass(HeldAfter - time.Second)
	w.is(Open)
	w.pass(time.Second)
	w.is(Held)
	w.pass(LeftOpenAfter - HeldAfter)
	w.is(LeftOpen)
	w.pass(time.Hour)
	if w.count(wire.DoorHeld) != 1 || w.count(wire.DoorLeftOpen) != 1 {
		t.Errorf("%v", w.kinds)
	}
	w.set(shut)
	w.pass(time.Second)
	w.is(Secured)

	w.exit = true
	w.set(ajar)
	w.pass(time.Second)
	w.exit = false
	for range 4 { // a device that falls silent now and then puts no alarm off
		w.silent = true
		w.pass(10 * time.Second)
		w.silent = false
		w.pass(10 * time.Second)
	}
	w.is(LeftOpen)
}

func TestClearedWhileItStandsOpen(t *testing.T) {
	w := newWorld(t)
	w.set(ajar)
	w.pass(time.Minute)
	w.is(Forced)
	w.must(Clear{"ktv", "g1", "delivery"})
	w.is(Open)
	w.pass(HeldAfter + time.Second)
	w.is(Held)
}

// invariant 5: a local closure beats every grant, ticket and command; a guard it does not hold
func TestClosure(t *testing.T) {
	w := newWorld(t)
	w.must(CloseDown{"ktv", "g1", "cleaning"})
	w.refuses(CloseDown{"ktv", "g1", "cleaning"}, ErrNotNow)
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, ClosedDown)
	w.refuses(Enter{Door: "ktv", Right: ByGrant}, ClosedDown)
	w.command()
	if said, _ := w.last[wire.CommandRefused].Data.(wire.CommandOutcome); said.Code != "closed_down" || w.releases["ktv"] != 0 {
		t.Errorf("command: %+v, releases %v", said, w.releases)
	}
	w.must(OpenFor{"ktv", w.id("i"), "g1", "cleaning"})
	w.answers("ktv", true, "")
	w.pass(20 * time.Second)
	w.must(Reopen{"ktv", "g1", "done"})
	w.refuses(Reopen{"ktv", "g1", "done"}, ErrNotNow)
	w.enter("ktv")
	w.must(CloseDown{"ktv", "g1", "fight"}) // at this moment
	if a := w.out.Actions; len(a) != 1 || a[0].Do != Secure {
		t.Errorf("actions %+v; want the release cut off", a)
	}
	w.answers("ktv", false, "closed_down")
	w.is(Secured)
	w.must(OpenFor{"ktv", w.id("i"), "g1", "cleaning"})
	w.must(Reopen{"ktv", "g1", "done"})
	w.must(CloseDown{"ktv", "g1", "cleaning"})
	if len(w.out.Actions) != 0 {
		t.Error("a guard was cut off")
	}
}

// invariant 13
func TestCaps(t *testing.T) {
	w := newWorld(t)
	for range MaxOpenings {
		w.enter("ktv")
		w.answers("ktv", true, "")
		w.pass(8 * time.Second)
	}
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, Crowded)
	w.refuses(OpenFor{Door: "ktv"}, Crowded)
	w.enter("gym") // each door for itself
	w.pass(15 * time.Second)
	w.enter("ktv")

	w = newWorld(t)
	w.restart()
	w.read()
	opened := func() (n int) {
		for range 20 {
			w.command()
			if d, _ := w.state.Door("ktv"); d.State == Opening {
				n++
				w.answers("ktv", false, "late")
			}
		}
		return n
	}
	if n := opened(); n != 0 {
		t.Errorf("%d commands right after a boot; want none: the bucket is empty", n)
	}
	if said, _ := w.last[wire.CommandRefused].Data.(wire.CommandOutcome); said.Code != "cap" {
		t.Errorf("refused: %+v", said)
	}
	w.pass(13 * time.Second)
	if n := opened(); n != 1 {
		t.Errorf("%d commands 13 s after a boot; want 1", n)
	}
	w.pass(10 * time.Minute)
	if n := opened(); n != MaxOrders {
		t.Errorf("%d commands after a long time; want %d", n, MaxOrders)
	}
}

func TestNobodyIsLetIn(t *testing.T) {
	w := newWorld(t)
	w.refuses(Enter{Door: "attic", Right: ByTicket}, ErrUnknown)
	w.refuses(Enter{Door: "ktv", Right: ByTicket, Uses: 2, Used: 2}, Used)
	w.enter("ktv")
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, AlreadyOpen)
	w.answers("ktv", true, "")
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, AlreadyOpen)
	w.set(ajar)
	w.pass(time.Second)
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, AlreadyOpen)
	w.refuses(OpenFor{Door: "ktv"}, AlreadyOpen)
	w.silent = true
	w.pass(SilentPolls * time.Second)
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, Silent)
	w.command()
	if said, _ := w.last[wire.CommandRefused].Data.(wire.CommandOutcome); said.Code != "silent" {
		t.Errorf("command: %+v", said)
	}
	w.restart()
	w.silent = false
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, Silent) // before its first reading
	w.refuses(Outcome{Door: "ktv", Intent: "old"}, ErrUnknown)
}

// An output that is on although nobody is let in is turned off. // invariant 15
func TestStrayOutput(t *testing.T) {
	w := newWorld(t)
	w.enter("ktv")
	w.answers("ktv", true, "")
	w.on = true
	w.set(ajar)
	w.pass(time.Second)
	if len(w.out.Actions) != 0 {
		t.Errorf("actions %+v during a passage", w.out.Actions)
	}
	w.now.Mono += 20 * time.Second
	w.must(w.reading("ktv"))
	if a := w.out.Actions; len(a) != 1 || a[0] != (Action{Do: Secure, Door: "ktv"}) {
		t.Errorf("actions %+v; want it turned off", a)
	}
}

// Power can go anywhere. // invariant 2
func TestRestart(t *testing.T) {
	before := map[string]func(*world){
		"secured":   func(*world) {},
		"opening":   func(w *world) { w.enter("ktv") },
		"released":  func(w *world) { w.enter("ktv"); w.answers("ktv", true, "") },
		"commanded": func(w *world) { w.command() },
		"open":      func(w *world) { w.enter("ktv"); w.answers("ktv", true, ""); w.set(ajar); w.pass(time.Second) },
		"held":      func(w *world) { w.exit = true; w.set(ajar); w.pass(time.Second); w.exit = false; w.pass(HeldAfter) },
		"left open": func(w *world) { w.exit = true; w.set(ajar); w.pass(time.Second); w.exit = false; w.pass(LeftOpenAfter) },
		"forced":    func(w *world) { w.set(ajar); w.pass(time.Second) },
	}
	tests := []struct {
		name    string
		contact drivers.Contact
		state   State
		kinds   []string
	}{
		{"secured", shut, Secured, nil},
		{"secured", ajar, Forced, []string{wire.DoorForced}},
		{"opening", shut, Secured, []string{wire.DoorUnknown}},
		{"opening", ajar, Open, []string{wire.DoorUnknown}},
		{"opening", drivers.ContactUnknown, Secured, []string{wire.DoorUnknown}},
		{"released", shut, Secured, []string{wire.DoorUnknown}},
		{"released", ajar, Open, []string{wire.DoorUnknown}},
		{"commanded", shut, Secured, []string{wire.DoorUnknown, wire.CommandUnknown}},
		{"commanded", ajar, Open, []string{wire.DoorUnknown, wire.CommandUnknown}},
		{"open", shut, Secured, []string{wire.DoorChanged}},
		{"open", ajar, Open, nil},
		{"held", shut, Secured, []string{wire.DoorChanged}},
		{"held", ajar, Held, nil},
		{"left open", shut, Secured, []string{wire.DoorChanged}},
		{"left open", ajar, LeftOpen, nil},
		{"forced", shut, Forced, nil},
		{"forced", ajar, Forced, nil},
	}
	for _, tt := range tests {
		w := newWorld(t)
		before[tt.name](w)
		releases, version := w.releases["ktv"], w.state.Doors[0].Version
		w.restart()
		w.kinds = nil
		w.silent = tt.contact == drivers.ContactUnknown
		w.set(tt.contact)
		for range SilentPolls {
			w.read()
		}
		d := w.state.Doors[0]
		if d.State != tt.state || len(w.kinds) != len(tt.kinds) || w.releases["ktv"] != releases || d.Version < version {
			t.Errorf("%s, found %d: %s, %v, %d releases; want %s, %v", tt.name, tt.contact, d.State, w.kinds, w.releases["ktv"]-releases, tt.state, tt.kinds)
		}
		for i, k := range tt.kinds {
			if i < len(w.kinds) && w.kinds[i] != k {
				t.Errorf("%s, found %d: %v; want %v", tt.name, tt.contact, w.kinds, tt.kinds)
			}
		}
		if tt.name == "opening" && w.uses["b1"] != 1 {
			t.Errorf("opening, found %d: used %d times; an unknown passage counts", tt.contact, w.uses["b1"])
		}
		if d.Entry != (Entry{}) {
			t.Errorf("%s: an intent without an outcome", tt.name)
		}
	}
}

// A contact that flaps is recorded so often; what matters is always recorded. // invariants 7 and 13
func TestFlappingContact(t *testing.T) {
	w := newWorld(t)
	unrecorded := 0
	w.exit = true // the button is stuck
	for range 300 {
		w.set(ajar)
		w.pass(time.Second)
		unrecorded += w.out.Unrecorded
		w.set(shut)
		w.pass(time.Second)
		unrecorded += w.out.Unrecorded
	}
	if n := w.count(wire.DoorChanged); n != MaxChanges {
		t.Errorf("%d changes recorded; want %d", n, MaxChanges)
	}
	w.exit = false
	w.pass(ExitGrace)
	w.set(ajar)
	w.pass(time.Second)
	if w.count(wire.DoorForced) != 1 {
		t.Error("a forced door was not recorded")
	}
	for range 100 {
		w.must(Wrong{"ktv"})
	}
	if n := w.count(wire.GrantRefused); n != MaxWrong {
		t.Errorf("%d wrong tickets recorded; want %d", n, MaxWrong)
	}
}

func TestDamagedRecordIsClosedDown(t *testing.T) {
	w := newWorld(t)
	w.must(Damaged{"ktv"})
	w.refuses(Enter{Door: "ktv", Right: ByTicket}, ClosedDown)
	if d, _ := w.state.Door("ktv"); d.Version < 1e15 || d.Reason != "damaged" {
		t.Errorf("%+v: its version must go on above what it was", d)
	}
	w.must(OpenFor{"ktv", w.id("i"), "g1", "look"})
	w.answers("ktv", true, "")
	w.pass(10 * time.Second)
	w.must(Reopen{"ktv", "g1", "looked"})
	w.enter("ktv")
}
