package metering

import (
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
)

// View is what screens and health show. It is a snapshot: nobody changes it.
type View struct {
	Every  time.Duration
	Meters []Reading // in the order of the configuration
}

// Reading is how a meter stands.
type Reading struct {
	Meter   string
	Quality string    // of the newest reading: wire.ReadingGood, …; empty: never read
	Litres  int64     // as it was seen; of a bad one: the last good total
	At      time.Time // judged, of the newest reading
	Good    int64     // the last good total
	GoodAt  time.Time // zero: none yet
}

// View gives how the meters stand, at any time.
func (s *Service) View() View { return *s.view.Load() }

func (s *Service) publish() {
	v := &View{Every: s.config.Every}
	for _, m := range s.config.Meters {
		v.Meters = append(v.Meters, show(m, s.states[m.ID]))
	}
	s.view.Store(v)
}

func show(m Meter, state rules.State) Reading {
	r := Reading{Meter: m.ID}
	if state.Serial != m.Serial || state.Begin != m.Begin || state.Quality == "" {
		return r // nothing is known of this meter yet
	}
	r.Quality, r.Litres, r.At = state.Quality, state.Litres, state.At.Time()
	if state.Good != nil {
		r.Good, r.GoodAt = state.Good.Litres, state.Good.At.Time()
	}
	return r
}
