package store

import (
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Append encodes an event and adds it to the living epoch's stream: bytes, chain hash and the segment's standing, in
// the transaction that holds the state (invariant 1). It gives the event's name. An event must leave 512 bytes of
// wire.MaxEvent free, so that it can be appended again with its first name; ErrSize otherwise. A segment that is full
// (wire.SegmentEvents, wire.SegmentBytes) is sealed by the event that no longer fits.
func (tx *Tx) Append(s wire.Stream, ev wire.Event) (wire.Name, error) {
	b, err := wire.EncodeEvent(ev)
	if err != nil {
		return wire.Name{}, err
	}
	if ev.First == nil && len(b) > maxFresh {
		return wire.Name{}, fmt.Errorf("event %s of %s: %d bytes, at most %d: %w",
			ev.Type, ev.Subject, len(b), maxFresh, wire.ErrSize)
	}
	return tx.append(s, b, ev.Wall)
}

// append adds the bytes of an event.
func (tx *Tx) append(s wire.Stream, event []byte, wall wire.Micros) (wire.Name, error) {
	i, g, err := tx.living(s)
	if err != nil {
		return wire.Name{}, err
	}
	if g.Last > 0 && (g.Last >= wire.SegmentEvents || g.Bytes+int64(len(event)) > wire.SegmentBytes) {
		if i, g, err = tx.next(i, g); err != nil {
			return wire.Name{}, err
		}
	}
	if g.Last == 0 {
		g.Oldest, g.Newest = wall, wall
	}
	g.Last++
	g.Head = wire.Next(g.Head, event)
	g.Bytes += int64(len(event))
	g.Oldest, g.Newest = min(g.Oldest, wall), max(g.Newest, wall)
	if err := tx.add(i, g.Last, g.Head, event); err != nil {
		return wire.Name{}, err
	}
	if err := tx.putSegment(i, g); err != nil {
		return wire.Name{}, err
	}
	tx.appended = true
	return wire.Name{Epoch: i.epoch, Stream: i.stream, Segment: i.number, Seq: g.Last}, nil
}

// next seals a segment and begins the one after it.
func (tx *Tx) next(i id, g Segment) (id, Segment, error) {
	g.Sealed = true
	if err := tx.putSegment(i, g); err != nil {
		return i, g, err
	}
	i.number++
	n, err := tx.begin(i, g.Head)
	return i, n, err
}

// Seal closes the newest segment of the living epoch's stream if it holds anything; the next one is then the newest,
// with nothing in it.
func (tx *Tx) Seal(s wire.Stream) error {
	i, g, err := tx.living(s)
	if err != nil || g.Last == 0 {
		return err
	}
	_, _, err = tx.next(i, g)
	return err
}

// Epoch is the living epoch's number; 0 when its record is damaged, which Heads and Append report.
func (tx *Tx) Epoch() uint64 {
	n, err := tx.number(keyEpoch)
	if err != nil {
		return 0
	}
	return n
}

// Heads says where every (epoch, stream) held stands, by epoch, audit before telemetry. Oldest counts an empty newest
// segment, too: below it nothing will ever come. Of older epochs only those are there that still hold events.
func (tx *Tx) Heads() ([]wire.Head, error) {
	if _, err := tx.number(keyEpoch); err != nil {
		return nil, err
	}
	var heads []wire.Head
	segments := tx.b.Bucket([]byte(spaceSegments)).Cursor()
	err := tx.each(spaceNewest, "", func(prefix string, number []byte) error {
		newest, err := parseID(prefix + string(number))
		if err != nil {
			return err
		}
		k, _ := segments.Seek([]byte(prefix))
		oldest, err := parseID(string(k))
		if err != nil {
			return err
		}
		g, err := tx.segment(newest)
		if err != nil {
			return err
		}
		heads = append(heads, wire.Head{
			Epoch: newest.epoch, Stream: newest.stream, Oldest: oldest.number,
			Segment: newest.number, Seq: g.Last, Hash: g.Head,
		})
		return nil
	})
	return heads, err
}

// Segments gives the segments held of an (epoch, stream), oldest first; none is no error. The last one of the living
// epoch is not sealed and may be empty. Damaged standings are left out and joined as ErrDamaged.
func (tx *Tx) Segments(epoch uint64, s wire.Stream) ([]Segment, error) {
	delivered, err := tx.row(epoch, s)
	if err != nil {
		return nil, err
	}
	var segments []Segment
	prefix := id{epoch: epoch, stream: s}.prefix()
	err = tx.each(spaceSegments, prefix, func(key string, value []byte) error {
		i, err := parseID(key)
		if err != nil {
			return err
		}
		g, err := decodeSegment(i, value)
		if err != nil {
			return err
		}
		g.Delivered = position(delivered, g)
		segments = append(segments, g)
		return nil
	})
	return segments, err
}

// HashAt gives the chain hash after an event; seq 0 is before the first one. ErrNotHeld says that the segment is not
// held or shorter.
func (tx *Tx) HashAt(epoch uint64, s wire.Stream, segment, seq uint64) (wire.Hash, error) {
	i := id{epoch, s, segment}
	g, err := tx.segment(i)
	switch {
	case err != nil:
		return wire.Hash{}, err
	case seq == 0:
		return g.Before, nil
	case seq > g.Last:
		return wire.Hash{}, fmt.Errorf("event %s/%d, the last is %d: %w", i, seq, g.Last, ErrNotHeld)
	}
	h, _, err := tx.records(i).at(seq)
	return h, err
}

// Block gives events of a segment from a seq on: as many as there are, at most maxEvents, and at most maxBytes of them
// counted with their newlines, but at least one. Every event is checked against the chain on the way: the block ends
// before one that does not hold, and one that would begin with it is refused with ErrDamaged, which names the event.
// ErrNotHeld says that there is no such event. The events are copies; End is set when the segment is sealed.
func (tx *Tx) Block(epoch uint64, s wire.Stream, segment, from uint64, maxEvents, maxBytes int) (wire.Block, error) {
	i := id{epoch, s, segment}
	g, err := tx.segment(i)
	if err != nil {
		return wire.Block{}, err
	}
	if from == 0 || from > g.Last {
		return wire.Block{}, fmt.Errorf("event %s/%d, the last is %d: %w", i, from, g.Last, ErrNotHeld)
	}
	before, err := tx.HashAt(epoch, s, segment, from-1)
	if errors.Is(err, ErrDamaged) { // a block may begin after a range that is lost
		if lost, found, e := tx.Damage(epoch, s, segment, from-1); e == nil && found && lost.Last == from-1 {
			before, err = lost.After, nil
		}
	}
	if err != nil {
		return wire.Block{}, err
	}
	block := wire.Block{Gateway: tx.s.gateway, Epoch: epoch, Stream: s, Segment: segment, First: from, Before: before}
	if g.Sealed {
		block.End = g.Last
	}
	h, size, r := before, 0, tx.records(i)
	for seq := from; seq <= g.Last; seq++ {
		after, event, err := r.at(seq)
		if err == nil && wire.Next(h, event) != after {
			err = fmt.Errorf("event %s/%d: chain: %w", i, seq, ErrDamaged)
		}
		if err != nil {
			if len(block.Events) > 0 && errors.Is(err, ErrDamaged) {
				break
			}
			return wire.Block{}, err
		}
		h, size = after, size+len(event)+1
		if len(block.Events) > 0 && (size > maxBytes || len(block.Events) >= maxEvents) {
			break
		}
		block.Events = append(block.Events, append([]byte{}, event...))
	}
	return block, nil
}
