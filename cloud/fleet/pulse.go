package fleet

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// maxDevices bounds what a pulse may claim that a gateway has.
const maxDevices = 100_000

// Beat is a pulse as it came from the broker.
type Beat struct {
	Gateway string // by its topic
	Payload []byte
}

// Answered is what became of one beat: what must be published, or why it was not answered.
type Answered struct {
	Messages []Message
	Err      error
}

// Pulse takes one pulse; see Pulses.
func (f *Fleet) Pulse(ctx context.Context, gateway string, payload []byte, now time.Time) ([]Message, error) {
	all, err := f.Pulses(ctx, []Beat{{gateway, payload}}, now)
	if err != nil {
		return nil, err
	}
	return all[0].Messages, all[0].Err
}

// Pulses takes pulses in one transaction, in their order, and returns for each the signed answer and the documents that
// it lacks, to be published now that they are committed. A pulse that is not taken changes nothing and harms no other:
// ErrUnknown, wire.ErrSize, wire.ErrFormat, wire.ErrSignature, wire.ErrContext. A last will has no answer.
func (f *Fleet) Pulses(ctx context.Context, beats []Beat, now time.Time) ([]Answered, error) {
	var out []Answered
	err := f.db.Write(ctx, func(tx *store.Tx) error {
		out = make([]Answered, len(beats))
		ids := make([]string, len(beats))
		for i, b := range beats {
			ids[i] = b.Gateway
		}
		known, err := f.Lock(ctx, tx, ids)
		if err != nil {
			return err
		}
		for i, b := range beats {
			g, ok := known[b.Gateway]
			if !ok {
				out[i].Err = fmt.Errorf("gateway %.40q: %w", b.Gateway, ErrUnknown)
				continue
			}
			err := tx.Savepoint(ctx, func() (err error) {
				out[i].Messages, err = f.beat(ctx, tx, g, b.Payload, now)
				return err
			})
			if err != nil && (tx.Again(err) || ctx.Err() != nil) {
				return err
			}
			if out[i].Err = err; err != nil {
				out[i].Messages = nil
			}
		}
		return nil
	})
	return out, err
}

// beat judges one pulse and answers it. An old or repeated pulse is answered too, since a box whose disk went back counts
// from before, but says nothing new of its health.
func (f *Fleet) beat(ctx context.Context, tx *store.Tx, g Gateway, payload []byte, now time.Time) ([]Message, error) {
	p, err := openPulse(g, payload)
	if err != nil {
		return nil, fmt.Errorf("pulse of gateway %s: %w", g.ID, err)
	}
	if p.Will {
		return nil, f.died(ctx, tx, p, now)
	}
	epochs, err := f.Epochs(ctx, tx, g.ID)
	if err != nil {
		return nil, err
	}
	living := livingEpoch(p)
	copied, err := f.judgeClone(ctx, tx, g.ID, living, p.Answer, epochs, now)
	if err != nil {
		return nil, err
	}
	if err := f.registerHeld(ctx, tx, p, epochs, now); err != nil {
		return nil, err
	}
	if !copied {
		if err := f.forgetAll(ctx, tx, p, living, now); err != nil {
			return nil, err
		}
		if err := f.health(ctx, tx, p, living, now); err != nil {
			return nil, err
		}
	}
	newest := living
	if len(epochs) > 0 {
		newest = max(newest, epochs[len(epochs)-1].Number)
	}
	return f.reply(ctx, tx, g, p, newest, now)
}

// openPulse checks a pulse's signature, and that it is this gateway's and within bounds.
func openPulse(g Gateway, payload []byte) (wire.Pulse, error) {
	var p wire.Pulse
	if err := wire.Open(g.EventKey, wire.ContextPulse, payload, &p); err != nil {
		return p, err
	}
	if p.Gateway != g.ID {
		return p, wire.ErrContext
	}
	// PostgreSQL keeps no NUL in a text, SQLite does: neither is to meet one.
	if p.Nonce == "" || len(p.Nonce) > 64 || bytes.Contains(payload, []byte(`\u0000`)) || max(p.Boot, p.Counter, p.Connection, p.KeySet, p.State.Version) > maxNumber {
		return p, wire.ErrFormat
	}
	for _, h := range p.Held {
		if !h.Stream.Valid() || h.Epoch == 0 || max(h.Epoch, h.Segment, h.Oldest, h.Seq) > maxNumber {
			return p, wire.ErrFormat
		}
	}
	if p.Health.More < 0 || p.Health.More > maxDevices {
		return p, wire.ErrFormat
	}
	if !p.Will && livingEpoch(p) == 0 {
		return p, fmt.Errorf("no epoch held: %w", wire.ErrFormat)
	}
	return p, nil
}

// livingEpoch is the newest epoch that a pulse names.
func livingEpoch(p wire.Pulse) uint64 {
	var n uint64
	for _, h := range p.Held {
		n = max(n, h.Epoch)
	}
	return n
}

