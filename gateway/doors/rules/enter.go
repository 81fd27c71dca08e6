package rules

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// The rights by which a door is released.
const (
	ByTicket  = "ticket"
	ByGrant   = "grant"
	byCommand = "command"
	byGuard   = "guard"
)

// noContact is the code of a release that counts as the passage, since no contact is fitted that could say so.
const noContact = "no_contact"

// Enter is somebody at the door whose ticket or code was right.
type Enter struct {
	Door   string
	Intent string
	Right  string // ByTicket, ByGrant
	Grant  string
	Who    string // household; empty: whoever holds the ticket
	Uses   int    // 0: as often as wanted
	Used   int    // how often it was
	Until  time.Time
	Marked bool // the clock was uncertain
}

func (in Enter) apply(st *step) error {
	d, err := st.door(in.Door)
	if err != nil {
		return err
	}
	why := d.bar(in.Right, st.now)
	if why == "" && in.Uses > 0 && in.Used >= in.Uses {
		why = Used
	}
	if why != "" {
		return fmt.Errorf("door %s: %w", d.ID, why)
	}
	entry := Entry{Intent: in.Intent, Right: in.Right, Grant: in.Grant, Used: in.Used, Until: in.Until}
	return st.let(d, entry, wire.Entry{Who: in.Who, Marked: in.Marked}, 0)
}

// OpenFor is a guard who opens a door. A closure does not hold him.
type OpenFor struct{ Door, Intent, Guard, Reason string }

func (in OpenFor) apply(st *step) error {
	d, err := st.door(in.Door)
	if err != nil {
		return err
	}
	if why := d.bar(byGuard, st.now); why != "" {
		return fmt.Errorf("door %s: %w", d.ID, why)
	}
	return st.let(d, Entry{Intent: in.Intent, Right: byGuard}, wire.Entry{Who: in.Guard, Why: in.Reason}, 0)
}

// Order is a command that has verified. What does not let it through is its outcome: it is never asked for again.
type Order struct {
	Door     string
	Intent   string
	Command  string
	Device   string // as the command names the door
	What     string
	Who, Why string
	Deadline time.Duration // monotonic: its challenge ends
}

func (in Order) apply(st *step) error {
	d, err := st.door(in.Door)
	if err != nil {
		return err
	}
	why := d.bar(byCommand, st.now)
	if why == "" {
		var room bool
		if st.Orders, room = st.Orders.take(st.now.Mono); !room {
			why = Cap
		}
	}
	if why != "" {
		st.ordered(in.Command, wire.CommandRefused, wire.CommandOutcome{Device: in.Device, What: in.What, Code: string(why)})
		return nil
	}
	entry := Entry{Intent: in.Intent, Right: byCommand, Command: in.Command, Device: in.Device, What: in.What}
	return st.let(d, entry, wire.Entry{Who: in.Who, Why: in.Why}, in.Deadline)
}

// let commits the intent to release a door once. Said is what its event says beside the entry.
func (st *step) let(d *Door, e Entry, said wire.Entry, deadline time.Duration) error {
	if e.Right != byCommand {
		d.Openings = append(recent(d.Openings, st.now.Mono, time.Minute), st.now.Mono)
	}
	d.Entry, d.Proof, d.Newest, d.Outcome, d.After = e, Proof{}, e.Intent, OutcomeOpening, st.now.Mono
	said.ID, said.Right, said.Grant, said.Command = e.Intent, e.Right, e.Grant, e.Command
	if err := st.move(d, Let, wire.DoorOpening, said); err != nil {
		return err
	}
	st.out.Actions = append(st.out.Actions, Action{Do: Release, Door: d.ID, Intent: e.Intent, Hold: d.Strike, Deadline: deadline})
	return nil
}

// Outcome is what the device said of a release. Code is set when nothing can have been released.
type Outcome struct {
	Door, Intent string
	drivers.Release
	Code string
}

func (in Outcome) apply(st *step) error {
	d, err := st.door(in.Door)
	if err != nil {
		return err
	}
	if d.State != Opening || d.Entry.Intent != in.Intent {
		return fmt.Errorf("door %s: outcome of intent %s: %w", d.ID, in.Intent, ErrUnknown)
	}
	d.Proof = Proof{Known: in.Known, Waited: in.Waited, Took: in.Took, Frames: frames(in.Frames)}
	if in.Code != "" {
		if err := st.settle(d, NotSent, OutcomeRefused, in.Code); err != nil {
			return err
		}
		return st.contact(d)
	}
	d.Ends = st.now.Mono + d.Strike
	switch {
	case !in.Known:
		err = st.turn(d, Lost)
	case d.HasContact:
		err = st.turn(d, Confirmed)
	default:
		err = st.settle(d, Confirmed, OutcomeOpened, noContact)
	}
	if err != nil {
		return err
	}
	return st.contact(d)
}

func frames(all []drivers.Frame) (out []string) {
	for _, f := range all {
		sent := "<"
		if f.Sent {
			sent = ">"
		}
		out = append(out, sent+hex.EncodeToString(f.Bytes))
	}
	return out
}
