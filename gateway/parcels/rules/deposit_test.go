package rules

import (
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestDeposit(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	p := w.reserve(v)
	w.is(1, Opening, p, Intake)
	if len(w.out.Events) != 3 || w.out.Events[2].Type != wire.UnlockIntended || w.out.PINs != nil { // invariant 2
		t.Errorf("reserving gives %+v", w.out)
	}
	w.moves(drivers.Opened)
	w.is(1, Open, p, Intake)
	w.refuses(Settle{Visit: v, How: Inside}, ErrNotNow) // the door is open
	w.close(1)
	w.is(1, ClosedUnconfirmed, p, Intake)
	w.must(Settle{Visit: v, How: Inside})
	w.is(1, Occupied, p, Stored)
	if !w.pin(MintPIN) || w.has(wire.ParcelSettled) {
		t.Errorf("stored gives %+v", w.out)
	}
	w.pass(UndoTime)
	if !w.has(wire.ParcelSettled) {
		t.Error("the undo does not end after 2 minutes")
	}
}

func TestNextDropEndsTheUndo(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	first, _ := w.deposit(v)
	second, lock := w.deposit(v)
	p, _ := w.state.Parcel(first)
	q, _ := w.state.Parcel(second)
	if p.SettledAt.IsZero() || !q.SettledAt.IsZero() || lock != 2 {
		t.Errorf("settled %v, %v", p.SettledAt, q.SettledAt)
	}
	w.must(Leave{Visit: v})
	if q, _ = w.state.Parcel(second); q.SettledAt.IsZero() {
		t.Error("signing out does not end the undo")
	}
}

func TestDepositGoesWrong(t *testing.T) {
	var w *world
	var v, p string
	cases := []struct {
		name    string
		sensors bool
		then    func()
		content Content
		state   ParcelState
	}{
		{"too small while open", false, func() {
			w.must(Settle{Visit: v, How: TooSmall, Intent: w.id("intent")})
			if c := w.state.Compartments[2]; c.Content != Opening || c.Parcel != p {
				t.Errorf("next size: %+v", c)
			}
			w.close(1)
		}, Vacant, Intake},
		{"something inside", false, func() { w.must(Settle{Visit: v, How: InUse, Intent: w.id("intent")}) }, NeedsCheck, Intake},
		{"took it back", false, func() { w.close(1); w.must(Settle{Visit: v, How: TookBack}) }, Vacant, Void},
		{"took it back, sensor says no", true, func() { w.item(1, true); w.close(1); w.must(Settle{Visit: v, How: TookBack}) }, NeedsCheck, Void},
		{"walked away, door closed", false, func() { w.close(1); w.must(Leave{Visit: v}) }, NeedsCheck, StoredUnconfirmed},
		{"walked away, door closed, sensor empty", true, func() { w.close(1); w.must(Leave{Visit: v}) }, NeedsCheck, StoredUnconfirmed},
		{"walked away, door closed, sensor present", true, func() { w.item(1, true); w.close(1); w.must(Leave{Visit: v}) }, Occupied, Stored},
		{"walked away, door open", false, func() { w.must(Leave{Visit: v}) }, Open, IntakeOpen},
		{"idle for 10 minutes", false, func() { w.pass(CourierIdle) }, Open, IntakeOpen},
		{"walked away, closed later", false, func() { w.must(Leave{Visit: v}); w.close(1) }, NeedsCheck, StoredUnconfirmed},
		{"power lost, door open", false, func() { w.restart() }, Open, IntakeOpen},
		{"power lost, door closed", false, func() { w.locks[0].Latch = drivers.LatchClosed; w.restart() }, NeedsCheck, StoredUnconfirmed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w = newWorld(t, c.sensors)
			v = w.courier()
			p = w.reserve(v)
			w.moves(drivers.Opened)
			c.then()
			w.is(1, c.content, p, c.state)
		})
	}
}

