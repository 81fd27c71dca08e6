package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// floor is the parcels service over a real store and a real line, and the people in front of it.
type floor struct {
	bank    *bank
	store   *store.Store
	service *parcels.Service
	people  *community
	changed <-chan struct{}
}

// resident is one who has a parcel waiting.
type resident struct {
	label, pin  string
	compartment string
	lock        int
	visit       string // that still stands, because its door was opened; empty: none
}

// openFloor starts a floor; group waits for its service, which lives as long as ctx. The caller closes the store.
func openFloor(ctx context.Context, group *errgroup.Group, dir string, k *bank, doors int, log *slog.Logger) (*floor, error) {
	people, err := newCommunity(doors)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(filepath.Join(dir, "gateway.db"), store.Options{Gateway: gatewayID, Key: newKey()})
	if err != nil {
		return nil, err
	}
	f := &floor{bank: k, store: st, people: people}
	if err := f.start(ctx, group, doors, log); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return f, nil
}

// judged is a clock that the cloud has just answered.
func judged(st *store.Store) *clock.Clock {
	c := clock.New(st.Boot(), time.Now().Add(-time.Minute), clock.System())
	c.Answered(time.Now(), 0, 0)
	return c
}

func (f *floor) start(ctx context.Context, group *errgroup.Group, doors int, log *slog.Logger) error {
	if err := f.people.apply(ctx, f.store); err != nil {
		return err
	}
	all := parcels.Bank{ID: "A", Sensors: true}
	for n := range doors {
		all.Doors = append(all.Doors, parcels.BankDoor{Number: n + 1, Size: "S", Lock: n + 1})
	}
	service, err := parcels.New(parcels.Deps{
		Store: f.store, Clock: judged(f.store), Key: newKey().Seed(), Banks: map[string]drivers.LockBank{"A": f.bank},
		Delivered: func(wire.Name) bool { return true }, Online: func() bool { return true }, Log: log,
	}, parcels.Config{Gateway: gatewayID, Banks: []parcels.Bank{all}})
	if err != nil {
		return err
	}
	f.service = service
	changed, stop := service.Watch()
	f.changed = changed
	group.Go(func() error {
		defer stop()
		return service.Run(ctx)
	})
	return nil
}

// until waits for something that the service shows.
func (f *floor) until(ctx context.Context, what string, ok func() bool) error {
	for !ok() {
		select {
		case <-f.changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// door waits until the first door of a visit is in a state.
func (f *floor) door(ctx context.Context, visit, state string) error {
	return f.until(ctx, "a door that is "+state, func() bool {
		v := f.service.Visit(visit)
		return len(v.Doors) > 0 && v.Doors[0].State == state
	})
}

// fill has a courier put one parcel for each household behind a door.
func (f *floor) fill(ctx context.Context) ([]*resident, error) {
	var codes map[string]string
	err := f.until(ctx, "the courier's code, and doors that were read", func() bool {
		var err error
		codes, err = f.people.secrets(f.store)
		return err == nil && codes[courier] != "" && f.service.Front().Free["S"] > 0
	})
	if err != nil {
		return nil, err
	}
	visit, err := f.service.Deliver(ctx, codes[courier])
	if err != nil {
		return nil, err
	}
	if visit.Visit == "" {
		return nil, fmt.Errorf("courier is refused: %s", visit.Reason)
	}
	for _, u := range f.people.units {
		if err := f.drop(ctx, visit.Visit, u.Label); err != nil {
			return nil, fmt.Errorf("parcel for %s: %w", u.Label, err)
		}
	}
	if err := f.service.Leave(ctx, visit.Visit); err != nil {
		return nil, err
	}
	return f.residents()
}

func (f *floor) drop(ctx context.Context, visit, label string) error {
	if err := f.service.Reserve(ctx, visit, label, "S"); err != nil {
		return err
	}
	if err := f.door(ctx, visit, parcels.DoorOpen); err != nil {
		return err
	}
	lock := f.service.Visit(visit).Doors[0].Number
	if err := errors.Join(f.bank.boards.Put(lock), f.bank.shut(lock)); err != nil {
		return err
	}
	if err := f.door(ctx, visit, parcels.DoorClosed); err != nil {
		return err
	}
	return f.service.Settle(ctx, visit, "inside")
}

// residents are those who have parcels waiting, with their PINs as the cloud would show them.
func (f *floor) residents() ([]*resident, error) {
	secrets, err := f.people.secrets(f.store)
	if err != nil {
		return nil, err
	}
	office := f.service.Office()
	locks := map[string]int{}
	for _, c := range office.Compartments {
		locks[c.ID] = c.Number
	}
	var all []*resident
	for _, p := range office.Parcels {
		r := &resident{label: p.Unit, pin: secrets[p.ID], compartment: p.Compartment, lock: locks[p.Compartment]}
		if r.pin == "" || r.lock == 0 {
			return nil, fmt.Errorf("parcel %s has no PIN or no door", p.ID)
		}
		all = append(all, r)
	}
	if len(all) != len(f.people.units) {
		return nil, fmt.Errorf("%d parcels wait, want %d", len(all), len(f.people.units))
	}
	return all, nil
}

// keep ends a resident's visit: the door is shut again with the parcel inside, as its sensor says, so that the PIN goes on.
func (f *floor) keep(ctx context.Context, r *resident) error {
	if r.visit == "" {
		return nil
	}
	if err := f.door(ctx, r.visit, parcels.DoorKept); err != nil {
		return err
	}
	visit := r.visit
	r.visit = ""
	return f.service.Leave(ctx, visit)
}
