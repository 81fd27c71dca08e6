package modbus

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// meter is a meter at unit 1 at which nobody burns gas.
func meter(change func(*MeterConfig)) *Meter {
	cfg := MeterConfig{Name: "m-101", Unit: 1, Serial: "10000101", Litres: 1842361, PerCount: 1, Use: Vacant, Seed: 7}
	if change != nil {
		change(&cfg)
	}
	return NewMeter(cfg)
}

// module is a relay module at unit 3 with two doors.
func module() (relay *Relay, ktv, gym *Door) {
	relay = NewRelay(RelayConfig{Name: "doors", Unit: 3, Seed: 7})
	ktv = relay.Wire(DoorConfig{Name: "KTV", English: "KTV", Output: 0, Contact: 0, OpenIs: true, Exit: 1})
	gym = relay.Wire(DoorConfig{Name: "健身房", English: "Gym", Output: 1, Contact: 2, OpenIs: false, Exit: None})
	return relay, ktv, gym
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// say sends hex bytes now and returns the answers as hex.
func say(t *testing.T, d line.Device, request string) string {
	t.Helper()
	var out []string
	for _, h := range d.Hear(unhex(t, request), time.Now()) {
		for _, a := range h.Answers {
			out = append(out, strings.ToUpper(hex.EncodeToString(a.Bytes)))
		}
	}
	return strings.Join(out, " ")
}

// rtu puts a unit in front of hex bytes and their CRC behind them.
func rtu(t *testing.T, unit byte, pdu string) string {
	t.Helper()
	return hex.EncodeToString(appendRTU(nil, unit, unhex(t, pdu)))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Frames as other makers have published them.
func TestPublishedFrames(t *testing.T) {
	for _, frame := range []string{
		"01 03 00 00 00 02 C4 0B", "01 03 04 44 9B 70 00 BA EC", "01 83 02 C0 F1", "02 04 09 C3 00 02 82 58",
		"0A 01 04 A1 00 01 AC 63", "01 10 00 01 00 01 02 00 64 A6 6A", "03 05 00 01 FF 00 DC 18", "01 05 02 00 00 07 8D B0",
	} {
		b := unhex(t, frame)
		if got := appendRTU(nil, b[0], b[1:len(b)-2]); !bytes.Equal(got, b) {
			t.Errorf("appendRTU = % X; want %s", got, frame)
		}
		if !checked(b) {
			t.Errorf("checked(%s) = false", frame)
		}
	}
	bus := NewBus(meter(nil), NewRelay(RelayConfig{Name: "doors", Unit: 3, Seed: 0}))
	tests := []struct{ name, request, want string }{
		{"total", "01 03 00 00 00 02 C4 0B", strings.ToUpper(rtu(t, 1, "03 04 001C 1CB9"))},
		{"relay 2 on, by its echo", "03 05 00 01 FF 00 DC 18", "03050001FF00DC18"},
		{"a register far away", rtu(t, 1, "03 0FA0 0001"), "018302C0F1"},
	}
	for _, tt := range tests {
		if got := say(t, bus.RTU(), tt.request); got != tt.want {
			t.Errorf("%s: %s is answered by %s; want %s", tt.name, tt.request, got, tt.want)
		}
	}
}

func TestMeterAnswers(t *testing.T) {
	all := "001C 1CB9 0000 0001 1000 0101"
	tests := []struct{ name, request, want string }{
		{"everything, 03", "03 0000 0006", "03 0C" + all},
		{"everything, 04", "04 0000 0006", "04 0C" + all},
		{"serial number", "03 0004 0002", "03 04 1000 0101"},
		{"one register", "03 0003 0001", "03 02 0001"},
		{"one too many", "03 0000 0007", "83 02"},
		{"none there", "04 0006 0001", "84 02"},
		{"the last address", "03 FFFF 0001", "83 02"},
		{"no registers", "03 0000 0000", "83 03"},
		{"too many for a frame", "03 0000 007E", "83 03"},
		{"coils", "01 0000 0001", "81 01"},
		{"write a register", "06 0000 0001", "86 01"},
		{"write registers", "10 0000 0001 02 0000", "90 01"},
		{"a function nobody knows", "2B 0E 01 00", "AB 01"},
	}
	bus := NewBus(meter(nil))
	serial, stream := bus.RTU(), bus.TCP()
	for i, tt := range tests {
		if got, want := say(t, serial, rtu(t, 1, tt.request)), strings.ToUpper(rtu(t, 1, tt.want)); got != want {
			t.Errorf("%s: RTU %s = %s; want %s", tt.name, tt.request, got, want)
		}
		got := say(t, stream, hex.EncodeToString(appendTCP(nil, uint16(i), 1, unhex(t, tt.request))))
		want := strings.ToUpper(hex.EncodeToString(appendTCP(nil, uint16(i), 1, unhex(t, tt.want))))
		if got != want {
			t.Errorf("%s: TCP %s = %s; want %s", tt.name, tt.request, got, want)
		}
	}
	if got, want := say(t, stream, "0001 0000 0003 01 03 00"), "000100000003018303"; got != want {
		t.Errorf("a request cut short = %s; want %s", got, want)
	}
}

func TestNobodyAnswers(t *testing.T) {
	m := meter(nil)
	relay, _, _ := module()
	tests := []struct{ name, frame string }{
		{"another unit", rtu(t, 2, "03 0000 0006")},
		{"broadcast", rtu(t, 0, "05 0000 FF00")},
		{"wrong CRC", "01 03 00 00 00 02 C4 0C"},
		{"CRC the wrong way round", "01 03 00 00 00 02 0B C4"},
	}
	for _, tt := range tests {
		if got := say(t, NewBus(m, relay).RTU(), tt.frame); got != "" {
			t.Errorf("%s: answered by %s; want nothing", tt.name, got)
		}
	}
	if relay.Output(0).Times != 0 {
		t.Error("a broadcast switched an output")
	}
}

func TestRequestsInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewBus(meter(nil)).RTU()
		want := strings.ToUpper(rtu(t, 1, "03 04 00 1C 1C B9"))
		if got := say(t, d, "01 03 00") + say(t, d, "00 00 02 C4") + say(t, d, "0B"); got != want {
			t.Errorf("in three pieces = %s; want %s", got, want)
		}
		if got := say(t, d, "01 03 00 00 00 02 C4 0B 01 03 00 00 00 02 C4 0B"); got != want+" "+want {
			t.Errorf("two at once = %s; want two answers", got)
		}
		if got := say(t, d, "00 FF 01 03 00 00 00 02 C4 0B"); got != want {
			t.Errorf("after rubbish = %s; want it found", got)
		}
		say(t, d, "01 03 00 00")
		time.Sleep(partialLife + time.Millisecond)
		if got := say(t, d, "01 03 00 00 00 02 C4 0B"); got != want {
			t.Errorf("after half a request = %s; want the half forgotten", got)
		}
		s := NewBus(meter(nil)).TCP()
		if got := say(t, s, "0001 0000 00") + say(t, s, "06 01 03 0000 0002"); got != "000100000007010304001C1CB9" {
			t.Errorf("TCP in two pieces = %s", got)
		}
		say(t, s, "0001 0001 0006 01")
		if got := say(t, s, "0001 0000 0006 01 03 0000 0002"); got == "" {
			t.Error("TCP after another protocol is silent for ever")
		}
	})
}

