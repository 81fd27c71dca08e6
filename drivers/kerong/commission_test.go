package kerong

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// commissioned joins a Commission to a cabinet as inBubble joins a Bank.
func commissioned(t *testing.T, c *cabinet, cfg Config) (*Commission, func()) {
	t.Helper()
	_, line, cut := inBubble(t, c, cfg)
	cfg.Name = "locker/A"
	commission, err := NewCommission(line, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return commission, cut
}

func TestCommissionReadsBitsAsTheyAre(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := d.closed()
			cab.latch[0] &^= 1 << 2
			c, _ := commissioned(t, cab, d.cfg) // closed_bit counts for nothing
			all, err := c.Read(t.Context())
			if err != nil || len(all) != c.Locks() || c.Locks() != 2*d.cfg.Dialect.Locks() {
				t.Fatalf("Read() = %d locks, %v; want %d", len(all), err, 2*d.cfg.Dialect.Locks())
			}
			if all[0] != (Raw{Known: true, Latch: true}) || all[2] != (Raw{Known: true}) || c.Place(d.lock(1, 3)) != (Place{1, 3}) {
				t.Errorf("locks 1 and 3 = %+v, %+v; want bits 1 and 0", all[0], all[2])
			}
			cab.locked(func() { cab.silent(1) })
			all, err = c.Read(t.Context())
			if !errors.Is(err, drivers.ErrSilent) || !all[0].Known || all[d.lock(1, 0)-1].Known {
				t.Errorf("Read() without board 1 = %v; want board 0 known alone, and ErrSilent", err)
			}
		})
	})
}

func TestCommissionReadsItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cab := newCabinet(map[int]uint64{0: 0})
		cab.item[0] = 1 << 4
		c, _ := commissioned(t, cab, Config{Boards: 1})
		if all, err := c.Read(t.Context()); err != nil || all[4] != (Raw{Known: true, Item: true}) || all[0] != (Raw{Known: true}) {
			t.Errorf("Read() = %+v, %v; want an item in lock 5 alone", all, err)
		}
	})
}

// One pulse for one call, whatever the bits say, and none on a line that has not heard the board. invariant 5
func TestCommissionPulsesOnce(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := d.closed()
			cab.latch[0] = 0
			c, cut := commissioned(t, cab, d.cfg)
			if _, err := c.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for _, lock := range []int{1, d.lock(1, 2)} {
				p, err := c.Pulse(t.Context(), lock, time.Time{})
				if err != nil || p.At.IsZero() || len(p.Frames) != 1 || !p.Frames[0].Sent {
					t.Errorf("Pulse(%d) = %+v, %v; want one frame that has left", lock, p, err)
				}
			}
			synctest.Wait()
			if cab.allPulses() != 2 || cab.pulses[Place{0, 0}] != 1 || cab.pulses[Place{1, 2}] != 1 {
				t.Errorf("pulses %v; want one of each", cab.pulses)
			}
			if gap := cab.at[1].Sub(cab.at[0]); gap < 600*time.Millisecond {
				t.Errorf("second pulse after %v (at %v); want pulse + 100ms between them", gap, start)
			}
			for _, lock := range []int{0, c.Locks() + 1} {
				if _, err := c.Pulse(t.Context(), lock, time.Time{}); !errors.Is(err, drivers.ErrNoLock) {
					t.Errorf("Pulse(%d) = %v; want ErrNoLock", lock, err)
				}
			}
			if _, err := c.Pulse(t.Context(), 1, time.Now().Add(-time.Second)); !errors.Is(err, drivers.ErrLate) {
				t.Errorf("Pulse(1) too late = %v; want ErrLate", err)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := c.Pulse(ended, 1, time.Time{}); !errors.Is(err, context.Canceled) {
				t.Errorf("Pulse(1) with an ended context = %v", err)
			}
			cut()
			synctest.Wait()
			if p, err := c.Pulse(t.Context(), 1, time.Time{}); !errors.Is(err, drivers.ErrGone) || !p.At.IsZero() {
				t.Errorf("Pulse(1) unplugged = %+v, %v; want ErrGone", p, err)
			}
			if cab.allPulses() != 2 {
				t.Errorf("%d pulses; want still 2", cab.allPulses())
			}
		})
	})
}
