package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// link carries what the cloud publishes to a test.
func link(t *testing.T, db *store.DB, o ingest.Options) (*world, chan fleet.Message) {
	w := newWorld(t, db)
	down := make(chan fleet.Message, 1000)
	w.fleet = fleet.New(db, w.keys, fleet.Options{Publish: func(topic string, payload []byte) error {
		down <- fleet.Message{Topic: topic, Payload: payload}
		return nil
	}})
	w.ingest = ingest.New(db, w.fleet, []ingest.Projection{oracle{}}, o)
	return w, down
}

// A pulse is answered after all blocks that were offered before it: its answer names them.
func TestRunKeepsOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w, down := link(t, open(), ingest.Options{})
		b := w.box("gw-1")
		lived(b)
		ctx, cancel := context.WithCancel(t.Context())
		for _, block := range b.Backlog(100) {
			w.check(w.ingest.Offer(ctx, b.ID, wire.KindEvents, block))
		}
		w.check(w.ingest.Offer(ctx, b.ID, wire.KindPulse, b.Pulse()))
		var run sync.WaitGroup
		run.Go(func() { // only now: all of it is one batch
			if err := w.ingest.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		hints := 0
		for {
			m := <-down
			if m.Topic == wire.PositionTopic(b.ID) {
				hints++
				continue
			}
			if _, ok := b.Open([]fleet.Message{m}); !ok {
				t.Fatalf("message on %s", m.Topic)
			}
			b.Take([]fleet.Message{m})
			break
		}
		if left := b.Backlog(1); len(left) != 0 || hints != 4 {
			t.Errorf("%d events not answered, %d hints; want none and 4", len(left), hints)
		}
		cancel()
		run.Wait()
		w.once(b)
		if c := w.ingest.Counts(); c["events"] != 41 || c["pulses"] != 1 {
			t.Errorf("counts %v", c)
		}
	})
}

// A wish that a gateway answers leaves its state document at once.
func TestAnsweredWishLeavesTheDocument(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w, down := link(t, open(), ingest.Options{Now: func() time.Time { return start.Add(time.Hour) }})
		b := w.box("gw-1")
		var wish, other fleet.Wish
		w.check(w.fleet.Change(t.Context(), "site-1", start, func(tx *store.Tx) (err error) {
			wish, err = w.fleet.Wish(t.Context(), tx, fleet.Wish{Gateway: b.ID, Kind: "mint_code", Subject: "household/h-1"}, start)
			if err == nil {
				other, err = w.fleet.Wish(t.Context(), tx, fleet.Wish{Gateway: b.ID, Kind: "mint_code", Subject: "courier/c-1"}, start)
			}
			return err
		}))
		for len(down) > 0 {
			<-down
		}
		b.Append(wire.Audit, wire.Event{Type: wire.WishDone, Subject: "wish/" + wish.ID, Data: wire.Raw(wire.WishOutcome{Kind: "mint_code", Target: "household/h-1"})})
		b.Append(wire.Audit, wire.Event{Type: wire.WishRefused, Subject: "wish/" + other.ID, Data: wire.Raw(wire.WishOutcome{Kind: "mint_code", Reason: "unknown_courier"})})
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() {
			if err := w.ingest.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		w.check(w.ingest.Offer(ctx, b.ID, wire.KindEvents, b.Backlog(10)[0]))
		parts := ""
		for !strings.Contains(parts, `{"wishes":[]}`) {
			select {
			case m := <-down:
				_, _, _, raw := b.Documents([]fleet.Message{m})
				for _, p := range raw {
					parts += string(p)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("no document without the wishes, only %s", parts)
			}
		}
		cancel()
		run.Wait()
		w.read(func(tx *store.Tx) error {
			done, err := w.fleet.WishByID(t.Context(), tx, wish.ID)
			if err == nil && (done.State != fleet.WishDone || done.Answered == 0) {
				t.Errorf("wish %+v", done)
			}
			refused, more := w.fleet.WishByID(t.Context(), tx, other.ID)
			if more == nil && (refused.State != fleet.WishRefused || refused.Reason != "unknown_courier") {
				t.Errorf("wish %+v", refused)
			}
			return errors.Join(err, more)
		})
	})
}