func slowly(c *MeterConfig) { c.Turnaround = 20 * time.Millisecond }

func TestFaultsOfAnswers(t *testing.T) {
	m := meter(slowly)
	bus := NewBus(m)
	ask := func() []line.Answer {
		return bus.RTU().Hear(unhex(t, "01 03 00 00 00 02 C4 0B"), time.Now())[0].Answers
	}
	if a := ask(); len(a) != 1 || a[0].After != 20*time.Millisecond {
		t.Errorf("a healthy meter says %+v; want one answer after 20ms", a)
	}
	m.SetFaults(Faults{Silent: true})
	if a := ask(); len(a) != 0 || m.Unanswered() != 1 {
		t.Errorf("a silent meter says %+v and counts %d", a, m.Unanswered())
	}
	m.SetFaults(Faults{WrongUnit: true})
	if a := ask(); len(a) != 1 || a[0].Bytes[0] != 2 || !checked(a[0].Bytes) {
		t.Errorf("under another address: %+v; want unit 2 with a right CRC", a)
	}
	m.SetFaults(Faults{LateRate: 0.3, Late: time.Second})
	late := func() (out []bool) {
		for range 1000 {
			after := ask()[0].After
			if after != 20*time.Millisecond && after != 1020*time.Millisecond {
				t.Fatalf("an answer after %v", after)
			}
			out = append(out, after > time.Second)
		}
		return out
	}
	first := late()
	n := 0
	for _, l := range first {
		if l {
			n++
		}
	}
	if n < 250 || n > 350 {
		t.Errorf("%d of 1000 answers were late; want about 300", n)
	}
	m = meter(slowly)
	m.SetFaults(Faults{LateRate: 0.3, Late: time.Second})
	bus = NewBus(m)
	if !slices.Equal(late(), first) {
		t.Error("the same seed made other answers late")
	}
}

