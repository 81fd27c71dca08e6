package line

import (
	"fmt"
	"math/bits"
	"time"
)

// Parity is the check bit of a character.
type Parity string

// The parities. Empty means NoParity.
const (
	NoParity Parity = "none"
	Even     Parity = "even"
	Odd      Parity = "odd"
)

// Format is how the characters of a serial line look: a start bit, eight bits of data, perhaps parity, stop bits.
type Format struct {
	Baud     int // above 0
	Parity   Parity
	StopBits int // 1 or 2; 0 means 1
}

func (f Format) checked() bool { return f.Parity == Even || f.Parity == Odd }

// Bits is the length of a character: 10 to 12.
func (f Format) Bits() int {
	n := 9 + max(1, f.StopBits)
	if f.checked() {
		n++
	}
	return n
}

// Time is how long n characters take.
func (f Format) Time(n int) time.Duration {
	return time.Duration(n*f.Bits()) * time.Second / time.Duration(f.Baud)
}

// String is the format as people write it: "9600 8N1".
func (f Format) String() string {
	parity := map[Parity]string{Even: "E", Odd: "O"}[f.Parity]
	if parity == "" {
		parity = "N"
	}
	return fmt.Sprintf("%d 8%s%d", f.Baud, parity, max(1, f.StopBits))
}

// hears reports whether who listens with f understands who speaks with from. Stop bits do not matter: a receiver looks at
// the first alone.
func (f Format) hears(from Format) bool {
	return f.Baud == from.Baud && (f.Parity == from.Parity || !f.checked() && !from.checked())
}

// levels is the line's level in each bit time while b is sent, true for a mark.
func (f Format) levels(b []byte) (out []bool) {
	for _, c := range b {
		out = append(out, false)
		for i := range 8 {
			out = append(out, c>>i&1 == 1)
		}
		if f.checked() {
			out = append(out, f.parityBit(c))
		}
		for range max(1, f.StopBits) {
			out = append(out, true)
		}
	}
	return out
}

func (f Format) parityBit(c byte) bool { return bits.OnesCount8(c)%2 == 1 == (f.Parity == Even) }

// char is a character as a receiver has it.
type char struct {
	b   byte
	at  time.Duration // of its end, from the beginning of the burst
	bad bool          // its parity or its stop bit is wrong
}

// clean is b as who listens with the sender's format has it.
func (f Format) clean(b []byte) []char {
	out := make([]char, len(b))
	for i := range b {
		out[i] = char{b: b[i], at: f.Time(i + 1)}
	}
	return out
}

// sampled is b, sent with from, as a receiver of format f has it: it waits for an edge from mark to space and looks at the
// middle of each of its own bits from there. Its clock may be off by early, a part of its bit. Upside down every level is
// the other one, that of rest too.
func (f Format) sampled(b []byte, from Format, early float64, upsideDown bool) (out []char) {
	sent := from.levels(b)
	level := func(at int) bool { // in bit times of the sender
		rest := at < 0 || at >= len(sent)
		return (rest || sent[at]) != upsideDown
	}
	bit := float64(from.Baud) / float64(f.Baud) // of the receiver, in those of the sender
	last := 9.5                                 // middle of the stop bit, in bits of the receiver
	if f.checked() {
		last = 10.5
	}
	for at := 0; at < len(sent); {
		if !level(at-1) || level(at) {
			at++
			continue
		}
		look := func(n float64) bool { return level(int(float64(at) + (n+early)*bit)) }
		if look(0.5) {
			at++ // too short for a start bit
			continue
		}
		var c char
		for i := range 8 {
			if look(1.5 + float64(i)) {
				c.b |= 1 << i
			}
		}
		c.bad = !look(last) || f.checked() && look(9.5) != f.parityBit(c.b)
		end := float64(at) + (last+0.5)*bit
		c.at = time.Duration(end * float64(time.Second) / float64(from.Baud))
		out = append(out, c)
		at = int(float64(at)+(last+early)*bit) + 1
	}
	return out
}

// bytesOf are the characters' bytes.
func bytesOf(chars []char) []byte {
	out := make([]byte, len(chars))
	for i, c := range chars {
		out[i] = c.b
	}
	return out
}
