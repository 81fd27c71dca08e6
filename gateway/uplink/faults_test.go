package uplink

import (
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// spoil changes a byte of a stored event behind the store's back, and gives the id of what happened in it.
func (w *world) spoil(s wire.Stream, segment, seq uint64, at int) int {
	w.t.Helper()
	var id struct{ ID int }
	w.view(func(tx *store.Tx) error {
		b, err := tx.Block(1, s, segment, seq, 1, 1<<16)
		if err != nil {
			return err
		}
		ev, err := wire.DecodeEvent(b.Events[0])
		if err != nil {
			return err
		}
		return json.Unmarshal(ev.Data, &id)
	})
	w.halt()
	db, err := bbolt.Open(w.path, 0o600, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		name := append(binary.BigEndian.AppendUint64(nil, 1), map[wire.Stream]byte{wire.Audit: 'a', wire.Telemetry: 't'}[s])
		b := tx.Bucket([]byte("store.log")).Bucket(binary.BigEndian.AppendUint64(name, segment))
		key := binary.BigEndian.AppendUint64(nil, seq)
		v := append([]byte{}, b.Get(key)...)
		v[at] ^= 1
		return b.Put(key, v)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.boot()
	w.gone[id.ID] = true
	return id.ID
}

func (w *world) losses() (all []wire.Loss) {
	w.view(func(tx *store.Tx) error {
		segments, err := tx.Segments(tx.Epoch(), wire.Audit)
		for _, g := range segments {
			for seq := uint64(1); seq <= g.Last; seq++ {
				b, err := tx.Block(tx.Epoch(), wire.Audit, g.Number, seq, 1, 1<<16)
				if err != nil {
					continue // the damaged one
				}
				ev, err := wire.DecodeEvent(b.Events[0])
				if err != nil {
					return err
				}
				var l wire.Loss
				if ev.Type == wire.LossRecorded {
					if err := json.Unmarshal(ev.Data, &l); err != nil {
						return err
					}
					all = append(all, l)
				}
			}
		}
		return err
	})
	return all
}

// invariant 7: what cannot be read any more is named, once, and costs itself alone
func TestDamagedEventIsNamedLost(t *testing.T) {
	const body, hash = 60, 3
	for _, s := range streams() {
		for _, at := range []int{body, hash} {
			w := newWorld(t, 5)
			w.fault = 0.05
			w.append(wire.Audit, 30)
			w.append(wire.Telemetry, 30)
			spoilt := w.spoil(s, 1, 12, at)
			w.connect() // the loss is named, and the box restarts before the cloud hears of it
			w.restart()
			w.pipe = nil
			w.connect()
			w.append(s, 5)
			w.settle()
			w.restart()
			w.settle()
			losses := w.losses()
			if len(losses) != 1 || losses[0].First != 12 || losses[0].Last != 12 || losses[0].Stream != s {
				t.Errorf("%s: losses %+v", s, losses)
			}
			if w.cloud.effects[spoilt] != 0 || w.epoch() != 1 {
				t.Errorf("%s: effects %d, epoch %d", s, w.cloud.effects[spoilt], w.epoch())
			}
		}
	}
}

// A refusal starts nothing by itself: only what this box cannot read is named.
func TestRefusalAloneStartsNothing(t *testing.T) {
	w := newWorld(t, 5)
	w.connect()
	w.append(wire.Audit, 30)
	for _, reason := range []string{"chain", "decode", "fork", "hole"} {
		w.cloud.refusals = append(w.cloud.refusals,
			wire.Refusal{Name: wire.Name{Epoch: 1, Stream: wire.Audit, Segment: 1, Seq: 5}, Reason: reason},
			wire.Refusal{Name: wire.Name{Epoch: 9, Stream: wire.Audit, Segment: 7, Seq: 5}, Reason: reason})
	}
	w.settle()
	if n := len(w.losses()); n != 0 || w.epoch() != 1 || w.count("store_errors") != 0 {
		t.Errorf("%d losses, epoch %d, counters %v", n, w.epoch(), w.up.Status().Counters)
	}
}

// What is delivered and damaged is the cloud's already.
func TestDamageOfDeliveredIsNoLoss(t *testing.T) {
	w := newWorld(t, 5)
	w.append(wire.Audit, 30)
	w.connect()
	w.settle()
	w.spoil(wire.Audit, 1, 12, 60)
	w.settle()
	if n := len(w.losses()); n != 0 || w.epoch() != 1 {
		t.Errorf("%d losses, epoch %d", n, w.epoch())
	}
}

// Whatever comes on any topic, the handler does not panic, and nothing changes (invariant 9).
func FuzzMessage(f *testing.F) {
	f.Add(uint8(0), []byte("{}\n\n"))
	f.Add(uint8(1), []byte(`{"epoch":1,"stream":"audit","segment":1,"seq":2}`))
	f.Add(uint8(2), keySet(f))
	f.Add(uint8(3), []byte(`{"doc":"request"}`))
	_, bomb, _, err := wire.EncodePart(map[string]string{"x": string(make([]byte, 5000))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(2), bomb)
	f.Add(uint8(0), make([]byte, wire.MaxMessage+1))
	w := newWorld(f, 1)
	w.append(wire.Audit, 5)
	w.connect()
	w.settle()
	w.append(wire.Audit, 5)
	type standing struct {
		undelivered, epoch, held uint64
		applied                  int
		state                    string
	}
	read := func() standing {
		s := standing{undelivered: w.undelivered(), epoch: w.epoch(), held: w.held(), applied: w.apply}
		s.state = w.clock.Floor().String()
		return s
	}
	before := read()
	topics := []string{wire.AnswerTopic(site), wire.PositionTopic(site), wire.StateTopic(site), wire.CommandTopic(site), "x/y"}
	f.Fuzz(func(t *testing.T, n uint8, payload []byte) {
		w.t, w.pipe = t, nil
		w.handle(Message{Topic: topics[int(n)%len(topics)], Payload: payload})
		if after := read(); after != before {
			t.Errorf("%s %q changed %+v into %+v", topics[int(n)%len(topics)], payload, before, after)
		}
	})
}

// invariant 9: what is too large, once it is unpacked, is counted and changes nothing
func TestDecompressionBombIsRefused(t *testing.T) {
	pack, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 1)
	w.connect()
	w.settle()
	for _, size := range []int{wire.MaxPart + 1, wire.MaxDecompressed + 1, 64 << 20} {
		n := w.count("state_refused_size")
		w.handle(Message{Topic: wire.StateTopic(site), Payload: pack.EncodeAll(make([]byte, size), nil)})
		if w.count("state_refused_size") != n+1 || w.apply != 1 {
			t.Errorf("%d bytes: counters %v", size, w.up.Status().Counters)
		}
	}
	w.handle(Message{Topic: wire.EventsTopic(site), Payload: nil})
	w.settle()
}
