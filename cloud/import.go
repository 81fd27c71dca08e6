package cloud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Import brings a community into the database, all or nothing. To import the same again changes nothing. Gateways of a
// running cloud get what changed with the answer to their next pulse.
func Import(ctx context.Context, o Options, c Community, now time.Time) (err error) {
	keys, err := openKeys(o)
	if err != nil {
		return err
	}
	db, err := openDB(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	people := identity.New(db, identity.Config{Issuer: c.Issuer, Now: func() time.Time { return now }, Log: o.Log})
	f := fleet.New(db, keys, fleet.Options{Sources: sources(people, func() time.Time { return now }), Log: o.Log})
	return f.Change(ctx, c.Site.ID, now, func(tx *store.Tx) error { return importAll(ctx, tx, f, c, now) })
}

func importAll(ctx context.Context, tx *store.Tx, f *fleet.Fleet, c Community, now time.Time) error {
	if err := f.RegisterSite(ctx, tx, fleet.Site{ID: c.Site.ID, Name: c.Site.Name}, now); err != nil {
		return err
	}
	for _, g := range c.Gateways {
		if err := f.RegisterGateway(ctx, tx, fleet.Gateway{ID: g.ID, Site: c.Site.ID, EventKey: g.EventKey}, now); err != nil {
			return fmt.Errorf("%w: %w", identity.ErrImport, err)
		}
	}
	if err := identity.Import(ctx, tx, c.Community); err != nil {
		return err
	}
	for _, o := range c.Operators {
		person, err := identity.AddPerson(ctx, tx, c.Issuer, o.Subject, o.Name)
		if err != nil {
			return err
		}
		if err := identity.Grant(ctx, tx, person, identity.Everywhere, identity.Operator); err != nil {
			return err
		}
	}
	if err := gas.Import(ctx, tx, f, c.Site.ID, c.Meters); err != nil {
		return err
	}
	if err := facilities.Import(ctx, tx, f, c.Site.ID, c.Facilities); errors.Is(err, facilities.ErrImport) {
		return fmt.Errorf("%w: %w", identity.ErrImport, err)
	} else if err != nil {
		return err
	}
	return parcels.Import(ctx, tx, c.Site.ID, c.Desk)
}
