package bus

import "time"

// Cost is what one exchange asks of a line, known before anything is sent.
type Cost struct {
	Device   string        // as in Request
	Out, In  int           // bytes of the request and of a good answer; In is 0 when none is awaited
	Answer   time.Duration // Request.Timeout
	Lateness time.Duration // Request.Lateness; 0: the line's
}

// Takes is how long x holds the line of c when its answer begins turnaround after its request: the silence before it, both
// frames on the wire, and the turnaround. Silence is counted as Config.Gap has it.
func (c Config) Takes(x Cost, turnaround time.Duration) time.Duration {
	c = c.withDefaults()
	d := c.Gap + c.wire(x.Out)
	if x.In > 0 {
		d += turnaround + c.wire(x.In)
	}
	return d
}

// Misses is how long x holds the line of c when no answer comes from a device that usually turns round in so long, with
// little change: until its learned time-out is over and its answer is not expected any more, and Actuation goes ahead.
func (c Config) Misses(x Cost, usual time.Duration) time.Duration {
	x.In = 0
	learned := turnaround{usual: usual}
	return c.Takes(x, 0) + learned.limit(x.Answer) + grace
}

// Costed is what a driver may offer beside its interface, for computing what a line can do.
type Costed interface {
	// PollCost is what one poll of all devices of the driver asks of the line, in order.
	PollCost() []Cost
	// OpenCost is what goes over the line for one opening until the frame that energises has left; nil: nothing opens.
	OpenCost() []Cost
}
