package doors

import (
	"context"
	"fmt"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/doors/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// committed is an action whose intent is on disk. Only step makes one, and only release takes one (invariant 2).
type committed struct{ rules.Action }

// step is the shell around the rules: it lets them decide, commits state and events in one transaction together with
// what with adds, and only then acts and shows (invariants 1 and 2). On error nothing has changed.
func (s *Service) step(ctx context.Context, in rules.Input, with func(*store.Tx, clock.Reading) error) (rules.Out, error) {
	reading := s.deps.Clock.Now()
	next, out, err := rules.Step(s.state, in, rules.Now{Wall: reading.Time, Mono: reading.Mono})
	if err != nil {
		return out, err
	}
	if with != nil || len(out.Events)+len(out.Uses)+len(out.Doors) > 0 {
		err = s.deps.Store.Update(ctx, func(tx *store.Tx) error {
			if with != nil {
				if err := with(tx, reading); err != nil {
					return err
				}
			}
			return write(tx, next, out, reading)
		})
	}
	if err != nil {
		return rules.Out{}, fmt.Errorf("commit: %w", err)
	}
	s.state = next
	for range out.Unrecorded {
		s.count("doors_unrecorded")
	}
	for _, a := range out.Actions {
		s.act(ctx, committed{a})
	}
	s.publish()
	for _, e := range out.Events {
		if e.Type == wire.DoorForced && s.deps.Forced != nil {
			s.deps.Forced(e.Subject)
		}
	}
	return out, nil
}

// write puts one step into a transaction. It may run more than once and has no effect outside it.
func write(tx *store.Tx, next rules.Building, out rules.Out, now clock.Reading) error {
	for _, e := range out.Events {
		ev := wire.Event{Type: e.Type, Subject: e.Subject, Version: e.Version, Data: wire.Raw(e.Data)}
		if e.State != nil {
			ev.State = wire.Raw(e.State)
		}
		now.Stamp(&ev)
		if _, err := tx.Append(wire.Audit, ev); err != nil {
			return err
		}
	}
	for _, u := range out.Uses {
		if err := tx.Put(spaceUses, u.Grant, wire.Raw(use{u.Count, wire.At(u.Until)})); err != nil {
			return err
		}
	}
	for _, id := range out.Doors {
		if d, ok := next.Door(id); ok {
			if err := tx.Put(spaceDoors, id, wire.Raw(d)); err != nil {
				return err
			}
		}
	}
	return nil
}
