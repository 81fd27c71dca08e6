package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// model is the log as plain slices: what the store must give back after anything done to it.
type model struct {
	epoch uint64
	segs  map[id]*modelSegment
}

type modelSegment struct {
	before    wire.Hash
	events    [][]byte
	sealed    bool
	delivered uint64
}

func (g *modelSegment) hash(seq int) wire.Hash {
	h := g.before
	for _, e := range g.events[:seq] {
		h = wire.Next(h, e)
	}
	return h
}

func (g *modelSegment) size() (n int) {
	for _, e := range g.events {
		n += len(e)
	}
	return n
}

// ids gives the segments of an (epoch, stream), or of all, in order.
func (m *model) ids(keep func(id) bool) []id {
	var out []id
	for i := range m.segs {
		if keep(i) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b id) int { return strings.Compare(a.key(), b.key()) })
	return out
}

func (m *model) living(s wire.Stream) (id, *modelSegment) {
	ids := m.ids(func(i id) bool { return i.epoch == m.epoch && i.stream == s })
	last := ids[len(ids)-1]
	return last, m.segs[last]
}

func (m *model) seal(s wire.Stream) {
	if i, g := m.living(s); len(g.events) > 0 {
		g.sealed = true
		i.number++
		m.segs[i] = &modelSegment{before: g.hash(len(g.events))}
	}
}

func (m *model) append(s wire.Stream, event []byte) wire.Name {
	_, g := m.living(s)
	if len(g.events) == wire.SegmentEvents || len(g.events) > 0 && g.size()+len(event) > wire.SegmentBytes {
		m.seal(s)
	}
	i, g := m.living(s)
	g.events = append(g.events, event)
	return wire.Name{Epoch: i.epoch, Stream: s, Segment: i.number, Seq: uint64(len(g.events))}
}

// start begins an epoch whose first event is known, and appends the segments of again once more.
func (m *model) start(t *testing.T, number uint64, first []byte, again []id) {
	ev, err := wire.DecodeEvent(first)
	if err != nil {
		t.Fatal(err)
	}
	nonce := startOf(t, ev).Nonce
	if m.epoch > 0 {
		for _, s := range streams() {
			if i, g := m.living(s); len(g.events) == 0 {
				delete(m.segs, i)
			} else {
				g.sealed = true
			}
		}
	}
	m.epoch = number
	for _, s := range streams() {
		m.segs[id{number, s, 1}] = &modelSegment{before: wire.EpochSeed("site-1", number, s, nonce)}
	}
	m.append(wire.Audit, first)
	for _, i := range again {
		g := m.segs[i]
		for n, b := range g.events {
			ev, err := wire.DecodeEvent(b)
			if err != nil {
				t.Fatal(err)
			}
			if ev.First == nil {
				name := wire.Name{Epoch: i.epoch, Stream: i.stream, Segment: i.number, Seq: uint64(n) + 1}
				ev.First = &wire.First{Name: name, Hash: g.hash(n + 1)}
			}
			if b, err = wire.EncodeEvent(ev); err != nil {
				t.Fatal(err)
			}
			m.append(i.stream, b)
		}
		delete(m.segs, i)
	}
}

// compare reads the whole log and compares it with the model.
func (m *model) compare(t *testing.T, s *Store) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		if got := tx.Epoch(); got != m.epoch {
			t.Fatalf("Epoch() = %d; want %d", got, m.epoch)
		}
		heads, err := tx.Heads()
		if err != nil {
			return err
		}
		var want []wire.Head
		for _, i := range m.ids(func(id) bool { return true }) {
			g := m.segs[i]
			if n := len(want); n == 0 || want[n-1].Epoch != i.epoch || want[n-1].Stream != i.stream {
				want = append(want, wire.Head{Epoch: i.epoch, Stream: i.stream, Oldest: i.number})
			}
			h := &want[len(want)-1]
			h.Segment, h.Seq, h.Hash = i.number, uint64(len(g.events)), g.hash(len(g.events))
		}
		if !slices.Equal(heads, want) {
			t.Fatalf("Heads() = %+v; want %+v", heads, want)
		}
		for _, h := range heads {
			m.compareStream(t, tx, h.Epoch, h.Stream)
		}
		return nil
	})
}

func (m *model) compareStream(t *testing.T, tx *Tx, epoch uint64, s wire.Stream) {
	t.Helper()
	segments, err := tx.Segments(epoch, s)
	if err != nil {
		t.Fatal(err)
	}
	want := m.ids(func(i id) bool { return i.epoch == epoch && i.stream == s })
	if len(segments) != len(want) {
		t.Fatalf("Segments(%d, %s) gives %d; want %d", epoch, s, len(segments), len(want))
	}
	for k, g := range segments {
		w, n := m.segs[want[k]], len(m.segs[want[k]].events)
		if g.Number != want[k].number || g.Last != uint64(n) || g.Before != w.before || g.Sealed != w.sealed ||
			g.Bytes != int64(w.size()) || g.Delivered.Seq != w.delivered {
			t.Fatalf("segment %s = %+v; want %d events, %d bytes, sealed %t, delivered %d", want[k], g, n, w.size(), w.sealed, w.delivered)
		}
		for seq, b := range segmentBytesOf(t, tx, epoch, s, g) {
			if string(b) != string(w.events[seq]) {
				t.Fatalf("event %s/%d = %s; want %s", want[k], seq+1, b, w.events[seq])
			}
		}
		at := n / 2
		if h, err := tx.HashAt(epoch, s, g.Number, uint64(at)); err != nil || h != w.hash(at) {
			t.Fatalf("HashAt %s/%d = %s, %v; want %s", want[k], at, h, err, w.hash(at))
		}
		if _, err := tx.HashAt(epoch, s, g.Number, g.Last+1); !errors.Is(err, ErrNotHeld) {
			t.Fatalf("HashAt beyond %s = %v; want ErrNotHeld", want[k], err)
		}
	}
}

