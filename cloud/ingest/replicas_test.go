package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

// Replicas that are handed the same blocks at the same time, each in an order of its own, put each event in effect once;
// who follows the log meanwhile misses none. // invariant 4
func TestReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		var boxes []*fleettest.Box
		var all []ingest.Payload
		for n := range 4 {
			b := w.box(fmt.Sprint("gw-", n))
			lived(b)
			boxes = append(boxes, b)
			for _, block := range b.Backlog(3) {
				all = append(all, ingest.Payload{Gateway: b.ID, Body: block})
			}
		}
		seen := make(chan int)
		go follow(t, w, 4*41, seen)
		var replicas sync.WaitGroup
		for n := range uint64(3) {
			db := open()
			replicas.Go(func() { replica(t, ingest.New(db, w.fleet, []ingest.Projection{oracle{}}, ingest.Options{}), all, n) })
		}
		replicas.Wait()
		if got := <-seen; got != 4*41 {
			t.Errorf("who follows the log has seen %d events, want %d", got, 4*41)
		}
		for _, b := range boxes {
			w.once(b)
		}
	})
}

// replica takes all blocks a few at a time, in an order of its own, as often as it takes until none is beyond a hole.
func replica(t *testing.T, i *ingest.Ingest, all []ingest.Payload, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	mine := append([]ingest.Payload(nil), all...)
	for range 6 {
		r.Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
		for rest := mine; len(rest) > 0; {
			n := min(1+r.IntN(8), len(rest))
			if _, err := i.Take(t.Context(), rest[:n]); err != nil {
				t.Errorf("replica %d: %v", seed, err)
				return
			}
			rest = rest[n:]
		}
	}
	for _, p := range all { // newest segment first, each from its start: nothing is a hole now
		if _, err := i.Take(t.Context(), []ingest.Payload{p}); err != nil {
			t.Errorf("replica %d: %v", seed, err)
		}
	}
}

