package rules

import "github.com/ntpc-smart-community/lobby/gateway/wire"

// Started is the first input after a start: nobody stands at a screen any more, and records that are new or could not be
// read are said.
type Started struct{}

func (Started) apply(st *step) error {
	for i := range st.Parcels {
		st.settle(&st.Parcels[i])
	}
	for i := range st.Compartments {
		c := &st.Compartments[i]
		switch {
		case c.Parcel != "" && st.parcel(c.Parcel) == nil || c.Why == WhyDamaged && c.Version == 0:
			c.Content, c.Purpose, c.Parcel, c.Why, c.Since = NeedsCheck, "", "", WhyDamaged, st.now.Wall
			st.record(c, wire.CompartmentMoved, cause{Why: WhyDamaged})
		case c.Version == 0:
			c.Since = st.now.Wall
			st.record(c, wire.CompartmentMoved, cause{Why: "commissioned"})
		}
	}
	return nil
}

// restarted applies the restart row of a compartment and of its parcel, by the door found. It never pulses.
func (st *step) restarted(c *Compartment) error {
	on, fate := FoundClosed, RestartedShut
	switch {
	case c.Door == Ajar:
		on, fate = FoundOpen, RestartedOpen
	case c.Item == Empty:
		on, fate = FoundEmpty, RestartedEmpty
	}
	p, why, was := st.parcel(c.Parcel), c.Purpose, c.Content
	if on == FoundClosed && why == Collection && was != Occupied && (p == nil || p.ended()) {
		on = FoundAfter
	}
	c.Intent, c.By = "", ""
	if quiet(was, on) {
		if was == NeedsCheck && on == FoundOpen {
			c.Seen = true
		}
		return nil
	}
	if was == Reserved {
		fate = RestartedNone
	}
	event := cause{Why: "restart"}
	if err := st.move(c, on, event); err != nil {
		return err
	}
	c.Verify = c.Verify || on == FoundAfter
	if c.Content == NeedsCheck && was == Reserved {
		c.Parcel = ""
	}
	if c.Content == NeedsCheck {
		c.Why, c.Seen = restartWhy(was, why), on == FoundOpen
		if c.Why == WhyForced {
			st.out.Events[len(st.out.Events)-1].Type = wire.CompartmentForced
			st.out.Events[len(st.out.Events)-1].Data = nil
			return nil
		}
	}
	if p == nil || why == Audit {
		return nil
	}
	return st.restartedParcel(p, fate, event)
}

func (st *step) restartedParcel(p *Parcel, fate Fate, event cause) error {
	switch p.State {
	case Intake, IntakeOpen, Collecting:
	default:
		return nil
	}
	switch fate {
	case RestartedEmpty:
		if p.State == Collecting {
			event.Why = "sensor"
		}
	case RestartedOpen:
		if p.State == Collecting {
			event.Why = "door_open"
		}
	case RestartedShut:
		if p.State == Collecting {
			p.Task = TaskCollection
		}
	}
	return st.fate(p, fate, event)
}

// quiet tells whether a restart finds nothing new.
func quiet(c Content, on Turn) bool {
	return c == NeedsCheck || (c == Vacant || c == Occupied) && on != FoundOpen
}

func restartWhy(was Content, why Purpose) string {
	switch {
	case was == Vacant || was == Occupied:
		return WhyForced
	case why == Deposit && was != Reserved:
		return WhyUnconfirmed
	}
	return WhyRestart
}
