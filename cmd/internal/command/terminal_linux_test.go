package command

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What was typed ahead on a terminal is gone after a flush, and other input has nothing to drop.
func TestDropTyped(t *testing.T) {
	if dropTyped(strings.NewReader("")) != nil {
		t.Error("text has a terminal")
	}
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if dropTyped(pipe) != nil {
		t.Error("a pipe has a terminal")
	}
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	drop := dropTyped(tty)
	if drop == nil {
		t.Fatal("a terminal is none")
	}
	fmt.Fprint(keys, "too early\n")
	drop()
	fmt.Fprint(keys, "in time\n")
	if got, err := bufio.NewReader(tty).ReadString('\n'); got != "in time\n" || err != nil {
		t.Errorf("read %q, %v; want what was typed after the flush", got, err)
	}
}
