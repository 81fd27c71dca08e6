package modbus

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

func at(n int) *int { return &n }

// ofModel is a meter of a model at unit 1 at which nobody burns gas.
func ofModel(t *testing.T, profile Profile, change func(*MeterConfig)) *Meter {
	t.Helper()
	cfg := MeterConfig{Name: "m", Unit: 1, Use: Vacant, Seed: 7, Options: Options{Profile: profile}}
	switch profile {
	case G4:
		cfg.Serial = "10000101"
	case Flowsic500:
		cfg.Serial = "4711"
	case EK2x0:
		cfg.Registers = Registers{Total: at(300)}
	}
	if change != nil {
		change(&cfg)
	}
	if wrong := cfg.Check(); len(wrong) > 0 {
		t.Fatalf("%s: %v", profile, wrong)
	}
	return NewMeter(cfg)
}

// Every map against values written out by hand, some of which others have published.
func TestRegisterMaps(t *testing.T) {
	tests := []struct {
		name          string
		profile       Profile
		change        func(*MeterConfig)
		request, want string // without unit and CRC
		means         string
	}{
		{"flowsic500: resolutions and measured total", Flowsic500, func(c *MeterConfig) { c.Litres, c.PerCount = 123_456_789, 1000 },
			"04 1004 0004", "04 08 0001 0001 0001 E240", "total 123,456,000 litres = 123,456 m³"},
		{"flowsic500: a resolution of ten litres", Flowsic500, func(c *MeterConfig) { c.Litres, c.PerCount, c.Resolution = 1_234_560, 100, 10 },
			"03 1004 0004", "03 08 000A 000A 0000 3039", "total 1,234,500 litres = 1,234 m³"},
		{"flowsic500: base total with its resolution", Flowsic500, func(c *MeterConfig) { c.Litres = 1_000_000 },
			"03 1005 0007", "03 0E 0001 0000 03E8 0000 0000 0000 03B6", "total 1,000 counts, standard total 950,000 litres = 950 m³"},
		{"flowsic500: serial number", Flowsic500, nil, "03 0C26 0002", "03 04 0000 1267", "serial 4711"},
		{"flowsic500: pressure", Flowsic500, nil, "03 1410 0002", "03 04 3F84 49BA", "pressure 1.0335 bar"},
		{"flowsic500: across a gap", Flowsic500, nil, "03 1003 0002", "83 02", "refused, exception 02 (no such address)"},
		{"fuxin: standard total 1243.1116", Fuxin, func(c *MeterConfig) { c.Litres = 1_308_539 },
			"03 0012 0003", "03 06 0000 1243 1120", "standard total 1,243,112 litres = 1,243 m³"},
		{"fuxin: actual total", Fuxin, func(c *MeterConfig) { c.Litres = 12_285_686_422 }, "03 0017 0003", "03 06 1228 5686 4220", "total 12,285,686,422 litres = 12,285,686 m³"},
		{"fuxin: totals as floats", Fuxin, func(c *MeterConfig) { c.Litres = 1_243_500 }, "03 000A 0002", "03 04 449B 7000", "total 1243.5 m³"},
		{"fuxin: all in one request", Fuxin, func(c *MeterConfig) { c.Litres = 2000 }, "03 000A 0014",
			"03 28 4000 0000 3FF3 3333 0000 0000 0000 0000 0000 0001 9000 0000 0000 0000 0002 0000 41A4 0000 42CE B333",
			"total 2 m³, standard total 1.9 m³, standard flow 0 m³/h, standard total 1,900 litres = 1 m³, flow 0 m³/h, total 2,000 litres = 2 m³, temperature 20.5 °C, pressure 103.35 kPa"},
		{"fuxin: not by function 04", Fuxin, nil, "04 000A 0002", "84 01", "refused, exception 01 (no such function)"},
		{"ek2x0: counter6", EK2x0, func(c *MeterConfig) { c.Litres = 65_537_250 }, "03 012C 0003", "03 06 0001 0001 4000", "total 65,537,250 litres = 65,537 m³"},
		{"ek2x0: counter6 in thousandths", EK2x0, func(c *MeterConfig) { c.Litres, c.Fraction = 1250, 1000 }, "04 012C 0003", "04 06 0000 0001 00FA", "total 1,250 litres = 1 m³"},
		{"ek2x0: counter6, low word first", EK2x0, func(c *MeterConfig) { c.Litres, c.Order = 65_537_250, CDAB }, "03 012C 0003", "03 06 0001 0001 4000", "total 65,537,250 litres = 65,537 m³"},
		{"ek2x0: sixteen digits", EK2x0, func(c *MeterConfig) { c.Litres, c.Format = 1_234_567_891, BCD16 }, "03 012C 0004", "03 08 0000 0123 4567 8910", "total 1,234,567,891 litres = 1,234,567 m³"},
		{"ek2x0: twelve digits", EK2x0, func(c *MeterConfig) { c.Litres, c.Format, c.Decimals = 1_234_567, BCD12, at(2) }, "03 012C 0003", "03 06 0000 0012 3456", "total 1,234,560 litres = 1,234 m³"},
		{"ek2x0: counts", EK2x0, func(c *MeterConfig) { c.Litres, c.Format, c.PerCount = 1_234_567, Uint32, 100 }, "03 012C 0002", "03 04 0000 3039", "total 1,234,500 litres = 1,234 m³"},
		{"ek2x0: float", EK2x0, func(c *MeterConfig) { c.Litres, c.Format = 1_243_500, Float32 }, "03 012C 0002", "03 04 449B 7000", "total 1,243,500 litres = 1,243 m³"},
		{"ek2x0: numbered from 1, with serial and status", EK2x0, func(c *MeterConfig) {
			c.Base, c.Serial, c.Registers = 1, "7012409", Registers{Total: at(1), Serial: at(4), Status: at(6)}
		}, "03 0000 0006", "03 0C 0000 0000 0000 006B 0039 0000", "total 0 litres = 0 m³, serial 7012409"},
		{"ek2x0: standard total alone in its place", EK2x0, func(c *MeterConfig) { c.Litres, c.Registers.Standard = 1_000_000, at(400) }, "03 0190 0003", "03 06 0000 03B6 0000", "standard total 950,000 litres = 950 m³"},
		{"pcd7: 13, 60383 is 912351", PCD7H104D, func(c *MeterConfig) { c.Litres, c.PerCount = 9_123_510, 10 }, "03 001C 0002", "03 04 000D EBDF", "total 9,123,510 litres = 9,123 m³"},
		{"pcd7: pulses a cubic metre", PCD7H104D, func(c *MeterConfig) { c.PerCount = 100 }, "03 0024 0004", "03 08 000A 0001 0001 0001", "registers 36–39: 00 0A 00 01 00 01 00 01"},
		{"pcd7: register 2 reads 43", PCD7H104D, nil, "03 0002 0001", "03 02 002B", ""},
		{"pcd7: numbered from 1", PCD7H104D, func(c *MeterConfig) { c.Base = 1 }, "03 0001 0001", "03 02 002B", ""},
		{"pcd7: its address", PCD7H104D, nil, "04 0018 0001", "04 02 0001", ""},
		{"vmu-mc: low word first", VMUMC, func(c *MeterConfig) { c.Litres = 9_123_510 }, "04 0000 0002", "04 04 EBDF 000D", "total 9,123,510 litres = 9,123 m³"},
		{"vmu-mc: its decimals", VMUMC, func(c *MeterConfig) { c.Decimals, c.Registers.Scale = at(3), at(10) }, "03 000A 0001", "03 02 0003", ""},
		{"pulse: from where the site put it", Pulse, func(c *MeterConfig) { c.Litres, c.PerCount, c.Registers.Total = 70_000_100, 100, at(64) }, "04 0040 0002", "04 04 000A AE61", "total 70,000,100 litres = 70,000 m³"},
		{"g4: low word first", G4, func(c *MeterConfig) { c.Litres, c.Order = 1_842_361, CDAB }, "03 0000 0002", "03 04 1CB9 001C", "total 1,842,361 counts"},
		{"g4: bytes swapped", G4, func(c *MeterConfig) { c.Litres, c.Order = 1_842_361, BADC }, "03 0000 0002", "03 04 1C00 B91C", "total 1,842,361 counts"},
		{"g4: backwards", G4, func(c *MeterConfig) { c.Litres, c.Order = 1_842_361, DCBA }, "03 0000 0002", "03 04 B91C 1C00", "total 1,842,361 counts"},
		{"g4: only by 04", G4, func(c *MeterConfig) { c.Functions = []int{4} }, "03 0000 0002", "83 01", ""},
		{"g4: zeros behind its map", G4, func(c *MeterConfig) { c.Unmapped = UnmappedZeros }, "03 0004 0004", "03 08 1000 0101 0000 0000", "serial 10000101"},
		{"g4: FFFF behind its map", G4, func(c *MeterConfig) { c.Unmapped = UnmappedFF }, "03 0063 0002", "03 04 FFFF FFFF", ""},
		{"g4: past the last register", G4, func(c *MeterConfig) { c.Unmapped = UnmappedFF }, "03 FFFF 0002", "83 02", ""},
		{"g4: an earlier end", G4, func(c *MeterConfig) { c.Litres, c.Rollover = 9_999, 10_000 }, "03 0000 0002", "03 04 0000 270F", ""},
	}
	for _, tt := range tests {
		d := NewBus(ofModel(t, tt.profile, tt.change)).RTU()
		got, want := say(t, d, rtu(t, 1, tt.request)), strings.ToUpper(rtu(t, 1, tt.want))
		if got != want {
			t.Errorf("%s: %s is answered by %s; want %s", tt.name, tt.request, got, want)
			continue
		}
		if m := d.Explain(unhex(t, got)); tt.means != "" && m.EN != "m: "+tt.means || m.Bad || m.ZH == "" {
			t.Errorf("%s: %s means %q, %q; want %q", tt.name, got, m.EN, m.ZH, tt.means)
		}
	}
}