func TestUndo(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	p, _ := w.deposit(v)
	w.must(Undo{Visit: v, Intent: w.id("intent")})
	if !w.pin(KillPIN) {
		t.Errorf("undo gives %+v", w.out)
	}
	w.is(1, Opening, p, Intake)
	w.moves(drivers.Opened)
	w.close(1)
	w.must(Settle{Visit: v, How: TookBack})
	w.is(1, Vacant, p, Void)

	q, lock := w.deposit(v)
	w.pass(UndoTime)
	w.refuses(Undo{Visit: v, Intent: w.id("intent")}, ErrNotNow)
	w.is(lock, Occupied, q, Stored)
}

func TestUndoWhoseDoorSticks(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	p, _ := w.deposit(v)
	w.must(Undo{Visit: v, Intent: w.id("intent")})
	w.moves(drivers.Stuck)
	w.is(1, Occupied, p, Intake)
	w.must(Leave{Visit: v})
	w.is(1, Occupied, p, Stored)
	if !w.pin(MintPIN) {
		t.Error("the parcel has no PIN again")
	}
}

func TestLockThatFailsSendsTheDepositOn(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	p := w.reserve(v)
	for range MaxTries - 1 {
		w.moves(drivers.Stuck)
		w.is(1, Reserved, p, Intake)
		w.open(v, 1)
	}
	w.moves(drivers.Stuck)
	if c := w.state.Compartments[0]; c.Out != WhyLockFault || c.Content != Vacant {
		t.Errorf("after %d tries: %+v", MaxTries, c)
	}
	w.is(2, Opening, p, Intake)
	if w.openings[0] != MaxTries {
		t.Errorf("%d pulses; want %d", w.openings[0], MaxTries)
	}
}

func TestFull(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	for range 4 {
		w.deposit(v)
	}
	w.refuses(ReserveDoor{Visit: v, Unit: "u1", Household: "h1", Size: "S", Parcel: "x", Intent: "y"}, ErrFull)
}

func TestSmallestThatFits(t *testing.T) {
	w := newWorld(t, false)
	w.state.Compartments[1].Low, w.state.Compartments[2].Low = true, true
	for _, c := range []struct {
		size string
		low  bool
		want string
	}{{"S", false, "A-1"}, {"S", true, "A-2"}, {"M", false, "A-3"}, {"L", true, "A-4"}} {
		st := &step{State: w.state, now: w.now}
		if got := st.choose(SizeRank(c.size), c.low); got.ID != c.want {
			t.Errorf("choose(%s, %v) = %s; want %s", c.size, c.low, got.ID, c.want)
		}
	}
}

func TestCourierComesBack(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	p := w.reserve(v)
	w.moves(drivers.Opened)
	w.locks[0].Latch = drivers.LatchClosed
	w.restart()
	w.is(1, NeedsCheck, p, StoredUnconfirmed)
	v = w.courier()
	w.is(1, ClosedUnconfirmed, p, Intake)
	w.must(Settle{Visit: v, How: Inside})
	w.is(1, Occupied, p, Stored)
}

func TestMissesEndTheVisit(t *testing.T) {
	w := newWorld(t, false)
	v := w.courier()
	for range MaxMisses {
		w.must(Missed{Visit: v})
	}
	w.refuses(Missed{Visit: v}, ErrSession)
}

// invariant 13
func TestOpeningsAMinute(t *testing.T) {
	w := newWorld(t, false)
	g := w.guard()
	opened := 0
	for range 20 {
		if w.do(GuardOpen{Session: g, Compartment: "A-4", Reason: "test", Intent: w.id("intent")}) == nil {
			w.moves(drivers.Stuck)
			opened++
		}
	}
	if opened != MaxOpenings || w.openings[3] != MaxOpenings {
		t.Errorf("%d openings in a minute; want %d", opened, MaxOpenings)
	}
	w.pass(time.Minute)
	w.must(GuardOpen{Session: g, Compartment: "A-4", Reason: "test", Intent: w.id("intent")})
}
