package building

import (
	"fmt"
	"strings"
)

const (
	digitsShown = 8 // of a counter at least, three of them behind the point
	decimals    = 3

	wholeList  = 24 // so many meters are shown at once
	shownFew   = 18 // of more, about so many, of each line as many
	shownFound = 60 // of those that somebody looks for
)

// metersView is the list of meters, line by line.
type metersView struct {
	All    int
	Groups []metersOfLine
	Shown  int
	Found  int // of those that somebody looks for; -1: nobody does
	Few    filterView
	Every  filterView
	Wrong  filterView
}

// metersOfLine are the meters of one line.
type metersOfLine struct {
	Line, Href string
	All, Wrong int
	Meters     []meterView
	Rest       filterView // all of this line; no word: they are shown
}

// meterView is one meter of the page.
type meterView struct {
	MeterState
	Href         string
	Picked       bool
	Whole, After string // the counter's digits before and behind the point
	Label        string // the same, read aloud
	FlowText     string
	Trouble      string // what is wrong, instead of the flow
	Unit         string
}

func newMetersView(c choice, all []MeterState, wrong map[Target][]string) metersView {
	v := metersView{All: len(all), Found: -1}
	looks := c.Query != "" || c.Trouble
	if looks {
		v.Found = 0
	}
	at, each := map[string]int{}, shownEach(all)
	for _, m := range all {
		i, ok := at[m.Line]
		if !ok {
			i = len(v.Groups)
			at[m.Line] = i
			v.Groups = append(v.Groups, metersOfLine{Line: m.Line, Href: c.picking(Target{Kind: Lines, Name: m.Line})})
		}
		g := &v.Groups[i]
		words := wrong[Target{Kind: Meters, Name: m.ID}]
		g.All++
		if len(words) > 0 {
			g.Wrong++
		}
		found := (!c.Trouble || len(words) > 0) && m.has(c.Query)
		if looks && found {
			v.Found++
		}
		room := len(all) <= wholeList || len(g.Meters) < each || c.Meters == "all" || c.Meters == m.Line
		if found && (looks && v.Shown < shownFound || !looks && room) {
			g.Meters = append(g.Meters, newMeterView(c, m, words))
			v.Shown++
		}
	}
	for i := range v.Groups {
		g := &v.Groups[i]
		if !looks && len(g.Meters) < g.All {
			g.Rest = filterView{ID: "all-" + g.Line, Word: fmt.Sprintf(c.word("看全部 %d 只", "See all %d"), g.All), Href: c.with(func(c *choice) { c.Meters = g.Line })}
		}
	}
	v.Few = filterView{ID: "meters-few", Word: c.word("看一部分", "See a few"), Href: c.with(func(c *choice) { c.Meters, c.Query, c.Trouble = "", "", false }), On: c.Meters == "" && !looks}
	v.Every = filterView{ID: "meters-all", Word: c.word("看全部", "See all"), Href: c.with(func(c *choice) { c.Meters, c.Query, c.Trouble = "all", "", false }), On: c.Meters == "all" && !looks}
	v.Wrong = filterView{ID: "meters-wrong", Word: c.word("有問題的", "In trouble"), Href: c.with(func(c *choice) { c.Trouble = !c.Trouble }), On: c.Trouble}
	return v
}

// shownEach is how many meters of each line are shown when they are not all.
func shownEach(all []MeterState) int {
	lines := map[string]bool{}
	for _, m := range all {
		lines[m.Line] = true
	}
	return max(2, shownFew/max(1, len(lines)))
}

// has reports whether part stands in the meter's id, serial number or model.
func (s MeterState) has(part string) bool {
	return part == "" || strings.Contains(strings.ToLower(s.ID+"\n"+s.Serial+"\n"+string(s.Profile)), strings.ToLower(part))
}

func newMeterView(c choice, s MeterState, wrong []string) meterView {
	at := Target{Kind: Meters, Name: s.ID}
	digits := fmt.Sprintf("%0*d", digitsShown, s.Litres)
	point := len(digits) - decimals
	v := meterView{
		MeterState: s, Picked: c.Pick == at.path(), Href: c.picking(at), Whole: digits[:point], After: digits[point:], Unit: fmt.Sprint(s.Address),
		Label: fmt.Sprintf("%.3f m³", float64(s.Litres)/1000), FlowText: fmt.Sprintf("%.2f m³/h", float64(s.Flow)/1000), Trouble: few(c, wrong),
	}
	if s.Channel > 0 {
		v.Unit = fmt.Sprintf("%d.%d", s.Address, s.Channel)
	}
	if s.Faults.Silence && v.Trouble != "" {
		v.Trouble = fmt.Sprintf(c.word("不回覆 %d 次", "silent %d×"), s.Faults.Unanswered)
	}
	return v
}

// Digits splits a part of the counter for the drawing.
func (v meterView) Digits(part string) []string { return strings.Split(part, "") }

// shown are the meters that the page shows.
func (v metersView) shown() (out []meterView) {
	for _, g := range v.Groups {
		out = append(out, g.Meters...)
	}
	return out
}
