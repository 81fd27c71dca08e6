package modbus

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRelayAnswers(t *testing.T) {
	tests := []struct{ name, request, want string }{
		{"outputs", "01 0000 0008", "01 01 00"},
		{"inputs: the gym's contact reads 1 while closed", "02 0000 0008", "02 01 04"},
		{"one input", "02 0002 0001", "02 01 01"},
		{"output 2 on", "05 0002 FF00", "05 0002 FF00"},
		{"outputs after it", "01 0001 0004", "01 01 02"},
		{"output 2 off", "05 0002 0000", "05 0002 0000"},
		{"no such output", "05 0008 FF00", "85 02"},
		{"no such value", "05 0000 FF01", "85 03"},
		{"toggling is no standard", "05 0000 5500", "85 03"},
		{"flash of no time", "05 0200 0000", "85 03"},
		{"flash of too long", "05 0200 8000", "85 03"},
		{"flash of no output", "05 0208 0001", "85 02"},
		{"too many outputs", "01 0000 0009", "81 02"},
		{"no inputs", "02 0000 0000", "82 03"},
		{"more than a frame holds", "02 0000 07D1", "82 03"},
		{"registers", "03 0000 0001", "83 01"},
		{"many outputs at once", "0F 0000 0008 01 FF", "8F 01"},
	}
	relay, _, _ := module()
	d := NewBus(relay).RTU()
	for _, tt := range tests {
		if got, want := say(t, d, rtu(t, 3, tt.request)), strings.ToUpper(rtu(t, 3, tt.want)); got != want {
			t.Errorf("%s: %s = %s; want %s", tt.name, tt.request, got, want)
		}
	}
	if o := relay.Output(2); o.On || o.Times != 1 {
		t.Errorf("output 2 = %+v; want it off and once on", o)
	}
}

// invariant 15: the module's own timer ends an output, whatever becomes of the host.
func TestFlashEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay, ktv, _ := module()
		d := NewBus(relay).RTU()
		on := func() bool { return say(t, d, rtu(t, 3, "01 0000 0001")) == strings.ToUpper(rtu(t, 3, "01 01 01")) }
		say(t, d, rtu(t, 3, "05 0200 0032"))
		time.Sleep(5*time.Second - time.Millisecond)
		if !on() || !ktv.State().On {
			t.Error("off before its time")
		}
		time.Sleep(time.Millisecond)
		if on() || ktv.State().On {
			t.Error("on after its time")
		}
		time.Sleep(time.Minute) // nobody looks
		if c := ktv.State().Counts; c.Releases != 1 || c.Longest != 5*time.Second {
			t.Errorf("counts = %+v; want one release of 5s", c)
		}
		say(t, d, rtu(t, 3, "05 0200 000A"))
		time.Sleep(500 * time.Millisecond)
		say(t, d, rtu(t, 3, "05 0200 000A")) // the time begins again, the output does not
		time.Sleep(time.Second)
		if c := ktv.State().Counts; c.Releases != 2 || on() {
			t.Errorf("counts = %+v; want the flash made longer, not counted twice", c)
		}
		say(t, d, rtu(t, 3, "05 0200 0064"))
		time.Sleep(time.Second)
		say(t, d, rtu(t, 3, "05 0000 0000")) // off ends a flash
		if on() {
			t.Error("a flash went on after off")
		}
		say(t, d, rtu(t, 3, "05 0200 000A"))
		say(t, d, rtu(t, 3, "05 0000 FF00")) // on makes it last
		time.Sleep(20 * time.Second)
		if c := ktv.State().Counts; !on() || c.Releases != 4 || c.Longest != 20*time.Second {
			t.Errorf("left on: counts = %+v; want 20s and counting", c)
		}
	})
}

// invariant 5: what is counted here is what tests of doors compare with.
func TestPersonAtADoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay, ktv, gym := module()
		d := NewBus(relay).RTU()
		flash := func() { say(t, d, rtu(t, 3, "05 0200 000A")) }
		inputs := func() string { return say(t, d, rtu(t, 3, "02 0000 0008"))[6:8] }
		steps := []struct {
			name   string
			do     func() error
			err    error
			open   bool
			inputs string // bit 0 KTV open, bit 1 its button, bit 2 gym closed
		}{
			{"push a held door", ktv.Push, ErrDoorHeld, false, "04"},
			{"shut a closed door", ktv.Shut, ErrDoorClosed, false, "04"},
			{"push a released door", func() error { flash(); return ktv.Push() }, nil, true, "05"},
			{"push an open door", ktv.Push, ErrDoorOpen, true, "05"},
			{"shut it while released", ktv.Shut, nil, false, "04"},
			{"push it again", ktv.Push, nil, true, "05"},
			{"shut it after the release", func() error { time.Sleep(time.Second); return ktv.Shut() }, nil, false, "04"},
			{"too late", ktv.Push, ErrDoorHeld, false, "04"},
			{"leave by the button", ktv.Leave, nil, true, "07"},
			{"the button comes up", func() error { time.Sleep(pressed); return nil }, nil, true, "05"},
			{"shut", ktv.Shut, nil, false, "04"},
			{"force", ktv.Force, nil, true, "05"},
			{"force an open door", ktv.Force, ErrDoorOpen, true, "05"},
			{"shut again", ktv.Shut, nil, false, "04"},
			{"contact stuck open", func() error { return ktv.StickContact(StuckOpen) }, nil, false, "05"},
			{"contact stuck closed", func() error { return ktv.StickContact(StuckClosed) }, nil, false, "04"},
			{"force, and nobody sees it", ktv.Force, nil, true, "04"},
			{"contact freed", func() error { return ktv.StickContact(StuckNot) }, nil, true, "05"},
			{"shut at last", ktv.Shut, nil, false, "04"},
			{"jammed: released and held", func() error { ktv.Jam(true); flash(); return ktv.Push() }, ErrDoorHeld, false, "04"},
			{"jammed: the button still opens", ktv.Leave, nil, true, "07"},
			{"shut the jammed one", ktv.Shut, nil, false, "06"},
			{"freed while released", func() error { ktv.Jam(false); return ktv.Push() }, nil, true, "07"},
		}
		for _, s := range steps {
			if err := s.do(); !errors.Is(err, s.err) {
				t.Errorf("%s = %v; want %v", s.name, err, s.err)
			}
			if got := ktv.State().Open; got != s.open {
				t.Errorf("%s: open %v; want %v", s.name, got, s.open)
			}
			if got := inputs(); got != s.inputs {
				t.Errorf("%s: inputs %s; want %s", s.name, got, s.inputs)
			}
		}
		want := DoorCounts{Releases: 2, Longest: time.Second, Openings: 3, Exits: 2, Forced: 2}
		if got := ktv.State().Counts; got != want {
			t.Errorf("counts = %+v; want %+v", got, want)
		}
		if got := gym.State(); got.Counts != (DoorCounts{}) || got.Open {
			t.Errorf("the other door of the module: %+v; want it untouched", got)
		}
		bare := relay.Wire(DoorConfig{English: "Bare", Output: 7, Contact: None, Exit: None})
		if err := bare.StickContact(StuckOpen); !errors.Is(err, ErrNoContact) || bare.State().Contact != "" {
			t.Errorf("a door without contact: %v, %+v", err, bare.State())
		}
	})
}
