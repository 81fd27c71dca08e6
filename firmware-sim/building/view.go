package building

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	headClock   = "15:04:05" // of the page
	shownFaults = 16         // of those that are on, before "and more"
)

// view is everything that the page's templates show.
type view struct {
	choice
	Name      string
	Seed      uint64
	Clock     string
	Faults    []faultView // that are on
	FaultsOn  int
	More      int // faults that are on and not shown
	Openings  uint64
	Physical  string // where the openings were
	Banks     []bankView
	Doors     []facilityView
	Meters    metersView
	Panel     panelView
	Lines     []lineView
	Filters   []filterView
	Switches  []filterView // of the wire log
	Entries   []entryView
	Problem   string
	Live      string
	OtherLang string
	Running   bool // with what runs on by itself
}

// actionView is one button, with what it sends.
type actionView struct {
	ID, Action, Class, Word string
	Why                     string // it cannot be pressed now; empty: it can
	Fields                  map[string]string
}

// faultView is one switch.
type faultView struct {
	ID, Word, Detail, Where, Href, Action string
	On                                    bool
	Fields                                map[string]string
}

// filterView is a link that stays pressed.
type filterView struct {
	ID, Word, Href string
	On             bool
}

// view draws the building, which stands as in s at now.
func (b *Building) view(c choice, s State, now time.Time) view {
	on := s.On()
	shown := once(on)
	v := view{
		choice: c, Name: s.Name, Seed: s.Seed, Clock: now.In(taipei()).Format(headClock), Live: "/live" + c.query(), FaultsOn: len(shown),
		OtherLang: c.with(func(c *choice) { c.Lang = c.word("en", "zh") }), Running: true,
	}
	for _, w := range shown[:min(len(shown), shownFaults)] {
		v.Faults = append(v.Faults, c.fault("on", w, s))
	}
	v.More = len(shown) - len(v.Faults)
	v.counts(s)
	wrong := map[Target][]string{}
	for _, w := range on {
		wrong[w.Target] = append(wrong[w.Target], c.word(w.Action.ZH, w.Action.EN))
	}
	for i, bank := range s.Banks {
		v.Banks = append(v.Banks, b.banks[i].view(c, bank))
	}
	for _, d := range s.Doors {
		v.Doors = append(v.Doors, newFacilityView(c, d, wrong[Target{Kind: Doors, Name: d.ID}]))
	}
	v.Meters = newMetersView(c, s.Meters, wrong)
	v.Lines = b.linesView(c, s, wrong)
	v.Panel = b.panel(c, s)
	b.wire(&v, s)
	return v
}

// counts puts in what physically happened.
func (v *view) counts(s State) {
	var doors, forced uint64
	for _, d := range s.Doors {
		doors, forced = doors+d.Counts.Openings, forced+d.Counts.Forced
	}
	v.Openings = s.Counts.Openings + doors
	parts := []string{}
	add := func(there bool, zh, en string, n uint64) {
		if there {
			parts = append(parts, fmt.Sprintf(v.word(zh, en), n))
		}
	}
	add(len(s.Banks) > 0, "櫃 %d", "lockers %d", s.Counts.Openings)
	add(len(s.Doors) > 0, "門 %d", "doors %d", doors)
	add(len(s.Banks) > 0, "鑰匙 %d", "by key %d", s.KeyOpenings)
	add(s.Forced+forced > 0, "撬開 %d", "forced %d", s.Forced+forced)
	v.Physical = strings.Join(parts, " · ")
}

// fault is a switch of a fault as it stands; from tells apart the lists in which it is drawn.
func (c choice) fault(from string, w Switch, s State) faultView {
	do, o := w.Press()
	now := w.Now
	if !w.On {
		now = o
	}
	return faultView{
		ID: strings.ReplaceAll(from+"-"+w.Target.path()+"-"+w.Action.Name, "/", "-"), Word: c.word(w.Action.ZH, w.Action.EN), Detail: c.told(now),
		Where: c.called(w.Target, s), Href: c.picking(w.Target), Action: "/touch/" + w.Target.path() + "/" + do + c.query(), On: w.On, Fields: o.Fields(),
	}
}

// told is what a fault was told, or would be.
func (c choice) told(o Options) string {
	var out []string
	if o.Rate != nil {
		out = append(out, fmt.Sprintf("%.3g%%", *o.Rate*100))
	}
	if o.MS != nil {
		out = append(out, fmt.Sprintf("+%d ms", *o.MS))
	}
	if o.Litres != nil {
		out = append(out, fmt.Sprintf("±%d L", *o.Litres))
	}
	if o.Baud != nil {
		out = append(out, fmt.Sprintf("%d Bd", *o.Baud))
	}
	switch o.Contact {
	case "open":
		out = append(out, c.word("說「開」", "says open"))
	case "closed":
		out = append(out, c.word("說「關」", "says closed"))
	}
	return strings.Join(append(out, slices.DeleteFunc([]string{o.Parity}, func(s string) bool { return s == "" })...), " · ")
}

// taipei is the zone of the building's clock on the wall, wherever the simulator runs.
func taipei() *time.Location { return time.FixedZone("Asia/Taipei", 8*60*60) }
