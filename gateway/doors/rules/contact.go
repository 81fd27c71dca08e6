package rules

import (
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Reading is one reading of a door.
type Reading struct {
	Door   string
	Began  time.Duration // monotonic: what moved later is not in it
	Answer bool          // the device answered; else Status says nothing
	Status drivers.DoorStatus
}

func (in Reading) apply(st *step) error {
	d, err := st.door(in.Door)
	if err != nil || in.Began < d.After {
		return err
	}
	if !in.Answer || d.HasContact && in.Status.Contact == drivers.ContactUnknown {
		return st.missed(d)
	}
	d.Misses, d.Read, d.AsOf = 0, in.Began, st.now.Wall
	was := d.Contact
	d.Contact = in.Status.Contact
	if !d.HasContact {
		d.Contact = drivers.ContactUnknown
	}
	if d.Contact == drivers.ContactOpen && was != drivers.ContactOpen && (d.Restart || !d.stands()) {
		d.Opened = st.now.Mono
	}
	if in.Status.Exit {
		d.Excuse, d.Excused = "exit", st.now.Mono+ExitGrace
	}
	if in.Status.Released && !d.Moving() && st.now.Mono >= d.Ends+ReleaseGrace { // nobody is let in, and its output is on
		st.out.Actions = append(st.out.Actions, Action{Do: Secure, Door: d.ID})
	}
	if d.Restart {
		d.Restart = false
		return st.found(d)
	}
	return st.contact(d)
}

// missed is a reading without an answer.
func (st *step) missed(d *Door) error {
	if d.Misses++; d.Misses < SilentPolls {
		return nil
	}
	d.Contact = drivers.ContactUnknown
	if d.Restart && d.Entry.Intent != "" { // it will not say any more what came of that
		return st.settle(d, FoundBlind, OutcomeUnknown, "restart_silent")
	}
	return nil
}

// found is a door's first reading after a start: nothing is released for what was under way (invariant 2).
func (st *step) found(d *Door) error {
	on, code := FoundClosed, "restart_closed"
	switch {
	case !d.HasContact:
		code = "restart_no_contact"
	case d.Contact == drivers.ContactOpen:
		on, code = FoundOpen, "restart_open"
	}
	if d.Entry.Intent != "" {
		return st.settle(d, on, OutcomeUnknown, code)
	}
	was := d.State
	if err := st.turn(d, on); err != nil || d.State == was {
		return err
	}
	kind := wire.DoorChanged
	if d.State == Forced && !d.Alarm {
		d.Alarm, kind = true, wire.DoorForced
	}
	st.record(d, kind, wire.Cause{Why: code})
	return nil
}

// contact lets the door's contact have its effect. While an intent is on its way it waits for what comes of that.
func (st *step) contact(d *Door) error {
	switch {
	case d.Contact == drivers.ContactOpen:
		return st.ajar(d)
	case d.Contact == drivers.ContactClosed && d.stands():
		d.Excuse, d.Excused = "latch", st.now.Mono+LatchGrace
		return st.change(d, Closes, "closed")
	}
	return nil
}

func (st *step) ajar(d *Door) error {
	switch {
	case d.State == Released:
		return st.settle(d, Opens, OutcomeOpened, "")
	case d.State != Secured:
		return nil
	case st.now.Mono < d.Excused:
		return st.change(d, Excused, d.Excuse)
	}
	d.Alarm = true
	return st.move(d, Forces, wire.DoorForced, wire.Cause{Why: "contact"})
}

// Tick lets time have its effect.
type Tick struct{}

func (Tick) apply(st *step) error {
	for i := range st.Doors {
		d := &st.Doors[i]
		for { // a clock that stood still may have passed two of them
			at, waits := d.deadline()
			if !waits || st.now.Mono < at {
				break
			}
			if err := st.due(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// due is a door whose time has come.
func (st *step) due(d *Door) error {
	switch d.State {
	case Open:
		return st.move(d, Lingers, wire.DoorHeld, wire.Cause{Why: "contact"})
	case Held:
		return st.move(d, Stays, wire.DoorLeftOpen, wire.Cause{Why: "contact"})
	}
	d.Excuse, d.Excused = "latch", st.now.Mono+LatchGrace
	switch {
	case d.Entry.Intent == "": // a door without a contact: its release was the passage
		return st.change(d, Lapsed, "relocked")
	case d.Proof.Known && d.Contact == drivers.ContactClosed && d.Read >= d.Ends:
		return st.settle(d, Lapsed, OutcomeUnopened, "")
	}
	st.out.Actions = append(st.out.Actions, Action{Do: Secure, Door: d.ID}) // whatever has become of its output (invariant 15)
	return st.settle(d, Lapsed, OutcomeUnknown, "silent")
}
