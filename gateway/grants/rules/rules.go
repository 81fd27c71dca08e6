// Package rules says how often people may guess: pure functions of what was counted and now.
//
// A guess is counted as wrong before it is judged, and given back when it was right. Six digits are protected by these
// numbers and by nothing else (docs/wire.md 7). Times are judged times; a clock that is set back never lengthens a lock
// beyond what it was set to.
package rules

import "time"

// Purpose is what a code is for.
type Purpose string

// The purposes of codes.
const (
	PIN       Purpose = "pin"
	Household Purpose = "household"
	Courier   Purpose = "courier"
	Guard     Purpose = "guard"
)

// The budgets of guesses, all of them here (invariant 13).
const (
	unitTries   = 5 // wrong in unitWindow, then the unit is locked
	unitWindow  = 10 * time.Minute
	unitDay     = 10 // wrong in a day
	firstLock   = 5 * time.Minute
	longestLock = time.Hour
	day         = 24 * time.Hour
	longestWait = time.Minute // between two guesses at one screen
)

// Limit is how many wrong codes of a purpose one screen takes in a day.
func Limit(p Purpose) int {
	if p == PIN {
		return 100
	}
	return 1000 // eight digits
}

// Unit is what was guessed for one unit's label. The zero value is a unit for which nobody ever guessed.
type Unit struct {
	Window time.Time     `json:"window,omitzero"` // its first guess
	Wrong  int           `json:"wrong,omitempty"` // since Window
	Start  time.Time     `json:"start,omitzero"`  // of the day
	Day    int           `json:"day,omitempty"`   // wrong since Start
	Locks  int           `json:"locks,omitempty"` // since Start
	Until  time.Time     `json:"until,omitzero"`  // locked
	For    time.Duration `json:"for,omitempty"`   // what Until was set to last
}

// At brings a unit to now: windows that are over are forgotten, and a lock is never longer than it was set to.
func (u Unit) At(now time.Time) Unit {
	if over(u.Start, now, day) {
		u.Start, u.Day, u.Locks = time.Time{}, 0, 0
	}
	if over(u.Window, now, unitWindow) {
		u.Window, u.Wrong = time.Time{}, 0
	}
	switch left := u.Until.Sub(now); {
	case u.Until.IsZero() || left <= 0:
		u.Until, u.For = time.Time{}, 0
	case left > u.For:
		u.Until = now.Add(u.For)
	}
	if u.Start.After(now) { // the clock was set back: the day begins anew, with what was counted
		u.Start = now
	}
	if u.Window.After(now) {
		u.Window = now
	}
	return u
}

// over tells whether a window that began at start has ended.
func over(start, now time.Time, window time.Duration) bool {
	return !start.IsZero() && now.Sub(start) >= window
}

// Locked tells until when no guess for the unit is judged; zero: it may be guessed.
func (u Unit) Locked() time.Time { return u.Until }

// Left is how many more wrong guesses the unit has before it is locked.
func (u Unit) Left() int {
	if !u.Until.IsZero() {
		return 0
	}
	return min(unitTries-u.Wrong, unitDay-u.Day)
}

// Count counts one guess, as wrong until it is judged. The unit must have been brought to now.
func (u Unit) Count(now time.Time) Unit {
	if u.Window.IsZero() {
		u.Window = now
	}
	if u.Start.IsZero() {
		u.Start = now
	}
	u.Wrong++
	u.Day++
	switch {
	case u.Day >= unitDay:
		u.For = u.Start.Add(day).Sub(now)
	case u.Wrong >= unitTries:
		u.For = min(firstLock<<min(u.Locks, 6), longestLock)
	default:
		return u
	}
	u.Locks++
	u.Until, u.Window, u.Wrong = now.Add(u.For), time.Time{}, 0
	return u
}

// Right forgets what was guessed: the code was right.
func (Unit) Right() Unit { return Unit{} }

// Screen is what was guessed at one screen with codes of one purpose.
type Screen struct {
	Start time.Time     `json:"start,omitzero"`
	Wrong int           `json:"wrong,omitempty"`
	Next  time.Time     `json:"next,omitzero"` // no guess is judged before
	Wait  time.Duration `json:"wait,omitempty"`
}

// At brings a screen to now.
func (s Screen) At(now time.Time) Screen {
	if over(s.Start, now, day) {
		s = Screen{}
	}
	if s.Start.After(now) {
		s.Start = now
	}
	switch left := s.Next.Sub(now); {
	case s.Next.IsZero() || left <= 0:
		s.Next, s.Wait = time.Time{}, 0
	case left > s.Wait:
		s.Next = now.Add(s.Wait)
	}
	return s
}

// Closed tells until when the screen takes no code of the purpose; zero: it does.
func (s Screen) Closed(p Purpose) time.Time {
	if s.Wrong < Limit(p) {
		return time.Time{}
	}
	return s.Start.Add(day)
}

// Waits tells before when no guess is judged; zero: it may come.
func (s Screen) Waits() time.Time { return s.Next }

// Count counts one guess, as wrong until it is judged: after a fifth of the budget the next one has to wait, each time a
// second longer.
func (s Screen) Count(p Purpose, now time.Time) Screen {
	if s.Start.IsZero() {
		s.Start = now
	}
	s.Wrong++
	if many := s.Wrong - Limit(p)/5; many > 0 {
		s.Wait = min(time.Duration(many)*time.Second, longestWait)
		s.Next = now.Add(s.Wait)
	}
	return s
}

// Back gives back a guess that was counted upon before. What others have counted since stays counted.
func (s Screen) Back(before Screen) Screen {
	if s.Wrong <= before.Wrong+1 {
		return before
	}
	s.Wrong--
	return s
}
