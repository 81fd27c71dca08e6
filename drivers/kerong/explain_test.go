package kerong

import (
	"reflect"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

func TestExplain(t *testing.T) {
	a := Config{Name: "locker/A", Boards: 2, ClosedBit: ClosedIs1, Sensors: true}
	b := Config{Name: "locker/B", Dialect: B, Codes: firmware50, ClosedBit: ClosedIs0, Wiring: []Place{{4, 47}, {4, 0}, {7, 0}}}
	raw := Config{Name: "locker/A", Boards: 2}
	for _, c := range []struct {
		name          string
		cfg           Config
		device        string
		frame, answer string
		want          string
		awaits        bool
		known         bool
	}{
		{"open doors", a, "locker/A/board/0", "02 00 30 03 35", "02 00 35 FB FF 01 00 03 35", "board 0: door locks 3 open; item in 1", true, true},
		{"two open doors of the second board", a, "locker/A/board/1", "02 10 30 03 45", "02 10 35 FA FF 00 00 03 43", "board 1: door locks 17, 19 open", true, true},
		{"all closed", a, "locker/A/board/1", "02 10 30 03 45", "02 10 35 FF FF 00 00 03 48", "board 1: all doors closed", true, true},
		{"no answer", a, "locker/A/board/0", "02 00 30 03 35", "", "board 0: status? no answer", true, true},
		{"of another board", a, "locker/A/board/0", "02 00 30 03 35", "02 10 35 FF FF 00 00 03 48", "board 0: status? no answer of this board: 02 10 35 ff ff 00 00 03 48", true, true},
		{"unlock", a, "locker/A/board/1", "02 12 31 03 48", "", "board 1: open lock 19", false, true},
		{"unlock, answered", a, "locker/A/board/1", "02 12 31 03 48", "02 10 35 FF FF 00 00 03 48", "board 1: open lock 19; answered, which proves nothing", false, true},
		{"a frame to another device", a, "locker/A/board/1", "02 02 31 03 38", "", "locker/A/board/1: no frame of this bank", false, false},
		{"a frame it never sends", a, "locker/A/board/0", "02 00 33 03 38", "", "locker/A/board/0: no frame of this bank", false, false},
		{"not proven", raw, "locker/A/board/0", "02 00 30 03 35", "02 00 35 05 00 00 00 03 3F", "board 0: latch bits 1 of locks 1, 3", true, true},
		{"not proven, all 1", raw, "locker/A/board/1", "02 10 30 03 45", "02 10 35 FF FF 00 00 03 48", "board 1: all latch bits 1", true, true},
		{"wired otherwise, dialect B", b, "locker/B/board/4", "02 04 00 50 03 59", "02 04 00 75 06 00 00 00 00 00 80 01", "board 4: door locks 1 open", true, true},
		{"unlock, dialect B", b, "locker/B/board/7", "02 07 00 51 03 5D", "", "board 7: open lock 3", false, true},
	} {
		bank, err := New(nil, c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		f, answer := frame(t, c.frame), frame(t, c.answer)
		if got := bank.Explain(c.device, f, answer); got != c.want {
			t.Errorf("%s: Explain = %q; want %q", c.name, got, c.want)
		}
		if m, ok := bank.Match(c.device, f); ok != c.known || (m != nil) != c.awaits {
			t.Errorf("%s: Match = answer awaited %v, known %v; want %v, %v", c.name, m != nil, ok, c.awaits, c.known)
		}
	}
}

func TestCosts(t *testing.T) {
	bank, err := New(nil, Config{Name: "locker/A", Boards: 2, ClosedBit: ClosedIs1})
	if err != nil {
		t.Fatal(err)
	}
	status := bus.Cost{Device: "locker/A/board/0", Out: 5, In: 9, Answer: 300 * time.Millisecond, Lateness: time.Second}
	second := status
	second.Device = "locker/A/board/1"
	if got, want := bank.PollCost(), []bus.Cost{status, second}; !reflect.DeepEqual(got, want) {
		t.Errorf("PollCost() = %+v; want %+v", got, want)
	}
	want := []bus.Cost{status, {Device: "locker/A/board/0", Out: 5, Answer: 200 * time.Millisecond}}
	if got := bank.OpenCost(); !reflect.DeepEqual(got, want) {
		t.Errorf("OpenCost() = %+v; want %+v", got, want)
	}
	wide, err := New(nil, Config{Name: "locker/B", Dialect: B, Codes: firmware60, Boards: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := wide.PollCost(); len(got) != 1 || got[0].Out != 6 || got[0].In != 12 || wide.OpenCost() != nil {
		t.Errorf("costs of dialect B = %+v, %+v; want 6 and 12 bytes, and nothing that opens while unproven", got, wide.OpenCost())
	}
}
