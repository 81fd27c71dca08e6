package rules

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

var update = flag.Bool("update", false, "write testdata/walk.txt anew")

const (
	qmax = 6_000          // litres an hour: G4
	end  = 99_999_999_000 // where its counter rolls over
	own  = "10000101"
	last = 1_866_000 // the last good total
)

// at is a moment so long after the last good reading, in the same boot.
func at(d time.Duration) Now {
	return Now{Wall: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC).Add(d), Certain: true, Mono: time.Hour + d, Boot: 3}
}

func seen(litres int64) Seen {
	return Seen{Serial: own, Litres: litres, Range: end, Qmax: qmax, Tries: 1}
}

// read is a meter whose totals were good.
func read(t testing.TB, litres ...int64) State {
	t.Helper()
	var s State
	for i, l := range litres {
		var r wire.Reading
		if s, r = Judge(s, Meter{Serial: own}, seen(l), at(time.Duration(i+1-len(litres))*time.Hour)); r.Quality != wire.ReadingGood {
			t.Fatalf("%d litres are %s; want them good", l, r.Quality)
		}
	}
	return s
}

func TestJudge(t *testing.T) {
	otherBoot := func(d time.Duration, certain bool) Now {
		n := at(d)
		n.Boot, n.Mono, n.Certain = 4, time.Second, certain
		return n
	}
	near := int64(end - 1_000)
	tests := []struct {
		name    string
		last    int64
		in      Seen
		now     Now
		quality string
		rolled  bool
	}{
		{"the same total", last, seen(last), at(time.Hour), wire.ReadingGood, false},
		{"a little more", last, seen(last + 300), at(time.Hour), wire.ReadingGood, false},
		{"as much as can be, in a step of the counter too", last, seen(last + 6_100), at(time.Hour), wire.ReadingGood, false},
		{"a litre more than that", last, seen(last + 6_101), at(time.Hour), wire.ReadingJump, false},
		{"a step of the counter, at once", last, seen(last + 100), at(time.Millisecond), wire.ReadingGood, false},
		{"much, after days of silence", last, seen(last + 200_000), at(48 * time.Hour), wire.ReadingGood, false},
		{"a litre less", last, seen(last - 1), at(time.Hour), wire.ReadingBackwards, false},
		{"begun again, from the middle of the range", last, seen(5), at(time.Hour), wire.ReadingBackwards, false},
		{"rolled over", near, seen(500), at(time.Hour), wire.ReadingGood, true},
		{"rolled over, faster than can be", near, seen(5_200), at(time.Hour), wire.ReadingBackwards, false},
		{"rolled over into the second tenth", near, seen(end / 10), at(30_000 * time.Hour), wire.ReadingBackwards, false},
		{"rolled over from the last but one tenth", end / 10 * 9, seen(5), at(30_000 * time.Hour), wire.ReadingBackwards, false},
		{"rolled over, where is not known", near, Seen{Serial: own, Litres: 500, Qmax: qmax}, at(time.Hour), wire.ReadingBackwards, false},
		{"no limit is known", last, Seen{Serial: own, Litres: last + 1e9, Range: end}, at(time.Hour), wire.ReadingGood, false},
		{"another meter", last, Seen{Serial: "10000102", Litres: last + 1, Range: end, Qmax: qmax}, at(time.Hour), wire.ReadingForeign, false},
		{"a plate with leading zeros", last, Seen{Serial: "0010000101", Litres: last + 1, Range: end, Qmax: qmax}, at(time.Hour), wire.ReadingGood, false},
		{"a meter that does not say its number", last, Seen{Litres: last + 1, Range: end, Qmax: qmax}, at(time.Hour), wire.ReadingGood, false},
		{"silent", last, Seen{Code: "silent", Tries: 3}, at(time.Hour), wire.ReadingBad, false},
		{"a total out of its own range", last, seen(end), at(time.Hour), wire.ReadingBad, false},
		{"a total below zero", last, seen(-1), at(time.Hour), wire.ReadingBad, false},
		{"after a restart", last, seen(last + 6_000), otherBoot(time.Hour, true), wire.ReadingGood, false},
		{"too much after a restart", last, seen(last + 6_101), otherBoot(time.Hour, true), wire.ReadingJump, false},
		{"the wall clock jumped, the boot's own did not", last, seen(last + 6_101), func() Now { n := at(time.Hour); n.Wall = n.Wall.AddDate(0, 0, 9); return n }(), wire.ReadingJump, false},
		{"after a restart without a clock: it may have been weeks", last, seen(last + 6_000*1_000), otherBoot(-9*time.Hour, false), wire.ReadingGood, false},
		{"after a restart without a clock: but not years", last, seen(last + 6_000*1_100), otherBoot(-9*time.Hour, false), wire.ReadingJump, false},
		{"the clock was ahead before the restart", last, seen(last + 6_000*1_000), otherBoot(-9*time.Hour, true), wire.ReadingGood, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := read(t, tt.last)
			s, r := Judge(before, Meter{Serial: own}, tt.in, tt.now)
			if r.Quality != tt.quality || r.Rollover != tt.rolled {
				t.Fatalf("%d after %d litres is %s, rolled over %t; want %s, %t", tt.in.Litres, tt.last, r.Quality, r.Rollover, tt.quality, tt.rolled)
			}
			if r.Last == nil || r.Last.Litres != tt.last {
				t.Errorf("last = %+v; want %d litres", r.Last, tt.last)
			}
			switch {
			case r.Quality == wire.ReadingGood && s.Good.Litres != tt.in.Litres:
				t.Errorf("the last good one is %+v; want this one", s.Good)
			case r.Quality != wire.ReadingGood && *s.Good != *before.Good:
				t.Errorf("what is %s became the last good one: %+v", r.Quality, s.Good)
			case r.Quality == wire.ReadingBad && r.Litres != tt.last:
				t.Errorf("a bad reading says %d litres; want the last good total", r.Litres)
			case r.Quality != wire.ReadingBad && r.Litres != tt.in.Litres:
				t.Errorf("%s: %d litres; want them as they were seen", r.Quality, r.Litres)
			}
			if tt.now.Certain != (r.Until == 0) {
				t.Errorf("until = %d with a clock that is certain: %t", r.Until, tt.now.Certain)
			}
		})
	}
}

