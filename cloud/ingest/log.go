package ingest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// effect is what an event in the log has done.
type effect int64

const (
	projected effect = iota
	failed           // a projection failed: Rebuild tries again
	repeated         // it is in effect under another name
	muted            // its epoch is a clone's
)

// insertRows is how many events one INSERT takes at most: SQLite has 32,766 arguments, PostgreSQL 65,535.
const insertRows = 500

// log logs events that go on from a position, and projects those that take effect.
func (b *batch) log(ctx context.Context, p fleet.Position, links []fleet.Link, events []wire.Event, mute bool) error {
	if len(links) == 0 {
		return nil
	}
	all := make([]Logged, len(links))
	for n, link := range links {
		l := Logged{Gateway: p.Gateway, Site: b.boxes[p.Gateway].Site, Name: p.Name(link.Seq), Hash: link.Hash, Event: events[n], Received: b.now}
		l.First = l.Name
		if l.Event.First != nil {
			l.First = l.Event.First.Name
		}
		var err error
		if l.Told, err = b.told(ctx, l); err != nil {
			return err
		}
		all[n] = l
		b.taken.wishes = b.taken.wishes || strings.HasPrefix(l.Event.Type, "wish.") || l.Event.Type == wire.RevocationApplied
	}
	effects, err := effectsOf(ctx, b.tx, all, mute)
	if err != nil {
		return err
	}
	for from := 0; from < len(all); from += insertRows {
		to := min(from+insertRows, len(all))
		if err := insert(ctx, b.tx, all[from:to], links[from:to], effects[from:to]); err != nil {
			return err
		}
	}
	var live []Logged
	for n, l := range all {
		if effects[n] == projected {
			live = append(live, l)
		}
	}
	return b.ingest.project(ctx, b.tx, live, b.now)
}

// told tells whether people were told of an event in a life of the database that was lost: the gateway has it marked
// delivered, and it is old.
func (b *batch) told(ctx context.Context, l Logged) (bool, error) {
	if b.now.Sub(l.Event.Wall.Time()) <= b.ingest.o.TellAgain {
		return false, nil
	}
	rows, known := b.claimed[l.Gateway]
	if !known {
		var err error
		if rows, err = b.ingest.fleet.Claimed(ctx, b.tx, l.Gateway); err != nil {
			return false, err
		}
		if b.claimed == nil {
			b.claimed = map[string][]wire.Row{}
		}
		b.claimed[l.Gateway] = rows
	}
	return fleet.Covers(rows, l.Name) || fleet.Covers(rows, l.First), nil
}

// insert logs events and gives them their pos.
func insert(ctx context.Context, tx *store.Tx, all []Logged, links []fleet.Link, effects []effect) error {
	const columns = 11
	var q strings.Builder
	q.WriteString(`INSERT INTO log (gateway, site, epoch, stream, segment, seq, hash, event, received, told, effect) VALUES `)
	args := make([]any, 0, len(all)*columns)
	for n, l := range all {
		if n > 0 {
			q.WriteByte(',')
		}
		for c := range columns {
			fmt.Fprintf(&q, "%c$%d", "(,"[min(c, 1)], len(args)+c+1)
		}
		q.WriteByte(')')
		told := int64(0)
		if l.Told {
			told = 1
		}
		args = append(args, l.Gateway, l.Site, int64(l.Name.Epoch), string(l.Name.Stream), int64(l.Name.Segment), int64(l.Name.Seq),
			l.Hash[:], links[n].Event, l.Received.UnixMicro(), told, int64(effects[n]))
	}
	q.WriteString(` RETURNING pos, seq`)
	rows, err := tx.Query(ctx, q.String(), args...)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var pos int64
		var seq uint64
		if err := rows.Scan(&pos, &seq); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		all[seq-all[0].Name.Seq].Pos = pos
	}
	return rows.Err()
}

// effectsOf judges what takes effect. An event appended again does so only if its first name with that hash has not, and
// remembers that; an original that comes after its copy does not. All are of one segment, in its order, none logged yet.
func effectsOf(ctx context.Context, tx *store.Tx, all []Logged, mute bool) ([]effect, error) {
	effects := make([]effect, len(all))
	late, err := copied(ctx, tx, all[0], all[len(all)-1].Name.Seq)
	if err != nil {
		return nil, err
	}
	for n, l := range all {
		switch {
		case mute:
			effects[n] = muted
		case l.Event.First != nil:
			fresh, err := firstTime(ctx, tx, l.Gateway, *l.Event.First)
			if err != nil {
				return nil, err
			}
			if !fresh {
				effects[n] = repeated
			}
		case late[wire.First{Name: l.Name, Hash: l.Hash}]:
			effects[n] = repeated
		}
	}
	return effects, nil
}

