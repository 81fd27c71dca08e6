package metering

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestAGoodSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.meters["m-2"].with(func() { b.meters["m-2"].flags = []string{"low_battery"} })
		began := time.Now()
		b.pass(time.Second)
		for id := range b.meters {
			r := b.newest(id)
			if r.Quality != wire.ReadingGood || r.Litres != 500_000 || r.Serial == "" || r.Last != nil || r.Until != 0 || r.Sweep == "" {
				t.Errorf("%s: %+v; want the first good reading", id, r.Reading)
			}
			if r.Event.Clock != wire.FromAnswer || r.Event.Boot != b.store.Boot() || r.Event.Version != 0 {
				t.Errorf("%s: %+v", id, r.Event)
			}
		}
		for i, id := range []string{"m-1", "m-2", "m-3"} {
			if want := wire.At(began.Add(time.Duration(i+1) * answers)); b.newest(id).Wall != want {
				t.Errorf("%s was seen at %s; want %s, when it answered", id, b.newest(id).Wall.Time(), want.Time())
			}
		}
		if flags := b.newest("m-2").Flags; !slices.Equal(flags, []string{"low_battery"}) {
			t.Errorf("flags = %v", flags)
		}
		if a, b := b.newest("m-1").Sweep, b.newest("m-4").Sweep; a != b {
			t.Errorf("one sweep is called %s and %s", a, b)
		}
		b.pass(every)
		r := b.newest("m-1")
		if r.Quality != wire.ReadingGood || r.Litres != 500_060 || r.Last == nil || r.Last.Litres != 500_000 || r.Last.At != b.readings("m-1")[0].Wall {
			t.Errorf("an hour later: %+v, last %+v", r.Reading, r.Last)
		}
		if s := b.shown("m-1"); s.Quality != wire.ReadingGood || s.Litres != 500_060 || s.Good != 500_060 || !s.At.Equal(r.Wall.Time()) || !s.GoodAt.Equal(s.At) {
			t.Errorf("shown: %+v", s)
		}
	})
}

// The rest of the line is asked before a silent meter is asked again, and other lines do not wait for it.
func TestASilentMeterHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.pass(time.Second)
		b.lines["a"].asked()
		b.meters["m-1"].with(func() { b.meters["m-1"].fault, b.meters["m-1"].faults = drivers.ErrSilent, -1 })
		b.pass(every)
		if s := b.shown("m-4"); s.Litres != 500_000 {
			t.Errorf("m-4 shows %d litres before the sweep is over; want one transaction a sweep", s.Litres)
		}
		b.pass(30 * time.Second)
		if got, want := b.lines["a"].asked(), []string{"m-1", "m-2", "m-3", "m-1", "m-1"}; !slices.Equal(got, want) {
			t.Errorf("asked %v; want %v", got, want)
		}
		r := b.newest("m-1")
		if r.Quality != wire.ReadingBad || r.Code != "silent" || r.Litres != 500_000 || r.Tries != 3 || r.Serial != "" || r.Last == nil || r.Last.Litres != 500_000 {
			t.Errorf("silent: %+v; want it bad, with the last good total", r.Reading)
		}
		if s := b.shown("m-1"); s.Quality != wire.ReadingBad || s.Good != 500_000 || !s.GoodAt.Equal(b.readings("m-1")[0].Wall.Time()) || s.At.Equal(s.GoodAt) {
			t.Errorf("shown: %+v; want it bad, and the age of the last good one", s)
		}
		other := b.readings("m-2")[1]
		if begun := b.readings("m-4")[1].Wall.Time().Add(-answers); other.Quality != wire.ReadingGood || other.Wall.Time().Sub(begun) != givesUp+answers {
			t.Errorf("m-2: %+v, seen %s after the sweep began; want it good, once m-1 has failed once", other.Reading, other.Wall.Time().Sub(begun))
		}
		b.meters["m-1"].with(func() { b.meters["m-1"].faults = 1 })
		b.pass(every)
		if r := b.newest("m-1"); r.Quality != wire.ReadingGood || r.Tries != 2 || r.Code != "" {
			t.Errorf("it answers the second request: %+v; want it good", r.Reading)
		}
	})
}