// What ran backwards or jumped stays so while it goes on from there, and is forgotten as soon as the total fits again.
func TestOddTotals(t *testing.T) {
	type step struct {
		after   time.Duration
		litres  int64
		quality string
	}
	const bad, good, jump = wire.ReadingBackwards, wire.ReadingGood, wire.ReadingJump
	tests := []struct {
		name  string
		meter Meter
		steps []step
	}{
		{"one wild total", Meter{Serial: own}, []step{{1, last + 65_536, jump}, {2, last + 300, good}, {3, last + 900, good}}},
		{"one total of zero", Meter{Serial: own}, []step{{1, 0, bad}, {2, last + 300, good}}},
		{"a jump stays one, however long", Meter{Serial: own}, []step{{1, last + 90_000, jump}, {2, last + 90_200, jump}, {900, last + 99_000, jump}, {901, last + 99_000, jump}}},
		{"a jump that comes back", Meter{Serial: own}, []step{{1, last + 90_000, jump}, {2, last + 90_200, jump}, {3, last + 500, good}}},
		{"set back a little, and used on", Meter{Serial: own}, []step{{1, last - 50, bad}, {2, last + 10, bad}, {3, last + 400, bad}}},
		{"a person read the dial", Meter{Serial: own, Begin: last + 90_000}, []step{{1, last + 90_200, good}, {2, last + 90_300, good}}},
		{"a person misread the dial", Meter{Serial: own, Begin: last + 90_000}, []step{{1, last + 80_000, bad}, {2, last + 80_001, bad}, {9, last + 90_001, good}}},
		{"the meter was exchanged", Meter{Serial: "20000001"}, []step{{1, 12, good}, {2, 200, good}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := read(t, last)
			for _, step := range tt.steps {
				in := seen(step.litres)
				in.Serial = tt.meter.Serial
				var r wire.Reading
				s, r = Judge(s, tt.meter, in, at(step.after*time.Hour))
				if r.Quality != step.quality {
					t.Errorf("after %d h %d litres are %s; want %s", step.after, step.litres, r.Quality, step.quality)
				}
			}
		})
	}
}

// Where no limit is known, only what is less than the last good total is odd.
func TestOddTotalsWithoutALimit(t *testing.T) {
	s := read(t, last)
	for _, step := range []struct {
		litres  int64
		quality string
	}{{0, wire.ReadingBackwards}, {last - 1, wire.ReadingBackwards}, {last + 1, wire.ReadingGood}} {
		in := seen(step.litres)
		in.Qmax = 0
		var r wire.Reading
		if s, r = Judge(s, Meter{Serial: own}, in, at(time.Hour)); r.Quality != step.quality {
			t.Errorf("%d litres are %s; want %s", step.litres, r.Quality, step.quality)
		}
	}
}

// With an uncertain clock a reading lies between two moments: exact within a boot, weeks apart after a restart.
func TestUncertainClock(t *testing.T) {
	s := read(t, last)
	good := s.Good.At
	now := at(time.Hour)
	now.Certain, now.Wall = false, now.Wall.AddDate(-30, 0, 0)
	same, r := Judge(s, Meter{Serial: own}, seen(last+1), now)
	if want := good + micros(time.Hour); r.Last.At != good || r.Until != want || same.Good.At != want {
		t.Errorf("in the same boot: between %d and %d; want %d and %d", r.Last.At, r.Until, good, want)
	}
	now.Boot, now.Mono = 4, time.Minute
	other, r := Judge(s, Meter{Serial: own}, seen(last+1), now)
	if want := good + micros(away); r.Last.At != good || r.Until != want || other.Good.At != good || other.Good.Until != want {
		t.Errorf("after a restart: between %d and %d, good %+v; want %d and %d", r.Last.At, r.Until, other.Good, good, want)
	}
	now.Mono += time.Hour
	if _, r = Judge(other, Meter{Serial: own}, seen(last+6_101), now); r.Quality != wire.ReadingGood {
		t.Errorf("a good reading an hour after an uncertain one is %s", r.Quality)
	}
	if _, r = Judge(other, Meter{Serial: own}, seen(last+6_102), now); r.Quality != wire.ReadingJump {
		t.Errorf("too much in an hour after an uncertain one is %s", r.Quality)
	}
	if _, r = Judge(State{}, Meter{Serial: own}, seen(1), now); r.Last != nil || r.Until != wire.At(now.Wall)+micros(away) {
		t.Errorf("the first reading of all: %+v", r)
	}
}

