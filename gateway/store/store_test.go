package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		appendUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

// open opens a store that is closed at the end of the test.
func open(t testing.TB, path string, o Options) *Store {
	t.Helper()
	o.Gateway = "site-1"
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "gateway.db") }

const noon = wire.Micros(1_700_000_000_000_000)

func event(subject string) wire.Event {
	return wire.Event{Type: "compartment.opened", Subject: subject, Wall: noon, Clock: wire.FromNTP, Boot: 1}
}

func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.View(fn); err != nil {
		t.Fatal(err)
	}
}

// add appends events of one stream and gives the last one's name.
func add(t testing.TB, s *Store, stream wire.Stream, subjects ...string) (last wire.Name) {
	t.Helper()
	update(t, s, func(tx *Tx) (err error) {
		for _, subject := range subjects {
			if last, err = tx.Append(stream, event(subject)); err != nil {
				return err
			}
		}
		return nil
	})
	return last
}

// events gives all events held of an (epoch, stream) in order, read in blocks and checked against the chain.
func events(t testing.TB, s *Store, epoch uint64, stream wire.Stream) (all []wire.Event) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		segments, err := tx.Segments(epoch, stream)
		if err != nil {
			return err
		}
		for _, g := range segments {
			for _, b := range segmentBytesOf(t, tx, epoch, stream, g) {
				ev, err := wire.DecodeEvent(b)
				if err != nil {
					return err
				}
				all = append(all, ev)
			}
		}
		return nil
	})
	return all
}

