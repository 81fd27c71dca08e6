package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

var taipei = time.FixedZone("Asia/Taipei", 8*60*60)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", text, taipei)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func micros(t testing.TB, text string) wire.Micros { t.Helper(); return wire.At(at(t, text)) }

func (s Slot) text() string {
	return s.From.Time().In(taipei).Format("01-02 15:04") + "-" + s.To.Time().In(taipei).Format("15:04")
}

func TestSlotsOfADay(t *testing.T) {
	for _, tt := range []struct {
		f    Facility
		want string
	}{
		{Facility{60, 8 * 60, 11 * 60}, "11-25 08:00-09:00 11-25 09:00-10:00 11-25 10:00-11:00"},
		{Facility{90, 8 * 60, 11 * 60}, "11-25 08:00-09:30 11-25 09:30-11:00"},
		{Facility{90, 8 * 60, 11*60 + 29}, "11-25 08:00-09:30 11-25 09:30-11:00"},
		{Facility{60, 22*60 + 30, 24 * 60}, "11-25 22:30-23:30"},
		{Facility{24 * 60, 0, 24 * 60}, "11-25 00:00-00:00"},
	} {
		var got []string
		for _, s := range tt.f.OnDay(at(t, "2026-11-25 23:59")) {
			got = append(got, s.text())
		}
		if strings.Join(got, " ") != tt.want || len(got) != tt.f.PerDay() || tt.f.Valid() != nil {
			t.Errorf("%+v: %v, %d a day, %v; want %s", tt.f, got, tt.f.PerDay(), tt.f.Valid(), tt.want)
		}
	}
	for _, f := range []Facility{{}, {14, 0, 60}, {60, 0, 59}, {60, -1, 120}, {60, 0, 24*60 + 1}, {25 * 60, 0, 24 * 60}, {60, 120, 60}} {
		if f.Valid() == nil {
			t.Errorf("%+v is valid", f)
		}
	}
}

func TestJudge(t *testing.T) {
	f := Facility{60, 8 * 60, 23 * 60}
	now := at(t, "2026-11-25 10:30")
	taken := []Slot{{micros(t, "2026-11-25 13:00"), micros(t, "2026-11-25 14:00")}, {micros(t, "2026-11-25 15:30"), micros(t, "2026-11-25 15:45")}}
	for _, tt := range []struct {
		from              string
		living, cancelled int
		want              Rule
	}{
		{"2026-11-25 12:00", 0, 0, Free},
		{"2026-11-25 14:00", 1, 0, Free},
		{"2026-11-25 10:00", 0, 0, Free}, // it runs: who is there may go in
		{"2026-11-25 09:00", 0, 0, Over},
		{"2026-11-25 12:30", 0, 0, NoSlot},
		{"2026-11-25 07:00", 0, 0, NoSlot},
		{"2026-11-25 23:00", 0, 0, NoSlot},
		{"2026-12-25 10:00", 0, 0, Free},
		{"2026-12-25 11:00", 0, 0, TooFar},
		{"2026-11-25 12:00", 2, 0, Limit},
		{"2026-11-25 13:00", 0, 0, Taken},
		{"2026-11-25 13:00", 2, 0, Limit},
		{"2026-11-25 15:00", 0, 0, Taken},
		{"2026-11-25 12:00", 1, MaxCancelled - 1, Free},
		{"2026-11-25 12:00", 1, MaxCancelled, Often},
		{"2026-11-25 13:00", 0, MaxCancelled, Taken},
	} {
		if s, got := f.Judge(micros(t, tt.from), tt.living, tt.cancelled, taken, now); got != tt.want || got == Free && s.From != micros(t, tt.from) {
			t.Errorf("Judge(%s, %d, %d) = %s, %s; want %s", tt.from, tt.living, tt.cancelled, s.text(), got, tt.want)
		}
	}
}

func TestNextFreeSlot(t *testing.T) {
	f := Facility{120, 10 * 60, 22 * 60}
	now := at(t, "2026-11-25 21:30")
	day := func(d string) (all []Slot) { return f.OnDay(at(t, d+" 00:00")) }
	for _, tt := range []struct {
		name, after string
		taken       []Slot
		want        string
	}{
		{"now", "2026-11-25 00:00", nil, "11-25 20:00-22:00"},
		{"the one after", "2026-11-25 20:01", nil, "11-26 10:00-12:00"},
		{"the last is taken", "2026-11-25 00:00", day("2026-11-25"), "11-26 10:00-12:00"},
		{"two full days", "2026-11-25 00:00", slices.Concat(day("2026-11-25"), day("2026-11-26")), "11-27 10:00-12:00"},
		{"later", "2026-12-01 12:00", nil, "12-01 12:00-14:00"},
		{"the last of all", "2026-12-25 18:30", nil, "12-25 20:00-22:00"},
		{"beyond", "2026-12-26 00:00", nil, ""},
	} {
		s, ok := f.Next(micros(t, tt.after), tt.taken, now)
		if got := s.text(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%s: Next = %s, %t; want %s", tt.name, got, ok, tt.want)
		}
	}
	var all []Slot
	for d := range Days + 1 {
		all = append(all, f.OnDay(now.AddDate(0, 0, d))...)
	}
	if s, ok := f.Next(0, all, now); ok {
		t.Errorf("everything is taken, and next is %s", s.text())
	}
}

