// Package kerong simulates a chain of KR-CU locker boards (docs/kerong.md) with their latches, doors, compartments and power
// supply.
//
// Its codec is its own, written from the protocol's description, so that a mistake of the gateway's driver is not
// repeated here. It counts every pulse and every physical opening: tests compare what the software believes with
// what happened. It keeps time lazily, by the clock at each call, and starts no goroutine.
package kerong

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	turnaround   = 5 * time.Millisecond  // from a request's last byte to its answer's first
	travel       = 40 * time.Millisecond // from the pulse until the latch is open
	defaultPulse = 500 * time.Millisecond
	partialLife  = 50 * time.Millisecond // a request that stands still for so long is given up
)

// MaxBoards is how many boards one chain of dialect A can address.
const MaxBoards = 15

// LocksPerBoard is how many latches one board of dialect A drives.
const LocksPerBoard = 16

// Dialect is what a chain's boards speak.
type Dialect string

// The dialects.
const (
	A Dialect = ""  // boards of up to 16 locks
	B Dialect = "b" // boards of 48 locks, with the codes of their firmware
)

// Limits are the highest number of a board and the most locks of one.
func (d Dialect) Limits() (board, locks int) {
	if d == B {
		return 99, 48
	}
	return MaxBoards - 1, LocksPerBoard
}

// Errors of what a person tries. They are wrapped with the lock.
var (
	ErrNoLock     = errors.New("no such lock")
	ErrNoBoard    = errors.New("no such board")
	ErrDoorOpen   = errors.New("the door is open")
	ErrDoorClosed = errors.New("the door is closed")
	ErrEmpty      = errors.New("the compartment is empty")
	ErrOccupied   = errors.New("something is inside already")
)

// Board is one board of a chain.
type Board struct {
	Address int // 0 to 14, of dialect B to 99
	Locks   int // latches wired to it, 1 to 16, of dialect B to 48
}

// Config describes a chain. Locks are numbered from 1 through all boards in order, as on the doors.
type Config struct {
	Dialect       Dialect
	Codes         Codes   // of dialect B
	Supply        *Supply // which other chains may share; nil: one of its own
	Boards        []Board
	ClosedBit     int           // what a closed latch reads as: 0 or 1
	ItemSensors   bool          // infrared sensors are fitted; without them, and in dialect B, there are no item bits
	Pulse         time.Duration // how long a latch is energised; 0 means 500 ms
	AnswersUnlock bool          // the optional answer to an unlock request is sent
	IgnoresSum    bool          // requests with a wrong sum are obeyed
	BusySilent    bool          // no answer while a latch of the board is energised
}

// BoardFault is what is wrong with a board.
type BoardFault string

// The faults of a board.
const (
	BoardFine BoardFault = ""
	BoardMute BoardFault = "mute" // hears and acts, never answers
	BoardDead BoardFault = "dead" // without power: neither hears nor acts
)

// Counts is the oracle: what physically happened since the start.
type Counts struct {
	Pulses      uint64 // times a latch was energised
	Openings    uint64 // times a pulse opened a closed latch
	KeyOpenings uint64 // times the mechanical key did
	Forced      uint64 // times it was forced
}

func (c Counts) plus(o Counts) Counts {
	return Counts{c.Pulses + o.Pulses, c.Openings + o.Openings, c.KeyOpenings + o.KeyOpenings, c.Forced + o.Forced}
}

// Lock is one compartment as it stands.
type Lock struct {
	Number    int
	Board     int // address of its board
	LatchOpen bool
	DoorOpen  bool
	Item      bool
	Stuck     bool          // a pulse does not move the latch; the key still does
	Slow      time.Duration // a pulse moves the latch so much later
	Lies      bool          // its item sensor says the opposite of what is so
	Counts    Counts
}

// Chain is all boards of one line. It is safe for concurrent use.
type Chain struct {
	cfg Config

	mu       sync.Mutex
	boards   []*board
	locks    []*lock
	overlaps uint64
	seen     int // collapses of the supply that have happened here
	partial  []byte
	lastByte time.Time
}

type board struct {
	Board
	first int // its first lock, from 0
	fault BoardFault
	pulse time.Duration
	back  time.Time // when it answers again after its supply collapsed
}

type lock struct {
	Lock
	pulse   span      // the last one
	opensAt time.Time // zero: no pulse is moving it; only a closed latch is moved
	leaning bool      // the door is pushed shut while the pulse still holds the latch open
}

