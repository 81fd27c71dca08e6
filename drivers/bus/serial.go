package bus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

// ErrInUse means that another process, or another bus of this one, holds the port.
var ErrInUse = errors.New("port in use")

// serialPort is a tarm port with the lock that keeps others away from it.
type serialPort struct {
	*serial.Port
	lock *os.File
}

// OpenSerial opens the serial port at path, which may be a symbolic link, with c's format, and locks it. It returns
// ErrInUse, with the remedy, when somebody else holds the lock.
func OpenSerial(path string, c Config) (io.ReadWriteCloser, error) {
	c = c.withDefaults()
	// resolved once: lock and port must be the same device even while the link is being moved
	device, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockPort(device)
	if err != nil {
		return nil, err
	}
	parity := map[Parity]serial.Parity{
		ParityNone: serial.ParityNone, ParityEven: serial.ParityEven, ParityOdd: serial.ParityOdd,
	}[c.Parity]
	p, err := serial.OpenPort(&serial.Config{
		Name: device, Baud: c.Baud, Parity: parity, StopBits: serial.StopBits(c.StopBits),
		ReadTimeout: 100 * time.Millisecond, // the shortest it knows; zero would block Close
	})
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &serialPort{p, lock}, nil
}

// lockPort takes the advisory lock of a device's node, as terminal programs do.
func lockPort(device string) (*os.File, error) {
	f, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%s: %w: stop the other program (fuser %s names it)", device, ErrInUse, device)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Nap sleeps in the kernel. Go's own timers are kept by a call that counts whole milliseconds: on a busy meter line that is
// one reading in thirty.
func (p *serialPort) Nap(d time.Duration) { nap(d) }

func nap(d time.Duration) {
	t := unix.NsecToTimespec(max(0, int64(d)))
	_ = unix.Nanosleep(&t, nil) // who asked looks at the clock again
}

// Close closes the port, then lets others have it.
func (p *serialPort) Close() error {
	return errors.Join(p.Port.Close(), p.lock.Close())
}
