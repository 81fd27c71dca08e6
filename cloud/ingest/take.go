package ingest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of what a signed message may make the cloud index. Longer ones are no events of ours.
const (
	maxNumber  = 1 << 62
	maxType    = 64
	maxSubject = 256
)

// Payload is a block as it came from the broker.
type Payload struct {
	Gateway string // by its topic
	Body    []byte
}

// Taken is what became of payloads.
type Taken struct {
	Events int              // logged
	Hints  []fleet.Message  // published already
	Counts map[string]int64 // of blocks by what became of them: taken, known, or the reason for refusing
	wishes bool             // something of the state documents was answered
}

// Take takes blocks of any number of gateways in one transaction: it logs, projects and moves positions, and after the
// commit publishes hints and wakes who waits for Changed. What is refused changes nothing and is counted. An error says
// that the transaction as a whole has failed and nothing was taken.
func (i *Ingest) Take(ctx context.Context, payloads []Payload) (Taken, error) {
	blocks, refused, err := i.open(ctx, payloads)
	if err != nil {
		return Taken{}, err
	}
	var b *batch
	if len(blocks) > 0 {
		err = i.db.Write(ctx, func(tx *store.Tx) error {
			b = &batch{ingest: i, tx: tx, now: i.o.Now(), moved: map[segment]fleet.Position{}, taken: Taken{Counts: maps.Clone(refused)}}
			return b.run(ctx, blocks)
		})
		if err != nil {
			return Taken{}, fmt.Errorf("take %d blocks: %w", len(blocks), err)
		}
	} else {
		b = &batch{taken: Taken{Counts: refused}}
	}
	b.taken.Hints = b.hints()
	i.count(b.taken.Counts)
	i.count(map[string]int64{"events": int64(b.taken.Events)})
	if b.taken.Events > 0 {
		i.wake()
	}
	i.fleet.Publish(b.taken.Hints)
	return b.taken, nil
}

// opened is a block whose signature has verified with key.
type opened struct {
	wire.Block
	hash wire.Hash
	key  ed25519.PublicKey
}

