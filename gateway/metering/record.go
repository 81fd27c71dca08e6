package metering

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Spaces in the store.
const (
	spaceMeters  = "metering.meters"  // id -> rules.State
	spaceDevices = "metering.devices" // device -> as last recorded
)

// load reads what was stored. A damaged record costs its own meter: its readings begin anew.
func (s *Service) load() error {
	err := s.deps.Store.View(func(tx *store.Tx) error {
		for _, m := range s.config.Meters {
			raw, err := tx.Get(spaceMeters, m.ID)
			var state rules.State
			if err == nil && raw != nil {
				err = json.Unmarshal(raw, &state)
			}
			if err != nil {
				s.deps.Log.Error("what was known of a meter is lost", "meter", m.ID, "err", err)
				continue
			}
			s.states[m.ID] = state
		}
		return s.devices.Load(tx)
	})
	s.publish()
	return err
}

// record judges a sweep and commits its readings with what is remembered, in one transaction; then what is seen changes,
// and devices that fell silent or came back are recorded. Its error says that the store has failed.
func (s *Service) record(ctx context.Context, done sweep) error {
	next := maps.Clone(s.states)
	readings := make([]wire.Reading, len(done.reads))
	for i, r := range done.reads {
		next[r.meter.ID], readings[i] = rules.Judge(s.states[r.meter.ID], r.meter.rule(), r.seen, ruled(r.at))
		readings[i].Sweep = done.id
	}
	err := s.deps.Store.Update(ctx, func(tx *store.Tx) error {
		for i, r := range done.reads {
			ev := wire.Event{Type: wire.MeterRead, Subject: "meter/" + r.meter.ID, Data: wire.Raw(readings[i])}
			r.at.Stamp(&ev)
			if _, err := tx.Append(wire.Telemetry, ev); err != nil {
				return err
			}
			if err := tx.Put(spaceMeters, r.meter.ID, wire.Raw(next[r.meter.ID])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return s.broken(fmt.Errorf("sweep %s: %w", done.id, err))
	}
	for i, r := range done.reads {
		s.tell(r.meter.ID, s.states[r.meter.ID].Quality, readings[i])
	}
	s.states = next
	s.publish()
	for _, r := range done.reads {
		if w, ok := s.deps.Meters[r.meter.ID].(drivers.Watched); ok {
			if err := s.devices.See(ctx, w.Health()); err != nil {
				return s.broken(err)
			}
		}
	}
	return nil
}

// tell logs what has changed.
func (s *Service) tell(meter, before string, r wire.Reading) {
	switch {
	case r.Quality == before:
	case r.Quality != wire.ReadingGood:
		s.deps.Log.Warn("meter's readings do not count", "meter", meter, "quality", r.Quality, "code", r.Code, "tries", max(r.Tries, 1))
	case before != "":
		s.deps.Log.Info("meter's readings count again", "meter", meter, "before", before)
	}
}

// broken gives err if the store has failed for good, else logs it.
func (s *Service) broken(err error) error {
	select {
	case <-s.deps.Store.Broken():
		return err
	default:
		if !errors.Is(err, context.Canceled) {
			s.deps.Log.Error("readings not recorded", "err", err)
		}
		return nil
	}
}
