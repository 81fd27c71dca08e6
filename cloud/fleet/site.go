package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Site finds a site; ErrUnknown when it is not registered.
func (f *Fleet) Site(ctx context.Context, tx *store.Tx, id string) (Site, error) {
	s := Site{ID: id}
	err := tx.QueryRow(ctx, `SELECT name FROM sites WHERE id = $1`, id).Scan(&s.Name)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return Site{}, fmt.Errorf("site %.40q: %w", id, err)
	}
	return s, nil
}

// Wishes are the newest wishes of a site, at most 200.
func (f *Fleet) Wishes(ctx context.Context, tx *store.Tx, site string) ([]Wish, error) {
	all, err := wishes(ctx, tx, `gateway IN (SELECT id FROM gateways WHERE site = $1)`, site)
	return all[:min(len(all), 200)], err
}