func TestWhatIsNotGoodIsKeptAndMarked(t *testing.T) {
	tests := []struct {
		name    string
		happens func(m *meter)
		quality string
		code    string
		litres  int64
	}{
		{"another meter answers", func(m *meter) { m.serial = "77777777" }, wire.ReadingForeign, "", 500_060},
		{"less than before", func(m *meter) { m.litres = 400_000 }, wire.ReadingBackwards, "", 400_060},
		{"far more than can be", func(m *meter) { m.litres = 600_000 }, wire.ReadingJump, "", 600_060},
		{"the port is gone", func(m *meter) { m.fault, m.faults = drivers.ErrGone, -1 }, wire.ReadingBad, "gone", 500_000},
		{"it refuses", func(m *meter) { m.fault, m.faults = drivers.ErrRefused, -1 }, wire.ReadingBad, "refused", 500_000},
		{"digits that are none", func(m *meter) { m.fault, m.faults = drivers.ErrValue, -1 }, wire.ReadingBad, "value", 500_000},
		{"it never answers at all", func(m *meter) { m.wait = time.Hour }, wire.ReadingBad, "failed", 500_000},
		{"it answers late", func(m *meter) { m.wait = 10 * time.Second }, wire.ReadingGood, "", 500_060},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBuilding(t)
				b.pass(time.Second)
				m := b.meters["m-3"]
				m.with(func() { tt.happens(m) })
				b.pass(every + time.Minute)
				r := b.newest("m-3")
				if r.Quality != tt.quality || r.Code != tt.code || r.Rollover || r.Litres < tt.litres || r.Litres > tt.litres+1 {
					t.Errorf("%+v; want %s %s, %d litres", r.Reading, tt.quality, tt.code, tt.litres)
				}
				if tt.quality == wire.ReadingGood {
					return
				}
				if r.Tries != maxTries || r.Last == nil || r.Last.Litres != 500_000 {
					t.Errorf("%+v, last %+v; want it tried %d times, after 500000", r.Reading, r.Last, maxTries)
				}
				b.restart() // what is remembered is on disk
				if s := b.shown("m-3"); s.Good != 500_000 || s.Quality != tt.quality || s.Litres != r.Litres {
					t.Errorf("after a restart: %+v", s)
				}
				for _, id := range []string{"m-1", "m-2", "m-4"} {
					if r := b.newest(id); r.Quality != wire.ReadingGood {
						t.Errorf("%s is %s; want its neighbour's trouble to cost it nothing", id, r.Quality)
					}
				}
			})
		})
	}
}

// A counter that reaches its end begins again, and a wild total is asked for again within the sweep.
func TestRolloverAndAWildTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		m := b.meters["m-4"]
		m.with(func() { m.litres = 999_970 })
		b.pass(every + time.Second)
		if r := b.newest("m-4"); r.Quality != wire.ReadingGood || !r.Rollover || r.Litres != 30 || r.Last.Litres != 999_970 {
			t.Errorf("%+v, last %+v; want it good, rolled over", r.Reading, r.Last)
		}
		once := m.serial
		m.with(func() { m.serial = "1" })
		b.pass(every - 500*time.Millisecond)
		m.with(func() { m.serial = once }) // between the first try and the second
		b.pass(10 * time.Second)
		if r := b.newest("m-4"); r.Quality != wire.ReadingGood || r.Tries != 2 || r.Serial != once {
			t.Errorf("%+v; want the second try's", r.Reading)
		}
	})
}

// A meter that was exchanged begins anew when its serial number is configured; so does one whose dial a person has read.
func TestAPersonEndsTheDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.pass(time.Second)
		exchanged, jumped := b.meters["m-1"], b.meters["m-2"]
		exchanged.with(func() { exchanged.serial, exchanged.litres = "20000001", 3 })
		jumped.with(func() { jumped.litres = 700_000 })
		b.pass(50 * every)
		if a, c := b.newest("m-1").Quality, b.newest("m-2").Quality; a != wire.ReadingForeign || c != wire.ReadingJump {
			t.Errorf("%s and %s; want them in doubt until a person looks", a, c)
		}
		b.stop()
		b.config.Meters[0].Serial, b.config.Meters[1].Begin = "20000001", 702_000
		b.start()
		if s := b.shown("m-1"); s.Quality != "" || s.Good != 0 {
			t.Errorf("the new meter shows the old one's total: %+v", s)
		}
		b.pass(time.Second)
		for id, least := range map[string]int64{"m-1": 3, "m-2": 702_000} {
			if r := b.newest(id); r.Quality != wire.ReadingGood || r.Last != nil || r.Litres < least {
				t.Errorf("%s: %+v, last %+v; want it good, with nothing before it", id, r.Reading, r.Last)
			}
		}
	})
}

// invariant 1: whenever the store is looked at, it holds a sweep's readings with what is remembered of each meter, or
// neither.
func TestASweepIsOneTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		look := func() {
			err := b.store.View(func(tx *store.Tx) error {
				all := readings(t, tx)
				if len(all)%4 != 0 {
					t.Errorf("%d readings of 4 meters", len(all))
				}
				for _, r := range all[max(len(all)-4, 0):] {
					var state rules.State
					raw, err := tx.Get(spaceMeters, r.meter)
					if err == nil {
						err = json.Unmarshal(raw, &state)
					}
					if err != nil || state.At != r.Wall || state.Litres != r.Litres {
						t.Errorf("%s: %+v (%v) beside the reading of %s", r.meter, state, err, r.Wall.Time())
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				case <-b.store.Appended():
					for range 20 {
						look()
					}
				}
			}
		}()
		b.pass(50*every + time.Minute)
		close(stop)
		<-stopped
		if n := len(b.readings("m-1")); n != 51 {
			t.Errorf("%d sweeps; want 51", n)
		}
	})
}

