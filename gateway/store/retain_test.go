package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// markAll marks every segment of every epoch delivered to its end.
func markAll(tx *Tx) error {
	heads, err := tx.Heads()
	if err != nil {
		return err
	}
	var rows []wire.Row
	for _, h := range heads {
		row := wire.Row{Epoch: h.Epoch, Stream: h.Stream}
		segments, err := tx.Segments(h.Epoch, h.Stream)
		if err != nil {
			return err
		}
		for _, g := range segments {
			if g.Sealed {
				row.Whole = append(row.Whole, wire.Run{From: g.Number, To: g.Number, Hash: g.Head})
			} else if g.Last > 0 {
				row.Partial = append(row.Partial, wire.Position{Segment: g.Number, Seq: g.Last, Hash: g.Head})
			}
		}
		rows = append(rows, row)
	}
	return tx.MarkDelivered(rows)
}

// invariant 3: being delivered deletes nothing; a cloud that was restored asks again and gets every byte.
func TestDeliveryDeletesNothing(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{NoSync: true})
	add(t, s, wire.Audit, "a", "b")
	seal1(t, s, wire.Audit)
	add(t, s, wire.Audit, "c")
	left := func() (n uint64, oldest wire.Micros) {
		view(t, s, func(tx *Tx) (err error) { n, oldest, err = tx.Undelivered(); return err })
		return n, oldest
	}
	if n, _ := left(); n != 4 {
		t.Errorf("Undelivered = %d; want 4", n)
	}
	update(t, s, markAll)
	if n, oldest := left(); n != 0 || oldest != 0 {
		t.Errorf("Undelivered = %d since %d when all is marked; want none", n, oldest)
	}
	add(t, s, wire.Audit, "d")
	for range 2 { // also after the file was opened again
		if got := subjects(events(t, s, 1, wire.Audit)); got != "epoch/1 a b c d" {
			t.Errorf("held after delivery: %s; want all", got)
		}
		view(t, s, func(tx *Tx) error {
			segments, err := tx.Segments(1, wire.Audit)
			if len(segments) != 2 || !segments[0].Whole() || segments[1].Whole() || segments[1].Delivered.Seq != 1 {
				t.Errorf("Segments = %+v; want the first whole, of the second one event", segments)
			}
			return err
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path, Options{NoSync: true})
	}
	if n, oldest := left(); n != 1 || oldest != noon {
		t.Errorf("Undelivered = %d since %d; want 1 since %d", n, oldest, noon)
	}
	update(t, s, func(tx *Tx) error { // the cloud of yesterday has one event
		return tx.MarkDelivered([]wire.Row{{Epoch: 1, Stream: wire.Audit,
			Partial: []wire.Position{{Segment: 1, Seq: 1, Hash: hashAt(t, s, wire.Name{Epoch: 1, Stream: wire.Audit, Segment: 1, Seq: 1})}}}})
	})
	if n, _ := left(); n != 4 {
		t.Errorf("Undelivered after positions moved back = %d; want 4", n)
	}
	view(t, s, func(tx *Tx) error {
		b, err := tx.Block(1, wire.Audit, 1, 2, 100, 1<<20)
		if len(b.Events) != 2 || b.End != 3 {
			t.Errorf("Block from 2 = %d events to %d; want 2 to 3", len(b.Events), b.End)
		}
		rows, err2 := tx.Delivered()
		if len(rows) != 1 || len(rows[0].Partial) != 1 || rows[0].Whole != nil {
			t.Errorf("Delivered = %+v; want the one row of the newest answer", rows)
		}
		return errors.Join(err, err2)
	})
}

