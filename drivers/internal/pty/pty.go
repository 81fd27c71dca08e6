// Package pty makes pseudo terminals, so that tests drive real serial code without an adapter.
package pty

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Pair is a pseudo terminal: what is written to Master is read from the terminal at Path, and the other way round.
type Pair struct {
	Master *os.File // honours deadlines
	Path   string
	hold   *os.File // keeps the terminal open, or reading Master fails until somebody opens it
}

// Open returns a new pair in raw mode. The test closes it.
func Open(t testing.TB) *Pair {
	t.Helper()
	// non-blocking from the start: only then does the runtime poll the master and honour deadlines
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open /dev/ptmx: %v", err)
	}
	p := &Pair{Master: os.NewFile(uintptr(fd), "/dev/ptmx")}
	t.Cleanup(p.Unplug)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlock pty: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("number of pty: %v", err)
	}
	p.Path = fmt.Sprintf("/dev/pts/%d", n)
	if p.hold, err = os.OpenFile(p.Path, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	raw := unix.Termios{Cflag: unix.CREAD | unix.CLOCAL | unix.CS8 | unix.B19200}
	if err := unix.IoctlSetTermios(int(p.hold.Fd()), unix.TCSETS, &raw); err != nil {
		t.Fatalf("set pty raw: %v", err)
	}
	return p
}

// Unplug closes both ends: whoever has the terminal open sees a hang-up.
func (p *Pair) Unplug() {
	p.Master.Close()
	if p.hold != nil {
		p.hold.Close()
	}
}
