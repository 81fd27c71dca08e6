package kerong

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want map[int]drivers.LockStatus // of board 0 with latch 0xfffb and item 1, by lock
	}{
		{"closed is 1", Config{Boards: 1, ClosedBit: ClosedIs1, Sensors: true}, map[int]drivers.LockStatus{
			1: {Latch: drivers.LatchClosed, Item: drivers.ItemPresent}, 3: {Latch: drivers.LatchOpen, Item: drivers.ItemEmpty},
			16: {Latch: drivers.LatchClosed, Item: drivers.ItemEmpty}}},
		{"closed is 0", Config{Boards: 1, ClosedBit: ClosedIs0}, map[int]drivers.LockStatus{
			1: {Latch: drivers.LatchOpen}, 3: {Latch: drivers.LatchClosed}}},
		{"unproven", Config{Boards: 1, Sensors: true}, map[int]drivers.LockStatus{
			1: {Item: drivers.ItemPresent}, 3: {Item: drivers.ItemEmpty}}},
		{"last board not full", Config{Boards: 1, Locks: 12, ClosedBit: ClosedIs1}, map[int]drivers.LockStatus{
			12: {Latch: drivers.LatchClosed}}},
		{"wired otherwise", Config{Wiring: []Place{{0, 15}, {0, 2}}, ClosedBit: ClosedIs1}, map[int]drivers.LockStatus{
			1: {Latch: drivers.LatchClosed}, 2: {Latch: drivers.LatchOpen}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cab := newCabinet(map[int]uint64{0: 0xfffb})
				cab.item[0] = 1
				bank, _, _ := inBubble(t, cab, c.cfg)
				st, err := bank.Status(t.Context())
				if err != nil || st.Err != nil || len(st.Locks) != bank.Locks() {
					t.Fatalf("Status() = %d locks, %v, %v; want %d", len(st.Locks), st.Err, err, bank.Locks())
				}
				for lock, want := range c.want {
					if got := st.Locks[lock-1]; got != want {
						t.Errorf("lock %d = %+v; want %+v", lock, got, want)
					}
				}
			})
		})
	}
}

func TestStatusOfThreeBoardsOneSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cab := newCabinet(map[int]uint64{0: 0xffff, 2: 0x0001})
		bank, _, _ := inBubble(t, cab, Config{Boards: 3, Locks: 33, ClosedBit: ClosedIs1})
		for poll := 1; poll <= 4; poll++ {
			start := time.Now()
			st, err := bank.Status(t.Context())
			if err != nil || !errors.Is(st.Err, drivers.ErrSilent) || !strings.Contains(st.Err.Error(), "board 1") {
				t.Fatalf("Status() = %v, %v; want board 1 silent and no error", st.Err, err)
			}
			if st.Locks[0].Latch != drivers.LatchClosed || st.Locks[20].Latch != drivers.LatchUnknown || st.Locks[32].Latch != drivers.LatchClosed {
				t.Errorf("locks 1, 21, 33 = %v, %v, %v", st.Locks[0], st.Locks[20], st.Locks[32])
			}
			// a board known to be silent costs the others one time-out a poll: invariant 8
			if took := time.Since(start); poll > 1 && took > 1100*time.Millisecond {
				t.Errorf("poll %d took %v; want at most one time-out", poll, took)
			}
			time.Sleep(time.Second)
		}
		if cab.asked[1] < 3+1 || cab.asked[1] > 3+1+1+1 {
			t.Errorf("silent board was asked %d times; want three tries, then at most one a poll", cab.asked[1])
		}
	})
}

func TestNoBoardAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bank, _, cut := inBubble(t, newCabinet(nil), Config{Boards: 2})
		st, err := bank.Status(t.Context())
		if !errors.Is(err, drivers.ErrSilent) || len(st.Locks) != 32 || !strings.Contains(err.Error(), "A/B wires") {
			t.Errorf("Status() = %d locks, %v; want 32, ErrSilent with its remedy", len(st.Locks), err)
		}
		cut()
		synctest.Wait()
		if _, err := bank.Status(t.Context()); !errors.Is(err, drivers.ErrGone) {
			t.Errorf("Status() unplugged = %v; want ErrGone", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := bank.Status(ctx); err == nil {
			t.Error("Status(ended context) = nil; want an error")
		}
	})
}

