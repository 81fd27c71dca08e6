package rules

import (
	"slices"
	"time"
)

func (Tick) apply(st *step) error {
	for i := range st.Compartments {
		if err := st.tickDoor(&st.Compartments[i]); err != nil {
			return err
		}
	}
	var idle []string
	for i := range st.Visits {
		v := &st.Visits[i]
		if v.Last.Parcel != "" && st.now.Mono >= v.Last.Until {
			st.settle(st.parcel(v.Last.Parcel))
			v.Last = Drop{}
		}
		if st.now.Mono-v.Touched >= v.idle() {
			idle = append(idle, v.ID)
		}
	}
	for _, id := range idle {
		if err := st.end(id, "idle"); err != nil {
			return err
		}
	}
	for i := range st.Parcels {
		p := &st.Parcels[i]
		if p.State == Stored && !p.Deadline.IsZero() && st.now.Certain && !st.now.Wall.Before(p.Deadline) && st.reachable(p) {
			if err := st.fate(p, Deadline, cause{Why: "deadline"}); err != nil {
				return err
			}
		}
	}
	st.Parcels = slices.DeleteFunc(st.Parcels, func(p Parcel) bool {
		gone := p.ended() && st.now.Mono-p.Ended >= HoldTime && !st.using(p.ID)
		if gone {
			st.out.Parcels = append(st.out.Parcels, p.ID)
		}
		return gone
	})
	st.Guards = slices.DeleteFunc(st.Guards, func(g GuardSession) bool { return st.now.Mono >= g.Until })
	return nil
}

// using tells whether a compartment still waits for what becomes of a parcel.
func (s State) using(parcel string) bool {
	return slices.ContainsFunc(s.Compartments, func(c Compartment) bool { return c.Parcel == parcel })
}

// reachable tells whether a parcel could have been collected: nobody is late behind a door that does not open.
func (st *step) reachable(p *Parcel) bool {
	c := st.compartment(p.Compartment)
	return c != nil && c.Out == "" && c.Door != DoorUnknown && !c.Restart
}

func (v *Visit) idle() time.Duration {
	if v.Role == Courier {
		return CourierIdle
	}
	return ResidentIdle
}

func (st *step) tickDoor(c *Compartment) error {
	if c.Ask > 0 && st.now.Mono >= c.Ask {
		if err := st.silence(c); err != nil {
			return err
		}
	}
	if c.Door != Ajar || (c.Content != Open && c.Content != NeedsCheck) {
		return nil
	}
	limits := reminds()
	for c.Reminds < len(limits) && st.now.Mono-c.Opened >= limits[c.Reminds] {
		if c.Reminds++; c.Reminds < len(limits) {
			continue
		}
		if err := st.move(c, LeftAjar, cause{Why: "ajar"}); err != nil {
			return err
		}
		if p := st.parcel(c.Parcel); c.Content == Open && c.Purpose == Collection && p != nil && p.State == Collecting {
			if err := st.leftOpen(c, "ajar"); err != nil {
				return err
			}
		}
	}
	return nil
}

// NextDeadline is when time alone changes something next, monotonic; false when nothing waits. Parcels' stays, which are
// days, are looked at whenever an input comes.
func (s State) NextDeadline() (time.Duration, bool) {
	var all []time.Duration
	limits := reminds()
	for _, c := range s.Compartments {
		if c.Ask > 0 {
			all = append(all, c.Ask)
		}
		if c.Door == Ajar && (c.Content == Open || c.Content == NeedsCheck) && c.Reminds < len(limits) {
			all = append(all, c.Opened+limits[c.Reminds])
		}
	}
	for _, v := range s.Visits {
		all = append(all, v.Touched+v.idle())
		if v.Last.Parcel != "" {
			all = append(all, v.Last.Until)
		}
	}
	for _, p := range s.Parcels {
		if p.ended() && !s.using(p.ID) {
			all = append(all, p.Ended+HoldTime)
		}
	}
	for _, g := range s.Guards {
		all = append(all, g.Until)
	}
	if len(all) == 0 {
		return 0, false
	}
	return slices.Min(all), true
}