// New returns a chain with every door closed and empty. It panics on an impossible configuration.
func New(cfg Config) *Chain {
	if cfg.Pulse == 0 {
		cfg.Pulse = defaultPulse
	}
	if cfg.Supply == nil {
		cfg.Supply = NewSupply(0)
	}
	c := &Chain{cfg: cfg}
	most, locks := cfg.Dialect.Limits()
	for _, b := range cfg.Boards {
		if b.Address < 0 || b.Address > most || b.Locks < 1 || b.Locks > locks {
			panic(fmt.Sprintf("kerong: impossible board %+v", b))
		}
		c.boards = append(c.boards, &board{Board: b, first: len(c.locks), pulse: cfg.Pulse})
		for range b.Locks {
			c.locks = append(c.locks, &lock{Lock: Lock{Number: len(c.locks) + 1, Board: b.Address}})
		}
	}
	return c
}

// Locks returns every lock as it stands, lock 1 first.
func (c *Chain) Locks() []Lock {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(time.Now())
	out := make([]Lock, len(c.locks))
	for i, l := range c.locks {
		out[i] = l.Lock
	}
	return out
}

// Counts returns the sums over all locks.
func (c *Chain) Counts() Counts {
	var sum Counts
	for _, l := range c.Locks() {
		sum = sum.plus(l.Counts)
	}
	return sum
}

// Supply returns the chain's power supply.
func (c *Chain) Supply() *Supply { return c.cfg.Supply }

// Overlaps returns how often a latch of the chain was energised while another one of the same supply still was: more than
// a supply can be asked for.
func (c *Chain) Overlaps() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overlaps
}

// BoardFaults returns what is wrong with each board, by address.
func (c *Chain) BoardFaults() map[int]BoardFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[int]BoardFault{}
	for _, b := range c.boards {
		out[b.Address] = b.fault
	}
	return out
}

// Resetting returns the boards that are silent because their supply has collapsed, by address.
func (c *Chain) Resetting() map[int]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, out := time.Now(), map[int]bool{}
	c.settle(now)
	for _, b := range c.boards {
		if b.back.After(now) {
			out[b.Address] = true
		}
	}
	return out
}

// SetBoardFault makes a board mute, dead or fine again.
func (c *Chain) SetBoardFault(address int, f BoardFault) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.boards {
		if b.Address == address {
			b.fault = f
			return nil
		}
	}
	return fmt.Errorf("board %d: %w", address, ErrNoBoard)
}

// settle lets happen what was due by now.
func (c *Chain) settle(now time.Time) {
	var collapses []time.Time
	collapses, c.seen = c.cfg.Supply.since(c.seen, now)
	for _, at := range collapses {
		c.move(at)
		c.collapse(at)
	}
	c.move(now)
}

// move lets latches and doors do what was due by now.
func (c *Chain) move(now time.Time) {
	for _, l := range c.locks {
		if !l.opensAt.IsZero() && !l.opensAt.After(now) {
			l.opensAt = time.Time{}
			l.LatchOpen, l.DoorOpen = true, true
			l.Counts.Openings++
		}
		if l.leaning && !l.pulse.to.After(now) {
			l.leaning, l.LatchOpen = false, false
		}
	}
}

// collapse is what the end of the supply does to the chain at the time at.
func (c *Chain) collapse(at time.Time) {
	c.partial = nil
	for _, b := range c.boards {
		b.pulse, b.back = c.cfg.Pulse, at.Add(boardReset)
	}
	for _, l := range c.locks {
		l.opensAt = time.Time{} // what had time to move has moved
		switch {
		case l.pulse.from.After(at): // the board was still to begin it
			l.Counts.Pulses--
			l.pulse = span{}
		case l.pulse.to.After(at):
			l.pulse.to = at
		}
	}
}

// energise gives one lock a pulse at the time at.
func (c *Chain) energise(b *board, l *lock, at time.Time) {
	p := span{at, at.Add(b.pulse)}
	if c.cfg.Supply.energise(l, p) {
		c.overlaps++
	}
	l.Counts.Pulses++
	l.pulse = p
	if !l.Stuck && !l.LatchOpen && l.opensAt.IsZero() {
		l.opensAt = at.Add(travel + l.Slow)
	}
}

func (b *board) busy(c *Chain, now time.Time) bool {
	for _, l := range c.locks[b.first : b.first+b.Locks] {
		if l.pulse.to.After(now) {
			return true
		}
	}
	return false
}
