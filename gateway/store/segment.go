package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Segment is where one segment of the log stands.
type Segment struct {
	Number    uint64        // from 1, without holes
	Last      uint64        // seq of its last event; 0: none yet
	Before    wire.Hash     // chain hash before its first event
	Head      wire.Hash     // chain hash after its last event
	Sealed    bool          // nothing will be added
	Bytes     int64         // of its events
	Delivered wire.Position // as marked by the last MarkDelivered; zero: nothing is
	Oldest    wire.Micros   // earliest wall time of its events; 0: none yet
	Newest    wire.Micros   // latest wall time of its events
}

// Whole tells whether every event of the segment is delivered: up to its last one, and with its hash.
func (g Segment) Whole() bool {
	return g.Last == 0 || g.Delivered.Seq == g.Last && g.Delivered.Hash == g.Head
}

// id names a segment.
type id struct {
	epoch  uint64
	stream wire.Stream
	number uint64
}

func (i id) String() string { return fmt.Sprintf("%d/%s/%d", i.epoch, i.stream, i.number) }

const idBytes = 17

// letter tells the streams apart in keys, audit first.
func letter(s wire.Stream) byte {
	if s == wire.Audit {
		return 'a'
	}
	return 't'
}

// key orders segments by epoch, stream and number.
func (i id) key() string { return i.prefix() + string(binary.BigEndian.AppendUint64(nil, i.number)) }

// prefix is common to the keys of all segments of an (epoch, stream).
func (i id) prefix() string {
	return string(append(binary.BigEndian.AppendUint64(nil, i.epoch), letter(i.stream)))
}

func parseID(key string) (id, error) {
	if len(key) != idBytes {
		return id{}, fmt.Errorf("%s %q: %w", spaceSegments, key, ErrDamaged)
	}
	i := id{epoch: binary.BigEndian.Uint64([]byte(key)), number: binary.BigEndian.Uint64([]byte(key[9:]))}
	switch key[8] {
	case letter(wire.Audit):
		i.stream = wire.Audit
	case letter(wire.Telemetry):
		i.stream = wire.Telemetry
	default:
		return id{}, fmt.Errorf("%s %q: %w", spaceSegments, key, ErrDamaged)
	}
	return i, nil
}

// segmentBytes is the length of an encoded Segment: before, head, last, bytes, oldest, newest, sealed.
const segmentBytes = 32 + 32 + 8 + 8 + 8 + 8 + 1

// encode leaves out what the key says, and what is marked delivered: that is kept as the answers said it.
func (g Segment) encode() []byte {
	b := make([]byte, 0, segmentBytes)
	b = append(append(b, g.Before[:]...), g.Head[:]...)
	for _, n := range [...]uint64{g.Last, uint64(g.Bytes), uint64(g.Oldest), uint64(g.Newest)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	if g.Sealed {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeSegment(i id, b []byte) (Segment, error) {
	g := Segment{Number: i.number}
	if len(b) != segmentBytes {
		return g, fmt.Errorf("segment %s: %w", i, ErrDamaged)
	}
	b = b[copy(g.Before[:], b):]
	b = b[copy(g.Head[:], b):]
	n := func(at int) uint64 { return binary.BigEndian.Uint64(b[8*at:]) }
	g.Last, g.Bytes, g.Oldest, g.Newest = n(0), int64(n(1)), wire.Micros(n(2)), wire.Micros(n(3))
	g.Sealed = b[32] == 1
	return g, nil
}

// segment reads one segment's standing, without what is delivered of it. ErrNotHeld says that there is none.
func (tx *Tx) segment(i id) (Segment, error) {
	b, err := tx.get(spaceSegments, i.key())
	if err != nil {
		return Segment{}, fmt.Errorf("segment %s: %w", i, err)
	}
	if b == nil {
		return Segment{}, fmt.Errorf("segment %s: %w", i, ErrNotHeld)
	}
	return decodeSegment(i, b)
}

func (tx *Tx) putSegment(i id, g Segment) error { return tx.put(spaceSegments, i.key(), g.encode()) }

// newest finds the newest segment of an (epoch, stream); found is false when none is held. It has a record of its own:
// a cursor of bbolt going backwards stops at a page that this transaction has emptied.
func (tx *Tx) newest(epoch uint64, s wire.Stream) (i id, found bool, err error) {
	i = id{epoch: epoch, stream: s}
	b, err := tx.get(spaceNewest, i.prefix())
	if err != nil || b == nil {
		return i, false, err
	}
	if len(b) != 8 {
		return i, false, fmt.Errorf("%s %q: %w", spaceNewest, i.prefix(), ErrDamaged)
	}
	i.number = binary.BigEndian.Uint64(b)
	return i, true, nil
}

// begin adds an empty segment as the newest of its (epoch, stream).
func (tx *Tx) begin(i id, before wire.Hash) (Segment, error) {
	g := Segment{Number: i.number, Before: before, Head: before}
	if err := tx.putNewest(i); err != nil {
		return g, err
	}
	return g, tx.putSegment(i, g)
}

func (tx *Tx) putNewest(i id) error {
	return tx.put(spaceNewest, i.prefix(), binary.BigEndian.AppendUint64(nil, i.number))
}

// living is the segment of the living epoch that takes the next event.
func (tx *Tx) living(s wire.Stream) (id, Segment, error) {
	epoch, err := tx.number(keyEpoch)
	if err != nil {
		return id{}, Segment{}, err
	}
	if !s.Valid() {
		return id{}, Segment{}, fmt.Errorf("stream %q: %w", s, wire.ErrFormat)
	}
	i, found, err := tx.newest(epoch, s)
	if err != nil {
		return i, Segment{}, err
	}
	if !found {
		return i, Segment{}, fmt.Errorf("living segment %d/%s: %w", epoch, s, ErrNotHeld)
	}
	g, err := tx.segment(i)
	return i, g, err
}

// discard removes a segment with its events and without a word: whoever calls it has named them elsewhere.
func (tx *Tx) discard(i id) error {
	if err := tx.remove(spaceSegments, i.key()); err != nil {
		return err
	}
	if err := tx.retreat(i); err != nil {
		return err
	}
	log := tx.b.Bucket([]byte(bucketLog))
	if log.Bucket([]byte(i.key())) == nil {
		return nil
	}
	if err := log.DeleteBucket([]byte(i.key())); err != nil {
		return fmt.Errorf("segment %s: %w", i, err)
	}
	return nil
}

// retreat finds the newest segment again when gone was it.
func (tx *Tx) retreat(gone id) error {
	newest, found, err := tx.newest(gone.epoch, gone.stream)
	if err != nil || !found || newest != gone {
		return err
	}
	last := ""
	c := tx.b.Bucket([]byte(spaceSegments)).Cursor()
	for k, _ := c.Seek([]byte(gone.prefix())); bytes.HasPrefix(k, []byte(gone.prefix())); k, _ = c.Next() {
		last = string(k)
	}
	if last == "" {
		return tx.remove(spaceNewest, gone.prefix())
	}
	i, err := parseID(last)
	if err != nil {
		return err
	}
	return tx.putNewest(i)
}
