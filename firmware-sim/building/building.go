// Package building simulates the devices of a whole building: banks of compartments, gas meters and the doors of
// facilities, on serial lines and TCP ports, as a YAML file describes them.
//
// A gateway opens the lines as it would open real ports. People, tests and tours look at the building and touch it
// through Handler: a page and a small JSON API. What physically happened is counted and is never told to the gateway
// by another way than the wire.
package building

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// logged is how many frames of all lines together are kept.
const logged = 5000

// ErrNotFound is a bank, meter, door or line that the building does not have.
var ErrNotFound = errors.New("not in this building")

// Building is a building with its lines plugged in. It is safe for concurrent use.
type Building struct {
	cfg     Config
	log     *line.Log
	lines   []*wired // those of the banks, of the meters, of the doors, each in the order of the file
	banks   []*bank
	meters  []*meter
	doors   []*door
	viewers chan struct{} // one token for each page that is kept live
}

// wired is a line with its description.
type wired struct {
	cfg Line
	*line.Line
}

type bank struct {
	Bank
	cells [][]cell
	sizes map[int]Size
	chain *kerong.Chain
}

// Open builds cfg, which Load has checked, and plugs its lines in: each is a symlink in dir, which must exist, to a
// pseudo-terminal, or a TCP port. Close it when Run has returned.
func Open(cfg Config, dir string) (*Building, error) {
	b := &Building{cfg: cfg, log: line.NewLog(logged), viewers: make(chan struct{}, maxViewers)}
	var errs []error
	for _, c := range cfg.Banks {
		k := c.build()
		b.banks = append(b.banks, k)
		errs = append(errs, b.plugIn(dir, c.Line, k.chain, nil))
	}
	for _, c := range cfg.Meters {
		var bus *modbus.Bus
		b.meters, bus = c.build(cfg.Seed, b.meters)
		errs = append(errs, b.plugIn(dir, c.Line, bus.RTU(), func() line.Device { return bus.TCP() }))
	}
	for _, c := range cfg.Doors {
		var bus *modbus.Bus
		b.doors, bus = c.build(cfg.Seed, b.doors)
		errs = append(errs, b.plugIn(dir, c.Line, bus.RTU(), func() line.Device { return bus.TCP() }))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// plugIn opens a line with its device, which on TCP is a new one for each connection.
func (b *Building) plugIn(dir string, cfg Line, serial line.Device, stream func() line.Device) (err error) {
	seed := b.cfg.Seed + uint64(len(b.lines))
	w := &wired{cfg: cfg}
	if cfg.TCP != "" {
		w.Line, err = line.Listen(line.NewStream(cfg.Name, seed, stream, b.log), cfg.TCP)
	} else {
		w.Line, err = line.Open(line.NewWire(cfg.Name, line.Format{Baud: cfg.Baud}, seed, serial, b.log), dir, cfg.Name)
	}
	if err == nil {
		b.lines = append(b.lines, w)
	}
	return err
}

func (b Bank) build() *bank {
	k := &bank{Bank: b, cells: b.front(), sizes: map[int]Size{}, chain: kerong.New(b.chain())}
	for _, column := range k.cells {
		for _, cell := range column {
			k.sizes[cell.Lock] = cell.Size
		}
	}
	return k
}

func (b Bank) chain() kerong.Config {
	cfg := kerong.Config{
		ClosedBit: *b.ClosedBit, ItemSensors: b.ItemSensors, Pulse: b.Pulse,
		AnswersUnlock: b.AnswersUnlock, IgnoresSum: b.IgnoresSum, BusySilent: b.BusySilent,
	}
	for _, board := range b.Boards {
		cfg.Boards = append(cfg.Boards, kerong.Board(board))
	}
	return cfg
}

// Run serves every line until ctx ends and returns nil then.
func (b *Building) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range b.lines {
		g.Go(func() error { return l.Run(ctx) })
	}
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

// Close unplugs every line.
func (b *Building) Close() error {
	var errs []error
	for _, l := range b.lines {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Ports returns where each line can be reached now: those of the banks, of the meters, of the doors.
func (b *Building) Ports() []line.Port {
	var out []line.Port
	for _, l := range b.lines {
		out = append(out, l.Port())
	}
	return out
}

// Chain returns the boards of a bank: the oracle of a test in the same process.
func (b *Building) Chain(name string) (*kerong.Chain, error) {
	for _, k := range b.banks {
		if k.Name == name {
			return k.chain, nil
		}
	}
	return nil, fmt.Errorf("bank %q: %w", name, ErrNotFound)
}

// Line returns a line by its name in the file.
func (b *Building) Line(name string) (*line.Line, error) {
	for _, l := range b.lines {
		if l.cfg.Name == name {
			return l.Line, nil
		}
	}
	return nil, fmt.Errorf("line %q: %w", name, ErrNotFound)
}

// Wire returns what went over the lines.
func (b *Building) Wire() *line.Log { return b.log }

// busyPercent is the use of a line over the last ten seconds, in tenths of a percent.
func busyPercent(l *line.Line) float64 {
	return float64(int(l.Busy(time.Now())*1000+0.5)) / 10
}
