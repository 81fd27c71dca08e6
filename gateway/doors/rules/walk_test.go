package rules

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// situations are moments that a door can be in.
func situations() map[string]func(w *world) {
	return map[string]func(w *world){
		"secured":            func(*world) {},
		"opening":            func(w *world) { w.enter("ktv") },
		"commanded":          func(w *world) { w.command() },
		"released":           func(w *world) { w.enter("ktv"); w.answers("ktv", true, "") },
		"lost":               func(w *world) { w.enter("ktv"); w.answers("ktv", false, "") },
		"open":               func(w *world) { w.enter("ktv"); w.answers("ktv", true, ""); w.set(ajar); w.pass(time.Second) },
		"held":               func(w *world) { w.exit = true; w.set(ajar); w.pass(time.Second); w.exit = false; w.pass(HeldAfter) },
		"left open":          func(w *world) { w.exit = true; w.set(ajar); w.pass(time.Second); w.exit = false; w.pass(LeftOpenAfter) },
		"forced":             func(w *world) { w.set(ajar); w.pass(time.Second) },
		"forced, shut again": func(w *world) { w.set(ajar); w.pass(time.Second); w.set(shut); w.pass(time.Second) },
		"closed down":        func(w *world) { w.must(CloseDown{"ktv", "g1", "why"}) },
		"silent":             func(w *world) { w.silent = true; w.pass(SilentPolls * time.Second) },
		"restarted":          func(w *world) { w.restart() },
		"restarted, opening": func(w *world) { w.enter("ktv"); w.restart() },
		"restarted, ordered": func(w *world) { w.command(); w.restart() },
		"restarted, open": func(w *world) {
			w.enter("ktv")
			w.answers("ktv", true, "")
			w.set(ajar)
			w.pass(time.Second)
			w.restart()
		},
	}
}

// inputs are all there are, meant for ktv.
func (w *world) inputs() []Input {
	intent := w.state.Doors[0].Entry.Intent
	read := func(answer bool, s drivers.DoorStatus) Reading {
		return Reading{Door: "ktv", Began: w.now.Mono, Answer: answer, Status: s}
	}
	return []Input{
		read(true, drivers.DoorStatus{Contact: ajar}), read(true, drivers.DoorStatus{Contact: ajar, Exit: true}),
		read(true, drivers.DoorStatus{Contact: shut}), read(true, drivers.DoorStatus{Contact: shut, Released: true}), read(false, drivers.DoorStatus{}),
		Outcome{Door: "ktv", Intent: intent, Release: drivers.Release{Known: true}},
		Outcome{Door: "ktv", Intent: intent}, Outcome{Door: "ktv", Intent: intent, Code: "late"},
		Tick{},
		Enter{Door: "ktv", Intent: w.id("i"), Right: ByTicket, Grant: "b1"}, Enter{Door: "ktv", Intent: w.id("i"), Right: ByGrant, Grant: "b1", Uses: 1, Used: 1},
		Order{Door: "ktv", Intent: w.id("i"), Command: w.id("o"), Device: "door/ktv", What: "open"},
		OpenFor{"ktv", w.id("i"), "g1", "why"}, CloseDown{"ktv", "g1", "why"}, Reopen{"ktv", "g1", "why"}, Clear{"ktv", "g1", "why"},
		Wrong{"ktv"}, Damaged{"ktv"},
	}
}

// Every situation meets every input; what comes of it is read as a diff.
func TestEverySituationMeetsEveryInput(t *testing.T) {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(situations())) {
		fmt.Fprintf(&b, "-- %s --\n", name)
		for i := range newWorld(t).inputs() {
			w := newWorld(t)
			situations()[name](w)
			w.now.Mono += 10 * time.Second
			in := w.inputs()[i]
			fmt.Fprintf(&b, "%s: %s\n", label(in), w.outcome(in))
		}
	}
	golden(t, "testdata/situations.txt", b.String())
}

