package kerong

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/internal/pty"
)

// The whole way over a real terminal: tarm's port, the bus, the driver, and boards at the other end.
func TestOverSerial(t *testing.T) {
	first, second := pty.Open(t), pty.Open(t)
	link := filepath.Join(t.TempDir(), "usb-RS485")
	if err := os.Symlink(first.Path, link); err != nil {
		t.Fatal(err)
	}
	line := bus.New(bus.Config{Name: "rs485-1", Ports: []string{link}}, bus.Deps{Log: slog.New(slog.DiscardHandler)})
	bank, err := New(line, Config{
		Name: "locker/A", Boards: 2, Locks: 28, ClosedBit: ClosedIs1, Sensors: true,
		Pulse: 50 * time.Millisecond, Settle: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	cab := newCabinet(map[int]uint64{0: 0xffff, 1: 0xffff}).opens()
	run(t, line, func() { cab.serve(first.Master); cab.serve(second.Master) }, func() { first.Unplug(); second.Unplug() })

	got, err := bank.Unlock(t.Context(), 19, time.Time{})
	if err != nil || got.Outcome != drivers.Opened || cab.allPulses() != 1 {
		t.Fatalf("Unlock(19) = %v, %v with %d pulses; want Opened, 1", got.Outcome, err, cab.allPulses())
	}
	if got, err = bank.Unlock(t.Context(), 19, time.Time{}); err != nil || got.Outcome != drivers.AlreadyOpen || cab.allPulses() != 1 {
		t.Errorf("Unlock(19) again = %v, %v with %d pulses; want AlreadyOpen, 1", got.Outcome, err, cab.allPulses())
	}
	cab.locked(func() { cab.onUnlock = nil })
	if got, err = bank.Unlock(t.Context(), 1, time.Time{}); err != nil || got.Outcome != drivers.Stuck || cab.allPulses() != 2 {
		t.Errorf("Unlock(1) = %v, %v with %d pulses; want Stuck, 2", got.Outcome, err, cab.allPulses())
	}
	st, err := bank.Status(t.Context())
	if err != nil || st.Err != nil || st.Locks[18].Latch != drivers.LatchOpen || st.Locks[27].Latch != drivers.LatchClosed {
		t.Errorf("Status() = %+v, %v", st, err)
	}

	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(second.Path, link); err != nil {
		t.Fatal(err)
	}
	first.Unplug()
	answersAgain(t, bank)
	for _, h := range bank.Health() {
		if !h.Online || h.Turn <= 0 || h.Answers == 0 {
			t.Errorf("health = %+v; want online", h)
		}
	}
}

// answersAgain polls until all boards answer, as the gateway would, though faster.
func answersAgain(t *testing.T, bank *Bank) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		st, err := bank.Status(t.Context())
		if err == nil && st.Err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no answer 10s after replugging: %v", err)
		}
	}
}