// A run says nothing of a segment that can still grow, and a position with another hash makes nothing whole.
func TestWholeNeedsItsEnd(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	add(t, s, wire.Audit, "a")
	seal1(t, s, wire.Audit)
	add(t, s, wire.Audit, "b")
	update(t, s, func(tx *Tx) error {
		return tx.MarkDelivered([]wire.Row{{Epoch: 1, Stream: wire.Audit,
			Whole: []wire.Run{{From: 2, To: 2}}, Partial: []wire.Position{{Segment: 1, Seq: 2, Hash: wire.Hash{1}}}}})
	})
	view(t, s, func(tx *Tx) error {
		segments, err := tx.Segments(1, wire.Audit)
		for _, g := range segments {
			if g.Whole() {
				t.Errorf("segment %+v counts as whole", g)
			}
		}
		if n, _, err := tx.Undelivered(); n != 3 || err != nil {
			t.Errorf("Undelivered = %d, %v; want 3", n, err)
		}
		return err
	})
}

// invariant 7: what is dropped is named in the same transaction, and undelivered audit never goes.
func TestDrop(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	add(t, s, wire.Audit, "a", "b")
	seal1(t, s, wire.Audit)
	add(t, s, wire.Telemetry, "litres")
	drop := func(stream wire.Stream, segment uint64) error {
		return s.Update(t.Context(), func(tx *Tx) error { return tx.Drop(stream, 1, segment, LossQuota, stampAt(noon)) })
	}
	for _, c := range []struct {
		stream  wire.Stream
		segment uint64
		want    error
	}{{wire.Audit, 1, ErrUndelivered}, {wire.Audit, 2, ErrNotSealed}, {wire.Audit, 3, ErrNotHeld}, {wire.Telemetry, 1, ErrNotSealed}} {
		if err := drop(c.stream, c.segment); !errors.Is(err, c.want) {
			t.Errorf("Drop(%s, %d) = %v; want %v", c.stream, c.segment, err, c.want)
		}
	}
	update(t, s, markAll)
	var was Segment
	view(t, s, func(tx *Tx) error {
		segments, err := tx.Segments(1, wire.Audit)
		was = segments[0]
		return err
	})
	if err := drop(wire.Audit, 1); err != nil {
		t.Fatal(err)
	}
	got := events(t, s, 1, wire.Audit)
	if subjects(got) != "stream/audit" {
		t.Fatalf("held after the drop: %s; want the loss alone", subjects(got))
	}
	want := wire.Loss{Epoch: 1, Stream: wire.Audit, From: 1, To: 1, First: 1, Last: 3, Before: was.Before, After: was.Head, Cause: LossQuota}
	if loss := lossOf(t, got[0]); loss != want || got[0].Wall != noon {
		t.Errorf("loss = %+v; want %+v", loss, want)
	}
	view(t, s, func(tx *Tx) error {
		heads, err := tx.Heads()
		if heads[0].Oldest != 2 || heads[0].Seq != 1 {
			t.Errorf("Heads = %+v; want audit from segment 2", heads)
		}
		if _, err := tx.Block(1, wire.Audit, 1, 1, 1, 0); !errors.Is(err, ErrNotHeld) {
			t.Errorf("Block of a dropped segment = %v; want ErrNotHeld", err)
		}
		return err
	})
}

// fillSegments appends sealed segments of about 5 kB each, at a wall time.
func fillSegments(t *testing.T, s *Store, stream wire.Stream, n int, at wire.Micros) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		for range n {
			ev := event("x/1")
			ev.Wall, ev.Data = at, wire.Raw(strings.Repeat("x", 5000))
			if _, err := tx.Append(stream, ev); err != nil {
				return err
			}
			if err := tx.Seal(stream); err != nil {
				return err
			}
		}
		return nil
	})
}

