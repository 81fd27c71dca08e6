package command

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// dropTyped drops what was typed ahead of a question, if in is a terminal.
func dropTyped(in io.Reader) func() {
	f, ok := in.(*os.File)
	if !ok {
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return nil
	}
	return func() { _ = unix.IoctlSetInt(int(f.Fd()), unix.TCFLSH, unix.TCIFLUSH) } // without it an Enter too many counts
}
