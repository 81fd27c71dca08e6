package fleet

import (
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Verdicts on a block that is not taken. A hole is refused without alarm, a fork with one; what comes late for a row
// that was named lost is not wanted, and no alarm either.
var (
	ErrHole = errors.New("begins beyond the position")
	ErrFork = errors.New("another history than the one committed")
	ErrLost = errors.New("named lost before")
)

// Position is how far one segment is committed.
type Position struct {
	Gateway string
	Epoch   uint64
	Stream  wire.Stream
	Segment uint64
	Seq     uint64
	Hash    wire.Hash // at Seq
	Before  wire.Hash // before the segment's first event; meaningless while Seq is 0
	End     uint64    // last seq of the sealed segment; 0: not known to be sealed
	Lost    bool      // what is missing is no longer held
}

// Link is one event of a block with its place in the chain.
type Link struct {
	Seq   uint64
	Hash  wire.Hash // chain hash after the event
	Event []byte
}

// Whole tells whether the sealed segment is committed to its end.
func (p Position) Whole() bool { return p.End > 0 && p.Seq == p.End }

// Name names the event at a seq of this segment.
func (p Position) Name(seq uint64) wire.Name {
	return wire.Name{Epoch: p.Epoch, Stream: p.Stream, Segment: p.Segment, Seq: seq}
}

// Take judges a block of this segment whose signature has been checked: what of it is new, and where the position stands
// after that. The hash at the position is computed from the block that overlaps it, and compared; a block wholly below
// the position gives nothing. On ErrHole, ErrFork or ErrLost nothing has moved.
func (p Position) Take(b wire.Block) (Position, []Link, error) {
	switch {
	case p.Lost && !p.Whole():
		return p, nil, ErrLost
	case b.First > p.Seq+1:
		return p, nil, fmt.Errorf("from %d, position %d: %w", b.First, p.Seq, ErrHole)
	case b.End > 0 && (p.Seq > b.End || p.End > 0 && p.End != b.End), p.End > 0 && b.Last() > p.End:
		return p, nil, fmt.Errorf("another sealed end: %w", ErrFork)
	case b.Last() < p.Seq:
		return p, nil, nil
	case p.Seq > 0 && (b.First == p.Seq+1 && b.Before != p.Hash || b.First == 1 && b.Before != p.Before):
		return p, nil, fmt.Errorf("hash before %d: %w", b.First, ErrFork)
	}
	next, h := p, b.Before
	var fresh []Link
	for i, e := range b.Events {
		h = wire.Next(h, e)
		seq := b.First + uint64(i)
		if seq == p.Seq && h != p.Hash {
			return p, nil, fmt.Errorf("hash at %d: %w", seq, ErrFork)
		}
		if seq > p.Seq {
			fresh = append(fresh, Link{Seq: seq, Hash: h, Event: e})
		}
	}
	if p.Seq == 0 {
		next.Before = b.Before
	}
	if b.End > 0 {
		next.End = b.End
	}
	next.Seq, next.Hash = b.Last(), h
	return next, fresh, nil
}

// damaged is the cause of a loss inside a segment that goes on after it.
const damaged = "damaged"

// Losing applies a loss to the position of one segment that it names: the row is closed, or steps over a damaged range by
// the loss's second hash. A whole row has lost nothing.
func (p Position) Losing(l wire.Loss) Position {
	if p.Segment < l.From || p.Segment > l.To || p.Whole() {
		return p
	}
	if l.Cause != damaged || p.Segment < l.To {
		p.Lost = true
		return p
	}
	first := uint64(1)
	if l.From == l.To {
		first = l.First
	}
	if p.Seq+1 < first || p.Seq >= l.Last {
		return p
	}
	if p.Seq == 0 && l.From == l.To {
		p.Before = l.Before
	}
	p.Seq, p.Hash = l.Last, l.After
	return p
}

// Joint is how two neighbouring segments meet.
type Joint int

// The joints.
const (
	JointOpen  Joint = iota // one of the two is not known well enough
	JointWhole              // the second goes on from the head of the first
	JointWrong              // it does not: a fork
)

// Join tells how p and the segment after it meet.
func (p Position) Join(next Position) Joint {
	switch {
	case next.Segment != p.Segment+1 || next.Seq == 0:
		return JointOpen
	case p.Whole() && p.Hash == next.Before:
		return JointWhole
	case p.Whole():
		return JointWrong
	case p.Lost:
		return JointWhole // what is lost cannot contradict
	}
	return JointOpen
}

// Standing folds the positions of one (epoch, stream), in the order of their segments, into a row of an answer: runs of
// whole and joined segments, and the rest one by one. What is lost counts as settled, as does everything below oldest:
// whoever still holds it need not send it.
func Standing(epoch uint64, s wire.Stream, oldest uint64, all []Position) wire.Row {
	row := wire.Row{Epoch: epoch, Stream: s}
	joined := false // all[i] goes on from the newest run
	for i, p := range all {
		hash, settled := p.Hash, p.Whole()
		if !settled && p.Lost && i+1 < len(all) && all[i+1].Segment == p.Segment+1 && all[i+1].Seq > 0 {
			hash, settled = all[i+1].Before, true
		}
		switch {
		case !settled && p.Seq > 0:
			row.Partial = append(row.Partial, wire.Position{Segment: p.Segment, Seq: p.Seq, Hash: p.Hash, End: p.End})
		case settled && joined:
			last := &row.Whole[len(row.Whole)-1]
			last.To, last.Hash = p.Segment, hash
		case settled:
			row.Whole = append(row.Whole, wire.Run{From: p.Segment, To: p.Segment, Hash: hash})
		}
		joined = settled && i+1 < len(all) && (p.Join(all[i+1]) == JointWhole || all[i+1].Segment > p.Segment+1 && all[i+1].Segment <= oldest)
	}
	if len(row.Whole) > 0 && row.Whole[0].From <= oldest {
		row.Whole[0].From = 1
	}
	return row
}

// Covers tells whether rows, as a gateway has marked them delivered, name an event.
func Covers(rows []wire.Row, n wire.Name) bool {
	for _, r := range rows {
		if r.Epoch != n.Epoch || r.Stream != n.Stream {
			continue
		}
		for _, w := range r.Whole {
			if w.From <= n.Segment && n.Segment <= w.To {
				return true
			}
		}
		for _, p := range r.Partial {
			if p.Segment == n.Segment && n.Seq <= p.Seq {
				return true
			}
		}
	}
	return false
}