// open unpacks and verifies blocks outside the transaction: that is most of the work, and needs no lock.
func (i *Ingest) open(ctx context.Context, payloads []Payload) ([]opened, map[string]int64, error) {
	keys := map[string]ed25519.PublicKey{}
	err := i.db.Read(ctx, func(tx *store.Tx) error {
		for _, p := range payloads {
			g, err := i.fleet.Gateway(ctx, tx, p.Gateway)
			if err != nil && !errors.Is(err, fleet.ErrUnknown) {
				return err
			}
			keys[p.Gateway] = g.EventKey
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var out []opened
	refused := map[string]int64{}
	for _, p := range payloads {
		b, err := openOne(p, keys[p.Gateway])
		if err != nil {
			refused[reason(err)]++
			i.o.Log.Warn("block refused", "gateway", p.Gateway, "err", err)
			continue
		}
		out = append(out, b)
	}
	return out, refused, nil
}

func openOne(p Payload, key ed25519.PublicKey) (opened, error) {
	b, hash, err := wire.DecodeBlock(func(gateway string) (ed25519.PublicKey, error) {
		switch {
		case gateway != p.Gateway:
			return nil, wire.ErrContext
		case key == nil:
			return nil, fleet.ErrUnknown
		}
		return key, nil
	}, p.Body)
	if err == nil && (max(b.Epoch, b.Segment, b.First, b.End) > maxNumber || len(b.Events) > wire.SegmentEvents) {
		err = wire.ErrFormat
	}
	return opened{b, hash, key}, err
}

type segment struct {
	gateway string
	epoch   uint64
	stream  wire.Stream
	number  uint64
}

// batch is one transaction of Take.
type batch struct {
	ingest  *Ingest
	tx      *store.Tx
	now     time.Time
	boxes   map[string]fleet.Gateway
	claimed map[string][]wire.Row
	moved   map[segment]fleet.Position
	taken   Taken
}

// run locks the gateways in the order of their ids and then takes the blocks in theirs.
func (b *batch) run(ctx context.Context, blocks []opened) (err error) {
	ids := make([]string, len(blocks))
	for n, block := range blocks {
		ids[n] = block.Gateway
	}
	if b.boxes, err = b.ingest.fleet.Lock(ctx, b.tx, ids); err != nil {
		return err
	}
	for _, block := range blocks {
		if !bytes.Equal(b.boxes[block.Gateway].EventKey, block.key) {
			b.taken.Counts["signature"]++ // the key was exchanged since the block was opened
			continue
		}
		err := b.take(ctx, block)
		if err != nil {
			if err = b.refuse(ctx, block, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// take takes one block as far as it is good. The error of a block that is not whole is a verdict for refuse.
func (b *batch) take(ctx context.Context, block opened) error {
	f := b.ingest.fleet
	epoch, err := f.Register(ctx, b.tx, block.Gateway, block.Epoch, b.now)
	if err != nil {
		return err
	}
	before, err := f.Position(ctx, b.tx, block.Gateway, block.Epoch, block.Stream, block.Segment)
	if err != nil {
		return err
	}
	after, links, err := before.Take(block.Block)
	if errors.Is(err, fleet.ErrHole) {
		if before, err = f.Overcome(ctx, b.tx, before); err != nil {
			return err
		}
		after, links, err = before.Take(block.Block)
	}
	if err != nil {
		return err
	}
	if len(links) == 0 && after == before {
		b.taken.Counts["known"]++
		return nil
	}
	if err := seeded(block.Block, links, epoch.Nonce); err != nil {
		return err
	}
	events, bad := decode(links)
	if bad != nil {
		cut := block.Block
		cut.Events = cut.Events[:len(cut.Events)-len(links)+len(events)]
		links = links[:len(events)]
		if len(links) == 0 {
			return bad
		}
		if after, links, err = before.Take(cut); err != nil {
			return err
		}
	}
	if err := b.commit(ctx, after, links, events, epoch.Muted > 0); err != nil {
		return err
	}
	return verdict(bad)
}

// verdict keeps a nil *refusal from becoming an error.
func verdict(r *refusal) error {
	if r == nil {
		return nil
	}
	return r
}

// commit logs and projects new events and moves the position over them.
func (b *batch) commit(ctx context.Context, after fleet.Position, links []fleet.Link, events []wire.Event, muted bool) error {
	if err := b.log(ctx, after, links, events, muted); err != nil {
		return err
	}
	if err := b.ingest.fleet.Move(ctx, b.tx, after, b.now); err != nil {
		return err
	}
	b.moved[segment{after.Gateway, after.Epoch, after.Stream, after.Segment}] = after
	b.taken.Events += len(links)
	b.taken.Counts["taken"]++
	return nil
}

// seeded checks that a first segment goes on from the seed of its epoch, where its nonce is known.
func seeded(block wire.Block, links []fleet.Link, nonce wire.Hash) error {
	if block.Segment != 1 || block.First != 1 || len(links) == 0 || links[0].Seq != 1 {
		return nil
	}
	if first, err := wire.DecodeEvent(links[0].Event); err == nil && first.Type == wire.EpochStarted && first.First == nil {
		var start wire.EpochStart
		if err := json.Unmarshal(first.Data, &start); err == nil {
			nonce = start.Nonce
		}
	}
	if nonce.IsZero() || wire.EpochSeed(block.Gateway, block.Epoch, block.Stream, nonce) == block.Before {
		return nil
	}
	return fmt.Errorf("seed of epoch %d: %w", block.Epoch, wire.ErrChain)
}

// refusal is the verdict on one event that is signed and yet none.
type refusal struct{ seq uint64 }

func (r *refusal) Error() string { return fmt.Sprintf("event %d cannot be decoded", r.seq) }

// decode decodes events up to the first that is none.
func decode(links []fleet.Link) ([]wire.Event, *refusal) {
	events := make([]wire.Event, 0, len(links))
	for _, l := range links {
		e, err := wire.DecodeEvent(l.Event)
		if err != nil || !storable(l.Event, e) {
			return events, &refusal{l.Seq}
		}
		events = append(events, e)
	}
	return events, nil
}

// storable tells whether both engines can hold an event: PostgreSQL takes no NUL and no broken UTF-8 in a text, and no
// key of any length.
func storable(raw []byte, e wire.Event) bool {
	ok := utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\u0000`)) && len(e.Type) <= maxType && len(e.Subject) <= maxSubject && e.Version <= maxNumber
	if e.First != nil {
		n := e.First.Name
		ok = ok && n.Stream.Valid() && n.Epoch > 0 && n.Segment > 0 && n.Seq > 0 && max(n.Epoch, n.Segment, n.Seq) <= maxNumber
	}
	return ok
}

// refuse remembers a verdict for the next answer. What is no verdict ends the transaction.
func (b *batch) refuse(ctx context.Context, block opened, err error) error {
	r := wire.Refusal{Name: wire.Name{Epoch: block.Epoch, Stream: block.Stream, Segment: block.Segment, Seq: block.First}, Block: block.hash}
	alarm := ""
	bad, undecodable := errors.AsType[*refusal](err)
	switch {
	case errors.Is(err, fleet.ErrLost):
		b.taken.Counts["lost"]++
		return nil
	case undecodable:
		r.Seq, r.Reason, alarm = bad.seq, "decode", fleet.AlarmDecode
	case errors.Is(err, fleet.ErrHole):
		r.Reason = "hole"
	case errors.Is(err, fleet.ErrFork):
		r.Reason, alarm = "fork", fleet.AlarmFork
	case errors.Is(err, wire.ErrChain):
		r.Reason, alarm = "chain", fleet.AlarmFork
	default:
		return err
	}
	b.taken.Counts[r.Reason]++
	b.ingest.o.Log.Warn("block refused", "gateway", block.Gateway, "name", r.Name.String(), "err", err)
	if err := b.ingest.fleet.Refuse(ctx, b.tx, block.Gateway, r, b.now); err != nil || alarm == "" {
		return err
	}
	r.Seq = 0
	return b.ingest.fleet.Raise(ctx, b.tx, block.Gateway, alarm, r.Name.String(), b.now)
}

// hints are the notes that move the gateways' send windows, in a fixed order.
func (b *batch) hints() []fleet.Message {
	order := slices.SortedFunc(maps.Values(b.moved), func(x, y fleet.Position) int {
		return slices.Compare([]string{x.Gateway, x.Name(0).String()}, []string{y.Gateway, y.Name(0).String()})
	})
	var out []fleet.Message
	for _, p := range order {
		payload, err := json.Marshal(wire.Hint{Epoch: p.Epoch, Stream: p.Stream, Position: wire.Position{Segment: p.Segment, Seq: p.Seq, Hash: p.Hash, End: p.End}})
		if err != nil {
			panic(fmt.Sprintf("ingest: a hint does not encode: %v", err))
		}
		out = append(out, fleet.Message{Topic: wire.PositionTopic(p.Gateway), Payload: payload})
	}
	return out
}