// Two meters at one device: each has a household, a counter and a register of its own, and they share the answers' faults.
func TestChannels(t *testing.T) {
	first := ofModel(t, PCD7H104D, func(c *MeterConfig) { c.Name, c.Channel, c.Litres, c.PerCount = "m-1", 1, 700, 100 })
	third := first.Join(MeterConfig{Name: "m-3", Unit: 1, Channel: 3, Litres: 650, PerCount: 10, Use: Vacant, Seed: 7})
	d := NewBus(first).RTU()
	request := rtu(t, 1, "03 001C 000C")
	want := strings.ToUpper(rtu(t, 1, "03 18 0000 0007 0000 0000 0000 0041 0000 0000 000A 0001 0064 0001"))
	if got := say(t, d, request); got != want {
		t.Errorf("both = %s; want %s", got, want)
	}
	if m := d.Explain(unhex(t, want)); m.EN != "m-1…m-3: m-1 total 700 litres = 0 m³, m-3 total 650 litres = 0 m³" {
		t.Errorf("both mean %q", m.EN)
	}
	must(t, third.Set(1000))
	if a, b := first.State().Litres, third.State().Litres; a != 700 || b != 1000 {
		t.Errorf("after the third was set they show %d and %d", a, b)
	}
	third.SetFaults(Faults{Silent: true})
	if got := say(t, d, request); got != "" || !first.Faults().Silent || first.Unanswered() != 1 {
		t.Errorf("a silent device answers %s", got)
	}
}

