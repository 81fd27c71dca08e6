package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	sim "github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
)

// firstBoard is how many locks hang on board 0; board 1 has the rest.
const firstBoard = 8

// twoBanks describes two equal banks, each of two boards on a line of its own: A for the service, B for the bare path.
func twoBanks(doors int) string {
	var cells []string
	for n := range doors {
		cells = append(cells, fmt.Sprintf("%d S", n+1))
	}
	text := "name: bench\nseed: 1\nlines: [{name: rs485-A}, {name: rs485-B}]\nbanks:\n"
	for _, bank := range []string{"A", "B"} {
		text += fmt.Sprintf("  - name: %s\n    line: rs485-%s\n    closed_bit: 1\n    item_sensors: true\n", bank, bank)
		text += fmt.Sprintf("    boards: [{address: 0, locks: %d}, {address: 1, locks: %d}]\n", firstBoard, doors-firstBoard)
		text += fmt.Sprintf("    columns: [[%s]]\n", strings.Join(cells, ", "))
	}
	return text
}

// openBuilding plugs in what text describes, on ptys linked in dir, a folder that it makes.
func openBuilding(dir, text string) (*building.Building, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	cfg, err := building.Parse("bench", []byte(text))
	if err != nil {
		return nil, err
	}
	return building.Open(cfg, dir)
}

// bank is one bank with its line, as the gateway drives it, and its boards at the other end of the wire.
type bank struct {
	*kerong.Bank
	bus    *bus.Bus
	boards *sim.Chain
	wiring []kerong.Place
	tap    *tap
}

func newBank(b *building.Building, dir, name string, doors int, log *slog.Logger) (*bank, error) {
	k := &bank{tap: &tap{}}
	var err error
	if k.boards, err = b.Chain(name); err != nil {
		return nil, err
	}
	for n := range doors {
		k.wiring = append(k.wiring, kerong.Place{Board: n / firstBoard, Lock: n % firstBoard})
	}
	line := "rs485-" + name
	k.bus = bus.New(bus.Config{Name: line, Ports: []string{filepath.Join(dir, line)}}, bus.Deps{Log: log, Observe: k.tap.see})
	k.Bank, err = kerong.New(k.bus, kerong.Config{Name: "locker/" + name, Wiring: k.wiring, ClosedBit: kerong.ClosedIs1, Sensors: true})
	return k, err
}

// expect gives a channel that gets the moment at which the port has taken the unlock frame of a lock.
func (k *bank) expect(lock int) <-chan time.Time {
	p := k.wiring[lock-1]
	unlock := kerong.AppendUnlock(nil, p.Board, p.Lock)
	return k.tap.expect(func(frame []byte) bool { return bytes.Equal(frame, unlock) })
}

// shut closes a door as a hand does.
func (k *bank) shut(lock int) error { return k.boards.CloseDoor(lock) }

// ready waits until every board answers.
func (k *bank) ready(ctx context.Context) error {
	return tillRight(ctx, func() error {
		st, err := k.Status(ctx)
		return errors.Join(err, st.Err)
	})
}

// tillRight tries until nothing is wrong.
func tillRight(ctx context.Context, try func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// poll reads every board once a second until ctx ends, as the service does with its own.
func (k *bank) poll(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, err := k.Status(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// tap waits for a frame on a line.
type tap struct {
	mu   sync.Mutex
	want func(frame []byte) bool
	got  chan time.Time // capacity 1
}

// expect gives a channel that gets the moment at which the port has taken a frame that is wanted.
func (t *tap) expect(want func(frame []byte) bool) <-chan time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.want, t.got = want, make(chan time.Time, 1)
	return t.got
}

func (t *tap) see(_ time.Time, dir bus.Dir, b []byte) {
	now := time.Now() // the port has taken all of b
	t.mu.Lock()
	defer t.mu.Unlock()
	if dir == bus.Out && t.want != nil && t.want(b) {
		t.got <- now
		t.want = nil
	}
}
