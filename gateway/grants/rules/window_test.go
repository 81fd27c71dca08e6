package rules

import (
	"testing"
	"time"
)

func TestWindow(t *testing.T) {
	const h = time.Hour
	from, until := noon, noon.Add(2*h)
	sure := func(now time.Time) Moment { return Moment{Now: now, Floor: noon.Add(-h), Certain: true} }
	guess := func(now, floor time.Time) Moment { return Moment{Now: now, Floor: floor} }
	none := time.Time{}
	tests := []struct {
		name   string
		now    Moment
		want   Standing
		marked bool
	}{
		{"before", sure(from.Add(-1)), Early, false},
		{"at its begin", sure(from), Living, false},
		{"last moment", sure(until.Add(-1)), Living, false},
		{"at its end", sure(until), Ended, false},
		{"uncertain: ended before the floor", guess(until.Add(h), until), Ended, false},
		{"uncertain: ended by the estimate alone", guess(until.AddDate(14, 0, 0), until.Add(-1)), Living, true},
		{"uncertain: begins in 15 min", guess(from.Add(-15*time.Minute), none), Living, true},
		{"uncertain: begins later than that", guess(from.Add(-15*time.Minute-1), none), Early, false},
		{"uncertain: 1970", guess(time.Unix(0, 0), none), Early, false},
		{"uncertain: 2040 without a floor", guess(from.AddDate(14, 0, 0), none), Living, true},
	}
	for _, tt := range tests {
		if got, marked := tt.now.Window(from, until); got != tt.want || marked != tt.marked {
			t.Errorf("%s: Window = %d, %t; want %d, %t", tt.name, got, marked, tt.want, tt.marked)
		}
	}
}

// Two screens count at the same time: what is given back to one takes nothing from the other.
func TestScreenGivesBackItsOwn(t *testing.T) {
	var s Screen
	before := s
	s = s.Count(Household, noon) // one screen's guess
	s = s.Count(Household, noon) // another's, before the first is judged
	if s = s.Back(before); s.Wrong != 1 {
		t.Errorf("%d wrong after one of two was right; want 1", s.Wrong)
	}
	for range Limit(Household) / 5 {
		s = s.Count(Household, noon)
	}
	before = s
	if s = s.Count(Household, noon); s.Back(before) != before {
		t.Errorf("Back = %+v; want %+v", s.Back(before), before)
	}
}
