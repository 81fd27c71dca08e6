package ingest

import (
	"context"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Before reads the log of a site before a pos (0: from its end), newest first, at most limit; gateway narrows it unless it
// is empty. Like Events it shows nothing that something older could still come before.
func (i *Ingest) Before(ctx context.Context, tx *store.Tx, site, gateway string, pos int64, limit int) ([]Logged, error) {
	return read(ctx, tx, `site = $1 AND (CAST($2 AS TEXT) = '' OR gateway = $2) AND (CAST($3 AS BIGINT) = 0 OR pos < $3) AND `+tx.Settled("xid")+` ORDER BY pos DESC LIMIT $4`,
		site, gateway, pos, limit)
}
