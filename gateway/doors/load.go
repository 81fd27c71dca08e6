package doors

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/doors/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Spaces in the store.
const (
	spaceDoors    = "doors.doors"    // id -> rules.Door
	spaceUses     = "doors.uses"     // grant -> use
	spaceCommands = "doors.commands" // id of a command that was taken -> when
	spaceDevices  = "doors.devices"
)

// use is how often a grant was used.
type use struct {
	Count int         `json:"count"`
	Until wire.Micros `json:"until"` // end of the grant
}

// So long things are remembered that must not happen again.
const (
	keepUses     = 24 * time.Hour // after the grant's end
	keepCommands = 30 * 24 * time.Hour
)

// spent is what a count that cannot be read is taken for.
const spent = 1 << 20

// begin reads what was stored. A record that is damaged costs its own door: it is closed down until a guard has looked.
func (s *Service) begin(ctx context.Context) error {
	var damaged []string
	now := s.deps.Clock.Now()
	err := s.deps.Store.View(func(tx *store.Tx) error {
		for _, c := range s.config.Doors {
			fresh := rules.Door{State: rules.Secured, Since: now.Time}
			d := fresh
			raw, err := tx.Get(spaceDoors, c.ID)
			switch {
			case errors.Is(err, store.ErrDamaged), err == nil && raw != nil && !parse(raw, &d):
				d = fresh
				damaged = append(damaged, c.ID)
			case err != nil:
				return fmt.Errorf("door %s: %w", c.ID, err)
			}
			d.ID, d.HasContact, d.Strike, d.Restart = c.ID, c.HasContact, cmp.Or(c.Strike, defaultStrike), true
			s.state.Doors = append(s.state.Doors, d)
		}
		return s.devices.Load(tx)
	})
	if err != nil {
		return err
	}
	s.state.Orders.Since = now.Mono
	for _, id := range damaged {
		s.deps.Log.Error("door's record is damaged: it is closed down until a guard has looked", "door", id)
		if _, err := s.step(ctx, rules.Damaged{Door: id}, nil); err != nil {
			return err
		}
	}
	s.publish()
	return s.document()
}

// parse reads a door's record, if it says what can be.
func parse(raw []byte, d *rules.Door) bool {
	if json.Unmarshal(raw, d) != nil {
		return false
	}
	_, err := rules.Next(d.State, rules.FoundBlind, d.Alarm) // every state has this row
	return err == nil
}

// document reads the state document anew. A part that is damaged costs itself.
func (s *Service) document() error {
	err := s.deps.Store.View(func(tx *store.Tx) (err error) {
		s.doc, err = document.Load(tx)
		return err
	})
	if err != nil {
		s.deps.Log.Error("state document not whole", "err", err)
	}
	return s.broken(err)
}

// used gives how often a grant was used.
func (s *Service) used(grant string) (int, error) {
	var u use
	err := s.deps.Store.View(func(tx *store.Tx) error {
		raw, err := tx.Get(spaceUses, grant)
		if err == nil && raw != nil && json.Unmarshal(raw, &u) != nil {
			err = store.ErrDamaged
		}
		return err
	})
	if errors.Is(err, store.ErrDamaged) { // invariant 12: it costs its own grant
		return spent, nil
	}
	return u.Count, err
}

// prune forgets what no longer counts, by the time that has certainly passed: a clock that is wrong makes nothing usable
// again.
func (s *Service) prune(ctx context.Context) error {
	floor := s.deps.Clock.Floor()
	if floor.IsZero() {
		return nil
	}
	err := s.deps.Store.Update(ctx, func(tx *store.Tx) error {
		uses := forget(tx, spaceUses, wire.At(floor.Add(-keepUses)), func(raw []byte) (wire.Micros, bool) {
			var u use
			return u.Until, json.Unmarshal(raw, &u) == nil
		})
		commands := forget(tx, spaceCommands, wire.At(floor.Add(-keepCommands)), func(raw []byte) (at wire.Micros, ok bool) {
			return at, json.Unmarshal(raw, &at) == nil
		})
		return errors.Join(uses, commands)
	})
	if err != nil {
		s.deps.Log.Error("old grants and commands not forgotten", "err", err)
	}
	return s.broken(err)
}

// forget drops the records of a space whose time is older.
func forget(tx *store.Tx, space string, older wire.Micros, timeOf func([]byte) (wire.Micros, bool)) error {
	err := tx.Each(space, "", func(key string, value []byte) error {
		if at, ok := timeOf(value); !ok || at >= older {
			return nil
		}
		return tx.Delete(space, key)
	})
	if errors.Is(err, store.ErrDamaged) {
		return nil
	}
	return err
}
