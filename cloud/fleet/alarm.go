package fleet

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Kinds of alarms that concern a gateway as a whole.
const (
	AlarmFork       = "fork"       // two histories under one name: a copied or rolled back disk; subject: where
	AlarmClone      = "clone"      // two boxes with one identity; subject: the muted epoch
	AlarmLost       = "lost"       // events are gone before the cloud had them; subject: epoch and stream
	AlarmProjection = "projection" // an event is logged and has no effect yet; subject: the projection
	AlarmDecode     = "decode"     // signed events that are none; subject: where
)

// Alarm is one condition that a person must look at. One of a kind and subject stands at a time.
type Alarm struct {
	Gateway string
	Kind    string
	Subject string
	First   wire.Micros
	Last    wire.Micros
	Times   int64
}

// Raise raises an alarm, or counts it once more.
func (f *Fleet) Raise(ctx context.Context, tx *store.Tx, gateway, kind, subject string, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO alarms (gateway, kind, subject, first_at, last_at, times, cleared) VALUES ($1, $2, $3, $4, $4, 1, 0)
		ON CONFLICT (gateway, kind, subject) DO UPDATE SET last_at = excluded.last_at, times = alarms.times + 1,
			first_at = CASE WHEN alarms.cleared = 0 THEN alarms.first_at ELSE excluded.first_at END, cleared = 0`,
		gateway, kind, subject, now.UnixMicro())
	if err != nil {
		return fmt.Errorf("alarm %s of gateway %s: %w", kind, gateway, err)
	}
	f.log.Warn("alarm raised", "gateway", gateway, "kind", kind, "subject", subject)
	return nil
}

// Clear ends an alarm by hand.
func (f *Fleet) Clear(ctx context.Context, tx *store.Tx, gateway, kind, subject string, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE alarms SET cleared = $1 WHERE gateway = $2 AND kind = $3 AND subject = $4 AND cleared = 0`,
		now.UnixMicro(), gateway, kind, subject)
	return err
}

// Alarms are the standing alarms of a gateway, in order of kind and subject.
func (f *Fleet) Alarms(ctx context.Context, tx *store.Tx, gateway string) ([]Alarm, error) {
	return alarms(ctx, tx, `gateway = $1 AND cleared = 0`, gateway)
}

func alarms(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Alarm, error) {
	rows, err := tx.Query(ctx, `SELECT gateway, kind, subject, first_at, last_at, times FROM alarms WHERE `+where+` ORDER BY kind, subject`, args...)
	if err != nil {
		return nil, fmt.Errorf("alarms: %w", err)
	}
	return store.Collect(rows, func(r *sql.Rows) (a Alarm, err error) {
		err = r.Scan(&a.Gateway, &a.Kind, &a.Subject, &a.First, &a.Last, &a.Times)
		return a, err
	})
}
