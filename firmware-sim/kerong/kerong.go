// Package kerong simulates a chain of KR-CU locker boards (dialect A of docs/kerong.md) with their latches, doors and
// compartments.
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

// MaxBoards is how many boards one chain can address.
const MaxBoards = 15

// LocksPerBoard is how many latches one board drives.
const LocksPerBoard = 16

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
	Address int // 0 to 14
	Locks   int // latches wired to it, 1 to 16
}

// Config describes a chain. Locks are numbered from 1 through all boards in order, as on the doors.
type Config struct {
	Boards        []Board
	ClosedBit     int           // what a closed latch reads as: 0 or 1
	ItemSensors   bool          // infrared sensors are fitted; without them every item bit is 0
	Pulse         time.Duration // how long a latch is energised; 0 means 500 ms
	AnswersUnlock bool          // the optional status answer to an unlock request is sent
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
}

func (c Counts) plus(o Counts) Counts {
	return Counts{c.Pulses + o.Pulses, c.Openings + o.Openings, c.KeyOpenings + o.KeyOpenings}
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
	Counts    Counts
}

// Chain is all boards of one line. It is safe for concurrent use.
type Chain struct {
	cfg Config

	mu       sync.Mutex
	boards   []*board
	locks    []*lock
	overlaps uint64
	partial  []byte
	lastByte time.Time
}

type board struct {
	Board
	first int // its first lock, from 0
	fault BoardFault
	pulse time.Duration
}

type lock struct {
	Lock
	pulseEnd time.Time
	opensAt  time.Time // zero: no pulse is moving it; only a closed latch is moved
	leaning  bool      // the door is pushed shut while the pulse still holds the latch open
}

// New returns a chain with every door closed and empty. It panics on an impossible configuration.
func New(cfg Config) *Chain {
	if cfg.Pulse == 0 {
		cfg.Pulse = defaultPulse
	}
	c := &Chain{cfg: cfg}
	for _, b := range cfg.Boards {
		if b.Address < 0 || b.Address >= MaxBoards || b.Locks < 1 || b.Locks > LocksPerBoard {
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

// Overlaps returns how often a latch was energised while another one of the chain still was: more than the supply of
// a bank can be asked for.
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
	for _, l := range c.locks {
		if !l.opensAt.IsZero() && !l.opensAt.After(now) {
			l.opensAt = time.Time{}
			l.LatchOpen, l.DoorOpen = true, true
			l.Counts.Openings++
		}
		if l.leaning && !l.pulseEnd.After(now) {
			l.leaning, l.LatchOpen = false, false
		}
	}
}

// energise gives one lock a pulse at the time at.
func (c *Chain) energise(b *board, l *lock, at time.Time) {
	for _, other := range c.locks {
		if other != l && other.pulseEnd.After(at) {
			c.overlaps++
			break
		}
	}
	l.Counts.Pulses++
	l.pulseEnd = at.Add(b.pulse)
	if !l.Stuck && !l.LatchOpen && l.opensAt.IsZero() {
		l.opensAt = at.Add(travel + l.Slow)
	}
}

func (b *board) busy(c *Chain, now time.Time) bool {
	for _, l := range c.locks[b.first : b.first+b.Locks] {
		if l.pulseEnd.After(now) {
			return true
		}
	}
	return false
}
