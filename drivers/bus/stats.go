package bus

import (
	"errors"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// Counters of a line or of one device on it, since the bus was made.
type Counters struct {
	Transactions uint64        // frames handed to the port
	Answers      uint64        // answers taken, late ones too
	Late         uint64        // answers that came after the learned time-out
	Timeouts     uint64        // requests that got no usable answer in time
	Stalled      uint64        // answers that broke off, whether their rest came late or never
	Resting      uint64        // polls not sent, because the device had been silent for some time
	Bad          uint64        // damaged frames dropped
	Foreign      uint64        // sound but foreign frames dropped
	BytesOut     uint64        // written
	BytesIn      uint64        // received while this request had the line, taken or dropped
	Busy         time.Duration // time the line was held, gaps included and quiet not
	Quiet        time.Duration // time the line was left quiet after time-outs
}

// Device is what the bus knows of one device.
type Device struct {
	Counters
	Turn      time.Duration // usual turnaround, from the request's last byte to the answer's first; 0: it has not answered in time yet
	Limit     time.Duration // time-out that was learned for its answer's first byte
	LastOK    time.Time     // its last good answer; zero: none yet
	Resting   bool          // it has been silent for some time, and is polled now and then only
	NextProbe time.Time     // when the next poll will be sent; zero unless Resting
	Period    time.Duration // usual time between polls that were sent; 0: not known yet
}

// Stats is a snapshot of a bus.
type Stats struct {
	Open     bool      // the port is open
	Port     string    // the candidate that is open, or was last
	Since    time.Time // when Open last changed; zero: never
	Error    string    // why the port is not open; empty while it is
	Fault    string    // what is wrong with the open line and what to do, where that can be told: it echoes; empty: nothing known
	Opens    uint64    // times the port was opened
	Losses   uint64    // times an open port went away
	Renewals uint64    // times a TCP connection was closed after a time-out, to be opened again
	Refused  uint64    // requests refused because the queue was full
	Late     uint64    // requests dropped unsent because NotAfter had passed
	Unproven uint64    // requests dropped unsent because their device had not answered on this port
	Stray    uint64    // bytes that came when nobody had asked
	Waiting  int       // requests in the queues
	Use      float64   // part of the last minute in which the line was held, 0 to 1
	Line     Counters
	Devices  map[string]Device // by Request.Device; what is over 512 names is under "other"
}

// Stats returns the counters as they stand. The caller owns the result.
func (b *Bus) Stats() Stats {
	waiting := b.queue.waiting()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Waiting = waiting
	s.Use = b.held.use(time.Now())
	s.Devices = make(map[string]Device, len(b.devices.all))
	for name, d := range b.devices.all {
		one := Device{
			Counters: d.counters, Turn: d.usual, Limit: d.limit(d.most), LastOK: d.lastOK, Resting: d.resting, Period: d.period,
		}
		if one.Resting {
			one.NextProbe = d.probe
		}
		s.Devices[name] = one
	}
	return s
}

func (c Counters) plus(d Counters) Counters {
	c.Transactions += d.Transactions
	c.Answers += d.Answers
	c.Late += d.Late
	c.Timeouts += d.Timeouts
	c.Stalled += d.Stalled
	c.Resting += d.Resting
	c.Bad += d.Bad
	c.Foreign += d.Foreign
	c.BytesOut += d.BytesOut
	c.BytesIn += d.BytesIn
	c.Busy += d.Busy
	c.Quiet += d.Quiet
	return c
}

// held is how long the line was held in each of the last 60 seconds.
type held struct {
	began  time.Time
	newest int64 // second since then
	busy   [60]time.Duration
}

// second returns the stretch that now lies in. Those that nobody touched since are empty.
func (h *held) second(now time.Time) *time.Duration {
	n := int64(now.Sub(h.began) / time.Second)
	for ; h.newest < n; h.newest++ {
		if n-h.newest > int64(len(h.busy)) {
			h.newest = n - int64(len(h.busy))
		}
		h.busy[(h.newest+1)%int64(len(h.busy))] = 0
	}
	return &h.busy[n%int64(len(h.busy))]
}

// use is the part of the last minute in which the line was held.
func (h *held) use(now time.Time) float64 {
	h.second(now)
	var sum time.Duration
	for _, busy := range h.busy {
		sum += busy
	}
	return min(1, float64(sum)/float64(max(time.Second, min(time.Minute, now.Sub(h.began)))))
}

// unsent counts a request that was not written.
func (b *Bus) unsent(x *exchange, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.probe {
		b.devices.of(x.Device).probe = time.Now() // it was none
	}
	switch {
	case errors.Is(err, drivers.ErrLate):
		b.stats.Late++
	case errors.Is(err, drivers.ErrUnproven):
		b.stats.Unproven++
	}
}

// account adds one request that was sent to what is known of the line and of its device.
func (b *Bus) account(x *exchange, err error, now time.Time) {
	held := now
	if x.overdue {
		held = x.gaveUp
	}
	c := Counters{
		Transactions: 1, BytesOut: uint64(len(x.Frame)), BytesIn: x.got, Busy: held.Sub(x.began), Quiet: now.Sub(held),
		Bad: uint64(x.bad), Foreign: uint64(x.foreign),
	}
	c.Answers, c.Late = one(err == nil && x.Match != nil), one(x.answer.Late)
	c.Timeouts, c.Stalled = one(errors.Is(err, drivers.ErrSilent)), one(x.stalled)
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.devices.of(x.Device)
	b.devices.learn(d, x, err, now)
	d.counters, b.stats.Line = d.counters.plus(c), b.stats.Line.plus(c)
	*b.held.second(now) += c.Busy
	if x.Priority == Polling {
		d.polled(x.answer.Sent)
	}
}

func one(holds bool) uint64 {
	if holds {
		return 1
	}
	return 0
}

// up records that the port is open, and says so unless it was: a renewed connection is no news.
func (b *Bus) up(port string) (opening uint64) {
	b.mu.Lock()
	was := b.stats.Open
	if !was {
		b.stats.Since = time.Now()
	}
	b.stats.Open, b.stats.Port, b.stats.Error, b.stats.Fault = true, port, "", ""
	b.stats.Opens++
	opening = b.stats.Opens
	b.mu.Unlock()
	b.deps.Recorder.add(time.Now(), Record{Kind: PortOpened, Text: port})
	if !was {
		b.deps.Log.Info("port is open", "bus", b.cfg.Name, "port", port)
	}
	return opening
}

// down records why the port is not open, and says so once for each new reason.
func (b *Bus) down(err error) {
	b.mu.Lock()
	was, said := b.stats.Open, b.stats.Error == err.Error()
	if was {
		b.stats.Losses++
		b.stats.Since = time.Now()
		b.devices.lost()
	}
	b.stats.Open, b.stats.Error, b.stats.Fault = false, err.Error(), ""
	b.mu.Unlock()
	if !said {
		b.deps.Recorder.add(time.Now(), Record{Kind: PortLost, Text: err.Error()})
		b.deps.Log.Warn("port is not open", "bus", b.cfg.Name, "err", err)
	}
}
