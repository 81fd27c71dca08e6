package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func (in GuardIn) apply(st *step) error {
	if len(st.Guards) >= MaxGuards {
		old := st.Guards[0]
		st.Guards = slices.Delete(st.Guards, 0, 1)
		st.session(wire.SessionEnded, old.ID, Guard, old.Guard, "replaced")
	}
	st.Guards = append(st.Guards, GuardSession{
		ID: in.Session, Guard: in.Guard, Masked: in.Masked, Until: st.now.Mono + GuardTime, Shown: st.now.Wall.Add(GuardTime),
	})
	st.out.Visit = in.Session
	st.session(wire.SessionStarted, in.Session, Guard, in.Guard, "")
	return nil
}

func (in GuardOut) apply(st *step) error {
	g, err := st.guard(in.Session)
	if err != nil {
		return err
	}
	st.Guards = slices.DeleteFunc(st.Guards, func(o GuardSession) bool { return o.ID == in.Session })
	st.session(wire.SessionEnded, in.Session, Guard, g.Guard, "signed_out")
	return nil
}

// held gives a compartment that a guard wants something of.
func (st *step) held(session, compartment string) (GuardSession, *Compartment, error) {
	g, err := st.guard(session)
	if err != nil {
		return g, nil, err
	}
	c := st.compartment(compartment)
	if c == nil {
		return g, nil, fmt.Errorf("compartment %s: %w", compartment, ErrUnknown)
	}
	return g, c, nil
}

func (in GuardOpen) apply(st *step) error {
	g, c, err := st.held(in.Session, in.Compartment)
	if err != nil {
		return err
	}
	if c.By != "" || (c.Content != Vacant && c.Content != Occupied && c.Content != NeedsCheck) {
		return fmt.Errorf("compartment %s is %s: %w", c.ID, c.Content, ErrNotNow)
	}
	return st.unlock(c, Audit, in.Session, intent{ID: in.Intent, Grant: Guard, Holder: g.Guard, Reason: in.Reason})
}

func (in Inspect) apply(st *step) error {
	g, c, err := st.held(in.Session, in.Compartment)
	if err != nil {
		return err
	}
	p := st.parcel(c.Parcel)
	switch {
	case c.Content != NeedsCheck || !c.Seen || c.Door != Shut:
		return fmt.Errorf("compartment %s: open it, look, close it: %w", c.ID, ErrNotNow)
	case in.Inside && (p == nil || p.ended()):
		return fmt.Errorf("compartment %s: no parcel should be there: take out what is: %w", c.ID, ErrNotNow)
	}
	why := cause{Why: Guard, By: g.Guard, Reason: in.Reason}
	if !in.Inside {
		return st.inspectedEmpty(c, p, why)
	}
	if err := st.move(c, SaysOccupied, why); err != nil {
		return err
	}
	p.Task = ""
	switch p.State {
	case StoredUnconfirmed, IntakeOpen, Disputed:
		err := st.fate(p, Confirmed, why)
		st.settle(p)
		return err
	}
	st.out.Parcels = append(st.out.Parcels, p.ID)
	return nil
}

func (st *step) inspectedEmpty(c *Compartment, p *Parcel, why cause) error {
	if err := st.move(c, SaysVacant, why); err != nil {
		return err
	}
	c.Verify = false
	if p == nil || p.ended() {
		return nil
	}
	if p.State == StoredUnconfirmed || p.State == IntakeOpen {
		return st.fate(p, SaidVoid, why)
	}
	return st.fate(p, SaidAbsent, why)
}

func (in PutOut) apply(st *step) error {
	g, c, err := st.held(in.Session, in.Compartment)
	if err != nil {
		return err
	}
	if c.By != "" || c.Out == in.Reason {
		return fmt.Errorf("compartment %s: %w", c.ID, ErrNotNow)
	}
	c.Out = in.Reason
	if in.Reason == "" {
		c.Tries = 0
	}
	if err := st.move(c, ServiceChange, cause{Why: Guard, By: g.Guard, Reason: in.Reason}); err != nil {
		return fmt.Errorf("%w: %w", ErrNotNow, err)
	}
	return nil
}

// owned gives a parcel that a guard wants something of.
func (st *step) owned(session, parcel string, states ...ParcelState) (GuardSession, *Parcel, error) {
	g, err := st.guard(session)
	if err != nil {
		return g, nil, err
	}
	p := st.parcel(parcel)
	if p == nil {
		return g, nil, fmt.Errorf("parcel %s: %w", parcel, ErrUnknown)
	}
	if !slices.Contains(states, p.State) {
		return g, nil, fmt.Errorf("parcel %s is %s: %w", parcel, p.State, ErrNotNow)
	}
	return g, p, nil
}

