package e2e

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
)

// spoken is a bank of four locks on two boards in each dialect, as the building and the driver are told.
func spoken() []bankSpoken {
	return []bankSpoken{
		{"dialect A", "protocol: kerong-a", kerong.Config{Dialect: kerong.A}},
		{"dialect B", "protocol: kerong-b\n    codes: {status: 0x60, open: 0x61, ok: 0x75}",
			kerong.Config{Dialect: kerong.B, Codes: kerong.Codes{Status: 0x60, Open: 0x61, OK: 0x75}}},
	}
}

type bankSpoken struct {
	name, building string
	driver         kerong.Config
}

// latches joins a driver to boards of one dialect by a real pty.
func latches(t *testing.T, protocol string, cfg kerong.Config) (*building.Building, *kerong.Bank) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "building.yaml")
	text := strings.Replace(chainA, "    closed_bit: 0", "    closed_bit: 0\n    "+protocol, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	described, err := building.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := building.Open(described, dir)
	if err != nil {
		t.Fatal(err)
	}
	line := bus.New(bus.Config{Name: "a", Ports: []string{filepath.Join(dir, "lockers*")}, Baud: 115200}, bus.Deps{Log: slog.New(slog.DiscardHandler)})
	cfg.Name, cfg.ClosedBit, cfg.Pulse, cfg.Answer, cfg.Lateness = "locker/A", kerong.ClosedIs0, 100*time.Millisecond, 100*time.Millisecond, 150*time.Millisecond
	cfg.Wiring = []kerong.Place{{Board: 0, Lock: 0}, {Board: 0, Lock: 1}, {Board: 1, Lock: 0}, {Board: 1, Lock: 1}}
	bank, err := kerong.New(line, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return sim.Run(ctx) })
	group.Go(func() error { return line.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(group.Wait(), sim.Close()); err != nil {
			t.Error(err)
		}
	})
	wired{building: sim, bus: line, bank: bank}.status(t)
	return sim, bank
}

// Every way in which a latch fails, with boards that share no code with the driver: one pulse each, and the truth about what came of
// it. // invariant 5
func TestLatchesFail(t *testing.T) {
	for _, d := range spoken() {
		t.Run(d.name, func(t *testing.T) {
			sim, bank := latches(t, d.building, d.driver)
			touch := func(lock int, action string, o building.Options) {
				t.Helper()
				if err := sim.TouchLock("A", lock, action, o); err != nil {
					t.Fatal(err)
				}
			}
			late := int64(700)
			for _, c := range []struct {
				name    string
				lock    int
				prepare func()
				during  func() // when the latch is energised
				want    drivers.Outcome
				pulses  uint64
			}{
				{"opens", 1, nil, nil, drivers.Opened, 1},
				{"left open", 1, nil, nil, drivers.AlreadyOpen, 0},
				{"forced", 2, func() { touch(2, "force", building.Options{}) }, nil, drivers.AlreadyOpen, 0},
				{"slow motor", 3, func() { touch(3, "slow", building.Options{MS: &late}) }, nil, drivers.Opened, 1},
				{"stuck", 4, func() { touch(4, "stick", building.Options{}) }, nil, drivers.Stuck, 1},
				{"board lost in mid-unlock", 4, nil, func() {
					if err := sim.TouchBoard("A", 1, "dead", building.Options{}); err != nil {
						t.Error(err)
					}
				}, drivers.Unknown, 1},
			} {
				if c.prepare != nil {
					c.prepare()
				}
				before := sim.State().Banks[0].Pulses
				lost := make(chan struct{})
				go func() {
					defer close(lost)
					for end := time.Now().Add(5 * time.Second); c.during != nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
						if sim.State().Banks[0].Pulses > before {
							c.during()
							return
						}
					}
				}()
				got, err := bank.Unlock(t.Context(), c.lock, time.Time{})
				<-lost
				if err != nil || got.Outcome != c.want || got.Pulsed != (c.pulses == 1) {
					t.Errorf("%s: Unlock(%d) = %v, pulsed %v, %v; want %v", c.name, c.lock, got.Outcome, got.Pulsed, err, c.want)
				}
				if n := sim.State().Banks[0].Pulses - before; n != c.pulses {
					t.Errorf("%s: the building counts %d pulses; want %d", c.name, n, c.pulses)
				}
			}
			if _, err := bank.Unlock(t.Context(), 3, time.Time{}); !errors.Is(err, drivers.ErrSilent) {
				t.Errorf("Unlock(3) of the board that was lost = %v; want ErrSilent, and nothing energised", err)
			}
			if st, err := bank.Status(t.Context()); err != nil || st.Locks[0].Latch != drivers.LatchOpen || st.Locks[1].Latch != drivers.LatchOpen || st.Locks[2].Latch != drivers.LatchUnknown {
				t.Errorf("Status() = %+v, %v; want doors 1 and 2 open, 3 unknown", st.Locks, err)
			}
		})
	}
}
