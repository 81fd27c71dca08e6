package parcels

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Desk is what a community has decided about parcels.
type Desk struct {
	Couriers []wire.Courier
	Guards   []wire.Guard
	Policy   wire.Policy
	Notices  []wire.Notice
}

// Documents gives the parts of a site's state document that are about parcels.
type Documents struct{}

var _ fleet.PartSource = Documents{}

// Parts gives couriers, guards, policy and notices.
func (Documents) Parts(ctx context.Context, tx *store.Tx, site string) ([]fleet.NamedPart, error) {
	d, err := ReadDesk(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	return []fleet.NamedPart{
		{Name: wire.PartCouriers, Value: wire.Couriers{Couriers: d.Couriers}},
		{Name: wire.PartGuards, Value: wire.Guards{Guards: d.Guards}},
		{Name: wire.PartPolicy, Value: d.Policy},
		{Name: wire.PartNotices, Value: wire.Notices{Notices: d.Notices}},
	}, nil
}

// ReadDesk reads what a site has decided, lists in the order of their ids, none of them nil.
func ReadDesk(ctx context.Context, tx *store.Tx, site string) (Desk, error) {
	d := Desk{Couriers: []wire.Courier{}, Guards: []wire.Guard{}, Notices: []wire.Notice{}}
	rows, err := tx.Query(ctx, `SELECT id, name, from_time, to_time, until FROM couriers WHERE site = $1 ORDER BY id`, site)
	if err == nil {
		err = into(&d.Couriers, rows, func(r *sql.Rows) (c wire.Courier, err error) {
			return c, r.Scan(&c.ID, &c.Name, &c.From, &c.To, &c.Until)
		})
	}
	if err != nil {
		return Desk{}, fmt.Errorf("couriers of site %s: %w", site, err)
	}
	rows, err = tx.Query(ctx, `SELECT id, masked, until FROM guards WHERE site = $1 ORDER BY id`, site)
	if err == nil {
		err = into(&d.Guards, rows, func(r *sql.Rows) (g wire.Guard, err error) { return g, r.Scan(&g.ID, &g.Masked, &g.Until) })
	}
	if err != nil {
		return Desk{}, fmt.Errorf("guards of site %s: %w", site, err)
	}
	rows, err = tx.Query(ctx, `SELECT zh, en, until FROM screen_notices WHERE site = $1 ORDER BY number`, site)
	if err == nil {
		err = into(&d.Notices, rows, func(r *sql.Rows) (n wire.Notice, err error) { return n, r.Scan(&n.ZH, &n.EN, &n.Until) })
	}
	if err != nil {
		return Desk{}, fmt.Errorf("notices of site %s: %w", site, err)
	}
	d.Policy, err = ReadPolicy(ctx, tx, site)
	return d, err
}

func into[T any](list *[]T, rows *sql.Rows, scan func(*sql.Rows) (T, error)) error {
	all, err := store.Collect(rows, scan)
	*list = append(*list, all...)
	return err
}

// ReadPolicy reads a site's policy about parcels; a site that has decided nothing has an empty one.
func ReadPolicy(ctx context.Context, tx *store.Tx, site string) (wire.Policy, error) {
	p := wire.Policy{Holidays: []string{}}
	var days string
	err := tx.QueryRow(ctx, `SELECT stay_hours, holidays, guard_phone FROM parcel_policies WHERE site = $1`, site).Scan(&p.StayHours, &days, &p.GuardPhone)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(days), &p.Holidays)
	}
	if err != nil {
		return p, fmt.Errorf("policy of site %s: %w", site, err)
	}
	return p, nil
}

// Import makes d what a site has decided, in place of all that stood. It must run in fleet.Change, or be followed by
// Refresh, to reach the gateways.
func Import(ctx context.Context, tx *store.Tx, site string, d Desk) error {
	for _, q := range []string{
		`DELETE FROM couriers WHERE site = $1`, `DELETE FROM guards WHERE site = $1`,
		`DELETE FROM parcel_policies WHERE site = $1`, `DELETE FROM screen_notices WHERE site = $1`,
	} {
		if _, err := tx.Exec(ctx, q, site); err != nil {
			return fmt.Errorf("site %s: %w", site, err)
		}
	}
	for _, c := range d.Couriers {
		_, err := tx.Exec(ctx, `INSERT INTO couriers (site, id, name, from_time, to_time, until) VALUES ($1, $2, $3, $4, $5, $6)`,
			site, c.ID, c.Name, c.From, c.To, int64(c.Until))
		if err != nil {
			return fmt.Errorf("courier %s of site %s: %w", c.ID, site, err)
		}
	}
	for _, g := range d.Guards {
		_, err := tx.Exec(ctx, `INSERT INTO guards (site, id, masked, until) VALUES ($1, $2, $3, $4)`, site, g.ID, g.Masked, int64(g.Until))
		if err != nil {
			return fmt.Errorf("guard %s of site %s: %w", g.ID, site, err)
		}
	}
	for i, n := range d.Notices {
		_, err := tx.Exec(ctx, `INSERT INTO screen_notices (site, number, zh, en, until) VALUES ($1, $2, $3, $4, $5)`, site, i, n.ZH, n.EN, int64(n.Until))
		if err != nil {
			return fmt.Errorf("notice %d of site %s: %w", i, site, err)
		}
	}
	if d.Policy.Holidays == nil {
		d.Policy.Holidays = []string{}
	}
	days, err := json.Marshal(d.Policy.Holidays)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO parcel_policies (site, stay_hours, holidays, guard_phone) VALUES ($1, $2, $3, $4)`,
		site, d.Policy.StayHours, string(days), d.Policy.GuardPhone)
	if err != nil {
		return fmt.Errorf("policy of site %s: %w", site, err)
	}
	return nil
}
