package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	lockersim "github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
	metersim "github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

const (
	damaged    = 0.01 // of the bytes, both ways
	noisyLocks = 16   // of each of two boards
	noisyUnits = 8    // meters

	breath = 20 * time.Millisecond // for a line whose devices all rest
)

// noisy is what came over two lines, one of meters and one of lockers.
type noisy struct {
	frames   uint64 // both ways
	took     time.Duration
	readings int
	openings int
}

func (n noisy) rate() float64 { return 60 * float64(n.frames) / n.took.Seconds() }

// A hundredth of all bytes is damaged, both ways: no wrong total is taken, and no lock opens that nobody asked for.
// invariant 5
func TestNoise(t *testing.T) {
	frames := sized(200_000, 10_000)
	clean, loud := exchange(t, frames/10, 0), exchange(t, frames, damaged)
	report(t, Figure{
		Name: "noise", Value: loud.rate(), Unit: "frames/min", Ceiling: clean.rate(),
		How: fmt.Sprintf("%d frames on a line of meters and one of lockers at 19200 baud, %.0f %% of all bytes damaged: %d readings, all right, and %d doors opened, all asked for (in a bubble: wire time by arithmetic)",
			loud.frames, 100*damaged, loud.readings, loud.openings),
		Bare: "the same two lines without damage",
	})
}

// exchange polls both lines without a pause, and opens a door now and then, until so many frames have passed.
func exchange(t *testing.T, frames int, rate float64) (n noisy) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		meters, readings := noisyMeters(t, rate)
		defer meters.stop()
		lockers, chain, bank := noisyLockers(t, rate)
		defer lockers.stop()
		done := make(chan struct{}, 2)
		var good atomic.Int64
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				n := readings(ctx)
				if n == 0 { // all rest: nothing passes the time
					time.Sleep(breath)
				}
				good.Add(n)
			}
		}()
		opened := map[int]uint64{}
		go func() {
			defer func() { done <- struct{}{} }()
			for turn := 0; ctx.Err() == nil; turn++ {
				st, err := bank.Status(ctx)
				switch {
				case err == nil, ctx.Err() != nil:
				case errors.Is(err, drivers.ErrSilent):
					time.Sleep(breath)
				default:
					t.Error(err)
				}
				for i, l := range st.Locks {
					if l.Latch == drivers.LatchOpen { // all doors are shut: whoever opens one shuts it before the next reading
						t.Errorf("door %d reads open: taken from damaged bytes", i+1)
					}
				}
				if turn%20 == 0 {
					openOne(ctx, t, bank, chain, 1+turn/20%(2*noisyLocks), opened)
				}
			}
		}()
		for passed(meters, lockers) < uint64(frames) {
			time.Sleep(time.Second)
		}
		cancel()
		<-done
		<-done
		for _, l := range chain.Locks() {
			if l.Counts.Pulses != opened[l.Number] {
				t.Errorf("lock %d was energised %d times; asked for %d times", l.Number, l.Counts.Pulses, opened[l.Number])
			}
			n.openings += int(l.Counts.Openings)
		}
		n.frames, n.took, n.readings = passed(meters, lockers), time.Since(began), int(good.Load())
	})
	return n
}

// passed counts frames both ways.
func passed(cables ...cable) (n uint64) {
	for _, c := range cables {
		s := c.Stats().Line
		n += s.Transactions + s.Answers
	}
	return n
}

// openOne asks for a lock, counts pulses that may have been given for it, and shuts its door.
func openOne(ctx context.Context, t *testing.T, bank *kerong.Bank, chain *lockersim.Chain, lock int, asked map[int]uint64) {
	before := chain.Locks()[lock-1].Counts.Pulses
	u, err := bank.Unlock(ctx, lock, time.Time{})
	after := chain.Locks()[lock-1].Counts.Pulses
	switch {
	case after-before > 1:
		t.Errorf("lock %d was energised %d times for one intent", lock, after-before)
	case err != nil && after != before:
		t.Errorf("lock %d was energised, and Unlock says %v: nothing was sent", lock, err)
	case u.Outcome == drivers.Opened && after == before:
		t.Errorf("lock %d is said to have opened, and was not energised", lock)
	}
	asked[lock] += after - before // the frame may have been lost on its way
	if err := chain.CloseDoor(lock); err != nil && !errors.Is(err, lockersim.ErrDoorClosed) {
		t.Error(err)
	}
}

func noisyMeters(t *testing.T, rate float64) (cable, func(context.Context) int64) {
	var slaves []metersim.Slave
	for i := range noisyUnits {
		slaves = append(slaves, metersim.NewMeter(metersim.MeterConfig{
			Name: fmt.Sprint(i), Unit: i + 1, Serial: fmt.Sprint(10000001 + i), Litres: int64(7_654_321 * (i + 1)), PerCount: 1, Use: metersim.Vacant,
		}))
	}
	w := line.NewWire("meters", line.Format{Baud: 19200}, 11, metersim.NewBus(slaves...).RTU(), line.NewLog(1))
	w.SetFaults(line.Faults{Damage: rate})
	c := plugged(t, w, bus.Config{Name: "meters", Baud: 19200, Lateness: 100 * time.Millisecond})
	profile, err := modbus.Shipped("g4")
	if err != nil {
		t.Fatal(err)
	}
	var meters []*modbus.Meter
	for i := range noisyUnits {
		m, err := modbus.NewMeter(c, modbus.MeterConfig{Device: fmt.Sprintf("meter/%d", i), Address: i + 1, Profile: profile})
		if err != nil {
			t.Fatal(err)
		}
		meters = append(meters, m)
	}
	return c, func(ctx context.Context) (good int64) {
		for i, m := range meters {
			r, err := m.Read(ctx)
			if err != nil {
				continue
			}
			good++
			if r.Litres != int64(7_654_321*(i+1)) || r.Serial != fmt.Sprint(10000001+i) {
				t.Errorf("meter %d reads %d litres, serial %s: taken from damaged bytes", i+1, r.Litres, r.Serial)
			}
		}
		return good
	}
}

func noisyLockers(t *testing.T, rate float64) (cable, *lockersim.Chain, *kerong.Bank) {
	chain := lockersim.New(lockersim.Config{Boards: []lockersim.Board{{Address: 0, Locks: noisyLocks}, {Address: 1, Locks: noisyLocks}}, ClosedBit: 1})
	w := line.NewWire("lockers", line.Format{Baud: 19200}, 12, chain, line.NewLog(1))
	w.SetFaults(line.Faults{Damage: rate})
	c := plugged(t, w, bus.Config{Name: "lockers", Lateness: 100 * time.Millisecond})
	bank, err := kerong.New(c, kerong.Config{Name: "locker/A", Boards: 2, ClosedBit: kerong.ClosedIs1, Lateness: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c, chain, bank
}
