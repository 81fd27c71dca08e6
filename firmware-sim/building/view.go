package building

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"time"
)

const (
	shownFrames = 60
	clock       = "15:04:05.000" // of a frame
	headClock   = "15:04:05"     // of the page
)

// choice is what the page's address says about how it is looked at.
type choice struct {
	Lang   string // "zh" or "en"
	Door   string // of a bank, "A-18"; empty: none
	Device string // "meter-m-101", "door-ktv"; empty: none
	Line   string // of the wire log; empty: all
	Faults string // the line whose faults are shown; empty: the first
}

func (c choice) query() string {
	q := url.Values{"lang": {c.Lang}}
	for name, value := range map[string]string{"door": c.Door, "device": c.Device, "line": c.Line, "faults": c.Faults} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "?" + q.Encode()
}

// with is the address of the page looked at in another way.
func (c choice) with(change func(*choice)) string {
	change(&c)
	return "/" + c.query()
}

func (c choice) word(zh, en string) string {
	if c.Lang == "en" {
		return en
	}
	return zh
}

// why is the reason why a button cannot be pressed, or nothing.
func (c choice) why(not bool, zh, en string) string {
	if not {
		return c.word(zh, en)
	}
	return ""
}

// view is everything that the page's templates show.
type view struct {
	choice
	State      State
	FaultsOn   int
	Clock      string
	Banks      []bankView
	Meters     []meterView
	Doors      []facilityView
	Faults     []faultView
	FaultsOf   string // the line whose faults are shown
	JamHint    bool   // how a latch is jammed is worth saying
	Lines      []lineView
	FaultLines []filterView
	Filters    []filterView
	Entries    []entryView
	Problem    string
	Live       string
	OtherLang  string
	Running    bool // with what runs on by itself
}

// actionView is one button, with what it sends.
type actionView struct {
	ID, Action, Class, Word string
	Why                     string // it cannot be pressed now; empty: it can
	On                      string // "true" or "false" of a button that stays pressed; empty: it does not
	Fields                  map[string]string
}

type filterView struct {
	ID, Word, Href string
	On             bool
}

type entryView struct {
	At, Line, Hex, Meaning, Class string
	ToHost, Bad                   bool
}

// view draws the building as it stands at now.
func (b *Building) view(c choice, now time.Time) view {
	s := b.State()
	v := view{
		choice: c, State: s, FaultsOn: s.FaultsOn(), Clock: now.In(taipei()).Format(headClock), Live: "/live" + c.query(),
		OtherLang: c.with(func(c *choice) { c.Lang = c.word("en", "zh") }), FaultsOf: cmp.Or(c.Faults, s.Lines[0].Name), Running: true,
	}
	for i, bank := range s.Banks {
		v.Banks = append(v.Banks, b.banks[i].view(c, bank))
		stuck := slices.ContainsFunc(bank.Locks, func(l LockState) bool { return l.Stuck })
		v.JamHint = v.JamHint || bank.Line == v.FaultsOf && !stuck
	}
	for i, m := range s.Meters {
		v.Meters = append(v.Meters, newMeterView(c, m, b.meters[i].Speed))
	}
	for _, d := range s.Doors {
		v.Doors = append(v.Doors, newFacilityView(c, d))
	}
	v.Faults = v.faults()
	v.lines(s.Lines)
	for _, e := range b.log.After(c.Line, 0, shownFrames) {
		v.Entries = append(v.Entries, entryView{
			At: e.At.In(taipei()).Format(clock), Line: e.Line, Hex: fmt.Sprintf("% X", e.Bytes), Meaning: c.word(e.Meaning.ZH, e.Meaning.EN),
			Class: rowClass(e.Meaning.Bad, e.Meaning.Marked), ToHost: e.ToHost, Bad: e.Meaning.Bad,
		})
	}
	slices.Reverse(v.Entries)
	return v
}

// lines puts in the lines with their plugs, and the two ways to choose among them.
func (v *view) lines(lines []LineState) {
	c := v.choice
	v.Filters = []filterView{{ID: "all", Word: c.word("全部", "All"), Href: c.with(func(c *choice) { c.Line = "" }), On: c.Line == ""}}
	for _, l := range lines {
		action := "/touch/lines/" + l.Name + "/" + map[bool]string{true: "unplug", false: "replug"}[l.Plugged] + c.query()
		v.Lines = append(v.Lines, lineView{LineState: l, PlugAction: action, NextLink: nextLink(l.Link), Shown: l.Name == v.FaultsOf || !l.Plugged})
		v.Filters = append(v.Filters, filterView{ID: l.Name, Word: l.Name, Href: c.with(func(c *choice) { c.Line = l.Name }), On: c.Line == l.Name})
		v.FaultLines = append(v.FaultLines, filterView{ID: "faults-" + l.Name, Word: l.Name, Href: c.with(func(c *choice) { c.Faults = l.Name }), On: v.FaultsOf == l.Name})
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

// taipei is the zone of the building's clock on the wall, wherever the simulator runs.
func taipei() *time.Location { return time.FixedZone("Asia/Taipei", 8*60*60) }