// invariant 9: what Check does not refuse can be built, and every refusal says the remedy.
func TestImpossibleMeters(t *testing.T) {
	tests := []struct {
		profile   Profile
		change    func(*MeterConfig)
		key, want string
	}{
		{"g5", nil, "profile", `"g5"; use one of [g4 flowsic500 fuxin ek2x0 pcd7-h104d vmu-mc pulse]`},
		{G4, func(c *MeterConfig) { c.Serial = "4711" }, "serial", "write the eight digits"},
		{G4, func(c *MeterConfig) { c.Channel = 2 }, "channel", "2; g4 has 1"},
		{G4, func(c *MeterConfig) { c.PerCount = 1000 }, "per_count", "1000; a count is 1, 10 or 100 litres"},
		{G4, func(c *MeterConfig) { c.Decimals = at(2) }, "decimals", "g4 has none to set; leave it out"},
		{G4, func(c *MeterConfig) { c.Litres = 1e8 }, "litres", "its counter shows 0 to 99999999"},
		{G4, func(c *MeterConfig) { c.Litres, c.Rollover = 1000, 1000 }, "litres", "its counter shows 0 to 999"},
		{G4, func(c *MeterConfig) { c.Rollover = 1e8 + 1 }, "rollover", "its counter can end at 1 to 100000000"},
		{G4, func(c *MeterConfig) { c.Functions = []int{5} }, "functions", "registers are read by 3, 4 or both"},
		{G4, func(c *MeterConfig) { c.Order = "ACBD" }, "order", "use ABCD, CDAB, BADC or DCBA"},
		{G4, func(c *MeterConfig) { c.Unmapped = "silence" }, "unmapped", "use zeros or ff"},
		{G4, func(c *MeterConfig) { c.Base = 2 }, "base", "numbered from 0 or from 1"},
		{G4, func(c *MeterConfig) { c.Registers.Total = at(5) }, "registers", "g4 has no address for total to set"},
		{G4, func(c *MeterConfig) { c.Format = BCD12 }, "format", "of ek2x0"},
		{Flowsic500, func(c *MeterConfig) { c.Serial = "0012" }, "serial", "without zeros in front"},
		{Flowsic500, func(c *MeterConfig) { c.Serial = "4294967296" }, "serial", "0 to 4294967295"},
		{Flowsic500, func(c *MeterConfig) { c.Resolution = 7 }, "resolution", "1, 10, 100 or 1000"},
		{Flowsic500, func(c *MeterConfig) { c.PerCount = 10 }, "per_count", "10 litres are no whole number of the resolution's 1000"},
		{Fuxin, func(c *MeterConfig) { c.PerCount = 1 }, "per_count", "fuxin has no litres of a count"},
		{EK2x0, func(c *MeterConfig) { c.Registers = Registers{} }, "registers", "say where the site has put the total"},
		{EK2x0, func(c *MeterConfig) { c.Registers.Standard = at(302) }, "registers", "two values at register 302; give each an address of its own"},
		{EK2x0, func(c *MeterConfig) { c.Registers.Total = at(70000) }, "registers", "total at 70000; use 0 to 65000"},
		{EK2x0, func(c *MeterConfig) { c.Format, c.PerCount, c.Decimals = BCD12, 1, at(2) }, "decimals", "give per_count or decimals, not both"},
		{EK2x0, func(c *MeterConfig) { c.Fraction = 70000 }, "fraction", "1 to 65536"},
		{PCD7H104D, func(c *MeterConfig) { c.Unit = 100 }, "address", "pcd7-h104d takes 1 to 99"},
		{PCD7H104D, func(c *MeterConfig) { c.Channel = 5 }, "channel", "5; pcd7-h104d has 4"},
		{VMUMC, func(c *MeterConfig) { c.Decimals = at(7) }, "decimals", "7; use 0 to 6"},
		{Pulse, func(c *MeterConfig) { c.Use = "bakery" }, "use", "use one of [family couple elder vacant]"},
		{Pulse, func(c *MeterConfig) { c.Speed = 1000 }, "speed", "use 1 to 240"},
	}
	for _, tt := range tests {
		cfg := MeterConfig{Name: "m", Unit: 1, Serial: "10000101", Options: Options{Profile: tt.profile}}
		if tt.profile == EK2x0 {
			cfg.Registers.Total = at(300)
		}
		if tt.change != nil {
			tt.change(&cfg)
		}
		wrong := cfg.Check()
		if len(wrong) != 1 || wrong[0].Key != tt.key || !strings.Contains(wrong[0].Text, tt.want) {
			t.Errorf("%s: Check = %q; want %s: %s", tt.profile, wrong, tt.key, tt.want)
		}
	}
}

