package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// Run owns the line until ctx ends: it opens the port, carries requests, and opens the port again whenever it goes
// away, with growing waits. Requests that come while there is no port fail with drivers.ErrGone. It returns nil, or an
// error when it was already run or the port would not let go. Run may be called once.
func (b *Bus) Run(ctx context.Context) error {
	if !b.running.CompareAndSwap(false, true) {
		return fmt.Errorf("bus %s: run twice", b.cfg.Name)
	}
	defer close(b.stopped)
	for try := 0; ctx.Err() == nil; try++ {
		p, err := b.open()
		if err == nil {
			opened := time.Now()
			err = b.serve(ctx, p, b.up(p.name))
			stale := errors.Is(err, errStale)
			if err := b.release(ctx, p, stale); err != nil {
				return err
			}
			if stale {
				try = -1
				continue
			}
			if time.Since(opened) >= backoffMax || b.answeredSince(opened) { // else it is a port that opens and breaks
				try = 0
			}
		}
		if ctx.Err() == nil {
			b.down(err)
			b.refuse(ctx, err, nil, time.After(backoff(try, b.deps.Jitter)))
		}
	}
	return nil
}

// errStale ends the service of a TCP connection on which an answer was missed: kept, the late answer or the rest of it
// could be read as a later one's, and a peer that is gone without a word would never be found out.
var errStale = errors.New("an answer was missed: the connection is renewed")

// release closes the port and waits until nobody uses it: a second open behind a hanging call would hang as well.
// Meanwhile requests are refused, unless the port is only stale: then the next connection serves them.
func (b *Bus) release(ctx context.Context, p *port, stale bool) error {
	_ = p.close() // its goroutines show whether it is closed
	if stale {
		b.mu.Lock()
		b.stats.Renewals++
		b.mu.Unlock()
		b.deps.Recorder.add(time.Now(), Record{Kind: PortLost, Text: errStale.Error()})
		select {
		case <-p.ended:
			return nil
		case <-time.After(stopLimit):
		}
	}
	b.refuse(ctx, fmt.Errorf("%w: closing", drivers.ErrGone), p.ended, nil)
	if ctx.Err() == nil {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopLimit):
		return fmt.Errorf("bus %s (%s): port hangs and was left behind", b.cfg.Name, p.name)
	}
}

// refuse answers every request with why until ctx, ended or after say that it is over.
func (b *Bus) refuse(ctx context.Context, why error, ended <-chan struct{}, after <-chan time.Time) {
	for {
		for j := b.queue.take(anybody); j != nil; j = b.queue.take(anybody) {
			j.answer <- result{err: fmt.Errorf("bus %s: %w", b.cfg.Name, why)}
		}
		select {
		case <-b.queue.wake:
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-after:
			return
		}
	}
}

// line is one open port in the owner's hands.
type line struct {
	bus     *Bus
	port    *port
	opening uint64    // number of it
	last    time.Time // when the last byte passed, in either direction
	owed    []owed    // answers that may still come though nobody waits for them
	silent  bool      // an answer was missed, and the port not emptied since
	echoes  time.Time // the line returns what is sent: when to see again whether it does; zero: it does not
}

// owed is an answer that may come until end. Until then only an actuation that asks another source may go ahead.
type owed struct {
	source string
	end    time.Time
}

// serve carries requests over one open port until it is gone or ctx ends.
func (b *Bus) serve(ctx context.Context, p *port, opening uint64) error {
	l := &line{bus: b, port: p, opening: opening}
	for {
		j, began, err := l.next(ctx)
		if err == nil {
			err = l.carry(ctx, j, began)
		}
		if err != nil {
			return err
		}
	}
}

// may tells whether j can go before what is owed has come (invariant 8).
func (l *line) may(j *job) bool {
	if len(l.owed) == 0 {
		return true
	}
	return j.Priority == Actuation && j.Source != "" && !slices.ContainsFunc(l.owed, func(o owed) bool {
		return o.source == "" || o.source == j.Source
	})
}

// paid forgets what can no longer come. When that is all, the port is emptied, in the other direction too: a frame that has
// not left by now must not leave later. On TCP the connection is no longer of use then.
func (l *line) paid() error {
	now := time.Now()
	l.owed = slices.DeleteFunc(l.owed, func(o owed) bool { return !now.Before(o.end) })
	if len(l.owed) > 0 || !l.silent {
		return nil
	}
	l.silent = false
	l.port.flush()
	if isTCP(l.port.name) {
		return errStale
	}
	return nil
}

// next waits for the request whose turn it is, and until the line is silent; its turn began before that. Bytes that come
// meanwhile belong to nobody.
func (l *line) next(ctx context.Context) (j *job, began time.Time, err error) {
	for {
		select {
		case <-l.port.gone:
			return nil, began, l.port.err
		case <-ctx.Done():
			return nil, began, ctx.Err()
		default:
		}
		if err := l.paid(); err != nil {
			return nil, began, err
		}
		if !l.bus.queue.holds(l.may) {
			if err := l.idle(ctx); err != nil {
				return nil, began, err
			}
			continue
		}
		began = time.Now()
		if err := l.settle(ctx); err != nil {
			return nil, began, err
		}
		// only now: who comes while the line falls silent may go ahead
		if j := l.bus.queue.take(l.may); j != nil {
			return j, began, nil
		}
	}
}

// idle waits until somebody comes, or something that is owed can no longer come.
func (l *line) idle(ctx context.Context) error {
	var over <-chan time.Time
	if len(l.owed) > 0 {
		first := slices.MinFunc(l.owed, func(a, b owed) int { return a.end.Compare(b.end) })
		timer := time.NewTimer(time.Until(first.end))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-l.bus.queue.wake:
	case <-over:
	case c := <-l.port.in:
		l.stray(c)
	case <-l.port.gone:
		return l.port.err
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