// do changes store and model alike, by chance.
func (m *model) do(t *testing.T, s *Store, r *rand.Rand) (what string) {
	stream := streams()[r.IntN(2)]
	switch k := r.IntN(20); {
	case k < 10:
		m.doAppend(t, s, r, stream)
		return "append"
	case k < 12:
		errOwn := errors.New("own")
		err := s.Update(t.Context(), func(tx *Tx) error {
			_, err := tx.Append(stream, event("nothing"))
			return errors.Join(err, tx.Seal(stream), tx.MarkDelivered(nil), errOwn)
		})
		if !errors.Is(err, errOwn) {
			t.Fatal(err)
		}
		return "fail"
	case k < 15:
		update(t, s, func(tx *Tx) error { return tx.Seal(stream) })
		m.seal(stream)
		return "seal"
	case k < 18:
		m.doMark(t, s, r)
		return "mark"
	default:
		m.doStart(t, s, r)
		return "start"
	}
}

func (m *model) doAppend(t *testing.T, s *Store, r *rand.Rand, stream wire.Stream) {
	var evs []wire.Event
	for range 1 + r.IntN(40) {
		ev := event(fmt.Sprintf("parcel/%d", r.Uint32()))
		ev.Data = wire.Raw(strings.Repeat("x", r.IntN(maxFresh-300)))
		evs = append(evs, ev)
	}
	update(t, s, func(tx *Tx) error {
		for _, ev := range evs {
			name, err := tx.Append(stream, ev)
			if err != nil {
				return err
			}
			b, err := wire.EncodeEvent(ev)
			if err != nil {
				return err
			}
			if want := m.append(stream, b); name != want {
				t.Errorf("Append = %s; want %s", name, want)
			}
		}
		return nil
	})
}

// doMark marks a position in every segment; it may be behind the one before.
func (m *model) doMark(t *testing.T, s *Store, r *rand.Rand) {
	rows := map[string]*wire.Row{}
	for i, g := range m.segs {
		if g.delivered = uint64(r.IntN(len(g.events) + 1)); g.delivered == 0 {
			continue
		}
		row := rows[i.prefix()]
		if row == nil {
			row = &wire.Row{Epoch: i.epoch, Stream: i.stream}
			rows[i.prefix()] = row
		}
		if h := g.hash(int(g.delivered)); g.sealed && int(g.delivered) == len(g.events) {
			row.Whole = append(row.Whole, wire.Run{From: i.number, To: i.number, Hash: h})
		} else {
			row.Partial = append(row.Partial, wire.Position{Segment: i.number, Seq: g.delivered, Hash: h})
		}
	}
	var all []wire.Row
	for _, row := range rows {
		all = append(all, *row)
	}
	update(t, s, func(tx *Tx) error { return tx.MarkDelivered(all) })
}

// doStart forks the living epoch's audit from a segment on, or only begins a new epoch.
func (m *model) doStart(t *testing.T, s *Store, r *rand.Rand) {
	var moved []id
	var again []Again
	if ids := m.ids(func(i id) bool { return i.epoch == m.epoch && i.stream == wire.Audit }); r.IntN(2) == 0 {
		for _, i := range ids[r.IntN(len(ids)):] {
			if len(m.segs[i].events) > 0 {
				moved = append(moved, i)
				again = append(again, Again{Epoch: i.epoch, Stream: i.stream, Segment: i.number})
			}
		}
	}
	number := m.epoch + 1 + uint64(r.IntN(2))
	var first []byte
	update(t, s, func(tx *Tx) error {
		if err := tx.StartEpoch(number, CauseFork, again, event("")); err != nil {
			return err
		}
		b, err := tx.Block(number, wire.Audit, 1, 1, 1, 0)
		first = b.Events[0]
		return err
	})
	m.start(t, number, first, moved)
}

// The store and the model say the same of numbers, bytes, chains, ends and marks, whatever was done and however often
// the file was opened. invariant 4: sequences have no holes.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			path := file(t)
			s := open(t, path, Options{NoSync: true})
			m := &model{segs: map[id]*modelSegment{}}
			view(t, s, func(tx *Tx) error {
				b, err := tx.Block(1, wire.Audit, 1, 1, 1, 0)
				m.start(t, 1, b.Events[0], nil)
				return err
			})
			var done []string
			for range 30 {
				if r.IntN(8) == 0 {
					done = append(done, "reopen")
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = open(t, path, Options{NoSync: true})
				}
				done = append(done, m.do(t, s, r))
				if m.compare(t, s); t.Failed() {
					t.Fatalf("after %v", done)
				}
			}
			if len(m.segs) < 5 {
				t.Errorf("only %d segments after %v", len(m.segs), done)
			}
		})
	}
}
