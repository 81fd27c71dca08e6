package bus

import (
	"context"
	"errors"
	"fmt"
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
			b.up(p.name)
			err = b.serve(ctx, p)
			stale := errors.Is(err, errStale)
			if err := b.release(ctx, p, stale); err != nil {
				return err
			}
			if stale {
				try = -1
				continue
			}
			if time.Since(opened) >= backoffMax {
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
var errStale = errors.New("an answer was missed")

// release closes the port and waits until nobody uses it: a second open behind a hanging call would hang as well.
// Meanwhile requests are refused, unless the port is only stale: then the next connection serves them.
func (b *Bus) release(ctx context.Context, p *port, stale bool) error {
	_ = p.close() // its goroutines show whether it is closed
	if stale {
		b.mu.Lock()
		b.stats.Renewals++
		b.mu.Unlock()
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
		var j *job
		select {
		case j = <-b.queues[Actuation]:
		case j = <-b.queues[Visible]:
		case j = <-b.queues[Polling]:
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-after:
			return
		}
		if j.state.CompareAndSwap(waiting, taken) {
			j.answer <- result{err: fmt.Errorf("bus %s: %w", b.cfg.Name, why)}
		}
	}
}

// serve carries requests over one open port until it is gone or ctx ends.
func (b *Bus) serve(ctx context.Context, p *port) error {
	l := &line{bus: b, port: p}
	for {
		j, err := l.next(ctx)
		if err != nil {
			return err
		}
		if !j.state.CompareAndSwap(waiting, taken) {
			continue
		}
		a, err := l.exchange(ctx, j)
		j.answer <- result{a, err}
		switch {
		case errors.Is(err, drivers.ErrSilent):
			l.hush(ctx, j, a.Sent.Add(j.Lateness)) // invariant 8
			if isTCP(p.name) {
				return errStale
			}
		case errors.Is(err, drivers.ErrGone):
			return err
		}
	}
}

// line is one open port in the owner's hands.
type line struct {
	bus  *Bus
	port *port
	last time.Time // when the last byte passed, in either direction
	got  uint64    // bytes received since the request now on the line was taken
}

// next waits for the request whose turn it is. Bytes that come meanwhile belong to nobody.
func (l *line) next(ctx context.Context) (*job, error) {
	for {
		select {
		case <-l.port.gone:
			return nil, l.port.err
		case <-ctx.Done():
			return nil, ctx.Err()
		default:
		}
		for pr := int(Actuation); pr >= 0; pr-- {
			select {
			case j := <-l.bus.queues[pr]:
				return j, nil
			default:
			}
		}
		var j *job
		select {
		case j = <-l.bus.queues[Actuation]:
		case j = <-l.bus.queues[Visible]:
		case j = <-l.bus.queues[Polling]:
		case c := <-l.port.in:
			l.stray(c)
			continue
		case <-l.port.gone:
			continue
		case <-ctx.Done():
			continue
		}
		return j, nil
	}
}
