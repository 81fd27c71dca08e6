package fleet

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Claimed are the rows that a gateway has marked delivered beyond where this database stood: an event that they name was
// answered before, in a life of the database that was lost. They stay though the gateway moves back what it marks.
func (f *Fleet) Claimed(ctx context.Context, tx *store.Tx, gateway string) ([]wire.Row, error) {
	rows, err := tx.Query(ctx, `SELECT epoch, stream, from_segment, to_segment, seq FROM told WHERE gateway = $1
		ORDER BY epoch, stream, from_segment, to_segment, seq`, gateway)
	if err != nil {
		return nil, fmt.Errorf("told of gateway %s: %w", gateway, err)
	}
	return store.Collect(rows, func(r *sql.Rows) (row wire.Row, err error) {
		var from, to, seq uint64
		err = r.Scan(&row.Epoch, &row.Stream, &from, &to, &seq)
		if seq == 0 {
			row.Whole = []wire.Run{{From: from, To: to}}
		} else {
			row.Partial = []wire.Position{{Segment: from, Seq: seq}}
		}
		return row, err
	})
}

// remember keeps what a pulse has marked delivered and standing does not cover.
func (f *Fleet) remember(ctx context.Context, tx *store.Tx, p wire.Pulse, standing []wire.Row) error {
	for _, r := range beyond(p.Delivered, standing) {
		for _, w := range r.Whole {
			if err := f.tell(ctx, tx, p.Gateway, r, w.From, w.To, 0); err != nil {
				return err
			}
		}
		for _, q := range r.Partial {
			if err := f.tell(ctx, tx, p.Gateway, r, q.Segment, q.Segment, q.Seq); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Fleet) tell(ctx context.Context, tx *store.Tx, gateway string, r wire.Row, from, to, seq uint64) error {
	_, err := tx.Exec(ctx, `INSERT INTO told (gateway, epoch, stream, from_segment, to_segment, seq) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`, gateway, clamp(r.Epoch), string(r.Stream), clamp(from), clamp(to), clamp(seq))
	if err != nil {
		return fmt.Errorf("told of gateway %s: %w", gateway, err)
	}
	return nil
}

// beyond is what of claimed rows standing does not cover.
func beyond(claimed, standing []wire.Row) []wire.Row {
	var out []wire.Row
	for _, c := range claimed {
		if !c.Stream.Valid() {
			continue
		}
		more := wire.Row{Epoch: c.Epoch, Stream: c.Stream}
		for _, w := range c.Whole {
			if !runs(standing, c, w) {
				more.Whole = append(more.Whole, w)
			}
		}
		for _, p := range c.Partial {
			if p.Seq > 0 && !Covers(standing, wire.Name{Epoch: c.Epoch, Stream: c.Stream, Segment: p.Segment, Seq: p.Seq}) {
				more.Partial = append(more.Partial, p)
			}
		}
		if len(more.Whole)+len(more.Partial) > 0 {
			out = append(out, more)
		}
	}
	return out
}

// runs tells whether one run of rows holds all of w.
func runs(rows []wire.Row, of wire.Row, w wire.Run) bool {
	for _, r := range rows {
		if r.Epoch != of.Epoch || r.Stream != of.Stream {
			continue
		}
		for _, have := range r.Whole {
			if have.From <= w.From && w.To <= have.To {
				return true
			}
		}
	}
	return false
}
