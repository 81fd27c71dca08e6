package rules

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func (in Deliver) apply(st *step) error {
	for i := range st.Visits {
		if v := &st.Visits[i]; v.Role == Courier && v.Holder == in.Courier {
			v.Touched, st.out.Visit = st.now.Mono, v.ID
			return nil
		}
	}
	if len(st.Visits) >= MaxVisits {
		return fmt.Errorf("%d visits: %w", len(st.Visits), ErrNotNow)
	}
	st.Visits = append(st.Visits, Visit{
		ID: in.Visit, Role: Courier, Holder: in.Courier, Name: in.Name, Grant: Courier, Touched: st.now.Mono,
	})
	st.out.Visit = in.Visit
	st.session(wire.SessionStarted, in.Visit, Courier, in.Courier, "")
	return st.resume(st.visit(in.Visit))
}

// resume makes a deposit of this courier that was cut short the one at hand.
func (st *step) resume(v *Visit) error {
	for i := range st.Parcels {
		p := &st.Parcels[i]
		c := st.compartment(p.Compartment)
		if p.Courier != v.Holder || (p.State != StoredUnconfirmed && p.State != IntakeOpen) || c == nil || c.Restart || c.By != "" {
			continue
		}
		why := cause{Why: "resumed", By: v.Holder}
		switch {
		case p.State == StoredUnconfirmed && c.Content == NeedsCheck && c.Why == WhyUnconfirmed && c.Door == Shut:
			if err := st.move(c, Resume, why); err != nil {
				return err
			}
			c.Purpose, c.Before = Deposit, Reserved
		case p.State == IntakeOpen && c.Content == Open:
		default:
			continue
		}
		c.By = v.ID
		v.Label = p.Label
		v.Doors = []VisitDoor{{Compartment: c.ID, Parcel: p.ID, Mark: Waiting, Since: st.now.Wall, At: st.now.Mono}}
		return st.fate(p, Resumed, why)
	}
	return nil
}

func (in Missed) apply(st *step) error {
	v, err := st.touched(in.Visit, Courier)
	if err != nil {
		return err
	}
	if v.Misses++; v.Misses >= MaxMisses {
		return st.end(v.ID, "misses")
	}
	return nil
}

func (in ReserveDoor) apply(st *step) error {
	v, err := st.touched(in.Visit, Courier)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(v.Doors, func(d VisitDoor) bool { return d.Mark != Fault }) {
		return fmt.Errorf("a deposit is at hand: %w", ErrNotNow)
	}
	c := st.choose(SizeRank(in.Size), in.Low)
	if c == nil {
		return fmt.Errorf("size %s: %w", in.Size, ErrFull)
	}
	p := Parcel{
		ID: in.Parcel, Household: in.Household, Unit: in.Unit, Label: in.Label, Courier: v.Holder, Carrier: v.Name, Size: c.Size, Compartment: c.ID,
	}
	if err := st.fate(&p, TakenIn, cause{Why: Courier, By: v.Holder}); err != nil {
		return err
	}
	st.Parcels = append(st.Parcels, p)
	v.Label, v.Undo = in.Label, false
	return st.put(v, c, in.Parcel, in.Intent)
}

// put reserves a compartment for the deposit at hand and opens it.
func (st *step) put(v *Visit, c *Compartment, parcel, intentID string) error {
	c.Purpose, c.Parcel = Deposit, parcel
	if err := st.move(c, Reserve, cause{Why: "reserved", By: v.Holder}); err != nil {
		return err
	}
	v.Doors = []VisitDoor{{Compartment: c.ID, Parcel: parcel, Mark: Waiting, Since: st.now.Wall, At: st.now.Mono}}
	return st.unlock(c, Deposit, v.ID, intent{ID: intentID, Grant: Courier, Holder: v.Holder})
}

// SizeRank orders sizes, smallest first from 1; 0: nobody knows it.
func SizeRank(size string) int { return slices.Index([]string{"", "S", "M", "L", "XL"}, size) }

// choose finds the smallest free compartment of at least a rank: low ones first for who needs them, last for others;
// those known to be empty before those to be looked into.
func (st *step) choose(rank int, low bool) *Compartment {
	var best *Compartment
	order := func(c *Compartment) int {
		n := SizeRank(c.Size) * 4
		if c.Low != low {
			n += 2
		}
		if c.Verify {
			n++
		}
		return n
	}
	for i := range st.Compartments {
		c := &st.Compartments[i]
		if !c.free(st.now) || SizeRank(c.Size) < rank || rank < 1 {
			continue
		}
		if best == nil || cmp.Compare(order(c), order(best)) < 0 {
			best = c
		}
	}
	return best
}