// Every state, at every time, under every input: what is not here cannot happen.
func TestEveryMove(t *testing.T) {
	slot := Slot{micros(t, "2026-11-25 14:00"), micros(t, "2026-11-25 15:00")}
	var got []string
	for _, s := range []State{Confirmed, CheckedIn, Cancelled, CancelledLate} {
		for _, now := range []string{"12:00", "12:01", "14:30", "15:00"} {
			m := micros(t, "2026-11-25 "+now)
			to, ok := s.Cancel(slot, m)
			got = append(got, fmt.Sprintf("%s %s: is %s, living %t, cancel %s %t, enter %s", s, now, s.At(slot, m), s.Living(), to, ok, s.Entered()))
		}
	}
	want := `confirmed 12:00: is confirmed, living true, cancel cancelled true, enter checked_in
confirmed 12:01: is confirmed, living true, cancel cancelled_late true, enter checked_in
confirmed 14:30: is confirmed, living true, cancel cancelled_late true, enter checked_in
confirmed 15:00: is completed, living true, cancel confirmed false, enter checked_in
checked_in 12:00: is checked_in, living true, cancel checked_in false, enter checked_in
checked_in 12:01: is checked_in, living true, cancel checked_in false, enter checked_in
checked_in 14:30: is checked_in, living true, cancel checked_in false, enter checked_in
checked_in 15:00: is completed, living true, cancel checked_in false, enter checked_in
cancelled 12:00: is cancelled, living false, cancel cancelled false, enter cancelled
cancelled 12:01: is cancelled, living false, cancel cancelled false, enter cancelled
cancelled 14:30: is cancelled, living false, cancel cancelled false, enter cancelled
cancelled 15:00: is cancelled, living false, cancel cancelled false, enter cancelled
cancelled_late 12:00: is cancelled_late, living false, cancel cancelled_late false, enter cancelled_late
cancelled_late 12:01: is cancelled_late, living false, cancel cancelled_late false, enter cancelled_late
cancelled_late 14:30: is cancelled_late, living false, cancel cancelled_late false, enter cancelled_late
cancelled_late 15:00: is cancelled_late, living false, cancel cancelled_late false, enter cancelled_late`
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("moves:\n%s\nwant:\n%s", g, want)
	}
}

func TestWindowFitsATicket(t *testing.T) {
	s := Slot{micros(t, "2026-11-25 00:00"), micros(t, "2026-11-26 00:00")}
	w := s.Window()
	if w.To-w.From > wire.MaxTicket || w.From != micros(t, "2026-11-24 23:50") || w.To != micros(t, "2026-11-26 00:10") {
		t.Errorf("window %s of the longest slot; a ticket holds %d µs", w.text(), wire.MaxTicket)
	}
}

// Whatever is judged free is a slot of the facility, not over, within the horizon and nobody else's.
func FuzzJudge(f *testing.F) {
	f.Add(60, 480, 1380, int64(1_790_000_000_000_000), int64(1_790_000_000_000_000), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, slot, from, to int, begin, now, takenFrom, takenTo int64) {
		facility := Facility{slot, from, to}
		if facility.Valid() != nil || max(begin, now) > 1<<52 || min(begin, now) < 0 {
			return
		}
		n := time.UnixMicro(now).In(taipei)
		taken := []Slot{{wire.Micros(takenFrom), wire.Micros(takenTo)}}
		for _, m := range []wire.Micros{wire.Micros(begin), facility.OnDay(time.UnixMicro(begin).In(taipei))[0].From} {
			s, r := facility.Judge(m, 0, 0, taken, n)
			if r == Free && (s.From != m || s.To-s.From != wire.Micros(slot)*60e6 || s.To <= wire.At(n) || s.From > wire.At(n.Add(Horizon)) || s.Overlaps(taken[0])) {
				t.Errorf("%+v free at %s", s, n)
			}
		}
	})
}
