package uplink

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Connection is a link that Run must close.
type Connection interface {
	Link
	// Lost is closed when the connection has ended by itself.
	Lost() <-chan struct{}
	// Close ends the connection and returns when nothing of it is left.
	Close()
}

// Dial opens one connection with a signed last will, subscribed to everything that is for this box. Deliver takes each
// message as it comes and returns at once.
type Dial func(ctx context.Context, will []byte, deliver func(Message)) (Connection, error)

// Run drives the uplink until ctx ends, and leaves nothing behind. Its error is the store's, or nil.
func (u *Uplink) Run(ctx context.Context, dial Dial) error {
	inbox := make(chan Message, inboxLength)
	links := make(chan Input)
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return u.loop(inner, links, inbox) })
	group.Go(func() error {
		u.connections(inner, dial, links, inbox)
		return nil
	})
	if err := group.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

func (u *Uplink) loop(ctx context.Context, links <-chan Input, inbox <-chan Message) error {
	for {
		timer := time.NewTimer(u.Due() - u.deps.Clock.Now().Mono)
		var in Input
		select {
		case in = <-links:
		case in = <-inbox:
		case in = <-u.outbox:
		case <-u.deps.Store.Appended():
			in = Appended{}
		case <-timer.C:
			in = Tick{}
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
		if err := u.Handle(ctx, in); err != nil {
			return err
		}
	}
}

// connections keeps one connection up, a new one each time, with full jitter between the tries.
func (u *Uplink) connections(ctx context.Context, dial Dial, links chan<- Input, inbox chan<- Message) {
	deliver := func(m Message) {
		select {
		case inbox <- m:
		default: // positions and pulses repair what is lost here
			u.status.count("messages_dropped")
		}
	}
	for try := 0; ctx.Err() == nil; try++ {
		start := u.deps.Clock.Now().Mono
		u.connect(ctx, dial, links, deliver)
		if u.deps.Clock.Now().Mono-start > reconnect {
			try = 0
		}
		select {
		case <-time.After(u.deps.Jitter(min(time.Second<<min(try, 10), reconnect))):
		case <-ctx.Done():
		}
	}
}

// connect opens one connection and stays until it ends.
func (u *Uplink) connect(ctx context.Context, dial Dial, links chan<- Input, deliver func(Message)) {
	will, err := u.Will()
	if err != nil {
		u.log.Error("last will", "gateway", u.config.Gateway, "err", err)
		return
	}
	u.status.count("dials")
	c, err := dial(ctx, will, deliver)
	if err != nil {
		u.status.count("dials_failed")
		u.log.Warn("broker cannot be reached", "gateway", u.config.Gateway, "err", err)
		return
	}
	defer c.Close()
	for _, in := range []Input{Connected{c}, Disconnected{}} {
		select {
		case links <- in:
		case <-ctx.Done():
			return
		}
		if _, up := in.(Connected); up {
			select {
			case <-c.Lost():
			case <-ctx.Done():
				return
			}
		}
	}
}
