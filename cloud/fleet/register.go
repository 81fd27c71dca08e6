package fleet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Site is one community.
type Site struct {
	ID   string
	Name string
}

// Gateway is one registered box.
type Gateway struct {
	ID       string
	Site     string
	EventKey ed25519.PublicKey // signs blocks and pulses
	serial   string
}

// RegisterSite registers a site. To register it again changes its name at most.
func (f *Fleet) RegisterSite(ctx context.Context, tx *store.Tx, s Site, now time.Time) error {
	if !wire.ValidGateway(s.ID) || s.Name == "" {
		return fmt.Errorf("site %.40q: id of a-z, 0-9 and - and a name: %w", s.ID, ErrInput)
	}
	_, err := tx.Exec(ctx, `INSERT INTO sites (id, name, registered) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name`, s.ID, s.Name, now.UnixMicro())
	if err != nil {
		return fmt.Errorf("site %s: %w", s.ID, err)
	}
	return nil
}

// RegisterGateway registers a gateway. To register it again with the same site and key changes nothing; ErrExists says
// that it stands with another site or key: a box is exchanged by an operator, not by an import.
func (f *Fleet) RegisterGateway(ctx context.Context, tx *store.Tx, g Gateway, now time.Time) error {
	if !wire.ValidGateway(g.ID) || len(g.EventKey) != ed25519.PublicKeySize {
		return fmt.Errorf("gateway %.40q: id of a-z, 0-9 and - and an Ed25519 key: %w", g.ID, ErrInput)
	}
	_, err := tx.Exec(ctx, `INSERT INTO gateways (id, site, event_key, registered, serial) VALUES ($1, $2, $3, $4, '')
		ON CONFLICT (id) DO NOTHING`, g.ID, g.Site, []byte(g.EventKey), now.UnixMicro())
	if err != nil {
		return fmt.Errorf("gateway %s: %w", g.ID, err)
	}
	held, err := f.Gateway(ctx, tx, g.ID)
	if err != nil {
		return err
	}
	if held.Site != g.Site || !bytes.Equal(held.EventKey, g.EventKey) {
		return fmt.Errorf("gateway %s: %w: another site or event key", g.ID, ErrExists)
	}
	_, err = tx.Exec(ctx, `INSERT INTO documents (gateway, version, hash, root, issued, stale) VALUES ($1, 0, $2, $2, 0, 1)
		ON CONFLICT (gateway) DO NOTHING`, g.ID, []byte{})
	return err
}

// Gateway finds a gateway; ErrUnknown when it is not registered.
func (f *Fleet) Gateway(ctx context.Context, tx *store.Tx, id string) (Gateway, error) {
	g := Gateway{ID: id}
	var key []byte
	err := tx.QueryRow(ctx, `SELECT site, event_key, serial FROM gateways WHERE id = $1`, id).Scan(&g.Site, &key, &g.serial)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return Gateway{}, fmt.Errorf("gateway %s: %w", id, err)
	}
	g.EventKey = key
	return g, nil
}

// Lock locks the rows of the gateways in the order of their ids and returns those that are registered. What belongs to a
// gateway is read after its lock.
func (f *Fleet) Lock(ctx context.Context, tx *store.Tx, ids []string) (map[string]Gateway, error) {
	known, err := tx.LockRows(ctx, "gateways", "id", ids...)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Gateway, len(known))
	for _, id := range known {
		g, err := f.Gateway(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		all[id] = g
	}
	return all, nil
}

// LockAll locks the rows of all gateways: nothing of any of them moves until the transaction ends.
func (f *Fleet) LockAll(ctx context.Context, tx *store.Tx) error {
	rows, err := tx.QueryForUpdate(ctx, `SELECT id FROM gateways ORDER BY id`)
	if err != nil {
		return fmt.Errorf("lock gateways: %w", err)
	}
	_, err = store.Texts(rows)
	return err
}

// SiteIDs are the registered sites in order.
func (f *Fleet) SiteIDs(ctx context.Context, tx *store.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT id FROM sites ORDER BY id`)
	if err != nil {
		return nil, err
	}
	return store.Texts(rows)
}

// GatewayIDs are the gateways of a site in order.
func (f *Fleet) GatewayIDs(ctx context.Context, tx *store.Tx, site string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT id FROM gateways WHERE site = $1 ORDER BY id`, site)
	if err != nil {
		return nil, err
	}
	return store.Texts(rows)
}
