package parcels

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/devices"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// invariant 6: nothing here has a cloud.
func TestWalkingParcel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v := b.deliver()
		known, err := b.service.HasUnit(t.Context(), v, "A-12-3")
		b.ok(err)
		if unknown, _ := b.service.HasUnit(t.Context(), v, "B-8-1"); !known || unknown {
			t.Errorf("HasUnit = %v, %v", known, unknown)
		}
		parcel, lock := b.drop(v, "A-12-3")
		if last := b.service.Visit(v).Last; last == nil || last.Number != lock || last.Unit != "A-12-3" {
			t.Errorf("last drop %+v", last)
		}
		b.ok(b.service.Leave(t.Context(), v))
		if seen := b.service.Visit(v); !seen.Ended || seen.Role != Deliver || seen.Drops != 1 {
			t.Errorf("the visit after its end: %+v", seen)
		}
		b.is(lock, "occupied")

		r := b.collect("A-12-3", "pin", b.codes[parcel])
		if r.Visit == "" {
			t.Fatalf("PIN refused: %+v", r)
		}
		door := b.service.Visit(r.Visit).Doors[0]
		if door.State != DoorWaiting || door.Number != lock {
			t.Errorf("door %+v", door)
		}
		b.ok(b.service.Open(t.Context(), r.Visit, door.Compartment))
		if got := b.service.Visit(r.Visit).Doors[0].State; got != DoorOpening {
			t.Errorf("door is %s; want opening", got)
		}
		b.pass(time.Second)
		if got := b.service.Visit(r.Visit).Doors[0].State; got != DoorOpen {
			t.Errorf("door is %s; want open", got)
		}
		b.bank.set(lock, false)
		b.pass(2 * time.Second)
		b.ok(b.service.Taken(t.Context(), r.Visit, door.Compartment, true))
		b.is(lock, "vacant")
		b.ok(b.service.Leave(t.Context(), r.Visit))

		if again := b.collect("A-12-3", "pin", b.codes[parcel]); again.Visit == "" {
			t.Errorf("within 2 minutes: %+v", again)
		}
		b.pass(10 * time.Minute)
		if late := b.collect("A-12-3", "pin", b.codes[parcel]); late.Reason != "used" || late.At.IsZero() {
			t.Errorf("later: %+v", late)
		}
		if b.bank.count() != 2 { // invariant 5
			t.Errorf("%d openings; want 2", b.bank.count())
		}
	})
}

func TestHouseholdCodeOpensAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, true)
		v := b.deliver()
		b.drop(v, "A-12-3")
		b.drop(v, "A-12-3")
		b.ok(b.service.Leave(t.Context(), v))
		r := b.collect("A-12-3", "household", b.codes["h1"])
		if doors := b.service.Visit(r.Visit).Doors; len(doors) != 2 {
			t.Fatalf("doors %+v", doors)
		}
		for _, d := range b.service.Visit(r.Visit).Doors {
			b.ok(b.service.Open(t.Context(), r.Visit, d.Compartment))
			b.pass(time.Second)
			b.bank.set(d.Number, false) // the sensor says empty
			b.pass(2 * time.Second)
			b.is(d.Number, "vacant")
		}
	})
}

func TestUndoKillsThePIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v := b.deliver()
		parcel, lock := b.drop(v, "A-12-3")
		pin := b.codes[parcel]
		b.ok(b.service.Undo(t.Context(), v))
		b.pass(time.Second)
		b.bank.set(lock, false)
		b.pass(2 * time.Second)
		b.ok(b.service.Settle(t.Context(), v, "took_back"))
		b.ok(b.service.Leave(t.Context(), v))
		if r := b.collect("A-12-3", "pin", pin); r.Reason != "wrong" {
			t.Errorf("the PIN of an undone drop: %+v", r)
		}
	})
}

