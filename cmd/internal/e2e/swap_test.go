package e2e

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
)

const twoBanks = `name: two banks and two doors
seed: 1
lines:
  - {name: bank-a, baud: 19200}
  - {name: bank-b, baud: 19200}
  - {name: door-x, baud: 9600}
  - {name: door-y, baud: 9600}
banks:
  - {name: A, line: bank-a, protocol: kerong-a, closed_bit: 1, boards: [{address: 0, locks: 2}], columns: [[1 S, 2 S]]}
  - {name: B, line: bank-b, protocol: kerong-a, closed_bit: 1, boards: [{address: 1, locks: 2}], columns: [[1 S, 2 S]]}
doors:
  - {line: door-x, doors: [{id: x, name: X, address: 1, output: 0, contact: 0, open_is: 1, exit: 1}]}
  - {line: door-y, doors: [{id: y, name: Y, address: 2, output: 0, contact: 0, open_is: 1, exit: 1}]}
`

// cupboard is a building whose four cables end at sockets, with the drivers of what should be there.
type cupboard struct {
	t     *testing.T
	dir   string
	sim   *building.Building
	buses []*bus.Bus
	banks [2]*kerong.Bank
	doors [2]*modbus.Door
}

var cables = []string{"bank-a", "bank-b", "door-x", "door-y"}

func newCupboard(t *testing.T) *cupboard {
	t.Helper()
	cfg, err := building.Parse("two.yaml", []byte(twoBanks))
	if err != nil {
		t.Fatal(err)
	}
	c := &cupboard{t: t, dir: t.TempDir()}
	if c.sim, err = building.Open(cfg, c.dir); err != nil {
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(t.Context())
	ctx, cancel := context.WithCancel(ctx)
	group.Go(func() error { return c.sim.Run(ctx) })
	for i, cable := range cables {
		c.connect(cable, cable)
		b := bus.New(bus.Config{Name: cable, Ports: []string{c.socket(cable)}, Baud: cfg.Lines[i].Baud, Lateness: 200 * time.Millisecond}, bus.Deps{Log: slog.New(slog.DiscardHandler)})
		c.buses = append(c.buses, b)
		group.Go(func() error { return b.Run(ctx) })
	}
	zero := 0
	for i := range 2 {
		c.banks[i], err = kerong.New(c.buses[i], kerong.Config{Name: "locker/" + cables[i], Wiring: []kerong.Place{{Board: i, Lock: 0}, {Board: i, Lock: 1}}, ClosedBit: kerong.ClosedIs1})
		if err != nil {
			t.Fatal(err)
		}
		c.doors[i], err = modbus.NewDoor(c.buses[2+i], modbus.DoorConfig{Device: "door/" + cables[2+i], Address: 1 + i, Flash: true, Contact: &zero, OpenIs: 1, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(group.Wait(), c.sim.Close()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *cupboard) socket(name string) string { return filepath.Join(c.dir, "socket-"+name) }

// connect plugs a cable into a socket.
func (c *cupboard) connect(socket, cable string) {
	c.t.Helper()
	next := c.socket(socket) + ".new"
	if err := errors.Join(os.Symlink(filepath.Join(c.dir, cable), next), os.Rename(next, c.socket(socket))); err != nil {
		c.t.Fatal(err)
	}
}

// recable pulls all cables, puts them into these sockets, and waits until every port is open again.
func (c *cupboard) recable(into map[string]string) {
	c.t.Helper()
	var before []uint64
	for i, cable := range cables {
		before = append(before, c.buses[i].Stats().Opens)
		if err := c.sim.TouchLine(cable, "unplug", building.Options{}); err != nil {
			c.t.Fatal(err)
		}
	}
	for i := range c.buses {
		c.until("the port is gone", func() bool { return !c.buses[i].Stats().Open })
	}
	for _, cable := range cables {
		c.connect(into[cable], cable)
		if err := c.sim.TouchLine(cable, "replug", building.Options{}); err != nil {
			c.t.Fatal(err)
		}
	}
	for i := range c.buses {
		c.until("the port is open", func() bool { s := c.buses[i].Stats(); return s.Open && s.Opens > before[i] })
	}
}

func (c *cupboard) until(what string, done func() bool) {
	c.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			c.t.Fatalf("waited for: %s", what)
		}
	}
}

// opened counts what physically opened or was released.
func (c *cupboard) opened() (n uint64) {
	s := c.sim.State()
	for _, b := range s.Banks {
		n += b.Pulses
	}
	for _, d := range s.Doors {
		n += d.Counts.Releases
	}
	return n
}

// answering reads everything once.
func (c *cupboard) answering() bool {
	for i := range 2 {
		if s, err := c.banks[i].Status(c.t.Context()); err != nil || s.Err != nil {
			return false
		}
		if _, err := c.doors[i].Status(c.t.Context()); err != nil {
			return false
		}
	}
	return true
}

// open tries to open one door of each bank and to release both doors, and returns what came of it.
func (c *cupboard) open() (errs []error) {
	for i := range 2 {
		_, err := c.banks[i].Unlock(c.t.Context(), 1, time.Time{})
		_, released := c.doors[i].Release(c.t.Context(), 500*time.Millisecond, time.Time{})
		errs = append(errs, err, released)
	}
	return errs
}

// Two cables put back the wrong way round open nothing, at lockers and at doors; put right, all of it opens. // invariant 5
func TestSwappedCablesOpenNothing(t *testing.T) {
	c := newCupboard(t)
	c.until("all answer", c.answering)
	c.recable(map[string]string{"bank-a": "bank-b", "bank-b": "bank-a", "door-x": "door-y", "door-y": "door-x"})
	for range 2 {
		for i, err := range c.open() {
			if err == nil {
				t.Errorf("attempt %d on swapped cables has no error", i)
			}
		}
		c.answering() // as the services poll
	}
	if n := c.opened(); n != 0 {
		t.Fatalf("swapped cables opened %d doors", n)
	}
	c.recable(map[string]string{"bank-a": "bank-a", "bank-b": "bank-b", "door-x": "door-x", "door-y": "door-y"})
	c.until("all answer again", c.answering)
	for i, err := range c.open() {
		if err != nil {
			t.Errorf("attempt %d with all put right: %v", i, err)
		}
	}
	if n := c.opened(); n != 4 {
		t.Errorf("%d doors opened; want 4", n)
	}
}
