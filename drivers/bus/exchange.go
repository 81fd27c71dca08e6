package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// exchange carries one request: silence, the frame, its answer. An error that is drivers.ErrGone means that the port
// is of no more use.
func (l *line) exchange(ctx context.Context, j *job) (a Answer, err error) {
	began := time.Now()
	l.got = 0
	defer func() { l.account(j, a, err, time.Since(began)) }()
	if err := l.settle(ctx); err != nil {
		return a, l.fault(err)
	}
	in, w, err := l.write(j)
	a.Sent = w.at
	if err != nil {
		return a, l.fault(err)
	}
	// the port takes the frame at once and then needs its time on the wire
	l.last = time.Now().Add(l.bus.cfg.wire(len(j.Frame)))
	if err := l.receive(ctx, j, &a, in); err != nil {
		return a, l.fault(err)
	}
	return a, nil
}

// fault names the line that err happened on.
func (l *line) fault(err error) error {
	return fmt.Errorf("bus %s (%s): %w", l.bus.cfg.Name, l.port.name, err)
}

// settle drops stale bytes until the line has been silent for the gap. A line that never pauses is not waited for:
// one babbling device must not stop the others.
func (l *line) settle(ctx context.Context) error {
	limit := time.Now().Add(maxSettle)
	for {
		until := l.last.Add(l.bus.cfg.Gap)
		if until.After(limit) {
			until = limit
		}
		wait := time.NewTimer(time.Until(until))
		select {
		case c := <-l.port.in:
			l.stray(c)
		case <-l.port.gone:
			return l.port.err
		case <-ctx.Done():
			return errStopped
		case <-wait.C:
			for { // what is already here is stale too
				select {
				case c := <-l.port.in:
					l.stray(c)
				default:
					return nil
				}
			}
		}
		wait.Stop()
	}
}

var errStopped = fmt.Errorf("stopped: %w", drivers.ErrGone)

// write hands the frame to the port and waits until the port has taken it. From then on all bytes that come belong to
// this request; those that came before write returned are in the first result.
func (l *line) write(j *job) ([]byte, written, error) {
	handed := time.Now()
	l.port.out <- order{j.Frame, j.NotAfter}
	limit := time.NewTimer(writeLimit)
	defer limit.Stop()
	maybe := written{at: handed} // the writer may have got to it
	var in []byte
	for {
		select {
		case w := <-l.port.wrote:
			switch {
			case w.at.IsZero():
				return nil, w, w.err
			case w.err != nil:
				return nil, w, fmt.Errorf("%w: write: %w", drivers.ErrGone, w.err)
			}
			l.bus.deps.Observe(w.at, Out, j.Frame)
			return in, w, nil
		case c := <-l.port.in:
			in = l.take(in, c)
		case <-l.port.gone:
			return nil, maybe, l.port.err
		case <-limit.C:
			l.port.flush() // frees a writer whose peer has stopped, on ports that can
			return nil, maybe, fmt.Errorf("%w: write takes over %v: check the adapter", drivers.ErrGone, writeLimit)
		}
	}
}

// receive waits for the answer to j. in is what came so far.
func (l *line) receive(ctx context.Context, j *job, a *Answer, in []byte) error {
	sent := l.last
	limit := time.NewTimer(time.Until(sent.Add(j.Timeout)))
	defer limit.Stop()
	echo := l.bus.cfg.Echo
	for {
		if len(in) > 0 && a.Turn == 0 && !echo {
			a.Turn = max(l.last.Sub(sent), 1)
		}
		var done bool
		if in, echo, done = match(j, a, in, echo); done {
			a.At = l.last
			return nil
		}
		select {
		case c := <-l.port.in:
			in = l.take(in, c)
		case <-l.port.gone:
			return l.port.err
		case <-ctx.Done():
			return errStopped
		case <-limit.C:
			return l.expired(j, a, in, echo)
		}
	}
}

