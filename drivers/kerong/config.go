package kerong

import (
	"errors"
	"fmt"
	"time"
)

// ClosedBit is what a latch bit reads while its door is latched. It is a property of the latch's switch and must be
// proven at commissioning (docs/kerong.md 5).
type ClosedBit uint8

// The polarities. A bank whose polarity is unproven reads no latch and opens none.
const (
	Unproven ClosedBit = iota
	ClosedIs0
	ClosedIs1
)

// Place is where a lock is wired.
type Place struct {
	Board int // switch setting of the board, 0 to 14; of dialect B 0 to 99
	Lock  int // lock of the board, 0 to 15: the label less one; of dialect B 0 to 47
}

// Config describes one bank: the boards that share one supply on one line.
type Config struct {
	Name      string        // of the bank, e.g. "locker/A"; names its boards in health and counters
	Dialect   Dialect       // what the boards speak
	Codes     Codes         // of dialect B, all three; none of dialect A
	Boards    int           // 1 to 15, addressed from 0; of dialect B up to 100; not used with Wiring
	Locks     int           // fewer than all when the last board is not full; 0 means all of each board; not used with Wiring
	Wiring    []Place       // Wiring[0] is lock 1; nil means board after board: lock 17, of dialect B 49, is the second one's first
	ClosedBit ClosedBit     // of all latches of the bank
	Sensors   bool          // item sensors are fitted; boards of dialect B have none
	Supply    *Supply       // what it hangs on together with other banks; nil: one of its own
	Pulse     time.Duration // how long the board energises a latch; 0 means 500ms (solenoid), motor latches 1s; at most 5s
	Settle    time.Duration // from the end of the pulse to a reading worth judging; 0 means 100ms, at most 2s
	Budget    time.Duration // from the unlock frame to the verdict; 0 means 1.5s; more than Pulse + Settle, at most 10s
	Answer    time.Duration // wait for a board's answer; 0 means 300ms, at most 5s
	Lateness  time.Duration // worst time from request to answer; 0 means 1s, at most 10s
	Tries     int           // to read a board's status; an unlock is never resent; 0 means 3, at most 10
}

// Validate names every fault of the configuration, one line each.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(c.Name == "", "name: empty; name the bank, such as locker/A")
	add(c.ClosedBit > ClosedIs1, "closed_bit: %d; use 0 or 1", c.ClosedBit)
	for _, err := range append(c.dialectFaults(), c.placeFaults()...) {
		add(true, "%w", err)
	}
	add(c.Pulse < 0 || c.Pulse > 5*time.Second, "pulse: %v; use 500ms for solenoids, 1s for motors, at most 5s", c.Pulse)
	add(c.Settle < 0 || c.Settle > 2*time.Second, "settle: %v; use 0 to 2s", c.Settle)
	add(c.Budget <= c.Pulse+c.Settle || c.Budget > 10*time.Second, "budget: %v; use more than pulse and settle (%v), at most 10s",
		c.Budget, c.Pulse+c.Settle)
	add(c.Answer < 0 || c.Answer > 5*time.Second, "answer: %v; use 0 to 5s", c.Answer)
	add(c.Lateness < 0 || c.Lateness > 10*time.Second, "lateness: %v; use 0 to 10s", c.Lateness)
	add(c.Tries < 0 || c.Tries > 10, "tries: %d; use 0 to 10", c.Tries)
	return errors.Join(faults...)
}

// dialectFaults says what the dialect does not have.
func (c Config) dialectFaults() []error {
	switch {
	case c.Dialect > B:
		return []error{fmt.Errorf("dialect: %d; use A or B", c.Dialect)}
	case c.Dialect == A && c.Codes != Codes{}:
		return []error{errors.New("codes: boards of dialect A all have the same; leave them out")}
	case c.Dialect == A:
		return nil
	}
	var faults []error
	if err := c.Codes.fault(); err != nil {
		faults = append(faults, err)
	}
	if c.Sensors {
		faults = append(faults, errors.New("sensors: boards of dialect B have no inputs for them; leave them out"))
	}
	return faults
}

// placeFaults says which places do not exist or are given twice.
func (c Config) placeFaults() []error {
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	locks, highest := c.Dialect.Locks(), c.Dialect.MaxBoard()
	if c.Wiring == nil {
		add(c.Boards < 1 || c.Boards > highest+1, "boards: %d; use 1 to %d", c.Boards, highest+1)
		add(c.Locks < 1 || c.Locks > c.Boards*locks, "locks: %d; %d boards carry 1 to %d", c.Locks, c.Boards, c.Boards*locks)
	}
	seen := make(map[Place]int, len(c.Wiring))
	for i, p := range c.Wiring {
		add(p.Board < 0 || p.Board > highest || p.Lock < 0 || p.Lock >= locks,
			"wiring: lock %d: board %d, lock %d; boards are 0 to %d, locks 0 to %d", i+1, p.Board, p.Lock, highest, locks-1)
		first, twice := seen[p]
		add(twice, "wiring: locks %d and %d are both on board %d, lock %d; give each its own place", first, i+1, p.Board, p.Lock)
		seen[p] = i + 1
	}
	add(c.Wiring != nil && len(c.Wiring) == 0, "wiring: empty; leave it out or name each lock's place")
	return faults
}

// withDefaults returns c with every zero replaced by its meaning.
func (c Config) withDefaults() Config {
	if c.Locks == 0 {
		c.Locks = c.Boards * c.Dialect.Locks()
	}
	for _, d := range []struct {
		at   *time.Duration
		zero time.Duration
	}{
		{&c.Pulse, 500 * time.Millisecond},
		{&c.Settle, 100 * time.Millisecond},
		{&c.Budget, 1500 * time.Millisecond},
		{&c.Answer, 300 * time.Millisecond},
		{&c.Lateness, time.Second},
	} {
		if *d.at == 0 {
			*d.at = d.zero
		}
	}
	if c.Tries == 0 {
		c.Tries = 3
	}
	return c
}

// places is where each lock is wired; index 0 is lock 1.
func (c Config) places() []Place {
	if c.Wiring != nil {
		return append([]Place(nil), c.Wiring...)
	}
	places, each := make([]Place, c.Locks), c.Dialect.Locks()
	for i := range places {
		places[i] = Place{i / each, i % each}
	}
	return places
}
