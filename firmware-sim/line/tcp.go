package line

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	maxConns    = 8                      // of one TCP line; more are closed at once
	acceptPause = 100 * time.Millisecond // after an error that may pass, such as too many open files
)

// errCut ends a connection whose cable is cut.
var errCut = errors.New("cable cut")

// tcp is an outlet: a TCP address.
type tcp struct{}

func (tcp) path(address string) string { return "tcp://" + address }

func (tcp) plug(address, last string) (socket, string, error) {
	if last != "" && address != last {
		return nil, "", fmt.Errorf("link %q: %w: a TCP line keeps its address %s", address, ErrLink, last)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, "", fmt.Errorf("%w: use a free address like 127.0.0.1:8502", err)
	}
	s := &listening{l.(*net.TCPListener)}
	return s, s.name(), nil
}

// listening is an open TCP port.
type listening struct{ *net.TCPListener }

func (s *listening) name() string { return s.Addr().String() }

func (s *listening) serve(ctx context.Context, w *Wire) error {
	if w.stream {
		return s.accept(ctx, func(ctx context.Context, conn net.Conn) {
			if !w.Faults().Cut {
				_ = w.Serve(ctx, remote{conn, w, w.staleness()}) // whoever left, or was cut off, is nobody's error
			}
		})
	}
	return s.convert(ctx, w)
}

// accept takes connections and gives each to do in a goroutine of its own. When it returns all of them are closed.
func (s *listening) accept(ctx context.Context, do func(context.Context, net.Conn)) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { _ = s.SetDeadline(time.Unix(1, 0)) }) // ends the Accept below
	var conns sync.WaitGroup
	defer func() { cancel(); stop(); conns.Wait() }()
	places := make(chan struct{}, maxConns)
	for {
		conn, err := s.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return err
		default:
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		select {
		case places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		conns.Go(func() {
			defer func() { _ = conn.Close(); <-places }()
			do(ctx, conn)
		})
	}
}

// convert serves a converter: all connections speak over one wire and hear all that comes over it.
func (s *listening) convert(ctx context.Context, w *Wire) error {
	ctx, cancel := context.WithCancel(ctx)
	inside, wire := net.Pipe()
	c := converter{inside: inside, conns: map[net.Conn]struct{}{}}
	var all sync.WaitGroup
	all.Go(func() { _ = w.Serve(ctx, wire) }) // ends with ctx alone
	all.Go(c.spread)
	defer func() { cancel(); _ = inside.Close(); all.Wait(); _ = wire.Close() }()
	return s.accept(ctx, func(ctx context.Context, conn net.Conn) { c.serve(ctx, remote{conn, w, w.staleness()}) })
}

// converter is what stands between TCP connections and a serial wire.
type converter struct {
	inside net.Conn // the other end of the wire's

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// serve puts what a connection sends on the wire until it ends.
func (c *converter) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { // all connections end now, whether they read or wait for the wire
		_ = conn.SetDeadline(time.Unix(1, 0))
		_ = c.inside.SetWriteDeadline(time.Unix(1, 0))
	})
	defer stop()
	c.mu.Lock()
	c.conns[conn] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.conns, conn)
	}()
	buf := make([]byte, 256)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.inside.Write(buf[:n]); err != nil {
			return
		}
	}
}

// spread gives what comes over the wire to every connection. What one does not take in time is lost to it.
func (c *converter) spread() {
	buf := make([]byte, 256)
	for {
		n, err := c.inside.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		var conns []net.Conn
		for conn := range c.conns {
			conns = append(conns, conn)
		}
		c.mu.Unlock()
		for _, conn := range conns {
			_ = conn.SetWriteDeadline(time.Now().Add(writeLimit))
			_, _ = conn.Write(buf[:n])
		}
	}
}

// remote is a connection of a host to a device itself, or to a converter.
type remote struct {
	net.Conn
	wire *Wire
	born uint64 // the wire's staleness when it was opened
}

func (c remote) stale() bool { return c.wire.staleness() != c.born }

// Read swallows what comes once the connection is stale. To a device itself the connection ends when something comes over it
// while the cable is cut.
func (c remote) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		switch {
		case c.wire.stream && c.wire.Faults().Cut:
			return 0, errCut
		case err != nil || !c.stale():
			return n, err
		}
	}
}

// Write says nothing once the connection is stale.
func (c remote) Write(b []byte) (int, error) {
	if c.stale() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}
