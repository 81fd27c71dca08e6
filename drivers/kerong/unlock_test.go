package kerong

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

func TestUnlockOutcomes(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		closed := d.closed
		open := closed()
		open.latch[1] &^= 1 << 2
		silentAfter := closed()
		silentAfter.onUnlock = func(board, _ int) { silentAfter.silent(board) }
		slow := closed()
		slow.onUnlock = func(board, lock int) {
			time.AfterFunc(1450*time.Millisecond, func() { slow.locked(func() { slow.latch[board] &^= 1 << lock }) })
		}
		busy := closed() // silent while its latch moves
		busy.onUnlock = func(board, lock int) {
			busy.silent(board)
			time.AfterFunc(time.Second, func() { busy.locked(func() { busy.latch[board] = d.full &^ (1 << lock) }) })
		}
		stuckThenSilent := closed()
		stuckThenSilent.onUnlock = func(board, _ int) {
			time.AfterFunc(time.Second, func() { stuckThenSilent.locked(func() { stuckThenSilent.silent(board) }) })
		}
		for _, c := range []struct {
			name   string
			cab    *cabinet
			want   drivers.Outcome
			pulses int
			took   time.Duration // at most
		}{
			{"opens", closed().opens(), drivers.Opened, 1, 620 * time.Millisecond},
			{"opens late", slow, drivers.Opened, 1, 1510 * time.Millisecond},
			{"silent while it moves", busy, drivers.Opened, 1, 1700 * time.Millisecond},
			{"stuck", closed(), drivers.Stuck, 1, 1510 * time.Millisecond},
			{"silent after the pulse", silentAfter, drivers.Unknown, 1, 2700 * time.Millisecond},
			{"stuck, then silent", stuckThenSilent, drivers.Unknown, 1, 3100 * time.Millisecond},
			{"open before", open, drivers.AlreadyOpen, 0, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bank, _, _ := inBubble(t, c.cab, d.cfg)
					got, err := bank.Unlock(t.Context(), d.lock(1, 2), time.Time{})
					if err != nil || got.Outcome != c.want || got.Pulsed != (c.pulses == 1) {
						t.Errorf("Unlock() = %v, pulsed %v, %v; want %v", got.Outcome, got.Pulsed, err, c.want)
					}
					if got.Took > c.took {
						t.Errorf("Took = %v; want at most %v", got.Took, c.took)
					}
					if c.cab.pulses[Place{1, 2}] != c.pulses || c.cab.allPulses() != c.pulses || c.cab.others != 0 {
						t.Errorf("pulses %v, other requests %d; want %d on its own alone", c.cab.pulses, c.cab.others, c.pulses)
					}
					if n := len(got.Frames); n < 2 || n > maxFrames || !got.Frames[0].Sent || got.Frames[1].Sent {
						t.Errorf("frames = %+v; want the first request and its answer, at most %d", got.Frames, maxFrames)
					}
					c.cab.locked(func() {}) // timers of the cabinet may be under way
					time.Sleep(2 * time.Second)
				})
			})
		}
	})
}

// One intent, one pulse (invariant 2): whatever is lost or late, the unlock frame goes out at most once.
func TestOneIntentOnePulse(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		for _, c := range []struct {
			name  string
			spoil func(c *cabinet, cut func())
		}{
			{"no answer at all after it", func(c *cabinet, _ func()) {
				c.onUnlock = func(board, _ int) { c.silent(board) }
			}},
			{"latch does not move", func(c *cabinet, _ func()) {}},
			{"adapter pulled at the pulse", func(c *cabinet, cut func()) {
				c.onUnlock = func(int, int) { cut() }
			}},
			{"damaged answers after it", func(c *cabinet, _ func()) {
				c.onUnlock = func(int, int) {
					damaged := c.says(0, 0, 0)
					damaged[len(damaged)-1]++
					c.onStatus = func(int) [][]byte { return [][]byte{damaged} }
				}
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cab := d.closed()
					bank, _, cut := inBubble(t, cab, d.cfg)
					cab.locked(func() { c.spoil(cab, cut) })
					got, err := bank.Unlock(t.Context(), 1, time.Time{})
					if err != nil || !got.Pulsed || got.Outcome == drivers.Opened {
						t.Errorf("Unlock() = %v, pulsed %v, %v; want a pulse without success", got.Outcome, got.Pulsed, err)
					}
					time.Sleep(time.Minute)
					if n := cab.allPulses(); n != 1 {
						t.Errorf("%d pulses for one intent; want 1", n)
					}
				})
			})
		}
	})
}

