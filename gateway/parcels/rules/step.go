package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Step applies one input. On error the state is the old one and Out is empty.
func Step(s State, in Input, now Now) (State, Out, error) {
	st := &step{State: s.clone(), now: now}
	if err := in.apply(st); err != nil {
		return s, Out{}, err
	}
	st.complete()
	slices.Sort(st.out.Compartments)
	st.out.Compartments = slices.Compact(st.out.Compartments)
	slices.Sort(st.out.Parcels)
	st.out.Parcels = slices.Compact(st.out.Parcels)
	return st.State, st.out, nil
}

// complete brings the last event of each compartment to what the step has left.
func (st *step) complete() {
	seen := map[string]bool{}
	for i := len(st.out.Events) - 1; i >= 0; i-- {
		e := &st.out.Events[i]
		if _, ok := e.State.(wire.Compartment); !ok || seen[e.Subject] {
			continue
		}
		seen[e.Subject] = true
		e.State = st.compartment(strings.TrimPrefix(e.Subject, "compartment/")).wire()
	}
}

// step is one step under way.
type step struct {
	State
	now Now
	out Out
}

// compartment gives a compartment to be changed; nil when there is none.
func (st *step) compartment(id string) *Compartment {
	for i := range st.Compartments {
		if st.Compartments[i].ID == id {
			return &st.Compartments[i]
		}
	}
	return nil
}

func (st *step) parcel(id string) *Parcel {
	for i := range st.Parcels {
		if st.Parcels[i].ID == id {
			return &st.Parcels[i]
		}
	}
	return nil
}

// visit gives a living visit to be changed; nil when there is none.
func (st *step) visit(id string) *Visit {
	for i := range st.Visits {
		if st.Visits[i].ID == id && id != "" {
			return &st.Visits[i]
		}
	}
	return nil
}

// touched is visit for what its person does.
func (st *step) touched(id, role string) (*Visit, error) {
	v := st.visit(id)
	if v == nil || v.Role != role {
		return nil, fmt.Errorf("visit %s: %w", id, ErrSession)
	}
	v.Touched = st.now.Mono
	return v, nil
}

// guard gives the guard of a session.
func (st *step) guard(id string) (GuardSession, error) {
	g, ok := st.Guard(id, st.now)
	if !ok {
		return g, fmt.Errorf("guard's session: %w", ErrSession)
	}
	return g, nil
}

// move turns a compartment by the table, and records it.
func (st *step) move(c *Compartment, on Turn, data any) error {
	next, err := NextContent(c.Content, on, c.Purpose, c.Before)
	if err != nil {
		return fmt.Errorf("compartment %s: %w", c.ID, err)
	}
	if next != c.Content {
		c.Since = st.now.Wall
	}
	c.Content = next
	switch next {
	case Vacant, Occupied, NeedsCheck, Reserved:
		c.By, c.Ask, c.Lost = "", 0, false
		if next != Reserved {
			c.Purpose, c.Before = "", ""
		}
		if next == Vacant {
			c.Parcel = ""
		}
		if next != NeedsCheck {
			c.Why, c.Seen, c.Moved = "", false, false
		}
	}
	st.record(c, eventOf(on), data)
	return nil
}

// record commits a compartment with an event.
func (st *step) record(c *Compartment, kind string, data any) {
	c.Version++
	st.out.Compartments = append(st.out.Compartments, c.ID)
	st.out.Events = append(st.out.Events, Event{Type: kind, Subject: "compartment/" + c.ID, Version: c.Version, State: c.wire(), Data: data})
}

func eventOf(on Turn) string {
	switch on {
	case Unlock:
		return wire.UnlockIntended
	case LatchOpened:
		return wire.UnlockOpened
	case NoFeedback:
		return wire.UnlockFailed
	case OutcomeLost:
		return wire.UnlockUnknown
	case Forced:
		return wire.CompartmentForced
	case LeftAjar:
		return wire.DoorAjar
	}
	return wire.CompartmentMoved
}

