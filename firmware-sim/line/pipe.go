package line

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Pipe plugs w in where only Dial reaches it, with nothing of the system between: in a synctest bubble, whose time stands
// still while anybody sits in a system call, a pty cannot be used. Close it when Run has returned.
func Pipe(w *Wire) (*Line, error) { return plugIn(w, pipes{}, w.name) }

// Dial opens the host's end of a line that Pipe has plugged in. A serial line has one host: who dials again waits until
// the one before has closed its end.
func (l *Line) Dial(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	p, plugged := l.socket.(*piped)
	l.mu.Unlock()
	if !plugged {
		return nil, fmt.Errorf("line %s: %w: plug it in first", l.name, ErrUnplugged)
	}
	host, devices := net.Pipe()
	select {
	case p.fresh <- devices:
		return host, nil
	case <-p.gone:
		return nil, fmt.Errorf("line %s: %w: plug it in first", l.name, ErrUnplugged)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// pipes is an outlet: memory.
type pipes struct{}

func (pipes) path(link string) string { return "pipe:" + link }

func (pipes) plug(link, _ string) (socket, string, error) {
	return &piped{link: link, fresh: make(chan net.Conn), gone: make(chan struct{})}, link, nil
}

// piped is a line that is dialled.
type piped struct {
	link  string
	fresh chan net.Conn
	gone  chan struct{}
	close sync.Once
}

func (p *piped) name() string { return p.link }

// serve gives each connection a Serve of its own: of a serial line one after the other, of a stream at once.
func (p *piped) serve(ctx context.Context, w *Wire) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer func() { cancel(); conns.Wait() }()
	for {
		select {
		case conn := <-p.fresh:
			hangUp := make(chan struct{})
			conns.Go(func() {
				select {
				case <-p.gone:
				case <-hangUp:
				}
				_ = conn.Close()
			})
			serve := func() { _ = w.Serve(ctx, conn); close(hangUp) } // whoever left is nobody's error
			if w.stream {
				conns.Go(serve)
			} else {
				serve()
			}
		case <-p.gone:
			return net.ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close hangs up.
func (p *piped) Close() error {
	p.close.Do(func() { close(p.gone) })
	return nil
}
