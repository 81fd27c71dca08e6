package building

import (
	"errors"
	"math"
	"reflect"
	"testing"
)

// Every fault of the table shows what it was told, is ended by what undoes it, and leaves nothing else changed.
func TestEveryFaultIsUndone(t *testing.T) {
	r := start(t, everything())
	before := r.State()
	for _, at := range before.Targets() {
		for _, w := range before.Switches(at) {
			if !w.Action.Fault {
				continue
			}
			name := at.String() + ": " + w.Action.Name
			if w.On {
				t.Errorf("%s is on in a sound building", name)
			}
			do, o := w.Press()
			if err := r.Touch(at, do, o); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			now := r.State()
			on := switchOf(now, at, w.Action.Name)
			if !on.On || now.FaultsOn() != 1 {
				t.Errorf("%s: on is %v and %d faults are on; want it alone", name, on.On, now.FaultsOn())
			}
			if o.On == nil && !reflect.DeepEqual(on.Now, o) {
				t.Errorf("%s is on with %+v; was told %+v", name, on.Now, o)
			}
			do, o = on.Press()
			if err := r.Touch(at, do, o); err != nil {
				t.Errorf("%s undone by %s: %v", name, do, err)
			}
			if n := r.State().FaultsOn(); n != 0 {
				t.Fatalf("%s: %d faults are left on", name, n)
			}
		}
	}
}

func switchOf(s State, t Target, name string) Switch {
	for _, w := range s.Switches(t) {
		if w.Action.Name == name {
			return w
		}
	}
	return Switch{}
}

func TestActionsAreWhole(t *testing.T) {
	for _, a := range Actions() {
		if a.ZH == "" || a.EN == "" || a.do == nil || a.Fault != (a.now != nil) || a.Fault != (a.Undo != "") {
			t.Errorf("%s %s = %+v; want words, a deed, and of a fault what undoes it", a.Kind, a.Name, a)
		}
		if !a.Fault {
			continue
		}
		undo, err := actionOf(a.Kind, a.Undo)
		if err := errors.Join(err, a.check(a.Click), undo.check(a.Off)); err != nil {
			t.Errorf("%s %s: %v", a.Kind, a.Name, err)
		}
	}
}

// invariant 9
func TestOptionsOutOfRange(t *testing.T) {
	r := start(t, small)
	line := Target{Kind: Lines, Name: "rs485-a"}
	for _, tt := range []struct {
		do string
		o  Options
	}{
		{"noise", Options{Rate: new(math.NaN())}}, {"noise", Options{Rate: new(-0.1)}}, {"noise", Options{Rate: new(0.1), MS: new(int64(1))}},
		{"silence", Options{Link: "a"}}, {"clear", Options{On: new(true)}},
		{"baud", Options{Baud: new(1)}}, {"parity", Options{Parity: "mark"}}, {"late", Options{Rate: new(0.5)}},
	} {
		if err := r.Touch(line, tt.do, tt.o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s with %+v = %v; want ErrOptions", tt.do, tt.o, err)
		}
	}
	if err := r.Touch(line, "stale-tcp", Options{}); !errors.Is(err, ErrAction) {
		t.Errorf("stale connections of a serial port = %v; want ErrAction", err)
	}
	if n := r.State().FaultsOn(); n != 0 {
		t.Errorf("%d faults are on after refusals", n)
	}
}

// Banks of one supply brown out together, whatever they speak, and that is one fault.
func TestBanksOfOneSupply(t *testing.T) {
	r := start(t, `name: supply
seed: 7
lines: [{name: rs485-a, baud: 115200}, {name: rs485-b, baud: 115200}]
banks:
  - {name: A, line: rs485-a, supply: psu, closed_bit: 1, boards: [{address: 3, locks: 2}], columns: [[1 S, 2 S]]}
  - name: B
    line: rs485-b
    supply: psu
    protocol: kerong-b
    codes: {status: 0x60, open: 0x61, ok: 0x75}
    closed_bit: 1
    boards: [{address: 0, locks: 1}]
    columns: [[1 S]]
`)
	p := r.port()
	if err := r.Touch(Target{Kind: Banks, Name: "B"}, "brown-out", Options{Rate: new(1.0)}); err != nil {
		t.Fatal(err)
	}
	if s := r.State(); s.FaultsOn() != 1 || s.Banks[0].BrownOut != 1 {
		t.Errorf("%d faults, A's supply %v; want one, which both have", s.FaultsOn(), s.Banks[0].BrownOut)
	}
	say(t, p, "\x02\x30\x31\x03\x66", 0)
	r.until("the boards of both banks reset", func(s State) bool { return s.Banks[0].Boards[0].Resets && s.Banks[1].Boards[0].Resets })
	if s := r.State(); s.Banks[1].Collapses != 1 || s.Pulses != 1 {
		t.Errorf("%d collapses, %d pulses; want one of each", s.Banks[1].Collapses, s.Pulses)
	}
	chain, err := r.Chain("B")
	if err != nil {
		t.Fatal(err)
	}
	if got := chain.Explain([]byte("\x02\x00\x00\x75\x06\xff\xff\xff\xff\xff\xff\x77")).EN; got != "board 0: all latched" {
		t.Errorf("bank B understands %q", got)
	}
}
