package rules

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// CloseDown closes a door to every grant, ticket and command. Who is being let in at this moment, but by a guard, is not.
type CloseDown struct{ Door, Guard, Reason string }

func (in CloseDown) apply(st *step) error {
	d, err := st.door(in.Door)
	switch {
	case err != nil:
		return err
	case d.Closed:
		return fmt.Errorf("door %s is closed down: %w", d.ID, ErrNotNow)
	}
	d.Closed, d.Reason = true, in.Reason
	st.record(d, wire.DoorClosedDown, wire.Cause{Why: "guard", By: in.Guard, Reason: in.Reason})
	if d.Moving() && d.Entry.Right != byGuard {
		st.out.Actions = append(st.out.Actions, Action{Do: Secure, Door: d.ID})
	}
	return nil
}

// Reopen ends that.
type Reopen struct{ Door, Guard, Reason string }

func (in Reopen) apply(st *step) error {
	d, err := st.door(in.Door)
	switch {
	case err != nil:
		return err
	case !d.Closed:
		return fmt.Errorf("door %s is not closed down: %w", d.ID, ErrNotNow)
	}
	d.Closed, d.Reason = false, ""
	st.record(d, wire.DoorReopened, wire.Cause{Why: "guard", By: in.Guard, Reason: in.Reason})
	return nil
}

// Clear is a guard who has looked at a forced door.
type Clear struct{ Door, Guard, Reason string }

func (in Clear) apply(st *step) error {
	d, err := st.door(in.Door)
	switch {
	case err != nil:
		return err
	case !d.Alarm:
		return fmt.Errorf("door %s was not forced: %w", d.ID, ErrNotNow)
	}
	d.Alarm = false
	if d.State == Forced {
		on := Cleared
		if d.Contact == drivers.ContactOpen {
			on, d.Opened = ClearedAjar, st.now.Mono
		}
		if err := st.turn(d, on); err != nil {
			return err
		}
	}
	st.record(d, wire.DoorChanged, wire.Cause{Why: "cleared", By: in.Guard, Reason: in.Reason})
	return nil
}

// Damaged is a door whose record could not be read: it is closed down until a guard has looked and reopens it. Its version
// goes on above whatever it was.
type Damaged struct{ Door string }

func (in Damaged) apply(st *step) error {
	d, err := st.door(in.Door)
	if err != nil {
		return err
	}
	d.Closed, d.Reason, d.Version = true, "damaged", uint64(max(wire.At(st.now.Wall), 1))
	st.record(d, wire.DoorClosedDown, wire.Cause{Why: "damaged"})
	return nil
}

// Wrong is a text at a door's reader that is no ticket of ours. It cannot be guessed, so that right ones never wait for
// wrong ones; what is bounded is how much of it is recorded.
type Wrong struct{ Door string }

func (in Wrong) apply(st *step) error {
	d, err := st.door(in.Door)
	if err != nil {
		return err
	}
	d.Wrongs = recent(d.Wrongs, st.now.Mono, time.Hour)
	left := MaxWrong - len(d.Wrongs)
	if left <= 0 {
		st.out.Unrecorded++
		return nil
	}
	d.Wrongs = append(d.Wrongs, st.now.Mono)
	why := wire.Refused{Purpose: ByTicket, Reason: "wrong", Left: left - 1}
	if left == 1 {
		why.Reason = "budget"
	}
	st.out.Events = append(st.out.Events, Event{Type: wire.GrantRefused, Subject: "screen/" + d.ID, Data: why})
	return nil
}