// invariant 1: what cannot be committed is not shown.
func TestWhatIsNotCommittedIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.pass(time.Second)
		if err := b.store.Close(); err != nil {
			t.Fatal(err)
		}
		b.pass(every)
		if s := b.shown("m-1"); s.Litres != 500_000 {
			t.Errorf("shown: %+v; want the total that is on disk", s)
		}
	})
}

// A sweep that takes longer than its period is followed by the next one when it is over, and tries nobody again.
func TestASlowSweepDoesNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.stop()
		b.config.Every = time.Second
		for _, m := range b.meters {
			m.with(func() { m.fault, m.faults = drivers.ErrSilent, -1 })
		}
		b.start()
		b.lines["a"].asked()
		b.pass(time.Minute)
		asked := b.lines["a"].asked()
		if n := len(asked); n < 24 || n > 30 || asked[0] != "m-1" || asked[3] != "m-1" {
			t.Errorf("in a minute %d were asked, %v; want round after round, each meter once", n, asked)
		}
	})
}

// The first sweep comes soon, the next ones on a phase of their own.
func TestCitiesDoNotReadInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.stop()
		b.jitter = func(most time.Duration) time.Duration { return most / 4 }
		b.start()
		began := time.Now()
		b.pass(4 * every)
		var at []string
		for _, r := range b.readings("m-4") {
			at = append(at, fmt.Sprint(r.Wall.Time().Add(-answers).Sub(began)))
		}
		if want := "5s 45m5s 1h45m5s 2h45m5s 3h45m5s"; strings.Join(at, " ") != want {
			t.Errorf("read at %v; want %s", at, want)
		}
	})
}

// A damaged record costs its own meter.
func TestADamagedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.pass(time.Second)
		if err := b.store.Update(t.Context(), func(tx *store.Tx) error { return tx.Put(spaceMeters, "m-2", []byte("{")) }); err != nil {
			t.Fatal(err)
		}
		b.restart()
		if one, other := b.shown("m-2"), b.shown("m-1"); one.Quality != "" || other.Good != 500_000 {
			t.Errorf("shown: %+v and %+v; want the second meter alone to begin anew", one, other)
		}
		b.pass(time.Second)
		if r := b.newest("m-2"); r.Quality != wire.ReadingGood || r.Last != nil {
			t.Errorf("%+v", r.Reading)
		}
	})
}

// A meter that falls silent, and comes back, is in the audit.
func TestSilenceIsAnAuditEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		m := b.meters["m-2"]
		m.with(func() { m.fault, m.faults = drivers.ErrSilent, -1 })
		b.pass(time.Minute)
		m.with(func() { m.faults = 0 })
		b.pass(every)
		var got []string
		err := b.store.View(func(tx *store.Tx) error {
			for _, ev := range events(t, tx, wire.Audit) {
				if strings.HasPrefix(ev.Subject, "device/") {
					got = append(got, ev.Type+" "+ev.Subject+" "+string(ev.State))
				}
			}
			return nil
		})
		want := []string{
			`device.silent device/meter/m-2 {"kind":"gas_meter","online":false,"code":"silent"}`,
			`device.returned device/meter/m-2 {"kind":"gas_meter","online":true}`,
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	})
}

// Whatever a meter says of itself, its event keeps its size.
func TestAMeterThatSaysTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		m := b.meters["m-3"]
		m.with(func() { m.flags = slices.Repeat([]string{strings.Repeat("x", 1000)}, 100) })
		b.pass(time.Second)
		if r := b.newest("m-3"); r.Quality != wire.ReadingGood || len(r.Flags) != maxFlags || len(r.Flags[0]) != maxFlag {
			t.Errorf("%d flags of %d bytes", len(r.Flags), len(r.Flags[0]))
		}
	})
}

func TestImpossibleMeters(t *testing.T) {
	m := map[string]drivers.Meter{"m-1": &meter{}}
	for name, c := range map[string]Config{
		"no driver": {Meters: []Meter{{ID: "m-2"}}},
		"twice":     {Meters: []Meter{{ID: "m-1"}, {ID: "m-1"}}},
		"every":     {Every: -1},
	} {
		if _, err := New(Deps{Meters: m}, c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v; want %v", name, err, ErrConfig)
		}
	}
}
