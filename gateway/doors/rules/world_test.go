package rules

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

var noon = time.Date(2026, 5, 4, 4, 0, 0, 0, time.UTC)

// world is a building under the rules: ktv has a contact, gym has none; and hands on them.
type world struct {
	t        *testing.T
	state    Building
	now      Now
	contact  map[string]drivers.Contact
	exit     bool
	on       bool // ktv's output
	silent   bool
	releases map[string]int // actions by door: the oracle
	secures  int
	uses     map[string]int
	serial   int
	out      Out
	kinds    []string
	last     map[string]Event // by type
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, now: Now{Wall: noon, Mono: time.Hour}, contact: map[string]drivers.Contact{"ktv": drivers.ContactClosed},
		releases: map[string]int{}, uses: map[string]int{}, last: map[string]Event{},
	}
	w.state.Doors = []Door{
		{ID: "ktv", HasContact: true, Strike: 5 * time.Second, State: Secured, Restart: true},
		{ID: "gym", Strike: 5 * time.Second, State: Secured, Restart: true},
	}
	w.read()
	return w
}

func (w *world) id(kind string) string {
	w.serial++
	return fmt.Sprintf("%s-%d", kind, w.serial)
}

// do applies an input and looks at what must always hold.
func (w *world) do(in Input) error {
	w.t.Helper()
	before := fmt.Sprintf("%+v", w.state)
	next, out, err := Step(w.state, in, w.now)
	if err != nil {
		w.out = Out{}
		if fmt.Sprintf("%+v", w.state) != before || fmt.Sprintf("%+v", next) != before { // invariant 9
			w.t.Errorf("%+v was refused and changed something", in)
		}
		return err
	}
	w.state, w.out = next, out
	intents, releases := 0, 0
	for _, a := range out.Actions {
		if a.Do == Release {
			releases++
			w.releases[a.Door]++
		} else {
			w.secures++
		}
	}
	for _, e := range out.Events {
		w.kinds = append(w.kinds, e.Type)
		w.last[e.Type] = e
		if e.Type == wire.DoorOpening {
			intents++
		}
	}
	if intents != releases { // invariant 2
		w.t.Errorf("%+v: %d intents, %d releases", in, intents, releases)
	}
	for _, u := range out.Uses {
		w.uses[u.Grant] = u.Count
	}
	return nil
}

func (w *world) must(in Input) {
	w.t.Helper()
	if err := w.do(in); err != nil {
		w.t.Fatalf("%T: %v", in, err)
	}
}

// read reads both doors.
func (w *world) read() {
	w.t.Helper()
	for _, door := range []string{"ktv", "gym"} {
		w.must(w.reading(door))
	}
}

func (w *world) reading(door string) Reading {
	r := Reading{Door: door, Began: w.now.Mono, Answer: !w.silent}
	if r.Answer {
		r.Status = drivers.DoorStatus{Contact: w.contact[door], Exit: w.exit, Released: w.on}
	}
	return r
}

// pass lets time pass, a reading each second.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for end := w.now.Mono + d; w.now.Mono < end; {
		step := min(time.Second, end-w.now.Mono)
		w.now.Mono += step
		w.now.Wall = w.now.Wall.Add(step)
		w.read()
		w.must(Tick{})
	}
}

func (w *world) set(c drivers.Contact) {
	w.contact["ktv"] = c
}

func (w *world) enter(door string) {
	w.t.Helper()
	w.must(Enter{Door: door, Intent: w.id("i"), Right: ByTicket, Grant: "b1", Used: w.uses["b1"], Until: noon.Add(time.Hour)})
}

func (w *world) command() {
	w.t.Helper()
	w.must(Order{Door: "ktv", Intent: w.id("i"), Command: w.id("o"), Device: "door/ktv", What: "open", Who: "m1", Why: "test", Deadline: w.now.Mono + 15*time.Second})
}

// answers lets the device say what came of ktv's intent.
func (w *world) answers(door string, known bool, code string) {
	w.t.Helper()
	d, _ := w.state.Door(door)
	w.now.Mono += 100 * time.Millisecond
	w.must(Outcome{Door: door, Intent: d.Entry.Intent, Release: drivers.Release{Known: known}, Code: code})
}

// restart loses what dies with the power.
func (w *world) restart() {
	for i, d := range w.state.Doors {
		w.state.Doors[i] = Door{
			ID: d.ID, HasContact: d.HasContact, Strike: d.Strike, Version: d.Version, State: d.State, Since: d.Since, Alarm: d.Alarm,
			Closed: d.Closed, Reason: d.Reason, Entry: d.Entry, Restart: true,
		}
	}
	w.state.Orders = Bucket{Since: time.Second}
	w.now.Mono = time.Second
}

func (w *world) is(state State) {
	w.t.Helper()
	if d, _ := w.state.Door("ktv"); d.State != state {
		w.t.Errorf("ktv is %s; want %s\n%v", d.State, state, w.kinds)
	}
}

func (w *world) refuses(in Input, want error) {
	w.t.Helper()
	if err := w.do(in); !errors.Is(err, want) {
		w.t.Errorf("%T: %v; want %v", in, err, want)
	}
}

func (w *world) count(kind string) (n int) {
	for _, k := range w.kinds {
		if k == kind {
			n++
		}
	}
	return n
}

// passage is the data of the newest event of a type.
func (w *world) passage(kind string) wire.Passage {
	w.t.Helper()
	p, ok := w.last[kind].Data.(wire.Passage)
	if !ok {
		w.t.Errorf("no %s: %v", kind, w.kinds)
	}
	return p
}
