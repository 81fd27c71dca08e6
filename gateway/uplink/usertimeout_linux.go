package uplink

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// userTimeout lets the kernel give up a connection whose bytes nobody acknowledges; else it tries for 15 minutes.
func userTimeout(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout.Milliseconds()))
	})
	return errors.Join(err, set)
}