func TestWireLogIsExplained(t *testing.T) {
	relay, ktv, _ := module()
	m, other := meter(nil), meter(func(c *MeterConfig) { c.Name, c.Unit, c.PerCount, c.Litres = "m-102", 2, 10, 990 })
	other.SetFlag(Leak|LowBattery, true)
	bus := NewBus(m, other, relay)
	tests := []struct {
		name, request    string
		asked, askedZH   string
		answer, answerZH string
		marked           bool
	}{
		{"all registers", rtu(t, 1, "03 0000 0006"), "m-101 (unit 1): read registers 0–5", "m-101（1 號）：讀暫存器 0–5",
			"m-101: total 1,842,361 litres = 1,842 m³, serial 10000101", "m-101：累計 1,842,361 公升＝1,842 度，表號 10000101", false},
		{"flags", rtu(t, 2, "04 0000 0004"), "m-102 (unit 2): read registers 0–3", "m-102（2 號）：讀暫存器 0–3",
			"m-102: total 990 litres = 0 m³, low_battery, leak", "m-102：累計 990 公升＝0 度，電池低，漏氣", false},
		{"counts alone", rtu(t, 2, "04 0000 0002"), "", "", "m-102: total 99 counts", "m-102：累計 99 次", false},
		{"half a counter", rtu(t, 1, "03 0001 0001"), "m-101 (unit 1): read registers 1", "", "m-101: registers 1: 1C B9", "", false},
		{"refused", rtu(t, 1, "03 0000 0007"), "", "", "m-101: refused, exception 02 (no such address)", "m-101：拒絕，例外 02（沒有這個位址）", false},
		{"no such function", rtu(t, 1, "05 0000 FF00"), "m-101 (unit 1): function 05, which it does not have", "", "", "", false},
		{"flash", rtu(t, 3, "05 0200 0032"), "doors (unit 3): KTV strike on for 5s, then off by itself", "doors（3 號）：KTV 電鎖通電 5 秒，模組自己斷電",
			"doors: done: KTV strike on for 5s, then off by itself", "", true},
		{"inputs", rtu(t, 3, "02 0000 0004"), "doors (unit 3): read inputs 0–3", "", "doors: KTV open; KTV exit button pressed; Gym closed", "doors：KTV 門開著；KTV 有人按出門鈕；健身房 門關著", false},
		{"outputs", rtu(t, 3, "01 0000 0008"), "", "", "doors: KTV strike on; Gym strike off", "", false},
		{"coil off", rtu(t, 3, "05 0001 0000"), "doors (unit 3): Gym strike off", "", "", "", false},
		{"no such unit", rtu(t, 9, "03 0000 0006"), "for unit 9, which is not on this line", "", "", "", false},
		{"broadcast", rtu(t, 0, "05 0000 FF00"), "broadcast, ignored by these devices", "", "", "", false},
	}
	must(t, ktv.Leave())
	for _, tt := range tests {
		d := bus.RTU()
		h := d.Hear(unhex(t, tt.request), time.Now())[0]
		if tt.asked != "" && h.Meaning.EN != tt.asked || tt.askedZH != "" && h.Meaning.ZH != tt.askedZH || h.Meaning.Marked != tt.marked {
			t.Errorf("%s: asked %+v; want %q %q", tt.name, h.Meaning, tt.asked, tt.askedZH)
		}
		for _, a := range h.Answers {
			got := d.Explain(a.Bytes)
			if tt.answer != "" && got.EN != tt.answer || tt.answerZH != "" && got.ZH != tt.answerZH || got.Bad {
				t.Errorf("%s: answered %+v; want %q %q", tt.name, got, tt.answer, tt.answerZH)
			}
		}
	}
	d := bus.RTU()
	if m := d.Hear(unhex(t, "01 03 00 00 00 02 C4 0C"), time.Now())[0].Meaning; !m.Bad || m.EN != "wrong CRC: got C4 0C, want C4 0B; dropped" {
		t.Errorf("a damaged request means %+v", m)
	}
	if m := d.Explain(unhex(t, "01 83 02 C0 F0")); !m.Bad || m.ZH != "CRC 不符：收到 C0 F0，應為 C0 F1；整格丟棄" {
		t.Errorf("a damaged answer means %+v", m)
	}
}

