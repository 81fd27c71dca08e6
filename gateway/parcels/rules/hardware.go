package rules

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func (in Polled) apply(st *step) error {
	for i := range st.Compartments {
		c := &st.Compartments[i]
		if c.Bank != in.Bank || in.Began < c.After {
			continue
		}
		read := drivers.LockStatus{}
		if c.Lock <= len(in.Locks) {
			read = in.Locks[c.Lock-1]
		}
		events, pins, actions := len(st.out.Events), len(st.out.PINs), len(st.out.Actions)
		if st.read(c, read) != nil {
			st.out.Events, st.out.PINs, st.out.Actions = st.out.Events[:events], st.out.PINs[:pins], st.out.Actions[:actions]
			st.spoiled(c)
		}
	}
	return nil
}

// spoiled is a compartment whose record says what cannot be: it costs itself, and the bank goes on.
func (st *step) spoiled(c *Compartment) {
	c.Content, c.Purpose, c.Before, c.Intent, c.By = NeedsCheck, "", "", "", ""
	c.Why, c.Seen, c.Ask, c.Lost, c.Since = WhyDamaged, false, 0, false, st.now.Wall
	st.record(c, wire.CompartmentMoved, cause{Why: WhyDamaged})
}

// read takes one lock's reading.
func (st *step) read(c *Compartment, read drivers.LockStatus) error {
	if read.Latch == drivers.LatchUnknown {
		if c.Misses++; c.Misses >= SilentPolls {
			c.Door = DoorUnknown
		}
		return nil
	}
	c.Misses, c.Item = 0, NoSensor
	if c.Sensor && read.Item != drivers.ItemUnknown {
		c.Item = map[drivers.Item]Item{drivers.ItemEmpty: Empty, drivers.ItemPresent: Present}[read.Item]
	}
	was := c.Door
	c.Door = Shut
	if read.Latch == drivers.LatchOpen {
		c.Door = Ajar
		if was != Ajar {
			c.Opened, c.Reminds = st.now.Mono, 0
		}
	}
	if c.Restart {
		c.Restart = false
		return st.restarted(c)
	}
	if c.Doubt {
		c.Doubt = false
		st.out.Compartments = append(st.out.Compartments, c.ID)
		if c.Door == Shut && (c.Content == Vacant && c.Item == Present || c.Content == Occupied && c.Item == Empty) {
			err := st.move(c, Disagrees, cause{Why: WhyDisagrees})
			c.Why = WhyDisagrees
			return err
		}
	}
	if c.Door == Ajar {
		return st.readOpen(c)
	}
	return st.readShut(c)
}

// What the store says may be older than what happened: each compartment's next reading is held against it.
func (in PutBack) apply(st *step) error {
	for i := range st.Compartments {
		st.Compartments[i].Doubt = true
		st.out.Compartments = append(st.out.Compartments, st.Compartments[i].ID)
	}
	return nil
}

func (st *step) readOpen(c *Compartment) error {
	switch c.Content {
	case Vacant, Occupied, Reserved:
		return st.forced(c)
	case Opening:
		if c.Lost {
			return st.opened(c, evidence{Intent: c.Intent, Pulsed: true})
		}
	case ClosedUnconfirmed:
		c.Ask = 0
		return st.move(c, DoorReopened, cause{Why: "sensor"})
	case NeedsCheck:
		if !c.Seen {
			c.Seen = true
			st.out.Compartments = append(st.out.Compartments, c.ID)
		}
	}
	return nil
}

func (st *step) readShut(c *Compartment) error {
	switch c.Content {
	case Opening:
		if !c.Lost {
			return nil
		}
		c.Intent = ""
		if st.visit(c.By) != nil {
			return st.shut(c)
		}
		return st.restarted(c) // nobody watched it, and nobody can be asked
	case Open:
		return st.shut(c)
	case NeedsCheck:
		if c.Moved {
			return st.move(c, Cleared, cause{Why: Guard})
		}
	case ClosedUnconfirmed:
		if c.Purpose == Collection && c.Item == Empty {
			return st.took(c, "sensor")
		}
	}
	return nil
}

// forced is a door that stands open without an intent. It is never cleared by itself.
func (st *step) forced(c *Compartment) error {
	v, p := st.visit(c.By), st.parcel(c.Parcel)
	reserved := c.Content == Reserved
	if err := st.move(c, Forced, nil); err != nil {
		return err
	}
	c.Why, c.Seen = WhyForced, true
	if !reserved {
		return nil
	}
	c.Parcel = ""
	if v != nil {
		v.mark(c.ID, Fault, st.now)
	}
	if p != nil {
		return st.fate(p, TakenBack, cause{Why: WhyForced})
	}
	return nil
}

