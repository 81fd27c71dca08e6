package line

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// Errors of plugging. They are wrapped with the line and the remedy.
var (
	ErrPlugged   = errors.New("plugged in already")
	ErrUnplugged = errors.New("unplugged already")
	ErrLink      = errors.New("no usable link name")
)

// Line is a Wire behind a pty that a host reaches by a symlink. It is safe for concurrent use.
type Line struct {
	*Wire
	dir string

	mu     sync.Mutex
	link   string // name of the symlink in dir
	device string // the pty it points at; kept while unplugged, so that the next one differs
	port   *PTY   // nil while unplugged
	fresh  chan *PTY
}

// Port is where a line can be reached now.
type Port struct {
	Link    string // name of the symlink
	Path    string // the symlink, what a host opens
	Device  string // the pty behind it, e.g. /dev/pts/3; empty while unplugged
	Plugged bool
}

// Open plugs w in: dir/link points at a new pty. dir must exist. Close it when Run has returned.
func Open(w *Wire, dir, link string) (*Line, error) {
	l := &Line{Wire: w, dir: dir, fresh: make(chan *PTY, 1)}
	if err := l.Replug(link); err != nil {
		return nil, err
	}
	return l, nil
}

// Port returns where the line can be reached.
func (l *Line) Port() Port {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := Port{Link: l.link, Path: filepath.Join(l.dir, l.link), Plugged: l.port != nil}
	if l.port != nil {
		p.Device = l.port.Name
	}
	return p
}

// Unplug pulls the adapter: the host's end hangs up and the symlink is gone.
func (l *Line) Unplug() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.port == nil {
		return fmt.Errorf("line %s: %w: plug it in first", l.name, ErrUnplugged)
	}
	select { // a port that Run has not taken yet
	case <-l.fresh:
	default:
	}
	err := errors.Join(l.port.Close(), os.Remove(filepath.Join(l.dir, l.link)))
	l.port = nil
	return err
}

// Replug puts the adapter back: a new pty under another name, with link pointing at it. An empty link means the one
// it had.
func (l *Line) Replug(link string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if link == "" {
		link = l.link
	}
	switch {
	case l.port != nil:
		return fmt.Errorf("line %s: %w: unplug it first", l.name, ErrPlugged)
	case !linkName().MatchString(link):
		return fmt.Errorf("line %s: link %q: %w: use up to 64 letters, digits, '.', '_' and '-', a letter or digit first", l.name, link, ErrLink)
	}
	p, err := openOther(l.device)
	if err != nil {
		return fmt.Errorf("line %s: %w", l.name, err)
	}
	if err := point(filepath.Join(l.dir, link), p.Name); err != nil {
		return errors.Join(fmt.Errorf("line %s: %w", l.name, err), p.Close())
	}
	l.port, l.link, l.device = p, link, p.Name
	l.fresh <- p
	return nil
}

// Run serves the line through any number of unplugs until ctx ends, and returns ctx's cause.
func (l *Line) Run(ctx context.Context) error {
	for {
		select {
		case p := <-l.fresh:
			_ = l.Serve(ctx, p) // an unplugged port ends with an error of its own; the next one is waited for
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

// openOther opens a pty whose name is not last: the kernel gives the lowest free number again.
func openOther(last string) (*PTY, error) {
	p, err := OpenPTY()
	if err != nil || p.Name != last {
		return p, err
	}
	other, err := OpenPTY()
	return other, errors.Join(err, p.Close())
}

// point makes path a symlink to target in one step. It replaces a symlink only, never a file.
func point(path, target string) error {
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSymlink == 0 {
		return fmt.Errorf("%s: %w: it is no symlink; choose another folder or link name", path, os.ErrExist)
	}
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func linkName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`) }
