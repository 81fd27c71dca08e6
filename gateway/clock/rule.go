package clock

import (
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds within which the system's clock may differ from the floor and is still believed.
const (
	ahead = 45 * 24 * time.Hour // before the first answer of a boot: so long a box may have been without power
	slack = 2 * time.Minute     // after it, both have run on together
	drift = 1000                // one part in so many is added to slack for the time since
	fresh = 24 * time.Hour      // an answer vouches for the time so long
)

// state is what a boot knows of the time. Its methods are rules: they read no clock.
type state struct {
	floor  time.Time     // has certainly passed at since; zero: none is known
	since  time.Duration // monotonic
	keeper wire.Quality  // of the system's clock

	answeredAt time.Duration // monotonic, of the last answer
	vouched    bool          // an answer came in this boot

	word      time.Time // of a guard, at wordSince; zero: none
	wordSince time.Duration
}

// at is the floor, run on with the monotonic clock.
func (s state) at(mono time.Duration) time.Time {
	if s.floor.IsZero() {
		return time.Time{}
	}
	return s.floor.Add(mono - s.since)
}

// judge gives max(floor + monotonic, the system's clock when trusted) and how far that can be believed.
func (s state) judge(now time.Time, mono time.Duration) (time.Time, wire.Quality) {
	floor := s.at(mono)
	if floor.IsZero() {
		if s.word.IsZero() {
			return now, wire.Uncertain // nothing has ever vouched for it
		}
		return s.word.Add(mono - s.wordSince), wire.Holdover
	}
	trusted := s.trusts(now, mono)
	judged := floor
	if trusted && now.After(judged) {
		judged = now
	}
	if !s.word.IsZero() {
		if t := s.word.Add(mono - s.wordSince); t.After(floor) {
			judged = t
		}
		return judged, wire.Holdover
	}
	switch {
	case s.vouched && mono-s.answeredAt <= fresh:
		return judged, wire.FromAnswer // rests on the answer, whatever the system's clock does
	case trusted:
		return judged, s.keeper
	case s.vouched && s.keeper == wire.Uncertain:
		return judged, wire.Holdover
	}
	return judged, wire.Uncertain
}

// trusts tells whether the system's clock is kept by something and within bounds of the floor.
func (s state) trusts(now time.Time, mono time.Duration) bool {
	if s.keeper == wire.Uncertain {
		return false
	}
	bound := ahead
	early := time.Duration(0)
	if s.vouched {
		bound = slack + (mono-s.answeredAt)/drift
		early = bound
	}
	off := now.Sub(s.at(mono))
	return off >= -early && off <= bound
}

// answered clamps the floor into [issued, issued + round trip].
func (s state) answered(issued time.Time, sent, received time.Duration) state {
	if received < sent {
		return s
	}
	floor, latest := s.at(received), issued.Add(received-sent)
	switch {
	case floor.Before(issued):
		floor = issued
	case floor.After(latest):
		floor = latest
	}
	s.floor, s.since = floor, received
	s.vouched, s.answeredAt, s.word = true, received, time.Time{}
	return s
}

// issued raises the floor.
func (s state) issued(t time.Time, mono time.Duration) state {
	if t.After(s.at(mono)) {
		s.floor, s.since = t, mono
	}
	return s
}

// confirmed takes a guard's word, unless the time it names has certainly passed.
func (s state) confirmed(t time.Time, mono time.Duration) (state, bool) {
	if t.Before(s.at(mono)) {
		return s, false
	}
	s.word, s.wordSince = t, mono
	return s, true
}
