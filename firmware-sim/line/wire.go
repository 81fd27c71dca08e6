package line

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	bitsPerByte = 10               // start, 8 data, stop
	busyWindow  = 10 * time.Second // what Busy looks back on
	maxInbound  = 4096             // bytes of the host waiting for their wire time; more are not read yet
	maxOutbound = 64               // answers waiting to be sent; more are dropped
	writeLimit  = 20 * time.Millisecond
)

// Conn is the devices' end of a line: a pty's master, or one end of a net.Pipe.
type Conn interface {
	io.ReadWriter
	SetDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Wire carries bytes between a host and a device. A serial one does so at the speed of the line and is half duplex: who
// speaks while the other speaks damages both. A stream, the inside of a TCP connection, is as fast as the machine, carries
// both ways at once and damages nothing: its noise loses whole answers, as a converter drops what it cannot read.
type Wire struct {
	name   string
	bit    time.Duration
	stream bool
	device func() Device // what one Serve talks to
	log    *Log

	mu     sync.Mutex
	faults Faults
	random *rand.Rand
	busy   []stretch
}

// stretch is a time during which the wire was occupied.
type stretch struct{ from, to time.Time }

// NewWire returns a wire of baud bits a second (above 0) whose noise is drawn from seed. It logs under name.
func NewWire(name string, baud int, seed uint64, dev Device, log *Log) *Wire {
	return newWire(name, time.Second/time.Duration(baud), seed, func() Device { return dev }, log)
}

// NewStream returns a stream whose noise is drawn from seed. Every connection talks to a device of its own: frames begun
// on one do not go on in another. It logs under name.
func NewStream(name string, seed uint64, device func() Device, log *Log) *Wire {
	w := newWire(name, 1, seed, device, log)
	w.stream = true
	return w
}

func newWire(name string, bit time.Duration, seed uint64, device func() Device, log *Log) *Wire {
	return &Wire{name: name, bit: bit, device: device, log: log, random: rand.New(rand.NewPCG(seed, 0x1e57))}
}

// Faults returns what is wrong with the wire now.
func (w *Wire) Faults() Faults {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults
}

// SetFaults changes what is wrong, from the next frame on.
func (w *Wire) SetFaults(f Faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = f
}

// Time returns how long n bytes occupy the wire.
func (w *Wire) Time(n int) time.Duration { return time.Duration(n) * bitsPerByte * w.bit }

// Busy returns the part of the last ten seconds, 0 to 1, during which the wire was occupied.
func (w *Wire) Busy(now time.Time) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sum time.Duration
	for _, s := range w.busy {
		from := now.Add(-busyWindow)
		if s.from.After(from) {
			from = s.from
		}
		to := now
		if s.to.Before(now) {
			to = s.to
		}
		sum += max(0, to.Sub(from))
	}
	return min(1, float64(sum)/float64(busyWindow))
}

func (w *Wire) occupy(from, to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = slices.DeleteFunc(w.busy, func(s stretch) bool { return s.to.Before(from.Add(-busyWindow)) })
	w.busy = append(w.busy, stretch{from, to})
}

// disturb flips bits of b as the noise says, and reports whether it flipped any.
func (w *Wire) disturb(b []byte) (flipped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faults.Noise <= 0 {
		return false
	}
	for i := range b {
		for bit := range 8 {
			if w.random.Float64() < w.faults.Noise {
				b[i] ^= 1 << bit
				flipped = true
			}
		}
	}
	return flipped
}

// garble leaves no byte of b as it was: two spoke at once.
func (w *Wire) garble(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range b {
		b[i] ^= byte(1 + w.random.IntN(255))
	}
}

