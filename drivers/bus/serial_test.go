package bus

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/internal/pty"
)

// eventually waits until ok holds, for what no channel tells.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in 10s: %s", what)
		}
	}
}

// echoOn answers requests on a pty's master until it is closed.
func echoOn(p *pty.Pair) {
	go func() {
		req := make([]byte, 2)
		for {
			if _, err := io.ReadFull(p.Master, req); err != nil {
				return
			}
			echoNumber(req, p.Master)
		}
	}()
}

func TestSerialUnplugAndReplugUnderAnotherName(t *testing.T) {
	first, second := pty.Open(t), pty.Open(t)
	link := filepath.Join(t.TempDir(), "by-id")
	if err := os.Symlink(first.Path, link); err != nil {
		t.Fatal(err)
	}
	b := New(Config{Name: "pty", Ports: []string{link}}, Deps{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()

	echoOn(first)
	ask := func(n byte) error {
		a, err := b.Do(ctx, Request{Frame: request(n), Match: answered})
		if err == nil && a.Frame[1] != n {
			t.Errorf("Do(%d) took the answer to %d", n, a.Frame[1])
		}
		return err
	}
	for n := range byte(20) {
		if err := ask(n); err != nil {
			t.Fatalf("Do(%d) = %v", n, err)
		}
	}
	first.Unplug()
	eventually(t, "the bus sees the unplugged port", func() bool { return !b.Stats().Open })
	if err := ask(1); !errors.Is(err, drivers.ErrGone) {
		t.Errorf("Do() unplugged = %v; want ErrGone", err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(second.Path, link); err != nil {
		t.Fatal(err)
	}
	echoOn(second)
	eventually(t, "the bus finds the port again", func() bool { return b.Stats().Open })
	if err := ask(2); err != nil {
		t.Errorf("Do() replugged = %v", err)
	}
	if s := b.Stats(); s.Losses != 1 || s.Opens != 2 {
		t.Errorf("losses %d, opens %d; want 1, 2", s.Losses, s.Opens)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run() = %v", err)
	}
}

func TestSerialSilenceIsNotUnplugged(t *testing.T) {
	p := pty.Open(t)
	b := New(Config{Name: "pty", Ports: []string{p.Path}, Lateness: 400 * time.Millisecond}, Deps{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	_, err := b.Do(ctx, Request{Frame: request(1), Match: answered, Timeout: 350 * time.Millisecond})
	if !errors.Is(err, drivers.ErrSilent) {
		t.Errorf("Do() = %v; want ErrSilent", err)
	}
	if s := b.Stats(); !s.Open || s.Opens != 1 {
		t.Errorf("after silence: %+v; want the port open", s)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run() = %v", err)
	}
}

func TestSerialPortIsNotShared(t *testing.T) {
	p := pty.Open(t)
	first, err := OpenSerial(p.Path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSerial(p.Path, Config{}); !errors.Is(err, ErrInUse) {
		t.Errorf("second OpenSerial() = %v; want ErrInUse", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenSerial(p.Path, Config{})
	if err != nil {
		t.Fatalf("OpenSerial() after Close = %v", err)
	}
	again.Close()
	if _, err := OpenSerial(p.Path, Config{Baud: 12345}); err == nil {
		t.Error("OpenSerial(12345 baud) = nil; want an error")
	}
	if _, err := OpenSerial(filepath.Join(t.TempDir(), "none"), Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenSerial(no such path) = %v; want ErrNotExist", err)
	}
}

func TestCandidates(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"usb-B", "usb-A", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Config{Ports: []string{"/dev/fixed", filepath.Join(dir, "usb-*"), filepath.Join(dir, "none*"), "tcp://[::1]:502"}}
	want := []string{"/dev/fixed", filepath.Join(dir, "usb-A"), filepath.Join(dir, "usb-B"), "tcp://[::1]:502"}
	if got := c.candidates(); !slices.Equal(got, want) {
		t.Errorf("candidates() = %v; want %v", got, want)
	}
}

func TestOpenTakesTheFirstThatOpens(t *testing.T) {
	p := pty.Open(t)
	dir := t.TempDir()
	link := filepath.Join(dir, "usb-1")
	if err := os.Symlink(p.Path, link); err != nil {
		t.Fatal(err)
	}
	b := New(Config{Name: "pty", Ports: []string{filepath.Join(dir, "absent"), filepath.Join(dir, "usb-*")}}, Deps{})
	opened, err := b.open()
	if err != nil || opened.name != link {
		t.Fatalf("open() = %v, %v; want %s", opened, err, link)
	}
	opened.close()
	<-opened.ended
	b = New(Config{Name: "pty", Ports: []string{filepath.Join(dir, "none-*")}}, Deps{})
	if _, err := b.open(); !errors.Is(err, drivers.ErrGone) {
		t.Errorf("open(no match) = %v; want ErrGone", err)
	}
}

// descriptors is how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// An adapter that is pulled out and put back under another name, again and again, leaves nothing behind, and each time what
// needs proof waits for it.
func TestReplugLeavesNothingBehind(t *testing.T) {
	const times = 50
	link := filepath.Join(t.TempDir(), "by-id")
	plug := func() *pty.Pair {
		p := pty.Open(t)
		if err := errors.Join(os.Symlink(p.Path, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
		echoOn(p)
		return p
	}
	adapter := plug()
	rec := NewRecorder()
	b := New(Config{Name: "pty", Ports: []string{link}}, Deps{Log: slog.New(slog.DiscardHandler), Recorder: rec})
	runOn(t, b)
	reading := Request{Device: "d", Frame: request('1'), Match: answered, Timeout: 300 * time.Millisecond}
	unlock := Request{Device: "d", Frame: request('1'), Match: answered, Priority: Actuation, Proven: true}
	works := func() {
		t.Helper()
		eventually(t, "the bus finds the port", func() bool { return b.Stats().Open })
		if _, err := b.Do(t.Context(), unlock); !errors.Is(err, drivers.ErrUnproven) {
			t.Errorf("Do(unlock) on a new port = %v; want ErrUnproven", err)
		}
		for _, r := range []Request{reading, unlock} {
			if _, err := b.Do(t.Context(), r); err != nil {
				t.Fatalf("Do() replugged = %v", err)
			}
		}
	}
	works()
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	for range times {
		adapter.Unplug()
		eventually(t, "the bus sees the unplugged port", func() bool { return !b.Stats().Open })
		adapter = plug()
		works()
	}
	eventually(t, "no descriptor or goroutine is left behind", func() bool {
		return descriptors(t) <= files && runtime.NumGoroutine() <= goroutines
	})
	if s := b.Stats(); s.Losses != times || s.Opens != times+1 {
		t.Errorf("losses %d, opens %d; want %d, %d", s.Losses, s.Opens, times, times+1)
	}
	opened := 0
	for _, r := range rec.Records() {
		if r.Kind == PortOpened {
			opened++
		}
	}
	if opened != times+1 {
		t.Errorf("%d openings recorded; want %d", opened, times+1)
	}
}