func TestWrongAnswersAreRefusedAndCounted(t *testing.T) {
	good := Status{Board: 0, Latch: 0xffff}
	for _, c := range []struct {
		name         string
		answer       []byte
		bad, foreign uint64
	}{
		{"another board", appendStatus(nil, Status{Board: 1, Latch: 0}), 0, 1},
		{"another command", appendStatus(nil, Status{Board: 0, All: true}), 0, 1},
		{"wrong sum", []byte{stx, 0, 0x35, 0, 0, 0, 0, etx, 0x39}, 1, 0},
		{"noise", []byte{0xfb, 0xf3}, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cab := newCabinet(map[int]uint64{0: 0xffff})
				cab.onStatus = func(int) [][]byte { return [][]byte{c.answer} }
				bank, line, _ := inBubble(t, cab, Config{Boards: 1, ClosedBit: ClosedIs1, Tries: 1})
				if st, err := bank.Status(t.Context()); !errors.Is(err, drivers.ErrSilent) || st.Locks[0].Latch != drivers.LatchUnknown {
					t.Errorf("Status() = %v, %v; want unknown, ErrSilent", st.Locks[0], err)
				}
				// before the right answer it costs nothing but a count
				cab.locked(func() { cab.onStatus = func(int) [][]byte { return [][]byte{c.answer, appendStatus(nil, good)} } })
				if st, err := bank.Status(t.Context()); err != nil || st.Locks[0].Latch != drivers.LatchClosed {
					t.Errorf("Status() = %v, %v; want closed", st.Locks[0], err)
				}
				if got := line.Stats().Devices["locker/A/board/0"]; got.Bad != 3*c.bad || got.Foreign != 3*c.foreign {
					t.Errorf("bad %d, foreign %d; want %d, %d", got.Bad, got.Foreign, 3*c.bad, 3*c.foreign)
				}
				if h := bank.Health()[0]; h.Errors != 4 || h.Answers != 2 {
					t.Errorf("health: errors %d, answers %d; want 4 (one of them silence), 2", h.Errors, h.Answers)
				}
			})
		})
	}
}

// One damaged frame in 256 has the right sum: what it says of a door is believed only when the next reading says so too.
func TestAReadingIsConfirmed(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			cab, cfg := newCabinet(map[int]uint64{0: d.full}), d.cfg
			cfg.Boards, cfg.Tries = 1, 1
			bank, _, _ := inBubble(t, cab, cfg)
			var lies []uint64
			cab.onStatus = func(int) [][]byte {
				if len(lies) == 0 {
					return nil
				}
				lie := lies[0]
				lies = lies[1:]
				return [][]byte{cab.says(0, lie, 0)}
			}
			for _, c := range []struct {
				name  string
				latch uint64   // as it is
				lies  []uint64 // of the next readings
				want  drivers.Latch
				err   error
				asked int
			}{
				{"at first", d.full, nil, drivers.LatchClosed, nil, 2},
				{"nothing new", d.full, nil, drivers.LatchClosed, nil, 1},
				{"a lie", d.full, []uint64{d.full - 1}, drivers.LatchClosed, nil, 2},
				{"two lies", d.full, []uint64{d.full - 1, d.full - 3}, drivers.LatchClosed, nil, 3},
				{"nothing but lies", d.full, []uint64{d.full - 1, d.full - 2, d.full - 4, d.full - 8}, drivers.LatchUnknown, drivers.ErrSilent, 4},
				{"the door opens", d.full - 1, nil, drivers.LatchOpen, nil, 2},
				{"the door opens, after a lie", d.full, []uint64{d.full - 2}, drivers.LatchClosed, nil, 3},
			} {
				cab.locked(func() { cab.latch[0], lies, cab.asked[0] = c.latch, c.lies, 0 })
				st, err := bank.Status(t.Context())
				if !errors.Is(err, c.err) || st.Locks[0].Latch != c.want || cab.asked[0] != c.asked {
					t.Errorf("%s: Status() = %v, %v after %d readings; want %v, %v after %d", c.name, st.Locks[0].Latch, err, cab.asked[0], c.want, c.err, c.asked)
				}
			}
		})
	})
}

