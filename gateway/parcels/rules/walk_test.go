package rules

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// situations are moments that a building can be in.
func situations() map[string]func(w *world) {
	return map[string]func(w *world){
		"idle":    func(*world) {},
		"opening": func(w *world) { w.reserve(w.courier()) },
		"open":    func(w *world) { w.reserve(w.courier()); w.moves(drivers.Opened) },
		"closed":  func(w *world) { w.reserve(w.courier()); w.moves(drivers.Opened); w.close(1) },
		"stuck":   func(w *world) { w.reserve(w.courier()); w.moves(drivers.Stuck) },
		"lost":    func(w *world) { w.reserve(w.courier()); w.moves(drivers.Unknown) },
		"dropped": func(w *world) { w.deposit(w.courier()) },
		"undoing": func(w *world) { v := w.courier(); w.deposit(v); w.must(Undo{v, w.id("intent")}) },
		"stored":  func(w *world) { v := w.courier(); w.deposit(v); w.must(Leave{v}) },
		"collecting": func(w *world) {
			v := w.courier()
			w.deposit(v)
			w.must(Leave{v})
			w.open(w.resident("pin"), 1)
			w.moves(drivers.Opened)
		},
		"asked": func(w *world) {
			v := w.courier()
			w.deposit(v)
			w.must(Leave{v})
			w.open(w.resident("pin"), 1)
			w.moves(drivers.Opened)
			w.close(1)
		},
		"left open":   func(w *world) { v := w.courier(); w.reserve(v); w.moves(drivers.Opened); w.must(Leave{v}) },
		"unconfirmed": func(w *world) { v := w.courier(); w.reserve(v); w.moves(drivers.Opened); w.close(1); w.must(Leave{v}) },
		"forced":      func(w *world) { w.locks[0].Latch = drivers.LatchOpen; w.poll() },
		"audited":     func(w *world) { w.audit(w.guard(), 1) },
	}
}

// inputs are all there are, meant for the first compartment and the first of everything else.
func (w *world) inputs() []Input {
	visit, parcel, session, intent := "none", "none", "none", w.state.Compartments[0].Intent
	if len(w.state.Visits) > 0 {
		visit = w.state.Visits[0].ID
	}
	if len(w.state.Parcels) > 0 {
		parcel = w.state.Parcels[0].ID
	}
	if len(w.state.Guards) > 0 {
		session = w.state.Guards[0].ID
	}
	began := w.now.Mono + time.Second
	latch := func(l drivers.Latch) Polled {
		locks := slices.Clone(w.locks)
		locks[0].Latch = l
		return Polled{Bank: "A", Began: began, Locks: locks}
	}
	return []Input{
		latch(drivers.LatchOpen), latch(drivers.LatchClosed), latch(drivers.LatchUnknown),
		Outcome{Intent: intent, Unlock: drivers.Unlock{Outcome: drivers.Opened, Pulsed: true}, Next: "n"},
		Outcome{Intent: intent, Unlock: drivers.Unlock{Outcome: drivers.Stuck, Pulsed: true}, Next: "n"},
		Outcome{Intent: intent, Unlock: drivers.Unlock{Outcome: drivers.Unknown, Pulsed: true}, Next: "n"},
		Outcome{Intent: intent, Err: "silent", Next: "n"},
		Tick{}, Told{parcel}, Policy{Stay: time.Hour},
		Collect{Visit: "v2", Household: "h1", Label: "A-12-3", Grant: "household"},
		Deliver{Visit: "v3", Courier: "c1"}, Leave{visit}, OpenDoor{visit, "A-1", "i1"},
		Answer{visit, "A-1", true}, Answer{visit, "A-1", false}, Dispute{visit, "A-1", true}, Dispute{visit, "A-1", false}, Missed{visit},
		ReserveDoor{Visit: visit, Unit: "u1", Household: "h1", Label: "A-12-3", Size: "S", Parcel: "p2", Intent: "i2"},
		Settle{visit, Inside, "i3"}, Settle{visit, TooSmall, "i3"}, Settle{visit, InUse, "i3"}, Settle{visit, TookBack, "i3"}, Undo{visit, "i4"},
		GuardIn{"g2", "guard", "陳○明"}, GuardOut{session}, GuardOpen{session, "A-1", "why", "i5"},
		Inspect{session, "A-1", "why", true}, Inspect{session, "A-1", "why", false}, PutOut{session, "A-1", "broken"},
		ToOffice{session, parcel, "1", "why"}, HandOver{session, parcel, "why"}, SendBack{session, parcel, "why"},
		Reassign{"", parcel, "u2", "h2", "B-7-1", "w"}, Started{},
	}
}

// Every situation meets every input; what comes of it is read as a diff.
func TestEverySituationMeetsEveryInput(t *testing.T) {
	var b strings.Builder
	names := make([]string, 0, len(situations()))
	for name := range situations() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "-- %s --\n", name)
		count := 0
		for i := 0; i == 0 || i < count; i++ {
			w := newWorld(t, false)
			situations()[name](w)
			all := w.inputs()
			count = len(all)
			w.now.Mono += 2 * time.Second
			fmt.Fprintf(&b, "%s: %s\n", label(all[i]), w.outcome(all[i]))
		}
	}
	golden(t, "testdata/situations.txt", b.String())
}

func label(in Input) string {
	s := strings.TrimPrefix(fmt.Sprintf("%T", in), "rules.")
	switch in := in.(type) {
	case Polled:
		return s + map[drivers.Latch]string{drivers.LatchOpen: " open", drivers.LatchClosed: " closed", drivers.LatchUnknown: " silent"}[in.Locks[0].Latch]
	case Outcome:
		return s + " " + in.Err + []string{"unknown", "opened", "stuck", "already open"}[in.Unlock.Outcome]
	case Answer:
		return s + fmt.Sprint(" taken ", in.Taken)
	case Dispute:
		return s + fmt.Sprint(" empty ", in.Empty)
	case Inspect:
		return s + fmt.Sprint(" inside ", in.Inside)
	case Settle:
		return s + " " + string(in.How)
	}
	return s
}

