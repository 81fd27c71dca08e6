package broker

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// Waits after a failed accept (no file descriptors left, for one).
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// gate is the broker's listener. It owns every connection, also those that have not said CONNECT yet, and waits for the
// goroutines that serve them, so that an end is an end.
type gate struct {
	inner   net.Listener
	tls     *tls.Config
	log     *slog.Logger
	counts  *counters
	limit   int
	closing chan struct{} // closed by stop
	ended   chan struct{} // closed when no connection is taken any more
	serving sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool // nil once stopped
}

var _ listeners.Listener = (*gate)(nil)

func newGate(l net.Listener, c Config, n *counters) *gate {
	return &gate{inner: l, tls: c.TLS, log: c.Log, counts: n, limit: c.Clients, open: make(map[net.Conn]bool),
		closing: make(chan struct{}), ended: make(chan struct{})}
}

func (g *gate) Init(*slog.Logger) error { return nil }
func (g *gate) ID() string              { return "gateways" }
func (g *gate) Protocol() string        { return "mqtts" }
func (g *gate) Address() string         { return g.inner.Addr().String() }

// Close is called by the broker when it closes; stop has come before.
func (g *gate) Close(listeners.CloseFn) {}

// Serve accepts until stop.
func (g *gate) Serve(establish listeners.EstablishFn) {
	defer close(g.ended)
	pause := firstPause
	for {
		c, err := g.inner.Accept()
		if err == nil {
			pause = firstPause
			g.admit(c, establish)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		g.counts.acceptErrors.Add(1)
		g.log.Warn("accept", "wait", pause, "err", err)
		select {
		case <-time.After(pause):
		case <-g.closing:
			return
		}
		pause = min(2*pause, lastPause)
	}
}

func (g *gate) admit(c net.Conn, establish listeners.EstablishFn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil || len(g.open) >= g.limit {
		g.counts.turned.Add(1)
		c.Close()
		return
	}
	// A peer that never says CONNECT would live for ever; the keep-alive takes over from here.
	if err := c.SetDeadline(time.Now().Add(connectLimit)); err != nil {
		c.Close()
		return
	}
	g.open[c] = true
	g.serving.Go(func() {
		defer g.leave(c)
		if err := establish(g.ID(), tls.Server(c, g.tls)); err != nil {
			g.log.Debug("connection ended", "remote", c.RemoteAddr().String(), "err", err)
		}
	})
}

func (g *gate) leave(c net.Conn) {
	c.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, c)
}

// stop closes the listener and every connection, and waits for all that served them.
func (g *gate) stop() error {
	close(g.closing)
	err := g.inner.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	<-g.ended
	g.mu.Lock()
	for c := range g.open {
		c.Close()
	}
	g.open = nil
	g.mu.Unlock()
	g.serving.Wait()
	return err
}
