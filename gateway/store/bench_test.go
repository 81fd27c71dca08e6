package store

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// BenchmarkAppend measures durable appends of one event with its state by so many writers at once. Bare is the
// ceiling, on the same disk in the same run: one bbolt transaction a sync holding as many plain puts of the same bytes,
// without chain, sums and callers.
func BenchmarkAppend(b *testing.B) {
	ev := event("parcel/0198c0de-0000-7000-8000-000000000000")
	ev.State = wire.Raw(wire.Parcel{State: "stored", Household: "h-1", Unit: "u-1", Compartment: "A-18", Size: "M"})
	encoded, err := wire.EncodeEvent(ev)
	if err != nil {
		b.Fatal(err)
	}
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) { appendBy(b, writers, ev) })
		b.Run(fmt.Sprintf("%d/bare", writers), func(b *testing.B) { putBare(b, writers, encoded) })
	}
}

// appendBy shares b.N appends among writers, and says how many of them shared a sync.
func appendBy(b *testing.B, writers int, ev wire.Event) {
	syncs := 0 // of the committer alone, until Close
	s := open(b, file(b), Options{commit: func(tx *bbolt.Tx) error {
		syncs++
		return tx.Commit()
	}})
	var writer atomic.Int64
	b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	if writers == 1 {
		for b.Loop() {
			appendOne(b, s, "0", ev)
		}
	} else {
		b.RunParallel(func(pb *testing.PB) {
			key := fmt.Sprint(writer.Add(1))
			for pb.Next() {
				appendOne(b, s, key, ev)
			}
		})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/float64(syncs), "appends/sync")
}

func appendOne(b *testing.B, s *Store, key string, ev wire.Event) {
	err := s.Update(b.Context(), func(tx *Tx) error {
		if err := tx.Put("parcels", key, ev.State); err != nil {
			return err
		}
		_, err := tx.Append(wire.Audit, ev)
		return err
	})
	if err != nil {
		b.Error(err)
	}
}

// putBare does the same syncs with bbolt alone: each loop is one transaction of so many events.
func putBare(b *testing.B, events int, encoded []byte) {
	db, err := bbolt.Open(file(b), mode, &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var seq uint64
	for b.Loop() {
		err := db.Update(func(tx *bbolt.Tx) error {
			log, err := tx.CreateBucketIfNotExists([]byte("log"))
			if err != nil {
				return err
			}
			for range events {
				seq++
				if err := log.Put(seqKey(seq), encoded); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "appends/s")
}
