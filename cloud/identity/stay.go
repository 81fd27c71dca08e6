package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Stay is the time of a household in its unit.
type Stay struct {
	Household string
	Unit      string // the unit's id
	From      wire.Micros
	Until     wire.Micros // 0: no end is known
}

// Stay gives the stay of a household of site, living or not; ErrUnknown when there is none.
func (i *Identity) Stay(ctx context.Context, tx *store.Tx, site, household string) (Stay, error) {
	s := Stay{Household: household}
	err := tx.QueryRow(ctx, `SELECT h.unit, h.starts, h.ends FROM households h JOIN units u ON u.id = h.unit WHERE h.id = $1 AND u.site = $2`,
		household, site).Scan(&s.Unit, &s.From, &s.Until)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return Stay{}, fmt.Errorf("household %.40q: %w", household, err)
	}
	return s, nil
}
