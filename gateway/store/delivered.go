package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// MarkDelivered keeps what an answer said is delivered, in the place of all that was marked before: positions may move
// back, and an (epoch, stream) that no row names stands at 0. Nothing is deleted (invariant 3). Whoever calls it has
// checked the answer and compared its hashes with the log.
func (tx *Tx) MarkDelivered(rows []wire.Row) error {
	told := make(map[string][]byte, len(rows))
	for _, row := range rows {
		if !row.Stream.Valid() {
			return fmt.Errorf("delivered: stream %q: %w", row.Stream, wire.ErrFormat)
		}
		b, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("delivered: %w", err)
		}
		told[id{epoch: row.Epoch, stream: row.Stream}.prefix()] = b
	}
	var gone []string // by key alone: a row that cannot be read any more is replaced like any other
	c := tx.b.Bucket([]byte(spaceDelivered)).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if _, ok := told[string(k)]; !ok {
			gone = append(gone, string(k))
		}
	}
	for _, key := range gone {
		if err := tx.remove(spaceDelivered, key); err != nil {
			return err
		}
	}
	for key, b := range told {
		// An answer a minute that says what the last one said costs no sync.
		if old, err := tx.get(spaceDelivered, key); err == nil && bytes.Equal(old, b) {
			continue
		}
		if err := tx.put(spaceDelivered, key, b); err != nil {
			return err
		}
	}
	return nil
}

// Delivered gives the rows as last marked, by epoch, audit before telemetry. A row that is damaged counts as position
// 0 and is named by ErrDamaged beside the others; the next answer mends it.
func (tx *Tx) Delivered() ([]wire.Row, error) {
	var rows []wire.Row
	err := tx.each(spaceDelivered, "", func(key string, value []byte) error {
		var row wire.Row
		if err := json.Unmarshal(value, &row); err != nil {
			return fmt.Errorf("%s %q: %w: %w", spaceDelivered, key, ErrDamaged, err)
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// row gives what is marked of an (epoch, stream). A damaged row counts as position 0: the worst of it is that events
// travel twice, and the next answer mends it.
func (tx *Tx) row(epoch uint64, s wire.Stream) (wire.Row, error) {
	none := wire.Row{Epoch: epoch, Stream: s}
	b, err := tx.get(spaceDelivered, id{epoch: epoch, stream: s}.prefix())
	if errors.Is(err, ErrDamaged) || err == nil && b == nil {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	var row wire.Row
	if json.Unmarshal(b, &row) != nil {
		return none, nil
	}
	return row, nil
}

// position is how far a segment is delivered. A run counts for sealed segments only: a segment that can still grow is
// not whole, whatever was said of its number.
func position(row wire.Row, g Segment) wire.Position {
	in := func(r wire.Run) bool { return r.From <= g.Number && g.Number <= r.To }
	if g.Sealed && slices.ContainsFunc(row.Whole, in) {
		return wire.Position{Segment: g.Number, Seq: g.Last, Hash: g.Head, End: g.Last}
	}
	for _, p := range row.Partial {
		if p.Segment == g.Number {
			return p
		}
	}
	return wire.Position{}
}

// Undelivered counts the events of all epochs that are not marked delivered, and gives the wall time of the oldest of
// them; 0 when there is none.
func (tx *Tx) Undelivered() (n uint64, oldest wire.Micros, err error) {
	heads, err := tx.Heads()
	if err != nil {
		return 0, 0, err
	}
	for _, h := range heads {
		segments, err := tx.Segments(h.Epoch, h.Stream)
		if err != nil {
			return 0, 0, err
		}
		for _, g := range segments {
			if g.Whole() {
				continue
			}
			if wall := tx.undeliveredSince(id{h.Epoch, h.Stream, g.Number}, g); n == 0 || wall < oldest {
				oldest = wall
			}
			if left := g.Last - min(g.Delivered.Seq, g.Last); left > 0 {
				n += left
			} else {
				n += g.Last // another hash: how far they agree is not known
			}
		}
	}
	return n, oldest, nil
}

// undeliveredSince is the wall time of a segment's first event that is not delivered; where that cannot be told, of its
// oldest one.
func (tx *Tx) undeliveredSince(i id, g Segment) wire.Micros {
	if g.Delivered.Seq == 0 || g.Delivered.Seq >= g.Last {
		return g.Oldest
	}
	_, b, err := tx.records(i).at(g.Delivered.Seq + 1)
	if err != nil {
		return g.Oldest
	}
	ev, err := wire.DecodeEvent(b)
	if err != nil {
		return g.Oldest
	}
	return ev.Wall
}
