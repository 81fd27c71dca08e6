package modbus

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// asked is what a meter's registers show, asked over the wire.
func asked(t *testing.T, m *Meter) string {
	t.Helper()
	got := say(t, NewBus(m).RTU(), "01 03 00 00 00 02 C4 0B")
	if len(got) != 18 {
		t.Fatalf("the total is answered by %q", got)
	}
	return got[6:14]
}

// word is a register of a meter's state.
func word(s MeterState, addr int) uint16 { return s.Registers[0].Words[addr-int(s.Registers[0].First)] }

func TestRollover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(func(c *MeterConfig) { c.PerCount, c.Litres = 100, 9_999_999_900 })
		if got := asked(t, m); got != "05F5E0FF" {
			t.Errorf("at its end = %s; want 99999999", got)
		}
		m.SetFlag(Leak, true)
		time.Sleep(150 * time.Minute) // 100 litres at 40 an hour
		if got, s := asked(t, m), m.State(); got != "00000000" || s.Litres != 0 {
			t.Errorf("past its end = %s, %d litres; want it to begin again", got, s.Litres)
		}
		time.Sleep(150 * time.Minute)
		if got := m.State().Litres; got != 100 {
			t.Errorf("2.5 hours later %d litres; want 100", got)
		}
	})
}

func TestHouseholdIsPlausible(t *testing.T) {
	tests := []struct {
		use        Use
		least, top int64 // litres a day on average
	}{{Family, 300, 600}, {Couple, 200, 450}, {Elder, 200, 500}, {Vacant, 0, 0}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			m := meter(func(c *MeterConfig) { c.Use, c.Litres = tt.use, 0 })
			const days = 60
			var night, last int64
			for range days * 24 {
				at := time.Now().UTC().Add(8 * time.Hour).Hour() // the household lives in Taipei
				time.Sleep(time.Hour)
				now := m.State().Litres
				if now < last || now-last > 6000 {
					t.Fatalf("%s: %d litres after %d", tt.use, now, last)
				}
				if at >= 1 && at < 5 {
					night += now - last
				}
				last = now
			}
			if got := last / days; got < tt.least || got > tt.top || night != 0 {
				t.Errorf("%s: %d litres a day, %d of them at night; want %d to %d and none", tt.use, got, night, tt.least, tt.top)
			}
		})
	}
}

// after returns what a family's meter shows after a day, looked at every so often.
func after(t *testing.T, seed uint64, every time.Duration, speed int) (litres int64) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(func(c *MeterConfig) { c.Use, c.Litres, c.Seed, c.Speed = Family, 0, seed, speed })
		for range 24 * time.Hour / every {
			time.Sleep(every)
			litres = m.State().Litres
		}
	})
	return litres
}

func TestUseIsSeededAndExact(t *testing.T) {
	first := after(t, 7, time.Hour, 1)
	if got := after(t, 7, 7*time.Second+500*time.Millisecond, 1); got != first {
		t.Errorf("looked at often %d litres, seldom %d", got, first)
	}
	if got := after(t, 8, time.Hour, 1); got == first {
		t.Errorf("another seed gives the same %d litres", got)
	}
	if got := after(t, 7, time.Hour, 2); got < first*3/2 {
		t.Errorf("at twice the speed %d litres; want about twice %d", got, first)
	}
}

// No reading shows more than a G4 can measure, however fast its household lives.
func TestSpeedStaysBelowQmax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(func(c *MeterConfig) { c.Use, c.Litres, c.Speed = Family, 0, 60 })
		var last, top int64
		for range 24 * 60 {
			time.Sleep(time.Minute)
			s := m.State()
			top, last = max(top, s.Litres-last), s.Litres
			if s.Flow > 5400 {
				t.Fatalf("it runs at %d litres an hour", s.Flow)
			}
		}
		if top > 90 || top < 60 {
			t.Errorf("at most %d litres a minute; want close to 90, and never above", top)
		}
	})
}

func TestFlagsAndValve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(nil)
		m.SetFlag(Tamper|Leak, true)
		time.Sleep(time.Hour)
		if s := m.State(); s.Litres != 1842361+leakFlow || word(s, 2) != 6 || s.Flow != leakFlow {
			t.Errorf("an hour of a leak: %+v", s)
		}
		m.SetFlag(ValveClosed, true)
		time.Sleep(time.Hour)
		m.SetFlag(Leak, false)
		if s := m.State(); s.Litres != 1842361+leakFlow || word(s, 2) != 10 {
			t.Errorf("an hour of a closed valve: %+v", s)
		}
		if got := m.State().Flags.Names(); len(got) != 2 || got[0] != "tamper" || got[1] != "valve_closed" {
			t.Errorf("names = %v", got)
		}
	})
}

func TestExchangeAndSet(t *testing.T) {
	m := meter(func(c *MeterConfig) { c.PerCount = 10 })
	if s := m.State(); s.Litres != 1842360 {
		t.Errorf("of 1842361 litres %d are shown; want whole counts of ten", s.Litres)
	}
	must(t, m.Set(1000))
	if s := m.State(); s.Litres != 1000 || s.Serial != "10000101" {
		t.Errorf("set back: %+v", s)
	}
	must(t, m.Replace("20450307", 50))
	if s := m.State(); s.Litres != 50 || s.Serial != "20450307" || word(s, 4) != 0x2045 || word(s, 5) != 0x0307 {
		t.Errorf("exchanged: %+v", s)
	}
	for _, serial := range []string{"", "1234567", "123456789", "1234567x", "１２３４５６７８"} {
		if err := m.Replace(serial, 0); !errors.Is(err, ErrSerial) {
			t.Errorf("Replace(%q) = %v; want ErrSerial", serial, err)
		}
	}
	for _, litres := range []int64{-1, 1_000_000_000} {
		if err := m.Set(litres); !errors.Is(err, ErrTotal) {
			t.Errorf("Set(%d) = %v; want ErrTotal", litres, err)
		}
		if err := m.Replace("20450308", litres); !errors.Is(err, ErrTotal) || m.State().Serial != "20450307" {
			t.Errorf("Replace with %d litres = %v; want ErrTotal and nothing changed", litres, err)
		}
	}
}
