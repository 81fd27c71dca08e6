package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// chain are n events of a segment with the hashes after each, from h.
func chain(h wire.Hash, n int, flavour string) (events [][]byte, hashes []wire.Hash) {
	for i := range n {
		e := fmt.Appendf(nil, `{"type":"a.b","subject":"%s/%d"}`, flavour, i)
		h = wire.Next(h, e)
		events, hashes = append(events, e), append(hashes, h)
	}
	return events, hashes
}

func TestPositionTake(t *testing.T) {
	seed := wire.Hash{1}
	events, at := chain(seed, 10, "a")
	others, _ := chain(seed, 10, "b")
	hash := func(seq uint64) wire.Hash {
		if seq == 0 {
			return seed
		}
		return at[seq-1]
	}
	pos := func(seq, end uint64) Position {
		p := Position{Gateway: "gw-1", Epoch: 1, Stream: wire.Audit, Segment: 1, Seq: seq, End: end}
		if seq > 0 {
			p.Before, p.Hash = seed, hash(seq)
		}
		return p
	}
	block := func(from, to, end uint64) wire.Block {
		return wire.Block{Gateway: "gw-1", Epoch: 1, Stream: wire.Audit, Segment: 1, First: from, Before: hash(from - 1), End: end, Events: events[from-1 : to]}
	}
	foreign := func(from, to uint64) wire.Block {
		b := block(from, to, 0)
		b.Events = others[from-1 : to]
		return b
	}
	shifted := block(4, 6, 0)
	shifted.Before = wire.Hash{9}
	reseeded := block(1, 6, 0)
	reseeded.Before = wire.Hash{9}
	lost := pos(3, 0)
	lost.Lost = true
	lostWhole := pos(3, 3)
	lostWhole.Lost = true
	tests := []struct {
		name string
		at   Position
		b    wire.Block
		want Position
		n    int // new events
		err  error
	}{
		{"the first block", pos(0, 0), block(1, 3, 0), pos(3, 0), 3, nil},
		{"the next", pos(3, 0), block(4, 6, 0), pos(6, 0), 3, nil},
		{"the same again", pos(3, 0), block(1, 3, 0), pos(3, 0), 0, nil},
		{"overlapping", pos(3, 0), block(2, 6, 0), pos(6, 0), 3, nil},
		{"overlapping by one", pos(3, 0), block(3, 6, 0), pos(6, 0), 3, nil},
		{"below", pos(6, 0), block(1, 3, 0), pos(6, 0), 0, nil},
		{"below, of another history", pos(6, 0), foreign(1, 3), pos(6, 0), 0, nil},
		{"a hole", pos(3, 0), block(5, 6, 0), pos(3, 0), 0, ErrHole},
		{"a hole at the start", pos(0, 0), block(2, 6, 0), pos(0, 0), 0, ErrHole},
		{"the sealed end", pos(3, 0), block(4, 6, 6), pos(6, 6), 3, nil},
		{"the sealed end learnt later", pos(6, 0), block(4, 6, 6), pos(6, 6), 0, nil},
		{"the sealed end again", pos(6, 6), block(4, 6, 6), pos(6, 6), 0, nil},
		{"an overlap of another history", pos(3, 0), foreign(2, 6), pos(3, 0), 0, ErrFork},
		{"another hash before", pos(3, 0), shifted, pos(3, 0), 0, ErrFork},
		{"another start", pos(3, 0), reseeded, pos(3, 0), 0, ErrFork},
		{"beyond the sealed end", pos(3, 5), block(4, 6, 0), pos(3, 5), 0, ErrFork},
		{"another sealed end", pos(3, 5), block(4, 6, 6), pos(3, 5), 0, ErrFork},
		{"sealed before the position", pos(6, 0), block(1, 3, 3), pos(6, 0), 0, ErrFork},
		{"of a lost row", lost, block(4, 6, 0), lost, 0, ErrLost},
		{"of a whole row named lost", lostWhole, block(1, 3, 3), lostWhole, 0, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, links, err := test.at.Take(test.b)
			if got != test.want || len(links) != test.n || !errors.Is(err, test.err) {
				t.Errorf("Take = %+v, %d new, %v; want %+v, %d, %v", got, len(links), err, test.want, test.n, test.err)
			}
			for i, l := range links {
				if want := test.at.Seq + uint64(i) + 1; l.Seq != want || l.Hash != hash(want) {
					t.Errorf("link %d = %d %s, want %d %s", i, l.Seq, l.Hash, want, hash(want))
				}
			}
		})
	}
}

