package bus

import (
	"testing"
	"time"
)

// Bits of a character: 8N1 has 10, 8E1 11, 8N2 11; silence is 38.5 bits whatever the format, and at least 2 ms.
func TestTakes(t *testing.T) {
	bits := func(n float64, baud int) time.Duration {
		return time.Duration(n * float64(time.Second) / float64(baud))
	}
	read := Cost{Out: 8, In: 9}
	for _, c := range []struct {
		name string
		cfg  Config
		cost Cost
		turn time.Duration
		want time.Duration
	}{
		{"two registers, 8N1", Config{Baud: 9600}, read, 5 * time.Millisecond, bits(38.5+170, 9600) + 5*time.Millisecond},
		{"8E1", Config{Baud: 9600, Parity: ParityEven}, read, 0, bits(38.5+187, 9600)},
		{"8N2", Config{Baud: 9600, StopBits: 2}, read, 0, bits(38.5+187, 9600)},
		{"fast", Config{Baud: 115200}, read, 0, leastGap + bits(170, 115200)},
		{"its own silence", Config{Baud: 9600, Gap: 10 * time.Millisecond}, read, 0, 10*time.Millisecond + bits(170, 9600)},
		{"no answer", Config{Baud: 9600}, Cost{Out: 5}, time.Second, bits(38.5+50, 9600)},
		{"direct", Config{Direct: true}, read, 3 * time.Millisecond, 3 * time.Millisecond},
	} {
		if got := c.cfg.Takes(c.cost, c.turn); (got - c.want).Abs() > time.Microsecond {
			t.Errorf("%s: Takes() = %v; want %v", c.name, got, c.want)
		}
	}
}
