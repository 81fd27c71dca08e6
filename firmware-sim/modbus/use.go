package modbus

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"
)

// Use names how a household burns gas over its day.
type Use string

// The uses of gas.
const (
	Family Use = "family" // four people: about 400 litres a day
	Couple Use = "couple" // two, both at work
	Elder  Use = "elder"  // one person, at home all day
	Vacant Use = "vacant" // nobody lives there
)

// Uses are all uses, for messages.
func Uses() []Use { return []Use{Family, Couple, Elder, Vacant} }

// habit is something that a household does on most days, with gas burning meanwhile.
type habit struct {
	from, to         time.Duration // when it begins, after midnight
	shortest, length time.Duration // how long it takes: shortest, and up to length more
	flow, more       int64         // litres an hour: flow, and up to more above it
	odds             float64       // that it happens on a day
}

// habits holds each use's habits. Flows are those of a two-ring stove and of an instant water heater turned down.
func habits(u Use) []habit {
	const h, m = time.Hour, time.Minute
	breakfast := habit{6*h + 10*m, 7*h + 20*m, 8 * m, 10 * m, 180, 120, 0.9}
	lunch := habit{11*h + 20*m, 12*h + 20*m, 12 * m, 15 * m, 220, 150, 0.9}
	dinner := habit{17*h + 20*m, 18*h + 40*m, 18 * m, 25 * m, 260, 200, 0.95}
	soup := habit{16*h + 30*m, 17*h + 30*m, 30 * m, 30 * m, 80, 40, 0.3}
	shower := habit{19*h + 30*m, 23 * h, 3 * m, 4 * m, 800, 400, 0.9}
	dishes := habit{19 * h, 19*h + 30*m, 2 * m, 3 * m, 500, 200, 0.8}
	switch u {
	case Family:
		return []habit{breakfast, dinner, soup, dishes, shower, shower, shower}
	case Couple:
		return []habit{breakfast, dinner, dishes, shower, shower}
	case Elder:
		return []habit{breakfast, lunch, dinner, soup, shower}
	case Vacant:
		return nil
	}
	panic(fmt.Sprintf("modbus: no use %q", u))
}

const day = 24 * time.Hour

// burn is one stretch of gas burning, within one day.
type burn struct {
	from, to time.Duration // after midnight
	flow     int64         // litres an hour
}

// burns draws what a household burns on one day: the same for the same seed, use and day.
func burns(u Use, seed uint64, dayNumber int64) []burn {
	random := rand.New(rand.NewPCG(seed, uint64(dayNumber)))
	var out []burn
	for _, h := range habits(u) {
		happens := random.Float64() < h.odds
		from := h.from + time.Duration(random.Int64N(int64(h.to-h.from)))
		long := h.shortest + time.Duration(random.Int64N(int64(h.length)))
		b := burn{from.Truncate(time.Second), (from + long).Truncate(time.Second), h.flow + random.Int64N(h.more)}
		if happens {
			out = append(out, b)
		}
	}
	return out
}

// flowAt is what burns at a time of the day, in litres an hour.
func flowAt(bs []burn, at time.Duration) int64 {
	var sum int64
	for _, b := range bs {
		if b.from <= at && at < b.to {
			sum += b.flow
		}
	}
	return sum
}

// edges are the times at which the flow changes, after from and up to to, with to at the end.
func edges(bs []burn, from, to time.Duration) []time.Duration {
	out := []time.Duration{to}
	for _, b := range bs {
		for _, at := range []time.Duration{b.from, b.to} {
			if from < at && at < to {
				out = append(out, at)
			}
		}
	}
	slices.Sort(out)
	return out
}

// householdSeed gives each meter a household of its own.
func householdSeed(seed uint64, name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return seed ^ h.Sum64()
}