func TestUnlockWithoutAPulse(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		for _, c := range []struct {
			name     string
			cfg      Config
			ctx      context.Context
			lock     int
			notAfter time.Duration // 0: no limit
			latch    map[int]uint64
			want     error
		}{
			{"lock 0", d.cfg, context.Background(), 0, 0, nil, drivers.ErrNoLock},
			{"past the last", d.cfg, context.Background(), d.lock(2, 0), 0, nil, drivers.ErrNoLock},
			{"polarity not proven", d.unproven(), context.Background(), 1, 0, map[int]uint64{0: 0}, drivers.ErrUnsure},
			{"board silent", d.cfg, context.Background(), 1, 0, nil, drivers.ErrSilent},
			{"too late", d.cfg, context.Background(), 1, -time.Second, map[int]uint64{0: d.full}, drivers.ErrLate},
			{"too late after a silent try", d.cfg, context.Background(), 1, 500 * time.Millisecond, nil, drivers.ErrLate},
			{"context ended", d.cfg, ended, 1, 0, map[int]uint64{0: d.full}, context.Canceled},
		} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cab := newCabinet(c.latch)
					bank, _, _ := inBubble(t, cab, c.cfg)
					var notAfter time.Time
					if c.notAfter != 0 {
						notAfter = time.Now().Add(c.notAfter)
					}
					got, err := bank.Unlock(c.ctx, c.lock, notAfter)
					if !errors.Is(err, c.want) || got.Pulsed {
						t.Errorf("Unlock() = pulsed %v, %v; want %v", got.Pulsed, err, c.want)
					}
					time.Sleep(5 * time.Second)
					if n := cab.allPulses(); n != 0 {
						t.Errorf("%d pulses; want none", n)
					}
				})
			})
		}
	})
}

// A motor latch is energised for a second, and its board says nothing meanwhile.
func TestSlowMotorLatch(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := d.closed()
			cab.onUnlock = func(board, lock int) {
				cab.silent(board)
				time.AfterFunc(time.Second, func() { cab.locked(func() { cab.latch[board] = d.full &^ (1 << lock) }) })
			}
			d.cfg.Pulse = time.Second
			bank, line, _ := inBubble(t, cab, d.cfg)
			got, err := bank.Unlock(t.Context(), d.lock(1, 5), time.Time{})
			if err != nil || got.Outcome != drivers.Opened || got.Took > 1120*time.Millisecond || line.Stats().Line.Timeouts != 0 {
				t.Errorf("Unlock() = %v after %v, %v with %d time-outs; want Opened by 1.12s, none", got.Outcome, got.Took, err, line.Stats().Line.Timeouts)
			}
		})
	})
}

func TestNotAfterPassesBetweenReadingAndPulse(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := newCabinet(map[int]uint64{0: d.full})
			cab.onStatus = func(int) [][]byte { time.Sleep(200 * time.Millisecond); return nil }
			bank, _, _ := inBubble(t, cab, d.cfg)
			_, err := bank.Unlock(t.Context(), 1, time.Now().Add(100*time.Millisecond))
			if !errors.Is(err, drivers.ErrLate) || cab.allPulses() != 0 {
				t.Errorf("Unlock() = %v with %d pulses; want ErrLate, none", err, cab.allPulses())
			}
		})
	})
}

