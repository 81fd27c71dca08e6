package gas_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	box    = "site-a-gw"
	serial = "10000001" // of m-1, in the unit of site-a-h1
)

func read(t *testing.T, b *cloudtest.Bench, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := b.DB.Read(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, b *cloudtest.Bench, f gas.Filter) (all []gas.Reading) {
	t.Helper()
	f.Site = "site-a"
	read(t, b, func(tx *store.Tx) (err error) {
		all, err = gas.List(t.Context(), tx, f)
		return err
	})
	return all
}

func stay(t *testing.T, b *cloudtest.Bench, household string) (s identity.Stay) {
	t.Helper()
	read(t, b, func(tx *store.Tx) (err error) {
		s, err = b.Identity.Stay(t.Context(), tx, "site-a", household)
		return err
	})
	return s
}

func state(t *testing.T, b *cloudtest.Bench, meter string) gas.State {
	t.Helper()
	var all []gas.State
	read(t, b, func(tx *store.Tx) (err error) {
		all, err = gas.States(t.Context(), tx, "site-a", b.Now)
		return err
	})
	i := slices.IndexFunc(all, func(s gas.State) bool { return s.ID == meter })
	if i < 0 {
		t.Fatalf("no meter %s among %+v", meter, all)
	}
	return all[i]
}

// invariant 4: readings are a set: in every order, each is there once, and the newest by the log stands.
func TestEveryOrderOfSegmentsEndsTheSame(t *testing.T) {
	orders := [][]uint64{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}}
	for _, order := range orders {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
				for range 2 { // and again
					for _, segment := range order {
						at := b.Now.Add(time.Duration(segment) * time.Minute)
						bad := wire.Reading{Quality: wire.ReadingBad, Code: "silent", Litres: 100 + int64(segment), Last: &wire.Good{Litres: 100 + int64(segment), At: wire.At(at)}}
						b.Telemetry(box, segment, cloudtest.Reading("m-1", at, cloudtest.Good(serial, 100+int64(segment))), cloudtest.Reading("m-1", at.Add(time.Second), bad))
					}
				}
				var got []string
				for _, r := range list(t, b, gas.Filter{}) {
					got = append(got, fmt.Sprintf("%d %s", r.Litres, r.Quality))
				}
				if want := []string{"103 bad", "103 good", "102 bad", "102 good", "101 bad", "101 good"}; !slices.Equal(got, want) {
					t.Errorf("readings %v; want %v", got, want)
				}
				s := state(t, b, "m-1")
				if s.Newest == nil || s.Newest.Quality != wire.ReadingBad || s.Newest.Litres != 103 || s.Good == nil || s.Good.Litres != 103 || s.Good.At != wire.At(b.Now.Add(3*time.Minute)) {
					t.Errorf("newest %+v, good %+v", s.Newest, s.Good)
				}
			})
		})
	}
}

// invariant 4
func TestARebuildChangesNothing(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		r := cloudtest.Good(serial, 1_866_400)
		r.Flags, r.Rollover, r.Last = []string{"low_battery"}, true, &wire.Good{Litres: 9, At: wire.At(b.Now.Add(-time.Hour))}
		b.Measure(box, cloudtest.Reading("m-1", b.Now, r), cloudtest.Reading("m-2", b.Now, cloudtest.Good("10000002", 5)))
		before := list(t, b, gas.Filter{})
		b.Write(func(tx *store.Tx) error { // what the log does not know
			_, err := tx.Exec(t.Context(), `UPDATE gas_readings SET litres = 1`)
			return err
		})
		if err := b.Ingest.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := list(t, b, gas.Filter{}); len(before) != 2 || !reflect.DeepEqual(before, after) {
			t.Errorf("%+v, then %+v; want no change", before, after)
		}
		if got := before[1]; got.Litres != 1_866_400 || !got.Rollover || !slices.Equal(got.Flags, r.Flags) || *got.Last != *r.Last || !got.Certain() || got.Unit != "site-a-u1" {
			t.Errorf("%+v", got)
		}
	})
}