// Whatever comes, in whatever pieces and after whatever pauses, nothing is lost or invented, what is no request is not
// obeyed, and an output goes on no more often than a whole request with its right check said so.
func FuzzHear(f *testing.F) {
	for _, s := range []string{"0103000000 02C40B", "03050000FF008C18", "030502000032", "00010000000601030000 0006", "0101030000", "2B0E0100"} {
		f.Add(bytes.ReplaceAll([]byte(s), []byte(" "), nil), uint8(3), uint8(20))
	}
	for _, pdu := range []string{"05 0000 FF00", "05 0200 0032", "0F 0000 0008 01 FF"} {
		b, _ := hex.DecodeString(strings.ReplaceAll(pdu, " ", ""))
		f.Add(appendRTU(nil, 3, b), uint8(4), uint8(60))
		f.Add(appendTCP(nil, 1, 3, b), uint8(4), uint8(60))
	}
	f.Fuzz(func(t *testing.T, in []byte, size, pause uint8) {
		relay, _, _ := module()
		bus := NewBus(meter(nil), relay)
		for _, d := range []interface {
			line.Device
			waiting() []byte
		}{bus.RTU(), bus.TCP()} {
			before, now := relay.Output(0).Times, time.Now()
			var all []byte
			asked := 0
			for piece := range slices.Chunk(in, int(size)+1) {
				for _, h := range d.Hear(piece, now) {
					all = append(all, h.Bytes...)
					if h.Meaning.Bad && len(h.Answers) > 0 {
						t.Errorf("% x is damaged and was answered", h.Bytes)
					}
					if h.Meaning.Marked {
						asked++
					}
					for _, a := range h.Answers {
						if m := d.Explain(a.Bytes); m.Bad {
							t.Errorf("% x is answered by % x: %s", h.Bytes, a.Bytes, m.EN)
						}
					}
				}
				now = now.Add(time.Duration(pause) * time.Millisecond)
			}
			d.Explain(in)
			if all = append(all, d.waiting()...); !bytes.Equal(all, in) {
				t.Errorf("heard % x of % x", all, in)
			}
			if len(d.waiting()) > maxTCP+int(size)+1 {
				t.Errorf("%d bytes are kept waiting", len(d.waiting()))
			}
			if got := int(relay.Output(0).Times - before); got > asked {
				t.Errorf("% x switched output 0 on %d times for %d requests", in, got, asked)
			}
		}
	})
}

func (t *heard) waiting() []byte { return t.partial }

// What is cut off encodes back to the same bytes.
func FuzzCodec(f *testing.F) {
	f.Add([]byte{1, 3, 0, 0, 0, 2, 0xc4, 0x0b})
	f.Add([]byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 6})
	f.Fuzz(func(t *testing.T, in []byte) {
		if junk, n := cutRTU(in); n > 0 {
			b := in[junk : junk+n]
			if got := appendRTU(nil, b[0], b[1:n-2]); !bytes.Equal(got, b) {
				t.Errorf("cutRTU found % x, which encodes to % x", b, got)
			}
		}
		if junk, n := cutTCP(in); n > 0 {
			b := in[junk : junk+n]
			if got := appendTCP(nil, uint16(b[0])<<8|uint16(b[1]), b[6], b[7:]); !bytes.Equal(got, b) {
				t.Errorf("cutTCP found % x, which encodes to % x", b, got)
			}
		}
	})
}