func TestOptionalAnswerIsDropped(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		for _, after := range []time.Duration{0, 25 * time.Millisecond, 150 * time.Millisecond} {
			t.Run(after.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cab := newCabinet(map[int]uint64{0: d.full})
					bank, _, _ := inBubble(t, cab, d.cfg)
					// it says that the latch is open; readings say that it is not
					cab.locked(func() { cab.optional, cab.optionalAfter = cab.says(0, d.full-1, 0), after })
					got, err := bank.Unlock(t.Context(), 1, time.Time{})
					if err != nil || got.Outcome != drivers.Stuck {
						t.Errorf("Unlock() = %v, %v; want Stuck, judged by readings alone", got.Outcome, err)
					}
					if !got.Frames[2].Sent || got.Frames[3].Sent || !bytes.Equal(got.Frames[3].Bytes, cab.optional) {
						t.Errorf("frames = %+v; want the optional answer as evidence", got.Frames)
					}
				})
			})
		}
	})
}

func TestOneLatchAtATime(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := d.closed().opens()
			bank, _, _ := inBubble(t, cab, d.cfg)
			errs := make(chan error)
			for lock := range 12 { // one under way, eight wait, three are refused: invariant 13
				go func() {
					_, err := bank.Unlock(t.Context(), lock+1, time.Time{})
					errs <- err
				}()
			}
			busy := 0
			for range 12 {
				if err := <-errs; errors.Is(err, drivers.ErrBusy) {
					busy++
				} else if err != nil {
					t.Error(err)
				}
			}
			if busy != 3 || len(cab.at) != 9 {
				t.Errorf("%d refused, %d pulses; want 3, 9", busy, len(cab.at))
			}
			for i := 1; i < len(cab.at); i++ {
				if gap := cab.at[i].Sub(cab.at[i-1]); gap < 600*time.Millisecond {
					t.Errorf("pulse %d came %v after the one before; want at least pulse + 100ms", i, gap)
				}
			}
		})
	})
}

// Spacing holds also where the verdict comes sooner than the next pulse may.
func TestSpacing(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := newCabinet(map[int]uint64{0: d.full}).opens()
			slow := d.cfg
			slow.Pulse, slow.Settle = time.Second, time.Millisecond
			bank, _, _ := inBubble(t, cab, slow)
			for lock := 1; lock <= 3; lock++ {
				if got, err := bank.Unlock(t.Context(), lock, time.Time{}); err != nil || got.Outcome != drivers.Opened {
					t.Errorf("Unlock(%d) = %v, %v; want Opened", lock, got.Outcome, err)
				}
			}
			for i := 1; i < len(cab.at); i++ {
				if gap := cab.at[i].Sub(cab.at[i-1]); gap < 1100*time.Millisecond {
					t.Errorf("pulse %d came %v after the one before; want at least 1.1s", i, gap)
				}
			}
		})
	})
}

func TestVerdictOutlivesContext(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := newCabinet(map[int]uint64{0: d.full}).opens()
			bank, _, _ := inBubble(t, cab, d.cfg)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if got, err := bank.Unlock(ctx, 1, time.Time{}); err != nil || got.Outcome != drivers.Opened {
				t.Errorf("Unlock() = %v, %v; want Opened", got.Outcome, err)
			}
		})
	})
}

// A board that is silent while its latch moves does not hold up the verdict because somebody polls it.
func TestPollingLeavesAMovingLatchAlone(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab := d.closed()
			cab.onUnlock = func(board, lock int) {
				cab.silent(board)
				time.AfterFunc(500*time.Millisecond, func() { cab.locked(func() { cab.latch[board] = d.full &^ (1 << lock) }) })
			}
			bank, line, _ := inBubble(t, cab, d.cfg)
			polled := make(chan error)
			go func() {
				time.Sleep(50 * time.Millisecond) // in the middle of the pulse
				st, _ := bank.Status(t.Context())
				polled <- st.Err
			}()
			got, err := bank.Unlock(t.Context(), 1, time.Time{})
			if err != nil || got.Outcome != drivers.Opened || got.Took > 620*time.Millisecond {
				t.Errorf("Unlock() = %v after %v, %v; want Opened within 620ms", got.Outcome, got.Took, err)
			}
			if err := <-polled; err != nil || line.Stats().Line.Timeouts != 0 {
				t.Errorf("Status() = %v with %d time-outs; want none", err, line.Stats().Line.Timeouts)
			}
		})
	})
}
