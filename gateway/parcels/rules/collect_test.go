package rules

import (
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestCollection(t *testing.T) {
	var w *world
	var v, p string
	cases := []struct {
		name    string
		sensors bool
		then    func()
		content Content
		state   ParcelState
	}{
		{"taken", false, func() { w.close(1); w.must(Answer{Visit: v, Compartment: "A-1", Taken: true}) }, Vacant, Collected},
		{"not taken", false, func() { w.close(1); w.must(Answer{Visit: v, Compartment: "A-1"}) }, Occupied, Stored},
		{"silence", false, func() { w.close(1); w.pass(AskTime) }, Vacant, Collected},
		{"sensor empty", true, func() { w.item(1, false); w.close(1) }, Vacant, Collected},
		{"sensor present", true, func() { w.close(1) }, Occupied, Stored},
		{"left open", false, func() { w.must(Leave{Visit: v}) }, Open, CollectedDoorOpen},
		{"left open, closed later", false, func() { w.must(Leave{Visit: v}); w.close(1) }, Vacant, CollectedDoorOpen},
		{"left open, closed later, not empty", true, func() { w.must(Leave{Visit: v}); w.close(1) }, NeedsCheck, CollectedDoorOpen},
		{"open for 3 minutes", false, func() { w.pass(180 * time.Second) }, Open, CollectedDoorOpen},
		{"not mine", false, func() { w.must(Dispute{Visit: v, Compartment: "A-1"}) }, NeedsCheck, Disputed},
		{"empty", false, func() { w.close(1); w.must(Dispute{Visit: v, Compartment: "A-1", Empty: true}) }, NeedsCheck, Disputed},
		{"power lost, open", false, func() { w.restart() }, Open, CollectedDoorOpen},
		{"power lost, closed", false, func() { w.locks[0].Latch = drivers.LatchClosed; w.restart() }, Occupied, Stored},
		{"power lost, closed and empty", true, func() { w.item(1, false); w.locks[0].Latch = drivers.LatchClosed; w.restart() }, Vacant, Collected},
		{"left open, power lost, closed", false, func() {
			w.must(Leave{Visit: v})
			w.locks[0].Latch = drivers.LatchClosed
			w.restart()
		}, Vacant, CollectedDoorOpen},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w = newWorld(t, c.sensors)
			d := w.courier()
			p, _ = w.deposit(d)
			w.must(Leave{Visit: d})
			v = w.resident("pin")
			w.open(v, 1)
			w.is(1, Opening, p, Collecting)
			w.moves(drivers.Opened)
			c.then()
			w.is(1, c.content, p, c.state)
			if w.openings[0] != 2 { // invariant 5: the deposit and the collection
				t.Errorf("%d openings; want 2", w.openings[0])
			}
		})
	}
}

func TestDoorThatDoesNotOpen(t *testing.T) {
	w := newWorld(t, false)
	d := w.courier()
	p, _ := w.deposit(d)
	w.must(Leave{Visit: d})
	v := w.resident("pin")
	for range MaxTries {
		w.is(1, Occupied, p, Stored)
		w.open(v, 1)
		w.moves(drivers.Stuck)
	}
	w.is(1, Occupied, p, Stored)
	w.refuses(OpenDoor{Visit: v, Compartment: "A-1", Intent: "x"}, ErrNotNow)
	if c := w.state.Compartments[0]; c.Out != WhyLockFault {
		t.Errorf("after %d tries: %+v", MaxTries, c)
	}
	w.must(Told{Parcel: p})
	w.pass(defaultStay)
	w.is(1, Occupied, p, Stored) // nobody is late behind a door that does not open
}

func TestAllDoorsOfTheHousehold(t *testing.T) {
	w := newWorld(t, false)
	d := w.courier()
	p, _ := w.deposit(d)
	q, _ := w.deposit(d)
	w.must(Leave{Visit: d})
	v := w.resident("household")
	if seen, _ := w.state.Visit(v); len(seen.Doors) != 2 {
		t.Fatalf("doors %+v", seen.Doors)
	}
	for lock, parcel := range map[int]string{1: p, 2: q} {
		w.open(v, lock)
		w.moves(drivers.Opened)
		w.close(lock)
		w.must(Answer{Visit: v, Compartment: w.state.Compartments[lock-1].ID, Taken: true})
		w.is(lock, Vacant, parcel, Collected)
	}
}

