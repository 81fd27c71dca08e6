package facilities

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Documents gives the grants of a site's state document.
type Documents struct {
	Now func() time.Time
}

var _ fleet.PartSource = Documents{}

// Parts gives the grants of all living bookings that begin within the horizon and were not over when today began: so the
// document changes with bookings and once at midnight, not with every hour.
func (d Documents) Parts(ctx context.Context, tx *store.Tx, site string) ([]fleet.NamedPart, error) {
	y, m, day := d.Now().In(fleet.Taipei()).Date()
	today := time.Date(y, m, day, 0, 0, 0, 0, fleet.Taipei())
	rows, err := tx.Query(ctx, `SELECT id, door, household, once, starts, ends FROM bookings
		WHERE site = $1 AND `+living+` AND ends > $2 AND starts < $3 ORDER BY starts, id`,
		site, today.Add(-rules.Early).UnixMicro(), today.AddDate(0, 0, rules.Days).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("grants of site %s: %w", site, err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (wire.Grant, error) {
		var b Booking
		err := r.Scan(&b.ID, &b.Door, &b.Household, &b.Once, &b.Slot.From, &b.Slot.To)
		w := b.Slot.Window()
		return wire.Grant{ID: b.ID, Door: b.Door, Household: b.Household, From: w.From, Until: w.To, Uses: b.uses()}, err
	})
	if err != nil {
		return nil, fmt.Errorf("grants of site %s: %w", site, err)
	}
	return []fleet.NamedPart{{Name: wire.PartGrants, Value: wire.Grants{Grants: all}}}, nil
}
