package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// project hands events that take effect to all projections. They share one savepoint while all goes well; if one fails,
// each gets a savepoint of its own, and the event of one that fails again is marked.
func (i *Ingest) project(ctx context.Context, tx *store.Tx, all []Logged, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	if err := newest(ctx, tx, all); err != nil {
		return err
	}
	err := tx.Savepoint(ctx, func() error {
		for _, l := range all {
			for _, p := range i.projections {
				if err := call(ctx, tx, p, l); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	if fatal(ctx, tx, err) {
		return err
	}
	for _, l := range all {
		for _, p := range i.projections {
			if err := i.projectOne(ctx, tx, p, l, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *Ingest) projectOne(ctx context.Context, tx *store.Tx, p Projection, l Logged, now time.Time) error {
	err := tx.Savepoint(ctx, func() error { return call(ctx, tx, p, l) })
	if err == nil || fatal(ctx, tx, err) {
		return err
	}
	i.count(map[string]int64{"projection": 1})
	i.o.Log.Error("projection failed", "projection", p.Name(), "gateway", l.Gateway, "name", l.Name.String(), "type", l.Event.Type, "err", err)
	if _, err := tx.Exec(ctx, `UPDATE log SET effect = $1 WHERE pos = $2`, int64(failed), l.Pos); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return i.fleet.Raise(ctx, tx, l.Gateway, fleet.AlarmProjection, p.Name(), now)
}

// fatal tells errors of the transaction from those of a projection.
func fatal(ctx context.Context, tx *store.Tx, err error) bool {
	return ctx.Err() != nil || tx.Again(err)
}

// call takes a panic for an error: one event that a projection cannot bear must not stop the city's events.
func call(ctx context.Context, tx *store.Tx, p Projection, l Logged) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("projection %s panicked: %v", p.Name(), r)
		}
	}()
	return p.Project(ctx, tx, l)
}

type standing struct{ epoch, version uint64 }

func (s standing) less(o standing) bool {
	return s.epoch < o.epoch || s.epoch == o.epoch && s.version < o.version
}

// newest marks the events, of one gateway, that are the newest of their subject so far, and remembers them.
func newest(ctx context.Context, tx *store.Tx, all []Logged) error {
	var subjects []string
	known := map[string]standing{}
	for _, l := range all {
		if _, ok := known[l.Event.Subject]; l.Event.Version > 0 && !ok {
			known[l.Event.Subject] = standing{}
			subjects = append(subjects, l.Event.Subject)
		}
	}
	if len(subjects) == 0 {
		return nil
	}
	gateway := all[0].Gateway
	for from := 0; from < len(subjects); from += insertRows {
		if err := recall(ctx, tx, gateway, subjects[from:min(from+insertRows, len(subjects))], known); err != nil {
			return err
		}
	}
	risen := map[string]bool{}
	for n, l := range all {
		now := standing{l.First.Epoch, l.Event.Version}
		if l.Event.Version == 0 || !known[l.Event.Subject].less(now) {
			continue
		}
		all[n].Newest, known[l.Event.Subject], risen[l.Event.Subject] = true, now, true
	}
	var changed []string
	for _, s := range subjects {
		if risen[s] {
			changed = append(changed, s)
		}
	}
	for from := 0; from < len(changed); from += insertRows {
		if err := remember(ctx, tx, gateway, changed[from:min(from+insertRows, len(changed))], known); err != nil {
			return err
		}
	}
	return nil
}

func recall(ctx context.Context, tx *store.Tx, gateway string, subjects []string, known map[string]standing) error {
	args := []any{gateway}
	var in []string
	for _, s := range subjects {
		args = append(args, s)
		in = append(in, fmt.Sprintf("$%d", len(args)))
	}
	rows, err := tx.Query(ctx, `SELECT subject, epoch, version FROM subjects WHERE gateway = $1 AND subject IN (`+strings.Join(in, ",")+`)`, args...)
	if err != nil {
		return fmt.Errorf("subjects: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var subject string
		var s standing
		if err := rows.Scan(&subject, &s.epoch, &s.version); err != nil {
			return fmt.Errorf("subjects: %w", err)
		}
		known[subject] = s
	}
	return rows.Err()
}

func remember(ctx context.Context, tx *store.Tx, gateway string, subjects []string, known map[string]standing) error {
	var args []any
	var values []string
	for _, s := range subjects {
		n := len(args)
		values = append(values, fmt.Sprintf("($%d,$%d,$%d,$%d)", n+1, n+2, n+3, n+4))
		args = append(args, gateway, s, int64(known[s].epoch), int64(known[s].version))
	}
	_, err := tx.Exec(ctx, `INSERT INTO subjects (gateway, subject, epoch, version) VALUES `+strings.Join(values, ",")+`
		ON CONFLICT (gateway, subject) DO UPDATE SET epoch = excluded.epoch, version = excluded.version`, args...)
	if err != nil {
		return fmt.Errorf("subjects: %w", err)
	}
	return nil
}

// boxes is the projection of what gateways say of themselves.
type boxes struct {
	fleet *fleet.Fleet
	now   func() time.Time
}

// Name is fleet.
func (boxes) Name() string { return "fleet" }

// Project takes in epochs, losses, applied revocations, answered wishes, outcomes of commands, and devices that fell silent or
// returned.
func (b boxes) Project(ctx context.Context, tx *store.Tx, l Logged) error {
	switch l.Event.Type {
	case wire.EpochStarted:
		var s wire.EpochStart
		if err := json.Unmarshal(l.Event.Data, &s); err != nil {
			return err
		}
		return b.fleet.Started(ctx, tx, l.Gateway, l.First.Epoch, s)
	case wire.LossRecorded:
		var loss wire.Loss
		if err := json.Unmarshal(l.Event.Data, &loss); err != nil {
			return err
		}
		return b.fleet.Lose(ctx, tx, l.Gateway, loss, b.now())
	case wire.RevocationApplied:
		var r wire.Revocation
		if err := json.Unmarshal(l.Event.Data, &r); err != nil {
			return err
		}
		return b.fleet.Revoked(ctx, tx, l.Gateway, r)
	case wire.WishDone, wire.WishRefused:
		return b.answered(ctx, tx, l)
	case wire.CommandRefused, wire.CommandPulsed, wire.CommandOpened, wire.CommandUnknown:
		return b.ended(ctx, tx, l)
	case wire.DeviceSilent, wire.DeviceReturned:
		return b.device(ctx, tx, l)
	}
	return nil
}

func (b boxes) ended(ctx context.Context, tx *store.Tx, l Logged) error {
	state, ok := map[string]fleet.CommandState{
		wire.CommandRefused: fleet.CommandRefused, wire.CommandPulsed: fleet.CommandPulsed,
		wire.CommandOpened: fleet.CommandOpened, wire.CommandUnknown: fleet.CommandUnknown,
	}[l.Event.Type]
	id, named := strings.CutPrefix(l.Event.Subject, "command/")
	if !ok || !named || id == "" {
		return fmt.Errorf("%s of %s: not a command", l.Event.Type, l.Event.Subject)
	}
	if l.Event.Version > 0 && !l.Newest {
		return nil
	}
	var o wire.CommandOutcome
	if err := json.Unmarshal(l.Event.Data, &o); err != nil {
		return err
	}
	return b.fleet.Ended(ctx, tx, l.Gateway, id, state, o, l.Event.Wall, l.Newest)
}

func (b boxes) device(ctx context.Context, tx *store.Tx, l Logged) error {
	id, ok := strings.CutPrefix(l.Event.Subject, "device/")
	if !ok {
		return fmt.Errorf("%s of %s: not a device", l.Event.Type, l.Event.Subject)
	}
	var d wire.Device
	if err := json.Unmarshal(l.Event.State, &d); err != nil {
		return err
	}
	return b.fleet.DeviceSaid(ctx, tx, l.Gateway, id, l.First, d, l.Event.Wall, l.Received)
}

func (b boxes) answered(ctx context.Context, tx *store.Tx, l Logged) error {
	id, ok := strings.CutPrefix(l.Event.Subject, "wish/")
	if !ok {
		return fmt.Errorf("%s of %s: not a wish", l.Event.Type, l.Event.Subject)
	}
	var o wire.WishOutcome
	if err := json.Unmarshal(l.Event.Data, &o); err != nil {
		return err
	}
	state := fleet.WishDone
	if l.Event.Type == wire.WishRefused {
		state = fleet.WishRefused
	}
	return b.fleet.WishAnswered(ctx, tx, l.Gateway, id, state, o.Reason, l.Received)
}
