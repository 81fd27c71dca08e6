package parcels

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Purpose says what a code is for; its holder is a household's, courier's or guard's id.
type Purpose string

// The purposes of codes.
const (
	ForHousehold Purpose = "household"
	ForCourier   Purpose = "courier"
	ForGuard     Purpose = "guard"
)

// Code is the living code of a holder at one gateway.
type Code struct {
	Gateway string
	ID      string // of the credential
	Digits  Secret // empty: it cannot be opened any more
	Minted  wire.Micros
	Until   wire.Micros
}

// Codes opens the living codes of a holder of site from their seals, one for each gateway that has minted one.
func (p *Parcels) Codes(ctx context.Context, tx *store.Tx, site string, purpose Purpose, holder string, now time.Time) ([]Code, error) {
	type sealed struct {
		Code
		wire.Sealed
		ended string
	}
	rows, err := tx.Query(ctx, `SELECT gateway, id, seal, sealed, minted, until, ended FROM credentials
		WHERE site = $1 AND purpose = $2 AND holder = $3 ORDER BY gateway, epoch DESC, segment DESC, seq DESC`,
		site, string(purpose), holder)
	if err != nil {
		return nil, fmt.Errorf("codes of site %s: %w", site, err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (s sealed, err error) {
		err = r.Scan(&s.Gateway, &s.ID, &s.Key, &s.Text, &s.Minted, &s.Until, &s.ended)
		return s, err
	})
	if err != nil {
		return nil, err
	}
	var out []Code
	last := ""
	for _, s := range all {
		if s.Gateway == last {
			continue // replaced by a newer one
		}
		last = s.Gateway
		if s.ended != "" || s.Until > 0 && s.Until <= wire.At(now) {
			continue
		}
		// A sealing key that is destroyed is a normal end: the holder asks for the next code.
		s.Digits, _ = p.unseal(s.Gateway, "credential/"+s.ID, s.Sealed)
		out = append(out, s.Code)
	}
	return out, nil
}
