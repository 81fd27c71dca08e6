package rules

import (
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func (in Collect) apply(st *step) error {
	var v *Visit
	for i := range st.Visits {
		if other := &st.Visits[i]; other.Role == Resident && other.Holder == in.Household {
			v = other
		}
	}
	if v == nil {
		if len(st.Visits) >= MaxVisits {
			return fmt.Errorf("%d visits: %w", len(st.Visits), ErrNotNow)
		}
		st.Visits = append(st.Visits, Visit{ID: in.Visit, Role: Resident, Holder: in.Household, Label: in.Label})
		v = &st.Visits[len(st.Visits)-1]
		st.session(wire.SessionStarted, in.Visit, Resident, in.Household, "")
	}
	v.Touched, v.Grant, st.out.Visit = st.now.Mono, in.Grant, v.ID
	v.Doors = slices.DeleteFunc(v.Doors, func(d VisitDoor) bool { return st.compartment(d.Compartment).By != v.ID })
	for _, c := range st.Compartments {
		p := st.parcel(c.Parcel)
		if c.HeldFor == in.Again && in.Again != "" && st.Reopens(in.Again, st.now) {
			p = st.parcel(in.Again)
		}
		if p == nil || p.Household != in.Household || v.door(c.ID) != nil {
			continue
		}
		if p.waits() || p.ID == in.Again || p.State == StoredUnconfirmed && in.Grant == "household" {
			v.Doors = append(v.Doors, VisitDoor{Compartment: c.ID, Parcel: p.ID, Mark: Waiting, Since: st.now.Wall, At: st.now.Mono})
		}
	}
	return nil
}

func (in OpenDoor) apply(st *step) error {
	v := st.visit(in.Visit)
	if v == nil {
		return fmt.Errorf("visit %s: %w", in.Visit, ErrSession)
	}
	d, c := v.door(in.Compartment), st.compartment(in.Compartment)
	if d == nil || c == nil {
		return fmt.Errorf("compartment %s: %w", in.Compartment, ErrUnknown)
	}
	p := st.parcel(d.Parcel)
	if p == nil || !c.usable(st.now) {
		if p != nil && c.Out == "" && c.answers() {
			return fmt.Errorf("compartment %s: %w", c.ID, ErrCap)
		}
		return fmt.Errorf("compartment %s: %w", in.Compartment, ErrNotNow)
	}
	v.Touched = st.now.Mono
	if v.Role == Courier {
		return st.tryAgain(v, d, c, p, in.Intent)
	}
	switch {
	case d.Mark == Waiting || d.Mark == Stuck:
	case d.Mark == KeptThere && st.now.Mono-d.At < HoldTime:
	default:
		return fmt.Errorf("compartment %s: %w", c.ID, ErrNotNow)
	}
	return st.openFor(v, c, p, in.Intent)
}

// tryAgain is a courier's next try at a door that did not open.
func (st *step) tryAgain(v *Visit, d *VisitDoor, c *Compartment, p *Parcel, intentID string) error {
	if d.Mark != Stuck || c.By != v.ID || p.State != Intake || (c.Content != Reserved && c.Content != Occupied) {
		return fmt.Errorf("compartment %s: %w", c.ID, ErrNotNow)
	}
	d.Mark = Waiting
	return st.unlock(c, Deposit, v.ID, intent{ID: intentID, Grant: Courier, Holder: v.Holder})
}

// openFor opens a door for the household whose parcel is behind it.
func (st *step) openFor(v *Visit, c *Compartment, p *Parcel, intentID string) error {
	again := p.State == Collected && st.Reopens(p.ID, st.now)
	unconfirmed := p.State == StoredUnconfirmed && v.Grant == "household" && c.Content == NeedsCheck && c.Why == WhyUnconfirmed
	if c.By != "" || p.Household != v.Holder || !again && !unconfirmed && !(p.waits() && c.Content == Occupied && c.Parcel == p.ID) {
		return fmt.Errorf("compartment %s: %w", c.ID, ErrNotNow)
	}
	st.settle(p) // whoever holds the credential ends the courier's undo
	p.Before, p.Task = p.State, ""
	if err := st.fate(p, DoorOpens, cause{Why: v.Grant, By: v.Holder}); err != nil {
		return err
	}
	c.Parcel = p.ID
	v.mark(c.ID, Waiting, st.now)
	return st.unlock(c, Collection, v.ID, intent{ID: intentID, Grant: v.Grant, Holder: v.Holder})
}

// asked gives what a resident's answer is about.
func (st *step) asked(visit, compartment string, contents ...Content) (*Visit, *Compartment, *Parcel, error) {
	v, err := st.touched(visit, Resident)
	if err != nil {
		return nil, nil, nil, err
	}
	c := st.compartment(compartment)
	if c == nil || v.door(compartment) == nil {
		return nil, nil, nil, fmt.Errorf("compartment %s: %w", compartment, ErrUnknown)
	}
	p := st.parcel(c.Parcel)
	if c.By != v.ID || c.Purpose != Collection || !slices.Contains(contents, c.Content) || p == nil || p.State != Collecting {
		return nil, nil, nil, fmt.Errorf("compartment %s: %w", compartment, ErrNotNow)
	}
	return v, c, p, nil
}

func (in Answer) apply(st *step) error {
	_, c, _, err := st.asked(in.Visit, in.Compartment, ClosedUnconfirmed)
	if err != nil {
		return err
	}
	if in.Taken {
		return st.took(c, "user")
	}
	return st.kept(c, "user")
}

// took ends a collection whose door is closed: by the sensor, by the user's word, or assumed.
func (st *step) took(c *Compartment, how string) error {
	v, p := st.visit(c.By), st.parcel(c.Parcel)
	turn := Took
	if how == "assumed" {
		turn = Silence
	}
	if err := st.move(c, turn, cause{Why: how}); err != nil {
		return err
	}
	c.Verify = how == "assumed"
	if v != nil {
		v.mark(c.ID, Done, st.now)
	}
	if p == nil || p.State != Collecting {
		return nil
	}
	c.Held, c.HeldFor = st.now.Mono+HoldTime, p.ID
	return st.fate(p, TakenOut, cause{Why: how, By: p.Household})
}

// kept ends a collection in which the parcel stayed inside.
func (st *step) kept(c *Compartment, how string) error {
	v, p := st.visit(c.By), st.parcel(c.Parcel)
	if err := st.move(c, Kept, cause{Why: how}); err != nil {
		return err
	}
	if v != nil {
		v.mark(c.ID, KeptThere, st.now)
	}
	err := st.fate(p, NotTaken, cause{Why: how, By: p.Household})
	st.settle(p)
	return err
}

// silence is a question that nobody answered.
func (st *step) silence(c *Compartment) error {
	c.Ask = 0
	if c.Content != ClosedUnconfirmed || c.Purpose != Collection {
		return nil
	}
	return st.took(c, "assumed")
}

// closedAlone is a collection's door that was closed after its visit had ended.
func (st *step) closedAlone(c *Compartment) error {
	p := st.parcel(c.Parcel)
	if c.Item == Present && p != nil && p.State == Collecting {
		return st.kept(c, "sensor")
	}
	if c.Item == Present {
		if err := st.move(c, Doubt, cause{Why: WhyItemLeft}); err != nil {
			return err
		}
		c.Why = WhyItemLeft
		return nil
	}
	how := "assumed"
	if c.Item == Empty {
		how = "sensor"
	}
	return st.took(c, how)
}

func (in Dispute) apply(st *step) error {
	v, c, p, err := st.asked(in.Visit, in.Compartment, ClosedUnconfirmed, Open)
	if err != nil {
		return err
	}
	why := "not_mine"
	if in.Empty {
		why = "empty"
	}
	fate, said := Doubted, WhyDisputed
	if p.Before == StoredUnconfirmed && in.Empty { // nobody ever said that it was there
		fate, said = SaidVoid, WhyUnconfirmed
	}
	open := c.Door == Ajar
	if err := st.move(c, Doubt, cause{Why: why, By: v.Holder}); err != nil {
		return err
	}
	c.Why, c.Seen = said, open
	v.mark(c.ID, InDispute, st.now)
	return st.fate(p, fate, cause{Why: why, By: v.Holder})
}

// leftOpen is an open door whose person has gone, or who has not closed it.
func (st *step) leftOpen(c *Compartment, why string) error {
	v, p := st.visit(c.By), st.parcel(c.Parcel)
	if v != nil {
		v.mark(c.ID, Done, st.now)
	}
	c.By = ""
	switch {
	case p == nil:
		return nil
	case c.Purpose == Deposit && p.State == Intake:
		return st.fate(p, WalkedOpen, cause{Why: why})
	case c.Purpose == Collection && p.State == Collecting:
		return st.fate(p, DoorLeftOpen, cause{Why: "door_open", By: p.Household})
	}
	return nil
}

func (in Leave) apply(st *step) error {
	if st.visit(in.Visit) == nil {
		return fmt.Errorf("visit %s: %w", in.Visit, ErrSession)
	}
	return st.end(in.Visit, "signed_out")
}

// end ends a visit. Nothing physical moves: what is open stays open.
func (st *step) end(id, why string) error {
	v := *st.visit(id)
	st.Visits = slices.DeleteFunc(st.Visits, func(o Visit) bool { return o.ID == id })
	st.settle(st.parcel(v.Last.Parcel))
	for i := range st.Compartments {
		c := &st.Compartments[i]
		if c.By != id {
			continue
		}
		if err := st.leave(c); err != nil {
			return err
		}
	}
	st.session(wire.SessionEnded, id, v.Role, v.Holder, why)
	return nil
}

// leave is what becomes of a compartment whose visit has ended.
func (st *step) leave(c *Compartment) error {
	p := st.parcel(c.Parcel)
	switch c.Content {
	case Open:
		return st.leftOpen(c, "session_ended")
	case ClosedUnconfirmed:
		c.By = ""
		if c.Purpose == Deposit {
			return st.walkedAway(c, p)
		}
		return st.closedAlone(c)
	case Reserved:
		return st.abandon(c)
	case Occupied:
		if p != nil && p.State == Intake {
			return st.abandon(c)
		}
	}
	c.By = "" // opening: the outcome decides
	return nil
}