func TestFaultsOfRegisters(t *testing.T) {
	m := meter(nil)
	d := NewBus(m).RTU()
	total := func() uint32 {
		b := unhex(t, say(t, d, "01 03 00 00 00 02 C4 0B"))
		return binary.BigEndian.Uint32(b[3:])
	}
	m.SetFaults(Faults{AllFF: true})
	if got := total(); got != 0xffffffff || m.State().Litres != 1842361 {
		t.Errorf("all FF = %08X", got)
	}
	m.SetFaults(Faults{SwapWords: true})
	if got := total(); got != 0x1cb9001c {
		t.Errorf("words swapped = %08X", got)
	}
	m.SetFaults(Faults{})
	m.SetCounterFaults(CounterFaults{Wander: 5})
	seen := map[uint32]bool{}
	for range 200 {
		seen[total()] = true
	}
	if len(seen) != 11 || !seen[1842356] || !seen[1842366] || m.State().Litres != 1842361 {
		t.Errorf("a counter that wanders by 5 showed %d values; want all 11 about 1842361", len(seen))
	}
	m.SetCounterFaults(CounterFaults{Stuck: true})
	m.SetFlag(Leak, true)
	must(t, m.Set(65_530))
	if got := total(); got != 65_530 {
		t.Errorf("a stuck counter that somebody sets shows %d", got)
	}
	m.SetCounterFaults(CounterFaults{Torn: true})
	total()
	must(t, m.Set(65_540))
	if got, then := total(), total(); got != 4 || then != 65_540 {
		t.Errorf("torn at its carry it shows %d, then %d; want 4, then 65540", got, then)
	}
	m.SetCounterFaults(CounterFaults{})
	m.Brink()
	if got := total(); got != 99_999_998 {
		t.Errorf("at the brink it shows %d", got)
	}
}

func TestStuckCounterStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(nil)
		m.SetFlag(Leak, true)
		m.SetCounterFaults(CounterFaults{Stuck: true})
		time.Sleep(time.Hour)
		if s := m.State(); s.Litres != 1842361 || s.Flow != leakFlow {
			t.Errorf("after an hour it shows %d with a flow of %d", s.Litres, s.Flow)
		}
		m.SetCounterFaults(CounterFaults{})
		if got := m.State().Litres; got != 1842361+leakFlow {
			t.Errorf("free again it shows %d", got)
		}
	})
}

func TestSleepyBusyAndCutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(nil)
		d := NewBus(m).RTU()
		ask := func() string { return say(t, d, "01 03 00 00 00 02 C4 0B") }
		good := ask()
		m.SetFaults(Faults{Sleepy: true})
		var got []bool
		for range 4 {
			got = append(got, ask() == good)
		}
		if !slices.Equal(got, []bool{false, true, false, true}) || m.Unanswered() != 2 {
			t.Errorf("a sleepy meter answers %v", got)
		}
		ask()
		time.Sleep(wakeful + time.Second)
		if ask() != "" || ask() != good {
			t.Error("a sleepy meter is awake for ever")
		}
		m.SetFaults(Faults{BusyRate: 1})
		if got := ask(); got != strings.ToUpper(rtu(t, 1, "83 06")) {
			t.Errorf("a busy meter says %s", got)
		}
		if m := d.Explain(unhex(t, rtu(t, 1, "83 06"))); m.EN != "m-101: refused, exception 06 (busy)" {
			t.Errorf("busy means %q", m.EN)
		}
		m.SetFaults(Faults{CutRate: 1})
		for range 50 {
			got := ask()
			if len(got) >= len(good) || got == "" || !strings.HasPrefix(good, got) {
				t.Fatalf("cut it says %s", got)
			}
			if m := d.Explain(unhex(t, got)); !m.Bad {
				t.Errorf("%s means %q", got, m.EN)
			}
		}
	})
	relay, ktv, _ := module()
	relay.SetFaults(Faults{BusyRate: 1})
	say(t, NewBus(relay).RTU(), "03 05 00 00 FF 00 8D D8")
	if ktv.State().On {
		t.Error("a busy module obeyed")
	}
}