// expired judges what is there at the time-out, with what came in time though we did not look in time.
func (l *line) expired(j *job, a *Answer, in []byte, echo bool) error {
	for empty := false; !empty; {
		select {
		case c := <-l.port.in:
			in = l.take(in, c)
		default:
			empty = true
		}
	}
	in, _, done := match(j, a, in, echo)
	switch {
	case done:
		a.At = l.last
		return nil
	case j.Match == nil:
		a.Frame, a.At = in, time.Now()
		return nil
	}
	return silence(j, a, len(in))
}

// silence says what was heard instead of an answer.
func silence(j *job, a *Answer, rest int) error {
	if a.Bad+a.Foreign+rest == 0 {
		return fmt.Errorf("%w in %v", drivers.ErrSilent, j.Timeout)
	}
	return fmt.Errorf("%w in %v (%d damaged and %d foreign frames, %d bytes over)",
		drivers.ErrSilent, j.Timeout, a.Bad, a.Foreign, rest)
}

// match lets the request's Matcher eat from in. It returns what is left, whether the adapter's echo is still awaited,
// and whether a holds the answer.
func match(j *job, a *Answer, in []byte, echo bool) (rest []byte, awaited, done bool) {
	if echo {
		n := min(len(in), len(j.Frame))
		if !bytes.Equal(in[:n], j.Frame[:n]) { // somebody spoke while we did
			a.Bad++
			return nil, true, false
		}
		if n < len(j.Frame) {
			return in, true, false
		}
		in = in[n:]
	}
	for j.Match != nil && len(in) > 0 {
		v, n := j.Match(in)
		n = max(1, min(n, len(in)))
		switch v {
		case More:
			return in, false, false
		case Complete:
			a.Frame = in[:n:n]
			return in[n:], false, true
		case Foreign:
			a.Foreign++
		default:
			a.Bad++
		}
		in = in[n:]
	}
	return in, false, false
}

// take appends what was read. Past the bound the oldest go: they were no answer.
func (l *line) take(in []byte, c chunk) []byte {
	l.seen(c)
	in = append(in, c.bytes...)
	if over := len(in) - maxInput; over > 0 {
		in = in[over:]
	}
	return in
}

// stray drops what was read while nobody had asked.
func (l *line) stray(c chunk) {
	l.seen(c)
	l.bus.mu.Lock()
	l.bus.stats.Stray += uint64(len(c.bytes))
	l.bus.mu.Unlock()
}

func (l *line) seen(c chunk) {
	if c.at.After(l.last) {
		l.last = c.at
	}
	l.got += uint64(len(c.bytes))
	l.bus.deps.Observe(c.at, In, c.bytes)
}

// hush leaves the line quiet until the late answer can no longer come, and drops it if it does.
func (l *line) hush(ctx context.Context, j *job, until time.Time) {
	began := time.Now()
	quiet := time.NewTimer(time.Until(until))
	defer quiet.Stop()
	for {
		select {
		case c := <-l.port.in:
			l.stray(c)
			continue
		case <-quiet.C:
			// the other direction too: a frame that has not left by now must not leave later
			l.port.flush()
		case <-l.port.gone:
		case <-ctx.Done():
		}
		l.bus.count(j.Device, Counters{Quiet: time.Since(began)})
		return
	}
}

// account adds one request to the counters.
func (l *line) account(j *job, a Answer, err error, busy time.Duration) {
	if a.Sent.IsZero() {
		if errors.Is(err, drivers.ErrLate) {
			l.bus.mu.Lock()
			l.bus.stats.Late++
			l.bus.mu.Unlock()
		}
		return
	}
	c := Counters{
		Transactions: 1, BytesOut: uint64(len(j.Frame)), BytesIn: l.got, Busy: busy,
		Bad: uint64(a.Bad), Foreign: uint64(a.Foreign),
	}
	switch {
	case err == nil && j.Match != nil:
		c.Answers = 1
	case errors.Is(err, drivers.ErrSilent):
		c.Timeouts = 1
	}
	l.bus.count(j.Device, c)
}
