package line

import (
	"math/rand/v2"
	"time"
)

// Faults are what is wrong with a wire. The zero value is a perfect wire. All chance is drawn from the wire's seed: the same
// traffic meets the same damage. Rates are from 0 to 1.
//
// A stream delivers what it delivers: Noise, Damage and Drop lose whole answers of it instead, as a converter drops what it
// cannot read, Double sends whole answers twice, and what is wrong with a serial wire alone (Swapped, Baud, Parity) has no
// effect.
type Faults struct {
	Noise    float64 // chance of each bit to flip, both ways; at most 0.5
	Damage   float64 // chance of each byte to arrive as another one, both ways
	Drop     float64 // chance of each byte to be lost, both ways
	Double   float64 // chance of each byte to arrive twice, both ways
	Truncate float64 // chance of each answer to end early

	Late     time.Duration // answers come so much later; at most 10 s
	LateRate float64       // the part of the answers that comes late; 0 means all

	Silence bool // devices hear and act, but no answer comes back
	Cut     bool // nothing passes either way; TCP connections to a device itself are closed, new and used ones
	Echo    bool // the host's own bytes come back to it as they pass
	Babble  bool // some device talks all the time: what others say meets it
	Swapped bool // A and B are swapped at the host's end: each hears the other upside down

	// StaleTCP makes the connections that are open when it begins stale for good: they swallow what comes and say nothing,
	// as when a converter has forgotten them. New ones work.
	StaleTCP bool

	Baud   int    // devices speak at this rate instead of the line's; 0: the line's
	Parity Parity // devices speak with this parity instead of the line's; empty: the line's
}

// None reports whether nothing is wrong.
func (f Faults) None() bool { return f == Faults{} }

// babbles reports whether talk reaches the host.
func (f Faults) babbles() bool { return f.Babble && !f.Cut }

// chance reports whether something of a rate happens now; a rate of 0 draws nothing.
func chance(r *rand.Rand, rate float64) bool { return rate > 0 && r.Float64() < rate }

// another returns a byte that is not b.
func another(r *rand.Rand, b byte) byte { return b ^ byte(1+r.IntN(255)) }

// spoil damages, loses and doubles characters on a serial wire as the faults say.
func (f Faults) spoil(r *rand.Rand, chars []char) (out []char) {
	if f.Noise <= 0 && f.Damage <= 0 && f.Drop <= 0 && f.Double <= 0 {
		return chars
	}
	for _, c := range chars {
		for bit := range 8 {
			if chance(r, f.Noise) {
				c.b ^= 1 << bit
			}
		}
		if chance(r, f.Damage) {
			c.b = another(r, c.b)
		}
		if chance(r, f.Drop) {
			continue
		}
		if out = append(out, c); chance(r, f.Double) {
			out = append(out, c)
		}
	}
	return out
}

// loses reports whether an answer of n bytes is lost on a stream, where damage loses it whole.
func (f Faults) loses(r *rand.Rand, n int) (lost bool) {
	for range n {
		for range 8 {
			lost = chance(r, f.Noise) || lost
		}
		lost = chance(r, f.Damage) || lost
		lost = chance(r, f.Drop) || lost
	}
	return lost
}

// truncate cuts what a device begins to send.
func (f Faults) truncate(r *rand.Rand, b []byte) []byte {
	if len(b) > 1 && chance(r, f.Truncate) {
		return b[:1+r.IntN(len(b)-1)]
	}
	return b
}

// delay is how much later an answer comes.
func (f Faults) delay(r *rand.Rand) time.Duration {
	if f.Late == 0 || f.LateRate > 0 && !chance(r, f.LateRate) {
		return 0
	}
	return f.Late
}

// hum is what a host hears when the line falls back to rest with its wires swapped: a level that is no rest to it.
func hum(r *rand.Rand) []byte {
	out := make([]byte, r.IntN(4))
	for i := range out {
		if r.IntN(2) == 0 {
			out[i] = 0xff
		}
	}
	return out
}
