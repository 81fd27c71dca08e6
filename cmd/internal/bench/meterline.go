package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	client "github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
	sim "github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// shortRead is the map of a meter of which two registers are read: the shortest useful exchange, in which whatever is
// lost between frames weighs most.
const shortRead = `vendor: Lobby
model: total alone
sources: [docs/modbus.md 7]
status: simulated
base: 0
quantity: actual
registers:
  - {name: total, function: 3, address: 0, type: uint32, order: ABCD, scale: 1}
`

// shortChars are the characters of one such exchange: 8 ask, 9 answer.
const shortChars = 8 + 9

// pace is how many readings a full line carries.
type pace struct {
	meters      int
	ours, usual tally
}

// least is how long a line needs for n readings: characters, turnaround, and the silence before each request.
func (p pace) least(n int) time.Duration {
	return time.Duration(n) * (shortChars*character + turnaround + silence)
}

func (p pace) figure() Figure {
	ceiling := 60 * tally{p.ours.n, p.least(p.ours.n)}.rate()
	return of(Figure{
		Name: "meter-line", Value: 60 * p.ours.rate(), Unit: "readings/min", Ceiling: ceiling, Target: 0.95 * ceiling,
		How: fmt.Sprintf("%d meters, two registers each, on one line of %d baud, a real pty, by driver and bus, one after the other without a pause: %d readings",
			p.meters, meterBaud, p.ours.n),
		Bare: fmt.Sprintf("arithmetic: %d characters of %v, %v turnaround and %v silence a reading; the usual RTU client (goburrow's own port) reached %.0f in the same run",
			shortChars, character, turnaround, silence, 60*p.usual.rate()),
	})
}

// measurePace reads a line as fast as it goes, then once more by the usual client.
func measurePace(ctx context.Context, dir string, s sizes, log *slog.Logger) (p pace, err error) {
	dir = filepath.Join(dir, "meter-line")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return p, err
	}
	p.meters = s.meters
	var slaves []sim.Slave
	for i := range s.meters {
		slaves = append(slaves, sim.NewMeter(sim.MeterConfig{
			Name: fmt.Sprint(i), Unit: i + 1, Serial: fmt.Sprint(10000001 + i), Litres: int64(1_000_000 + i), PerCount: 1, Use: sim.Vacant,
		}))
	}
	port, err := line.Open(line.NewWire("meters", line.Format{Baud: meterBaud}, 1, sim.NewBus(slaves...).RTU(), line.NewLog(1)), dir, "meters")
	if err != nil {
		return p, err
	}
	stop := start(ctx, port.Run)
	defer func() { err = errors.Join(err, stop(), port.Close()) }()
	path := filepath.Join(dir, "meters")
	if p.ours, err = readOurs(ctx, path, s, log); err != nil {
		return p, err
	}
	p.usual, err = readUsual(path, s)
	return p, err
}

// readOurs reads every meter so many times by driver and bus.
func readOurs(ctx context.Context, path string, s sizes, log *slog.Logger) (t tally, err error) {
	profile, err := modbus.ParseProfile("total", []byte(shortRead))
	if err != nil {
		return t, err
	}
	b := bus.New(bus.Config{Name: "meters", Ports: []string{path}, Baud: meterBaud}, bus.Deps{Log: log})
	stop := start(ctx, b.Run)
	defer func() { err = errors.Join(err, stop()) }()
	var meters []*modbus.Meter
	for i := range s.meters {
		m, err := modbus.NewMeter(b, modbus.MeterConfig{Device: fmt.Sprintf("meter/%d", i), Address: i + 1, Profile: profile})
		if err != nil {
			return t, err
		}
		meters = append(meters, m)
	}
	if err := tillRight(ctx, func() error { _, err := meters[0].Read(ctx); return err }); err != nil {
		return t, err
	}
	began := time.Now()
	for range s.rounds {
		for i, m := range meters {
			r, err := m.Read(ctx)
			if err != nil {
				return t, err
			}
			if want := int64(1_000_000 + i); r.Litres != want {
				return t, fmt.Errorf("meter %d reads %d litres; its registers hold %d", i+1, r.Litres, want)
			}
		}
	}
	t.add(s.rounds*s.meters, time.Since(began))
	return t, nil
}

// readUsual reads the same by goburrow's client as it comes, which waits for the whole of an answer's time before it reads.
func readUsual(path string, s sizes) (t tally, err error) {
	h := client.NewRTUClientHandler(path)
	h.BaudRate, h.Parity, h.Timeout, h.IdleTimeout = meterBaud, "N", time.Second, 0
	if err := h.Connect(); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	c := client.NewClient(h)
	began, n := time.Now(), max(s.rounds/4, 1)*s.meters
	for i := range n {
		h.SlaveId = byte(i%s.meters + 1)
		if _, err := c.ReadHoldingRegisters(0, 2); err != nil {
			return t, fmt.Errorf("usual client: %w", err)
		}
	}
	t.add(n, time.Since(began))
	return t, nil
}

// text says what lies between a line's best and what was reached.
func (p pace) text() string {
	if p.ours.n == 0 || p.usual.n == 0 {
		return ""
	}
	each := func(t tally) string { return figure(millis(t.took) / float64(t.n)) }
	return fmt.Sprintf("**A full line**: %s ms a reading of two registers, %s ms by the arithmetic; goburrow's own RTU port takes %s ms, since it sleeps through the time that an answer would take and only then begins to read.",
		each(p.ours), each(tally{p.ours.n, p.least(p.ours.n)}), each(p.usual))
}
