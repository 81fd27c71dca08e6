package clock

import (
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// machine is a system clock that a test sets.
type machine struct {
	now  time.Time
	mono time.Duration
}

func (m *machine) read() (time.Time, time.Duration) { return m.now, m.mono }

// pass lets time pass on both clocks.
func (m *machine) pass(d time.Duration) { m.now, m.mono = m.now.Add(d), m.mono+d }

func day(n int) time.Time { return time.Date(2026, 3, n, 12, 0, 0, 0, time.UTC) }

func want(t *testing.T, r Reading, at time.Time, q wire.Quality) {
	t.Helper()
	if !r.Time.Equal(at) || r.Quality != q {
		t.Errorf("Now() = %s %s; want %s %s", r.Time, r.Quality, at, q)
	}
}

func TestQualities(t *testing.T) {
	tests := []struct {
		name    string
		floor   time.Time
		system  time.Time
		keeper  wire.Quality
		time    time.Time
		quality wire.Quality
	}{
		{"nothing is known", time.Time{}, day(1), wire.FromNTP, day(1), wire.Uncertain},
		{"off for a day, hardware clock runs", day(1), day(2), wire.FromRTC, day(2), wire.FromRTC},
		{"off for a day, kept by NTP", day(1), day(2), wire.FromNTP, day(2), wire.FromNTP},
		{"off for a day, nothing keeps the clock", day(1), day(2), wire.Uncertain, day(1), wire.Uncertain},
		{"hardware clock is dead", day(1), time.Unix(0, 0), wire.FromRTC, day(1), wire.Uncertain},
		{"hardware clock says 2040", day(1), day(1).AddDate(14, 0, 0), wire.FromRTC, day(1), wire.Uncertain},
		{"NTP says 2040", day(1), day(1).AddDate(14, 0, 0), wire.FromNTP, day(1), wire.Uncertain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := New(3, tt.floor, (&machine{now: tt.system}).read)
			c.Kept(tt.keeper)
			want(t, c.Now(), tt.time, tt.quality)
			if got := c.Floor(); !got.Equal(tt.floor) {
				t.Errorf("Floor() = %s; want %s", got, tt.floor)
			}
		})
	}
}

func TestAnsweredClamps(t *testing.T) {
	issued := day(10)
	tests := []struct {
		name        string
		floor, want time.Time
	}{
		{"no floor", time.Time{}, issued},
		{"floor below", day(9), issued},
		{"floor within", issued.Add(3 * time.Second), issued.Add(3 * time.Second)},
		{"floor above: only an answer may lower it", day(11), issued.Add(4 * time.Second)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &machine{now: time.Unix(0, 0), mono: 10 * time.Second}
			c := New(1, tt.floor, m.read)
			c.Answered(issued, 6*time.Second, 10*time.Second)
			want(t, c.Now(), tt.want, wire.FromAnswer)
			m.pass(time.Hour)
			want(t, c.Now(), tt.want.Add(time.Hour), wire.FromAnswer)
		})
	}
}

func TestJumpsMoveNothing(t *testing.T) {
	m := &machine{now: day(1)}
	c := New(1, time.Time{}, m.read)
	c.Answered(day(1), 0, 0)
	for _, years := range []int{14, -40, 10, -10} {
		m.now = m.now.AddDate(years, 0, 0)
		want(t, c.Now(), day(1), wire.FromAnswer)
		m.now = m.now.AddDate(-years, 0, 0)
	}
	m.pass(fresh + time.Hour)
	want(t, c.Now(), m.now, wire.FromRTC)
	at := m.now
	m.now = m.now.AddDate(14, 0, 0)
	want(t, c.Now(), at, wire.Uncertain)
	if got := c.Floor(); !got.Equal(at) {
		t.Errorf("Floor() = %s; want %s", got, at)
	}
	c.Kept(wire.Uncertain)
	want(t, c.Now(), at, wire.Holdover)
}

func TestTicketsRaiseOnly(t *testing.T) {
	m := &machine{now: time.Unix(0, 0)}
	c := New(1, day(5), m.read)
	c.Issued(day(4))
	want(t, c.Now(), day(5), wire.Uncertain)
	c.Issued(day(6))
	want(t, c.Now(), day(6), wire.Uncertain)
}

func TestGuardConfirms(t *testing.T) {
	m := &machine{now: time.Unix(0, 0)}
	c := New(1, day(5), m.read)
	if c.Confirmed(day(4)) {
		t.Error("a time that has passed was confirmed")
	}
	want(t, c.Now(), day(5), wire.Uncertain)
	if !c.Confirmed(day(7)) {
		t.Error("Confirmed(day 7) = false")
	}
	m.pass(time.Minute)
	want(t, c.Now(), day(7).Add(time.Minute), wire.Holdover)
	if got := c.Floor(); !got.Equal(day(5).Add(time.Minute)) {
		t.Errorf("Floor() = %s: moved by a word", got)
	}
	c.Answered(day(6), m.mono, m.mono)
	want(t, c.Now(), day(6), wire.FromAnswer)
}

// An expired grant never revives: whatever the system's clock does, judged time never falls below an earlier floor,
// and only an answer lowers that.
func FuzzFloorNeverFalls(f *testing.F) {
	f.Add(int64(14*365*24*3600), int64(-50*365*24*3600), int64(5), uint8(0))
	f.Fuzz(func(t *testing.T, jump1, jump2, pass int64, keeper uint8) {
		m := &machine{now: day(1)}
		c := New(1, day(1), m.read)
		c.Kept([]wire.Quality{wire.FromNTP, wire.FromRTC, wire.Uncertain}[keeper%3])
		for _, jump := range []int64{jump1, jump2} {
			before := c.Floor()
			m.now = m.now.Add(time.Duration(jump%1e9) * time.Second)
			m.mono += time.Duration(pass%1e6)*time.Second*time.Duration(sign(pass)) + 1
			if after := c.Floor(); after.Before(before) || c.Now().Time.Before(after) {
				t.Fatalf("floor %s then %s, now %s", before, after, c.Now().Time)
			}
		}
	})
}

func sign(n int64) int64 {
	if n < 0 {
		return -1
	}
	return 1
}

func TestStamp(t *testing.T) {
	m := &machine{now: day(1), mono: 7 * time.Second}
	ev := wire.Event{Type: "door.forced"}
	New(9, day(1), m.read).Now().Stamp(&ev)
	if ev.Wall != wire.At(day(1)) || ev.Boot != 9 || ev.Mono != 7_000_000 || ev.Clock != wire.FromRTC || ev.Type != "door.forced" {
		t.Errorf("Stamp gave %+v", ev)
	}
}

func TestSystemSet(t *testing.T) {
	wall := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	system := SystemSet(wall)
	now, mono := system()
	if off := now.Sub(wall); off < 0 || off-mono > time.Second || mono-off > time.Second {
		t.Errorf("the clock set to %v stands at %v after %v", wall, now, mono)
	}
}