// atHand gives the compartment and the parcel of a courier's deposit at hand.
func (st *step) atHand(v *Visit) (*Compartment, *Parcel, error) {
	if len(v.Doors) == 0 {
		return nil, nil, fmt.Errorf("no deposit is at hand: %w", ErrNotNow)
	}
	c, p := st.compartment(v.Doors[0].Compartment), st.parcel(v.Doors[0].Parcel)
	if c == nil || p == nil || p.State != Intake || c.Parcel != p.ID {
		return nil, nil, fmt.Errorf("no deposit is at hand: %w", ErrNotNow)
	}
	return c, p, nil
}

func (in Settle) apply(st *step) error {
	v, err := st.touched(in.Visit, Courier)
	if err != nil {
		return err
	}
	c, p, err := st.atHand(v)
	if err != nil {
		if in.How != Inside && len(v.Doors) > 0 && v.Doors[0].Mark == Fault { // the screen is done with a door that failed
			v.Doors = nil
			return nil
		}
		return err
	}
	if c.Content == Opening {
		return fmt.Errorf("compartment %s is opening: %w", c.ID, ErrNotNow)
	}
	switch in.How {
	case Inside:
		err = st.stored(v, c, p)
	case TookBack:
		err = st.tookBack(v, c, p)
	case TooSmall:
		if c.Content == Occupied { // an undo whose door does not open
			return fmt.Errorf("compartment %s: %w", c.ID, ErrNotNow)
		}
		rank := SizeRank(c.Size) + 1
		if err = st.letGo(c, "too_small"); err == nil {
			err = st.nextDoor(v, p, rank, in.Intent)
		}
	case InUse:
		err = st.inUse(v, c, p, in.Intent)
	default:
		return fmt.Errorf("settle %q: %w", in.How, ErrNotNow)
	}
	if err != nil || len(v.Doors) > 0 {
		return err
	}
	return st.resume(v)
}

// stored is the courier's word that the parcel is inside.
func (st *step) stored(v *Visit, c *Compartment, p *Parcel) error {
	switch c.Content {
	case ClosedUnconfirmed:
		if err := st.move(c, PutIn, cause{Why: "user", By: v.Holder}); err != nil {
			return err
		}
	case Occupied: // an undo whose door did not open: it never came out
		c.By = ""
	default:
		return fmt.Errorf("compartment %s is %s: %w", c.ID, c.Content, ErrNotNow)
	}
	c.Verify = false
	if err := st.fate(p, Confirmed, cause{Why: "user", By: v.Holder}); err != nil {
		return err
	}
	if v.Last.Parcel != "" {
		st.settle(st.parcel(v.Last.Parcel))
	}
	v.Doors, v.Undo = nil, false
	v.Drops++
	v.Last = Drop{Parcel: p.ID, Until: st.now.Mono + UndoTime, Shown: st.now.Wall.Add(UndoTime)}
	return nil
}

func (st *step) tookBack(v *Visit, c *Compartment, p *Parcel) error {
	if c.Content == Occupied {
		return fmt.Errorf("compartment %s did not open: %w", c.ID, ErrNotNow)
	}
	if err := st.letGo(c, "took_back"); err != nil {
		return err
	}
	v.Doors, v.Undo = nil, false
	return st.fate(p, TakenBack, cause{Why: "took_back", By: v.Holder})
}

// inUse is the courier's word that something was already inside.
func (st *step) inUse(v *Visit, c *Compartment, p *Parcel, intentID string) error {
	rank := SizeRank(c.Size)
	if err := st.move(c, Doubt, cause{Why: WhyOccupied, By: v.Holder}); err != nil {
		return fmt.Errorf("%w: %w", ErrNotNow, err)
	}
	c.Why, c.Seen, c.Parcel = WhyOccupied, c.Door == Ajar, ""
	return st.nextDoor(v, p, rank, intentID)
}

// letGo gives up a compartment of a deposit. One that is open is given up when it is closed.
func (st *step) letGo(c *Compartment, why string) error {
	c.Parcel = ""
	switch c.Content {
	case Open:
		c.By = ""
		st.out.Compartments = append(st.out.Compartments, c.ID)
		return nil
	case Reserved:
		return st.move(c, Release, cause{Why: why})
	}
	return st.emptied(c)
}