// invariants 2 and 5
func TestCrash(t *testing.T) {
	cases := []struct {
		name     string
		hold     func(*bank)
		door     bool // open when the power comes back
		openings int
		content  string
		state    string
	}{
		{"after intent, before energise", func(b *bank) { b.before = make(chan struct{}) }, false, 0, "needs_check", "stored_unconfirmed"},
		{"after energise, before the outcome; door closed", func(b *bank) { b.after = make(chan struct{}) }, false, 1, "needs_check", "stored_unconfirmed"},
		{"after energise, before the outcome; door open", func(b *bank) { b.after = make(chan struct{}) }, true, 1, "open", "intake_open"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBuilding(t, false)
				v := b.deliver()
				b.bank.with(func() { c.hold(b.bank) })
				b.ok(b.service.Reserve(t.Context(), v, "A-12-3", "S"))
				b.pass(time.Millisecond)
				if kinds := b.read(); kinds[len(kinds)-1] != wire.UnlockIntended {
					t.Errorf("the last event on disk is %s", kinds[len(kinds)-1])
				}
				b.crash()
				b.bank.set(1, c.door)
				asked := b.bank.asked
				b.start()
				b.pass(time.Minute)
				if b.bank.asked != asked || b.bank.count() != c.openings {
					t.Errorf("%d pulses after the start, %d in all; want none, %d", b.bank.asked-asked, b.bank.count(), c.openings)
				}
				b.is(1, c.content)
				if p := b.service.Office().Parcels; len(p) != 1 || p[0].State != c.state {
					t.Errorf("parcels %+v; want one, %s", p, c.state)
				}
			})
		})
	}
}

// invariant 1: what cannot be committed is neither shown nor done.
func TestNothingBeforeTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v := b.deliver()
		before := fmt.Sprintf("%+v", b.service.Visit(v))
		if err := b.store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.service.Reserve(t.Context(), v, "A-12-3", "S"); err == nil {
			t.Error("Reserve without a store gives no error")
		}
		b.pass(3 * time.Second)
		if b.bank.asked != 0 {
			t.Errorf("%d pulses without a committed intent", b.bank.asked)
		}
		if got := fmt.Sprintf("%+v", b.service.Visit(v)); got != before {
			t.Errorf("shown: %s; want %s", got, before)
		}
	})
}

func TestEveryDoorIsReadBeforeAnyPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		b.stop()
		b.bank.with(func() { b.bank.silent = true })
		b.start()
		v := b.deliver()
		if err := b.service.Reserve(t.Context(), v, "A-12-3", "S"); !errors.Is(err, ErrFull) {
			t.Errorf("Reserve before any reading = %v; want ErrFull", err)
		}
		if err := b.service.OpenDoor(t.Context(), b.signIn(), "A-1", "test"); !errors.Is(err, ErrNotNow) {
			t.Errorf("OpenDoor before any reading = %v; want ErrNotNow", err)
		}
		if b.bank.asked != 0 { // invariant 2
			t.Error("a door was opened that nobody has read")
		}
	})
}

// trace is one day's events of a building whose chance has a seed.
func trace(t *testing.T) (all [][]byte) {
	t.Run("day", func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, 42)
		synctest.Test(t, func(t *testing.T) {
			b := newBuilding(t, false)
			v := b.deliver()
			parcel, _ := b.drop(v, "A-12-3")
			_, second := b.drop(v, "B-7-1")
			b.ok(b.service.Undo(t.Context(), v))
			b.pass(time.Second)
			b.bank.set(second, false)
			b.pass(2 * time.Second)
			b.ok(b.service.Settle(t.Context(), v, "took_back"))
			b.ok(b.service.Leave(t.Context(), v))
			r := b.collect("A-12-3", "pin", b.codes[parcel])
			b.ok(b.service.Open(t.Context(), r.Visit, "A-1"))
			b.pass(5 * time.Minute)
			b.bank.set(1, false)
			b.pass(time.Minute)
			all = b.events()
		})
	})
	return all
}

