package rules

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 5, 4, 4, 0, 0, 0, time.UTC)

func TestUnitLocks(t *testing.T) {
	now, u := noon, Unit{}
	var locks []time.Duration
	for range 3 {
		for left := 4; left >= 0; left-- {
			if u = u.At(now).Count(now); u.Locked().IsZero() && u.Left() != left {
				t.Errorf("%d left; want %d", u.Left(), left)
			}
			if !u.Locked().IsZero() {
				break
			}
		}
		locks = append(locks, u.Locked().Sub(now))
		now = u.Locked()
		if u = u.At(now); !u.Locked().IsZero() {
			t.Error("locked after its end")
		}
		if len(locks) == 2 {
			break
		}
	}
	if locks[0] != 5*time.Minute || locks[1] != 24*time.Hour-5*time.Minute { // the tenth of the day
		t.Errorf("locks %v", locks)
	}
	if u != (Unit{}) {
		t.Errorf("after a day: %+v", u)
	}
}

func TestLocksDouble(t *testing.T) {
	want := 5 * time.Minute
	for n := range 8 {
		u := Unit{Start: noon, Window: noon, Wrong: unitTries - 1, Locks: n}
		if got := u.Count(noon).For; got != want {
			t.Errorf("lock %d lasts %v; want %v", n, got, want)
		}
		want = min(2*want, time.Hour)
	}
}

func TestWindowForgets(t *testing.T) {
	u := Unit{}
	for range 4 {
		u = u.Count(noon)
	}
	if u = u.At(noon.Add(unitWindow)); u.Left() != 5 || u.Day != 4 {
		t.Errorf("after the window: %+v", u)
	}
	if u.Right() != (Unit{}) {
		t.Error("a right code forgets")
	}
}

// A clock that is set back neither frees nor locks for ever.
func TestClockSetBack(t *testing.T) {
	u := Unit{}
	for range 5 {
		u = u.Count(noon)
	}
	back := noon.Add(-1000 * time.Hour)
	u = u.At(back)
	if got := u.Locked().Sub(back); got != firstLock {
		t.Errorf("locked for %v; want %v", got, firstLock)
	}
	if u = u.At(back.Add(firstLock)); !u.Locked().IsZero() || u.Day != 5 {
		t.Errorf("after the lock: %+v", u)
	}
	s := Screen{}
	for range 100 {
		s = s.Count(PIN, noon)
	}
	s = s.At(back)
	if end := s.Closed(PIN); end.Sub(back) != day {
		t.Errorf("closed until %v", end)
	}
	if wait := s.Waits().Sub(back); wait != longestWait {
		t.Errorf("waits %v; want %v", wait, longestWait)
	}
}

func TestScreen(t *testing.T) {
	for p, limit := range map[Purpose]int{PIN: 100, Household: 1000, Courier: 1000, Guard: 1000} {
		now, s, longest := noon, Screen{}, time.Duration(0)
		guesses := 0
		for s.At(now).Closed(p).IsZero() {
			s = s.At(now).Count(p, now)
			guesses++
			if next := s.Waits(); !next.IsZero() {
				longest = max(longest, next.Sub(now))
				now = next
			}
		}
		if guesses != limit || longest != longestWait { // invariant 13
			t.Errorf("%s: %d guesses, waits up to %v; want %d, %v", p, guesses, longest, limit, longestWait)
		}
		if s = s.At(noon.Add(day)); s != (Screen{}) {
			t.Errorf("%s after a day: %+v", p, s)
		}
	}
}