// Every situation that a meter can be in, with everything that can be seen, as testdata/walk.txt has it.
func TestWalk(t *testing.T) {
	jumped, _ := Judge(read(t, last), Meter{Serial: own}, seen(last+90_000), at(time.Minute))
	back, _ := Judge(read(t, last), Meter{Serial: own}, seen(last-50_000), at(time.Minute))
	silent, _ := Judge(read(t, last), Meter{Serial: own}, Seen{Code: "silent", Tries: 3}, at(time.Minute))
	situations := []struct {
		name  string
		state State
		meter Meter
	}{
		{"never read", State{}, Meter{Serial: own}},
		{"read", read(t, last-400, last), Meter{Serial: own}},
		{"silent", silent, Meter{Serial: own}},
		{"jumped", jumped, Meter{Serial: own}},
		{"backwards", back, Meter{Serial: own}},
		{"near its end", read(t, end-200), Meter{Serial: own}},
		{"exchanged", read(t, last), Meter{Serial: "20000001"}},
		{"begun by a person", back, Meter{Serial: own, Begin: last - 50_000}},
	}
	var text strings.Builder
	for _, situation := range situations {
		g := State{}.Good
		if situation.state.Serial == situation.meter.Serial && situation.state.Begin == situation.meter.Begin {
			g = situation.state.Good
		}
		base := situation.meter.Begin
		if g != nil {
			base = g.Litres
		}
		for _, in := range []struct {
			name string
			seen Seen
		}{
			{"nothing", Seen{Code: "silent", Tries: 3}},
			{"another's serial", Seen{Serial: "99", Litres: base, Range: end, Qmax: qmax}},
			{"zero", seen(0)},
			{"50,000 less", seen(max(base-50_000, 0))},
			{"the same", seen(base)},
			{"300 more", seen((base + 300) % end)},
			{"90,000 more", seen((base + 90_000) % end)},
		} {
			for _, clock := range []struct {
				name string
				now  Now
			}{
				{"same boot", at(time.Hour)},
				{"restarted", Now{at(time.Hour).Wall, true, time.Second, 4}},
				{"restarted, uncertain", Now{at(-time.Hour).Wall, false, time.Second, 4}},
			} {
				if in.seen.Serial == own {
					in.seen.Serial = situation.meter.Serial
				}
				s, r := Judge(situation.state, situation.meter, in.seen, clock.now)
				fmt.Fprintf(&text, "%s: %s, %s: %s", situation.name, in.name, clock.name, r.Quality)
				if r.Rollover {
					text.WriteString(", rolled over")
				}
				text.WriteString("\n")
				if r.Quality != wire.ReadingGood && (s.Good == nil) != (g == nil) || r.Quality != wire.ReadingGood && g != nil && *s.Good != *g {
					t.Errorf("%s: %s, %s: %s, and the last good one is another", situation.name, in.name, clock.name, r.Quality)
				}
				if s.Serial != situation.meter.Serial || s.Quality != r.Quality || s.Litres != r.Litres {
					t.Errorf("%s: %s: state %+v after %+v", situation.name, in.name, s, r)
				}
			}
		}
	}
	golden := filepath.Join("testdata", "walk.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("the walk has changed; read the difference after: go test ./gateway/metering/rules -update\n%s", text.String())
	}
}

// Whatever is seen, nothing but a good reading moves the last good one, and that never gets less but by a rollover.
func FuzzJudge(f *testing.F) {
	f.Add(int64(5), int64(300), int64(200), int64(60), true)
	f.Add(int64(end-5), int64(3), int64(9), int64(3600), false)
	f.Fuzz(func(t *testing.T, a, b, c, seconds int64, certain bool) {
		var s State
		now := at(0)
		for _, litres := range []int64{a % end, b % end, c % end, b % end} {
			before := s.Good
			now.Wall, now.Mono, now.Certain = now.Wall.Add(time.Duration(seconds%1e7)*time.Second), now.Mono+time.Duration(max(seconds%1e7, 0))*time.Second, certain
			var r wire.Reading
			s, r = Judge(s, Meter{Serial: own}, seen(litres), now)
			switch {
			case r.Quality != wire.ReadingGood && s.Good != before:
				t.Fatalf("%s: the last good one moved from %+v to %+v", r.Quality, before, s.Good)
			case r.Quality == wire.ReadingGood && before != nil && s.Good.Litres < before.Litres && !r.Rollover:
				t.Fatalf("good, and %d after %d", s.Good.Litres, before.Litres)
			}
		}
	})
}
