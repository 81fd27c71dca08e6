package e2e

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wired is a simulated building, and a driver that shares no code with it, joined by a real pty.
type wired struct {
	building *building.Building
	bus      *bus.Bus
	bank     *kerong.Bank
}

func wire(t *testing.T) wired {
	t.Helper()
	cfg, dir := demoBuilding(t), t.TempDir()
	sim, err := building.Open(cfg, dir)
	if err != nil {
		t.Fatal(err)
	}
	bank := cfg.Banks[0]
	line := bus.New(bus.Config{Name: "a", Ports: []string{filepath.Join(dir, bank.Line+"*")}, Baud: cfg.Lines[0].Baud}, bus.Deps{Log: slog.New(slog.DiscardHandler)})
	polarity := kerong.ClosedIs0
	if *bank.ClosedBit == 1 {
		polarity = kerong.ClosedIs1
	}
	driver, err := kerong.New(line, kerong.Config{Name: "locker/" + bank.Name, Boards: len(bank.Boards), ClosedBit: polarity, Sensors: bank.ItemSensors, Answer: 100 * time.Millisecond, Lateness: 150 * time.Millisecond})
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
	return wired{sim, line, driver}
}

// status reads the bank until it answers: the port may not be open yet.
func (w wired) status(t *testing.T) drivers.BankStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		status, err := w.bank.Status(ctx)
		if err == nil && status.Err == nil {
			return status
		}
		if ctx.Err() != nil {
			t.Fatalf("bank does not answer: %v, %v", err, status.Err)
		}
	}
}

func (w wired) openings(t *testing.T, lock int) (one, all uint64) {
	t.Helper()
	bank := w.building.State().Banks[0]
	return bank.Locks[lock-1].Openings, bank.Openings
}

// One intent gives one pulse, and what opens is the door that was meant. // invariant 5
func TestUnlockOpensTheOneDoor(t *testing.T) {
	w := wire(t)
	w.status(t)
	for n, lock := range []int{1, 16, 17, 24} {
		got, err := w.bank.Unlock(t.Context(), lock, time.Time{})
		if err != nil || got.Outcome != drivers.Opened || !got.Pulsed {
			t.Fatalf("Unlock(%d) = %+v, %v", lock, got, err)
		}
		if one, all := w.openings(t, lock); one != 1 || all != uint64(n+1) {
			t.Errorf("after lock %d the building counts %d openings of it and %d in all", lock, one, all)
		}
		again, err := w.bank.Unlock(t.Context(), lock, time.Time{})
		if err != nil || again.Outcome != drivers.AlreadyOpen || again.Pulsed {
			t.Errorf("Unlock(%d) of an open door = %+v, %v", lock, again, err)
		}
		if err := w.building.TouchLock("A", lock, "close", building.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.status(t).Locks[0].Latch; got != drivers.LatchClosed {
		t.Errorf("latch 1 after closing = %v", got)
	}
}

func TestStuckLatchGetsOnePulse(t *testing.T) {
	w := wire(t)
	w.status(t)
	if err := w.building.TouchLock("A", 5, "stick", building.Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := w.bank.Unlock(t.Context(), 5, time.Time{})
	if err != nil || got.Outcome != drivers.Stuck || !got.Pulsed {
		t.Errorf("Unlock of a stuck latch = %+v, %v", got, err)
	}
	if bank := w.building.State().Banks[0]; bank.Pulses != 1 || bank.Openings != 0 {
		t.Errorf("the building counts %d pulses and %d openings, want 1 and 0", bank.Pulses, bank.Openings)
	}
}

func TestReplugUnderAnotherName(t *testing.T) {
	w := wire(t)
	w.status(t)
	name := w.building.State().Banks[0].Line
	for _, link := range []string{name + "-1", name + "-2", name} {
		if err := w.building.TouchLine(name, "unplug", building.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.bank.Status(t.Context()); err == nil {
			t.Error("a bank without its adapter answers")
		}
		if err := w.building.TouchLine(name, "replug", building.Options{Link: link}); err != nil {
			t.Fatal(err)
		}
		w.status(t)
	}
	if got := w.bus.Stats(); got.Losses != 3 || got.Opens != 4 {
		t.Errorf("the bus counts %d losses and %d opens, want 3 and 4", got.Losses, got.Opens)
	}
}

// A line full of noise opens nothing that was not asked for.
func TestNoiseOpensNothing(t *testing.T) {
	w := wire(t)
	w.status(t)
	rate := 0.01
	if err := w.building.TouchLine(w.building.State().Banks[0].Line, "noise", building.Options{Rate: &rate}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_, _ = w.bank.Status(t.Context()) // any error is right; what counts is the building's own count
	}
	if bank := w.building.State().Banks[0]; bank.Pulses != 0 {
		t.Errorf("status requests under noise gave %d pulses", bank.Pulses)
	}
}
