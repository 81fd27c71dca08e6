package rules

import (
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of plausibility.
const (
	// slack is added to the time in which gas may have flowed: counters of pulses move in steps, up to 100 litres each, which
	// is what the smallest usual meter (6 m³/h) lets through in a minute.
	slack = time.Minute
	// away is the longest that a box is taken to have been without power and without an answer, as gateway/clock takes it.
	away = 45 * 24 * time.Hour
)

// Meter is a meter as it is configured.
type Meter struct {
	Serial string // as on its plate
	Begin  int64  // litres that a person read off its dial: readings begin anew from there; 0: nobody had to
}

// Seen is what the last try of a sweep got.
type Seen struct {
	Code   string // why nothing could be read: silent, gone, …; empty: all that follows was
	Serial string // empty: the meter does not say
	Litres int64
	Range  int64 // the total rolls over to zero at so many litres; 0: not known
	Qmax   int64 // litres an hour; 0: not known
	Flags  []string
	Tries  int
}

// Now is the moment at which it was seen.
type Now struct {
	Wall    time.Time // judged
	Certain bool      // Wall can be believed; else it is a time that has passed
	Mono    time.Duration
	Boot    uint64
}

// State is what is remembered of a meter from one sweep to the next. The zero value is a meter never read.
type State struct {
	Serial string `json:"serial"` // as configured when the rest was seen, as is Begin: another meter begins anew
	Begin  int64  `json:"begin,omitempty"`
	Good   *Point `json:"good,omitempty"` // the last good reading
	Odd    *Point `json:"odd,omitempty"`  // the newest one that ran backwards or jumped, until a good one comes

	Quality string      `json:"quality,omitempty"` // of the newest reading
	Litres  int64       `json:"litres,omitempty"`  // as it was seen
	At      wire.Micros `json:"at,omitempty"`
}

// Point is a total, and when it was seen: between At and Until.
type Point struct {
	Litres  int64         `json:"litres"`
	At      wire.Micros   `json:"at"`
	Until   wire.Micros   `json:"until"`
	Quality string        `json:"quality"`
	Boot    uint64        `json:"boot"`
	Mono    time.Duration `json:"mono"`
}

// Judge says what a reading is worth, and what is remembered after it.
func Judge(s State, m Meter, in Seen, now Now) (State, wire.Reading) {
	if s.Serial != m.Serial || s.Begin != m.Begin {
		s = State{Serial: m.Serial, Begin: m.Begin}
	}
	seen := s.place(in.Litres, now)
	r := wire.Reading{Litres: in.Litres, Serial: in.Serial, Flags: in.Flags}
	if in.Tries > 1 {
		r.Tries = in.Tries
	}
	if s.Good != nil {
		r.Last = &wire.Good{Litres: s.Good.Litres, At: s.Good.At}
	}
	if !now.Certain {
		r.Until = seen.Until
	}
	r.Quality, r.Code, r.Rollover = s.judge(m, in, now)
	seen.Quality = r.Quality
	switch r.Quality {
	case wire.ReadingGood:
		s.Good, s.Odd = &seen, nil
	case wire.ReadingBackwards, wire.ReadingJump:
		s.Odd = &seen
	case wire.ReadingBad:
		r.Litres, r.Serial, r.Flags = 0, "", nil
		if s.Good != nil {
			r.Litres = s.Good.Litres
		}
	}
	s.Quality, s.Litres, s.At = r.Quality, r.Litres, wire.At(now.Wall)
	return s, r
}

// judge names the quality.
func (s State) judge(m Meter, in Seen, now Now) (quality, code string, rolled bool) {
	switch {
	case in.Code != "":
		return wire.ReadingBad, in.Code, false
	case in.Litres < 0 || in.Range > 0 && in.Litres >= in.Range:
		return wire.ReadingBad, "value", false
	case in.Serial != "" && !Same(in.Serial, m.Serial):
		return wire.ReadingForeign, "", false
	case s.Good == nil && in.Litres < m.Begin:
		return wire.ReadingBackwards, "", false
	}
	if s.Good == nil {
		return wire.ReadingGood, "", false
	}
	if s.Odd != nil && in.Qmax > 0 {
		// What goes on from an odd total is as odd, however long ago the good one was: time alone makes nothing true.
		if q, _ := s.Odd.before(in, now); q == wire.ReadingGood {
			return s.Odd.Quality, "", false
		}
	}
	quality, rolled = s.Good.before(in, now)
	return quality, "", rolled
}

// before names the quality of a total that comes after p, and tells whether it has rolled over since.
func (p Point) before(in Seen, now Now) (quality string, rolled bool) {
	used := in.Litres - p.Litres
	if used < 0 {
		// only from the last tenth of the range into the first
		if in.Range == 0 || p.Litres <= in.Range/10*9 || in.Litres >= in.Range/10 {
			return wire.ReadingBackwards, false
		}
		used, rolled = used+in.Range, true
	}
	if in.Qmax > 0 && used > flow(in.Qmax, p.elapsed(now)+slack) {
		if rolled {
			return wire.ReadingBackwards, false
		}
		return wire.ReadingJump, false
	}
	return wire.ReadingGood, rolled
}

// flow is the litres that pass in a time, rounded up.
func flow(hourly int64, d time.Duration) int64 {
	const hour = int64(time.Hour / time.Second)
	seconds := int64((d + time.Second - 1) / time.Second)
	return (hourly*seconds + hour - 1) / hour
}

// elapsed is the longest that can have passed since p.
func (p Point) elapsed(now Now) time.Duration {
	if run := now.Mono - p.Mono; p.Boot == now.Boot && run >= 0 {
		return run
	}
	latest := wire.At(now.Wall)
	if !now.Certain {
		latest = max(latest, p.At) + micros(away)
	}
	if latest < p.At { // the clock was ahead then: nothing is known
		return away
	}
	return time.Duration(latest-p.At) * time.Microsecond
}

// place says when a total was seen. With an uncertain clock the last good reading is a foothold: exact in the same boot,
// else a time that has passed.
func (s State) place(litres int64, now Now) Point {
	p := Point{Litres: litres, At: wire.At(now.Wall), Boot: now.Boot, Mono: now.Mono}
	g := s.Good
	switch {
	case now.Certain:
		p.Until = p.At
	case g != nil && g.Boot == now.Boot && now.Mono >= g.Mono:
		run := micros(now.Mono - g.Mono)
		p.At, p.Until = g.At+run, g.Until+run
	default:
		if g != nil {
			p.At = max(p.At, g.At)
		}
		p.Until = p.At + micros(away)
	}
	return p
}

func micros(d time.Duration) wire.Micros { return wire.Micros(d.Microseconds()) }

// Same tells whether two serial numbers are one: a register has no leading zeros, and a plate may.
func Same(a, b string) bool { return strings.TrimLeft(a, "0") == strings.TrimLeft(b, "0") }
