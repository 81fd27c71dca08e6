package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// exchange is one request on the line.
type exchange struct {
	*job
	hearing
	answer  Answer
	opening uint64        // of the port that it goes over
	probe   bool          // it shows whether a dead device is back
	living  bool          // the device is not known to be dead
	began   time.Time     // when its turn came
	left    time.Time     // when the frame's last byte had left, by the wire's arithmetic
	limit   time.Duration // for the answer's first byte
	end     time.Time     // when its answer can no longer come
	overdue bool          // the time-out is over; what comes is late
	stalled bool          // because the answer stood still
	gaveUp  time.Time     // when that was
	got     uint64        // bytes received
}

// Why a request ended without an answer before its time.
var (
	errStopped   = fmt.Errorf("stopped: %w", drivers.ErrGone)
	errPreempted = fmt.Errorf("%w before an actuation went ahead", drivers.ErrSilent)
)

// carry carries one request whose turn began at began: the frame and its answer. It returns an error when the port is of no
// more use.
func (l *line) carry(ctx context.Context, j *job, began time.Time) error {
	x := &exchange{job: j, opening: l.opening, began: began}
	x.hearing = hearing{frame: j.Frame, match: j.Match, echo: l.bus.cfg.Echo}
	err := l.admit(x)
	if err == nil {
		err = l.send(ctx, x)
	}
	if err != nil && !errors.Is(err, ErrResting) {
		err = fmt.Errorf("bus %s (%s): %w", l.bus.cfg.Name, l.port.name, err)
	}
	l.conclude(x, err)
	j.answer <- result{x.answer, err}
	if errors.Is(err, drivers.ErrGone) && !errors.Is(err, errEchoes) {
		return err
	}
	return nil
}

// settle drops stale bytes until the line has been silent for the gap. A line that never pauses is not waited for:
// one babbling device must not stop the others.
func (l *line) settle(ctx context.Context) error {
	limit := time.Now().Add(maxSettle)
	napper, naps := l.port.rwc.(interface{ Nap(time.Duration) })
	for {
		until := l.last.Add(l.bus.cfg.Gap)
		if until.After(limit) {
			until = limit
		}
		wait := time.Until(until)
		switch {
		case wait <= 0:
			if !l.drain() || !time.Now().Before(limit) {
				return nil
			}
			continue
		case naps && wait <= napMost:
			napper.Nap(wait)
			continue
		case naps:
			wait -= napMost
		}
		if err := l.listen(ctx, wait); err != nil {
			return err
		}
	}
}

// listen waits, or until something comes that belongs to nobody.
func (l *line) listen(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case c := <-l.port.in:
		l.stray(c)
	case <-l.port.gone:
		return l.port.err
	case <-ctx.Done():
		return errStopped
	case <-timer.C:
	}
	return nil
}

// drain drops what is already here: it is stale too. It tells whether anything was.
func (l *line) drain() (came bool) {
	for {
		select {
		case c := <-l.port.in:
			l.stray(c)
			came = true
		default:
			return came
		}
	}
}

// admit refuses what must not go over this line now. Nobody can exchange the port between this and the frame.
func (l *line) admit(x *exchange) error {
	if err := l.bus.rest(&x.Request); err != nil {
		return err
	}
	if !l.echoes.IsZero() && (time.Now().Before(l.echoes) || !x.showsEcho()) {
		return errEchoes
	}
	if x.Proven && !l.bus.proven(&x.Request, l.opening) {
		return fmt.Errorf("%w: nothing was sent: it has to answer a reading first", drivers.ErrUnproven)
	}
	l.bus.begin(x)
	return nil
}

// send hands the frame to the port, waits until the port has taken it, and then for the answer. From the frame on all bytes
// that come belong to this request.
func (l *line) send(ctx context.Context, x *exchange) error {
	x.answer.Sent = time.Now() // the writer may have got to it, whatever becomes of the port
	l.port.out <- order{x.Frame, x.NotAfter}
	limit := time.NewTimer(writeLimit)
	defer limit.Stop()
	var early []chunk
	for {
		select {
		case w := <-l.port.wrote:
			x.answer.Sent = w.at
			if w.at.IsZero() {
				return w.err
			}
			if w.err != nil {
				return fmt.Errorf("%w: write: %w", drivers.ErrGone, w.err)
			}
			l.sent(x, w.at)
			return l.receive(ctx, x, early)
		case c := <-l.port.in:
			early = append(early, c)
		case <-l.port.gone:
			return l.port.err
		case <-limit.C:
			l.port.flush() // frees a writer whose peer has stopped, on ports that can
			return fmt.Errorf("%w: write takes over %v: check the adapter", drivers.ErrGone, writeLimit)
		}
	}
}

// sent notes that the port has taken the frame. It then needs its time on the wire.
func (l *line) sent(x *exchange, at time.Time) {
	l.bus.deps.Observe(at, Out, x.Frame)
	l.bus.deps.Recorder.add(at, Record{Kind: FrameSent, Device: x.Device, Bytes: x.Frame})
	x.left = time.Now().Add(l.bus.cfg.wire(len(x.Frame)))
	x.end = at.Add(x.Lateness)
	if whole := x.left.Add(x.Timeout); x.end.Before(whole) {
		x.end = whole
	}
	l.last = x.left
}

