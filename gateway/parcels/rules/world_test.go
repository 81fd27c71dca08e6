package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

var noon = time.Date(2026, 5, 4, 4, 0, 0, 0, time.UTC)

// world is a building under the rules: two small doors, a medium and a large one, and hands on them.
type world struct {
	t        *testing.T
	state    State
	now      Now
	locks    []drivers.LockStatus
	openings []int // actions by lock
	serial   int
	out      Out
	log      []string
}

func newWorld(t *testing.T, sensors bool) *world {
	w := &world{t: t, now: Now{Wall: noon, Mono: time.Minute, Certain: true}, openings: make([]int, 4)}
	for i, size := range []string{"S", "S", "M", "L"} {
		w.state.Compartments = append(w.state.Compartments, Compartment{
			ID: fmt.Sprintf("A-%d", i+1), Bank: "A", Number: i + 1, Lock: i + 1, Size: size, Sensor: sensors,
			Content: Vacant, Door: DoorUnknown, Item: NoSensor, Restart: true,
		})
		item := drivers.ItemUnknown
		if sensors {
			item = drivers.ItemEmpty
		}
		w.locks = append(w.locks, drivers.LockStatus{Latch: drivers.LatchClosed, Item: item})
	}
	w.must(Started{})
	w.poll()
	return w
}

func (w *world) id(kind string) string {
	w.serial++
	return fmt.Sprintf("%s-%d", kind, w.serial)
}

func (w *world) do(in Input) error {
	next, out, err := Step(w.state, in, w.now)
	if err != nil {
		w.out = Out{}
		return err
	}
	w.state, w.out = next, out
	for _, a := range out.Actions {
		w.openings[a.Lock-1]++
	}
	for _, e := range out.Events {
		w.log = append(w.log, e.Type+" "+e.Subject)
	}
	return nil
}

func (w *world) must(in Input) {
	w.t.Helper()
	if err := w.do(in); err != nil {
		w.t.Fatalf("%T: %v", in, err)
	}
}

func (w *world) poll() {
	w.t.Helper()
	w.now.Mono += 100 * time.Millisecond
	w.must(Polled{Bank: "A", Began: w.now.Mono, Locks: w.locks})
}

func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.now.Wall, w.now.Mono = w.now.Wall.Add(d), w.now.Mono+d
	w.must(Tick{})
}

// moves lets the intents of the last step come out.
func (w *world) moves(o drivers.Outcome) {
	w.t.Helper()
	for _, a := range w.out.Actions {
		w.now.Mono += 100 * time.Millisecond
		if o == drivers.Opened {
			w.locks[a.Lock-1].Latch = drivers.LatchOpen
		}
		w.must(Outcome{Intent: a.Intent, Unlock: drivers.Unlock{Outcome: o, Pulsed: o != drivers.AlreadyOpen}, Next: w.id("intent")})
	}
}

func (w *world) close(lock int) {
	w.t.Helper()
	w.locks[lock-1].Latch = drivers.LatchClosed
	w.poll()
}

func (w *world) item(lock int, present bool) {
	if w.locks[lock-1].Item == drivers.ItemUnknown {
		return
	}
	w.locks[lock-1].Item = drivers.ItemEmpty
	if present {
		w.locks[lock-1].Item = drivers.ItemPresent
	}
}

// courier signs in and opens a door for household h1.
func (w *world) courier() string {
	w.t.Helper()
	w.must(Deliver{Visit: w.id("visit"), Courier: "c1", Name: "迅達"})
	return w.out.Visit
}

func (w *world) reserve(v string) string {
	w.t.Helper()
	id := w.id("parcel")
	w.must(ReserveDoor{Visit: v, Unit: "u1", Household: "h1", Label: "A-12-3", Size: "S", Parcel: id, Intent: w.id("intent")})
	return id
}

// deposit puts a parcel of household h1 behind the next small door.
func (w *world) deposit(v string) (parcel string, lock int) {
	w.t.Helper()
	parcel = w.reserve(v)
	lock = w.out.Actions[0].Lock
	w.moves(drivers.Opened)
	w.item(lock, true)
	w.close(lock)
	w.must(Settle{Visit: v, How: Inside, Intent: w.id("intent")})
	return parcel, lock
}

func (w *world) resident(grant string) string {
	w.t.Helper()
	w.must(Collect{Visit: w.id("visit"), Household: "h1", Label: "A-12-3", Grant: grant})
	return w.out.Visit
}

func (w *world) guard() string {
	w.t.Helper()
	w.must(GuardIn{Session: w.id("guard"), Guard: "g1", Masked: "陳○明"})
	return w.out.Visit
}

func (w *world) open(v string, lock int) {
	w.t.Helper()
	w.must(OpenDoor{Visit: v, Compartment: fmt.Sprintf("A-%d", lock), Intent: w.id("intent")})
}

// restart loses what dies with the power, and reads the doors.
func (w *world) restart() {
	w.t.Helper()
	for i := range w.state.Compartments {
		c := &w.state.Compartments[i]
		*c = Compartment{
			ID: c.ID, Bank: c.Bank, Number: c.Number, Lock: c.Lock, Size: c.Size, Sensor: c.Sensor, Version: c.Version, Content: c.Content,
			Purpose: c.Purpose, Before: c.Before, Parcel: c.Parcel, Intent: c.Intent, Tries: c.Tries, Out: c.Out, Verify: c.Verify, Why: c.Why,
			Seen: c.Seen, Moved: c.Moved, Since: c.Since, Door: DoorUnknown, Item: NoSensor, Restart: true,
		}
	}
	w.state.Visits, w.state.Guards = nil, nil
	w.now.Mono = time.Second
	before := total(w.openings)
	w.must(Started{})
	w.poll()
	if total(w.openings) != before { // invariant 2
		w.t.Error("a restart opened a door")
	}
}

func total(n []int) (sum int) {
	for _, v := range n {
		sum += v
	}
	return sum
}

func (w *world) is(lock int, content Content, parcel string, state ParcelState) {
	w.t.Helper()
	c := w.state.Compartments[lock-1]
	p, _ := w.state.Parcel(parcel)
	if c.Content != content || p.State != state {
		w.t.Errorf("compartment %s, parcel %q; want %s, %q\n%s", c.Content, p.State, content, state, strings.Join(w.log, "\n"))
	}
}

func (w *world) refuses(in Input, want error) {
	w.t.Helper()
	before := fmt.Sprintf("%+v", w.state)
	if err := w.do(in); !errors.Is(err, want) {
		w.t.Errorf("%T: %v; want %v", in, err, want)
	}
	if fmt.Sprintf("%+v", w.state) != before { // invariant 9
		w.t.Errorf("%T was refused and changed something", in)
	}
}

func (w *world) has(kind string) bool {
	for _, line := range w.log {
		if strings.HasPrefix(line, kind+" ") {
			return true
		}
	}
	return false
}

func (w *world) pin(do PINDo) bool {
	for _, p := range w.out.PINs {
		if p.Do == do {
			return true
		}
	}
	return false
}
