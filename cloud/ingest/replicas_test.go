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
	"github.com/ntpc-smart-community/lobby/gateway/wire"
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

// One history, any history, gives the same answers, errors and tables on both engines. // invariant 4, invariant 14
func TestEnginesAgree(t *testing.T) {
	const histories, moves = 12, 60
	lite := newWorld(t, storetest.Open(t, storetest.SQLite(t)))
	post := newWorldWith(t, storetest.Open(t, storetest.Postgres(t)), lite.keys, lite.set)
	both := []*world{lite, post}
	for seed := range uint64(histories) {
		h := history{t: t, r: rand.New(rand.NewPCG(seed, 3)), both: both, box: lite.box(fmt.Sprint("gw-", seed))}
		post.register(h.box)
		for range moves {
			h.move()
		}
		if a, b := lite.all(), post.all(); a != b {
			t.Fatalf("seed %d: SQLite has\n%s\nPostgreSQL has\n%s", seed, a, b)
		}
	}
}

// history is one random life of a box, lived before two clouds.
type history struct {
	t    *testing.T
	r    *rand.Rand
	both []*world
	box  *fleettest.Box
	old  *fleettest.Box
	sent [][]byte
}

func (h *history) move() {
	h.t.Helper()
	b, s := h.box, []wire.Stream{wire.Audit, wire.Telemetry}[h.r.IntN(2)]
	switch n := h.r.IntN(20); {
	case n < 7:
		for range 1 + h.r.IntN(4) {
			b.Append(s, step(fmt.Sprintf("compartment/A-%d", h.r.IntN(3)), 1+h.r.IntN(9)))
		}
	case n == 7:
		b.Seal(s)
	case n < 12:
		h.sent = append(h.sent, b.Backlog(1+h.r.IntN(5))...)
	case n == 12 && len(b.Segments) > 2 && b.Segments[0].Sealed:
		b.Drop(0)
	case n == 13 && h.old == nil:
		h.old = b.Copy()
	case n == 14 && h.old != nil:
		h.box, h.old = h.old, nil
	case n == 15:
		h.pulse()
	default:
		h.deliver()
	}
}

// deliver gives a few of all blocks ever sent to both clouds.
func (h *history) deliver() {
	if len(h.sent) == 0 {
		return
	}
	var some [][]byte
	for range 1 + h.r.IntN(5) {
		some = append(some, h.sent[h.r.IntN(len(h.sent))])
	}
	a, b := h.both[0].take(h.box.ID, some...), h.both[1].take(h.box.ID, some...)
	if fmt.Sprintf("%d %v %s", a.Events, a.Counts, a.Hints) != fmt.Sprintf("%d %v %s", b.Events, b.Counts, b.Hints) {
		h.t.Fatalf("SQLite takes %+v, PostgreSQL %+v", a, b)
	}
}

// pulse has both clouds answer one pulse; the box believes the first.
func (h *history) pulse() {
	p := h.box.Pulse()
	var rows []string
	for n, w := range h.both {
		w.now = h.both[0].now.Add(1)
		out, err := w.fleet.Pulse(h.t.Context(), h.box.ID, p, w.now)
		w.check(err)
		a, ok := h.box.Open(out)
		if !ok {
			h.t.Fatal("no answer")
		}
		rows = append(rows, fmt.Sprint(a.Rows, a.Refusals, a.Epoch))
		if n == len(h.both)-1 {
			h.box.Take(out)
		}
	}
	if rows[0] != rows[1] {
		h.t.Fatalf("SQLite answers %s, PostgreSQL %s", rows[0], rows[1])
	}
}
