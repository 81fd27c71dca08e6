package fleet

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Later tells whether what comes after an event is in, as far as pulses have named it: its own segment and every one
// between it and the newest, of its epoch and of those after, is committed to its end or lost. The newest segment is what
// happens now. Before that, nobody must be told of the event: a later one may have undone it.
func (f *Fleet) Later(ctx context.Context, tx *store.Tx, gateway string, n wire.Name) (bool, error) {
	type span struct{ epoch, oldest, newest int64 }
	rows, err := tx.Query(ctx, `SELECT epoch, oldest, newest FROM streams WHERE gateway = $1 AND stream = $2 AND epoch >= $3 ORDER BY epoch`,
		gateway, string(n.Stream), clamp(n.Epoch))
	if err != nil {
		return false, fmt.Errorf("streams of gateway %s: %w", gateway, err)
	}
	spans, err := store.Collect(rows, func(r *sql.Rows) (s span, err error) { return s, r.Scan(&s.epoch, &s.oldest, &s.newest) })
	if err != nil {
		return false, err
	}
	for _, s := range spans {
		from := s.oldest
		if s.epoch == clamp(n.Epoch) {
			from = clamp(n.Segment)
		}
		if from >= s.newest {
			continue
		}
		var in int64
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM positions WHERE gateway = $1 AND epoch = $2 AND stream = $3 AND segment >= $4 AND segment < $5
			AND (lost = 1 OR sealed_end > 0 AND seq = sealed_end)`, gateway, s.epoch, string(n.Stream), from, s.newest).Scan(&in)
		if err != nil {
			return false, fmt.Errorf("positions of gateway %s: %w", gateway, err)
		}
		if in < s.newest-from {
			return false, nil
		}
	}
	return true, nil
}
