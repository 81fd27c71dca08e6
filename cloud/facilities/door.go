package facilities

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Kinds of alarms of doors; the subject is the door's id. Each ends when a later state of the door says so.
const (
	AlarmForced   = "door_forced"
	AlarmLeftOpen = "door_left_open"
)

// Door is one door as its gateway's newest event says. What no event has named yet has no State.
type Door struct {
	Gateway    string
	ID         string
	Name       string // of the facility behind it; empty: of none
	English    string
	State      string      // secured, released, open, held, left_open, forced
	ClosedDown bool        // by a guard
	Online     bool        // its device answers
	Said       wire.Micros // when the event was, by the gateway's clock
}

// Doors are the doors of a site by id: those of facilities, and all that events have named.
func Doors(ctx context.Context, tx *store.Tx, site string) ([]Door, error) {
	rows, err := tx.Query(ctx, `SELECT gateway, id, state, closed, device, wall FROM doors WHERE site = $1`, site)
	if err != nil {
		return nil, fmt.Errorf("doors of site %s: %w", site, err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (d Door, err error) {
		var device string
		err = r.Scan(&d.Gateway, &d.ID, &d.State, &d.ClosedDown, &device, &d.Said)
		d.Online = device == "online"
		return d, err
	})
	if err != nil {
		return nil, err
	}
	behind, err := List(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	for _, f := range behind {
		at := slices.IndexFunc(all, func(d Door) bool { return d.Gateway == f.Gateway && d.ID == f.Door })
		if at < 0 {
			at = len(all)
			all = append(all, Door{Gateway: f.Gateway, ID: f.Door})
		}
		if all[at].Name == "" {
			all[at].Name, all[at].English = f.Name, f.English
		}
	}
	slices.SortFunc(all, func(a, b Door) int { return strings.Compare(a.ID+" "+a.Gateway, b.ID+" "+b.Gateway) })
	return all, nil
}

// DoorByID finds a door of a site. ErrUnknown when there is none, and when two gateways have one of this id: nobody opens a
// door that was not meant.
func DoorByID(ctx context.Context, tx *store.Tx, site, id string) (Door, error) {
	all, err := Doors(ctx, tx, site)
	if err != nil {
		return Door{}, err
	}
	all = slices.DeleteFunc(all, func(d Door) bool { return d.ID != id })
	if len(all) != 1 {
		return Door{}, fmt.Errorf("%d doors of this id: %w", len(all), ErrUnknown)
	}
	return all[0], nil
}

// Projection keeps the newest state of every door, raises its alarms, and notes when a booking was first used.
type Projection struct {
	Fleet *fleet.Fleet
}

var (
	_ ingest.Projection = Projection{}
	_ ingest.Resetter   = Projection{}
)

// Name is what alarms call it.
func (Projection) Name() string { return "facilities" }

// Reset forgets what the log can tell again. Bookings themselves are the cloud's own.
func (Projection) Reset(ctx context.Context, tx *store.Tx) error {
	for _, q := range []string{`DELETE FROM doors`, `UPDATE bookings SET checked_in = 0`, `UPDATE bookings SET state = 'confirmed' WHERE state = 'checked_in'`} {
		if _, err := tx.Exec(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// Project takes in one event.
func (p Projection) Project(ctx context.Context, tx *store.Tx, l ingest.Logged) error {
	id, ok := strings.CutPrefix(l.Event.Subject, "door/")
	if !ok || id == "" {
		return nil
	}
	if l.Event.Type == wire.DoorOpened {
		if err := enter(ctx, tx, l, id); err != nil {
			return fmt.Errorf("door %.80s: %w", id, err)
		}
	}
	if !l.Newest || len(l.Event.State) == 0 {
		return nil
	}
	if err := p.move(ctx, tx, l, id); err != nil {
		return fmt.Errorf("door %.80s: %w", id, err)
	}
	return nil
}

// move takes in a door's newest state.
func (p Projection) move(ctx context.Context, tx *store.Tx, l ingest.Logged, id string) error {
	var d wire.Door
	if json.Unmarshal(l.Event.State, &d) != nil {
		return fmt.Errorf("state: %w", wire.ErrFormat)
	}
	var before string
	err := tx.QueryRow(ctx, `SELECT state FROM doors WHERE gateway = $1 AND id = $2`, l.Gateway, id).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO doors (gateway, id, site, state, closed, device, wall) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (gateway, id) DO UPDATE SET site = excluded.site, state = excluded.state, closed = excluded.closed,
			device = excluded.device, wall = excluded.wall`,
		l.Gateway, id, l.Site, d.State, num(d.Closed), d.Device, int64(l.Event.Wall))
	if err != nil || d.State == before {
		return err
	}
	for _, alarm := range []struct{ state, kind string }{{"forced", AlarmForced}, {"left_open", AlarmLeftOpen}} {
		change := p.Fleet.Clear
		if d.State == alarm.state {
			change = p.Fleet.Raise
		}
		if err := change(ctx, tx, l.Gateway, alarm.kind, id, l.Received); err != nil {
			return err
		}
	}
	return nil
}

// enter notes that a door was opened with a booking, by whichever event was first by the gateway's clock: they may come in
// any order, and late.
func enter(ctx context.Context, tx *store.Tx, l ingest.Logged, door string) error {
	var p wire.Passage
	if json.Unmarshal(l.Event.Data, &p) != nil {
		return fmt.Errorf("data: %w", wire.ErrFormat)
	}
	if p.Grant == "" {
		return nil
	}
	rows, err := tx.QueryForUpdate(ctx, `SELECT state FROM bookings WHERE id = $1 AND gateway = $2 AND door = $3 AND (checked_in = 0 OR checked_in > $4)`,
		p.Grant, l.Gateway, door, int64(l.Event.Wall))
	if err != nil {
		return err
	}
	found, err := store.Texts(rows)
	if err != nil || len(found) == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE bookings SET checked_in = $1, state = $2, version = version + 1 WHERE id = $3`,
		int64(l.Event.Wall), string(rules.State(found[0]).Entered()), p.Grant)
	return err
}