// receive waits for the answer to x. early came while the frame was being written.
func (l *line) receive(ctx context.Context, x *exchange, early []chunk) error {
	for _, c := range early {
		if done, err := l.hear(x, c); done {
			return err
		}
	}
	due := l.due(x)
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		select {
		case c := <-l.port.in:
			if done, err := l.hear(x, c); done {
				return err
			}
		case <-timer.C:
			due = time.Time{}
			if done, err := l.expired(x); done {
				return err
			}
		case <-l.bus.queue.wake:
		case <-l.port.gone:
			return l.port.err
		case <-ctx.Done():
			return errStopped
		}
		if x.preemptible(time.Now()) && l.yields(x) {
			return errPreempted
		}
		if d := l.due(x); d != due {
			due = d
			timer.Reset(time.Until(due))
		}
	}
}

// hear takes what was read, and tells whether the request has ended by it.
func (l *line) hear(x *exchange, c chunk) (done bool, err error) {
	l.seen(c)
	x.got += uint64(len(c.bytes))
	done = x.hear(c.bytes)
	switch {
	case !l.bus.cfg.Echo && x.returned():
		return true, l.foundEcho()
	case done || x.begun():
		if x.answer.Turn == 0 {
			x.answer.Turn = max(c.at.Sub(x.left), 1)
		}
	default:
		x.answer.Turn = 0 // it was not the answer's first byte
	}
	if done {
		x.answer.At = c.at
		if !l.echoes.IsZero() {
			l.noEcho()
		}
	}
	return done, nil
}

// due is when x's time-out is over or, after it, when its answer can no longer come.
func (l *line) due(x *exchange) time.Time {
	whole := x.left.Add(x.Timeout)
	switch {
	case x.overdue && time.Now().Before(x.graced()):
		return x.graced()
	case x.overdue:
		return x.end
	case x.Match == nil:
		return whole
	case x.begun():
		if still := l.last.Add(stall + l.bus.cfg.wire(4)); still.Before(whole) {
			return still
		}
		return whole
	}
	return x.left.Add(x.limit)
}

// expired judges what is there when x is due, with what came in time though we did not look in time.
func (l *line) expired(x *exchange) (done bool, err error) {
	for empty := false; !empty; {
		select {
		case c := <-l.port.in:
			if done, err := l.hear(x, c); done {
				return true, err
			}
		default:
			empty = true
		}
	}
	now := time.Now()
	switch {
	case now.Before(l.due(x)):
		return false, nil
	case x.Match == nil:
		x.answer.At = now
		return true, nil
	case x.overdue:
		return true, l.silence(x)
	}
	x.overdue, x.stalled, x.gaveUp = true, x.begun(), now
	l.bus.deps.Recorder.add(now, Record{Kind: TimedOut})
	return false, nil
}

// graced is when a late answer of a living device is no longer to be expected any moment: whoever spoke before that would
// speak at once with it, and a frame that opens must not be garbled.
func (x *exchange) graced() time.Time { return x.gaveUp.Add(grace) }

// preemptible tells whether an actuation may go ahead of x now.
func (x *exchange) preemptible(now time.Time) bool {
	return x.probe || x.overdue && !(x.living && now.Before(x.graced()))
}

// yields tells whether an actuation waits that need not wait for x, whose answer may still come.
func (l *line) yields(x *exchange) bool {
	return x.Source != "" && len(l.owed) < maxOwed && l.bus.queue.holds(func(j *job) bool {
		return j.Priority == Actuation && j.Source != "" && j.Source != x.Source && l.may(j)
	})
}

// conclude ends x with err: what is owed, what is counted, what is recorded.
func (l *line) conclude(x *exchange, err error) {
	a := &x.answer
	if a.Sent.IsZero() {
		l.bus.unsent(x, err)
		return
	}
	if x.left.IsZero() {
		l.sent(x, a.Sent) // it may have left
	}
	a.Frame, a.Bad, a.Foreign, a.Late = x.hearing.answer, x.bad, x.foreign, x.overdue && err == nil
	if x.Match == nil && err == nil {
		a.Frame = x.in
	}
	now := time.Now()
	if errors.Is(err, drivers.ErrSilent) {
		l.silent = true
		if now.Before(x.end) {
			l.owed = append(l.owed, owed{x.Source, x.end})
		}
	}
	l.bus.account(x, err, now)
	r := Record{Kind: Ended, Bytes: a.Frame, Outcome: outcome(x, err), Bad: x.bad, Foreign: x.foreign}
	if x.Match != nil {
		r.Over = len(x.in)
	}
	if err != nil {
		r.Text = err.Error()
	}
	l.bus.deps.Recorder.add(now, r)
}

// outcome names what became of x.
func outcome(x *exchange, err error) Outcome {
	switch {
	case errors.Is(err, errEchoes):
		return Echoed
	case errors.Is(err, drivers.ErrSilent):
		return Silent
	case err != nil:
		return Broken
	case x.Match == nil:
		return Listened
	case x.answer.Late:
		return AnsweredLate
	}
	return Answered
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
	l.bus.deps.Observe(c.at, In, c.bytes)
	l.bus.deps.Recorder.add(c.at, Record{Kind: BytesReceived, Bytes: c.bytes})
}
