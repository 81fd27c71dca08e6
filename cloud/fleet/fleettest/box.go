// Package fleettest is the other end of the wire for tests of the cloud: a box in memory that chains, seals, signs and
// sends as docs/wire.md says, and that a test may copy, roll back and damage; and keys for a cloud.
package fleettest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Segment is one segment that a box holds.
type Segment struct {
	Epoch     uint64
	Stream    wire.Stream
	Number    uint64
	Before    wire.Hash
	Events    [][]byte
	Hashes    []wire.Hash // after each event
	Sealed    bool
	Delivered uint64 // as answers have said
	Settled   bool   // whole or lost in the cloud
}

// Head is the last seq.
func (s Segment) Head() uint64 { return uint64(len(s.Events)) }

// At is the chain hash at a seq.
func (s Segment) At(seq uint64) wire.Hash {
	if seq == 0 {
		return s.Before
	}
	return s.Hashes[seq-1]
}

// Box is a gateway without locks and doors. It is not safe for concurrent use.
type Box struct {
	T        testing.TB
	ID       string
	Key      ed25519.PrivateKey
	Keys     wire.KeySet // of the cloud, for checking answers
	Epoch    uint64
	Segments []Segment // in the order in which they began
	Boot     uint64
	Counter  uint64
	Wall     wire.Micros
	State    wire.StateVersion
	KeySet   uint64
	Missing  []wire.Hash
	Health   wire.Health
	Echo     string // serial of the last answer accepted
	Forks    int
	nonce    string // of the newest pulse
	fresh    bool   // no answer accepted since boot
	salt     byte   // makes another life another nonce
}

// New makes a box in its first epoch. Equal ids have equal keys.
func New(t testing.TB, id string) *Box {
	b := &Box{T: t, ID: id, Key: key(id), Boot: 1, fresh: true, Wall: 1_790_000_000_000_000}
	b.Health = wire.Health{Config: "ok", DiskFree: 1 << 40, StoreSize: 1}
	b.Start(1, "first_boot", nil)
	return b
}

func key(id string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("box " + id))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Public is the half of its key that the cloud knows.
func (b *Box) Public() ed25519.PublicKey { return b.Key.Public().(ed25519.PublicKey) }

// Copy is the same disk in another box, or a backup of it: it boots anew.
func (b *Box) Copy() *Box {
	c := *b
	c.Segments = slices.Clone(b.Segments)
	for i := range c.Segments {
		c.Segments[i].Events = slices.Clone(b.Segments[i].Events)
		c.Segments[i].Hashes = slices.Clone(b.Segments[i].Hashes)
	}
	c.Boot++
	c.Counter, c.Echo, c.nonce, c.fresh = 0, "", "", true
	c.salt += 101
	return &c
}

// Start begins an epoch, whose first event names its predecessor, and appends events again in it.
func (b *Box) Start(number uint64, cause string, again []Again) {
	previous := b.Epoch
	for i := range b.Segments {
		b.Segments[i].Sealed = true
	}
	b.Segments = slices.DeleteFunc(b.Segments, func(s Segment) bool { return s.Head() == 0 })
	nonce := wire.Hash{15: b.salt}
	sum := sha256.Sum256(fmt.Append(nil, b.ID, number, b.salt))
	copy(nonce[:16], sum[:16])
	b.Epoch = number
	for _, s := range []wire.Stream{wire.Audit, wire.Telemetry} {
		b.Segments = append(b.Segments, Segment{Epoch: number, Stream: s, Number: 1, Before: wire.EpochSeed(b.ID, number, s, nonce)})
	}
	b.Append(wire.Audit, wire.Event{Type: wire.EpochStarted, Subject: "gateway/" + b.ID, Data: wire.Raw(wire.EpochStart{Previous: previous, Cause: cause, Nonce: nonce})})
	for _, a := range again {
		b.Append(a.Stream, a.Event)
	}
}

// Again is an event to be appended again.
type Again struct {
	Stream wire.Stream
	Event  wire.Event
}

// Append appends an event to the living segment of a stream and gives its name. Missing stamps are filled in.
func (b *Box) Append(s wire.Stream, e wire.Event) wire.Name {
	b.T.Helper()
	if e.Wall == 0 {
		b.Wall++
		e.Wall = b.Wall
	}
	if e.Clock == "" {
		e.Clock, e.Boot = wire.FromAnswer, b.Boot
	}
	raw, err := wire.EncodeEvent(e)
	if err != nil {
		b.T.Fatal(err)
	}
	return b.AppendRaw(s, raw)
}

// AppendRaw appends bytes, whatever they are.
func (b *Box) AppendRaw(s wire.Stream, raw []byte) wire.Name {
	seg := b.living(s)
	seg.Events = append(seg.Events, raw)
	seg.Hashes = append(seg.Hashes, wire.Next(seg.At(seg.Head()-1), raw))
	return wire.Name{Epoch: seg.Epoch, Stream: s, Segment: seg.Number, Seq: seg.Head()}
}