// fate moves a parcel by the table, and records it.
func (st *step) fate(p *Parcel, on Fate, why cause) error {
	next, err := NextState(p.State, on, p.Before)
	if err != nil {
		return fmt.Errorf("parcel %s: %w", p.ID, err)
	}
	was := p.State
	p.State = next
	if next == Intake {
		p.StoredAt, p.SettledAt = time.Time{}, time.Time{}
	}
	if p.ended() {
		p.EndedAt, p.Ended = st.now.Wall, st.now.Mono
	} else {
		p.EndedAt, p.How = time.Time{}, ""
	}
	ev := Event{Type: wire.ParcelChanged, Data: why}
	switch {
	case next == Intake && was == None:
		ev.Type = wire.ParcelIntake
	case next == Stored && p.StoredAt.IsZero():
		ev.Type, ev.Mint = wire.ParcelStored, true
		p.StoredAt = st.now.Wall
	case next == Collected || next == CollectedDoorOpen:
		ev.Type, p.How = wire.ParcelCollected, why.Why
	}
	st.pins(p, was, on, &ev)
	st.recordParcel(p, ev)
	if next == StoredUnconfirmed && p.SettledAt.IsZero() { // the household is told that it is probably there
		p.SettledAt = st.now.Wall
		st.recordParcel(p, Event{Type: wire.ParcelSettled, Tell: true})
	}
	return nil
}

// pins begins or ends the parcel's PIN.
func (st *step) pins(p *Parcel, was ParcelState, on Fate, ev *Event) {
	do := PINDo("")
	switch {
	case ev.Mint:
		do = MintPIN
	case on == Reassigned:
		ev.Mint, ev.Tell, do = true, true, MintPIN
	case on == Undone:
		do = KillPIN
	case was == None || was == Intake || was == IntakeOpen || was == StoredUnconfirmed:
	case p.State == Collected || p.State == CollectedDoorOpen:
		do = UsePIN
	case p.ended():
		do = EndPIN
	case p.State == Collecting && was == Collected:
		do = LivePIN // used again when it is collected again
	}
	if do != "" {
		st.out.PINs = append(st.out.PINs, PINChange{Parcel: p.ID, Unit: p.Unit, Do: do})
	}
}

func (st *step) recordParcel(p *Parcel, ev Event) {
	p.Version++
	ev.Subject, ev.Version, ev.State = "parcel/"+p.ID, p.Version, p.wire()
	st.out.Parcels = append(st.out.Parcels, p.ID)
	st.out.Events = append(st.out.Events, ev)
}

// settle ends the courier's undo: now the PIN may be shown and the notice sent.
func (st *step) settle(p *Parcel) {
	if p == nil || p.StoredAt.IsZero() || !p.SettledAt.IsZero() {
		return
	}
	p.SettledAt = st.now.Wall
	st.recordParcel(p, Event{Type: wire.ParcelSettled, Tell: true})
	for i := range st.Visits {
		if st.Visits[i].Last.Parcel == p.ID {
			st.Visits[i].Last = Drop{}
		}
	}
}

// session records the begin or end of one.
func (st *step) session(kind, id, role, holder, why string) {
	st.out.Events = append(st.out.Events, Event{Type: kind, Subject: "session/" + id, Data: wire.Session{Role: role, Holder: holder, Cause: why}})
}

// unlock commits the intent to open a compartment once.
func (st *step) unlock(c *Compartment, why Purpose, by string, in intent) error {
	if c.Restart || c.Door != Shut {
		return fmt.Errorf("compartment %s: door is %s: %w", c.ID, c.Door, ErrNotNow)
	}
	if !c.room(st.now) {
		return fmt.Errorf("compartment %s: %w", c.ID, ErrCap)
	}
	in.Purpose, in.Try = string(why), c.Tries+1
	c.Purpose, c.Before, c.Intent, c.By = why, c.Content, in.ID, by
	c.Lost, c.Reminds, c.Ask = false, 0, 0
	if err := st.move(c, Unlock, in); err != nil {
		return err
	}
	c.Pulses = slices.DeleteFunc(c.Pulses, func(at time.Duration) bool { return st.now.Mono-at >= time.Minute })
	c.Pulses = append(c.Pulses, st.now.Mono)
	c.After = st.now.Mono
	st.out.Actions = append(st.out.Actions, Action{Intent: in.ID, Compartment: c.ID, Bank: c.Bank, Lock: c.Lock})
	return nil
}

// door gives a visit's door for a compartment; nil when it has none.
func (v *Visit) door(compartment string) *VisitDoor {
	for i := range v.Doors {
		if v.Doors[i].Compartment == compartment {
			return &v.Doors[i]
		}
	}
	return nil
}

func (v *Visit) mark(compartment string, m Mark, now Now) {
	if d := v.door(compartment); d != nil {
		d.Mark, d.Since, d.At = m, now.Wall, now.Mono
	}
}