func TestReplaceByModel(t *testing.T) {
	m := ofModel(t, Flowsic500, nil)
	must(t, m.Replace("4712", 5_000_000))
	if s := m.State(); s.Serial != "4712" || s.Litres != 5_000_000 || s.Standard != 4_750_000 {
		t.Errorf("replaced = %+v", s)
	}
	if err := m.Replace("10000101x", 0); !errors.Is(err, ErrSerial) {
		t.Errorf("Replace = %v; want ErrSerial", err)
	}
	plain := ofModel(t, Pulse, nil)
	if must(t, plain.Replace("IN-Z61 no 5", 0)); plain.State().Serial != "IN-Z61 no 5" {
		t.Error("what stands on the plate alone is not taken")
	}
}

// Whatever a building's file says of a meter: what Check lets pass can be built, asked and explained.
func FuzzMeters(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint8(0), uint8(1), int64(1842361), int16(1), int16(0), int16(0), []byte{3, 0, 0, 0, 6})
	f.Add(uint8(3), uint8(1), uint8(2), uint8(0), int64(1), int16(0), int16(300), int16(310), []byte{4, 1, 44, 0, 3})
	f.Add(uint8(4), uint8(2), uint8(0), uint8(3), int64(9_123_510), int16(10), int16(0), int16(0), []byte{3, 0, 28, 0, 12})
	f.Fuzz(func(t *testing.T, profile, order, format, bits uint8, litres int64, perCount, totalAt, serialAt int16, pdu []byte) {
		cfg := MeterConfig{Name: "m", Unit: 1, Serial: "10000101", Litres: litres, PerCount: int(perCount), Use: Family, Options: Options{
			Profile: Profiles()[int(profile)%len(Profiles())], Order: []Order{"", ABCD, CDAB, BADC, DCBA}[order%5],
			Format: []Format{"", Counter6, Uint32, BCD12, BCD16, Float32}[format%6], Base: int(bits & 1),
			Unmapped: []Unmapped{"", UnmappedZeros, UnmappedFF}[bits>>1&3%3],
		}}
		if bits&8 != 0 {
			cfg.Registers.Total = at(int(totalAt))
		}
		if bits&16 != 0 {
			cfg.Registers.Serial = at(int(serialAt))
		}
		if len(cfg.Check()) > 0 || len(pdu) == 0 {
			return
		}
		m := NewMeter(cfg)
		if got := m.State().Litres; got > litres || litres-got > 10_000 {
			t.Errorf("%+v shows %d", cfg, got)
		}
		m.SetFaults(Faults{SwapWords: bits&32 != 0, AllFF: bits&64 != 0})
		m.SetCounterFaults(CounterFaults{Wander: int64(bits), Torn: bits&128 != 0})
		d := NewBus(m).RTU()
		for _, h := range d.Hear(appendRTU(nil, 1, pdu), time.Now()) {
			for _, a := range h.Answers {
				if m := d.Explain(a.Bytes); m.Bad || m.ZH == "" || m.EN == "" {
					t.Errorf("%s is answered by % x: %+v", hex.EncodeToString(h.Bytes), a.Bytes, m)
				}
			}
		}
		for _, s := range m.State().Registers {
			if len(fmt.Sprint(s)) == 0 || len(s.Words) == 0 {
				t.Errorf("a stretch of nothing: %+v", s)
			}
		}
	})
}