func (b *Box) living(s wire.Stream) *Segment {
	for i, seg := range slices.Backward(b.Segments) {
		if seg.Epoch == b.Epoch && seg.Stream == s {
			return &b.Segments[i]
		}
	}
	b.T.Fatalf("box %s has no living segment of %s", b.ID, s)
	return nil
}

// Seal closes the living segment of a stream if it holds anything.
func (b *Box) Seal(s wire.Stream) {
	seg := b.living(s)
	if seg.Head() == 0 {
		return
	}
	seg.Sealed = true
	b.Segments = append(b.Segments, Segment{Epoch: seg.Epoch, Stream: s, Number: seg.Number + 1, Before: seg.At(seg.Head())})
}

// Drop removes a sealed segment and names the loss, as age or quota would.
func (b *Box) Drop(i int) {
	s := b.Segments[i]
	b.Segments = slices.Delete(b.Segments, i, i+1)
	b.Append(wire.Audit, wire.Event{Type: wire.LossRecorded, Subject: "gateway/" + b.ID, Data: wire.Raw(wire.Loss{
		Epoch: s.Epoch, Stream: s.Stream, From: s.Number, To: s.Number, First: 1, Last: s.Head(), Before: s.Before, After: s.At(s.Head()), Cause: "age",
	})})
}

// Block signs events from..to of a segment.
func (b *Box) Block(s Segment, from, to uint64) []byte {
	b.T.Helper()
	block := wire.Block{Gateway: b.ID, Epoch: s.Epoch, Stream: s.Stream, Segment: s.Number, First: from, Before: s.At(from - 1), Events: s.Events[from-1 : to]}
	if s.Sealed && to == s.Head() {
		block.End = to
	}
	return b.Sign(block)
}

// Sign signs any block.
func (b *Box) Sign(block wire.Block) []byte {
	b.T.Helper()
	payload, err := wire.EncodeBlock(b.Key, block)
	if err != nil {
		b.T.Fatal(err)
	}
	return payload
}

// Backlog are the blocks, of at most size events, of everything that no answer has said to be delivered: newest segment
// first.
func (b *Box) Backlog(size int) [][]byte {
	b.T.Helper()
	var out [][]byte
	for _, s := range slices.Backward(b.Segments) {
		for from := s.Delivered + 1; from <= s.Head() && !s.Settled; from += uint64(size) {
			out = append(out, b.Block(s, from, min(from+uint64(size)-1, s.Head())))
		}
	}
	return out
}

// Pulse is the next sign of life.
func (b *Box) Pulse() []byte {
	b.T.Helper()
	b.Counter++
	b.nonce = fmt.Sprintf("%d-%d-%d", b.salt, b.Boot, b.Counter)
	p := wire.Pulse{
		Gateway: b.ID, Nonce: b.nonce, Boot: b.Boot, Counter: b.Counter, Connection: 1, Answer: b.Echo, Version: "test", KeySet: b.KeySet,
		State: b.State, Missing: b.Missing, Held: b.Heads(), Delivered: b.Marked(), Wall: b.Wall, Clock: wire.FromAnswer, Health: b.Health,
	}
	return b.SignPulse(p)
}

// Will is the last will of the connection that began with a counter.
func (b *Box) Will(counter uint64) []byte {
	return b.SignPulse(wire.Pulse{Gateway: b.ID, Will: true, Nonce: "will", Boot: b.Boot, Counter: counter})
}

// SignPulse signs any pulse.
func (b *Box) SignPulse(p wire.Pulse) []byte {
	b.T.Helper()
	signed, err := wire.Sign(b.Key, wire.ContextPulse, p)
	if err != nil {
		b.T.Fatal(err)
	}
	return signed
}

// Heads names the oldest and newest segment of every epoch and stream held.
func (b *Box) Heads() []wire.Head {
	var heads []wire.Head
	for _, s := range b.Segments {
		i := slices.IndexFunc(heads, func(h wire.Head) bool { return h.Epoch == s.Epoch && h.Stream == s.Stream })
		if i < 0 {
			heads = append(heads, wire.Head{Epoch: s.Epoch, Stream: s.Stream})
			i = len(heads) - 1
		}
		if h := &heads[i]; s.Head() > 0 && h.Oldest == 0 {
			h.Oldest = s.Number
		}
		heads[i].Segment, heads[i].Seq, heads[i].Hash = s.Number, s.Head(), s.At(s.Head())
	}
	return heads
}

// Marked are the rows that answers have marked delivered.
func (b *Box) Marked() []wire.Row {
	var rows []wire.Row
	for _, s := range b.Segments {
		if s.Delivered > 0 {
			rows = append(rows, wire.Row{Epoch: s.Epoch, Stream: s.Stream, Partial: []wire.Position{{Segment: s.Number, Seq: s.Delivered, Hash: s.At(s.Delivered)}}})
		}
	}
	return rows
}
