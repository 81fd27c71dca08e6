package store

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// records are the events of one segment. Only this type knows how they lie in the file: one record each, the chain
// hash after the event and its bytes.
type records struct {
	id id
	b  *bbolt.Bucket // nil: none yet
}

// fill packs pages fully: events are only ever added at the end.
const fill = 0.95

func (tx *Tx) records(i id) records {
	return records{i, tx.b.Bucket([]byte(bucketLog)).Bucket([]byte(i.key()))}
}

// add appends one event.
func (tx *Tx) add(i id, seq uint64, after wire.Hash, event []byte) error {
	if err := tx.writing(i.String()); err != nil {
		return err
	}
	r := tx.records(i)
	if r.b == nil {
		var err error
		if r.b, err = tx.b.Bucket([]byte(bucketLog)).CreateBucket([]byte(i.key())); err != nil {
			return fmt.Errorf("segment %s: %w", i, err)
		}
	}
	r.b.FillPercent = fill
	value := append(append(make([]byte, 0, len(after)+len(event)), after[:]...), event...)
	key := seqKey(seq)
	if err := r.b.Put(key, seal(i.key(), string(key), value)); err != nil {
		return fmt.Errorf("event %s/%d: %w", i, seq, err)
	}
	return nil
}

// at gives the chain hash after an event and the event's bytes, in the file's memory.
func (r records) at(seq uint64) (after wire.Hash, event []byte, err error) {
	if r.b == nil {
		return after, nil, fmt.Errorf("event %s/%d: %w", r.id, seq, ErrNotHeld)
	}
	key := seqKey(seq)
	stored := r.b.Get(key)
	if stored == nil {
		// The segment's standing names this event: a record that is gone is damage, not absence.
		return after, nil, fmt.Errorf("event %s/%d is gone: %w", r.id, seq, ErrDamaged)
	}
	value, err := unseal(r.id.key(), string(key), stored)
	if err != nil || len(value) < len(after) {
		return after, nil, fmt.Errorf("event %s/%d: %w", r.id, seq, ErrDamaged)
	}
	return after, value[copy(after[:], value):], nil
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
