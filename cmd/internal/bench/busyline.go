package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	sim "github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// A busy line: boards of 48 locks, the only kind of which so many fit on one line.
const (
	busyBoards = 32
	deadBoards = 4
	busyLocks  = 48 // of a board
	openFrame  = 6  // characters of the frame that opens
)

// busy is what openings and polls come to on lines that are polled without a pause.
type busy struct {
	lines         int
	waits         []time.Duration // from the call to the frame's last byte
	alone, beside tally           // rounds over the living boards: by themselves, and with the dead ones among them
}

func (b busy) figures() []Figure {
	how := fmt.Sprintf("%d openings on %d lines at once, each of %d baud with %d boards of which %d are dead, polled without a pause: from the call of Unlock to the last byte of its frame by the line's arithmetic",
		len(b.waits), b.lines, meterBaud, busyBoards, deadBoards)
	least := 6*character + 12*character + boardTurn + 2*silence + openFrame*character
	bare := "arithmetic of an idle line: the reading before, two silences, and the frame; half an exchange more is what a busy one costs on the average"
	var all []Figure
	for _, f := range []struct {
		name   string
		p      float64
		target time.Duration
	}{{"unlock-busy-line", 50, 60 * time.Millisecond}, {"unlock-busy-line/p99", 99, 150 * time.Millisecond}} {
		all = append(all, of(Figure{Name: f.name, Value: millis(percentile(b.waits, f.p)), Unit: "ms", Ceiling: millis(least), Most: millis(f.target), How: how, Bare: bare}))
	}
	per := func(t tally) float64 { return millis(t.took) / float64(max(t.n, 1)) }
	return append(all, of(Figure{
		Name: "unlock-busy-line/period", Value: per(b.beside), Unit: "ms", Ceiling: per(b.alone), Most: 1.1 * per(b.alone),
		How:  fmt.Sprintf("mean time from poll to poll of a living board, %d dead ones among %d, without openings: %d rounds", deadBoards, busyBoards, b.beside.n),
		Bare: fmt.Sprintf("the same line with the %d living ones alone: %d rounds", busyBoards-deadBoards, b.alone.n),
	}))
}

// boardTurn is the simulated board's turnaround.
const boardTurn = 5 * time.Millisecond

// measureBusy opens doors on several busy lines at once.
func measureBusy(ctx context.Context, dir string, s sizes, log *slog.Logger) (b busy, err error) {
	dir = filepath.Join(dir, "busy")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return b, err
	}
	b.lines = s.busyLines
	var mu sync.Mutex
	group, inner := errgroup.WithContext(ctx)
	for n := range s.busyLines {
		group.Go(func() error {
			one, err := oneBusy(inner, dir, n, s, log)
			mu.Lock()
			defer mu.Unlock()
			b.waits = append(b.waits, one.waits...)
			b.alone.add(one.alone.n, one.alone.took)
			b.beside.add(one.beside.n, one.beside.took)
			return err
		})
	}
	return b, group.Wait()
}

// oneBusy is one line: the living boards alone, then all, then openings among them.
func oneBusy(ctx context.Context, dir string, n int, s sizes, log *slog.Logger) (b busy, err error) {
	name := fmt.Sprintf("busy-%d", n)
	cfg := sim.Config{Dialect: sim.B, Codes: sim.Codes{Status: 0x60, Open: 0x61, OK: 0x75}, ClosedBit: 1}
	for board := range busyBoards {
		cfg.Boards = append(cfg.Boards, sim.Board{Address: board, Locks: busyLocks})
	}
	chain := sim.New(cfg)
	for board := busyBoards - deadBoards; board < busyBoards; board++ {
		if err := chain.SetBoardFault(board, sim.BoardDead); err != nil {
			return b, err
		}
	}
	port, err := line.Open(line.NewWire(name, line.Format{Baud: meterBaud}, uint64(n), chain, line.NewLog(1)), dir, name)
	if err != nil {
		return b, err
	}
	tap := &tap{}
	host := bus.New(bus.Config{Name: name, Ports: []string{filepath.Join(dir, name)}, Baud: meterBaud}, bus.Deps{Log: log, Observe: tap.see})
	stop := start(ctx, port.Run, host.Run)
	defer func() { err = errors.Join(err, stop(), port.Close()) }()
	living, err := busyBank(host, busyBoards-deadBoards)
	if err != nil {
		return b, err
	}
	all, err := busyBank(host, busyBoards)
	if err != nil {
		return b, err
	}
	if err := tillRight(ctx, func() error { st, err := living.Status(ctx); return errors.Join(err, st.Err) }); err != nil {
		return b, err
	}
	if b.alone, err = pollRounds(ctx, living, s.busyRounds); err != nil {
		return b, err
	}
	if _, err = pollRounds(ctx, all, 4); err != nil { // in which the dead ones become known
		return b, err
	}
	if b.beside, err = pollRounds(ctx, all, s.busyRounds); err != nil {
		return b, err
	}
	b.waits, err = openBusy(ctx, all, chain, tap, uint64(n), s)
	return b, err
}

func busyBank(host *bus.Bus, boards int) (*kerong.Bank, error) {
	cfg := kerong.Config{
		Name: fmt.Sprintf("locker/%d", boards), Dialect: kerong.B, Codes: kerong.Codes{Status: 0x60, Open: 0x61, OK: 0x75},
		ClosedBit: kerong.ClosedIs1, Boards: boards,
	}
	return kerong.New(host, cfg)
}

// pollRounds polls a bank without a pause.
func pollRounds(ctx context.Context, k *kerong.Bank, rounds int) (t tally, err error) {
	began := time.Now()
	for range rounds {
		if _, err := k.Status(ctx); err != nil {
			return t, err
		}
	}
	t.add(rounds, time.Since(began))
	return t, nil
}

// openBusy opens doors of living boards, one after the other, while the bank is polled without a pause.
func openBusy(ctx context.Context, k *kerong.Bank, chain *sim.Chain, tap *tap, seed uint64, s sizes) (waits []time.Duration, err error) {
	stop := start(ctx, func(ctx context.Context) error {
		for ctx.Err() == nil {
			if _, err := k.Status(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
	defer func() { err = errors.Join(err, stop()) }()
	random := rand.New(rand.NewPCG(seed, 0xb05))
	for range s.busyOpenings {
		if err := rest(ctx, s.pause); err != nil {
			return waits, err
		}
		lock := 1 + random.IntN((busyBoards-deadBoards)*busyLocks)
		board, at := (lock-1)/busyLocks, (lock-1)%busyLocks
		sent := tap.expect(func(b []byte) bool {
			return len(b) == openFrame && b[3] == 0x61 && b[1] == byte(board) && b[2] == byte(at)
		})
		began := time.Now()
		u, err := k.Unlock(ctx, lock, time.Time{})
		if err != nil || u.Outcome != drivers.Opened {
			return waits, fmt.Errorf("lock %d: outcome %d: %w", lock, u.Outcome, err)
		}
		waits = append(waits, (<-sent).Sub(began)+openFrame*character)
		if err := chain.CloseDoor(lock); err != nil {
			return waits, err
		}
	}
	return waits, nil
}