func (in ToOffice) apply(st *step) error {
	g, p, err := st.owned(in.Session, in.Parcel, Stored, Overdue)
	if err != nil {
		return err
	}
	c := st.compartment(p.Compartment)
	looked := c != nil && (c.Content == Open && c.Purpose == Audit || c.Content == NeedsCheck && c.Seen)
	if !looked {
		return fmt.Errorf("parcel %s: open its door first: %w", p.ID, ErrNotNow)
	}
	st.settle(p)
	why := cause{Why: Guard, By: g.Guard, Reason: in.Reason}
	c.Parcel, p.Compartment, p.Shelf, p.Task = "", "", in.Shelf, ""
	if err := st.fate(p, ToShelf, why); err != nil {
		return err
	}
	if c.Content == Open || c.Door == Ajar {
		c.Moved = true // vacant once it is closed
		st.out.Compartments = append(st.out.Compartments, c.ID)
		return nil
	}
	return st.move(c, Cleared, why)
}

func (in HandOver) apply(st *step) error {
	g, p, err := st.owned(in.Session, in.Parcel, MovedToOffice, ReturnPending)
	if err != nil {
		return err
	}
	return st.fate(p, HandedOver, cause{Why: Guard, By: g.Guard, Reason: in.Reason})
}

func (in SendBack) apply(st *step) error {
	g, p, err := st.owned(in.Session, in.Parcel, MovedToOffice, ReturnPending)
	if err != nil {
		return err
	}
	return st.fate(p, SentBack, cause{Why: Guard, By: g.Guard, Reason: in.Reason})
}

func (in Reassign) apply(st *step) error {
	p := st.parcel(in.Parcel)
	why := cause{Why: "wish", By: in.Reason}
	if in.Session != "" {
		g, owned, err := st.owned(in.Session, in.Parcel, Stored, Overdue, MovedToOffice)
		if err != nil {
			return err
		}
		p, why = owned, cause{Why: Guard, By: g.Guard, Reason: in.Reason}
	}
	switch {
	case p == nil:
		return fmt.Errorf("parcel %s: %w", in.Parcel, ErrUnknown)
	case !p.waits() && p.State != MovedToOffice, p.SettledAt.IsZero():
		return fmt.Errorf("parcel %s is %s: %w", p.ID, p.State, ErrNotNow)
	}
	if slices.ContainsFunc(st.Compartments, func(c Compartment) bool { return c.Parcel == p.ID && c.By != "" }) {
		return fmt.Errorf("parcel %s: its door is in use: %w", p.ID, ErrNotNow)
	}
	st.out.PINs = append(st.out.PINs, PINChange{Parcel: p.ID, Unit: p.Unit, Do: EndPIN})
	for i := range st.Visits { // those who stand before the screen no longer see it
		st.Visits[i].Doors = slices.DeleteFunc(st.Visits[i].Doors, func(d VisitDoor) bool { return d.Parcel == p.ID })
	}
	p.Unit, p.Household, p.Label, p.Deadline = in.Unit, in.Household, in.Label, time.Time{}
	return st.fate(p, Reassigned, why)
}

func (in Told) apply(st *step) error {
	p := st.parcel(in.Parcel)
	if p == nil || !p.Deadline.IsZero() || p.ended() {
		return fmt.Errorf("parcel %s: %w", in.Parcel, ErrUnknown)
	}
	if !st.now.Certain {
		return fmt.Errorf("parcel %s: the clock is uncertain: %w", in.Parcel, ErrNotNow)
	}
	p.Deadline = st.deadline(st.now.Wall)
	st.out.Parcels = append(st.out.Parcels, p.ID)
	return nil
}

// deadline is the end of a stay that begins at from: never on a national holiday.
func (s State) deadline(from time.Time) time.Time {
	stay := s.Stay
	if stay <= 0 {
		stay = defaultStay
	}
	end := from.Add(stay)
	for range s.Holidays { // each day moved is a holiday of the list
		if !slices.Contains(s.Holidays, end.In(Taipei()).Format(time.DateOnly)) {
			break
		}
		end = end.AddDate(0, 0, 1)
	}
	return end
}

// Taipei is the time of the buildings: it has had no summer time since 1979.
func Taipei() *time.Location { return time.FixedZone("Asia/Taipei", 8*60*60) }

func (in Policy) apply(st *step) error {
	st.Stay, st.Holidays = in.Stay, slices.Clone(in.Holidays)
	return nil
}
