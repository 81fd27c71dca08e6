package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// Some figures need hours of wire time. They are taken in a bubble, where time passes as soon as everybody waits: wires,
// devices, bus and drivers are the real ones, and only the kernel's port is left out. `make test` runs them short.

// record is where a full run wants its figures; empty: this is a test, and runs short.
func record() string { return os.Getenv(figuresTo) }

// sized is a number of a full run, or that of a test.
func sized(full, short int) int {
	if record() == "" {
		return short
	}
	return full
}

// report hands a figure to the run that asked for it, and holds its target.
func report(t *testing.T, f Figure) {
	t.Helper()
	f = of(f)
	t.Logf("%s %.4g %s, ceiling %.4g, ratio %.3f", f.Name, f.Value, f.Unit, f.Ceiling, f.Ratio)
	if f.Target != 0 && f.Value < f.Target || f.Most != 0 && f.Value > f.Most {
		t.Errorf("%s = %.4g %s; want at least %.4g, at most %.4g (0: any)", f.Name, f.Value, f.Unit, f.Target, f.Most)
	}
	path := record()
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.NewEncoder(file).Encode(f), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// cable is a wire in a bubble with the bus at its other end.
type cable struct {
	*bus.Bus
	stop func()
}

// plugged plugs a bus into a wire of the current bubble.
func plugged(t *testing.T, w *line.Wire, cfg bus.Config) cable {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	deps := bus.Deps{Log: slog.New(slog.DiscardHandler), Open: func(string, bus.Config) (io.ReadWriteCloser, error) {
		host, devices := net.Pipe()
		all.Go(func() { _ = w.Serve(ctx, devices); _ = devices.Close() })
		return hostEnd{host}, nil
	}}
	cfg.Ports = []string{"pipe"}
	b := bus.New(cfg, deps)
	all.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(time.Second) // until it is open
	return cable{b, func() { cancel(); all.Wait() }}
}

// hostEnd reads like a serial port: nothing is nothing yet.
type hostEnd struct{ net.Conn }

func (h hostEnd) Read(b []byte) (int, error) {
	if err := h.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return 0, err
	}
	return h.Conn.Read(b)
}