// opened is the feedback that a latch has opened.
func (st *step) opened(c *Compartment, e evidence) error {
	c.Door, c.Opened, c.Reminds, c.Tries, c.Intent, c.Lost = Ajar, st.now.Mono, 0, 0, "", false
	if err := st.move(c, LatchOpened, e); err != nil {
		return err
	}
	if v := st.visit(c.By); v != nil {
		v.Touched = st.now.Mono
		v.mark(c.ID, Waiting, st.now)
		return nil
	}
	if _, ok := st.Guard(c.By, st.now); ok {
		return nil
	}
	return st.leftOpen(c, "session_ended")
}

// shut is the feedback that a door was closed.
func (st *step) shut(c *Compartment) error {
	if err := st.move(c, DoorClosed, cause{Why: "sensor"}); err != nil {
		return err
	}
	v, p := st.visit(c.By), st.parcel(c.Parcel)
	if v != nil {
		v.Touched = st.now.Mono
	}
	switch {
	case c.Purpose == Audit && c.Moved:
		return st.move(c, Cleared, cause{Why: "guard"})
	case c.Purpose == Audit:
		if err := st.move(c, Inspected, cause{Why: "guard"}); err != nil {
			return err
		}
		c.Why, c.Seen = WhyAudit, true
		return nil
	case c.Purpose == Deposit && p == nil:
		return st.emptied(c)
	case c.Purpose == Deposit && v == nil:
		return st.walkedAway(c, p)
	case c.Purpose == Collection && (v == nil || p == nil || p.State != Collecting):
		return st.closedAlone(c)
	case c.Purpose == Collection && c.Item == Empty:
		return st.took(c, "sensor")
	case c.Purpose == Collection && c.Item == Present:
		return st.kept(c, "sensor")
	case c.Purpose == Collection:
		c.Ask = st.now.Mono + AskTime
	}
	return nil
}

func (in Outcome) apply(st *step) error {
	i := slices.IndexFunc(st.Compartments, func(c Compartment) bool { return c.Intent == in.Intent && c.Content == Opening })
	if i < 0 || in.Intent == "" {
		return fmt.Errorf("outcome of intent %s: %w", in.Intent, ErrUnknown)
	}
	c := &st.Compartments[i]
	c.After = st.now.Mono
	e := evidence{Intent: in.Intent, Pulsed: in.Pulsed, Waited: in.Waited.Microseconds(), Took: in.Took.Microseconds()}
	for _, f := range in.Frames {
		sent := "<"
		if f.Sent {
			sent = ">"
		}
		e.Frames = append(e.Frames, sent+hex.EncodeToString(f.Bytes))
	}
	switch {
	case in.Err == "" && (in.Unlock.Outcome == drivers.Opened || in.Unlock.Outcome == drivers.AlreadyOpen):
		return st.opened(c, e)
	case in.Err == "" && in.Unlock.Outcome == drivers.Unknown:
		c.Lost = true
		return st.move(c, OutcomeLost, e)
	}
	if in.Pulsed {
		c.Tries++
	}
	return st.stuck(c, e, in.Next)
}

// stuck is an intent that opened nothing.
func (st *step) stuck(c *Compartment, e evidence, next string) error {
	c.Intent = ""
	by, why, p := c.By, c.Purpose, st.parcel(c.Parcel)
	if err := st.move(c, NoFeedback, e); err != nil {
		return err
	}
	v := st.visit(by)
	faulty := c.Tries >= MaxTries
	if faulty {
		if err := st.outOfService(c, WhyLockFault, ""); err != nil {
			return err
		}
	}
	if v != nil {
		m := Stuck
		if faulty {
			m = Fault
		}
		v.mark(c.ID, m, st.now)
		v.Touched = st.now.Mono
	}
	switch {
	case why == Collection && p != nil && p.State == Collecting:
		return st.fate(p, DoorStuck, cause{Why: "stuck"})
	case why != Deposit:
		return nil
	}
	c.By = by // the reservation stays with the visit
	if v == nil {
		return st.abandon(c)
	}
	if faulty {
		return st.depositElsewhere(v, c, next)
	}
	return nil
}

func (st *step) outOfService(c *Compartment, why, by string) error {
	c.Out = why
	return st.move(c, ServiceChange, cause{Why: why, By: by})
}
