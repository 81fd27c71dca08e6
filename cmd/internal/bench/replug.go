package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
	sim "github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// backWithin is how soon a line must be in service again.
const backWithin = 3 * time.Second

// replugs are adapters that were pulled and put back under another name.
type replugs struct {
	back               []time.Duration // from being put back to the first good reading
	descriptors, loops int             // left behind
}

func (r replugs) figure() Figure {
	return of(Figure{
		Name: "replug", Value: millis(percentile(r.back, 100)), Unit: "ms", Ceiling: millis(percentile(r.back, 50)), Most: millis(backWithin),
		How: fmt.Sprintf("slowest of %d: a real pty hangs up and comes back under another name, until the first good reading by driver and bus; %d descriptors and %d goroutines left behind",
			len(r.back), r.descriptors, r.loops),
		Bare: "the median of the same",
	})
}

// measureReplugs pulls and puts back several lines at once, and counts what is left behind.
func measureReplugs(ctx context.Context, dir string, s sizes, log *slog.Logger) (r replugs, err error) {
	dir = filepath.Join(dir, "replug")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	descriptors, loops, err := held()
	if err != nil {
		return r, err
	}
	var mu sync.Mutex
	group, inner := errgroup.WithContext(ctx)
	for n := range s.plugs {
		group.Go(func() error {
			back, err := replugOne(inner, dir, n, s, log)
			mu.Lock()
			defer mu.Unlock()
			r.back = append(r.back, back...)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return r, err
	}
	after, left, err := held()
	r.descriptors, r.loops = after-descriptors, left-loops
	return r, err
}

// held counts this process's descriptors and goroutines.
func held() (descriptors, loops int, err error) {
	open, err := os.ReadDir("/proc/self/fd")
	return len(open), runtime.NumGoroutine(), err
}

// replugOne pulls one adapter again and again.
func replugOne(ctx context.Context, dir string, n int, s sizes, log *slog.Logger) (back []time.Duration, err error) {
	name := fmt.Sprintf("adapter%d", n)
	meter := sim.NewMeter(sim.MeterConfig{Name: name, Unit: 1, Serial: "10000001", Litres: 1, PerCount: 1, Use: sim.Vacant})
	port, err := line.Open(line.NewWire(name, line.Format{Baud: 19200}, 1, sim.NewBus(meter).RTU(), line.NewLog(1)), dir, name+"-0")
	if err != nil {
		return nil, err
	}
	host := bus.New(bus.Config{Name: name, Ports: []string{filepath.Join(dir, name+"-*")}}, bus.Deps{Log: log})
	stop := start(ctx, port.Run, host.Run)
	defer func() { err = errors.Join(err, stop(), port.Close()) }()
	profile, err := modbus.ParseProfile("total", []byte(shortRead))
	if err != nil {
		return nil, err
	}
	m, err := modbus.NewMeter(host, modbus.MeterConfig{Device: "meter/" + name, Address: 1, Profile: profile})
	if err != nil {
		return nil, err
	}
	again := func() error { _, err := m.Read(ctx); return err }
	if err := tillRight(ctx, again); err != nil {
		return nil, err
	}
	for turn := range s.replugs {
		if err := port.Unplug(); err != nil {
			return back, err
		}
		if err := rest(ctx, s.pause); err != nil { // somebody holds it in the hand
			return back, err
		}
		if err := port.Replug(fmt.Sprintf("%s-%d", name, turn+1)); err != nil {
			return back, err
		}
		began := time.Now()
		if err := tillRight(ctx, again); err != nil {
			return back, err
		}
		back = append(back, time.Since(began))
	}
	return back, nil
}
