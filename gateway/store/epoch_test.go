package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func startOf(t *testing.T, ev wire.Event) (start wire.EpochStart) {
	t.Helper()
	if err := json.Unmarshal(ev.Data, &start); err != nil || ev.Type != wire.EpochStarted {
		t.Fatalf("%+v is no epoch.started: %v", ev, err)
	}
	return start
}

func lossOf(t *testing.T, ev wire.Event) (loss wire.Loss) {
	t.Helper()
	if err := json.Unmarshal(ev.Data, &loss); err != nil || ev.Type != wire.LossRecorded {
		t.Fatalf("%+v is no loss.recorded: %v", ev, err)
	}
	return loss
}

func subjects(evs []wire.Event) string {
	var all []string
	for _, ev := range evs {
		all = append(all, ev.Subject)
	}
	return strings.Join(all, " ")
}

func hashAt(t *testing.T, s *Store, n wire.Name) (h wire.Hash) {
	t.Helper()
	view(t, s, func(tx *Tx) (err error) {
		h, err = tx.HashAt(n.Epoch, n.Stream, n.Segment, n.Seq)
		return err
	})
	return h
}

func seal1(t *testing.T, s *Store, stream wire.Stream) {
	t.Helper()
	update(t, s, func(tx *Tx) error { return tx.Seal(stream) })
}

func stampAt(at wire.Micros) wire.Event {
	return wire.Event{Wall: at, Clock: wire.FromAnswer, Mono: 7, Boot: 9}
}

// invariant 4: a forked life is appended again under its first names, however often it forks.
func TestForkAppendsAgain(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	add(t, s, wire.Audit, "a")
	seal1(t, s, wire.Audit)
	b := add(t, s, wire.Audit, "b")
	seal1(t, s, wire.Audit)
	c := add(t, s, wire.Audit, "c")
	add(t, s, wire.Telemetry, "litres")
	hashes := map[string]wire.Hash{"b": hashAt(t, s, b), "c": hashAt(t, s, c)}
	update(t, s, func(tx *Tx) error {
		again := []Again{{Epoch: 1, Stream: wire.Audit, Segment: 2, Seq: 1}, {Epoch: 1, Stream: wire.Audit, Segment: 3}}
		return tx.StartEpoch(4, CauseFork, again, stampAt(noon+5))
	})
	check := func(epoch uint64, want string) []wire.Event {
		t.Helper()
		got := events(t, s, epoch, wire.Audit)
		if subjects(got) != want {
			t.Errorf("epoch %d holds %s; want %s", epoch, subjects(got), want)
		}
		return got
	}
	check(1, "epoch/1 a")
	got := check(4, "epoch/4 b c")
	if start := startOf(t, got[0]); start.Previous != 1 || start.Cause != CauseFork || start.Nonce.IsZero() ||
		got[0].Wall != noon+5 || got[0].Mono != 7 || got[0].Boot != 9 || got[0].Clock != wire.FromAnswer {
		t.Errorf("first event of epoch 4 = %+v with %+v", got[0], start)
	}
	update(t, s, func(tx *Tx) error { // and again: the first names stay
		return tx.StartEpoch(5, CauseFork, []Again{{Epoch: 4, Stream: wire.Audit, Segment: 1}}, stampAt(noon))
	})
	got = check(5, "epoch/5 epoch/4 b c")
	for i, first := range map[int]wire.Name{2: b, 3: c} {
		want := wire.First{Name: first, Hash: hashes[got[i].Subject]}
		if got[i].First == nil || *got[i].First != want || got[i].Boot != 1 {
			t.Errorf("%s came again as %+v; want first %+v and its own time", got[i].Subject, got[i].First, want)
		}
	}
	if f := got[1].First; f == nil || f.Name != (wire.Name{Epoch: 4, Stream: wire.Audit, Segment: 1, Seq: 1}) {
		t.Errorf("the start of epoch 4 came again as %+v", f)
	}
	view(t, s, func(tx *Tx) error {
		heads, err := tx.Heads()
		if len(heads) != 4 || heads[0].Segment != 1 || heads[1].Stream != wire.Telemetry || heads[1].Seq != 1 || heads[2].Epoch != 5 {
			t.Errorf("Heads() = %+v; want 1/audit/1, 1/telemetry/1 and both of epoch 5", heads)
		}
		old, err2 := tx.Segments(1, wire.Telemetry)
		if len(old) != 1 || !old[0].Sealed {
			t.Errorf("telemetry of epoch 1 = %+v; want it sealed", old)
		}
		return errors.Join(err, err2)
	})
}

