package kerong

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Commission is a bank before anybody knows what its bits mean: it gives the bits as they are, and energises one latch at a
// time without judging what came of it. It is for the installer who stands before the doors and looks; a service never holds
// one.
type Commission struct{ bank *Bank }

// Raw is one lock's bits as its board sends them.
type Raw struct {
	Known bool // its board answered
	Latch bool // the latch bit is 1
	Item  bool // the item bit is 1; never of dialect B
}

// Pulse is one unlock frame that has left.
type Pulse struct {
	At     time.Time       // just before it was handed to the port
	Frames []drivers.Frame // what went over the line for it
}

// NewCommission returns the bank that cfg describes for commissioning; its polarity and sensors do not count. It sends nothing.
func NewCommission(line Line, cfg Config) (*Commission, error) {
	cfg.ClosedBit, cfg.Sensors = Unproven, false
	b, err := New(line, cfg)
	if err != nil {
		return nil, err
	}
	return &Commission{b}, nil
}

// Locks is the number of places along the chain, from 1, whether anything is wired to them or not.
func (c *Commission) Locks() int { return len(c.bank.places) }

// Place is where a lock is wired.
func (c *Commission) Place(lock int) Place { return c.bank.places[lock-1] }

// Read reads every board once; index 0 is lock 1. Locks of a board that did not answer are not Known, and the error says why.
func (c *Commission) Read(ctx context.Context) ([]Raw, error) {
	read, err := c.bank.readAll(ctx, bus.Visible)
	all := make([]Raw, len(c.bank.places))
	for i, p := range c.bank.places {
		if s, ok := read[p.Board]; ok {
			all[i] = Raw{Known: true, Latch: s.latch>>p.Lock&1 == 1, Item: s.item>>p.Lock&1 == 1}
		}
	}
	return all, err
}

// Pulse energises one latch, once, whether its door is open or closed. Its board must have answered since the port was opened.
// An error (drivers.ErrNoLock, ErrBusy, ErrLate, ErrSilent, ErrGone, ErrUnproven, or ctx's cause) means that no frame has
// left.
func (c *Commission) Pulse(ctx context.Context, lock int, notAfter time.Time) (Pulse, error) {
	b, called := c.bank, time.Now()
	if lock < 1 || lock > len(b.places) {
		return Pulse{}, fmt.Errorf("bank %s: lock %d: %w: it has 1 to %d", b.cfg.Name, lock, drivers.ErrNoLock, len(b.places))
	}
	if err := b.takeLatch(ctx, notAfter); err != nil {
		return Pulse{}, fmt.Errorf("bank %s: lock %d: %w", b.cfg.Name, lock, err)
	}
	defer func() { <-b.latch }()
	if err := b.supply.take(ctx, notAfter); err != nil {
		return Pulse{}, fmt.Errorf("bank %s: lock %d: supply: %w", b.cfg.Name, lock, err)
	}
	defer b.supply.giveBack()
	place := b.places[lock-1]
	frame, a, err := b.energise(ctx, place, notAfter)
	if errors.Is(err, drivers.ErrUnproven) { // the port was opened anew since the last reading
		if _, _, err := b.ask(ctx, place.Board, bus.Actuation, notAfter); err != nil {
			return Pulse{}, fmt.Errorf("lock %d: %w", lock, err)
		}
		frame, a, err = b.energise(ctx, place, notAfter)
	}
	if err != nil {
		return Pulse{}, fmt.Errorf("lock %d: %w", lock, err)
	}
	return Pulse{At: a.Sent, Frames: evidence(nil, called, frame, a)}, nil
}