// segmentBytesOf reads a segment in blocks of at most 7 events and checks chain, numbers and end.
func segmentBytesOf(t testing.TB, tx *Tx, epoch uint64, stream wire.Stream, g Segment) (all [][]byte) {
	t.Helper()
	h := g.Before
	for from := uint64(1); from <= g.Last; {
		b, err := tx.Block(epoch, stream, g.Number, from, 7, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if b.Before != h || b.First != from || (b.End == g.Last) != g.Sealed {
			t.Fatalf("block %d/%s/%d from %d joins %s and ends %d; want %s", epoch, stream, g.Number, from, b.Before, b.End, h)
		}
		h, from = b.After(), b.Last()+1
		all = append(all, b.Events...)
	}
	if h != g.Head {
		t.Fatalf("segment %d/%s/%d: chain ends at %s; want the head %s", epoch, stream, g.Number, h, g.Head)
	}
	return all
}

func TestOpenStartsEpochOne(t *testing.T) {
	path := file(t)
	stamp := func(ev *wire.Event) { ev.Wall, ev.Clock = noon, wire.FromRTC }
	s := open(t, path, Options{Stamp: stamp})
	got := events(t, s, 1, wire.Audit)
	if len(got) != 1 || got[0].Type != wire.EpochStarted || got[0].Boot != 1 || got[0].Wall != noon {
		t.Errorf("a new file holds %+v; want one epoch.started of boot 1 with its stamp", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the file = %v, %v; want 0600", info.Mode(), err)
	}
	if s.Size() <= 0 || s.Size() > info.Size() {
		t.Errorf("Size() = %d; want it within the file's %d", s.Size(), info.Size())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, Options{Stamp: stamp})
	if n := len(events(t, s, 1, wire.Audit)); s.Boot() != 2 || n != 1 {
		t.Errorf("opened again: boot %d with %d events; want 2 with 1", s.Boot(), n)
	}
}

func TestOpenRefuses(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{NoSync: true})
	synctest.Test(t, func(t *testing.T) { // the lock is polled: a second passes at once here
		if _, err := Open(path, Options{Gateway: "site-1"}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "stop") {
			t.Errorf("Open of a file in use = %v; want ErrInUse with a remedy", err)
		}
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Gateway: "site-2"}); !errors.Is(err, ErrForeign) {
		t.Errorf("Open of another gateway's file = %v; want ErrForeign", err)
	}
	if _, err := Open(path, Options{Gateway: "Site 1"}); !errors.Is(err, wire.ErrFormat) {
		t.Errorf("Open with a bad id = %v; want ErrFormat", err)
	}
	if _, err := Open(t.TempDir(), Options{Gateway: "site-1"}); err == nil {
		t.Error("Open of a folder succeeded")
	}
}

func TestSpaces(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	update(t, s, func(tx *Tx) error {
		for _, key := range []string{"b2", "a", "b1", "c", "b3"} {
			if err := tx.Put("things", key, []byte(key+"!")); err != nil {
				return err
			}
		}
		return errors.Join(tx.Put("things", "empty", nil), tx.Delete("things", "b2"), tx.Delete("nothing", "x"))
	})
	update(t, s, func(tx *Tx) error { // fn may delete what it stands on
		return tx.Each("things", "c", func(key string, _ []byte) error { return tx.Delete("things", key) })
	})
	view(t, s, func(tx *Tx) error {
		var got []string
		err := tx.Each("things", "b", func(key string, value []byte) error {
			got = append(got, key+"="+string(value))
			return nil
		})
		if fmt.Sprint(got) != "[b1=b1! b3=b3!]" {
			t.Errorf("Each = %v; want b1 and b3", got)
		}
		if v, err := tx.Get("things", "empty"); v == nil || len(v) != 0 || err != nil {
			t.Errorf("Get of an empty value = %v, %v; want empty, not nil", v, err)
		}
		for _, key := range []string{"c", "b2"} {
			if v, err := tx.Get("things", key); v != nil || err != nil {
				t.Errorf("Get(%s) = %q, %v; want nothing", key, v, err)
			}
		}
		if err := tx.Put("things", "a", nil); !errors.Is(err, ErrReadOnly) {
			t.Errorf("Put in a view = %v; want ErrReadOnly", err)
		}
		if _, err := tx.Append(wire.Audit, event("x")); !errors.Is(err, ErrReadOnly) {
			t.Errorf("Append in a view = %v; want ErrReadOnly", err)
		}
		if _, err := tx.Get(spaceMeta, keyBoot); !errors.Is(err, ErrReserved) {
			t.Errorf("Get of a reserved space = %v; want ErrReserved", err)
		}
		return err
	})
}

// damage changes stored values behind the store's back.
func damage(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, mode, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsFound(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{NoSync: true})
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.Put("doors", "A-1", []byte("one")), tx.Put("doors", "A-2", []byte("two")),
			tx.Put("doors", "A-3", []byte("three")), tx.Put("floors", "A-2", []byte("two")))
	})
	add(t, s, wire.Audit, "a", "b", "c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, path, func(b *bbolt.Tx) error {
		doors, floors := b.Bucket([]byte("doors")), b.Bucket([]byte("floors"))
		flipped := bytes.Clone(doors.Get([]byte("A-1")))
		flipped[0] ^= 1
		moved := bytes.Clone(doors.Get([]byte("A-2")))
		segment := b.Bucket([]byte(bucketLog)).Bucket([]byte(id{1, wire.Audit, 1}.key()))
		record := bytes.Clone(segment.Get(seqKey(3)))
		record[40] ^= 0x20
		return errors.Join(doors.Put([]byte("A-1"), flipped), doors.Put([]byte("A-4"), moved),
			floors.Put([]byte("A-5"), bytes.Clone(floors.Get([]byte("A-2")))),
			floors.Put([]byte("A-2"), moved), segment.Put(seqKey(3), record))
	})
	s = open(t, path, Options{NoSync: true})
	view(t, s, func(tx *Tx) error {
		for _, c := range []struct{ name, space, key string }{
			{"flipped bit", "doors", "A-1"}, {"under another key", "doors", "A-4"}, {"in another space", "floors", "A-2"},
		} {
			_, err := tx.Get(c.space, c.key)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.space) || !strings.Contains(err.Error(), c.key) {
				t.Errorf("%s: Get = %v; want ErrDamaged naming %s %s", c.name, err, c.space, c.key)
			}
		}
		var good []string
		err := tx.Each("doors", "", func(key string, _ []byte) error {
			good = append(good, key)
			return nil
		})
		if fmt.Sprint(good) != "[A-2 A-3]" || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "A-4") {
			t.Errorf("Each = %v, %v; want the good ones and the damaged named", good, err)
		}
		if b, err := tx.Block(1, wire.Audit, 1, 1, 10, 1<<20); err != nil || len(b.Events) != 2 {
			t.Errorf("Block before the damage = %d events, %v; want 2", len(b.Events), err)
		}
		if _, err := tx.Block(1, wire.Audit, 1, 3, 10, 1<<20); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "1/audit/1/3") {
			t.Errorf("Block of a damaged event = %v; want ErrDamaged naming it", err)
		}
		return nil
	})
}

func TestClosed(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	ran := false
	err := s.Update(t.Context(), func(*Tx) error { ran = true; return nil })
	if !errors.Is(err, ErrClosed) || ran {
		t.Errorf("Update of a closed store = %v, ran %t; want ErrClosed", err, ran)
	}
	if err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("View of a closed store = %v; want ErrClosed", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, func(*Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update with an ended context = %v; want Canceled", err)
	}
}

func TestSegmentTakesItsEvents(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	small := wire.Event{Type: "a.b", Subject: "c/1"}
	var last wire.Name
	update(t, s, func(tx *Tx) (err error) {
		for range wire.SegmentEvents + 1 {
			if last, err = tx.Append(wire.Telemetry, small); err != nil {
				return err
			}
		}
		return nil
	})
	if want := (wire.Name{Epoch: 1, Stream: wire.Telemetry, Segment: 2, Seq: 1}); last != want {
		t.Errorf("event %d is %s; want %s", wire.SegmentEvents+1, last, want)
	}
	view(t, s, func(tx *Tx) error {
		segments, err := tx.Segments(1, wire.Telemetry)
		if g := segments[0]; g.Last != wire.SegmentEvents || !g.Sealed || g.Head != segments[1].Before {
			t.Errorf("full segment = %+v, the next begins at %s", g, segments[1].Before)
		}
		return err
	})
}
