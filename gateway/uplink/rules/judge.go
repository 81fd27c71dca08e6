// Package rules decides what an uplink does: whether an answer shows a fork, when an answer counts, and what is sent
// next. It is pure: time, chance and the log come in with the input, and nothing here waits.
package rules

import (
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Held is one segment as this box holds it.
type Held struct {
	Number uint64
	Last   uint64 // seq of its last event; 0: none yet
	Before wire.Hash
	Head   wire.Hash // after Last
	Sealed bool
}

// Log is what is held of one (epoch, stream), oldest first.
type Log struct {
	Epoch    uint64
	Stream   wire.Stream
	Segments []Held
}

// HashAt gives the chain hash after an event of this box; false: it cannot be read.
type HashAt func(n wire.Name) (wire.Hash, bool)

// Verdict is what an answer means for this box.
type Verdict struct {
	Epoch     uint64        // number of the epoch that must start; 0: none
	Again     []wire.Name   // segments, with Seq 0, whose events must be appended again
	Seal      []wire.Stream // living segments that end where the cloud says they do
	Delivered []wire.Row    // what may be marked delivered: the cloud's word, compared with the chain
}

// Judge compares an answer's rows with the log. Fresh tells that it is the first answer of this boot, newest is the
// highest epoch that the answer names.
//
// In the living epoch a position beyond the head, another hash or another sealed end is a fork: a new epoch starts and
// takes all events from the first forked segment on, delivered or not. A segment of an older epoch that is shorter than
// its position or differs is only appended again. Where a run of whole segments ends in another hash, or in a segment
// that is not held, nothing vouches for any of its segments, and all of them count as forked.
func Judge(living uint64, logs []Log, rows []wire.Row, fresh bool, newest uint64, hashAt HashAt) Verdict {
	var v Verdict
	fork := fresh && newest > living // rolled back across an epoch; later it would make clones leapfrog
	for _, l := range logs {
		row := rowOf(rows, l)
		j := judgement{log: l, living: l.Epoch == living, hashAt: hashAt, keep: wire.Row{Epoch: l.Epoch, Stream: l.Stream}}
		for _, r := range row.Whole {
			j.run(r)
		}
		for _, p := range row.Partial {
			j.partial(p)
		}
		fork = fork || j.fork
		v.Again = append(v.Again, j.again()...)
		if j.seal && !j.fork {
			v.Seal = append(v.Seal, l.Stream)
		}
		if len(j.keep.Whole)+len(j.keep.Partial) > 0 {
			v.Delivered = append(v.Delivered, j.keep)
		}
	}
	if fork {
		v.Epoch, v.Seal = max(living, newest)+1, nil // the end of an epoch seals
	}
	return v
}

func rowOf(rows []wire.Row, l Log) (all wire.Row) {
	for _, r := range rows {
		if r.Epoch == l.Epoch && r.Stream == l.Stream {
			all.Whole = append(all.Whole, r.Whole...)
			all.Partial = append(all.Partial, r.Partial...)
		}
	}
	return all
}

// judgement is about one (epoch, stream).
type judgement struct {
	log    Log
	living bool
	hashAt HashAt

	fork  bool     // of the living epoch
	first uint64   // first forked segment of the living epoch
	wrong []uint64 // segments of an older epoch
	seal  bool
	keep  wire.Row
}

func (j *judgement) at(number uint64) (Held, bool) {
	i, ok := slices.BinarySearchFunc(j.log.Segments, number, func(h Held, n uint64) int {
		switch {
		case h.Number < n:
			return -1
		case h.Number > n:
			return 1
		}
		return 0
	})
	if !ok {
		return Held{}, false
	}
	return j.log.Segments[i], true
}

// newest is the number of the newest segment held; logs are never empty.
func (j *judgement) newest() uint64 { return j.log.Segments[len(j.log.Segments)-1].Number }

// run judges a stretch of whole segments by the hash at its end: it covers all that comes before.
func (j *judgement) run(r wire.Run) {
	end, held := j.at(r.To)
	after, joined := j.at(r.To + 1)
	switch {
	case held && end.Head == r.Hash && end.Last > 0:
		j.seal = j.seal || j.living && !end.Sealed
		j.keep.Whole = append(j.keep.Whole, r)
	case held, joined && after.Before != r.Hash, r.To > j.newest():
		j.forked(r.From, r.To)
	default: // its end is dropped, and the next segment, if it is held, continues it
		j.keep.Whole = append(j.keep.Whole, r)
	}
}

// partial judges the position of one segment.
func (j *judgement) partial(p wire.Position) {
	g, held := j.at(p.Segment)
	switch {
	case !held && p.Segment > j.newest() && p.Seq > 0:
		if j.living {
			j.forked(p.Segment, p.Segment)
		}
	case !held:
	case p.Seq > g.Last, !j.same(p), p.End > 0 && (g.Last > p.End || g.Sealed && g.Last != p.End):
		j.forked(p.Segment, p.Segment)
	default:
		j.seal = j.seal || j.living && !g.Sealed && p.End > 0 && p.Seq == p.End && g.Last == p.End
		j.keep.Partial = append(j.keep.Partial, p)
	}
}

// same compares hashes at a position. Where this box cannot read its own, the cloud's signed word stands.
func (j *judgement) same(p wire.Position) bool {
	if p.Seq == 0 {
		return true
	}
	h, ok := j.hashAt(wire.Name{Epoch: j.log.Epoch, Stream: j.log.Stream, Segment: p.Segment, Seq: p.Seq})
	return !ok || h == p.Hash
}

// forked notes that the segments of a range are not, or may not be, what the cloud holds.
func (j *judgement) forked(from, to uint64) {
	if !j.living {
		for _, g := range j.log.Segments {
			if g.Number >= from && g.Number <= to {
				j.wrong = append(j.wrong, g.Number)
			}
		}
		return
	}
	from = min(max(from, j.log.Segments[0].Number), j.newest())
	if !j.fork || from < j.first {
		j.first = from
	}
	j.fork = true
}

// again names the segments to be appended again. What holds nothing has nothing to say.
func (j *judgement) again() (names []wire.Name) {
	for _, g := range j.log.Segments {
		moves := j.fork && g.Number >= j.first || slices.Contains(j.wrong, g.Number)
		if moves && g.Last > 0 {
			names = append(names, wire.Name{Epoch: j.log.Epoch, Stream: j.log.Stream, Segment: g.Number})
		}
	}
	return names
}
