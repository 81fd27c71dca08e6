package kiosk

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

var _ Parcels = (*parcels.Service)(nil)

// fake is a parcels service that behaves: codes are judged, doors move only as the test's hand on the lock moves them,
// and every physical opening is counted.
type fake struct {
	mu       sync.Mutex
	front    Front
	changed  chan struct{}
	now      func() time.Time
	pins     map[string]string // unit → PIN
	homes    map[string]string // unit → household code
	courier  string
	verdict  *Verdict // said instead of judging
	waiting  map[string][]int
	visits   map[string]*Visit
	serial   int
	openings int
	left     []string // visits ended
	calls    []string // what was asked, without secrets
	full     bool
	err      error
}

func newFake() *fake {
	return &fake{
		changed: make(chan struct{}, 1), now: time.Now,
		front: Front{
			Free: map[string]int{"S": 5, "M": 3, "L": 0}, Sizes: []string{"S", "M", "L"}, Deposits: true,
			Blocks: []string{"A", "B"}, Online: true, Clock: "ok",
			Notice: parcels.Notice{ZH: "11/26（四）09:00–12:00 A 棟電梯保養", EN: "Lift maintenance in Block A, Thu 26 Nov"},
		},
		pins: map[string]string{"A-12-3": "471903"}, homes: map[string]string{"A-12-3": "80217764"}, courier: "55501234",
		waiting: map[string][]int{"A-12-3": {18, 6}}, visits: map[string]*Visit{},
	}
}

func (f *fake) note(format string, args ...any) {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fake) tell() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *fake) start(v *Visit) string {
	f.serial++
	id := fmt.Sprintf("visit-%d", f.serial)
	f.visits[id] = v
	return id
}

func (f *fake) Collect(_ context.Context, unit, kind, code string) (Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("collect %s %s", unit, kind)
	switch {
	case f.err != nil:
		return Verdict{}, f.err
	case f.verdict != nil:
		return *f.verdict, nil
	case kind == "pin" && (f.pins[unit] != code || code == "") || kind == "household" && (f.homes[unit] != code || code == ""):
		return Verdict{Reason: "wrong", Left: 3}, nil
	}
	v := &Visit{Role: collect, Unit: unit}
	for _, n := range f.waiting[unit] {
		v.Doors = append(v.Doors, Door{Compartment: fmt.Sprintf("A-%d", n), Number: n, State: parcels.DoorWaiting})
	}
	return Verdict{Visit: f.start(v)}, nil
}

func (f *fake) Deliver(_ context.Context, code string) (Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("deliver")
	switch {
	case f.verdict != nil:
		return *f.verdict, nil
	case code != f.courier:
		return Verdict{Reason: "wrong"}, nil
	}
	return Verdict{Visit: f.start(&Visit{Role: deliver, Who: "迅達物流"})}, nil
}

func (f *fake) Leave(_ context.Context, visit string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = append(f.left, visit)
	f.visits[visit].Ended = true
	return nil
}

func (f *fake) Open(_ context.Context, visit, compartment string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("open %s", compartment)
	for i := range f.visits[visit].Doors {
		d := &f.visits[visit].Doors[i]
		if d.Compartment == compartment && (d.State == parcels.DoorWaiting || d.State == parcels.DoorStuck) {
			d.State = parcels.DoorOpening
			f.openings++
			return nil
		}
	}
	return parcels.ErrNotNow
}

// lock is the hand on the lock: it moves the first door of a visit that is in state from.
func (f *fake) lock(visit, from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.visits[visit].Doors {
		if d := &f.visits[visit].Doors[i]; d.State == from {
			d.State, d.Since = to, f.now()
			break
		}
	}
	f.tell()
}

func (f *fake) Taken(_ context.Context, visit, compartment string, all bool) error {
	return f.move(visit, compartment, map[bool]string{true: parcels.DoorDone, false: parcels.DoorKept}[all], parcels.DoorClosed)
}

func (f *fake) Dispute(_ context.Context, visit, compartment, why string) error {
	f.mu.Lock()
	f.note("dispute %s %s", compartment, why)
	f.mu.Unlock()
	return f.move(visit, compartment, parcels.DoorDisputed, parcels.DoorOpen, parcels.DoorClosed)
}

func (f *fake) move(visit, compartment, to string, from ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.visits[visit].Doors {
		d := &f.visits[visit].Doors[i]
		for _, s := range from {
			if d.Compartment == compartment && d.State == s {
				d.State = to
				f.tell()
				return nil
			}
		}
	}
	return parcels.ErrNotNow
}

func (f *fake) Reserve(_ context.Context, visit, unit, size string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("reserve %s %s", unit, size)
	if f.full || f.front.Free[size] == 0 {
		return parcels.ErrFull
	}
	f.visits[visit].Unit = unit
	f.visits[visit].Doors = []Door{{Compartment: "A-3", Number: 3, State: parcels.DoorOpening}}
	f.openings++
	return nil
}

func (f *fake) Settle(_ context.Context, visit, how string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("settle %s", how)
	v := f.visits[visit]
	if len(v.Doors) == 0 {
		return parcels.ErrNotNow
	}
	number := v.Doors[0].Number
	v.Doors, v.Undo = nil, false
	switch how {
	case "inside":
		v.Drops++
		v.Last = &Drop{Number: number, Unit: v.Unit, Until: f.now().Add(2 * time.Minute)}
	case "took_back":
		v.Last = nil
	default:
		if f.full {
			return parcels.ErrFull
		}
		v.Doors = []Door{{Compartment: "A-5", Number: 5, State: parcels.DoorOpening}}
		f.openings++
	}
	f.tell()
	return nil
}

func (f *fake) Undo(_ context.Context, visit string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("undo")
	v := f.visits[visit]
	v.Doors, v.Undo, v.Last = []Door{{Compartment: "A-3", Number: v.Last.Number, State: parcels.DoorOpening}}, true, nil
	v.Drops--
	f.openings++
	return nil
}

func (f *fake) HasUnit(_ context.Context, _, unit string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return unit == "A-12-3" || unit == "B-7-1", nil
}

func (f *fake) Front() Front {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.front
	out.Now = f.now()
	return out
}

func (f *fake) Visit(id string) Visit {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := *f.visits[id]
	if v.Ended {
		return Visit{Ended: true} // like the service, which forgets it
	}
	v.Doors = append([]Door(nil), v.Doors...)
	return v
}

func (f *fake) Changed() <-chan struct{} { return f.changed }

// with changes the fake between two touches.
func (f *fake) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.tell()
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.openings
}
