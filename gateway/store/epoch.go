package store

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Causes of a new epoch (wire.EpochStart) and of a loss (wire.Loss).
const (
	CauseFirstBoot = "first_boot"
	CauseSalvage   = "salvage"
	CauseExchange  = "exchange"
	CauseFork      = "fork"
	CauseClone     = "clone"

	LossAge     = "age"
	LossQuota   = "quota"
	LossDamaged = "damaged"
)

// Again names an event that is to be appended again; Seq 0 names all events of its segment.
type Again = wire.Name

// StartEpoch makes a new living epoch. Its audit stream begins with epoch.started, which names the predecessor, the
// cause and 128 new random bits, with the wall time, clock, monotonic time and boot of stamp. Then the events of again
// follow as AppendAgain does it. ErrEpoch says that number is not above the living epoch's.
//
// The older epoch's segments stay held and sendable. Its newest ones are sealed here: nothing can be added to them, so
// their blocks may name their end; one that holds nothing is removed, for it has no end to name.
func (tx *Tx) StartEpoch(number uint64, cause string, again []Again, stamp wire.Event) error {
	previous, err := tx.number(keyEpoch)
	if err != nil {
		return err
	}
	if number <= previous {
		return fmt.Errorf("epoch %d after %d: %w", number, previous, ErrEpoch)
	}
	if previous > 0 {
		for _, s := range streams() {
			if err := tx.end(s); err != nil {
				return err
			}
		}
	}
	if err := tx.putNumber(keyEpoch, number); err != nil {
		return err
	}
	start := wire.EpochStart{Previous: previous, Cause: cause}
	if _, err := rand.Read(start.Nonce[:16]); err != nil {
		return fmt.Errorf("epoch %d: %w", number, err)
	}
	for _, s := range streams() {
		if _, err := tx.begin(id{number, s, 1}, wire.EpochSeed(tx.s.gateway, number, s, start.Nonce)); err != nil {
			return err
		}
	}
	ev := stamped(stamp, wire.EpochStarted, fmt.Sprintf("epoch/%d", number), start)
	if _, err := tx.Append(wire.Audit, ev); err != nil {
		return err
	}
	return tx.AppendAgain(again, stamp)
}

func streams() [2]wire.Stream { return [2]wire.Stream{wire.Audit, wire.Telemetry} }

// stamped makes an event with the time of another.
func stamped(stamp wire.Event, kind, subject string, data any) wire.Event {
	return wire.Event{
		Type: kind, Subject: subject, Data: wire.Raw(data),
		Wall: stamp.Wall, Clock: stamp.Clock, Mono: stamp.Mono, Boot: stamp.Boot,
	}
}

// end seals the newest segment of an epoch that is about to be succeeded, or removes it when it is empty.
func (tx *Tx) end(s wire.Stream) error {
	i, g, err := tx.living(s)
	if err != nil {
		return err
	}
	if g.Last == 0 {
		return tx.discard(i)
	}
	g.Sealed = true
	return tx.putSegment(i, g)
}

// AppendAgain moves whole segments of older epochs into the living one: each event named is appended to its stream
// with its bytes unchanged but for its first name and the chain hash it had there, or with those it carries already.
// The segments are removed in the same transaction, since they cannot be sent under their old names any more. Events
// keep the order in which again lists them. One that is damaged is named by a loss event with the time of stamp.
// ErrPartial says that a segment was not named whole, ErrNotHeld that one is not there, ErrNotSealed that one belongs
// to the living epoch.
func (tx *Tx) AppendAgain(again []Again, stamp wire.Event) error {
	moved, err := tx.spread(again)
	if err != nil {
		return err
	}
	for _, m := range moved {
		if err := tx.move(m, stamp); err != nil {
			return err
		}
	}
	for _, m := range moved {
		if err := tx.discard(m.id); err != nil {
			return err
		}
	}
	return nil
}

// moving is one segment on its way into the living epoch.
type moving struct {
	id   id
	g    Segment
	seqs []uint64 // nil: all
}

// spread sorts the names of again by segment, in the order of their first mention, and checks that each is whole.
func (tx *Tx) spread(again []Again) ([]moving, error) {
	living, err := tx.number(keyEpoch)
	if err != nil {
		return nil, err
	}
	var moved []moving
	at := map[id]int{}
	for _, n := range again {
		i := id{n.Epoch, n.Stream, n.Segment}
		k, seen := at[i]
		if !seen {
			g, err := tx.segment(i)
			if err != nil {
				return nil, err
			}
			if !g.Sealed || i.epoch == living {
				return nil, fmt.Errorf("segment %s: %w", i, ErrNotSealed)
			}
			k = len(moved)
			at[i], moved = k, append(moved, moving{id: i, g: g})
		}
		if n.Seq > 0 {
			moved[k].seqs = append(moved[k].seqs, n.Seq)
		}
	}
	for k := range moved {
		if err := moved[k].whole(); err != nil {
			return nil, err
		}
	}
	return moved, nil
}

func (m *moving) whole() error {
	if m.seqs == nil {
		for seq := uint64(1); seq <= m.g.Last; seq++ {
			m.seqs = append(m.seqs, seq)
		}
		return nil
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(m.seqs)))
	if uint64(len(sorted)) != m.g.Last || len(sorted) != len(m.seqs) || sorted[len(sorted)-1] != m.g.Last {
		return fmt.Errorf("segment %s: %d of %d events named: %w", m.id, len(m.seqs), m.g.Last, ErrPartial)
	}
	return nil
}

// move appends the events of one segment again.
func (tx *Tx) move(m moving, stamp wire.Event) error {
	var lost wire.Loss // the damaged range that is open; First 0: none
	r := tx.records(m.id)
	for _, seq := range m.seqs {
		h, event, err := r.at(seq)
		var ev wire.Event
		if err == nil {
			ev, err = wire.DecodeEvent(event)
		}
		if err != nil {
			if lost.First == 0 {
				lost = wire.Loss{Epoch: m.id.epoch, Stream: m.id.stream, From: m.id.number, To: m.id.number,
					First: seq, Cause: LossDamaged}
			}
			lost.Last = seq
			continue
		}
		if err := tx.recordLoss(&lost, stamp); err != nil {
			return err
		}
		b := bytes.Clone(event)
		if ev.First == nil {
			name := wire.Name{Epoch: m.id.epoch, Stream: m.id.stream, Segment: m.id.number, Seq: seq}
			b = withFirst(b, wire.First{Name: name, Hash: h})
		}
		if _, err := tx.append(m.id.stream, b, ev.Wall); err != nil {
			return err
		}
	}
	return tx.recordLoss(&lost, stamp)
}

// withFirst adds the first name at the end of an encoded event and leaves every other byte alone: fields that this
// program does not know must live on.
func withFirst(event []byte, first wire.First) []byte {
	b, err := json.Marshal(first)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not encode: %v", first, err))
	}
	event = append(bytes.TrimSuffix(event, []byte("}")), `,"first":`...)
	return append(append(event, b...), '}')
}

// recordLoss names a lost range in the audit stream and closes it; one that was never opened is nothing.
func (tx *Tx) recordLoss(l *wire.Loss, stamp wire.Event) error {
	if l.From == 0 {
		return nil
	}
	_, err := tx.Append(wire.Audit, stamped(stamp, wire.LossRecorded, fmt.Sprintf("stream/%s", l.Stream), *l))
	*l = wire.Loss{}
	return err
}
