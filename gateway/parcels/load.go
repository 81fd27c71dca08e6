package parcels

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Spaces in the store.
const (
	spaceCompartments = "parcels.compartments" // id -> rules.Compartment
	spaceParcels      = "parcels.parcels"      // id -> rules.Parcel
	spaceTold         = "parcels.told"         // parcel -> name of the event that the cloud must have before its stay begins
	spaceDevices      = "parcels.devices"      // board -> device
	spaceWishes       = "parcels.wishes"       // wish -> when it was answered
	spaceEpoch        = "parcels.epoch"        // the epoch in which the doors were last held against the store
)

// load reads what was stored. A record that is damaged costs its own subject.
func (s *Service) load() error {
	return s.deps.Store.View(func(tx *store.Tx) error {
		s.state = rules.State{}
		for _, b := range s.config.Banks {
			for _, d := range b.Doors {
				c, err := loadCompartment(tx, b, d)
				if err != nil {
					return err
				}
				s.state.Compartments = append(s.state.Compartments, c)
			}
		}
		if err := s.loadParcels(tx); err != nil {
			return err
		}
		return s.devices.Load(tx)
	})
}

func loadCompartment(tx *store.Tx, b Bank, d BankDoor) (rules.Compartment, error) {
	id := compartmentID(b.ID, d.Number)
	c := rules.Compartment{Content: rules.Vacant, Verify: !b.Sensors} // nobody has looked into a new one
	raw, err := tx.Get(spaceCompartments, id)
	switch {
	case errors.Is(err, store.ErrDamaged), err == nil && raw != nil && json.Unmarshal(raw, &c) != nil:
		c = rules.Compartment{Content: rules.NeedsCheck, Why: rules.WhyDamaged}
	case err != nil:
		return c, fmt.Errorf("compartment %s: %w", id, err)
	}
	c.ID, c.Bank, c.Number, c.Lock, c.Size, c.Low, c.Sensor = id, b.ID, d.Number, d.Lock, d.Size, d.Low, b.Sensors
	c.Door, c.Item, c.Restart = rules.DoorUnknown, rules.NoSensor, true
	return c, nil
}

func (s *Service) loadParcels(tx *store.Tx) error {
	err := tx.Each(spaceParcels, "", func(key string, value []byte) error {
		var p rules.Parcel
		if json.Unmarshal(value, &p) == nil {
			p.Ended = -rules.HoldTime // what ended before the start is forgotten
			s.state.Parcels = append(s.state.Parcels, p)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("parcels: %w", err)
	}
	slices.SortStableFunc(s.state.Parcels, func(a, b rules.Parcel) int {
		return cmp.Or(a.StoredAt.Compare(b.StoredAt), cmp.Compare(a.ID, b.ID))
	})
	s.told, s.answers = map[string]wire.Name{}, map[string]bool{}
	told := tx.Each(spaceTold, "", func(key string, value []byte) error {
		var n wire.Name
		if json.Unmarshal(value, &n) == nil {
			s.told[key] = n
		}
		return nil
	})
	wishes := tx.Each(spaceWishes, "", func(key string, _ []byte) error {
		s.answers[key] = true
		return nil
	})
	if err := errors.Join(told, wishes); err != nil && !errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("parcels: %w", err)
	}
	return nil
}

// lookBack sees whether the log has begun a new epoch: this disk was put back then, and what it says of a compartment is
// held against the sensor once.
func (s *Service) lookBack(ctx context.Context) error {
	const key = "epoch"
	var epoch uint64
	var known []byte
	err := s.deps.Store.View(func(tx *store.Tx) (err error) {
		epoch = tx.Epoch()
		known, err = tx.Get(spaceEpoch, key)
		return err
	})
	now := strconv.FormatUint(epoch, 10)
	if err != nil && !errors.Is(err, store.ErrDamaged) || string(known) == now {
		return s.broken(err)
	}
	keep := func(tx *store.Tx, _ clock.Reading) error { return tx.Put(spaceEpoch, key, []byte(now)) }
	if known == nil && err == nil && epoch == 1 { // a new store has nothing to be older than
		return s.broken(s.record(ctx, keep))
	}
	s.deps.Log.Warn("store was put back: doors are held against it", "epoch", epoch)
	_, err = s.step(ctx, rules.PutBack{}, keep)
	return s.broken(err)
}

// lookTold begins the stay of parcels of which the cloud has the news: nobody is late for what he was not told.
func (s *Service) lookTold(ctx context.Context) error {
	now, _ := s.now()
	if s.deps.Delivered == nil || !now.Certain {
		return nil
	}
	for _, parcel := range slices.Sorted(maps.Keys(s.told)) {
		if !s.deps.Delivered(s.told[parcel]) {
			continue
		}
		forget := func(tx *store.Tx, _ clock.Reading) error { return tx.Delete(spaceTold, parcel) }
		_, err := s.step(ctx, rules.Told{Parcel: parcel}, forget)
		if errors.Is(err, rules.ErrUnknown) { // gone before the cloud knew of it
			err = s.record(ctx, forget)
		}
		if err != nil {
			return s.broken(err)
		}
		delete(s.told, parcel)
	}
	return nil
}

// prune forgets what no longer counts.
func (s *Service) prune(ctx context.Context) error {
	now := s.deps.Clock.Now()
	living := map[string]bool{}
	for _, w := range s.doc.Wishes {
		living[w.ID] = true
	}
	var gone []string
	err := s.deps.Store.Update(ctx, func(tx *store.Tx) error {
		gone = nil
		err := tx.Each(spaceWishes, "", func(key string, value []byte) error {
			var at wire.Micros
			if json.Unmarshal(value, &at) == nil && !living[key] && at.Time().Before(now.Time.Add(-wishTime)) {
				gone = append(gone, key)
			}
			return nil
		})
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		for _, key := range gone {
			if err := tx.Delete(spaceWishes, key); err != nil {
				return err
			}
		}
		return s.book.Prune(tx, now.Time)
	})
	if err != nil {
		s.deps.Log.Error("old codes not forgotten", "err", err)
		return s.broken(err)
	}
	for _, key := range gone {
		delete(s.answers, key)
	}
	return s.lookLocked()
}

// wishTime is how long an answered wish is remembered after it left the state document.
const wishTime = 30 * 24 * time.Hour

func (s *Service) lookLocked() error {
	now := s.deps.Clock.Now()
	return s.deps.Store.View(func(tx *store.Tx) error {
		locked, err := s.book.Locked(tx, now.Time)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		s.locked = locked
		return nil
	})
}

// Held reads which compartments of a bank are not vacant by their record, by door, with what it says of each. A compartment
// without a record is vacant: nothing was ever put in.
func Held(st *store.Store, b Bank) (map[int]string, error) {
	held := map[int]string{}
	err := st.View(func(tx *store.Tx) error {
		for _, d := range b.Doors {
			c, err := loadCompartment(tx, b, d)
			if err != nil {
				return err
			}
			if c.Content != rules.Vacant {
				held[d.Number] = string(c.Content)
			}
		}
		return nil
	})
	return held, err
}