// A segment of an older epoch that went wrong moves into the living epoch without a new one.
func TestAppendAgain(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	add(t, s, wire.Audit, "a", "b")
	add(t, s, wire.Telemetry, "litres")
	update(t, s, func(tx *Tx) error { return tx.StartEpoch(2, CauseSalvage, nil, stampAt(noon)) })
	for _, c := range []struct {
		name  string
		again []Again
		want  error
	}{
		{"in part", []Again{again(1, wire.Audit, 1, 1), again(1, wire.Audit, 1, 3)}, ErrPartial},
		{"twice", []Again{again(1, wire.Audit, 1, 1), again(1, wire.Audit, 1, 2), again(1, wire.Audit, 1, 2)}, ErrPartial},
		{"beyond", []Again{again(1, wire.Telemetry, 1, 2)}, ErrPartial},
		{"none such", []Again{again(1, wire.Audit, 2, 0)}, ErrNotHeld},
		{"living", []Again{again(2, wire.Audit, 1, 0)}, ErrNotSealed},
	} {
		err := s.Update(t.Context(), func(tx *Tx) error { return tx.AppendAgain(c.again, stampAt(noon)) })
		if !errors.Is(err, c.want) {
			t.Errorf("%s: AppendAgain = %v; want %v", c.name, err, c.want)
		}
	}
	update(t, s, func(tx *Tx) error { return tx.AppendAgain([]Again{again(1, wire.Audit, 1, 0)}, stampAt(noon)) })
	if got := subjects(events(t, s, 2, wire.Audit)); got != "epoch/2 epoch/1 a b" {
		t.Errorf("epoch 2 holds %s", got)
	}
	if got := events(t, s, 1, wire.Audit); len(got) != 0 {
		t.Errorf("epoch 1 still holds %s", subjects(got))
	}
	for _, number := range []uint64{1, 2} {
		err := s.Update(t.Context(), func(tx *Tx) error { return tx.StartEpoch(number, CauseFork, nil, stampAt(noon)) })
		if !errors.Is(err, ErrEpoch) {
			t.Errorf("StartEpoch(%d) in epoch 2 = %v; want ErrEpoch", number, err)
		}
	}
}

// invariant 7: an event that cannot be read when its segment moves is named, and holds up none of the others.
func TestAppendAgainNamesTheDamaged(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{NoSync: true})
	add(t, s, wire.Telemetry, "a", "b", "c", "d")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, path, func(b *bbolt.Tx) error {
		log := b.Bucket([]byte(bucketLog)).Bucket([]byte(id{1, wire.Telemetry, 1}.key()))
		bad := bytes.Clone(log.Get(seqKey(2)))
		bad[3] ^= 1
		return errors.Join(log.Put(seqKey(2), bad), log.Delete(seqKey(3)))
	})
	s = open(t, path, Options{NoSync: true})
	update(t, s, func(tx *Tx) error {
		return tx.StartEpoch(2, CauseFork, []Again{again(1, wire.Telemetry, 1, 0)}, stampAt(noon))
	})
	if got := subjects(events(t, s, 2, wire.Telemetry)); got != "a d" {
		t.Errorf("epoch 2 holds %s; want a and d", got)
	}
	audit := events(t, s, 2, wire.Audit)
	want := wire.Loss{Epoch: 1, Stream: wire.Telemetry, From: 1, To: 1, First: 2, Last: 3, Cause: LossDamaged}
	if got := lossOf(t, audit[len(audit)-1]); got != want {
		t.Errorf("loss = %+v; want %+v", got, want)
	}
}

func TestEventsLeaveRoomForTheirFirstName(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	ev := event("parcel/1")
	ev.Data = wire.Raw("")
	b, err := wire.EncodeEvent(ev)
	if err != nil {
		t.Fatal(err)
	}
	ev.Data = wire.Raw(strings.Repeat("x", maxFresh-len(b)+1))
	err = s.Update(t.Context(), func(tx *Tx) error { _, err := tx.Append(wire.Audit, ev); return err })
	if !errors.Is(err, wire.ErrSize) {
		t.Errorf("Append of %d bytes = %v; want ErrSize", maxFresh+1, err)
	}
	ev.Data = wire.Raw(strings.Repeat("x", maxFresh-len(b)))
	update(t, s, func(tx *Tx) error {
		_, err := tx.Append(wire.Audit, ev)
		return errors.Join(err, tx.StartEpoch(1<<62, CauseFork, []Again{again(1, wire.Audit, 1, 0)}, stampAt(noon)))
	})
	got := events(t, s, 1<<62, wire.Audit)
	if again, err := wire.EncodeEvent(got[2]); err != nil || len(again) > wire.MaxEvent {
		t.Errorf("the longest event came again with %d bytes, %v", len(again), err)
	}
}

// Fields that a newer program wrote live on when this one appends the event again.
func TestFirstNameKeepsUnknownFields(t *testing.T) {
	in := `{"type":"x.y","subject":"a/1","wall":1,"clock":"ntp","mono":0,"boot":1,"later":{"k":[1]}}`
	first := wire.First{Name: wire.Name{Epoch: 3, Stream: wire.Audit, Segment: 2, Seq: 1}, Hash: wire.Hash{1}}
	b := withFirst([]byte(in), first)
	ev, err := wire.DecodeEvent(b)
	if err != nil || ev.First == nil || *ev.First != first || !strings.HasPrefix(string(b), in[:len(in)-1]) {
		t.Errorf("withFirst = %s, %v", b, err)
	}
}

func again(epoch uint64, s wire.Stream, segment, seq uint64) Again {
	return Again{Epoch: epoch, Stream: s, Segment: segment, Seq: seq}
}