// copied reads which first names of a stretch of a segment took effect through copies.
func copied(ctx context.Context, tx *store.Tx, from Logged, to uint64) (map[wire.First]bool, error) {
	n := from.Name
	rows, err := tx.Query(ctx, `SELECT seq, hash FROM firsts WHERE gateway = $1 AND epoch = $2 AND stream = $3 AND segment = $4 AND seq BETWEEN $5 AND $6`,
		from.Gateway, int64(n.Epoch), string(n.Stream), int64(n.Segment), int64(n.Seq), int64(to))
	if err != nil {
		return nil, fmt.Errorf("first names: %w", err)
	}
	defer rows.Close()
	all := map[wire.First]bool{}
	for rows.Next() {
		f := wire.First{Name: n}
		if err := rows.Scan(&f.Seq, (*column)(&f.Hash)); err != nil {
			return nil, fmt.Errorf("first names: %w", err)
		}
		all[f] = true
	}
	return all, rows.Err()
}

// firstTime tells whether a copy is the first of its name and hash to take effect, and remembers it.
func firstTime(ctx context.Context, tx *store.Tx, gateway string, f wire.First) (bool, error) {
	var there int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM log WHERE gateway = $1 AND epoch = $2 AND stream = $3 AND segment = $4 AND seq = $5
		AND hash = $6 AND effect <> $7`,
		gateway, int64(f.Epoch), string(f.Stream), int64(f.Segment), int64(f.Seq), f.Hash[:], int64(muted)).Scan(&there)
	if err != nil || there > 0 {
		return false, err
	}
	r, err := tx.Exec(ctx, `INSERT INTO firsts (gateway, epoch, stream, segment, seq, hash) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		gateway, int64(f.Epoch), string(f.Stream), int64(f.Segment), int64(f.Seq), f.Hash[:])
	if err != nil {
		return false, fmt.Errorf("first names: %w", err)
	}
	added, err := r.RowsAffected()
	return added == 1, err
}

// Events reads the log after the event with a pos (0: from its start), at most limit, in an order into which nothing is
// ever inserted before what was read: on PostgreSQL that of the transactions, below the oldest that still runs. A pos may
// be drawn before that of a transaction which commits first, so the next call takes the Pos of the last event read, not
// the highest. Which of them a reader may see is the caller's to say.
func (i *Ingest) Events(ctx context.Context, tx *store.Tx, after int64, limit int) ([]Logged, error) {
	var from sql.NullInt64 // an event that a restored database has not heard of: go on from the one before
	if err := tx.QueryRow(ctx, `SELECT MAX(pos) FROM log WHERE pos <= $1`, after).Scan(&from); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	where := tx.Settled("xid")
	if from.Valid {
		return read(ctx, tx, where+` AND (xid, pos) > (SELECT f.xid, f.pos FROM log f WHERE f.pos = $1) ORDER BY xid, pos LIMIT $2`, from.Int64, limit)
	}
	return read(ctx, tx, where+` ORDER BY xid, pos LIMIT $1`, limit)
}

// Newest is the pos of the last event that Events can read now; 0 when there is none.
func (i *Ingest) Newest(ctx context.Context, tx *store.Tx) (int64, error) {
	var pos int64
	err := tx.QueryRow(ctx, `SELECT pos FROM log WHERE `+tx.Settled("xid")+` ORDER BY xid DESC, pos DESC LIMIT 1`).Scan(&pos)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return pos, err
}

func read(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Logged, error) {
	rows, err := tx.Query(ctx, `SELECT pos, gateway, site, epoch, stream, segment, seq, hash, event, received, told FROM log WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	defer rows.Close()
	var all []Logged
	for rows.Next() {
		var l Logged
		var raw []byte
		var received int64
		err := rows.Scan(&l.Pos, &l.Gateway, &l.Site, &l.Name.Epoch, &l.Name.Stream, &l.Name.Segment, &l.Name.Seq, (*column)(&l.Hash), &raw, &received, &l.Told)
		if err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
		if l.Event, err = wire.DecodeEvent(raw); err != nil {
			return nil, fmt.Errorf("log at %d: %w", l.Pos, err)
		}
		l.First, l.Received = l.Name, time.UnixMicro(received)
		if l.Event.First != nil {
			l.First = l.Event.First.Name
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// column scans 32 bytes.
type column wire.Hash

// Scan takes exactly 32 bytes.
func (c *column) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(c) {
		return errors.New("not a hash")
	}
	copy(c[:], b)
	return nil
}
