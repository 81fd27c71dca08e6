package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Link is the building's internet: a TCP forwarder that can be cut. What is cut is closed on both sides, and while it is
// cut nothing is accepted.
type Link struct {
	listener net.Listener
	to       string
	tap      *Tap // nil: bytes go through as they are

	mu    sync.Mutex
	cut   bool
	pairs map[net.Conn]net.Conn
}

// Listen opens a link on loopback that leads to an address, with or without a tap on it.
func Listen(to string, tap *Tap) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return &Link{listener: l, to: to, tap: tap, pairs: map[net.Conn]net.Conn{}}, nil
}

// Addr is where the building connects to.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Cut closes every connection and refuses new ones until Mend.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for near, far := range l.pairs {
		errors.Join(near.Close(), far.Close())
	}
}

// Mend lets connections through again.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

// IsCut tells whether the link is cut.
func (l *Link) IsCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// Run forwards until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		l.listener.Close()
		l.Cut()
	})
	defer stop()
	for {
		near, err := l.listener.Accept()
		if err != nil {
			l.Cut()
			if werr := group.Wait(); ctx.Err() == nil {
				return errors.Join(err, werr)
			}
			return nil
		}
		group.Go(func() error {
			l.forward(ctx, near)
			return nil
		})
	}
}

func (l *Link) forward(ctx context.Context, near net.Conn) {
	defer near.Close()
	if l.IsCut() {
		return
	}
	far, err := new(net.Dialer).DialContext(ctx, "tcp", l.to)
	if err != nil {
		return
	}
	defer far.Close()
	if !l.join(near, far) {
		return
	}
	defer l.part(near)
	up, down, a, b := l.wrap(near, far)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = up(b, a) // either side's end is the end of both
		far.Close()
	}()
	_ = down(a, b)
	near.Close()
	<-done
}

// pass forwards one direction until it ends.
type pass func(to io.Writer, from io.Reader) error

func (l *Link) wrap(near, far net.Conn) (up, down pass, a, b net.Conn) {
	if l.tap != nil {
		return l.tap.up, l.tap.back, l.tap.near(near), l.tap.far(far)
	}
	plain := func(to io.Writer, from io.Reader) error {
		_, err := io.Copy(to, from)
		return err
	}
	return plain, plain, near, far
}

func (l *Link) join(near, far net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	l.pairs[near] = far
	return true
}

func (l *Link) part(near net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs, near)
}
