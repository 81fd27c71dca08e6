// Package gas knows which meter measures which unit, and what the gateways read of them.
//
// Readings are a set: each is kept as its event said, whatever the order in which events come. A reading counts for the
// household that lived in the meter's unit when it was seen; one that may have been seen on either side of a move counts
// for nobody. Only good readings of the meter on the list count. Totals are whole litres, instants are wire.Micros.
package gas

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error { return db.Migrate(ctx, "gas", migrations) }

// Meter is a meter on a site's list, for one unit from one moment on.
type Meter struct {
	Gateway string
	ID      string
	Unit    string // the unit's id
	Serial  string // as on its plate; empty: not checked here
	From    wire.Micros
}

// Import makes a site's list exactly these meters. A gateway of another site is an identity.ErrImport.
func Import(ctx context.Context, tx *store.Tx, f *fleet.Fleet, site string, meters []Meter) error {
	if _, err := tx.Exec(ctx, `DELETE FROM gas_meters WHERE site = $1`, site); err != nil {
		return fmt.Errorf("meters of site %s: %w", site, err)
	}
	meters = slices.Clone(meters)
	slices.SortFunc(meters, func(a, b Meter) int {
		return cmp.Or(cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.ID, b.ID), cmp.Compare(a.From, b.From))
	})
	for i, m := range meters {
		g, err := f.Gateway(ctx, tx, m.Gateway)
		if err != nil || g.Site != site {
			return fmt.Errorf("meter %s: gateway %.40q is not of this site: name it among the gateways: %w", m.ID, m.Gateway, identity.ErrImport)
		}
		var ends wire.Micros
		if next := i + 1; next < len(meters) && meters[next].Gateway == m.Gateway && meters[next].ID == m.ID {
			ends = meters[next].From
		}
		_, err = tx.Exec(ctx, `INSERT INTO gas_meters (site, gateway, id, starts, ends, unit, serial) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			site, m.Gateway, m.ID, int64(m.From), int64(ends), m.Unit, m.Serial)
		if err != nil {
			return fmt.Errorf("meter %s: %w", m.ID, err)
		}
	}
	return nil
}
