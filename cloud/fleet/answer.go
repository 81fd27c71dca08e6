package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of an answer.
const (
	pageBytes   = 48 << 10 // of rows and refusals on one page, estimated: a page stays below wire.MaxMessage
	headBytes   = 60       // most of a row's epoch and stream
	standBytes  = 200      // most of a run or position
	refuseBytes = 320      // most of a refusal
	maxRefusals = 64       // of one gateway, the newest
)

// nextSerial is greater than last in string order, and greater than what a database that was restored has forgotten: it
// leads with the time. Eight random digits keep two lives of a database from drawing the same.
func nextSerial(last string, now time.Time, chance uint32) string {
	at := uint64(now.UnixMicro())
	if len(last) >= 16 {
		if before, err := strconv.ParseUint(last[:16], 16, 64); err == nil && before >= at {
			at = before + 1
		}
	}
	return fmt.Sprintf("%016x-%08x", at, chance)
}

// draw takes the next serial of a gateway, under its lock.
func (f *Fleet) draw(ctx context.Context, tx *store.Tx, gateway string, now time.Time) (string, error) {
	g, err := f.Gateway(ctx, tx, gateway)
	if err != nil {
		return "", err
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	serial := nextSerial(g.serial, now, binary.BigEndian.Uint32(b[:]))
	_, err = tx.Exec(ctx, `UPDATE gateways SET serial = $1 WHERE id = $2`, serial, gateway)
	return serial, err
}

// Refuse remembers that a signed block was not taken, for the answers until its position moves past it.
func (f *Fleet) Refuse(ctx context.Context, tx *store.Tx, gateway string, r wire.Refusal, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO refusals (gateway, epoch, stream, segment, seq, block, reason, refused) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (gateway, epoch, stream, segment) DO UPDATE SET seq = excluded.seq, block = excluded.block,
			reason = excluded.reason, refused = excluded.refused`,
		gateway, int64(r.Epoch), string(r.Stream), int64(r.Segment), int64(r.Seq), r.Block[:], r.Reason, now.UnixMicro())
	if err != nil {
		return fmt.Errorf("refusal of gateway %s: %w", gateway, err)
	}
	_, err = tx.Exec(ctx, `DELETE FROM refusals WHERE gateway = $1 AND refused <
		(SELECT refused FROM refusals WHERE gateway = $1 ORDER BY refused DESC LIMIT 1 OFFSET $2)`, gateway, maxRefusals-1)
	if err != nil {
		return fmt.Errorf("refusals of gateway %s: %w", gateway, err)
	}
	return nil
}

// Refusals are what the next answer will refuse, newest first.
func (f *Fleet) Refusals(ctx context.Context, tx *store.Tx, gateway string) ([]wire.Refusal, error) {
	rows, err := tx.Query(ctx, `SELECT epoch, stream, segment, seq, block, reason FROM refusals WHERE gateway = $1
		ORDER BY refused DESC, epoch DESC, stream, segment DESC LIMIT $2`, gateway, maxRefusals)
	if err != nil {
		return nil, fmt.Errorf("refusals of gateway %s: %w", gateway, err)
	}
	return store.Collect(rows, func(r *sql.Rows) (v wire.Refusal, err error) {
		err = r.Scan(&v.Epoch, &v.Stream, &v.Segment, &v.Seq, (*hash)(&v.Block), &v.Reason)
		return v, err
	})
}

// standing are the rows of a gateway's answer.
func (f *Fleet) standing(ctx context.Context, tx *store.Tx, gateway string) ([]wire.Row, error) {
	all, err := f.Positions(ctx, tx, gateway)
	if err != nil {
		return nil, err
	}
	var rows []wire.Row
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Epoch == all[0].Epoch && all[n].Stream == all[0].Stream {
			n++
		}
		oldest, _, err := f.held(ctx, tx, gateway, all[0].Epoch, all[0].Stream)
		if err != nil {
			return nil, err
		}
		if row := Standing(all[0].Epoch, all[0].Stream, oldest, all[:n]); len(row.Whole)+len(row.Partial) > 0 {
			rows = append(rows, row)
		}
		all = all[n:]
	}
	return rows, nil
}

// pages spreads rows and refusals over as many answers as are needed to keep each below the limit of a message; a row
// may go on on the next page.
func pages(head wire.Answer, rows []wire.Row, refusals []wire.Refusal) []wire.Answer {
	all, left := []wire.Answer{head}, pageBytes
	page := func(need int) *wire.Answer {
		if left < need {
			all, left = append(all, head), pageBytes
		}
		left -= need
		return &all[len(all)-1]
	}
	row := func(r wire.Row) *wire.Row {
		a := page(headBytes + standBytes)
		if n := len(a.Rows); n == 0 || a.Rows[n-1].Epoch != r.Epoch || a.Rows[n-1].Stream != r.Stream {
			a.Rows = append(a.Rows, wire.Row{Epoch: r.Epoch, Stream: r.Stream})
		}
		return &a.Rows[len(a.Rows)-1]
	}
	for _, r := range rows {
		for _, w := range r.Whole {
			to := row(r)
			to.Whole = append(to.Whole, w)
		}
		for _, p := range r.Partial {
			to := row(r)
			to.Partial = append(to.Partial, p)
		}
	}
	for _, r := range refusals {
		a := page(refuseBytes)
		a.Refusals = append(a.Refusals, r)
	}
	for i := range all {
		all[i].Page, all[i].Pages = i+1, len(all)
	}
	return all
}

// answer makes the signed pages that answer a pulse.
func (f *Fleet) answer(ctx context.Context, tx *store.Tx, p wire.Pulse, newest uint64, state wire.StateVersion, now time.Time) ([]Message, error) {
	id, key, err := f.keys.Signer(UseAnswer, now)
	if err != nil {
		return nil, err
	}
	serial, err := f.draw(ctx, tx, p.Gateway, now)
	if err != nil {
		return nil, err
	}
	rows, err := f.standing(ctx, tx, p.Gateway)
	if err != nil {
		return nil, err
	}
	if err := f.remember(ctx, tx, p, rows); err != nil {
		return nil, err
	}
	refusals, err := f.Refusals(ctx, tx, p.Gateway)
	if err != nil {
		return nil, err
	}
	head := wire.Answer{
		Gateway: p.Gateway, Nonce: p.Nonce, Serial: serial, Time: wire.At(now), Key: id,
		Epoch: newest, KeySet: f.keys.Version(), State: state,
	}
	return signPages(key, pages(head, rows, refusals))
}

func signPages(key ed25519.PrivateKey, all []wire.Answer) ([]Message, error) {
	var out []Message
	for _, a := range all {
		signed, err := wire.Sign(key, wire.ContextAnswer, a)
		if err != nil {
			return nil, err
		}
		out = append(out, Message{Topic: wire.AnswerTopic(a.Gateway), Payload: signed})
	}
	return out, nil
}
