package terminal

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
)

// fake is a doors service that behaves, as far as a screen can see it: tickets and codes are judged, a door moves only as
// the test's hand on it does, and every release is counted.
type fake struct {
	mu       sync.Mutex
	view     doors.View
	now      func() time.Time
	tickets  map[string]string // text → the door that it opens
	homes    map[string]string // unit → household code
	says     *doors.Verdict    // instead of judging
	err      error
	serial   int
	releases int
	calls    []string // what was asked, without secrets
	watchers map[int]chan struct{}
}

func newFake() *fake {
	return &fake{
		now: time.Now, tickets: map[string]string{"LOBBY1GOOD": "pool"}, homes: map[string]string{"A-12-3": "80217764"},
		watchers: map[int]chan struct{}{},
		view: doors.View{Clock: "ok", Doors: []doors.Door{
			{ID: "pool", Name: "游泳池", English: "Swimming pool", State: doors.Secured, Online: true, Contact: "closed"},
			{ID: "ktv", Name: "視聽室", English: "KTV room", State: doors.Secured, Online: true, Contact: "closed"},
		}},
	}
}

func (f *fake) Present(_ context.Context, door, ticket string) (doors.Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("ticket of %d at %s", len(ticket), door))
	right, known := f.tickets[ticket]
	switch {
	case f.err != nil:
		return doors.Verdict{}, f.err
	case f.says != nil:
		return *f.says, nil
	case !known:
		return doors.Verdict{Reason: doors.NoTicket}, nil
	case right != door:
		return doors.Verdict{Reason: doors.WrongDoor, Door: right}, nil
	}
	return doors.Verdict{Intent: f.open(door)}, nil
}

func (f *fake) EnterByCode(_ context.Context, door, unit string, code doors.Code) (doors.Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("code of %s at %s", unit, door))
	switch {
	case f.err != nil:
		return doors.Verdict{}, f.err
	case f.says != nil:
		return *f.says, nil
	case f.homes[unit] != code.Reveal() || code == "":
		return doors.Verdict{Reason: doors.Wrong, Left: 4}, nil
	}
	return doors.Verdict{Intent: f.open(door)}, nil
}

// open releases a door; f.mu is held.
func (f *fake) open(door string) string {
	f.serial++
	f.releases++
	intent := fmt.Sprintf("intent-%d", f.serial)
	f.change(door, func(d *doors.Door) { d.Intent, d.Outcome = intent, doors.Opening })
	return intent
}

// change replaces the view, which nobody changes once it was given; f.mu is held.
func (f *fake) change(door string, change func(*doors.Door)) {
	all := slices.Clone(f.view.Doors)
	i := slices.IndexFunc(all, func(d doors.Door) bool { return d.ID == door })
	change(&all[i])
	f.view.Doors = all
	for _, c := range f.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// hand is the test's hand on the door, or a guard's.
func (f *fake) hand(door string, change func(*doors.Door)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change(door, change)
}

// with changes what the fake says.
func (f *fake) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) View() doors.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.view
	v.Now = f.now()
	return v
}

func (f *fake) Watch() (<-chan struct{}, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial++
	id, c := f.serial, make(chan struct{}, 1)
	f.watchers[id] = c
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, id)
	}
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.releases
}

func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}
