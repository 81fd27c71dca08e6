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

// serve takes connections and gives each a Serve of its own. When it returns all of them are closed.
func (s *listening) serve(ctx context.Context, w *Wire) error {
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
			if !w.Faults().Cut {
				_ = w.Serve(ctx, cuttable{conn, w}) // whoever left, or was cut off, is nobody's error
			}
		})
	}
}

// cuttable is a connection that ends when something comes over it while the cable is cut.
type cuttable struct {
	net.Conn
	wire *Wire
}

func (c cuttable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.wire.Faults().Cut {
		return 0, errCut
	}
	return n, err
}
