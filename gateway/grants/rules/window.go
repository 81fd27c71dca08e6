package rules

import "time"

// skew is how far behind the truth an uncertain clock's estimate may be: what begins later is too early.
const skew = 15 * time.Minute

// Moment is what is believed of the time.
type Moment struct {
	Now     time.Time // judged
	Floor   time.Time // has certainly passed; zero: none is known
	Certain bool      // Now can be believed
}

// Past is the newest time of which it is certain that it has passed: what has ended by it has ended.
func (m Moment) Past() time.Time {
	if m.Certain {
		return m.Now
	}
	return m.Floor
}

// Standing is where a right's window lies.
type Standing uint8

// The standings.
const (
	Living Standing = iota
	Early
	Ended
)

// Window judges the window [from, until) of a right. Marked: it is taken for living, and the clock is uncertain.
func (m Moment) Window(from, until time.Time) (s Standing, marked bool) {
	latest := m.Now
	if !m.Certain {
		latest = latest.Add(skew)
	}
	switch {
	case !m.Past().Before(until):
		return Ended, false
	case from.After(latest):
		return Early, false
	}
	return Living, !m.Certain
}
