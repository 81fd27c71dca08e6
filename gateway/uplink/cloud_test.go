package uplink

import (
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/uplink/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const site = "site-1"

var epochOfTime = time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// Keys: the offline root's, the cloud's two, and the box's.
var offline, stateKey, answerKey, boxKey = key(1), key(2), key(3), key(4)

func sign(t testing.TB, k ed25519.PrivateKey, c wire.Context, doc any) []byte {
	t.Helper()
	b, err := wire.Sign(k, c, doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// row is what the cloud holds of one segment.
type row struct {
	before wire.Hash
	hashes []wire.Hash
	end    uint64
	lost   []wire.Loss
}

func (r row) seq() uint64 { return uint64(len(r.hashes)) }

func (r row) hash() wire.Hash {
	if len(r.hashes) == 0 {
		return r.before
	}
	return r.hashes[len(r.hashes)-1]
}

// cloud is a small cloud by docs/wire.md: positions, effects, answers and one state document.
type cloud struct {
	t        testing.TB
	rows     map[rules.Segment]row
	effects  map[int]int // by the id of what happened
	was      map[wire.First]bool
	refusals []wire.Refusal
	newest   uint64
	serial   int // never restored
	pages    int // per answer
	parts    [][]byte
	root     []byte
	version  wire.StateVersion
	pulses   []wire.Pulse
}

func newCloud(t testing.TB) *cloud {
	c := &cloud{t: t, rows: map[rules.Segment]row{}, effects: map[int]int{}, was: map[wire.First]bool{}, pages: 1}
	c.issue(10)
	return c
}

// issue makes a new state document.
func (c *cloud) issue(version uint64) {
	_, packed, h, err := wire.EncodePart(wire.Policy{StayHours: int(version)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.parts = [][]byte{packed}
	c.root = sign(c.t, stateKey, wire.ContextState, wire.Root{
		Doc: "root", Gateway: site, Key: "s1", Version: version, Issued: wire.At(epochOfTime),
		Parts: []wire.PartRef{{Name: wire.PartPolicy, Hash: h}},
	})
	c.version = wire.StateVersion{Version: version, Hash: wire.HashLine(c.root)}
}

func keySet(t testing.TB) []byte {
	until := wire.At(epochOfTime.AddDate(1, 0, 0))
	return sign(t, offline, wire.ContextKeys, wire.KeySet{Doc: "keys", Fleet: "city", Version: 1, Keys: []wire.Key{
		{ID: "s1", Use: document.UseState, Public: public(stateKey), Until: until},
		{ID: "a1", Use: document.UseAnswer, Public: public(answerKey), Until: until},
		{ID: "a0", Use: document.UseAnswer, Public: public(key(9)), Until: wire.At(epochOfTime)},
	}})
}

// backup and restore are a database put back; serials go on.
func (c *cloud) backup() cloud {
	b := *c
	b.rows, b.effects, b.was = maps.Clone(c.rows), maps.Clone(c.effects), maps.Clone(c.was)
	b.refusals = nil
	return b
}

func (c *cloud) restore(b cloud) {
	b = b.backup()
	b.serial, b.version, b.root, b.parts, b.t, b.pulses = c.serial, c.version, c.root, c.parts, c.t, c.pulses
	*c = b
}

// take handles what came up and gives what goes down.
func (c *cloud) take(p packet, now time.Time) []packet {
	_, kind, _, err := wire.ParseTopic(p.topic)
	if err != nil {
		c.t.Fatalf("topic %s: %v", p.topic, err)
	}
	switch kind {
	case wire.KindEvents:
		return c.ingest(p.payload)
	case wire.KindPulse:
		return c.pulse(p.payload, now)
	}
	c.t.Fatalf("unexpected topic %s", p.topic)
	return nil
}

func (c *cloud) ingest(payload []byte) []packet {
	b, h, err := wire.DecodeBlock(func(string) (ed25519.PublicKey, error) { return public(boxKey), nil }, payload)
	if err != nil {
		c.t.Fatalf("block: %v", err)
	}
	g := rules.Segment{Epoch: b.Epoch, Stream: b.Stream, Number: b.Segment}
	c.newest = max(c.newest, b.Epoch)
	r := c.rows[g].step()
	refuse := func(reason string) []packet {
		c.refusals = append(c.refusals, wire.Refusal{
			Name:  wire.Name{Epoch: b.Epoch, Stream: b.Stream, Segment: b.Segment, Seq: b.First},
			Block: h, Reason: reason,
		})
		return nil
	}
	switch {
	case b.First > r.seq()+1:
		return refuse("hole")
	case b.End > 0 && (r.seq() > b.End || r.end > 0 && r.end != b.End), r.end > 0 && b.Last() > r.end:
		return refuse("fork")
	}
	if r.seq() == 0 {
		r.before = b.Before
	}
	at := r.before
	if b.First > 1 {
		at = r.hashes[b.First-2]
	}
	if at != b.Before && !at.IsZero() {
		return refuse("fork")
	}
	hash, fresh, base := b.Before, b.Events, b.First-1
	var hashes []wire.Hash
	for i, e := range b.Events {
		hash = wire.Next(hash, e)
		if n := base + uint64(i); n < r.seq() {
			if r.hashes[n] != hash && !r.hashes[n].IsZero() {
				return refuse("fork")
			}
			fresh = b.Events[i+1:]
			continue
		}
		hashes = append(hashes, hash)
	}
	first := r.seq() + 1
	r.hashes = append(slices.Clone(r.hashes), hashes...)
	if b.End > 0 {
		r.end = b.End
	}
	c.rows[g] = r
	for i, e := range fresh {
		c.project(wire.First{Name: wire.Name{Epoch: b.Epoch, Stream: b.Stream, Segment: b.Segment, Seq: first + uint64(i)}, Hash: hashes[i]}, e)
	}
	r = c.rows[g].step()
	c.rows[g] = r
	hint, err := json.Marshal(wire.Hint{Epoch: b.Epoch, Stream: b.Stream, Position: wire.Position{Segment: b.Segment, Seq: r.seq(), Hash: r.hash(), End: r.end}})
	if err != nil {
		c.t.Fatal(err)
	}
	return []packet{{topic: wire.PositionTopic(site), payload: hint}}
}

// step goes over a range that was named lost.
func (r row) step() row {
	for _, l := range r.lost {
		if r.seq()+1 < l.First || r.seq() >= l.Last {
			continue
		}
		r.hashes = slices.Clone(r.hashes)
		for r.seq() < l.Last {
			r.hashes = append(r.hashes, wire.Hash{}) // not known
		}
		r.hashes[l.Last-1] = l.After
	}
	return r
}

// project lets an event take effect once, under its first name.
func (c *cloud) project(name wire.First, raw []byte) {
	e, err := wire.DecodeEvent(raw)
	if err != nil {
		c.t.Fatalf("event %s: %v", name, err)
	}
	if e.Type == wire.LossRecorded {
		var l wire.Loss
		if err := json.Unmarshal(e.Data, &l); err != nil {
			c.t.Fatal(err)
		}
		g := rules.Segment{Epoch: l.Epoch, Stream: l.Stream, Number: l.From}
		r := c.rows[g]
		r.lost = append(slices.Clone(r.lost), l)
		c.rows[g] = r.step()
	}
	if e.Type != happened {
		return
	}
	switch f := e.First; {
	case f != nil:
		o := c.rows[rules.Segment{Epoch: f.Epoch, Stream: f.Stream, Number: f.Segment}]
		if f.Seq <= o.seq() && o.hashes[f.Seq-1] == f.Hash || c.was[*f] {
			return
		}
		c.was[*f] = true
	case c.was[name]:
		return
	}
	var data struct{ ID int }
	if err := json.Unmarshal(e.Data, &data); err != nil {
		c.t.Fatal(err)
	}
	c.effects[data.ID]++
}

func (c *cloud) pulse(payload []byte, now time.Time) []packet {
	var p wire.Pulse
	if err := wire.Open(public(boxKey), wire.ContextPulse, payload, &p); err != nil {
		c.t.Fatalf("pulse: %v", err)
	}
	for _, h := range p.Held {
		c.newest = max(c.newest, h.Epoch)
	}
	c.pulses = append(c.pulses, p)
	var out []packet
	down := func(b []byte) { out = append(out, packet{topic: wire.StateTopic(site), payload: b}) }
	if p.KeySet < 1 {
		down(keySet(c.t))
	}
	if p.State.Version >= c.version.Version && p.State != c.version {
		c.issue(p.State.Version + 1)
	}
	if p.State != c.version {
		down(c.root)
	}
	for _, packed := range c.parts {
		if _, h, err := wire.DecodePart(packed); err != nil {
			c.t.Fatal(err)
		} else if slices.Contains(p.Missing, h) {
			down(packed)
		}
	}
	for _, a := range c.answer(p, now) {
		out = append(out, packet{topic: wire.AnswerTopic(site), payload: sign(c.t, answerKey, wire.ContextAnswer, a)})
	}
	return out
}

// answer says where the cloud stands, on as many pages as c.pages.
func (c *cloud) answer(p wire.Pulse, now time.Time) []wire.Answer {
	c.serial++
	head := wire.Answer{
		Gateway: site, Nonce: p.Nonce, Serial: fmt.Sprintf("%08d", c.serial), Pages: c.pages, Time: wire.At(now),
		Key: "a1", Epoch: c.newest, KeySet: 1, State: c.version,
	}
	rows := c.standing()
	pages := make([]wire.Answer, c.pages)
	for i := range pages {
		pages[i] = head
		pages[i].Page = i + 1
	}
	for i, r := range rows {
		pages[i%c.pages].Rows = append(pages[i%c.pages].Rows, r)
	}
	pages[0].Refusals, c.refusals = c.refusals[:min(len(c.refusals), 50)], nil
	return pages
}

func (c *cloud) standing() (rows []wire.Row) {
	order := slices.SortedFunc(maps.Keys(c.rows), func(a, b rules.Segment) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Number, b.Number))
	})
	for _, g := range order {
		r := c.rows[g]
		if r.seq() == 0 {
			continue
		}
		if n := len(rows); n == 0 || rows[n-1].Epoch != g.Epoch || rows[n-1].Stream != g.Stream {
			rows = append(rows, wire.Row{Epoch: g.Epoch, Stream: g.Stream})
		}
		to := &rows[len(rows)-1]
		n := len(to.Whole)
		switch {
		case r.end == 0 || r.seq() < r.end:
			to.Partial = append(to.Partial, wire.Position{Segment: g.Number, Seq: r.seq(), Hash: r.hash(), End: r.end})
		case n > 0 && to.Whole[n-1].To == g.Number-1 && to.Whole[n-1].Hash == r.before:
			to.Whole[n-1].To, to.Whole[n-1].Hash = g.Number, r.hash()
		default:
			to.Whole = append(to.Whole, wire.Run{From: g.Number, To: g.Number, Hash: r.hash()})
		}
	}
	return rows
}
