package line

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tarm/serial"
)

// plugged runs a line on a real pty.
func plugged(t *testing.T) *Line {
	t.Helper()
	return pluggedInto(t, NewWire("rs485-a", Format{Baud: 19200}, 1, parrot{}, NewLog(0)))
}

func pluggedInto(t *testing.T, w *Wire) *Line {
	t.Helper()
	l, err := Open(w, t.TempDir(), "rs485-a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v; want it canceled", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// host opens a port the way the gateway does.
func host(t *testing.T, path string) *serial.Port {
	t.Helper()
	p, err := serial.OpenPort(&serial.Config{Name: path, Baud: 19200, ReadTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// ask writes and reads back until n bytes came or two seconds passed.
func ask(t *testing.T, p io.ReadWriter, request string, n int) string {
	t.Helper()
	if _, err := p.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for end := time.Now().Add(2 * time.Second); len(got) < n && time.Now().Before(end); {
		buf := make([]byte, n)
		m, _ := p.Read(buf)
		got = append(got, buf[:m]...)
	}
	return string(got)
}

func TestPTYCarriesEveryByte(t *testing.T) {
	l := plugged(t)
	p := host(t, l.Port().Path)
	every := make([]byte, 128) // with CR, LF, XON, XOFF, INTR, EOF and DEL
	for i := range every {
		every[i] = byte(i)
	}
	start := time.Now()
	if got := ask(t, p, string(every), 256); got != string(every)+string(every) {
		t.Errorf("answer % x; want all bytes unchanged, twice", got)
	}
	if took, least := time.Since(start), l.Time(3*128); took < least {
		t.Errorf("384 bytes took %v; at 19200 baud they take %v", took, least)
	}
}

func TestUnplugAndReplug(t *testing.T) {
	l := plugged(t)
	before := l.Port()
	old := host(t, before.Path)
	if got := ask(t, old, "ab", 4); got != "abab" {
		t.Fatalf("answer %q; want abab", got)
	}
	if err := l.Unplug(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(before.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link is still there: %v", err)
	}
	if _, err := old.Write([]byte("x")); err == nil {
		t.Error("an unplugged port still takes bytes")
	}
	if p := l.Port(); p.Plugged || p.Device != "" {
		t.Errorf("Port() = %+v; want it unplugged", p)
	}
	if err := l.Unplug(); !errors.Is(err, ErrUnplugged) {
		t.Errorf("second Unplug = %v; want ErrUnplugged", err)
	}
	_ = old.Close() // frees the old number: the new port must differ all the same
	if err := l.Replug("rs485-a-1"); err != nil {
		t.Fatal(err)
	}
	after := l.Port()
	if after.Device == before.Device || after.Link != "rs485-a-1" || !after.Plugged {
		t.Errorf("Port() = %+v; want another device than %s behind rs485-a-1", after, before.Device)
	}
	if got := ask(t, host(t, after.Path), "cd", 4); got != "cdcd" {
		t.Errorf("answer after replugging %q; want cdcd", got)
	}
	if err := l.Replug(""); !errors.Is(err, ErrPlugged) {
		t.Errorf("Replug while plugged = %v; want ErrPlugged", err)
	}
}

func TestReplugRefuses(t *testing.T) {
	l := plugged(t)
	if err := l.Unplug(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(l.Port().Path), "mine")
	if err := os.WriteFile(file, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]error{"../x": ErrLink, "a/b": ErrLink, ".hidden": ErrLink, "a b": ErrLink, "mine": os.ErrExist} {
		if err := l.Replug(link); !errors.Is(err, want) {
			t.Errorf("Replug(%q) = %v; want %v", link, err, want)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "keep" {
		t.Errorf("a file was touched: %q, %v", b, err)
	}
	if err := l.Replug(""); err != nil || l.Port().Link != "rs485-a" {
		t.Errorf("Replug(\"\") = %v, link %s; want the old link", err, l.Port().Link)
	}
}

// A host that sets its port to another speed is not understood, and the log names both.
func TestWrongBaudOnARealPort(t *testing.T) {
	log := NewLog(0)
	l := pluggedInto(t, NewWire("rs485-a", Format{Baud: 19200}, 1, parrot{}, log))
	for _, tt := range []struct {
		baud int
		want string
	}{{9600, "host speaks 9600 8N1, line is 19200 8N1"}, {38400, "host speaks 38400 8N1, line is 19200 8N1"}, {19200, ""}} {
		p, err := serial.OpenPort(&serial.Config{Name: l.Port().Path, Baud: tt.baud, ReadTimeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		before := log.After("", 0, 0)
		last := uint64(0)
		if len(before) > 0 {
			last = before[len(before)-1].ID
		}
		if _, err := p.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		got := ""
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
			buf := make([]byte, 100)
			n, _ := p.Read(buf)
			got += string(buf[:n])
		}
		if understood := got == "hellohello"; understood != (tt.want == "") {
			t.Errorf("at %d baud the answer is %q", tt.baud, got)
		}
		if e := log.After("", last, 0); tt.want != "" && (len(e) == 0 || !strings.HasPrefix(e[0].Meaning.EN, tt.want)) {
			t.Errorf("at %d baud the log says %+v; want %s", tt.baud, e, tt.want)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestEchoOnARealPort(t *testing.T) {
	l := plugged(t)
	l.SetFaults(Faults{Echo: true})
	if got := ask(t, host(t, l.Port().Path), "ab", 6); got != "ababab" {
		t.Errorf("%q; want the echo and the answer", got)
	}
}