func TestForgotSomething(t *testing.T) {
	w := newWorld(t, false)
	d := w.courier()
	p, _ := w.deposit(d)
	w.must(Leave{Visit: d})
	v := w.resident("pin")
	w.open(v, 1)
	w.moves(drivers.Opened)
	w.close(1)
	w.pass(AskTime)
	if !w.state.Compartments[0].Verify || !w.state.Reopens(p, w.now) {
		t.Fatalf("after silence: %+v", w.state.Compartments[0])
	}
	if free := w.state.FreeSizes(w.now); free["S"] != 1 {
		t.Errorf("free %v; the door is held", free)
	}
	w.must(Leave{Visit: v})
	w.must(Collect{Visit: w.id("visit"), Household: "h1", Label: "A-12-3", Grant: "pin", Again: p})
	v = w.out.Visit
	w.open(v, 1)
	if !w.pin(LivePIN) {
		t.Errorf("reopening gives %+v", w.out)
	}
	w.moves(drivers.Opened)
	w.close(1)
	w.must(Answer{Visit: v, Compartment: "A-1"})
	w.is(1, Occupied, p, Stored)

	w.open(v, 1) // not taken: opens again without the PIN
	w.moves(drivers.Opened)
	w.close(1)
	w.must(Answer{Visit: v, Compartment: "A-1", Taken: true})
	w.pass(HoldTime)
	if w.state.Reopens(p, w.now) {
		t.Error("reopens after 2 minutes")
	}
}

func TestHouseholdOpensWhatNobodyConfirmed(t *testing.T) {
	w := newWorld(t, false)
	d := w.courier()
	p := w.reserve(d)
	w.moves(drivers.Opened)
	w.close(1)
	w.must(Leave{Visit: d})
	w.is(1, NeedsCheck, p, StoredUnconfirmed)
	if seen, _ := w.state.Visit(w.resident("pin")); len(seen.Doors) != 0 {
		t.Errorf("a PIN of another parcel shows %+v", seen.Doors)
	}
	v := w.resident("household")
	w.open(v, 1)
	w.moves(drivers.Opened)
	w.close(1)
	w.must(Answer{Visit: v, Compartment: "A-1"})
	w.is(1, Occupied, p, Stored)
	if !w.pin(MintPIN) {
		t.Error("no PIN for a parcel that the household has confirmed")
	}
}

func TestForced(t *testing.T) {
	for _, occupied := range []bool{false, true} {
		w := newWorld(t, false)
		p, state := "", None
		if occupied {
			d := w.courier()
			p, _ = w.deposit(d)
			w.must(Leave{Visit: d})
			state = Stored
		}
		w.locks[0].Latch = drivers.LatchOpen
		w.poll()
		w.is(1, NeedsCheck, p, state)
		w.close(1)
		w.is(1, NeedsCheck, p, state) // never cleared by itself
		if !w.has(wire.CompartmentForced) {
			t.Error("no event")
		}
	}
}

func TestOutcomeLost(t *testing.T) {
	for _, c := range []struct {
		latch   drivers.Latch
		content Content
	}{{drivers.LatchOpen, Open}, {drivers.LatchClosed, ClosedUnconfirmed}} {
		w := newWorld(t, false)
		v := w.courier()
		p := w.reserve(v)
		w.moves(drivers.Unknown)
		w.is(1, Opening, p, Intake)
		w.locks[0].Latch = c.latch
		w.poll()
		w.is(1, c.content, p, Intake)
		if w.openings[0] != 1 { // invariant 5
			t.Errorf("%d openings", w.openings[0])
		}
	}
}

// A reading that was begun before the latch moved says nothing of it.
func TestStaleReading(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	began := w.now.Mono
	p := w.reserve(v)
	w.moves(drivers.Opened)
	w.must(Polled{Bank: "A", Began: began, Locks: []drivers.LockStatus{{Latch: drivers.LatchClosed}, {}, {}, {}}})
	w.is(1, Open, p, Intake)
}

