package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// gatewayID names the one box of the bench.
const gatewayID = "gw-bench"

// appends are durable appends by so many writers.
type appends struct {
	writers    int
	meters     int // read meanwhile into the same store
	real, bare tally
	syncs      int // of the real ones
}

func (a appends) figure() Figure {
	return of(Figure{
		Name: a.name(), Value: a.real.rate(), Unit: "events/s", Ceiling: a.bare.rate(),
		How:  fmt.Sprintf("state and event together through gateway/store.Update, by %d at once, each on disk when its call returns; %.1f to a sync", a.writers, a.batch()),
		Bare: "bbolt alone: one transaction a sync with as many puts of the same bytes",
	})
}

func (a appends) name() string { return metered(fmt.Sprintf("append/%d", a.writers), a.meters) }

// batch is how many appends shared a sync, on average.
func (a appends) batch() float64 { return ratio(float64(a.real.n), float64(a.syncs)) }

// measure lets the store and bare bbolt append by turns, each to its own file.
func (a *appends) measure(ctx context.Context, dir string, s sizes, log *slog.Logger) (err error) {
	dir = filepath.Join(dir, fmt.Sprintf("append-%d-%d", a.writers, a.meters))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	ev := parcelStored("0198c0de-0000-7000-8000-000000000000", 1, nil)
	encoded, err := wire.EncodeEvent(ev)
	if err != nil {
		return err
	}
	st, err := store.Open(filepath.Join(dir, "gateway.db"), store.Options{Gateway: gatewayID, Key: newKey()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	bare, err := openBare(filepath.Join(dir, "bare.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	stop, err := withMeters(ctx, dir, a.meters, st, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for turn := range s.turns {
		ours := func() error { return a.appendReal(ctx, st, ev, s.turn) }
		put := func() error { return a.putBare(ctx, bare, encoded, s.turn) }
		if err := byTurns(turn, ours, put); err != nil {
			return err
		}
	}
	return nil
}

// byTurns lets the one that came last in one turn come first in the next. The first turn is the real one's: it shows how
// many share a sync.
func byTurns(turn int, ours, bare func() error) error {
	first, second := ours, bare
	if turn%2 == 1 {
		first, second = bare, ours
	}
	if err := first(); err != nil {
		return err
	}
	return second()
}

// appendReal appends as a service does it, for a while.
func (a *appends) appendReal(ctx context.Context, st *store.Store, ev wire.Event, d time.Duration) error {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	var last *store.Tx // belongs to the store's committer, which runs one function at a time
	counts := make([]int, a.writers)
	for w := range a.writers {
		key := fmt.Sprint(w)
		group.Go(func() error {
			for time.Since(began) < d {
				err := st.Update(ctx, func(tx *store.Tx) error {
					if tx != last { // nothing fails here, so each runs once; each commit has a Tx of its own
						last = tx
						a.syncs++
					}
					if err := tx.Put("parcels", key, ev.State); err != nil {
						return err
					}
					_, err := tx.Append(wire.Audit, ev)
					return err
				})
				if err != nil {
					return err
				}
				counts[w]++
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	n := 0
	for _, c := range counts {
		n += c
	}
	a.real.add(n, time.Since(began))
	return nil
}

// putBare does the same syncs with bbolt alone, for a while.
func (a *appends) putBare(ctx context.Context, db *bbolt.DB, encoded []byte, d time.Duration) error {
	batch := max(1, int(math.Round(a.batch())))
	began, n := time.Now(), 0
	for time.Since(began) < d {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		values := make([][]byte, batch)
		for i := range values {
			values[i] = encoded
		}
		if err := putAll(db, values...); err != nil {
			return err
		}
		n += batch
	}
	a.bare.add(n, time.Since(began))
	return nil
}

var bucket = []byte("log")

// openBare opens a bbolt file as the store opens its own.
func openBare(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 20})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// putAll puts values under the next keys and syncs once.
func putAll(db *bbolt.DB, values ...[]byte) error {
	return db.Update(func(tx *bbolt.Tx) error {
		log := tx.Bucket(bucket)
		for _, v := range values {
			seq, err := log.NextSequence()
			if err != nil {
				return err
			}
			if err := log.Put(binary.BigEndian.AppendUint64(nil, seq), v); err != nil {
				return err
			}
		}
		return nil
	})
}
