// Package building simulates the devices of a whole building: banks of compartments, gas meters and the doors of
// facilities, on serial lines and TCP ports, as a YAML file describes them.
//
// A gateway opens the lines as it would open real ports. People, tests and tours look at the building and touch it
// through Handler: a page and a small JSON API. What physically happened is counted and is never told to the gateway
// by another way than the wire.
package building

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
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
	lines   []*wired // in the order of the file
	banks   []*bank
	meters  []*meter
	doors   []*door
	begun   time.Time
	viewers chan struct{} // one token for each page that is kept live

	touching sync.Mutex // held through a touch: what is wrong is read, changed and set
	done     []Done     // the last touches, oldest first
	forgot   int        // touches before them
}

// wired is a line with its description.
type wired struct {
	cfg Line
	*line.Line
}

// assemble builds the devices of cfg, which Load has checked, with those that hang on each line.
func assemble(cfg Config) (b *Building, banks map[string]chained, slaves map[string][]modbus.Slave) {
	b = &Building{cfg: cfg, log: line.NewLog(logged), begun: time.Now(), viewers: make(chan struct{}, maxViewers)}
	banks, slaves = map[string]chained{}, map[string][]modbus.Slave{}
	supplies := map[string]*kerong.Supply{}
	for i, c := range cfg.Banks {
		name := cmp.Or(c.Supply, "bank "+c.Name)
		if supplies[name] == nil {
			supplies[name] = kerong.NewSupply(cfg.Seed + uint64(i))
		}
		k := c.build(cfg.on(c.Line), supplies[name])
		b.banks, banks[c.Line] = append(b.banks, k), append(banks[c.Line], k)
	}
	devices := map[string]*modbus.Meter{}
	for _, g := range cfg.Meters {
		meters, devices := g.build(cfg.Seed, devices)
		b.meters, slaves[g.Line] = append(b.meters, meters...), append(slaves[g.Line], devices...)
	}
	modules := map[string]*modbus.Relay{}
	for _, g := range cfg.Doors {
		doors, devices := g.build(cfg.Seed, modules)
		b.doors, slaves[g.Line] = append(b.doors, doors...), append(slaves[g.Line], devices...)
	}
	return b, banks, slaves
}

// Open builds cfg, which Load has checked, and plugs its lines in: each is a symlink in dir, which must exist, to a
// pseudo-terminal, or a TCP port. Close it when Run has returned.
func Open(cfg Config, dir string) (*Building, error) {
	return open(cfg, func(w *line.Wire, l Line) (*line.Line, error) {
		if l.TCP != "" {
			return line.Listen(w, l.TCP)
		}
		return line.Open(w, dir, l.Name)
	})
}

// outlet plugs a wire in.
type outlet func(w *line.Wire, l Line) (*line.Line, error)

func open(cfg Config, plug outlet) (*Building, error) {
	b, banks, slaves := assemble(cfg)
	var errs []error
	for _, l := range cfg.Lines {
		if on := banks[l.Name]; on != nil {
			errs = append(errs, b.plugIn(plug, l, on.device(), nil))
			continue
		}
		bus := modbus.NewBus(slaves[l.Name]...)
		errs = append(errs, b.plugIn(plug, l, bus.RTU(), func() line.Device { return bus.TCP() }))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// plugIn opens a line with its device; direct makes that of one connection where devices end it themselves.
func (b *Building) plugIn(plug outlet, cfg Line, serial line.Device, direct func() line.Device) error {
	seed := b.cfg.Seed + uint64(len(b.lines))
	var w *line.Wire
	if cfg.Direct() {
		w = line.NewStream(cfg.Name, seed, direct, b.log)
	} else {
		w = line.NewWire(cfg.Name, cfg.format(), seed, serial, b.log)
	}
	l, err := plug(w, cfg)
	if err == nil {
		b.lines = append(b.lines, &wired{cfg, l})
	}
	return err
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

// Ports returns where each line can be reached now, in the order of the file.
func (b *Building) Ports() []line.Port {
	var out []line.Port
	for _, l := range b.lines {
		out = append(out, l.Port())
	}
	return out
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
