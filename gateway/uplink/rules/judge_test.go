package rules

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// chain makes the segments of one history: lens are their numbers of events, the last one is open. Events of a history
// with another word differ from event fork on, counted over all segments.
func chain(epoch uint64, lens []uint64, fork int, word string) (Log, map[wire.Name]wire.Hash) {
	l := Log{Epoch: epoch, Stream: wire.Audit}
	at := map[wire.Name]wire.Hash{}
	h, n := wire.Hash{byte(epoch)}, 0
	for i, length := range lens {
		g := Held{Number: uint64(i + 1), Last: length, Before: h, Sealed: i < len(lens)-1}
		for seq := uint64(1); seq <= length; seq++ {
			n++
			if event := fmt.Sprint(n); n >= fork && fork > 0 {
				h = wire.Next(h, []byte(event+word))
			} else {
				h = wire.Next(h, []byte(event))
			}
			at[wire.Name{Epoch: epoch, Stream: wire.Audit, Segment: g.Number, Seq: seq}] = h
		}
		g.Head = h
		l.Segments = append(l.Segments, g)
	}
	return l, at
}

// invariant 4: the rules of forks, by this box's own chain
func TestJudge(t *testing.T) {
	const living = 3
	held, own := chain(living, []uint64{4, 5, 3}, 0, "")
	older, olderOwn := chain(2, []uint64{4, 5, 3}, 0, "")
	for i := range older.Segments {
		older.Segments[i].Sealed = true
	}
	for n, h := range olderOwn {
		own[n] = h
	}
	other, _ := chain(living, []uint64{4, 5, 3}, 7, "x")
	long, _ := chain(living, []uint64{4, 5, 3, 2}, 0, "")
	head := func(l Log, n int) wire.Hash { return l.Segments[n-1].Head }
	at := func(epoch, segment, seq uint64) wire.Hash {
		return own[wire.Name{Epoch: epoch, Stream: wire.Audit, Segment: segment, Seq: seq}]
	}
	run := func(from, to uint64, h wire.Hash) wire.Row {
		return wire.Row{Epoch: living, Stream: wire.Audit, Whole: []wire.Run{{From: from, To: to, Hash: h}}}
	}
	part := func(epoch, segment, seq uint64, h wire.Hash, end uint64) wire.Row {
		return wire.Row{Epoch: epoch, Stream: wire.Audit, Partial: []wire.Position{{Segment: segment, Seq: seq, Hash: h, End: end}}}
	}
	again := func(epoch uint64, segments ...uint64) (names []wire.Name) {
		for _, n := range segments {
			names = append(names, wire.Name{Epoch: epoch, Stream: wire.Audit, Segment: n})
		}
		return names
	}
	tests := []struct {
		name   string
		rows   []wire.Row
		fresh  bool
		newest uint64
		epoch  uint64
		again  []wire.Name
		seal   bool
		marked int
	}{
		{name: "nothing committed", newest: living},
		{name: "behind", rows: []wire.Row{run(1, 1, head(held, 1)), part(living, 2, 3, at(living, 2, 3), 0)}, newest: living, marked: 1},
		{name: "level", rows: []wire.Row{run(1, 2, head(held, 2)), part(living, 3, 3, head(held, 3), 0)}, newest: living, marked: 1},
		{name: "position beyond the head", rows: []wire.Row{part(living, 3, 4, wire.Hash{9}, 0)}, newest: living, epoch: 4, again: again(living, 3)},
		{name: "another hash", rows: []wire.Row{part(living, 2, 3, head(other, 2), 0)}, newest: living, epoch: 4, again: again(living, 2, 3)},
		{name: "a segment not held", rows: []wire.Row{part(living, 4, 1, wire.Hash{9}, 0)}, newest: living, epoch: 4, again: again(living, 3)},
		{name: "another sealed end, beyond", rows: []wire.Row{part(living, 2, 3, at(living, 2, 3), 4)}, newest: living, epoch: 4, again: again(living, 2, 3)},
		{name: "another sealed end, before", rows: []wire.Row{part(living, 2, 3, at(living, 2, 3), 9)}, newest: living, epoch: 4, again: again(living, 2, 3)},
		{name: "open here, sealed there at another end", rows: []wire.Row{part(living, 3, 2, at(living, 3, 2), 2)}, newest: living, epoch: 4, again: again(living, 3)},
		{name: "open here, sealed there at the same end", rows: []wire.Row{part(living, 3, 3, at(living, 3, 3), 3)}, newest: living, seal: true, marked: 1},
		{name: "a run that ends in another hash vouches for nothing", rows: []wire.Row{run(1, 2, head(other, 2))}, newest: living, epoch: 4, again: again(living, 1, 2, 3)},
		{name: "a run beyond", rows: []wire.Row{run(2, 4, head(long, 4))}, newest: living, epoch: 4, again: again(living, 2, 3)},
		{name: "a whole run to the open segment", rows: []wire.Row{run(1, 3, head(held, 3))}, newest: living, seal: true, marked: 1},
		{name: "newer epoch, first answer", newest: 7, fresh: true, epoch: 8},
		{name: "newer epoch, later: clones must not leapfrog", newest: 7},
		{name: "fork while a newer epoch is known", rows: []wire.Row{part(living, 3, 4, wire.Hash{9}, 0)}, newest: 7, epoch: 8, again: again(living, 3)},
		{name: "older epoch differs", rows: []wire.Row{part(2, 2, 3, wire.Hash{9}, 0)}, newest: living, again: again(2, 2)},
		{name: "older epoch is shorter", rows: []wire.Row{part(2, 3, 4, wire.Hash{9}, 0)}, newest: living, again: again(2, 3)},
		{name: "older epoch, a segment not held", rows: []wire.Row{part(2, 4, 1, wire.Hash{9}, 0)}, newest: living},
		{name: "an epoch not held", rows: []wire.Row{part(1, 1, 1, wire.Hash{9}, 0)}, newest: living},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Judge(living, []Log{older, held}, tt.rows, tt.fresh, tt.newest, func(n wire.Name) (wire.Hash, bool) {
				h, ok := own[n]
				return h, ok
			})
			if v.Epoch != tt.epoch || !reflect.DeepEqual(v.Again, tt.again) || len(v.Seal) > 0 != tt.seal || len(v.Delivered) != tt.marked {
				t.Errorf("Judge = %+v; want epoch %d, again %v, seal %t, %d rows marked", v, tt.epoch, tt.again, tt.seal, tt.marked)
			}
		})
	}
}

func TestJudgeAfterRetention(t *testing.T) {
	held, own := chain(1, []uint64{4, 5, 3, 2}, 0, "")
	h := held.Segments[1].Head
	held.Segments = held.Segments[2:] // 1 and 2 were dropped
	judge := func(r wire.Run) Verdict {
		return Judge(1, []Log{held}, []wire.Row{{Epoch: 1, Stream: wire.Audit, Whole: []wire.Run{r}}}, false, 1,
			func(n wire.Name) (wire.Hash, bool) { h, ok := own[n]; return h, ok })
	}
	if v := judge(wire.Run{From: 1, To: 2, Hash: h}); v.Epoch != 0 || len(v.Delivered) != 1 {
		t.Errorf("dropped segments: %+v", v)
	}
	if v := judge(wire.Run{From: 1, To: 1, Hash: wire.Hash{1}}); v.Epoch != 0 {
		t.Errorf("a segment long gone: %+v", v)
	}
	if v := judge(wire.Run{From: 1, To: 2, Hash: wire.Hash{1}}); v.Epoch != 2 || len(v.Again) != 2 {
		t.Errorf("the joint to what is held is wrong: %+v", v)
	}
}
