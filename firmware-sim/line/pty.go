package line

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// PTY is one pseudo-terminal: the devices hold its master, the host opens Name.
type PTY struct {
	*os.File        // the master; deadlines work
	Name     string // the host's end, e.g. /dev/pts/3
	held     *os.File
}

// OpenPTY opens a pseudo-terminal in raw mode at a speed, until a host sets another. Close hangs up the host's end.
func OpenPTY(baud int) (*PTY, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/ptmx: %w: mount devpts and allow one more pseudo-terminal (sysctl kernel.pty.max)", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("/dev/ptmx: unlock: %w", err), unix.Close(fd))
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("/dev/ptmx: number: %w", err), unix.Close(fd))
	}
	if err := makeRaw(fd, baud); err != nil {
		return nil, errors.Join(fmt.Errorf("/dev/ptmx: raw mode: %w", err), unix.Close(fd))
	}
	name := "/dev/pts/" + strconv.Itoa(n)
	// Held open, or the master reads EIO whenever no host has the port open.
	held, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &PTY{File: os.NewFile(uintptr(fd), "ptmx of "+name), Name: name, held: held}, nil
}

// Close hangs up: whoever has Name open reads the end and cannot write any more.
func (p *PTY) Close() error { return errors.Join(p.File.Close(), p.held.Close()) }

// makeRaw switches off everything a terminal does for people: a serial line passes bytes as they are.
func makeRaw(fd, baud int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB|unix.CBAUD) | unix.CS8 | unix.BOTHER
	t.Ispeed, t.Ospeed = uint32(baud), uint32(baud)
	return unix.IoctlSetTermios(fd, unix.TCSETS2, t)
}

// Setting is how the host has set its end, where a pty can tell: the speed, and that parity is odd. The kernel does not let
// a pty have parity at all, but forgets nothing else that was said of it.
func (p *PTY) Setting(line Format) Format {
	raw, err := p.SyscallConn()
	if err != nil {
		return line // closed: nobody speaks any more
	}
	_ = raw.Control(func(fd uintptr) {
		t, err := unix.IoctlGetTermios(int(fd), unix.TCGETS2)
		if err != nil {
			return
		}
		if t.Ospeed > 0 {
			line.Baud = int(t.Ospeed)
		}
		if t.Cflag&unix.PARODD != 0 {
			line.Parity = Odd
		}
	})
	return line
}

// ptys is an outlet: a folder of symlinks to ptys.
type ptys struct {
	dir  string
	baud int // of a new pty
}

func (o ptys) path(link string) string { return filepath.Join(o.dir, link) }

func (o ptys) plug(link, last string) (socket, string, error) {
	if !linkName().MatchString(link) {
		return nil, "", fmt.Errorf("link %q: %w: use up to 64 letters, digits, '.', '_' and '-', a letter or digit first", link, ErrLink)
	}
	p, err := openOther(last, o.baud)
	if err != nil {
		return nil, "", err
	}
	if err := point(o.path(link), p.Name); err != nil {
		return nil, "", errors.Join(err, p.Close())
	}
	return linked{p, o.path(link)}, link, nil
}

// linked is a pty with the symlink that leads to it.
type linked struct {
	*PTY
	path string
}

func (s linked) name() string { return s.Name }

func (s linked) serve(ctx context.Context, w *Wire) error { return w.Serve(ctx, s.PTY) }

// Close hangs up and removes the symlink.
func (s linked) Close() error { return errors.Join(s.PTY.Close(), os.Remove(s.path)) }

// openOther opens a pty whose name is not last: the kernel gives the lowest free number again.
func openOther(last string, baud int) (*PTY, error) {
	p, err := OpenPTY(baud)
	if err != nil || p.Name != last {
		return p, err
	}
	other, err := OpenPTY(baud)
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
