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
	busyWindow = 10 * time.Second // what Busy looks back on
	maxInbound = 4096             // bytes of the host waiting for their wire time; more are not read yet
)

// Conn is the devices' end of a line: a pty's master, or one end of a net.Pipe.
type Conn interface {
	io.ReadWriter
	SetDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// setting is a Conn that knows how the host has set its port.
type setting interface {
	// Setting is the format with which the host speaks on a line of the format given; what cannot be told is taken as right.
	Setting(Format) Format
}

// Wire carries bytes between a host and a device. A serial one does so at the speed of the line and is half duplex: who
// speaks while the other speaks damages both; and who speaks in another format than the other is not understood. A stream,
// the inside of a TCP connection, is as fast as the machine, carries both ways at once and damages nothing.
type Wire struct {
	name   string
	format Format
	stream bool
	device func() Device // what one Serve talks to
	log    *Log

	mu      sync.Mutex
	faults  Faults
	changed chan struct{} // closed when the faults change
	stale   uint64        // times that connections have gone stale
	random  *rand.Rand
	busy    []stretch
}

// stretch is a time during which the wire was occupied.
type stretch struct{ from, to time.Time }

// NewWire returns a serial wire whose faults are drawn from seed. It logs under name.
func NewWire(name string, f Format, seed uint64, dev Device, log *Log) *Wire {
	return newWire(name, f, seed, func() Device { return dev }, log)
}

// NewStream returns a stream whose faults are drawn from seed. Every connection talks to a device of its own: frames begun
// on one do not go on in another. It logs under name.
func NewStream(name string, seed uint64, device func() Device, log *Log) *Wire {
	w := newWire(name, Format{}, seed, device, log)
	w.stream = true
	return w
}

func newWire(name string, f Format, seed uint64, device func() Device, log *Log) *Wire {
	return &Wire{
		name: name, format: f, device: device, log: log,
		random: rand.New(rand.NewPCG(seed, 0x1e57)), changed: make(chan struct{}),
	}
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
	if f.StaleTCP && !w.faults.StaleTCP {
		w.stale++
	}
	w.faults = f
	close(w.changed)
	w.changed = make(chan struct{})
}

// staleness is how often connections have gone stale: those of an earlier count are.
func (w *Wire) staleness() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stale
}

// change is closed when the faults are next changed.
func (w *Wire) change() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// Time returns how long n bytes occupy the wire; on a stream that is nothing.
func (w *Wire) Time(n int) time.Duration {
	if w.stream {
		return 0
	}
	return w.format.Time(n)
}

// Format returns how the line's characters look; the zero Format is a stream's.
func (w *Wire) Format() Format { return w.format }

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
		changed := w.change()
		timer.Reset(s.next(time.Now()))
		select {
		case b := <-from:
			s.takeIn(b, time.Now())
		case <-timer.C:
			s.step(time.Now())
		case <-changed:
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