// A full partition holds its client back for 5 s at most, and no other partition. // invariant 13
func TestOfferIsBounded(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t))
	w := newWorld(t, db)
	synctest.Test(t, func(t *testing.T) {
		i := ingest.New(db, w.fleet, nil, ingest.Options{Queue: 2})
		offer := func(id string) error { return i.Offer(t.Context(), id, wire.KindEvents, []byte("x")) }
		for range 2 {
			if err := offer("gw-1"); err != nil {
				t.Fatal(err)
			}
		}
		before := time.Now()
		if err := offer("gw-1"); !errors.Is(err, ingest.ErrFull) || time.Since(before) != 5*time.Second {
			t.Errorf("Offer to a full queue = %v after %v, want %v after 5s", err, time.Since(before), ingest.ErrFull)
		}
		if err := offer("gw-2"); err != nil || wire.Partition("gw-1") == wire.Partition("gw-2") {
			t.Errorf("Offer to another partition = %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := i.Offer(ctx, "gw-1", wire.KindPulse, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Offer with an end = %v", err)
		}
		if err := i.Offer(t.Context(), "gw-2", wire.KindChallenge, nil); !errors.Is(err, ingest.ErrKind) {
			t.Errorf("Offer of a challenge = %v, want %v", err, ingest.ErrKind)
		}
	})
}

// One batch of many gateways makes room for all of it again.
func TestRunMakesRoom(t *testing.T) {
	w, down := link(t, storetest.Open(t, storetest.SQLite(t)), ingest.Options{Queue: 1, Batch: 3})
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := w.ingest.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for n := range 10 {
		b := w.box(fmt.Sprint("gw-", n))
		for _, block := range b.Backlog(1) {
			w.check(w.ingest.Offer(ctx, b.ID, wire.KindEvents, block))
		}
		w.check(w.ingest.Offer(ctx, b.ID, wire.KindPulse, []byte("bad")))
		w.check(w.ingest.Offer(ctx, b.ID, wire.KindEvents, []byte("bad")))
	}
	for range 10 {
		<-down
	}
	cancel()
	run.Wait()
}

func BenchmarkTake(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, size := range []int{1, 200} {
			b.Run(fmt.Sprintf("%s/%d", engine, size), func(b *testing.B) { benchmarkTake(b, engine, size) })
		}
	}
}

// benchmarkTake takes one block of each of 20 gateways in one transaction.
func benchmarkTake(b *testing.B, engine string, size int) {
	const gateways = 20
	dsn := storetest.SQLite
	if engine == "postgres" {
		dsn = storetest.Postgres
	}
	w := newWorld(b, storetest.Open(b, dsn(b)))
	boxes := make([]func() ingest.Payload, gateways)
	for n := range boxes {
		box, sent := w.box(fmt.Sprint("gw-", n)), uint64(0)
		boxes[n] = func() ingest.Payload {
			for range size {
				box.Append(wire.Telemetry, wire.Event{Type: "meter.read", Subject: fmt.Sprint("meter/", sent%50), Version: sent + 1, State: wire.Raw(map[string]uint64{"litres": sent})})
			}
			s := box.Segments[1]
			sent += uint64(size)
			return ingest.Payload{Gateway: box.ID, Body: box.Block(s, sent-uint64(size)+1, sent)}
		}
	}
	events := 0
	for b.Loop() {
		b.StopTimer()
		var all []ingest.Payload
		for _, next := range boxes {
			all = append(all, next())
		}
		b.StartTimer()
		taken, err := w.ingest.Take(b.Context(), all)
		w.check(err)
		events += taken.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
