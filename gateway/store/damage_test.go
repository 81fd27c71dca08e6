package store

import (
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// spoil changes one byte of a stored event, or drops the record when at is negative.
func spoil(t *testing.T, s *Store, seq uint64, at int) {
	t.Helper()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketLog)).Bucket([]byte(id{1, wire.Audit, 1}.key()))
		if at < 0 {
			return b.Delete(seqKey(seq))
		}
		v := append([]byte{}, b.Get(seqKey(seq))...)
		v[at] ^= 1
		return b.Put(seqKey(seq), v)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock() // a commit beside the committer's
	s.durable = 1 << 30
	s.mu.Unlock()
}

func TestDamage(t *testing.T) {
	const hash, body, gone = 3, 40, -1
	tests := []struct {
		name        string
		spoilt      map[uint64]int
		from        uint64
		first, last uint64 // 0: sound
		after       uint64 // seq whose hash goes on
	}{
		{"sound", nil, 1, 0, 0, 0},
		{"an event, its hash survives", map[uint64]int{4: body}, 1, 4, 4, 4},
		{"a hash, its event survives", map[uint64]int{4: hash}, 4, 4, 4, 4},
		{"two events", map[uint64]int{4: body, 5: body}, 2, 4, 5, 5},
		{"two, and no hash: the next is joined to nothing", map[uint64]int{4: body, 5: hash}, 2, 4, 6, 6},
		{"a record is gone", map[uint64]int{4: gone}, 2, 4, 5, 5},
		{"the last one", map[uint64]int{10: body}, 2, 10, 10, 10},
		{"before from", map[uint64]int{4: body}, 5, 0, 0, 0},
		{"the second range", map[uint64]int{2: body, 8: body}, 5, 8, 8, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, file(t), Options{NoSync: true})
			hashes := map[uint64]wire.Hash{}
			update(t, s, func(tx *Tx) error {
				for range 9 {
					if _, err := tx.Append(wire.Audit, event("thing.happened")); err != nil {
						return err
					}
				}
				for seq := range uint64(11) {
					h, err := tx.HashAt(1, wire.Audit, 1, seq)
					if err != nil {
						return err
					}
					hashes[seq] = h
				}
				return nil
			})
			for seq, at := range tt.spoilt {
				spoil(t, s, seq, at)
			}
			view(t, s, func(tx *Tx) error {
				got, found, err := tx.Damage(1, wire.Audit, 1, tt.from)
				want := wire.Loss{}
				if tt.first > 0 {
					want = wire.Loss{Epoch: 1, Stream: wire.Audit, From: 1, To: 1, First: tt.first, Last: tt.last,
						Before: hashes[tt.first-1], After: hashes[tt.after], Cause: LossDamaged}
				}
				if found != (tt.first > 0) || found && got != want {
					t.Errorf("Damage = %+v %t; want %+v", got, found, want)
				}
				if err != nil || !found || got.Last == 10 {
					return err
				}
				b, err := tx.Block(1, wire.Audit, 1, got.Last+1, 10, 1<<20)
				if b.Before != got.After || b.After() != hashes[min(10, b.Last())] {
					t.Errorf("the block after the range begins at %s; want %s", b.Before, got.After)
				}
				return err
			})
		})
	}
	s := open(t, file(t), Options{NoSync: true})
	view(t, s, func(tx *Tx) error {
		if _, _, err := tx.Damage(1, wire.Audit, 7, 1); !errors.Is(err, ErrNotHeld) {
			t.Errorf("Damage of a segment that is not there = %v", err)
		}
		return nil
	})
}