// Serve carries bytes until ctx ends or conn fails; it returns ctx's cause or conn's error. It does not close conn.
// One Serve at a time, of a stream any number.
func (w *Wire) Serve(ctx context.Context, conn Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends the read below
	s := service{Wire: w, conn: conn, dev: w.device()}
	heard, failed, done := make(chan []byte), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		failed <- readAll(ctx, conn, heard)
	}()
	defer func() { cancel(); <-done; stop() }()

	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		from := heard
		if s.waiting >= maxInbound {
			from = nil
		}
		timer.Reset(s.next(time.Now()))
		select {
		case b := <-from:
			s.takeIn(b, time.Now())
		case <-timer.C:
			s.step(time.Now())
		case err := <-failed:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func readAll(ctx context.Context, conn Conn, heard chan<- []byte) error {
	for {
		buf := make([]byte, 256)
		n, err := conn.Read(buf)
		if n > 0 {
			select {
			case heard <- buf[:n]:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
}

// service is one run of Serve; only its goroutine touches it.
type service struct {
	*Wire
	conn Conn
	dev  Device

	inbound []burst // from the host, under way
	waiting int     // bytes in inbound
	hostEnd time.Time
	queue   []burst   // answers not begun; at is when they begin
	sending *burst    // the answer under way; at is when it began
	sent    int       // bytes of sending already written
	ended   time.Time // when the last bit of the newest answer passes
}

type burst struct {
	at       time.Time
	bytes    []byte
	collided bool
}

// next returns how long nothing will happen by itself.
func (s *service) next(now time.Time) time.Duration {
	wait := time.Hour
	if len(s.inbound) > 0 {
		wait = min(wait, s.inbound[0].at.Sub(now))
	}
	if s.sending != nil {
		wait = min(wait, s.sending.at.Add(s.Time(s.sent+1)).Sub(now))
	} else if len(s.queue) > 0 {
		wait = min(wait, s.queue[0].at.Sub(now))
	}
	return max(0, wait)
}

// takeIn puts what the host wrote on the wire: it arrives when its last bit has passed.
func (s *service) takeIn(b []byte, now time.Time) {
	from := now
	if s.hostEnd.After(now) {
		from = s.hostEnd
	}
	s.hostEnd = from.Add(s.Time(len(b)))
	s.occupy(from, s.hostEnd)
	in := burst{at: s.hostEnd, bytes: b}
	if s.sending != nil && !s.stream {
		in.collided, s.sending.collided = true, true
	}
	s.inbound, s.waiting = append(s.inbound, in), s.waiting+len(b)
}

func (s *service) step(now time.Time) {
	for len(s.inbound) > 0 && !s.inbound[0].at.After(now) {
		in := s.inbound[0]
		s.inbound, s.waiting = s.inbound[1:], s.waiting-len(in.bytes)
		s.deliver(in)
	}
	if s.sending == nil && len(s.queue) > 0 && !s.queue[0].at.After(now) {
		s.begin(now)
	}
	if s.sending != nil {
		s.send(now)
	}
}

// deliver hands one burst to the device and queues what it answers.
func (s *service) deliver(in burst) {
	faults := s.Faults()
	if faults.Cut {
		return
	}
	if !s.stream {
		s.disturb(in.bytes)
	}
	if in.collided {
		s.garble(in.bytes)
	}
	for _, h := range s.dev.Hear(in.bytes, in.at) {
		s.log.Append(Entry{At: in.at, Line: s.name, Bytes: h.Bytes, Meaning: collision(h.Meaning, in.collided)})
		at := in.at.Add(faults.Late)
		for _, a := range h.Answers {
			at = at.Add(a.After)
			if !faults.Silence && len(s.queue) < maxOutbound {
				s.queue = append(s.queue, burst{at: at, bytes: slices.Clone(a.Bytes)})
			}
			at = at.Add(s.Time(len(a.Bytes)))
		}
	}
	slices.SortStableFunc(s.queue, func(a, b burst) int { return a.at.Compare(b.at) })
}

// begin starts to send the first answer of the queue. It began when its time had come, though now is a little later: a
// device does not wait for the machine that plays it.
func (s *service) begin(now time.Time) {
	b := s.queue[0]
	s.queue, s.sent = s.queue[1:], 0
	if s.Faults().Cut {
		return
	}
	if b.at.Before(s.ended) {
		b.at = s.ended
	}
	if s.stream && s.disturb(slices.Clone(b.bytes)) {
		m := s.dev.Explain(b.bytes)
		m.ZH, m.EN, m.Bad = "在雜訊中遺失："+m.ZH, "lost in the noise: "+m.EN, true
		s.log.Append(Entry{At: now, Line: s.name, ToHost: true, Bytes: b.bytes, Meaning: m})
		return
	}
	if len(s.inbound) > 0 && !s.stream {
		b.collided = true
		for i := range s.inbound {
			s.inbound[i].collided = true
		}
	}
	s.sending, s.ended = &b, b.at.Add(s.Time(len(b.bytes)))
	s.occupy(b.at, s.ended)
	if !s.stream {
		s.disturb(b.bytes)
	}
}

// send writes the bytes whose time has passed. What the host does not take in time is lost, as on a wire.
func (s *service) send(now time.Time) {
	b := s.sending
	due := min(len(b.bytes), int(now.Sub(b.at)/s.Time(1)))
	if due > s.sent {
		if b.collided {
			s.garble(b.bytes[s.sent:due])
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeLimit))
		_, _ = s.conn.Write(b.bytes[s.sent:due])
		s.sent = due
	}
	if s.sent == len(b.bytes) {
		s.sending = nil
		s.log.Append(Entry{At: now, Line: s.name, ToHost: true, Bytes: b.bytes, Meaning: collision(s.dev.Explain(b.bytes), b.collided)})
	}
}

func collision(m Meaning, collided bool) Meaning {
	if collided {
		m.ZH, m.EN, m.Bad = "兩邊同時說話："+m.ZH, "both spoke at once: "+m.EN, true
	}
	return m
}