// emptied is a deposit's compartment that was closed without a parcel.
func (st *step) emptied(c *Compartment) error {
	item := c.Item
	if item == Present {
		if err := st.move(c, Doubt, cause{Why: WhyItemLeft}); err != nil {
			return err
		}
		c.Why = WhyItemLeft
		return nil
	}
	if err := st.move(c, Release, cause{Why: "user"}); err != nil {
		return err
	}
	c.Verify = item != Empty
	return nil
}

// nextDoor opens the next door that fits; without one the parcel goes with the courier.
func (st *step) nextDoor(v *Visit, p *Parcel, rank int, intentID string) error {
	v.Doors, v.Undo = nil, false
	next := st.choose(rank, false)
	if next == nil {
		st.out.Full = true
		return st.fate(p, TakenBack, cause{Why: "full", By: v.Holder})
	}
	p.Compartment, p.Size = next.ID, next.Size
	st.recordParcel(p, Event{Type: wire.ParcelChanged, Data: cause{Why: "next_door", By: v.Holder}})
	return st.put(v, next, p.ID, intentID)
}

// depositElsewhere goes on at the next door when a lock has failed for good.
func (st *step) depositElsewhere(v *Visit, c *Compartment, intentID string) error {
	p := st.parcel(c.Parcel)
	if c.Content == Occupied { // an undo: it never came out
		c.By, v.Undo = "", false
		if err := st.fate(p, Confirmed, cause{Why: "stuck", By: v.Holder}); err != nil {
			return err
		}
		v.Drops++
		st.settle(p)
		return nil
	}
	rank, failed := SizeRank(c.Size), v.Doors
	c.Parcel = ""
	if err := st.move(c, Release, cause{Why: WhyLockFault}); err != nil {
		return err
	}
	if err := st.nextDoor(v, p, rank, intentID); err != nil {
		return err
	}
	if len(v.Doors) == 0 {
		v.Doors = failed
	}
	return nil
}

// abandon gives up a deposit whose door never opened and whose courier has gone.
func (st *step) abandon(c *Compartment) error {
	p := st.parcel(c.Parcel)
	if c.Content == Occupied && p != nil {
		c.By = ""
		err := st.fate(p, Confirmed, cause{Why: "session_ended"})
		st.settle(p)
		return err
	}
	c.Parcel = ""
	if err := st.move(c, Release, cause{Why: "session_ended"}); err != nil || p == nil {
		return err
	}
	return st.fate(p, TakenBack, cause{Why: "session_ended"})
}

// walkedAway is a closed door whose courier has not said what is inside: the sensor decides, else a guard.
func (st *step) walkedAway(c *Compartment, p *Parcel) error {
	if c.Item == Present {
		if err := st.move(c, PutIn, cause{Why: "sensor"}); err != nil {
			return err
		}
		c.Verify = false
		err := st.fate(p, Confirmed, cause{Why: "sensor"})
		st.settle(p)
		return err
	}
	if err := st.move(c, SessionLost, cause{Why: "session_ended"}); err != nil {
		return err
	}
	c.Why = WhyUnconfirmed
	return st.fate(p, WalkedClosed, cause{Why: "session_ended"})
}

func (in Undo) apply(st *step) error {
	v, err := st.touched(in.Visit, Courier)
	if err != nil {
		return err
	}
	p := st.parcel(v.Last.Parcel)
	if p == nil || len(v.Doors) > 0 || st.now.Mono >= v.Last.Until || p.State != Stored {
		return fmt.Errorf("undo: %w", ErrNotNow)
	}
	c := st.compartment(p.Compartment)
	if c == nil || c.Content != Occupied || !c.usable(st.now) {
		return fmt.Errorf("undo: compartment %s: %w", p.Compartment, ErrNotNow)
	}
	if err := st.fate(p, Undone, cause{Why: "undo", By: v.Holder}); err != nil {
		return err
	}
	v.Last, v.Undo, v.Label = Drop{}, true, p.Label
	v.Drops--
	v.Doors = []VisitDoor{{Compartment: c.ID, Parcel: p.ID, Mark: Waiting, Since: st.now.Wall, At: st.now.Mono}}
	return st.unlock(c, Deposit, v.ID, intent{ID: in.Intent, Grant: Courier, Holder: v.Holder})
}
