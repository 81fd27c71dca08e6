// Package building simulates the devices of a whole building: banks of compartments on serial lines, as a YAML file
// describes them.
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
)

// logged is how many frames of all lines together are kept.
const logged = 5000

// ErrNotFound is a bank or line that the building does not have.
var ErrNotFound = errors.New("not in this building")

// Building is a building with its lines plugged in. It is safe for concurrent use.
type Building struct {
	cfg     Config
	log     *line.Log
	banks   []*bank
	viewers chan struct{} // one token for each page that is kept live
}

type bank struct {
	Bank
	cells [][]cell
	sizes map[int]Size
	chain *kerong.Chain
	line  *line.Line
}

// Open builds cfg, which Load has checked, and plugs its lines in: each is a symlink in dir, which must exist, to a
// pseudo-terminal. Close it when Run has returned.
func Open(cfg Config, dir string) (*Building, error) {
	b := &Building{cfg: cfg, log: line.NewLog(logged), viewers: make(chan struct{}, maxViewers)}
	for i, c := range cfg.Banks {
		k := &bank{Bank: c, cells: c.front(), sizes: map[int]Size{}, chain: kerong.New(c.chain())}
		for _, column := range k.cells {
			for _, cell := range column {
				k.sizes[cell.Lock] = cell.Size
			}
		}
		wire := line.NewWire(c.Line.Name, c.Line.Baud, cfg.Seed+uint64(i), k.chain, b.log)
		l, err := line.Open(wire, dir, c.Line.Name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("bank %s: %w", c.Name, err), b.Close())
		}
		k.line = l
		b.banks = append(b.banks, k)
	}
	return b, nil
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
	for _, k := range b.banks {
		g.Go(func() error { return k.line.Run(ctx) })
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
	for _, k := range b.banks {
		errs = append(errs, k.line.Close())
	}
	return errors.Join(errs...)
}

// Ports returns where each line can be reached now, in the order of the file.
func (b *Building) Ports() []line.Port {
	var out []line.Port
	for _, k := range b.banks {
		out = append(out, k.line.Port())
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
	for _, k := range b.banks {
		if k.Bank.Line.Name == name {
			return k.line, nil
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