// A host that may say anything at any time, to devices with which anything may be wrong and may change meanwhile: they
// survive it, keep little of it, answer what was whole and nothing else, and switch no more often than they were told.
func FuzzStory(f *testing.F) {
	f.Add([]byte("\x00\x08\x01\x03\x00\x00\x00\x06\xc5\xc8\x02\x05\x00\x08\x01\x03\x00\x00\x00\x06\xc5\xc8"), false)
	f.Add([]byte("\x01\xff\x03\x00\x00\x0c\x00\x07\x00\x00\x00\x06\x02\x03\x01\x2c\x00\x03\x02\x50\x00\x04\x01\x03\x00\x00"), true)
	f.Add(append([]byte{0, 8}, appendRTU(nil, 3, []byte{5, 2, 0, 0, 50})...), false)
	f.Fuzz(func(t *testing.T, story []byte, tcp bool) {
		relay, _, _ := module()
		pulses := NewMeter(MeterConfig{Name: "p-1", Unit: 4, Channel: 1, Use: Vacant, Options: Options{Profile: PCD7H104D}})
		meters := []*Meter{
			meter(nil), NewMeter(MeterConfig{Name: "ek", Unit: 2, Use: Vacant, Options: Options{Profile: EK2x0, Registers: Registers{Total: at(300)}}}),
			pulses, pulses.Join(MeterConfig{Name: "p-3", Unit: 4, Channel: 3, Use: Vacant}),
		}
		bus := NewBus(meters[0], meters[1], pulses, relay)
		d := interface {
			line.Device
			waiting() []byte
		}(bus.RTU())
		if tcp {
			d = bus.TCP()
		}
		now, asked := time.Now(), 0
		next := func(n int) (b []byte) {
			n = min(n, len(story))
			b, story = story[:n], story[n:]
			return b
		}
		for len(story) > 2 {
			op := next(2)
			m := meters[int(op[1])%len(meters)]
			switch op[0] % 4 {
			case 0:
				for _, h := range d.Hear(next(int(op[1])), now) {
					if h.Meaning.Marked {
						asked++
					}
					if len(h.Answers) > 1 || len(h.Answers) == 1 && (h.Meaning.Bad || len(h.Answers[0].Bytes) > maxTCP) {
						t.Errorf("% x is answered by %+v", h.Bytes, h.Answers)
					}
					for _, a := range h.Answers {
						d.Explain(a.Bytes)
					}
				}
			case 1:
				rate := float64(op[1]&3) / 3
				f := Faults{Silent: op[1]&4 > 0, Sleepy: op[1]&8 > 0, LateRate: rate, Late: time.Second, CutRate: rate, BusyRate: rate, WrongUnit: op[1]&16 > 0, AllFF: op[1]&32 > 0, SwapWords: op[1]&64 > 0}
				m.SetFaults(f)
				relay.SetFaults(f)
				m.SetCounterFaults(CounterFaults{Stuck: op[1]&4 > 0, Wander: int64(op[1]), Torn: op[1]&8 > 0})
			case 2:
				now = now.Add(time.Duration(op[1]) * 10 * time.Millisecond)
			default:
				m.Brink()
				_ = m.Replace(fmt.Sprintf("%08d", op[1]), int64(op[1])) // not every model takes it
			}
			if len(d.waiting()) > maxTCP+255 {
				t.Fatalf("%d bytes are kept waiting", len(d.waiting()))
			}
		}
		if got := int(relay.Output(0).Times + relay.Output(1).Times); got > asked {
			t.Errorf("outputs went on %d times for %d requests", got, asked)
		}
	})
}
