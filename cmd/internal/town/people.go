package town

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// The town's courier and guard.
const (
	courier = "black-cat"
	guard   = "huang"
)

// Granted is how often each compartment and each door was opened for somebody who asked: a pulse each, not more.
func (t *Town) Granted() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.granted)
}

func (t *Town) grant(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.granted[id]++
}

// Deliver is a courier's visit: one parcel for each unit.
func (t *Town) Deliver(ctx context.Context, units ...string) error {
	v, err := t.Parcels.Deliver(ctx, t.code(courier))
	if err == nil && v.Visit == "" {
		err = fmt.Errorf("courier refused: %s", v.Reason)
	}
	if err != nil {
		return err
	}
	for _, unit := range units {
		if err := t.drop(ctx, v.Visit, unit); err != nil {
			return fmt.Errorf("deliver to %s: %w", unit, err)
		}
	}
	return t.Parcels.Leave(ctx, v.Visit)
}

func (t *Town) drop(ctx context.Context, visit, unit string) error {
	if err := t.Parcels.Reserve(ctx, visit, unit, "S"); err != nil {
		return err
	}
	door := t.Parcels.Visit(visit).Doors[0]
	t.grant(door.Compartment)
	if err := t.use(ctx, visit, door.Compartment, true); err != nil {
		return err
	}
	return t.Parcels.Settle(ctx, visit, "inside")
}

// use waits until a door of a visit is open, puts something in or takes it out, closes it, and waits until that is seen.
func (t *Town) use(ctx context.Context, visit, compartment string, put bool) error {
	if err := t.shows(ctx, visit, compartment, parcels.DoorOpen); err != nil {
		return err
	}
	chain, lock, err := t.lock(compartment)
	if err != nil {
		return err
	}
	do := chain.Take
	if put {
		do = chain.Put
	}
	if err := do(lock); err != nil {
		return err
	}
	if err := chain.CloseDoor(lock); err != nil {
		return err
	}
	return t.shows(ctx, visit, compartment, parcels.DoorClosed, parcels.DoorDone)
}

func (t *Town) shows(ctx context.Context, visit, compartment string, states ...string) error {
	return until(ctx, fmt.Sprintf("%s to be %v", compartment, states), func() (bool, error) {
		for _, d := range t.Parcels.Visit(visit).Doors {
			if d.Compartment == compartment {
				return slices.Contains(states, d.State), nil
			}
		}
		return false, fmt.Errorf("%s is no door of the visit", compartment)
	})
}

// Collect lets a household take everything that waits for it: by its code if it has one, else by the PIN of each parcel.
// It returns how many it took.
func (t *Town) Collect(ctx context.Context, unit string) (taken int, err error) {
	if err := t.readLog(); err != nil {
		return 0, err
	}
	for _, p := range t.Parcels.Office().Parcels {
		if p.Unit != unit || p.State != "stored" && p.State != "overdue" {
			continue
		}
		kind, code := "household", t.code(p.Household)
		if code == "" {
			t.mu.Lock()
			kind, code = "pin", t.pins[p.ID]
			t.mu.Unlock()
		}
		if err := t.collect(ctx, p, kind, code); err != nil {
			return taken, fmt.Errorf("%s collects %s by %s: %w", unit, p.Compartment, kind, err)
		}
		taken++
	}
	return taken, nil
}

func (t *Town) collect(ctx context.Context, p parcels.Parcel, kind, code string) error {
	v, err := t.Parcels.Collect(ctx, p.Unit, kind, code)
	if err == nil && v.Visit == "" {
		err = fmt.Errorf("refused: %s", v.Reason)
	}
	if err != nil {
		return err
	}
	if err := t.Parcels.Open(ctx, v.Visit, p.Compartment); err != nil {
		return err
	}
	t.grant(p.Compartment)
	if err := t.use(ctx, v.Visit, p.Compartment, false); err != nil {
		return err
	}
	// a bank without sensors asks
	for _, d := range t.Parcels.Visit(v.Visit).Doors {
		if d.Compartment == p.Compartment && d.State == parcels.DoorClosed {
			if err := t.Parcels.Taken(ctx, v.Visit, p.Compartment, true); err != nil {
				return err
			}
		}
	}
	return t.Parcels.Leave(ctx, v.Visit)
}

// Audit lets the guard open a vacant compartment and find nothing in it.
func (t *Town) Audit(ctx context.Context, compartment string) error {
	v, err := t.Parcels.SignIn(ctx, t.code(guard))
	if err == nil && v.Visit == "" {
		err = fmt.Errorf("guard refused: %s", v.Reason)
	}
	if err != nil {
		return err
	}
	if err := t.Parcels.OpenDoor(ctx, v.Visit, compartment, "looked"); err != nil {
		return err
	}
	t.grant(compartment)
	content := func(want ...string) error {
		return until(ctx, fmt.Sprintf("%s to be %v", compartment, want), func() (bool, error) {
			return slices.Contains(want, t.compartment(compartment).Content), nil
		})
	}
	if err := content("open"); err != nil {
		return err
	}
	chain, lock, err := t.lock(compartment)
	if err != nil {
		return err
	}
	if err := chain.CloseDoor(lock); err != nil {
		return err
	}
	if err := content("needs_check"); err != nil {
		return err
	}
	return t.Parcels.Inspect(ctx, v.Visit, compartment, parcels.FoundEmpty, "looked")
}

func (t *Town) compartment(id string) parcels.Compartment {
	all := t.Parcels.Office().Compartments
	if i := slices.IndexFunc(all, func(c parcels.Compartment) bool { return c.ID == id }); i >= 0 {
		return all[i]
	}
	return parcels.Compartment{}
}

// Vacant are the compartments that nobody uses.
func (t *Town) Vacant() (ids []string) {
	for _, c := range t.Parcels.Office().Compartments {
		if c.Content == "vacant" && c.Service == "in" {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// Enter goes through the door of a facility with a ticket and shuts it again.
func (t *Town) Enter(ctx context.Context, door, ticket string) error {
	text, err := t.cloud.ticket(door, ticket, time.Now())
	if err != nil {
		return err
	}
	v, err := t.Doors.Present(ctx, door, text)
	if err == nil && v.Intent == "" {
		err = fmt.Errorf("ticket refused: %s", v.Reason)
	}
	if err != nil {
		return err
	}
	t.grant(door)
	sim, err := t.Building.Door(door)
	if err != nil {
		return err
	}
	if err := until(ctx, "door "+door+" to be released", func() (bool, error) { return sim.State().On, nil }); err != nil {
		return err
	}
	if err := sim.Push(); err != nil {
		return err
	}
	if err := t.doorIs(ctx, door, doors.Open); err != nil {
		return err
	}
	if err := sim.Shut(); err != nil {
		return err
	}
	return t.doorIs(ctx, door, doors.Secured)
}

func (t *Town) doorIs(ctx context.Context, door, state string) error {
	return until(ctx, "door "+door+" to be "+state, func() (bool, error) {
		for _, d := range t.Doors.View().Doors {
			if d.ID == door {
				return d.State == state, nil
			}
		}
		return false, fmt.Errorf("no door %s", door)
	})
}
