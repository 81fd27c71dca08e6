package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func none(time.Duration) time.Duration { return 0 }

func seg(epoch uint64, s wire.Stream, n uint64) Segment { return Segment{epoch, s, n} }

// all sends until nothing may be sent, in blocks of 100 events of so many bytes, and gives what was asked.
func all(s *Sender, last map[Segment]uint64, bytes int, now time.Duration) (asks []Ask) {
	for a, ok := s.Next(); ok && len(asks) < 1000; a, ok = s.Next() {
		asks = append(asks, a)
		s.Sent(a.Segment, min(a.From+99, last[a.Segment]), bytes, now, none)
	}
	return asks
}

func TestNewestFirst(t *testing.T) {
	unsent := []Unsent{
		{Segment: seg(1, wire.Audit, 7), Last: 10, Sealed: true},
		{Segment: seg(2, wire.Telemetry, 1), Last: 10, Sealed: true},
		{Segment: seg(2, wire.Telemetry, 2), Last: 10, Living: true},
		{Segment: seg(2, wire.Audit, 1), Last: 10, Sealed: true},
		{Segment: seg(2, wire.Audit, 2), Last: 10, Sealed: true},
		{Segment: seg(2, wire.Audit, 3), Last: 10, Living: true},
	}
	s, last := NewSender(), map[Segment]uint64{}
	for _, u := range unsent {
		last[u.Segment] = u.Last
	}
	s.Know(unsent)
	var got []Segment
	for _, a := range all(s, last, 10, 0) {
		got = append(got, a.Segment)
	}
	want := []Segment{unsent[5].Segment, unsent[2].Segment, unsent[4].Segment, unsent[3].Segment, unsent[0].Segment, unsent[1].Segment}
	if !slices.Equal(got, want) {
		t.Errorf("sent %v; want %v", got, want)
	}
}

// invariant 13
func TestWindow(t *testing.T) {
	g := seg(1, wire.Audit, 1)
	last := map[Segment]uint64{g: 10_000_000}
	s := NewSender()
	s.Know([]Unsent{{Segment: g, Last: last[g], Sealed: true}})
	const block = 10_000
	if n := len(all(s, last, block, 0)); n != MinWindow/block+1 {
		t.Errorf("%d blocks in the first window", n)
	}
	if s.Hint(g, 0, time.Millisecond, none) || s.Hint(g, last[g]+1, time.Millisecond, none) {
		t.Error("a hint that moves nothing, or beyond the head, advanced")
	}
	now := time.Duration(0)
	for range 60 { // a fast link: 10 ms for whatever is in flight
		now += 10 * time.Millisecond
		s.Hint(g, s.cursors[0].next, now, none)
		if s.Hint(g, s.cursors[0].next, now, none) {
			t.Error("an equal position advanced")
		}
		all(s, last, block, now)
		if bytes, window := s.InFlight(); bytes > window+block || window > MaxWindow {
			t.Fatalf("%d bytes in flight, window %d", bytes, window)
		}
	}
	if _, window := s.InFlight(); window < MaxWindow/2 {
		t.Errorf("window %d on a fast link", window)
	}
	bytes, _ := s.InFlight()
	base := s.cursors[0].base
	for i := range 5 {
		due, ok := s.Due()
		if !ok || s.TimedOut(due-1) || !s.TimedOut(due) {
			t.Fatalf("try %d: no time-out at %s", i, due)
		}
		if got, window := s.InFlight(); got != 0 || window != MinWindow {
			t.Errorf("%d of %d bytes in flight after a time-out, window %d", got, bytes, window)
		}
		asks := all(s, last, block, due)
		if asks[0].From != base+1 {
			t.Errorf("sent from %d after a time-out; want %d", asks[0].From, base+1)
		}
		if next, _ := s.Due(); next-due < minWait {
			t.Errorf("wait %s after %d time-outs", next-due, i+1)
		}
	}
}

func TestWaitsGrow(t *testing.T) {
	g := seg(1, wire.Audit, 1)
	s := NewSender()
	s.Know([]Unsent{{Segment: g, Last: 10, Living: true}})
	most := func(d time.Duration) time.Duration { return d }
	var waits []time.Duration
	now := time.Duration(0)
	for range 9 {
		s.Sent(g, 10, 100, now, most)
		due, _ := s.Due()
		waits = append(waits, due-now)
		now = due
		s.TimedOut(now)
	}
	if !slices.IsSorted(waits) || waits[0] != 2*minWait || waits[8] != minWait+maxWait {
		t.Errorf("waits %v", waits)
	}
}

func TestAnswerMovesBack(t *testing.T) {
	g := seg(1, wire.Audit, 1)
	last := map[Segment]uint64{g: 1000}
	u := func(seq uint64) []Unsent {
		return []Unsent{{Segment: g, Last: 1000, Sealed: true, Position: wire.Position{Segment: 1, Seq: seq}}}
	}
	s := NewSender()
	s.Know(u(500))
	if a := all(s, last, 10, 0)[0]; a.From != 501 {
		t.Errorf("from %d", a.From)
	}
	s.Hint(g, 900, 1, none)
	s.Answered(u(200), 5, 6, none) // a cloud that was restored, or a forged hint
	if a, _ := s.Next(); a.From != 201 {
		t.Errorf("from %d after an answer at 200", a.From)
	}
	all(s, last, 10, 7)
	s.Answered(u(200), 6, 8, none) // what was sent after the pulse may still arrive
	if a, ok := s.Next(); ok {
		t.Errorf("sent %d again though it is in flight", a.From)
	}
	s.Answered(u(200), 9, 10, none) // what was sent before it has not
	if a, _ := s.Next(); a.From != 201 {
		t.Errorf("from %d", a.From)
	}
	s.Answered(u(1000), 11, 12, none) // all there, but not that it is all
	if asks := all(s, last, 10, 13); len(asks) != 1 || asks[0].From != 1000 {
		t.Errorf("asked %v to tell the end", asks)
	}
	if _, ok := s.Due(); ok {
		t.Error("waits for an advance that cannot come")
	}
}

func TestLostRangeIsSteppedOver(t *testing.T) {
	g := seg(1, wire.Audit, 1)
	s := NewSender()
	u := []Unsent{{Segment: g, Last: 20, Living: true}}
	s.Know(u)
	s.Sent(g, 4, 10, 0, none)
	s.Lost(g, 5, 7)
	if a, ok := s.Next(); ok {
		t.Errorf("asked for %d inside the lost range", a.From)
	}
	if s.Know(u); s.cursors[0].hole != [2]uint64{5, 7} {
		t.Error("the range is forgotten")
	}
	s.Hint(g, 7, 1, none)
	if a, ok := s.Next(); !ok || a.From != 8 {
		t.Errorf("Next = %d %t; want 8", a.From, ok)
	}
}
