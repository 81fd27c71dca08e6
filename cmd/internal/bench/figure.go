package main

import (
	"math"
	"slices"
	"time"
)

// Figure is one thing that was measured, beside what the same machine could have done at best.
type Figure struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Ceiling float64 `json:"ceiling"`         // the same, done by bare libraries in the same run
	Ratio   float64 `json:"ratio"`           // value / ceiling
	Target  float64 `json:"target,omitzero"` // the value must not be below it; 0: nothing is demanded
	Most    float64 `json:"most,omitzero"`   // the value must not be above it; 0: nothing is demanded
	How     string  `json:"how"`             // how the value was measured
	Bare    string  `json:"-"`               // what the ceiling is
}

// of completes a figure with its ratio.
func of(f Figure) Figure {
	f.Ratio = ratio(f.Value, f.Ceiling)
	return f
}

// spread is the median and the 99th percentile of a wait and of its ceiling. The name alone is the median too.
func spread(name string, real, bare []time.Duration, how, barely string) (all []Figure) {
	for _, f := range []struct {
		name string
		p    float64
	}{{name, 50}, {name + "/p50", 50}, {name + "/p99", 99}} {
		all = append(all, of(Figure{
			Name: f.name, Value: millis(percentile(real, f.p)), Unit: "ms", Ceiling: millis(percentile(bare, f.p)), How: how, Bare: barely,
		}))
	}
	return all
}

// ratio is value / ceiling; 0 when there is no ceiling to divide by.
func ratio(value, ceiling float64) float64 {
	if ceiling == 0 {
		return 0
	}
	return value / ceiling
}

// percentile is the smallest sample that at least p percent of all are not above (nearest rank); 0 of none.
func percentile(samples []time.Duration, p float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// tally counts what was done in how much time, over several stretches.
type tally struct {
	n    int
	took time.Duration
}

func (t *tally) add(n int, took time.Duration) { t.n, t.took = t.n+n, t.took+took }

// rate is how many a second; 0 of no time.
func (t tally) rate() float64 {
	if t.took <= 0 {
		return 0
	}
	return float64(t.n) / t.took.Seconds()
}

// millis is d in milliseconds.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
