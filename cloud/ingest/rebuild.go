package ingest

import (
	"context"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// rebuildRows is how many events are read at a time.
const rebuildRows = 500

// Rebuild empties the projections' tables and projects the whole log again, in one transaction during which nothing is
// taken. People are told of nothing again: every event is Told.
func (i *Ingest) Rebuild(ctx context.Context) error {
	err := i.db.Write(ctx, func(tx *store.Tx) error {
		if err := i.fleet.LockAll(ctx, tx); err != nil {
			return err
		}
		// Muted, an event does not count as in effect: so each waits for its turn.
		for _, q := range []string{`DELETE FROM firsts`, `DELETE FROM subjects`, `UPDATE log SET effect = 3`} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		for _, p := range i.projections {
			if r, ok := p.(Resetter); ok {
				if err := r.Reset(ctx, tx); err != nil {
					return fmt.Errorf("projection %s: %w", p.Name(), err)
				}
			}
		}
		for after := int64(0); ; {
			all, err := read(ctx, tx, `pos > $1 ORDER BY pos LIMIT $2`, after, rebuildRows)
			if err != nil || len(all) == 0 {
				return err
			}
			for _, l := range all {
				if err := i.replay(ctx, tx, l); err != nil {
					return err
				}
			}
			after = all[len(all)-1].Pos
		}
	})
	if err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	i.wake()
	return nil
}

// replay judges one event anew and projects it.
func (i *Ingest) replay(ctx context.Context, tx *store.Tx, l Logged) error {
	now := i.o.Now()
	epoch, err := i.fleet.Register(ctx, tx, l.Gateway, l.Name.Epoch, now)
	if err != nil {
		return err
	}
	effects, err := effectsOf(ctx, tx, []Logged{l}, epoch.Muted > 0 && wire.At(l.Received) >= epoch.Muted)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE log SET effect = $1 WHERE pos = $2`, int64(effects[0]), l.Pos); err != nil {
		return err
	}
	if effects[0] != projected {
		return nil
	}
	l.Told = true
	return i.project(ctx, tx, []Logged{l}, now)
}
