package building

import (
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

const (
	shownFrames = 40
	clock       = "15:04:05.000" // of a frame
)

// entryView is one frame of the wire log.
type entryView struct {
	At, Line, Hex, Meaning, Class string
	ToHost, Bad                   bool
}

// wire puts in the newest frames that are looked for, and the ways to choose among them.
func (b *Building) wire(v *view, s State) {
	c := v.choice
	match := func(line.Entry) bool { return true }
	if c.Only {
		match = b.heard(target(c.Pick), s)
	}
	entries := b.log.Newest(0, shownFrames, func(e line.Entry) bool {
		return (c.Wire == "" || e.Line == c.Wire) && (!c.Bad || e.Meaning.Bad) && match(e)
	})
	for _, e := range entries {
		v.Entries = append(v.Entries, entryView{
			At: e.At.In(taipei()).Format(clock), Line: e.Line, Hex: fmt.Sprintf("% X", e.Bytes), Meaning: c.word(e.Meaning.ZH, e.Meaning.EN),
			Class: rowClass(e.Meaning.Bad, e.Meaning.Marked), ToHost: e.ToHost, Bad: e.Meaning.Bad,
		})
	}
	slices.Reverse(v.Entries)
	v.Filters = []filterView{{ID: "wire-all", Word: c.word("全部", "All"), Href: c.with(func(c *choice) { c.Wire, c.Only = "", false }), On: c.Wire == "" && !c.Only}}
	for _, l := range s.Lines {
		v.Filters = append(v.Filters, filterView{ID: "wire-" + l.Name, Word: l.Name, Href: c.with(func(c *choice) { c.Wire, c.Only = l.Name, false }), On: c.Wire == l.Name})
	}
	if c.Pick != "" {
		v.Switches = append(v.Switches, filterView{ID: "wire-only", Word: fmt.Sprintf(c.word("只看 %s", "Only %s"), c.called(target(c.Pick), s)), Href: c.with(func(c *choice) { c.Only, c.Wire = !c.Only, "" }), On: c.Only})
	}
	v.Switches = append(v.Switches,
		filterView{ID: "wire-bad", Word: c.word("只看損壞的", "Only damaged"), Href: c.with(func(c *choice) { c.Bad = !c.Bad }), On: c.Bad},
		filterView{ID: "wire-hold", Word: c.word("停住", "Hold"), Href: c.with(func(c *choice) { c.Hold = !c.Hold }), On: c.Hold})
}

// heard matches the frames of a target: by its line, and by the address that they carry.
func (b *Building) heard(t Target, s State) func(line.Entry) bool {
	name, addresses := "", []int{}
	switch t.Kind {
	case Lines:
		return func(e line.Entry) bool { return e.Line == t.Name }
	case Banks, Boards, Locks:
		for _, k := range s.Banks {
			if k.Name != t.Name {
				continue
			}
			name = k.Line
			for _, board := range k.Boards {
				if t.Kind == Banks || t.Kind == Boards && board.Address == t.Number ||
					t.Kind == Locks && t.Number > 0 && t.Number <= len(k.Locks) && k.Locks[t.Number-1].Board == board.Address {
					addresses = append(addresses, board.Address)
				}
			}
		}
	case Meters, Doors:
		for _, m := range s.Meters {
			if t == (Target{Kind: Meters, Name: m.ID}) {
				name, addresses = m.Line, []int{m.Address}
			}
		}
		for _, d := range s.Doors {
			if t == (Target{Kind: Doors, Name: d.ID}) {
				name, addresses = d.Line, []int{d.Address}
			}
		}
	}
	address := b.addressing(name)
	return func(e line.Entry) bool { return e.Line == name && slices.Contains(addresses, address(e.Bytes)) }
}

// addressing reads the address that a frame of a line carries; -1: it is too short.
func (b *Building) addressing(name string) func(frame []byte) int {
	at, shift := 0, 0 // of Modbus on a serial line
	for _, l := range b.lines {
		if l.cfg.Name == name && l.cfg.Direct() {
			at = 6
		}
	}
	for _, k := range b.banks {
		if k.Line == name {
			if at = 1; k.Protocol == kerongA {
				shift = 4
			}
		}
	}
	return func(frame []byte) int {
		if len(frame) <= at {
			return -1
		}
		return int(frame[at] >> shift)
	}
}

func rowClass(bad, marked bool) string {
	switch {
	case bad:
		return "is-bad"
	case marked:
		return "is-marked"
	}
	return ""
}
