package ingest

import (
	"context"
	"slices"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Before reads the log of a site before a pos (0: from its end), newest first, at most limit; gateway narrows it unless it
// is empty. Like Events it shows nothing that something older could still come before.
func (i *Ingest) Before(ctx context.Context, tx *store.Tx, site, gateway string, pos int64, limit int) ([]Logged, error) {
	return read(ctx, tx, `site = $1 AND (CAST($2 AS TEXT) = '' OR gateway = $2) AND (CAST($3 AS BIGINT) = 0 OR pos < $3) AND `+tx.Settled("xid")+` ORDER BY pos DESC LIMIT $4`,
		site, gateway, pos, limit)
}

// Recent are the newest events of a gateway's audit stream in the order in which they happened there, newest first, at most
// limit. What was appended again and is in effect under another name is left out.
func (i *Ingest) Recent(ctx context.Context, tx *store.Tx, gateway string, limit int) ([]Logged, error) {
	epochs, err := i.fleet.Epochs(ctx, tx, gateway)
	if err != nil {
		return nil, err
	}
	var all []Logged
	for _, e := range slices.Backward(epochs) {
		some, err := read(ctx, tx, `gateway = $1 AND epoch = $2 AND stream = $3 AND effect <> $4 ORDER BY segment DESC, seq DESC LIMIT $5`,
			gateway, int64(e.Number), string(wire.Audit), int64(repeated), limit-len(all))
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(all) >= limit {
			break
		}
	}
	return all, nil
}
