package rules

import (
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of sending (invariant 13).
const (
	BlockBytes = 56 << 10 // of events in a block: incompressible ones still fit one message
	MinWindow  = 64 << 10 // bytes in flight when nothing is known of the link
	MaxWindow  = 1 << 20
	maxFlights = 64
	reserve    = 16 << 10 // bytes of a living segment in flight that may go beyond a full window
	maxSmall   = 8        // blocks of the newest segment in flight when the next one would not be full
	minWait    = 2 * time.Second
	maxWait    = 2 * time.Minute
	maxShift   = 6 // doublings of a wait
)

// Segment names a segment.
type Segment struct {
	Epoch  uint64
	Stream wire.Stream
	Number uint64
}

// Unsent is a segment of which the cloud may lack something.
type Unsent struct {
	Segment
	Last     uint64 // seq of the last event held
	Sealed   bool
	Living   bool          // takes the next event of its stream
	Position wire.Position // as the answers marked it
}

// Ask is a block that should be sent now.
type Ask struct {
	Segment
	From uint64
}

// Sender decides what is sent next: the newest segment first, then the next older, all the way down, as much at a time
// as the link carries in a second. Only an advance, a time-out, an answer or a new event lets it send.
type Sender struct {
	cursors []cursor // in the order of sending
	flights []flight // in the order they were sent
	bytes   int      // in flight
	window  int
	trip    time.Duration // smoothed, from sending to the advance
	rate    float64       // smoothed, bytes a second
	last    time.Duration // of the last advance
	tries   int           // time-outs since the last advance
	due     time.Duration // of the next time-out, when something is in flight
}

type cursor struct {
	Unsent
	base uint64 // the cloud has them, as answer or hint said
	next uint64 // sent up to here
	top  uint64 // highest ever sent
	hole [2]uint64
}

type flight struct {
	Segment
	last  uint64
	bytes int
	at    time.Duration
}

// NewSender makes a sender that knows nothing yet.
func NewSender() *Sender { return &Sender{window: MinWindow} }

// Know replaces what there is to send. Positions of segments known before stay where hints and sending moved them.
func (s *Sender) Know(all []Unsent) {
	old := s.cursors
	s.cursors = make([]cursor, 0, len(all))
	for _, u := range all {
		c := cursor{Unsent: u, base: u.Position.Seq, next: u.Position.Seq}
		if i := slices.IndexFunc(old, func(o cursor) bool { return o.Segment == u.Segment }); i >= 0 {
			c.base, c.next = max(old[i].base, c.base), max(old[i].next, c.next)
			c.top, c.hole = old[i].top, old[i].hole
		}
		s.cursors = append(s.cursors, c)
	}
	slices.SortStableFunc(s.cursors, before)
	s.forget(func(f flight) bool { return s.find(f.Segment) == nil })
}

// Answered replaces what there is to send and takes the positions for granted, also where they move back. What was
// sent before the answered pulse and is not in the answer is lost.
func (s *Sender) Answered(all []Unsent, pulse, now time.Duration, jitter func(time.Duration) time.Duration) {
	old := s.cursors
	s.cursors = nil
	s.arrived(now, func(f flight) bool {
		i := slices.IndexFunc(all, func(u Unsent) bool { return u.Segment == f.Segment })
		return i < 0 || f.last <= all[i].Position.Seq
	})
	s.forget(func(f flight) bool { return f.at < pulse })
	for _, u := range all {
		c := cursor{Unsent: u, base: u.Position.Seq, next: u.Position.Seq}
		if i := slices.IndexFunc(old, func(o cursor) bool { return o.Segment == u.Segment }); i >= 0 {
			c.top, c.hole = old[i].top, old[i].hole
			if old[i].base > c.base { // a hint said more than the answer
				s.forget(func(f flight) bool { return f.Segment == u.Segment })
			}
		}
		for _, f := range s.flights {
			if f.Segment == u.Segment {
				c.next = max(c.next, f.last)
			}
		}
		if u.Sealed && u.Position.End == 0 && u.Position.Seq >= u.Last {
			c.next = u.Last - 1 // the cloud has all and does not know that it is all
		}
		s.cursors = append(s.cursors, c)
	}
	slices.SortStableFunc(s.cursors, before)
	s.tries = 0
	s.arm(now, jitter)
}

// before orders what is sent: what happens now, then audit from the newest segment down, then telemetry.
func before(a, b cursor) int {
	switch {
	case a.Living != b.Living:
		return side(a.Living)
	case a.Stream != b.Stream:
		return side(a.Stream == wire.Audit)
	case a.Epoch != b.Epoch:
		return side(a.Epoch > b.Epoch)
	}
	return side(a.Number > b.Number)
}

func side(first bool) int {
	if first {
		return -1
	}
	return 1
}

// Appended says how far the living segment of a stream holds events now. It is false when that segment is not known:
// then Know must be told everything.
func (s *Sender) Appended(g Segment, last uint64) bool {
	c := s.find(g)
	if c == nil || !c.Living {
		return false
	}
	c.Last = last
	return true
}

// Hint moves the window of a segment forward, and does nothing else. The caller has compared its hash with the log. It
// is false when nothing advanced.
func (s *Sender) Hint(g Segment, seq uint64, now time.Duration, jitter func(time.Duration) time.Duration) bool {
	c := s.find(g)
	if c == nil || seq <= c.base || seq > c.Last {
		return false
	}
	c.base, c.next = seq, max(c.next, seq)
	if s.arrived(now, func(f flight) bool { return f.Segment == g && f.last <= seq }) {
		s.tries = 0
		s.arm(now, jitter)
	}
	return true
}

// Next says what to send now; false: nothing, or the window is full. The living segments may go a little beyond it, so
// that what happens now does not wait for the backlog in flight.
func (s *Sender) Next() (Ask, bool) {
	for i := range s.cursors {
		c := &s.cursors[i]
		from := c.next + 1
		full := s.bytes >= s.window || len(s.flights) >= maxFlights
		blocks, bytes := s.flying(c.Segment)
		switch {
		case from > c.Last, from >= c.hole[0] && from <= c.hole[1]:
		case full && !(c.Living && bytes < reserve):
		case c.Living && c.Last-c.next < wire.BlockEvents && blocks >= maxSmall:
		default:
			return Ask{c.Segment, from}, true
		}
	}
	return Ask{}, false
}

// flying counts what of a segment is in flight.
func (s *Sender) flying(g Segment) (blocks, bytes int) {
	for _, f := range s.flights {
		if f.Segment == g {
			blocks, bytes = blocks+1, bytes+f.bytes
		}
	}
	return blocks, bytes
}

// Sent says that a block was handed to the link: up to last, of so many bytes. Again tells that it had been before.
func (s *Sender) Sent(g Segment, last uint64, bytes int, now time.Duration, jitter func(time.Duration) time.Duration) (again bool) {
	c := s.find(g)
	if c == nil {
		return false
	}
	again = last <= c.top
	c.next, c.top = max(c.next, last), max(c.top, last)
	if last <= c.base { // only to tell the segment's end: nothing will advance
		return again
	}
	s.flights = append(s.flights, flight{g, last, bytes, now})
	s.bytes += bytes
	if len(s.flights) == 1 {
		s.arm(now, jitter)
	}
	return again
}

// Lost says that a range of a segment cannot be read and is named lost: it is stepped over when the cloud says so.
func (s *Sender) Lost(g Segment, first, last uint64) {
	if c := s.find(g); c != nil {
		c.hole = [2]uint64{first, last}
	}
}

// Due is when the next time-out is; false: none is.
func (s *Sender) Due() (time.Duration, bool) { return s.due, len(s.flights) > 0 }

// TimedOut gives up what is in flight when its time is over: it is sent again from where the cloud is known to stand,
// a small window at a time, with growing waits.
func (s *Sender) TimedOut(now time.Duration) bool {
	if len(s.flights) == 0 || now < s.due {
		return false
	}
	tries := s.tries + 1
	s.Reset()
	s.tries = min(tries, maxShift)
	return true
}

// Reset gives up what is in flight: its connection is gone.
func (s *Sender) Reset() {
	s.flights, s.bytes, s.window, s.tries, s.rate = nil, 0, MinWindow, 0, 0
	for i := range s.cursors {
		s.cursors[i].next = s.cursors[i].base
	}
}

// InFlight is the number of bytes sent that nobody has answered for, and the window they may fill.
func (s *Sender) InFlight() (bytes, window int) { return s.bytes, s.window }

func (s *Sender) find(g Segment) *cursor {
	for i := range s.cursors {
		if s.cursors[i].Segment == g {
			return &s.cursors[i]
		}
	}
	return nil
}

// forget drops flights without learning from them.
func (s *Sender) forget(drop func(flight) bool) (bytes int) {
	s.flights = slices.DeleteFunc(s.flights, func(f flight) bool {
		if !drop(f) {
			return false
		}
		bytes += f.bytes
		return true
	})
	s.bytes -= bytes
	return bytes
}

// arrived drops flights that have reached the cloud and measures the link by them.
func (s *Sender) arrived(now time.Duration, is func(flight) bool) bool {
	i := slices.IndexFunc(s.flights, is)
	if i < 0 {
		return false
	}
	trip, since := now-s.flights[i].at, max(s.flights[i].at, s.last)
	bytes := s.forget(is)
	s.last = now
	s.trip = smooth(s.trip, trip)
	if took := (now - since).Seconds(); took > 0 {
		s.rate = float64(smooth(time.Duration(s.rate), time.Duration(float64(bytes)/took)))
		s.window = min(max(int(s.rate), MinWindow), MaxWindow)
	}
	return true
}

// smooth follows what is measured by a quarter of the way.
func smooth(old, sample time.Duration) time.Duration {
	if old == 0 {
		return sample
	}
	return old + (sample-old)/4
}

// arm sets the next time-out: thrice the usual trip, doubled for each time-out before, with full jitter on top.
func (s *Sender) arm(now time.Duration, jitter func(time.Duration) time.Duration) {
	base := min(max(3*s.trip, minWait), maxWait/2)
	s.due = now + base + jitter(min(base<<s.tries, maxWait))
}