func label(in Input) string {
	s := strings.TrimPrefix(fmt.Sprintf("%T", in), "rules.")
	switch in := in.(type) {
	case Reading:
		if !in.Answer {
			return s + " silent"
		}
		s += []string{"", " closed", " open"}[in.Status.Contact]
		if in.Status.Exit {
			s += ", button inside"
		}
		if in.Status.Released {
			s += ", output on"
		}
	case Outcome:
		return s + " " + in.Code + map[bool]string{true: "known", false: ""}[in.Known]
	case Enter:
		return s + " by " + in.Right
	}
	return s
}

// outcome applies an input and says what came of it.
func (w *world) outcome(in Input) string {
	if err := w.do(in); err != nil {
		return "refused: " + err.Error()
	}
	var said []string
	for _, e := range w.out.Events {
		s := e.Type
		if d, ok := e.State.(wire.Door); ok {
			s += " " + d.State
		}
		if o, ok := e.Data.(wire.CommandOutcome); ok && o.Code != "" {
			s += " " + o.Code
		}
		said = append(said, s)
	}
	for _, u := range w.out.Uses {
		said = append(said, fmt.Sprintf("use %d of %s", u.Count, u.Grant))
	}
	for _, a := range w.out.Actions {
		said = append(said, string(a.Do)+" "+a.Door)
	}
	if len(said) == 0 {
		return "-"
	}
	return strings.Join(said, ", ")
}

// Hands, devices, power and people push everything in any order: the hardware is always heard, and what must hold holds.
func TestWalk(t *testing.T) {
	for seed := range uint64(80) {
		w, r := newWorld(t), rand.New(rand.NewPCG(seed, 1))
		opened := map[string]bool{} // intents that have an outcome
		for range 400 {
			w.push(r, opened)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

func (w *world) push(r *rand.Rand, settled map[string]bool) {
	w.t.Helper()
	w.now.Mono += time.Duration(r.IntN(4000)) * time.Millisecond
	w.now.Wall = w.now.Wall.Add(time.Second)
	if r.IntN(40) == 0 {
		w.restart()
	}
	w.set([]drivers.Contact{shut, shut, ajar}[r.IntN(3)])
	w.silent, w.exit, w.on = r.IntN(6) == 0, r.IntN(6) == 0, r.IntN(9) == 0
	all := append(w.inputs(), w.reading("ktv"), w.reading("gym"), Tick{})
	in := all[r.IntN(len(all)-4)]
	if r.IntN(2) == 0 {
		in = all[len(all)-1-r.IntN(3)]
	}
	before := w.state.Doors[0]
	err := w.do(in)
	switch in.(type) {
	case Reading, Tick, Order, Damaged, Wrong:
		if err != nil {
			w.t.Errorf("%+v: %v", in, err)
		}
	case Outcome:
		if err != nil && !errors.Is(err, ErrUnknown) {
			w.t.Errorf("%+v: %v", in, err)
		}
	}
	for _, a := range w.out.Actions {
		if _, guard := in.(OpenFor); a.Do == Release && (before.Closed && !guard || before.Restart || before.State != Secured && before.State != Forced) { // invariant 5
			w.t.Errorf("%+v released %+v", in, before)
		}
	}
	for _, e := range w.out.Events {
		p, ok := e.Data.(wire.Passage)
		if !ok {
			continue
		}
		if settled[p.Intent] || p.Intent == "" { // one outcome for one intent
			w.t.Errorf("%+v: second outcome of %s", in, p.Intent)
		}
		settled[p.Intent] = true
		if e.Type == wire.DoorOpened && p.Code == "" && w.state.Doors[0].Contact != ajar {
			w.t.Errorf("%+v: opened, and the contact does not say so", in)
		}
	}
	d := w.state.Doors[0]
	if (d.State == Opening) != (d.Entry.Intent != "" && d.State != Released) || d.Alarm != (d.State == Forced) && d.State == Forced {
		w.t.Errorf("%+v: %+v", in, d)
	}
	if next, waits := w.state.NextDeadline(); waits && w.now.Mono < next {
		w.must(Tick{})
		if len(w.out.Events) > 0 {
			w.t.Errorf("time had an effect before %v: %+v", next, w.out.Events)
		}
	}
}
