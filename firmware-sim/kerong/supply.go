package kerong

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	boardReset = 1500 * time.Millisecond // a board is silent so long after its supply came back

	// A supply that cannot carry a latch gives way within its first inrush. A solenoid latch has moved after travel, which
	// lies between: some have opened by then and some have not.
	collapseFirst = 5 * time.Millisecond
	collapseLast  = 75 * time.Millisecond

	maxCollapses = 64 // that chains are still told of
)

// Supply is the power supply of one or more chains. It can carry one energised latch at a time, which chains count, and it
// may be too weak even for that. It is safe for concurrent use.
type Supply struct {
	mu        sync.Mutex
	random    *rand.Rand
	brownOut  float64
	pulses    map[*lock]span
	collapses []time.Time // the last ones, ascending; the very last may lie ahead
	dropped   int         // collapses before them
}

// span is a time during which a latch is energised.
type span struct{ from, to time.Time }

// NewSupply returns a sound supply whose chance is drawn from seed.
func NewSupply(seed uint64) *Supply {
	return &Supply{random: rand.New(rand.NewPCG(seed, 0x5099)), pulses: map[*lock]span{}}
}

// SetBrownOut sets the chance of each pulse, 0 to 1, to make the supply collapse: every pulse ends at once, every board that
// hangs on it is silent for a second and a half and has forgotten the pulse length that was set. Whether the latch has
// opened by then is drawn too.
func (s *Supply) SetBrownOut(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.brownOut = rate
}

// BrownOut returns the chance of each pulse to make the supply collapse.
func (s *Supply) BrownOut() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.brownOut
}

// Collapses returns how often the supply has collapsed by now.
func (s *Supply) Collapses() uint64 {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.collapses)
	if n > 0 && s.collapses[n-1].After(now) {
		n--
	}
	return uint64(s.dropped + n)
}

// energise begins a pulse and reports whether another latch is energised meanwhile.
func (s *Supply) energise(l *lock, p span) (overlap bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, o := range s.pulses {
		switch {
		case !o.to.After(p.from):
			delete(s.pulses, other)
		case other != l && o.from.Before(p.to):
			overlap = true
		}
	}
	s.pulses[l] = p
	if n := len(s.collapses); n > 0 && s.collapses[n-1].After(p.from) { // it is about to collapse anyway
		return overlap
	}
	if s.brownOut > 0 && s.random.Float64() < s.brownOut {
		at := p.from.Add(collapseFirst + time.Duration(s.random.Int64N(int64(collapseLast-collapseFirst))))
		if at.Before(p.to) {
			s.collapse(at)
		}
	}
	return overlap
}

// collapse notes that the supply gives way at the time at, and with it what it energises.
func (s *Supply) collapse(at time.Time) {
	if s.collapses = append(s.collapses, at); len(s.collapses) > maxCollapses {
		s.collapses = slices.Clone(s.collapses[1:])
		s.dropped++
	}
	for l, p := range s.pulses {
		if p.to.After(at) {
			s.pulses[l] = span{p.from, at}
		}
	}
}

// since returns the collapses after the first seen, up to now, and how many have been seen with them.
func (s *Supply) since(seen int, now time.Time) (out []time.Time, seenNow int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen = max(seen, s.dropped)
	for _, at := range s.collapses[seen-s.dropped:] {
		if at.After(now) {
			break
		}
		out, seen = append(out, at), seen+1
	}
	return out, seen
}
