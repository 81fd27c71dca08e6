package kerong

import (
	"fmt"
	"time"
)

// OpenByKey opens a latch with the mechanical key; the door springs open.
func (c *Chain) OpenByKey(number int) error {
	return c.touch(number, func(l *lock) error {
		if l.DoorOpen {
			return ErrDoorOpen
		}
		l.LatchOpen, l.DoorOpen, l.leaning, l.opensAt = true, true, false, time.Time{}
		l.Counts.KeyOpenings++
		return nil
	})
}

// Force breaks a closed door open. Its latch goes with it and holds again once the door is closed.
func (c *Chain) Force(number int) error {
	return c.touch(number, func(l *lock) error {
		if l.DoorOpen {
			return ErrDoorOpen
		}
		l.LatchOpen, l.DoorOpen, l.leaning, l.opensAt = true, true, false, time.Time{}
		l.Counts.Forced++
		return nil
	})
}

// CloseDoor pushes a door shut until it latches. While the latch is still energised it latches when the pulse ends.
func (c *Chain) CloseDoor(number int) error {
	return c.touch(number, func(l *lock) error {
		if !l.DoorOpen {
			return ErrDoorClosed
		}
		l.DoorOpen = false
		l.leaning = l.pulse.to.After(time.Now())
		l.LatchOpen = l.leaning
		return nil
	})
}

// Put lays something into an open, empty compartment.
func (c *Chain) Put(number int) error {
	return c.touch(number, func(l *lock) error {
		switch {
		case !l.DoorOpen:
			return ErrDoorClosed
		case l.Item:
			return ErrOccupied
		}
		l.Item = true
		return nil
	})
}

// Take takes everything out of an open compartment.
func (c *Chain) Take(number int) error {
	return c.touch(number, func(l *lock) error {
		switch {
		case !l.DoorOpen:
			return ErrDoorClosed
		case !l.Item:
			return ErrEmpty
		}
		l.Item = false
		return nil
	})
}

// Stick jams a latch, or frees it. A jammed latch does not move by a pulse.
func (c *Chain) Stick(number int, stuck bool) error {
	return c.touch(number, func(l *lock) error {
		l.Stuck = stuck
		if stuck {
			l.opensAt = time.Time{}
		}
		return nil
	})
}

// Lie makes a compartment's item sensor say the opposite of what is so, or the truth again.
func (c *Chain) Lie(number int, lies bool) error {
	return c.touch(number, func(l *lock) error {
		l.Lies = lies
		return nil
	})
}

// Slow makes a latch open so much later after its pulse began; 0 makes it quick again.
func (c *Chain) Slow(number int, late time.Duration) error {
	return c.touch(number, func(l *lock) error {
		l.Slow = max(0, late)
		return nil
	})
}

func (c *Chain) touch(number int, do func(*lock) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number < 1 || number > len(c.locks) {
		return fmt.Errorf("lock %d of %d: %w", number, len(c.locks), ErrNoLock)
	}
	c.settle(time.Now())
	if err := do(c.locks[number-1]); err != nil {
		return fmt.Errorf("lock %d: %w", number, err)
	}
	return nil
}