// What nobody can read is marked in the log and stops nobody.
func TestAReadingThatIsNone(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		none := wire.Event{Type: wire.MeterRead, Subject: "meter/m-1", Data: []byte(`{"litres":"many"}`)}
		b.Measure(box, none, wire.Event{Type: wire.MeterRead, Subject: "gateway/x", Data: none.Data}, cloudtest.Reading("m-2", b.Now, cloudtest.Good("10000002", 5)))
		b.Send(box, cloudtest.Reading("m-2", b.Now, cloudtest.Good("10000002", 6))) // in the audit stream it is none
		if all := list(t, b, gas.Filter{}); len(all) != 1 || all[0].Litres != 5 {
			t.Errorf("readings %+v; want the one that can be read", all)
		}
	})
}

// A reading counts for the household that lived in the meter's unit when it was seen; one that may lie on either side of
// a move counts for nobody.
func TestAReadingIsOfTheHouseholdOfItsTime(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		moved := b.Now.AddDate(0, 0, -10)
		b.Write(func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE households SET ends = $1 WHERE id = 'site-a-h1'`, moved.UnixMicro())
			if err == nil {
				_, err = tx.Exec(t.Context(), `INSERT INTO households (id, unit, starts, ends) VALUES ('site-a-h9', 'site-a-u1', $1, 0)`, moved.UnixMicro())
			}
			return err
		})
		unsure := cloudtest.Reading("m-1", moved.Add(-time.Hour), cloudtest.Good(serial, 20))
		unsure.Clock = wire.Uncertain
		unsure.Data = cloudtest.Raw(wire.Reading{Litres: 20, Serial: serial, Quality: wire.ReadingGood, Last: &wire.Good{Litres: 10, At: wire.At(moved.Add(-2 * time.Hour))}, Until: wire.At(moved.AddDate(0, 0, 40))})
		late := unsure // it may have been either side, too
		late.Wall = wire.At(moved.Add(30 * time.Minute))
		bad := wire.Reading{Litres: 10, Quality: wire.ReadingBad, Code: "silent", Last: &wire.Good{Litres: 10, At: wire.At(moved.Add(-2 * time.Hour))}}
		b.Measure(box,
			cloudtest.Reading("m-1", moved.Add(-2*time.Hour), cloudtest.Good(serial, 10)), unsure, late,
			cloudtest.Reading("m-1", moved, bad), cloudtest.Reading("m-1", moved.Add(time.Hour), cloudtest.Good(serial, 30)),
			cloudtest.Reading("m-2", moved, cloudtest.Good("10000002", 7)))
		for household, want := range map[string][]int64{"site-a-h1": {10}, "site-a-h9": {30, 0}, "site-a-h2": {7}} {
			s := stay(t, b, household)
			var got []int64
			for _, r := range list(t, b, gas.Filter{Stays: []identity.Stay{s}}) {
				got = append(got, r.Litres)
				if r.Last != nil && r.Last.At < s.From {
					t.Errorf("%s sees what was before it moved in: %+v", household, r.Last)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s sees %v; want %v", household, got, want)
			}
		}
		if got := list(t, b, gas.Filter{Stays: []identity.Stay{stay(t, b, "site-a-h1"), stay(t, b, "site-a-h2")}}); len(got) != 2 {
			t.Errorf("of two households: %+v", got)
		}
		if got := list(t, b, gas.Filter{Stays: []identity.Stay{}}); got != nil {
			t.Errorf("of no household: %+v", got)
		}
		all := list(t, b, gas.Filter{})
		if len(all) != 6 || all[4].Certain() || all[4].Earliest != wire.At(moved.Add(-2*time.Hour)) || all[4].Latest != wire.At(b.Now) || all[4].Observed != unsure.Wall {
			t.Errorf("of the whole site: %+v; want six, and the unsure one between the last good one and its coming", all)
		}
		read(t, b, func(tx *store.Tx) error {
			s, err := gas.During(t.Context(), tx, "site-a", stay(t, b, "site-a-h9"), b.Now)
			if err == nil && (len(s) != 1 || s[0].Good == nil || s[0].Good.Litres != 30) {
				t.Errorf("the meter of those who moved in: %+v", s)
			}
			return err
		})
	})
}

// The list of meters decides which meter counts, and for which unit, from which day on.
func TestAnExchangedMeter(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		exchanged := b.Now.AddDate(0, 0, -1)
		meters := []gas.Meter{
			{Gateway: box, ID: "m-1", Unit: "site-a-u1", Serial: "20000001", From: wire.At(exchanged)},
			{Gateway: box, ID: "m-1", Unit: "site-a-u1", Serial: "010000001"},
		}
		b.Write(func(tx *store.Tx) error { return gas.Import(t.Context(), tx, b.Fleet, "site-a", meters) })
		b.Measure(box,
			cloudtest.Reading("m-1", exchanged.Add(-time.Hour), cloudtest.Good(serial, 900)),
			cloudtest.Reading("m-1", exchanged.Add(time.Hour), cloudtest.Good("20000001", 5)),
			cloudtest.Reading("m-1", exchanged.Add(2*time.Hour), cloudtest.Good(serial, 901)))
		var got []string
		for _, r := range list(t, b, gas.Filter{}) {
			got = append(got, fmt.Sprintf("%d %s", r.Litres, r.Quality))
		}
		if want := []string{"901 identity_mismatch", "5 good", "900 good"}; !slices.Equal(got, want) {
			t.Errorf("readings %v; want %v", got, want)
		}
		if s := state(t, b, "m-1"); s.Serial != "20000001" || s.Newest.Quality != wire.ReadingForeign || s.Good.Litres != 5 {
			t.Errorf("the new meter: %+v, newest %+v, good %+v", s, s.Newest, s.Good)
		}
		foreign := []gas.Meter{{Gateway: "site-b-gw", ID: "m-1", Unit: "site-a-u1", Serial: "1"}}
		err := b.DB.Write(t.Context(), func(tx *store.Tx) error { return gas.Import(t.Context(), tx, b.Fleet, "site-a", foreign) })
		if !errors.Is(err, identity.ErrImport) || len(list(t, b, gas.Filter{})) != 3 {
			t.Errorf("a meter at another site's gateway: %v; want it refused", err)
		}
	})
}

func TestHours(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		at := b.Now.Truncate(time.Hour).Add(-3 * time.Hour)
		unsure := cloudtest.Reading("m-1", at.Add(30*time.Minute), wire.Reading{Litres: 5000, Serial: serial, Quality: wire.ReadingGood, Until: wire.At(b.Now)})
		unsure.Clock = wire.Uncertain
		b.Measure(box,
			cloudtest.Reading("m-1", at.Add(-2*time.Hour), cloudtest.Good(serial, 50)),
			cloudtest.Reading("m-1", at, cloudtest.Good(serial, 100)), cloudtest.Reading("m-1", at.Add(59*time.Minute), cloudtest.Good(serial, 130)), unsure,
			cloudtest.Reading("m-1", at.Add(59*time.Minute), wire.Reading{Litres: 900, Serial: serial, Quality: wire.ReadingJump}),
			cloudtest.Reading("m-1", at.Add(time.Hour), cloudtest.Good(serial, 131)))
		read(t, b, func(tx *store.Tx) error {
			got, err := gas.Hours(t.Context(), tx, gas.Meter{Gateway: box, ID: "m-1"}, stay(t, b, "site-a-h1"), at)
			want := []gas.Hour{{wire.At(at), 100, 130, 2}, {wire.At(at.Add(time.Hour)), 131, 131, 1}}
			if err == nil && !slices.Equal(got, want) {
				t.Errorf("hours %v; want %v", got, want)
			}
			return err
		})
	})
}