func TestSilentBoard(t *testing.T) {
	w := newWorld(t, false)
	for range SilentPolls {
		w.now.Mono += time.Second
		w.must(Polled{Bank: "A", Began: w.now.Mono})
	}
	v := w.courier()
	w.refuses(ReserveDoor{Visit: v, Unit: "u1", Household: "h1", Size: "S", Parcel: "x", Intent: "y"}, ErrFull)
	w.poll()
	w.reserve(v)
}

func TestAjar(t *testing.T) {
	w := newWorld(t, false)
	w.reserve(w.courier())
	w.moves(drivers.Opened)
	for range 179 {
		w.pass(time.Second)
	}
	if w.has(wire.DoorAjar) || w.state.Compartments[0].Reminds != 2 {
		t.Errorf("after 179 s: %d reminds", w.state.Compartments[0].Reminds)
	}
	w.pass(time.Second)
	w.pass(time.Hour)
	n := 0
	for _, line := range w.log {
		if line == wire.DoorAjar+" compartment/A-1" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events; want 1", n)
	}
}

// invariant 5: a disk that was put back is not believed against the sensor.
func TestStoreWasPutBack(t *testing.T) {
	w := newWorld(t, true)
	d := w.courier()
	p, lock := w.deposit(d)
	w.must(Leave{Visit: d})
	w.poll()
	w.must(PutBack{})
	w.poll()
	w.is(lock, Occupied, p, Stored) // they agree
	w.item(lock, false)
	w.item(2, true)
	w.poll()
	w.is(lock, Occupied, p, Stored) // a sensor alone moves nothing
	w.must(PutBack{})
	w.poll()
	w.is(lock, NeedsCheck, p, Stored)
	w.is(2, NeedsCheck, "", None)
	w.is(3, Vacant, "", None)
}

// A record that says what cannot be costs its own compartment.
func TestSpoiledRecord(t *testing.T) {
	w := newWorld(t, false)
	w.state.Compartments[0].Content, w.state.Compartments[0].Restart = Open, true // without a purpose
	w.locks[1].Latch = drivers.LatchOpen
	w.poll()
	if c := w.state.Compartments[0]; c.Content != NeedsCheck || c.Why != WhyDamaged {
		t.Errorf("spoiled: %+v", c)
	}
	if c := w.state.Compartments[1]; c.Content != NeedsCheck || c.Why != WhyForced {
		t.Errorf("its neighbour: %+v", c)
	}
}

// invariant 5: a door is opened for the household whose parcel is behind it, whatever a visit lists.
func TestAnotherHouseholdsDoor(t *testing.T) {
	w := newWorld(t, false)
	d := w.courier()
	p, lock := w.deposit(d)
	w.must(Leave{Visit: d})
	w.must(Collect{Visit: "v9", Household: "h9", Label: "C-1", Grant: "household"})
	if seen, _ := w.state.Visit("v9"); len(seen.Doors) != 0 {
		t.Fatalf("doors %+v", seen.Doors)
	}
	w.state.Visits[0].Doors = []VisitDoor{{Compartment: "A-1", Parcel: p, Mark: Waiting}}
	w.refuses(OpenDoor{Visit: "v9", Compartment: "A-1", Intent: "i"}, ErrNotNow)
	w.is(lock, Occupied, p, Stored)
}

func TestNextDeadline(t *testing.T) {
	w := newWorld(t, false)
	if at, waits := w.state.NextDeadline(); waits {
		t.Errorf("idle, and waits for %v", at)
	}
	until := func(what string, want time.Duration) {
		t.Helper()
		if at, waits := w.state.NextDeadline(); !waits || at-w.now.Mono != want {
			t.Errorf("%s: %v; want %v", what, at-w.now.Mono, want)
		}
	}
	d := w.courier()
	until("a courier", CourierIdle)
	w.reserve(d)
	w.moves(drivers.Opened)
	until("an open door", reminds()[0])
	w.close(1)
	w.must(Settle{Visit: d, How: Inside})
	until("an undo", UndoTime)
	w.must(Leave{Visit: d})
	v := w.resident("pin")
	w.open(v, 1)
	w.moves(drivers.Opened)
	w.close(1)
	until("a question", AskTime)
	w.must(Answer{Visit: v, Compartment: "A-1", Taken: true})
	until("a held door", HoldTime)
}
