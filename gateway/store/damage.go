package store

import (
	"errors"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Damage reads a segment from a seq on and gives the first range of events that cannot be read or does not fit the
// chain, as the data of a loss event: with the chain hash before it, and after it, where the chain goes on. Found is
// false when all of it holds. ErrNotHeld says that the segment is not there.
func (tx *Tx) Damage(epoch uint64, s wire.Stream, segment, from uint64) (lost wire.Loss, found bool, err error) {
	i := id{epoch, s, segment}
	g, err := tx.segment(i)
	if err != nil {
		return lost, false, err
	}
	r, h := tx.records(i), g.Before
	for seq := uint64(1); seq <= g.Last; seq++ {
		after, event, err := r.at(seq)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return lost, false, err
		}
		fits := err == nil && wire.Next(h, event) == after
		switch {
		case lost.First == 0 && fits, lost.First == 0 && seq < from && err == nil:
			h = after
		case lost.First == 0:
			lost = wire.Loss{Epoch: epoch, Stream: s, From: segment, To: segment, First: seq, Last: seq, Before: h, Cause: LossDamaged}
		case err == nil:
			if h, ok := r.survived(lost, event, after); ok {
				lost.After = h
			} else { // nothing joins this event to what is before it
				lost.Last, lost.After = seq, after
			}
			if lost.Last >= from {
				return lost, true, nil
			}
			lost, h = wire.Loss{}, after
		default:
			lost.Last = seq
		}
	}
	lost.After = g.Head
	return lost, lost.First > 0, nil
}

// survived looks in the last record of a damaged range, whatever its checksum says, for the chain hash after it: the
// hash itself, or the event if it is the only one. The next event, with the hash after it, proves which is true.
func (r records) survived(lost wire.Loss, next []byte, after wire.Hash) (h wire.Hash, ok bool) {
	stored := r.b.Get(seqKey(lost.Last))
	if len(stored) < len(h)+sumBytes {
		return h, false
	}
	event := stored[copy(h[:], stored) : len(stored)-sumBytes]
	if wire.Next(h, next) == after {
		return h, true
	}
	h = wire.Next(lost.Before, event)
	return h, lost.First == lost.Last && wire.Next(h, next) == after
}
