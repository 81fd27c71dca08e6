package bus

import (
	"maps"
	"time"
)

// Counters of a line or of one device on it, since the bus was made.
type Counters struct {
	Transactions uint64        // frames handed to the port
	Answers      uint64        // answers taken
	Timeouts     uint64        // requests that got no usable answer in time
	Bad          uint64        // damaged frames dropped
	Foreign      uint64        // sound but foreign frames dropped
	BytesOut     uint64        // written
	BytesIn      uint64        // received while this request had the line, taken or dropped
	Busy         time.Duration // time the line was held, gaps included and quiet not
	Quiet        time.Duration // time the line was left quiet after time-outs
}

// Stats is a snapshot of a bus.
type Stats struct {
	Open     bool      // the port is open
	Port     string    // the candidate that is open, or was last
	Since    time.Time // when Open last changed; zero: never
	Error    string    // why the port is not open; empty while it is
	Opens    uint64    // times the port was opened
	Losses   uint64    // times an open port went away
	Renewals uint64    // times a TCP connection was closed after a time-out, to be opened again
	Refused  uint64    // requests refused because the queue was full
	Late     uint64    // requests dropped unsent because NotAfter had passed
	Stray    uint64    // bytes that came when nobody had asked
	Waiting  int       // requests in the queues
	Line     Counters
	Devices  map[string]Counters // by Request.Device; what is over 128 names is under "other"
}

// Stats returns the counters as they stand. The caller owns the result.
func (b *Bus) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Devices = maps.Clone(b.stats.Devices)
	for _, q := range b.queues {
		s.Waiting += len(q)
	}
	return s
}

// count adds d to the line and to one device.
func (b *Bus) count(device string, d Counters) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Line = b.stats.Line.plus(d)
	if _, known := b.stats.Devices[device]; !known && len(b.stats.Devices) >= maxDevices {
		device = "other"
	}
	b.stats.Devices[device] = b.stats.Devices[device].plus(d)
}

func (c Counters) plus(d Counters) Counters {
	c.Transactions += d.Transactions
	c.Answers += d.Answers
	c.Timeouts += d.Timeouts
	c.Bad += d.Bad
	c.Foreign += d.Foreign
	c.BytesOut += d.BytesOut
	c.BytesIn += d.BytesIn
	c.Busy += d.Busy
	c.Quiet += d.Quiet
	return c
}

// up records that the port is open, and says so unless it was: a renewed connection is no news.
func (b *Bus) up(port string) {
	b.mu.Lock()
	was := b.stats.Open
	if !was {
		b.stats.Since = time.Now()
	}
	b.stats.Open, b.stats.Port, b.stats.Error = true, port, ""
	b.stats.Opens++
	b.mu.Unlock()
	if !was {
		b.deps.Log.Info("port is open", "bus", b.cfg.Name, "port", port)
	}
}

// down records why the port is not open, and says so once for each new reason.
func (b *Bus) down(err error) {
	b.mu.Lock()
	was, said := b.stats.Open, b.stats.Error == err.Error()
	if was {
		b.stats.Losses++
		b.stats.Since = time.Now()
	}
	b.stats.Open, b.stats.Error = false, err.Error()
	b.mu.Unlock()
	if !said {
		b.deps.Log.Warn("port is not open", "bus", b.cfg.Name, "err", err)
	}
}
