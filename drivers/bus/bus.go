package bus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// Priority decides who goes first when several requests wait.
type Priority uint8

// The priorities, lowest first.
const (
	Polling   Priority = iota // regular reading that nobody waits for
	Visible                   // status that a person in front of a screen waits for
	Actuation                 // a latch, and the readings that judge it
	priorities
)

// Verdict is what a Matcher says of the bytes received so far.
type Verdict uint8

// The verdicts.
const (
	More     Verdict = iota // the beginning of an answer: wait for more bytes
	Complete                // the first n bytes are the answer
	Foreign                 // the first n bytes are a sound frame that is not the answer: drop them
	Bad                     // the first n bytes are damaged: drop them
)

// Matcher judges the bytes received since the request was written. It is called from the bus's goroutine, must not
// keep in, and decides the framing: n is how many leading bytes its verdict covers (ignored for More).
type Matcher func(in []byte) (v Verdict, n int)

// Request is one frame to write and how to know its answer.
type Request struct {
	Device   string        // who is asked, as in drivers.Health; names the counters
	Priority Priority      // whose turn goes first
	Frame    []byte        // 1 to 256 bytes; not to be changed until Do returns
	Match    Matcher       // nil: no answer is owed, and whatever comes within Timeout belongs to this request
	Timeout  time.Duration // from the frame's last byte to the whole answer; 0 means 1s, at most 10s
	Lateness time.Duration // the device's worst time from request to answer; 0 means the line's. See Do.
	NotAfter time.Time     // the frame is not written after this; zero means no limit

	// Source names whoever answers as the answer itself shows it: "kerong-a board 3", "modbus unit 7". Matchers of different
	// sources never take each other's answers, so an Actuation need not wait until another source's late answer can no longer
	// come. Empty: it waits.
	Source string
	// Proven refuses the request with drivers.ErrUnproven, unsent, unless Device has answered since the port was opened: two
	// cables that were swapped meanwhile must open nothing.
	Proven bool
}

// Answer is what became of a request. Do fills in what it knows even when it returns an error.
type Answer struct {
	Frame   []byte        // the answer, as the Matcher cut it; without Matcher whatever came, at most 1024 bytes
	Sent    time.Time     // just before the frame was handed to the port; zero: certainly never
	At      time.Time     // when the answer was whole; zero: never
	Turn    time.Duration // from the request's last byte to the answer's first
	Bad     int           // damaged frames dropped while waiting
	Foreign int           // sound but foreign frames dropped while waiting
	Late    bool          // it came after the time-out that was learned for its device
}

// Decoder is what a driver may offer beside its interface: what frames of its devices mean, without a line. It says
// so of recordings.
type Decoder interface {
	// Match is the Matcher with which the driver sends frame to device: nil when it awaits no answer. It is not ok for a
	// frame that this driver does not send to device.
	Match(device string, frame []byte) (m Matcher, ok bool)
	// Explain says what a frame asked of device and what the answer to it says, in a line of English; answer is empty when
	// none came.
	Explain(device string, frame, answer []byte) string
}

// Bus is one line. Its methods may be called from any goroutine.
type Bus struct {
	cfg     Config
	deps    Deps
	queue   queue
	running atomic.Bool
	stopped chan struct{} // closed when Run has ended

	mu      sync.Mutex
	stats   Stats
	devices devices
	held    held
}

// New returns a bus for the line that cfg describes. It opens nothing before Run.
func New(cfg Config, deps Deps) *Bus {
	b := &Bus{cfg: cfg.withDefaults(), deps: deps.withDefaults(), stopped: make(chan struct{})}
	b.queue.wake = make(chan struct{}, 1)
	b.devices.all = make(map[string]*device)
	b.held.began = time.Now()
	b.stats.Error = "not opened yet"
	b.deps.Recorder.is(b.cfg)
	return b
}

// Do carries one request and waits for its answer. Requests of one priority go in order.
//
// How long the answer's first byte is waited for is learned for each device, and never longer than Timeout. When that is
// over the line is left quiet until Lateness has passed since the request, and what still comes is this request's answer:
// Answer.Late says so. Without it Do returns drivers.ErrSilent. Others wait that time out, so that a late answer is never
// taken for the next one; an Actuation whose Source differs goes at once and ends this request's wait.
//
// A Polling request to a device that has been silent for some time is not sent, but answered with ErrResting at once; it is
// sent now and then, to see. Any other request is always sent.
//
// Other errors: drivers.ErrBusy (queue full), drivers.ErrLate (NotAfter passed), drivers.ErrUnproven (see Proven),
// drivers.ErrGone (no port, bus stopped, or a line that returns what is sent), ctx's cause. An answer whose Sent is zero was
// certainly not written; a request already on the line is waited for even when ctx ends, for at most its times.
func (b *Bus) Do(ctx context.Context, r Request) (Answer, error) {
	r, err := b.complete(r)
	if err == nil {
		err = b.rest(&r)
	}
	if err != nil {
		return Answer{}, err
	}
	j := &job{Request: r, answer: make(chan result, 1)}
	if !b.queue.add(j, b.cfg.Queue) {
		b.mu.Lock()
		b.stats.Refused++
		b.mu.Unlock()
		return Answer{}, fmt.Errorf("bus %s: %d requests wait: %w", b.cfg.Name, b.cfg.Queue, drivers.ErrBusy)
	}
	var cause error
	select {
	case res := <-j.answer:
		return res.answer, res.err
	case <-ctx.Done():
		cause = context.Cause(ctx)
	case <-b.stopped:
		cause = fmt.Errorf("stopped: %w", drivers.ErrGone)
	}
	if b.queue.withdraw(j) {
		return Answer{}, fmt.Errorf("bus %s: nothing was sent: %w", b.cfg.Name, cause)
	}
	res := <-j.answer
	return res.answer, res.err
}

// complete fills in the request's defaults and refuses what no line can carry.
func (b *Bus) complete(r Request) (Request, error) {
	if len(r.Frame) == 0 || len(r.Frame) > maxFrame || r.Priority >= priorities {
		return r, fmt.Errorf("bus %s: request of %d bytes with priority %d; want 1 to %d bytes and a known priority",
			b.cfg.Name, len(r.Frame), r.Priority, maxFrame)
	}
	if r.Timeout <= 0 {
		r.Timeout = time.Second
	}
	if r.Lateness <= 0 {
		r.Lateness = b.cfg.Lateness
	}
	r.Timeout, r.Lateness = min(r.Timeout, maxTimeout), min(r.Lateness, maxTimeout)
	return r, nil
}
