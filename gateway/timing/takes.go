package timing

import (
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// takes is how long an exchange holds the line when its answer comes after turn.
func takes(line bus.Config, c bus.Cost, turn time.Duration) time.Duration {
	t := leaves(line, c)
	if c.In > 0 {
		t += turn + wire(line, c.In)
	}
	return t
}

// missed is how long an exchange holds the line when no answer comes.
func missed(line bus.Config, c bus.Cost, turn time.Duration) time.Duration {
	return leaves(line, c) + c.Answer
}

// leaves is how long it takes until the last byte of a frame is out.
func leaves(line bus.Config, c bus.Cost) time.Duration { return gap(line) + wire(line, c.Out) }

func gap(line bus.Config) time.Duration {
	if line.Direct {
		return 0
	}
	return max(wire(line, 7)/2, 2*time.Millisecond)
}

func wire(line bus.Config, n int) time.Duration {
	if line.Direct {
		return 0
	}
	return time.Duration(n) * 11 * time.Second / time.Duration(line.Baud)
}
