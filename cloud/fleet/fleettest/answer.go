package fleettest

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Keys makes a cloud's keys, of every use and good for a hundred years, and the key set that names them.
func Keys(t testing.TB) (*fleet.Keys, wire.KeySet) {
	t.Helper()
	dir := t.TempDir()
	set, err := fleet.InitKeys(dir, "test", key("root"), time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := fleet.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys, set
}

// Root is the public half of the key that signed the key set of Keys.
func Root() ed25519.PublicKey { return key("root").Public().(ed25519.PublicKey) }

// Open checks the pages of an answer among messages and gives them as one; false when there is none to this box's newest
// pulse.
func (b *Box) Open(messages []fleet.Message) (wire.Answer, bool) {
	b.T.Helper()
	var whole wire.Answer
	pages := 0
	for _, m := range messages {
		if m.Topic != wire.AnswerTopic(b.ID) {
			continue
		}
		var a wire.Answer
		if err := wire.Peek(m.Payload, &a); err != nil {
			b.T.Fatal(err)
		}
		i := slices.IndexFunc(b.Keys.Keys, func(k wire.Key) bool { return k.ID == a.Key && k.Use == fleet.UseAnswer })
		if i < 0 {
			b.T.Fatalf("answer signed by unknown key %s", a.Key)
		}
		if err := wire.Open(b.Keys.Keys[i].Public, wire.ContextAnswer, m.Payload, &a); err != nil {
			b.T.Fatal(err)
		}
		if a.Gateway != b.ID || a.Nonce != b.nonce || a.Page != pages+1 {
			continue
		}
		rows, refusals := append(whole.Rows, a.Rows...), append(whole.Refusals, a.Refusals...)
		whole, pages = a, pages+1
		whole.Rows, whole.Refusals = rows, refusals
	}
	return whole, pages > 0 && pages == whole.Pages
}

// Take takes an answer among messages as a gateway does: it marks delivered what the answer says, moves back what it does
// not, and starts a new epoch when its own chain is not the cloud's.
func (b *Box) Take(messages []fleet.Message) wire.Answer {
	b.T.Helper()
	a, ok := b.Open(messages)
	if !ok {
		b.T.Fatalf("box %s: no answer to %s among %d messages", b.ID, b.nonce, len(messages))
	}
	if a.Serial <= b.Echo {
		b.T.Fatalf("box %s: serial %s after %s", b.ID, a.Serial, b.Echo)
	}
	fresh := b.fresh
	b.nonce, b.Echo, b.fresh = "", a.Serial, false
	forked := map[wire.Stream]uint64{}
	var again []Again
	var keep []Segment
	for _, s := range b.Segments {
		seq, wrong, settled := s.against(a.Rows)
		switch {
		case wrong && s.Epoch == b.Epoch:
			if n, ok := forked[s.Stream]; !ok || s.Number < n {
				forked[s.Stream] = s.Number
			}
		case wrong:
			again = append(again, b.again(s)...)
			continue
		default:
			s.Delivered, s.Settled = seq, settled
		}
		keep = append(keep, s)
	}
	b.Segments = keep
	b.beyond(a.Rows, forked)
	if len(forked) == 0 && (!fresh || a.Epoch <= b.Epoch) {
		for _, g := range again {
			b.Append(g.Stream, g.Event)
		}
		return a
	}
	b.Forks++
	b.fork(max(b.Epoch, a.Epoch)+1, forked, again)
	return a
}

// beyond finds positions of segments of the living epoch that this box has not begun.
func (b *Box) beyond(rows []wire.Row, forked map[wire.Stream]uint64) {
	for _, r := range rows {
		if r.Epoch != b.Epoch {
			continue
		}
		top := b.living(r.Stream).Number
		last := uint64(0)
		for _, w := range r.Whole {
			last = max(last, w.To)
		}
		for _, p := range r.Partial {
			last = max(last, p.Segment)
		}
		if n, ok := forked[r.Stream]; last > top && (!ok || top < n) {
			forked[r.Stream] = top
		}
	}
}

func (b *Box) fork(epoch uint64, forked map[wire.Stream]uint64, again []Again) {
	var keep []Segment
	for _, s := range b.Segments {
		if from, ok := forked[s.Stream]; ok && s.Epoch == b.Epoch && s.Number >= from {
			again = append(again, b.again(s)...)
			continue
		}
		keep = append(keep, s)
	}
	b.Segments = keep
	b.Start(epoch, "fork", again)
}

// again gives a segment's events under their first names. What an epoch says of itself is not said again.
func (b *Box) again(s Segment) []Again {
	var out []Again
	for i, raw := range s.Events {
		e, err := wire.DecodeEvent(raw)
		if err != nil {
			b.T.Fatal(err)
		}
		if e.Type == wire.EpochStarted {
			continue
		}
		if e.First == nil {
			e.First = &wire.First{Name: wire.Name{Epoch: s.Epoch, Stream: s.Stream, Segment: s.Number, Seq: uint64(i) + 1}, Hash: s.Hashes[i]}
		}
		out = append(out, Again{s.Stream, e})
	}
	return out
}

// against holds a segment to the rows of an answer.
func (s Segment) against(rows []wire.Row) (seq uint64, wrong, settled bool) {
	for _, r := range rows {
		if r.Epoch != s.Epoch || r.Stream != s.Stream {
			continue
		}
		for _, w := range r.Whole {
			if w.From <= s.Number && s.Number <= w.To {
				return s.Head(), w.To == s.Number && (!s.Sealed || s.At(s.Head()) != w.Hash), true
			}
		}
		for _, p := range r.Partial {
			if p.Segment == s.Number {
				wrong = p.Seq > s.Head() || s.At(p.Seq) != p.Hash || p.End > 0 && (s.Head() > p.End || s.Sealed && s.Head() != p.End)
				return min(p.Seq, s.Head()), wrong, false
			}
		}
	}
	return 0, false, false
}

// Documents sorts the messages on a box's state topic: key set and root, both checked, and parts by hash.
func (b *Box) Documents(messages []fleet.Message) (set *wire.KeySet, root *wire.Root, version wire.StateVersion, parts map[wire.Hash][]byte) {
	b.T.Helper()
	parts = map[wire.Hash][]byte{}
	for _, m := range messages {
		switch {
		case m.Topic != wire.StateTopic(b.ID):
		case wire.IsPart(m.Payload):
			raw, h, err := wire.DecodePart(m.Payload)
			if err != nil {
				b.T.Fatal(err)
			}
			parts[h] = raw
		case strings.Contains(string(m.Payload[:20]), `"keys"`):
			set = new(wire.KeySet)
			if err := wire.Open(Root(), wire.ContextKeys, m.Payload, set); err != nil {
				b.T.Fatal(err)
			}
		default:
			root = new(wire.Root)
			i := slices.IndexFunc(b.Keys.Keys, func(k wire.Key) bool { return k.Use == fleet.UseState })
			if err := wire.Open(b.Keys.Keys[i].Public, wire.ContextState, m.Payload, root); err != nil {
				b.T.Fatal(err)
			}
			version = wire.StateVersion{Version: root.Version, Hash: wire.HashLine(m.Payload)}
		}
	}
	return set, root, version, parts
}
