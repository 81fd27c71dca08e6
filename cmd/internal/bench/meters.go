package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway/metering"
	"github.com/ntpc-smart-community/lobby/gateway/store"
)

// The line of the meters.
const (
	meterBaud  = 9600
	turnaround = 5 * time.Millisecond
	character  = 10 * time.Second / meterBaud // start, eight bits, stop: as the simulated wire counts
	silence    = 35 * character / 10          // that RTU demands before a request
	allMeters  = 32
	noPause    = time.Millisecond // from sweep to sweep: a new one begins as soon as the last is committed
)

// meterLine is a line of gas meters with the service that reads them into a store, wired as the gateway does it.
type meterLine struct {
	building *building.Building
	bus      *bus.Bus
	first    drivers.Meter
	service  *metering.Service
	sweeps   *sweeps
}

// openMeters plugs in a line of n meters below dir, which are to be swept every so often.
func openMeters(dir string, n int, every time.Duration, st *store.Store, log *slog.Logger) (m *meterLine, err error) {
	const line = "meters"
	dir = filepath.Join(dir, "meters")
	text := fmt.Sprintf("name: bench\nseed: 1\nlines: [{name: %s, baud: %d}]\nmeters:\n  - line: %s\n    turnaround: %v\n    meters:\n", line, meterBaud, line, turnaround)
	config := metering.Config{Every: every}
	for i := range n {
		one := metering.Meter{ID: fmt.Sprintf("m-%d", i+1), Line: line, Serial: fmt.Sprint(10000001 + i)}
		text += fmt.Sprintf("      - {id: %s, address: %d, serial: %q, litres: %d, per_count: 1}\n", one.ID, i+1, one.Serial, 1_000_000+i)
		config.Meters = append(config.Meters, one)
	}
	m = &meterLine{sweeps: &sweeps{}}
	if m.building, err = openBuilding(dir, text); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.building.Close())
		}
	}()
	m.bus = bus.New(bus.Config{Name: line, Ports: []string{filepath.Join(dir, line)}, Baud: meterBaud}, bus.Deps{Log: log, Observe: m.sweeps.see})
	meters := map[string]drivers.Meter{}
	profile, err := modbus.Shipped("g4")
	for i, one := range config.Meters {
		var meter drivers.Meter
		if err == nil {
			meter, err = modbus.NewMeter(m.bus, modbus.MeterConfig{Device: "meter/" + one.ID, Address: i + 1, Profile: profile})
		}
		meters[one.ID] = meter
	}
	if err != nil {
		return nil, err
	}
	m.first = meters[config.Meters[0].ID]
	m.service, err = metering.New(metering.Deps{Store: st, Clock: judged(st), Meters: meters, Log: log}, config)
	return m, err
}

// withMeters reads n meters into a store without a pause until stop; none if n is 0.
func withMeters(ctx context.Context, dir string, n int, st *store.Store, log *slog.Logger) (stop func() error, err error) {
	if n == 0 {
		return func() error { return nil }, nil
	}
	m, err := openMeters(dir, n, noPause, st, log)
	if err != nil {
		return nil, err
	}
	return m.start(ctx)
}

// metered is the name of a figure that is taken while n meters are read.
func metered(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + "+metering"
}

// start has the meters read, from when the line answers until stop; stop unplugs the line.
func (m *meterLine) start(ctx context.Context) (stop func() error, err error) {
	line := start(ctx, m.building.Run, m.bus.Run)
	err = tillRight(ctx, func() error {
		_, err := m.first.Read(ctx)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, line(), m.building.Close())
	}
	m.sweeps.forget()
	service := start(ctx, m.service.Run)
	return func() error { return errors.Join(service(), line(), m.building.Close()) }, nil
}

// sweep is what passed over the line during one round over all meters.
type sweep struct {
	began, ended time.Time // first byte out, last byte in
	requests     int
	characters   int           // both ways
	between      time.Duration // from each answer's last byte to the next request's first
}

// took is how long the line was in use by the sweep.
func (s sweep) took() time.Duration { return s.ended.Sub(s.began) }

// least is how long it must take: every character, each meter's turnaround, and the silence between an answer and the
// next request.
func (s sweep) least() time.Duration {
	return time.Duration(s.characters)*character + time.Duration(s.requests)*turnaround + time.Duration(s.requests-1)*silence
}

// sweeps sees what passes over the line. A request to the first meter begins a sweep.
type sweeps struct {
	mu  sync.Mutex
	all []sweep
}

func (s *sweeps) see(at time.Time, dir bus.Dir, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir == bus.Out && b[0] == 1 {
		s.all = append(s.all, sweep{began: at})
	}
	if len(s.all) == 0 {
		return
	}
	now := &s.all[len(s.all)-1]
	now.characters += len(b)
	if dir == bus.Out {
		if now.requests > 0 {
			now.between += at.Sub(now.ended)
		}
		now.requests++
	} else {
		now.ended = at
	}
}

func (s *sweeps) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = nil
}

// done are the sweeps that are over and committed: all but the newest.
func (s *sweeps) done() []sweep {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all[:max(len(s.all), 1)-1])
}