// follow reads the log as it grows until it has seen so many distinct names.
func follow(t *testing.T, w *world, want int, seen chan<- int) {
	names := map[string]bool{}
	limit, tick := time.After(time.Minute), time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for after := int64(0); len(names) < want; {
		err := w.db.Read(t.Context(), func(tx *store.Tx) error {
			some, err := w.ingest.Events(t.Context(), tx, after, 5)
			for _, l := range some {
				names[l.Gateway+l.Name.String()], after = true, l.Pos
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		select {
		case <-limit:
			want = 0
		case <-tick.C:
		}
	}
	seen <- len(names)
}

// A second replica waits for the gateway's lock, and then reads the position that the first has moved. // invariant 4
func TestSecondReplicaWaits(t *testing.T) {
	dsn := storetest.Postgres(t)
	w := newWorld(t, storetest.Open(t, dsn))
	b := w.box("gw-1")
	lived(b)
	w.take(b.ID, b.Block(b.Segments[0], 1, 1)) // the epoch is registered
	block := []ingest.Payload{{Gateway: b.ID, Body: b.Block(b.Segments[0], 2, 6)}}
	reached, second := make(chan struct{}, 1), make(chan error, 1)
	other := ingest.New(storetest.Open(t, dsn), w.fleet, []ingest.Projection{oracle{bad: func(ingest.Logged) error {
		select {
		case reached <- struct{}{}:
		default:
		}
		return nil
	}}}, ingest.Options{})
	first := ingest.New(w.db, w.fleet, []ingest.Projection{oracle{bad: func(l ingest.Logged) error {
		if l.Name.Seq == 2 { // position read, nothing committed
			go func() { _, err := other.Take(t.Context(), block); second <- err }()
			awaitLock(t, w.db, reached)
		}
		return nil
	}}}, ingest.Options{})
	if _, err := first.Take(t.Context(), block); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	w.drain(b, 5)
	w.once(b)
}

// Who reads up to the newest event while an older pos is not committed yet does not skip it.
func TestReaderSkipsNothing(t *testing.T) {
	dsn := storetest.Postgres(t)
	w := newWorld(t, storetest.Open(t, dsn))
	a, b := w.box("gw-1"), w.box("gw-2")
	second := ingest.New(storetest.Open(t, dsn), w.fleet, []ingest.Projection{oracle{}}, ingest.Options{})
	after, early := int64(0), 0
	first := ingest.New(w.db, w.fleet, []ingest.Projection{oracle{bad: func(ingest.Logged) error {
		// This event has its pos, and is not committed; the other box's comes after it and is.
		if _, err := second.Take(t.Context(), []ingest.Payload{{Gateway: b.ID, Body: b.Block(b.Segments[0], 1, 1)}}); err != nil {
			return err
		}
		return w.db.Read(t.Context(), func(tx *store.Tx) error {
			some, err := w.ingest.Events(t.Context(), tx, 0, 10)
			if early = len(some); early > 0 {
				after = some[early-1].Pos
			}
			return err
		})
	}}}, ingest.Options{})
	if _, err := first.Take(t.Context(), []ingest.Payload{{Gateway: a.ID, Body: a.Block(a.Segments[0], 1, 1)}}); err != nil {
		t.Fatal(err)
	}
	seen := make(chan int)
	go follow(t, w, 2, seen)
	<-seen
	w.read(func(tx *store.Tx) error {
		rest, err := w.ingest.Events(t.Context(), tx, after, 10)
		if early+len(rest) != 2 {
			t.Errorf("%d events read before and %d after the commit, want 2 together", early, len(rest))
		}
		return err
	})
	w.once(a)
	w.once(b)
}

// A transaction that began later may draw its pos earlier and commit later: who has read beyond that pos meanwhile does
// not miss it.
func TestReaderSkipsNoEarlierPos(t *testing.T) {
	dsn := storetest.Postgres(t)
	w := newWorld(t, storetest.Open(t, dsn))
	b := w.box("gw-1")
	begun, drawn, committed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		committed <- storetest.Open(t, dsn).Write(t.Context(), func(tx *store.Tx) error {
			var older string
			if err := tx.QueryRow(t.Context(), `SELECT pg_current_xact_id()::text`).Scan(&older); err != nil {
				return err
			}
			close(begun)
			<-drawn
			_, err := tx.Exec(t.Context(), `INSERT INTO log (gateway, site, epoch, stream, segment, seq, hash, event, received, told, effect)
				VALUES ('gw-2', 'site-1', 1, 'audit', 1, 1, $1, $2, 0, 0, 0)`, make([]byte, 32), []byte(`{"type":"a.b","subject":"c"}`))
			return err
		})
	}()
	<-begun
	var early []ingest.Logged
	later := ingest.New(w.db, w.fleet, []ingest.Projection{oracle{bad: func(ingest.Logged) error {
		close(drawn)
		if err := <-committed; err != nil {
			return err
		}
		return w.db.Read(t.Context(), func(tx *store.Tx) (err error) {
			early, err = w.ingest.Events(t.Context(), tx, 0, 10)
			return err
		})
	}}}, ingest.Options{})
	if _, err := later.Take(t.Context(), []ingest.Payload{{Gateway: b.ID, Body: b.Block(b.Segments[0], 1, 1)}}); err != nil {
		t.Fatal(err)
	}
	if len(early) != 1 || early[0].Gateway != "gw-2" {
		t.Fatalf("read before the later commit: %+v", early)
	}
	seen := make(chan int)
	go follow(t, w, 2, seen)
	<-seen
	w.read(func(tx *store.Tx) error {
		rest, err := w.ingest.Events(t.Context(), tx, early[0].Pos, 10)
		if len(rest) != 1 || rest[0].Gateway != "gw-1" || rest[0].Pos > early[0].Pos {
			t.Errorf("after the later commit: %+v, want the event of gw-1 with its earlier pos", rest)
		}
		return err
	})
}

// awaitLock waits until somebody waits for a lock, or has got past it.
func awaitLock(t *testing.T, db *store.DB, past <-chan struct{}) {
	limit, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for waiting := 0; waiting == 0; {
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting)
		})
		if err != nil {
			t.Error(err)
			return
		}
		select {
		case <-past:
			return
		case <-limit:
			t.Error("nobody waits for the lock")
			return
		case <-tick.C:
		}
	}
}
