package line

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Errors of plugging. They are wrapped with the line and the remedy.
var (
	ErrPlugged   = errors.New("plugged in already")
	ErrUnplugged = errors.New("unplugged already")
	ErrLink      = errors.New("no usable link name")
)

// Line is a Wire with its plug: a pty that a host reaches by a symlink, or a TCP port. It is safe for concurrent use.
type Line struct {
	*Wire
	outlet outlet

	mu     sync.Mutex
	link   string // where it is, or was last
	device string // the socket's name; kept while unplugged, so that the next pty differs
	socket socket // nil while unplugged
	fresh  chan socket
}

// outlet is where a line is plugged in: a folder of ptys, or TCP.
type outlet interface {
	// plug makes a new socket that hosts reach by link, and returns the link as it came to be. last is the name of the
	// socket before.
	plug(link, last string) (socket, string, error)
	path(link string) string // what a host opens
}

// socket is one plugging-in of a line.
type socket interface {
	name() string
	serve(ctx context.Context, w *Wire) error // until ctx ends or it is closed
	Close() error
}

// Port is where a line can be reached now.
type Port struct {
	Link    string // name of the symlink, or the TCP address
	Path    string // what a host opens: the symlink's path, or tcp://host:port
	Device  string // the pty behind it, e.g. /dev/pts/3, or the TCP address; empty while unplugged
	Plugged bool
}

// Open plugs the serial wire w in: dir/link points at a new pty. dir must exist. Close it when Run has returned.
func Open(w *Wire, dir, link string) (*Line, error) { return plugIn(w, ptys{dir, w.format.Baud}, link) }

// Listen plugs w in at a TCP address; of port 0 it takes a free one and keeps it. A stream is the port of a device itself.
// A serial wire is that of a converter: what any connection sends goes over the one wire behind it, and what comes over
// that goes to all of them. Close it when Run has returned.
func Listen(w *Wire, address string) (*Line, error) { return plugIn(w, tcp{}, address) }

func plugIn(w *Wire, o outlet, link string) (*Line, error) {
	l := &Line{Wire: w, outlet: o, fresh: make(chan socket, 1)}
	if err := l.Replug(link); err != nil {
		return nil, err
	}
	return l, nil
}

// Port returns where the line can be reached.
func (l *Line) Port() Port {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := Port{Link: l.link, Path: l.outlet.path(l.link), Plugged: l.socket != nil}
	if l.socket != nil {
		p.Device = l.socket.name()
	}
	return p
}

// Unplug pulls the adapter: the host's end hangs up, and the symlink or the port is gone.
func (l *Line) Unplug() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.socket == nil {
		return fmt.Errorf("line %s: %w: plug it in first", l.name, ErrUnplugged)
	}
	select { // a socket that Run has not taken yet
	case <-l.fresh:
	default:
	}
	err := l.socket.Close()
	l.socket = nil
	return err
}

// Replug puts the adapter back: a new pty under another name, with link pointing at it. An empty link means the one it
// had. A TCP line keeps its address.
func (l *Line) Replug(link string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if link == "" {
		link = l.link
	}
	if l.socket != nil {
		return fmt.Errorf("line %s: %w: unplug it first", l.name, ErrPlugged)
	}
	s, link, err := l.outlet.plug(link, l.device)
	if err != nil {
		return fmt.Errorf("line %s: %w", l.name, err)
	}
	l.socket, l.link, l.device = s, link, s.name()
	l.fresh <- s
	return nil
}

// Run serves the line through any number of unplugs until ctx ends, and returns ctx's cause.
func (l *Line) Run(ctx context.Context) error {
	for {
		select {
		case s := <-l.fresh:
			_ = s.serve(ctx, l.Wire) // an unplugged socket ends with an error of its own; the next one is waited for
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close unplugs the line if it is plugged in.
func (l *Line) Close() error {
	if err := l.Unplug(); err != nil && !errors.Is(err, ErrUnplugged) {
		return err
	}
	return nil
}