// invariant 14
func TestSameSeedSameTrace(t *testing.T) {
	first, second := trace(t), trace(t)
	if len(first) < 20 || !slices.EqualFunc(first, second, bytes.Equal) {
		t.Errorf("two runs of %d and %d events differ", len(first), len(second))
		for i := range min(len(first), len(second)) {
			if !bytes.Equal(first[i], second[i]) {
				t.Fatalf("first at %d:\n%s\n%s", i, first[i], second[i])
			}
		}
	}
}

func TestWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v := b.deliver()
		parcel, _ := b.drop(v, "A-12-3")
		old, code := b.codes[parcel], b.codes["h1"]
		b.ok(b.service.Leave(t.Context(), v))
		done := func(kind string) (n int) {
			for _, k := range b.read() {
				if k == kind {
					n++
				}
			}
			return n
		}
		b.content.wishes = append(b.content.wishes,
			wire.Wish{ID: "w4", Kind: wishReassign, Subject: "parcel/" + parcel, Data: []byte(`{"unit":"u2","household":"h2"}`)},
			wire.Wish{ID: "w5", Kind: wishReassign, Subject: "parcel/none", Data: []byte(`{"unit":"u2","household":"h2"}`)},
			wire.Wish{ID: "w6", Kind: wishReassign, Subject: "parcel/" + parcel, Version: 1, Data: []byte(`{"unit":"u2","household":"h2"}`)},
			wire.Wish{ID: "w7", Kind: wishMint, Subject: "household/h1"},
			wire.Wish{ID: "w8", Kind: "other", Subject: "x/y"},
		)
		b.apply()
		if d, r := done(wire.WishDone), done(wire.WishRefused); d != 5 || r != 2 {
			t.Errorf("%d done, %d refused; want 5, 2", d, r)
		}
		b.apply()
		b.stop()
		b.start()
		if d, r := done(wire.WishDone), done(wire.WishRefused); d != 5 || r != 2 {
			t.Errorf("answered again: %d done, %d refused; want 5, 2", d, r)
		}
		if r := b.collect("A-12-3", "pin", old); r.Reason != "ended" {
			t.Errorf("the old household's PIN: %+v; want ended", r)
		}
		if r := b.collect("B-7-1", "pin", b.codes[parcel]); r.Visit == "" {
			t.Errorf("the new household's PIN: %+v", r)
		}
		if r := b.collect("A-12-3", "household", code); r.Reason != "wrong" {
			t.Errorf("the replaced code: %+v", r)
		}
		if r := b.collect("A-12-3", "household", b.codes["h1"]); r.Visit == "" {
			t.Errorf("the next code: %+v", r)
		}
	})
}

// A door that opens without an intent is told of, once that is on disk.
func TestForcedDoorIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		b.pass(2 * time.Second)
		if told := b.forced.Load(); told != nil {
			t.Errorf("told of %s before anything", *told)
		}
		b.bank.set(3, true)
		b.pass(2 * time.Second)
		if told := b.forced.Load(); told == nil || *told != "compartment/A-3" {
			t.Errorf("told of %v; want compartment/A-3", told)
		}
	})
}

func TestBoardFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, true)
		b.pass(5 * time.Second)
		if c := b.service.Office().Compartments[0]; c.Door != "closed" || c.Item != "empty" {
			t.Errorf("a compartment that is read shows door %q, item %q", c.Door, c.Item)
		}
		for range 20 { // a board that flaps is recorded so often and no more
			b.bank.with(func() { b.bank.silent = true })
			b.pass(5 * time.Second)
			if c := b.service.Office().Compartments[0]; c.Door != "unknown" || c.Item != "" {
				t.Errorf("a compartment of a silent board shows door %q, item %q", c.Door, c.Item)
			}
			if !slices.ContainsFunc(b.service.Office().Tasks, func(t Task) bool { return t.Kind == TaskUnknown }) {
				t.Error("the guard is not told")
			}
			b.bank.with(func() { b.bank.silent = false })
			b.pass(5 * time.Second)
		}
		n := 0
		for _, k := range b.read() {
			if k == wire.DeviceSilent || k == wire.DeviceReturned {
				n++
			}
		}
		if n != devices.MaxFlaps { // invariant 13
			t.Errorf("%d events; want %d", n, devices.MaxFlaps)
		}
	})
}

func TestStayBeginsWhenTheCloudKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		b.content.policy = wire.Policy{StayHours: 1}
		b.apply()
		v := b.deliver()
		parcel, lock := b.drop(v, "A-12-3")
		b.ok(b.service.Leave(t.Context(), v))
		b.pass(2 * time.Hour)
		if o := b.service.Office(); o.Parcels[0].State != "stored" || !o.Parcels[0].Deadline.IsZero() {
			t.Errorf("nobody was told: %+v", o.Parcels[0])
		}
		b.delivered.Store(true)
		b.pass(time.Minute)
		b.stop()
		b.start()
		b.pass(time.Hour)
		o := b.service.Office()
		if o.Parcels[0].State != "overdue" || o.Tasks[0].Kind != TaskOverdue {
			t.Fatalf("after its stay: %+v, %+v", o.Parcels[0], o.Tasks)
		}
		g := b.signIn()
		b.ok(b.service.OpenDoor(t.Context(), g, compartmentID("A", lock), "overdue"))
		b.pass(time.Second)
		b.ok(b.service.ToOffice(t.Context(), g, parcel, "B-14", "overdue"))
		b.bank.set(lock, false)
		b.pass(2 * time.Second)
		b.is(lock, "vacant")
		if r := b.collect("A-12-3", "pin", b.codes[parcel]); r.Reason != "office" || r.Shelf != "B-14" {
			t.Errorf("PIN of a parcel at the office: %+v", r)
		}
		if r, err := b.service.HandOver(t.Context(), g, parcel, "000000", ""); err != nil || r.Reason != "wrong" {
			t.Errorf("HandOver with a wrong PIN = %+v, %v", r, err)
		}
		r, err := b.service.HandOver(t.Context(), g, parcel, b.codes[parcel], "")
		b.ok(err)
		if r.Reason != "" || len(b.service.Office().Parcels) != 0 {
			t.Errorf("HandOver = %+v; left %+v", r, b.service.Office().Parcels)
		}
	})
}

func TestStoppedServiceSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		b.quit()
		b.pass(time.Second)
		if err := b.service.Leave(t.Context(), "x"); !errors.Is(err, ErrStopped) {
			t.Errorf("Leave = %v; want ErrStopped", err)
		}
	})
}

func TestScreensAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		changed, stop := b.service.Watch()
		defer stop()
		b.pass(time.Second)
		for range 2 {
			select {
			case <-changed:
			default:
			}
		}
		b.pass(5 * time.Second)
		select {
		case <-changed:
			t.Error("told of nothing")
		default:
		}
		b.deliver()
		select {
		case <-changed:
		default:
			t.Error("not told of a visit")
		}
	})
}

// What gives way when the log is full are new deposits: what is inside can still be collected. // invariant 7
func TestFullLogTakesNoDeposit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, true)
		v := b.deliver()
		parcel, lock := b.drop(v, "A-12-3")
		b.full.Store(true)
		if err := b.service.Reserve(t.Context(), v, "A-12-3", "S"); !errors.Is(err, ErrFull) {
			t.Errorf("Reserve with a full log = %v, want %v", err, ErrFull)
		}
		b.ok(b.service.Leave(t.Context(), v))
		if b.service.Front().Deposits {
			t.Error("the idle screen still takes deposits")
		}
		r := b.collect("A-12-3", "pin", b.codes[parcel])
		b.ok(b.service.Open(t.Context(), r.Visit, compartmentID("A", lock)))
		b.pass(time.Second)
		b.is(lock, "open")
		b.full.Store(false)
		if !b.service.Front().Deposits {
			t.Error("no deposits although there is room again")
		}
	})
}
