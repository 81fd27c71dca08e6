package kerong

import (
	"testing"
	"testing/synctest"
	"time"
)

// One supply carries one latch at a time, whichever chain it hangs on.
func TestOverlapsOfASharedSupply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		supply := NewSupply(1)
		first, second := bank(func(c *Config) { c.Supply = supply }), bank(func(c *Config) { c.Supply = supply })
		alone := bank(nil)
		say(t, first, "02 00 31 03 36")
		time.Sleep(499 * time.Millisecond)
		say(t, second, "02 00 31 03 36")
		say(t, alone, "02 00 31 03 36")
		if first.Overlaps() != 0 || second.Overlaps() != 1 || alone.Overlaps() != 0 {
			t.Errorf("overlaps = %d, %d, alone %d; want the second chain's alone", first.Overlaps(), second.Overlaps(), alone.Overlaps())
		}
		time.Sleep(500 * time.Millisecond)
		if say(t, first, "02 00 31 03 36"); first.Overlaps() != 0 {
			t.Error("a pulse after the other one's end overlaps")
		}
	})
}

// When the supply collapses the pulse ends, the latch may have opened or not, every board of the supply is silent for a while
// and has forgotten its pulse; and the same seed does the same.
func TestBrownOut(t *testing.T) {
	run := func(seed uint64) (opened []bool) {
		synctest.Test(t, func(t *testing.T) {
			supply := NewSupply(seed)
			supply.SetBrownOut(1)
			c := bank(func(c *Config) { c.Supply, c.BusySilent = supply, true })
			other := bank(func(c *Config) { c.Supply = supply })
			say(t, other, "02 00 37 00 C8 03 04") // 2 s
			for n := range 20 {
				before := c.Counts().Openings
				say(t, c, "02 00 31 03 36")
				time.Sleep(collapseLast)
				if got := say(t, c, "02 00 30 03 35") + say(t, other, "02 00 30 03 35"); got != "" {
					t.Errorf("collapse %d: a board answered %s", n, got)
				}
				if !c.Resetting()[0] || !other.Resetting()[1] {
					t.Errorf("collapse %d: the boards do not reset", n)
				}
				time.Sleep(boardReset)
				if got := say(t, c, "02 00 30 03 35"); got == "" {
					t.Errorf("collapse %d: the board stays silent", n)
				}
				open := c.Locks()[0].LatchOpen
				if did := c.Counts().Openings > before; did != open {
					t.Errorf("collapse %d: counted an opening: %v, open: %v", n, did, open)
				}
				if opened = append(opened, open); open {
					must(t, c.CloseDoor(1))
				}
			}
			if got := say(t, other, "02 00 37 03 3C"); got != "0200380032036F" {
				t.Errorf("pulse after the collapse = %s; want 500 ms again", got)
			}
			if supply.Collapses() != 20 || c.Counts().Pulses != 20 {
				t.Errorf("%d collapses, %+v; want 20", supply.Collapses(), c.Counts())
			}
			supply.SetBrownOut(0)
			say(t, c, "02 00 31 03 36")
			if time.Sleep(time.Second); !c.Locks()[0].LatchOpen || supply.Collapses() != 20 {
				t.Error("a sound supply collapsed")
			}
		})
		return opened
	}
	first, again, other := run(7), run(7), run(8)
	count, differ := 0, false
	for i := range first {
		if first[i] {
			count++
		}
		if first[i] != again[i] {
			t.Errorf("collapse %d: %v, and with the same seed %v", i, first[i], again[i])
		}
		differ = differ || first[i] != other[i]
	}
	if count < 4 || count > 16 || !differ {
		t.Errorf("%d of 20 latches opened, another seed differs: %v; want some of both", count, differ)
	}
}

// A collapse in the middle of a whole cabinet's unlocking leaves the rest shut, and uncounted.
func TestCollapseWhileAllOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		supply := NewSupply(3)
		c := bank(func(c *Config) { c.Supply = supply })
		supply.SetBrownOut(1)
		say(t, c, "02 10 33 03 48")
		time.Sleep(10 * time.Second)
		if got := c.Counts(); got.Pulses != 1 || got.Openings > 1 {
			t.Errorf("counts = %+v; want one pulse", got)
		}
	})
}

// invariant 13
func TestCollapsesAreBounded(t *testing.T) {
	s, at := NewSupply(1), time.Now()
	for range 3 * maxCollapses {
		s.collapse(at)
	}
	if n := len(s.collapses); n != maxCollapses || s.Collapses() != 3*maxCollapses {
		t.Errorf("%d collapses are kept of %d", n, s.Collapses())
	}
	if out, seen := s.since(1, at); len(out) != maxCollapses || seen != 3*maxCollapses {
		t.Errorf("a chain is told of %d, %d seen", len(out), seen)
	}
}