// invariant 8: an answer that comes after its time-out is never read as the next one's, but as its own.
func TestLateStatusIsNotTheNextOne(t *testing.T) {
	both(t, func(t *testing.T, d chain) {
		synctest.Test(t, func(t *testing.T) {
			near := map[int]uint64{0: d.full}
			cab, cfg := newCabinet(near), d.cfg
			cfg.Boards, cfg.Tries = 1, 2
			bank, line, _ := inBubble(t, cab, cfg)
			late := false
			cab.onStatus = func(int) [][]byte {
				if !late {
					return nil
				}
				late = false
				time.Sleep(700 * time.Millisecond) // answers what it was asked then: closed
				old := cab.says(0, cab.latch[0], 0)
				cab.latch[0] = d.full - 1 // meanwhile the door is opened by hand
				return [][]byte{old}
			}
			for turn, want := range []drivers.Latch{drivers.LatchClosed, drivers.LatchClosed, drivers.LatchOpen} {
				cab.locked(func() { late = turn == 1 })
				if st, err := bank.Status(t.Context()); err != nil || st.Locks[0].Latch != want {
					t.Errorf("Status() = %v, %v; want %v", st.Locks[0], err, want)
				}
			}
			if s := line.Stats(); s.Stray != 0 || s.Line.Late != 1 || s.Line.Transactions != 5 { // a reading that says something new is confirmed
				t.Errorf("stray bytes %d, late answers %d of %d; want 0, 1 of 5", s.Stray, s.Line.Late, s.Line.Transactions)
			}
		})
	})
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cab := newCabinet(map[int]uint64{0: 0xffff})
		bank, _, _ := inBubble(t, cab, Config{Boards: 1, ClosedBit: ClosedIs1, Tries: 1})
		poll := func(online bool, silent int) {
			t.Helper()
			_, _ = bank.Status(t.Context())
			h := bank.Health()[0]
			if h.Online != online || h.Silent != silent || h.Online != (h.Error == "") {
				t.Fatalf("health = %+v; want online %v, silent %d", h, online, silent)
			}
			time.Sleep(time.Second)
		}
		if h := bank.Health()[0]; h.Device != "locker/A/board/0" || h.Online || !h.Since.IsZero() {
			t.Errorf("health before any poll = %+v", h)
		}
		poll(true, 0)
		since := bank.Health()[0].Since
		cab.locked(func() { cab.silent(0) })
		poll(true, 1)
		poll(true, 2)
		poll(false, 3)
		poll(false, 4)
		if h := bank.Health()[0]; !h.Since.After(since) || !strings.Contains(h.Error, "A/B wires") {
			t.Errorf("health offline = %+v; want a new Since and the remedy", h)
		}
		cab.locked(func() { cab.latch[0] = 0xffff })
		for polls := 1; !bank.Health()[0].Online; polls++ {
			if polls > 3 {
				t.Fatalf("not found in %d polls of its return: %+v", polls, bank.Health()[0])
			}
			_, _ = bank.Status(t.Context())
			time.Sleep(time.Second)
		}
		if h := bank.Health()[0]; h.Errors != 4 && h.Errors != 3 {
			t.Errorf("%d errors; want those of the polls that were sent", h.Errors)
		}
		poll(true, 0)
		cab.locked(func() { cab.silent(0) })
		poll(true, 1)
		cab.locked(func() { cab.latch[0] = 0xffff })
		poll(true, 0)
	})
}

func TestNewRefusesBadConfig(t *testing.T) {
	for _, c := range []struct {
		want string
		cfg  Config
	}{
		{"boards: 0", Config{Name: "x"}},
		{"boards: 16", Config{Name: "x", Boards: 16}},
		{"locks: 17", Config{Name: "x", Boards: 1, Locks: 17}},
		{"name: empty", Config{Boards: 1}},
		{"lock 2: board 15", Config{Name: "x", Wiring: []Place{{0, 0}, {15, 0}}}},
		{"lock 1: board 0, lock 16", Config{Name: "x", Wiring: []Place{{0, 16}}}},
		{"locks 1 and 3 are both", Config{Name: "x", Wiring: []Place{{0, 1}, {0, 2}, {0, 1}}}},
		{"wiring: empty", Config{Name: "x", Wiring: []Place{}}},
		{"closed_bit: 3", Config{Name: "x", Boards: 1, ClosedBit: 3}},
		{"pulse: 1m0s", Config{Name: "x", Boards: 1, Pulse: time.Minute}},
		{"settle: -1", Config{Name: "x", Boards: 1, Settle: -1}},
		{"budget: 600ms", Config{Name: "x", Boards: 1, Budget: 600 * time.Millisecond}},
		{"answer: 6s", Config{Name: "x", Boards: 1, Answer: 6 * time.Second}},
		{"lateness: 11s", Config{Name: "x", Boards: 1, Lateness: 11 * time.Second}},
		{"tries: 11", Config{Name: "x", Boards: 1, Tries: 11}},
		{"dialect: 2", Config{Name: "x", Boards: 1, Dialect: 2}},
		{"leave them out", Config{Name: "x", Boards: 1, Codes: firmware60}},
		{"codes: missing", Config{Name: "x", Boards: 1, Dialect: B}},
		{"all three", Config{Name: "x", Boards: 1, Dialect: B, Codes: Codes{Status: 0x60, Open: 0x61}}},
		{"all three", Config{Name: "x", Boards: 1, Dialect: B, Codes: Codes{Status: 0x60, Open: 0x60, OK: 0x75}}},
		{"all three", Config{Name: "x", Boards: 1, Dialect: B, Codes: Codes{Status: 0x60, Open: 0x75, OK: 0x75}}},
		{"no inputs", Config{Name: "x", Boards: 1, Dialect: B, Codes: firmware60, Sensors: true}},
		{"locks: 49", Config{Name: "x", Boards: 1, Dialect: B, Codes: firmware60, Locks: 49}},
		{"boards: 101", Config{Name: "x", Boards: 101, Dialect: B, Codes: firmware60}},
		{"board 100, lock 0", Config{Name: "x", Dialect: B, Codes: firmware60, Wiring: []Place{{100, 0}}}},
		{"board 0, lock 48", Config{Name: "x", Dialect: B, Codes: firmware60, Wiring: []Place{{0, 48}}}},
	} {
		if _, err := New(nil, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%+v) = %v; want %q", c.cfg, err, c.want)
		}
	}
}
