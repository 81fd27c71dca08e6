package kerong

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Banks on one supply energise one latch at a time, and let it rest between pulses; each bank gets its turn.
func TestBanksShareASupply(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			d.cfg.Supply = NewSupply(500 * time.Millisecond)
			cabs := []*cabinet{d.closed().opens(), d.closed().opens(), d.closed().opens()}
			var all sync.WaitGroup
			for _, cab := range cabs {
				bank, _, _ := inBubble(t, cab, d.cfg)
				for lock := range 4 {
					all.Go(func() {
						if got, err := bank.Unlock(t.Context(), lock+1, time.Time{}); err != nil || got.Outcome != drivers.Opened {
							t.Errorf("Unlock(%d) = %v, %v; want Opened", lock+1, got.Outcome, err)
						}
					})
				}
			}
			all.Wait()
			var at []time.Time
			for i, cab := range cabs {
				if len(cab.at) != 4 || cab.at[0].Sub(cabs[0].at[0]) > 3*time.Second {
					t.Errorf("bank %d had %d pulses, the first after %v; want 4, within three turns", i, len(cab.at), cab.at[0].Sub(cabs[0].at[0]))
				}
				at = append(at, cab.at...)
			}
			slices.SortFunc(at, time.Time.Compare)
			for i := 1; i < len(at); i++ {
				if gap := at[i].Sub(at[i-1]); gap < time.Second {
					t.Errorf("pulse %d came %v after the one before; want at least pulse + 500ms", i, gap)
				}
			}
		})
	})
}

// Who waits for a supply looks at the door again: somebody may have opened it meanwhile.
func TestDoorOpenedWhileTheSupplyWasBusy(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			d.cfg.Supply = NewSupply(0)
			first, second := d.closed().opens(), d.closed().opens()
			a, _, _ := inBubble(t, first, d.cfg)
			b, _, _ := inBubble(t, second, d.cfg)
			if _, err := a.Unlock(t.Context(), 1, time.Time{}); err != nil {
				t.Fatal(err)
			}
			first.locked(func() { first.latch[0] = d.full })
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = a.Unlock(t.Context(), 2, time.Time{})
			}()
			time.Sleep(20 * time.Millisecond) // a has the supply now
			go func() {
				time.Sleep(100 * time.Millisecond)
				second.locked(func() { second.latch[0] &^= 1 })
			}()
			got, err := b.Unlock(t.Context(), 1, time.Time{})
			if err != nil || got.Outcome != drivers.AlreadyOpen || second.allPulses() != 0 {
				t.Errorf("Unlock() = %v, %v with %d pulses; want AlreadyOpen, none", got.Outcome, err, second.allPulses())
			}
			<-done
		})
	})
}

// A supply that is busy is waited for as long as the opening is fresh, and no longer.
func TestSupplyIsBusyForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		supply := NewSupply(0)
		if err := supply.take(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		cab := newCabinet(map[int]uint64{0: 0xffff}).opens()
		bank, _, _ := inBubble(t, cab, Config{Boards: 1, ClosedBit: ClosedIs1, Supply: supply})
		if _, err := bank.Unlock(t.Context(), 1, time.Now().Add(2*time.Second)); !errors.Is(err, drivers.ErrLate) {
			t.Errorf("Unlock() = %v; want ErrLate", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := bank.Unlock(ctx, 1, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Unlock() = %v; want the context's cause", err)
		}
		supply.pulsed(time.Now(), time.Second) // it rests: late while resting
		supply.giveBack()
		if _, err := bank.Unlock(t.Context(), 1, time.Now().Add(500*time.Millisecond)); !errors.Is(err, drivers.ErrLate) {
			t.Errorf("Unlock() = %v; want ErrLate", err)
		}
		if n := cab.allPulses(); n != 0 {
			t.Errorf("%d pulses; want none", n)
		}
		if got, err := bank.Unlock(t.Context(), 1, time.Time{}); err != nil || got.Outcome != drivers.Opened {
			t.Errorf("Unlock() afterwards = %v, %v; want Opened: a supply that was waited for in vain is free", got.Outcome, err)
		}
	})
}

// lineFunc is a line of its own kind.
type lineFunc func(r bus.Request) (bus.Answer, error)

func (f lineFunc) Do(_ context.Context, r bus.Request) (bus.Answer, error) { return f(r) }

// An unlock that a line refuses because the port is another one by now is sent once more after a reading, and no oftener.
// invariant 5
func TestUnprovenPort(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		for _, c := range []struct {
			name    string
			refused int // unlock frames that the line refuses
			open    bool
			want    error
			outcome drivers.Outcome
			sent    int
		}{
			{"proven by the second reading", 1, false, nil, drivers.Opened, 1},
			{"found open by it", 1, true, nil, drivers.AlreadyOpen, 0},
			{"never proven", 9, false, drivers.ErrUnproven, drivers.Unknown, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cab, asked, sent := d.closed(), 0, 0
					cab.wide = d.cfg.Dialect == B
					line := lineFunc(func(r bus.Request) (bus.Answer, error) {
						if want := d.cfg.Dialect.String() + " board 0"; r.Source != want {
							t.Errorf("Source = %q; want %q", r.Source, want)
						}
						if r.Match != nil {
							return bus.Answer{Sent: time.Now(), At: time.Now(), Frame: cab.says(0, cab.latch[0], 0)}, nil
						}
						if !r.Proven || r.Priority != bus.Actuation {
							t.Errorf("unlock is sent with %v, proven %v", r.Priority, r.Proven)
						}
						asked++
						if asked <= c.refused {
							if c.open {
								cab.latch[0] = 0
							}
							return bus.Answer{}, drivers.ErrUnproven
						}
						sent++
						cab.latch[0] = 0
						return bus.Answer{Sent: time.Now()}, nil
					})
					d.cfg.Name = "locker/A"
					bank, err := New(line, d.cfg)
					if err != nil {
						t.Fatal(err)
					}
					got, err := bank.Unlock(t.Context(), 1, time.Time{})
					if !errors.Is(err, c.want) || got.Outcome != c.outcome || sent != c.sent || asked > 2 {
						t.Errorf("Unlock() = %v, %v with %d of %d frames sent; want %v, %v, %d", got.Outcome, err, sent, asked, c.outcome, c.want, c.sent)
					}
				})
			})
		}
	})
}

// A board that the line does not even ask counts as silent, and as no error of the wire.
func TestBoardThatIsNotAsked(t *testing.T) {
	line := lineFunc(func(r bus.Request) (bus.Answer, error) { return bus.Answer{}, bus.ErrResting })
	bank, err := New(line, Config{Name: "locker/A", Boards: 1, ClosedBit: ClosedIs1})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		_, _ = bank.Status(t.Context())
	}
	if h := bank.Health()[0]; h.Online || h.Silent != 4 || h.Errors != 0 {
		t.Errorf("health = %+v; want offline, four polls silent, no errors", h)
	}
}