func (f *Fleet) registerHeld(ctx context.Context, tx *store.Tx, p wire.Pulse, known []Epoch, now time.Time) error {
	var fresh []uint64
	for _, h := range p.Held {
		if !slices.ContainsFunc(known, func(e Epoch) bool { return e.Number == h.Epoch }) {
			fresh = append(fresh, h.Epoch)
		}
	}
	slices.Sort(fresh)
	for _, n := range slices.Compact(fresh) {
		if _, err := f.Register(ctx, tx, p.Gateway, n, now); err != nil {
			return err
		}
	}
	return nil
}

// forgetAll makes lost what the pulse no longer names: segments below the oldest of each stream, and every stream of an
// older epoch of which it holds nothing.
func (f *Fleet) forgetAll(ctx context.Context, tx *store.Tx, p wire.Pulse, living uint64, now time.Time) error {
	rows, err := tx.Query(ctx, `SELECT epoch, stream, oldest, newest FROM streams WHERE gateway = $1
		UNION SELECT epoch, stream, -1, -1 FROM positions WHERE gateway = $1 ORDER BY 1, 2, 3`, p.Gateway)
	if err != nil {
		return fmt.Errorf("streams of gateway %s: %w", p.Gateway, err)
	}
	type stream struct {
		epoch  uint64
		stream wire.Stream
	}
	type span struct{ oldest, newest int64 }
	known := map[stream]span{}
	var order []stream
	err = scanAll(rows, func(r *sql.Rows) error {
		var k stream
		var s span
		if err := r.Scan(&k.epoch, &k.stream, &s.oldest, &s.newest); err != nil {
			return err
		}
		if _, ok := known[k]; !ok {
			order = append(order, k)
		}
		known[k] = s // a row of streams comes after the mark of positions
		return nil
	})
	if err != nil {
		return err
	}
	named := map[stream]bool{}
	for _, h := range p.Held {
		k := stream{h.Epoch, h.Stream}
		oldest := h.Oldest
		switch {
		case oldest == 0 && h.Epoch == living:
			oldest = max(h.Segment, 1)
		case oldest == 0:
			continue // nothing held of an old epoch is as good as not named
		}
		named[k] = true
		if s, ok := known[k]; ok && int64(oldest) <= s.oldest && int64(h.Segment) <= s.newest {
			continue
		}
		if err := f.forget(ctx, tx, p.Gateway, h, oldest, now); err != nil {
			return err
		}
	}
	for _, k := range order {
		if k.epoch >= living || named[k] || known[k].oldest == int64(gone) {
			continue
		}
		if err := f.forget(ctx, tx, p.Gateway, wire.Head{Epoch: k.epoch, Stream: k.stream}, gone, now); err != nil {
			return err
		}
	}
	return nil
}

func scanAll(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// reply makes the answer and adds the documents that the gateway lacks. Trouble with a document must not keep the answer
// back: positions and time depend on it.
func (f *Fleet) reply(ctx context.Context, tx *store.Tx, g Gateway, p wire.Pulse, newest uint64, now time.Time) ([]Message, error) {
	doc, err := f.document(ctx, tx, g.ID)
	if err != nil {
		return nil, err
	}
	err = tx.Savepoint(ctx, func() error {
		fresh, err := f.settle(ctx, tx, g, p, doc, now)
		if err == nil {
			doc = fresh
		}
		return err
	})
	if err != nil {
		if tx.Again(err) || ctx.Err() != nil {
			return nil, err
		}
		f.log.Error("state document not issued", "gateway", g.ID, "err", err)
	}
	out, err := f.answer(ctx, tx, p, newest, doc.version, now)
	if err != nil {
		return nil, err
	}
	if p.KeySet < f.keys.Version() {
		out = append(out, Message{Topic: wire.StateTopic(g.ID), Payload: f.keys.Set()})
	}
	if doc.version.Version == 0 || p.State == doc.version && len(p.Missing) == 0 {
		return out, nil
	}
	parts, err := f.parts(ctx, tx, g.ID)
	if err != nil {
		return nil, err
	}
	lacking := slices.DeleteFunc(parts, func(part part) bool {
		return !slices.Contains(p.Missing, part.hash) && (p.State == doc.version || part.since <= p.State.Version)
	})
	return append(out, deliver(g.ID, doc, lacking)...), nil
}

// settle issues a gateway's document where it is due: it was marked, or the gateway has met a version that this database
// does not know, having been restored from before it.
func (f *Fleet) settle(ctx context.Context, tx *store.Tx, g Gateway, p wire.Pulse, doc document, now time.Time) (document, error) {
	var above uint64
	if p.State.Version > doc.version.Version || p.State.Version == doc.version.Version && p.State != doc.version {
		above = p.State.Version
	}
	if !doc.stale && above == 0 {
		return doc, nil
	}
	shared, err := f.sourced(ctx, tx, g.Site, now)
	if err != nil {
		return doc, err
	}
	doc, _, err = f.issue(ctx, tx, g.ID, doc, shared, above, now)
	return doc, err
}
