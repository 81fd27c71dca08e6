package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const positionColumns = `gateway, epoch, stream, segment, seq, hash, before_hash, sealed_end, lost`

// Position reads the position of a segment under the gateway's lock; a segment never heard of stands at 0, and is lost
// when a loss or a pulse has said so.
func (f *Fleet) Position(ctx context.Context, tx *store.Tx, gateway string, epoch uint64, s wire.Stream, segment uint64) (Position, error) {
	all, err := positions(ctx, tx, `gateway = $1 AND epoch = $2 AND stream = $3 AND segment = $4`, gateway, int64(epoch), string(s), int64(segment))
	if err != nil {
		return Position{}, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	p := Position{Gateway: gateway, Epoch: epoch, Stream: s, Segment: segment}
	oldest, _, err := f.held(ctx, tx, gateway, epoch, s)
	if err != nil {
		return Position{}, err
	}
	p.Lost = segment < oldest
	return f.Overcome(ctx, tx, p)
}

// Overcome applies the losses already recorded to a position: it may be closed, or step over a damaged range.
func (f *Fleet) Overcome(ctx context.Context, tx *store.Tx, p Position) (Position, error) {
	rows, err := tx.Query(ctx, `SELECT from_segment, to_segment, first_seq, last_seq, before_hash, after_hash, cause FROM losses
		WHERE gateway = $1 AND epoch = $2 AND stream = $3 AND from_segment <= $4 AND to_segment >= $4
		ORDER BY from_segment, first_seq`, p.Gateway, int64(p.Epoch), string(p.Stream), int64(p.Segment))
	if err != nil {
		return p, fmt.Errorf("losses of gateway %s: %w", p.Gateway, err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (l wire.Loss, err error) {
		err = r.Scan(&l.From, &l.To, &l.First, &l.Last, (*hash)(&l.Before), (*hash)(&l.After), &l.Cause)
		return l, err
	})
	for _, l := range all {
		p = p.Losing(l)
	}
	return p, err
}

// Move writes a position, in the transaction that has logged and projected what it covers, and looks at the joints with
// its neighbours: a wrong one is a fork.
func (f *Fleet) Move(ctx context.Context, tx *store.Tx, p Position, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO positions (`+positionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (gateway, epoch, stream, segment) DO UPDATE SET seq = excluded.seq, hash = excluded.hash,
			before_hash = excluded.before_hash, sealed_end = excluded.sealed_end, lost = excluded.lost`,
		p.Gateway, int64(p.Epoch), string(p.Stream), int64(p.Segment), int64(p.Seq), p.Hash[:], p.Before[:], int64(p.End), num(p.Lost))
	if err != nil {
		return fmt.Errorf("position of gateway %s at %s: %w", p.Gateway, p.Name(p.Seq), err)
	}
	_, err = tx.Exec(ctx, `DELETE FROM refusals WHERE gateway = $1 AND epoch = $2 AND stream = $3 AND segment = $4 AND seq <= $5`,
		p.Gateway, int64(p.Epoch), string(p.Stream), int64(p.Segment), int64(p.Seq))
	if err != nil {
		return fmt.Errorf("refusals of gateway %s: %w", p.Gateway, err)
	}
	near, err := positions(ctx, tx, `gateway = $1 AND epoch = $2 AND stream = $3 AND segment IN ($4, $5)`,
		p.Gateway, int64(p.Epoch), string(p.Stream), int64(p.Segment)-1, int64(p.Segment)+1)
	if err != nil {
		return err
	}
	for _, n := range near {
		if n.Join(p) == JointWrong || p.Join(n) == JointWrong {
			return f.Raise(ctx, tx, p.Gateway, AlarmFork, p.Name(0).String(), now)
		}
	}
	return nil
}

// Lose takes in a loss that a gateway recorded: rows are closed or step over it, and what the cloud had not whole is an
// alarm. A loss known already changes nothing.
func (f *Fleet) Lose(ctx context.Context, tx *store.Tx, gateway string, l wire.Loss, now time.Time) error {
	if !l.Stream.Valid() || l.From == 0 || l.To < l.From || max(l.Epoch, l.To, l.First, l.Last) > maxNumber {
		return fmt.Errorf("loss of gateway %s: %w", gateway, ErrInput)
	}
	r, err := tx.Exec(ctx, `INSERT INTO losses (gateway, epoch, stream, from_segment, to_segment, first_seq, last_seq, before_hash, after_hash, cause, recorded)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		gateway, int64(l.Epoch), string(l.Stream), int64(l.From), int64(l.To), int64(l.First), int64(l.Last), l.Before[:], l.After[:], l.Cause, now.UnixMicro())
	if err != nil {
		return fmt.Errorf("loss of gateway %s: %w", gateway, err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	known, err := positions(ctx, tx, `gateway = $1 AND epoch = $2 AND stream = $3 AND segment BETWEEN $4 AND $5`,
		gateway, int64(l.Epoch), string(l.Stream), int64(l.From), int64(l.To))
	if err != nil {
		return err
	}
	whole := uint64(0)
	for _, p := range known {
		next := p.Losing(l)
		if next == p {
			whole += uint64(num(p.Whole() || p.Segment == l.To && l.Cause == damaged && p.Seq >= l.Last))
			continue
		}
		if err := f.Move(ctx, tx, next, now); err != nil {
			return err
		}
	}
	if whole == l.To-l.From+1 {
		return nil
	}
	return f.Raise(ctx, tx, gateway, AlarmLost, fmt.Sprintf("%d/%s", l.Epoch, l.Stream), now)
}

// forget makes lost what a pulse no longer names and the cloud has not whole: segments below oldest.
func (f *Fleet) forget(ctx context.Context, tx *store.Tx, gateway string, h wire.Head, oldest uint64, now time.Time) error {
	before, newest, err := f.held(ctx, tx, gateway, h.Epoch, h.Stream)
	if err != nil {
		return err
	}
	oldest, newest = max(oldest, before), max(newest, h.Segment)
	_, err = tx.Exec(ctx, `INSERT INTO streams (gateway, epoch, stream, oldest, newest) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (gateway, epoch, stream) DO UPDATE SET oldest = excluded.oldest, newest = excluded.newest`,
		gateway, int64(h.Epoch), string(h.Stream), int64(oldest), int64(newest))
	if err != nil {
		return fmt.Errorf("stream of gateway %s: %w", gateway, err)
	}
	if oldest == before {
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE positions SET lost = 1 WHERE gateway = $1 AND epoch = $2 AND stream = $3 AND segment < $4
		AND NOT (sealed_end > 0 AND seq = sealed_end)`, gateway, int64(h.Epoch), string(h.Stream), int64(oldest))
	if err != nil {
		return fmt.Errorf("stream of gateway %s: %w", gateway, err)
	}
	var whole uint64
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM positions WHERE gateway = $1 AND epoch = $2 AND stream = $3 AND segment >= $4 AND segment < $5 AND lost = 0`,
		gateway, int64(h.Epoch), string(h.Stream), int64(before), int64(oldest)).Scan(&whole)
	if err != nil {
		return fmt.Errorf("stream of gateway %s: %w", gateway, err)
	}
	if whole >= min(oldest, newest+1)-min(before, newest+1) {
		return nil
	}
	return f.Raise(ctx, tx, gateway, AlarmLost, fmt.Sprintf("%d/%s", h.Epoch, h.Stream), now)
}

// gone is the oldest segment held of a stream of which nothing is held and nothing will come.
const gone = uint64(math.MaxInt64)

// held is what pulses have said of a stream: the oldest segment that is still held (1 if none spoke of it) and the
// newest named.
func (f *Fleet) held(ctx context.Context, tx *store.Tx, gateway string, epoch uint64, s wire.Stream) (oldest, newest uint64, err error) {
	err = tx.QueryRow(ctx, `SELECT oldest, newest FROM streams WHERE gateway = $1 AND epoch = $2 AND stream = $3`,
		gateway, int64(epoch), string(s)).Scan(&oldest, &newest)
	if errors.Is(err, sql.ErrNoRows) {
		return 1, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("stream of gateway %s: %w", gateway, err)
	}
	return oldest, newest, nil
}

// Positions are all positions of a gateway in the order of epoch, stream and segment.
func (f *Fleet) Positions(ctx context.Context, tx *store.Tx, gateway string) ([]Position, error) {
	return positions(ctx, tx, `gateway = $1`, gateway)
}

func positions(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Position, error) {
	rows, err := tx.Query(ctx, `SELECT `+positionColumns+` FROM positions WHERE `+where+` ORDER BY epoch, stream, segment`, args...)
	if err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	return store.Collect(rows, func(r *sql.Rows) (p Position, err error) {
		err = r.Scan(&p.Gateway, &p.Epoch, &p.Stream, &p.Segment, &p.Seq, (*hash)(&p.Hash), (*hash)(&p.Before), &p.End, &p.Lost)
		return p, err
	})
}