func TestPositionLosing(t *testing.T) {
	h := func(n byte) wire.Hash { return wire.Hash{n} }
	p := Position{Segment: 5, Seq: 3, Hash: h(3), Before: h(0)}
	lost := p
	lost.Lost = true
	whole := p
	whole.End = 3
	over := p
	over.Seq, over.Hash = 6, h(6)
	unborn := Position{Segment: 5, Seq: 6, Hash: h(6), Before: h(0)}
	tests := []struct {
		name     string
		at, want Position
		l        wire.Loss
	}{
		{"dropped for age", p, lost, wire.Loss{From: 4, To: 6, Cause: "age"}},
		{"dropped after it was whole", whole, whole, wire.Loss{From: 4, To: 6, Cause: "age"}},
		{"another segment", p, p, wire.Loss{From: 6, To: 6, Cause: "age"}},
		{"damaged just after", p, over, wire.Loss{From: 5, To: 5, First: 4, Last: 6, After: h(6), Cause: "damaged"}},
		{"damaged further on", p, p, wire.Loss{From: 5, To: 5, First: 5, Last: 6, After: h(6), Cause: "damaged"}},
		{"damaged before the position", p, p, wire.Loss{From: 5, To: 5, First: 2, Last: 3, After: h(3), Cause: "damaged"}},
		{"damaged across the position", p, over, wire.Loss{From: 5, To: 5, First: 2, Last: 6, After: h(6), Cause: "damaged"}},
		{"damaged over a joint, at its end", p, over, wire.Loss{From: 4, To: 5, First: 9, Last: 6, After: h(6), Cause: "damaged"}},
		{"damaged over a joint, at its start", p, lost, wire.Loss{From: 5, To: 6, First: 4, Last: 6, After: h(6), Cause: "damaged"}},
		{"damaged from the start", Position{Segment: 5}, unborn, wire.Loss{From: 5, To: 5, First: 1, Last: 6, Before: h(0), After: h(6), Cause: "damaged"}},
	}
	for _, test := range tests {
		if got := test.at.Losing(test.l); got != test.want {
			t.Errorf("%s: Losing = %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestStanding(t *testing.T) {
	h := func(n byte) wire.Hash { return wire.Hash{n} }
	whole := func(n uint64, before, after byte) Position {
		return Position{Segment: n, Seq: 4, End: 4, Before: h(before), Hash: h(after)}
	}
	partial := func(n uint64, before byte) Position {
		return Position{Segment: n, Seq: 2, Before: h(before), Hash: h(99)}
	}
	lost := func(n, seq uint64) Position {
		return Position{Segment: n, Seq: seq, Before: h(1), Hash: h(98), Lost: true}
	}
	run := func(from, to uint64, hash byte) wire.Run { return wire.Run{From: from, To: to, Hash: h(hash)} }
	part := func(n uint64) wire.Position { return wire.Position{Segment: n, Seq: 2, Hash: h(99)} }
	tests := []struct {
		name    string
		oldest  uint64
		all     []Position
		whole   []wire.Run
		partial []wire.Position
	}{
		{"nothing", 1, nil, nil, nil},
		{"one partial", 1, []Position{partial(1, 0)}, nil, []wire.Position{part(1)}},
		{"joined", 1, []Position{whole(1, 0, 1), whole(2, 1, 2), partial(3, 2)}, []wire.Run{run(1, 2, 2)}, []wire.Position{part(3)}},
		{"newest first", 1, []Position{partial(1, 0), whole(2, 1, 2), whole(3, 2, 3)}, []wire.Run{run(2, 3, 3)}, []wire.Position{part(1)}},
		{"a segment missing", 1, []Position{whole(1, 0, 1), whole(3, 2, 3)}, []wire.Run{run(1, 1, 1), run(3, 3, 3)}, nil},
		{"a wrong joint", 1, []Position{whole(1, 0, 1), whole(2, 7, 2)}, []wire.Run{run(1, 1, 1), run(2, 2, 2)}, nil},
		{"nothing committed yet", 1, []Position{{Segment: 1}}, nil, nil},
		{"lost between", 1, []Position{whole(1, 0, 1), lost(2, 1), whole(3, 2, 3)}, []wire.Run{run(1, 3, 3)}, nil},
		{"lost at the end", 1, []Position{whole(1, 0, 1), lost(2, 2)}, []wire.Run{run(1, 1, 1)}, []wire.Position{{Segment: 2, Seq: 2, Hash: h(98)}}},
		{"below what is held", 3, []Position{whole(3, 2, 3)}, []wire.Run{run(1, 3, 3)}, nil},
		{"a gap below what is held", 4, []Position{whole(1, 0, 1), whole(4, 3, 4)}, []wire.Run{run(1, 4, 4)}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Standing(1, wire.Audit, test.oldest, test.all)
			if !reflect.DeepEqual(got.Whole, test.whole) || !reflect.DeepEqual(got.Partial, test.partial) {
				t.Errorf("Standing = %v and %v, want %v and %v", got.Whole, got.Partial, test.whole, test.partial)
			}
		})
	}
}

// A serial grows, whatever the clock does, and two lives of a database draw different ones. // invariant 3
func TestSerials(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	now, last := time.UnixMicro(1_790_000_000_000_000), ""
	for range 1000 {
		now = now.Add(time.Duration(r.IntN(2000)-1000) * time.Millisecond)
		next := nextSerial(last, now, r.Uint32())
		if next <= last || len(next) != 25 {
			t.Fatalf("serial %q after %q", next, last)
		}
		last = next
	}
	if a, b := nextSerial("", now, 1), nextSerial("", now, 2); a == b {
		t.Errorf("two lives draw %s", a)
	}
	if later := nextSerial("", now.Add(2*time.Hour), 0); later <= last {
		t.Errorf("a restored database draws %s after %s", later, last)
	}
}

// However many rows an answer has, each page is a message, and together they say all of it. // invariant 13
func TestPagesAreBounded(t *testing.T) {
	const most = maxNumber
	row := func(epoch uint64, whole, partial int) wire.Row {
		r := wire.Row{Epoch: epoch, Stream: wire.Telemetry}
		for range whole {
			r.Whole = append(r.Whole, wire.Run{From: most, To: most, Hash: wire.Hash{255}})
		}
		for range partial {
			r.Partial = append(r.Partial, wire.Position{Segment: most, Seq: most, Hash: wire.Hash{255}, End: most})
		}
		return r
	}
	rows := []wire.Row{row(most-2, 300, 700), row(most-1, 0, 1), row(most, 1, 2000)}
	for range 500 {
		rows = append(rows, row(uint64(len(rows)), 1, 0))
	}
	var refusals []wire.Refusal
	for range maxRefusals {
		refusals = append(refusals, wire.Refusal{Name: wire.Name{Epoch: most, Stream: wire.Telemetry, Segment: most, Seq: most}, Block: wire.Hash{255}, Reason: "decode"})
	}
	head := wire.Answer{Gateway: "gw-1", Nonce: string(make([]byte, 64)), Serial: "s", Key: "answer-1"}
	all := pages(head, rows, refusals)
	_, key, err := testKeys(t).Signer(UseAnswer, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	messages, err := signPages(key, all)
	if err != nil {
		t.Fatal(err)
	}
	var got []wire.Row
	n := 0
	for i, a := range all {
		if len(messages[i].Payload) > wire.MaxMessage || a.Page != i+1 || a.Pages != len(all) {
			t.Errorf("page %d of %d, numbered %d of %d, has %d bytes", i+1, len(all), a.Page, a.Pages, len(messages[i].Payload))
		}
		n += len(a.Refusals)
		for _, r := range a.Rows {
			if k := len(got); k > 0 && got[k-1].Epoch == r.Epoch {
				got[k-1].Whole, got[k-1].Partial = slices.Concat(got[k-1].Whole, r.Whole), slices.Concat(got[k-1].Partial, r.Partial)
			} else {
				got = append(got, r)
			}
		}
	}
	if n != len(refusals) || !reflect.DeepEqual(got, rows) {
		t.Errorf("%d pages say %d rows and %d refusals, want %d and %d", len(all), len(got), n, len(rows), len(refusals))
	}
	if one := pages(head, nil, nil); len(one) != 1 || one[0].Pages != 1 {
		t.Errorf("nothing to say is %d pages", len(one))
	}
}

func TestHealthState(t *testing.T) {
	now := time.UnixMicro(1_790_000_000_000_000)
	well := Health{AsOf: wire.At(now), Wall: wire.At(now), Config: "ok", Clock: wire.FromAnswer, DiskFree: 1 << 40, StoreSize: 1}
	with := func(change func(*Health)) Health { h := well; change(&h); return h }
	tests := []struct {
		name   string
		h      Health
		after  time.Duration
		want   State
		reason string
	}{
		{"never", Health{}, 0, NeverSeen, ""},
		{"now", well, 0, Online, ""},
		{"one pulse late", well, 2 * time.Minute, Online, ""},
		{"two pulses missing", well, 151 * time.Second, Stale, ""},
		{"five pulses missing", well, 331 * time.Second, Offline, ""},
		{"its will", with(func(h *Health) { h.Gone = h.AsOf }), 0, Offline, ""},
		{"a silent board", with(func(h *Health) { h.Devices = []Device{{DeviceHealth: wire.DeviceHealth{ID: "board/1"}}} }), 0, Degraded, "device_silent:board/1"},
		{"a board not asked yet", with(func(h *Health) {
			h.Devices = []Device{{DeviceHealth: wire.DeviceHealth{ID: "board/1", Code: "unasked"}}}
		}), 0, Online, ""},
		{"a silent board, long ago", with(func(h *Health) { h.Devices = []Device{{DeviceHealth: wire.DeviceHealth{ID: "board/1"}}} }), time.Hour, Offline, ""},
		{"an old backlog", with(func(h *Health) { h.Undelivered, h.OldestWall = 1, wire.At(now.Add(-16*time.Minute)) }), 0, Degraded, "backlog"},
		{"a young backlog", with(func(h *Health) { h.Undelivered, h.OldestWall = 9, wire.At(now.Add(-14*time.Minute)) }), 0, Online, ""},
		{"no room", with(func(h *Health) { h.DiskFree = 0 }), 0, Degraded, "disk_low"},
		{"no time", with(func(h *Health) { h.Clock = wire.Uncertain }), 0, Degraded, "clock_uncertain"},
		{"last good configuration", with(func(h *Health) { h.Config = "last_good" }), 0, Degraded, "config_last_good"},
		{"a refused document", with(func(h *Health) { h.RefusedDoc = "older" }), 0, Degraded, "state_refused"},
		{"an alarm", with(func(h *Health) { h.Alarms = []Alarm{{Kind: AlarmFork}} }), 0, Degraded, "alarm_fork"},
		{"a document held back", with(func(h *Health) { h.Wanted.Version, h.Issued = 2, wire.At(now.Add(-11*time.Minute)) }), 0, Degraded, "state_not_applied"},
		{"a document on its way", with(func(h *Health) { h.Wanted.Version, h.Issued = 2, wire.At(now.Add(-time.Minute)) }), 0, Online, ""},
	}
	for _, test := range tests {
		state, reasons := test.h.State(now.Add(test.after))
		if state != test.want || test.reason == "" && len(reasons) != 0 || test.reason != "" && !slices.Equal(reasons, []string{test.reason}) {
			t.Errorf("%s: State = %s %v, want %s %s", test.name, state, reasons, test.want, test.reason)
		}
	}
}

// The will of an earlier connection says nothing of the one that is alive.
func TestWillsOfOldConnections(t *testing.T) {
	s := seen{boot: 3, counter: 20, connection: 11}
	for counter, want := range map[uint64]bool{1: false, 10: false, 11: true, 21: true} {
		if got := s.ended(wire.Pulse{Boot: 3, Counter: counter}); got != want {
			t.Errorf("will of connection %d after pulse 20 of connection 11: ended = %t", counter, got)
		}
	}
	if s.ended(wire.Pulse{Boot: 2, Counter: 99}) || !s.ended(wire.Pulse{Boot: 4, Counter: 1}) {
		t.Error("a will is judged by its boot first")
	}
}