// invariant 7: what gives way, and in which order.
func TestPrune(t *testing.T) {
	const day = wire.Micros(24 * time.Hour / time.Microsecond)
	for _, c := range []struct {
		name             string
		quota            int64
		clock            wire.Quality
		delivered        bool
		telemetry, audit int // sealed segments left of 4 and 4: two of 20 days ago, two of today
		over             bool
	}{
		{"room for all: telemetry ends with its age", 1 << 20, wire.FromNTP, true, 2, 4, false},
		{"nothing is delivered", 1 << 20, wire.FromNTP, false, 2, 4, false},
		{"telemetry goes before audit", 35_000, wire.FromNTP, true, 2, 4, false},
		{"and goes young", 28_000, wire.FromNTP, true, 1, 4, false},
		{"then old delivered audit, oldest first", 18_000, wire.FromNTP, true, 0, 3, false},
		{"audit of a week stays", 3_000, wire.FromNTP, true, 0, 2, true},
		{"undelivered audit stays", 3_000, wire.FromNTP, false, 0, 4, true},
		{"an uncertain clock ends nothing by age", 1 << 20, wire.Uncertain, true, 4, 4, false},
		{"with it audit waits", 3_000, wire.Uncertain, true, 0, 4, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, file(t), Options{NoSync: true, Quota: c.quota,
				Stamp: func(ev *wire.Event) { ev.Wall = noon - 20*day }})
			for _, at := range []wire.Micros{noon - 20*day, noon} {
				fillSegments(t, s, wire.Audit, 2, at)
				fillSegments(t, s, wire.Telemetry, 2, at)
			}
			if c.delivered {
				update(t, s, markAll)
			}
			stamp := stampAt(noon)
			stamp.Clock = c.clock
			var p Pruned
			update(t, s, func(tx *Tx) (err error) { p, err = tx.Prune(noon.Time(), stamp); return err })
			gone := 8 - c.telemetry - c.audit
			if p.Segments != gone || p.Over != c.over || p.More {
				t.Errorf("Prune = %+v; want %d dropped, over %t", p, gone, c.over)
			}
			view(t, s, func(tx *Tx) error {
				for stream, want := range map[wire.Stream]int{wire.Telemetry: c.telemetry, wire.Audit: c.audit} {
					segments, err := tx.Segments(1, stream)
					if err != nil {
						return err
					}
					if got := len(segments) - 1; got != want || segments[got].Sealed {
						t.Errorf("%s: %d sealed segments left; want %d", stream, got, want)
					}
				}
				return nil
			})
			losses := 0
			for _, ev := range events(t, s, 1, wire.Audit) {
				if ev.Type == wire.LossRecorded {
					losses++
				}
			}
			if losses != gone {
				t.Errorf("%d losses named; want %d", losses, gone)
			}
		})
	}
}

// invariant 13: one call of Prune drops a bounded number.
func TestPruneIsBounded(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true, Quota: 1})
	fillSegments(t, s, wire.Telemetry, pruneSegments+3, noon)
	for _, want := range []string{fmt.Sprintf("%d true", pruneSegments), "3 false"} {
		var p Pruned
		update(t, s, func(tx *Tx) (err error) { p, err = tx.Prune(noon.Time(), stampAt(noon)); return err })
		if got := fmt.Sprint(p.Segments, " ", p.More); got != want {
			t.Errorf("Prune dropped %s; want %s", got, want)
		}
	}
}

// A mark that is damaged counts as nothing delivered, and the next answer mends it.
func TestDamagedMark(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{NoSync: true})
	add(t, s, wire.Audit, "a")
	update(t, s, markAll)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, path, func(b *bbolt.Tx) error {
		marks := b.Bucket([]byte(spaceDelivered))
		k, v := marks.Cursor().First()
		bad := bytes.Clone(v)
		bad[9] ^= 1
		return marks.Put(bytes.Clone(k), bad)
	})
	s = open(t, path, Options{NoSync: true})
	for _, want := range []uint64{2, 0} {
		view(t, s, func(tx *Tx) error {
			if n, _, err := tx.Undelivered(); n != want || err != nil {
				t.Errorf("Undelivered = %d, %v; want %d", n, err, want)
			}
			if _, err := tx.Delivered(); errors.Is(err, ErrDamaged) != (want > 0) {
				t.Errorf("Delivered = %v with %d undelivered", err, want)
			}
			return nil
		})
		update(t, s, markAll)
	}
}