// outcome applies an input and says what came of it.
func (w *world) outcome(in Input) string {
	before := fmt.Sprintf("%+v", w.state)
	if err := w.do(in); err != nil {
		if fmt.Sprintf("%+v", w.state) != before || w.out.Events != nil { // invariant 9
			w.t.Errorf("%+v was refused and changed something", in)
		}
		return "refused: " + err.Error()
	}
	var said []string
	for _, e := range w.out.Events {
		s := e.Type
		switch state := e.State.(type) {
		case wire.Compartment:
			s += " " + state.Content
		case wire.Parcel:
			s += " " + state.State
		}
		said = append(said, s)
	}
	for _, p := range w.out.PINs {
		said = append(said, "PIN "+string(p.Do))
	}
	for _, a := range w.out.Actions {
		said = append(said, "unlock "+a.Compartment)
	}
	if w.out.Full {
		said = append(said, "full")
	}
	if len(said) == 0 {
		return "-"
	}
	return strings.Join(said, ", ")
}

// A thousand people push everything in any order: the hardware is always heard, and what must hold holds.
func TestWalk(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, seed%2 == 0)
		w.guard()
		for range 400 {
			w.push(r)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

func (w *world) push(r *rand.Rand) {
	lock := r.IntN(4)
	switch r.IntN(10) {
	case 0, 1:
		w.locks[lock].Latch = []drivers.Latch{drivers.LatchClosed, drivers.LatchClosed, drivers.LatchClosed, drivers.LatchUnknown, drivers.LatchOpen}[r.IntN(5)]
		w.item(lock+1, r.IntN(2) == 0)
	case 2:
		if r.IntN(12) == 0 {
			w.restart()
			w.guard()
		}
	}
	w.now.Mono += time.Duration(r.IntN(30)) * time.Second
	w.now.Wall = w.now.Wall.Add(time.Minute)
	for _, c := range w.state.Compartments {
		if c.Content == Opening && c.Intent != "" && !c.Lost && r.IntN(2) == 0 {
			o := []drivers.Outcome{drivers.Opened, drivers.Opened, drivers.Stuck, drivers.Unknown, drivers.AlreadyOpen}[r.IntN(5)]
			if o == drivers.Opened {
				w.locks[c.Lock-1].Latch = drivers.LatchOpen
			}
			w.check(Outcome{Intent: c.Intent, Unlock: drivers.Unlock{Outcome: o, Pulsed: true}, Next: w.id("intent")})
		}
	}
	w.check(Polled{Bank: "A", Began: w.now.Mono, Locks: w.locks})
	w.tick()
	all := w.inputs()
	in := all[7+r.IntN(len(all)-7)]
	switch p := in.(type) {
	case ReserveDoor:
		p.Parcel, p.Intent = w.id("parcel"), w.id("intent")
		in = p
	case OpenDoor:
		p.Compartment, p.Intent = w.state.Compartments[lock].ID, w.id("intent")
		in = p
	case Settle:
		p.Intent = w.id("intent")
		in = p
	case Undo:
		p.Intent = w.id("intent")
		in = p
	case GuardOpen:
		p.Compartment, p.Intent = w.state.Compartments[lock].ID, w.id("intent")
		in = p
	case Inspect:
		p.Compartment = w.state.Compartments[lock].ID
		in = p
	case Answer:
		p.Compartment = w.state.Compartments[lock].ID
		in = p
	case Collect:
		p.Visit = w.id("visit")
		in = p
	case Deliver:
		p.Visit = w.id("visit")
		in = p
	case Started, PutOut:
		return
	}
	w.check(in)
}

// tick lets time have its effect, which it has not before the deadline that was said.
func (w *world) tick() {
	w.t.Helper()
	next, waits := w.state.NextDeadline()
	w.check(Tick{})
	if waits && w.now.Mono >= next {
		return
	}
	for _, e := range w.out.Events {
		if p, ok := e.State.(wire.Parcel); !ok || p.State != string(Overdue) {
			w.t.Errorf("at %v, before %v: %+v", w.now.Mono, next, e)
		}
	}
}

// check applies an input and looks at what must always hold.
func (w *world) check(in Input) {
	w.t.Helper()
	before := w.state
	err := w.do(in)
	switch in.(type) {
	case Polled, Outcome, Tick, Leave:
		if err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrSession) {
			w.t.Errorf("%+v: %v\n%+v", in, err, before)
		}
	}
	intents := 0
	for _, e := range w.out.Events {
		if e.Type == wire.UnlockIntended {
			intents++
		}
	}
	if intents != len(w.out.Actions) { // invariant 2
		w.t.Errorf("%+v: %d intents, %d actions", in, intents, len(w.out.Actions))
	}
	for _, c := range w.state.Compartments {
		p, known := w.state.Parcel(c.Parcel)
		switch {
		case c.Content == Vacant && c.Parcel != "":
			w.t.Errorf("%+v: vacant with a parcel: %+v", in, c)
		case c.Content == Occupied && (!known || p.ended()):
			w.t.Errorf("%+v: occupied by nothing: %+v, %+v", in, c, p)
		}
	}
	for _, p := range w.state.Parcels {
		c, _ := w.state.Compartment(p.Compartment)
		if (p.waits() || p.State == Collecting) && c.Parcel != p.ID {
			w.t.Errorf("%+v: parcel without its compartment: %+v, %+v", in, p, c)
		}
	}
}
