package building

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
)

const (
	shownFrames = 60
	shownNoise  = 0.002          // what the page's switch sets
	shownLate   = 200            // ms
	clock       = "15:04:05.000" // of a frame
	headClock   = "15:04:05"     // of the page
)

// choice is what the page's address says about how it is looked at.
type choice struct {
	Lang string // "zh" or "en"
	Door string // "A-18"; empty: none
	Line string // of the wire log; empty: all
}

func (c choice) query() string {
	q := url.Values{"lang": {c.Lang}}
	if c.Door != "" {
		q.Set("door", c.Door)
	}
	if c.Line != "" {
		q.Set("line", c.Line)
	}
	return "?" + q.Encode()
}

func (c choice) word(zh, en string) string {
	if c.Lang == "en" {
		return en
	}
	return zh
}

// view is everything that the page's template shows.
type view struct {
	choice
	State     State
	FaultsOn  int
	Clock     string
	Banks     []bankView
	Faults    []faultView
	AnyStuck  bool
	Lines     []lineView
	Filters   []filterView
	Entries   []entryView
	Problem   string
	Live      string
	OtherLang string
}

type bankView struct {
	BankState
	Baud    int
	Columns [][]doorView
	Picked  *pickedView
}

type doorView struct {
	cell
	Key, Class, Icon, Label, Href string
	Item, Picked                  bool
}

type pickedView struct {
	Lock    int
	Facts   string
	Actions []actionView
}

type actionView struct{ ID, Action, Class, Word, Why string }

type faultView struct {
	ID, Word, Where, Action string
	On                      bool
	Fields                  map[string]string
}

type lineView struct {
	LineState
	PlugAction, NextLink string
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
	other := c
	other.Lang = c.word("en", "zh")
	v := view{choice: c, State: s, FaultsOn: s.FaultsOn(), Clock: now.In(taipei()).Format(headClock), Live: "/live" + c.query(), OtherLang: "/" + other.query()}
	for i, bank := range s.Banks {
		v.Banks = append(v.Banks, b.banks[i].view(c, bank))
		v.Faults = append(v.Faults, lineFaults(c, s.Lines[i])...)
		v.Faults = append(v.Faults, bankFaults(c, bank)...)
		v.AnyStuck = v.AnyStuck || slices.ContainsFunc(bank.Locks, func(l LockState) bool { return l.Stuck })
	}
	v.Filters = []filterView{{ID: "all", Word: c.word("全部", "All"), Href: "/" + choice{c.Lang, c.Door, ""}.query(), On: c.Line == ""}}
	for _, l := range s.Lines {
		action := "/touch/lines/" + l.Name + "/" + map[bool]string{true: "unplug", false: "replug"}[l.Plugged] + c.query()
		v.Lines = append(v.Lines, lineView{LineState: l, PlugAction: action, NextLink: nextLink(l.Link)})
		v.Filters = append(v.Filters, filterView{ID: l.Name, Word: l.Name, Href: "/" + choice{c.Lang, c.Door, l.Name}.query(), On: c.Line == l.Name})
	}
	for _, e := range b.log.After(c.Line, 0, shownFrames) {
		v.Entries = append(v.Entries, entryView{
			At: e.At.In(taipei()).Format(clock), Line: e.Line, Hex: fmt.Sprintf("% X", e.Bytes), Meaning: c.word(e.Meaning.ZH, e.Meaning.EN),
			Class: rowClass(e.Meaning.Bad, e.Meaning.Marked), ToHost: e.ToHost, Bad: e.Meaning.Bad,
		})
	}
	slices.Reverse(v.Entries)
	return v
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

// nextLink is the name an adapter gets when it comes back as another one: rs485-a, rs485-a-1, rs485-a-2.
func nextLink(link string) string {
	if m := regexp.MustCompile(`^(.*)-(\d{1,4})$`).FindStringSubmatch(link); m != nil {
		n, _ := strconv.Atoi(m[2]) // digits by the pattern
		return fmt.Sprintf("%s-%d", m[1], n+1)
	}
	return link + "-1"
}

func (k *bank) view(c choice, s BankState) bankView {
	v := bankView{BankState: s, Baud: k.Bank.Line.Baud}
	for _, column := range k.cells {
		var doors []doorView
		for _, cell := range column {
			d := doorView{cell: cell}
			if cell.Lock > 0 {
				d = k.door(c, cell, s.Locks[cell.Lock-1])
			}
			if d.Picked {
				v.Picked = picked(c, k.Name, s.Locks[cell.Lock-1])
			}
			doors = append(doors, d)
		}
		v.Columns = append(v.Columns, doors)
	}
	return v
}

func (k *bank) door(c choice, at cell, l LockState) doorView {
	d := doorView{cell: at, Key: fmt.Sprintf("%s-%d", k.Name, at.Lock), Item: l.Item, Icon: "lock"}
	state := c.word("鎖上", "latched")
	var classes []string
	if l.Latch == "open" {
		d.Icon, state = "unlock", c.word("打開", "open")
		classes = append(classes, "is-open")
	} else if l.Stuck {
		d.Icon = "x"
		classes = append(classes, "is-bad")
	}
	if l.Stuck {
		state += c.word("，鎖卡住", ", stuck")
	}
	if l.Item {
		state += c.word("，有物品", ", something inside")
	}
	if d.Picked = c.Door == d.Key; d.Picked {
		classes = append(classes, "is-picked")
	}
	d.Class, d.Href = strings.Join(classes, " "), "/"+choice{c.Lang, d.Key, c.Line}.query()
	d.Label = fmt.Sprintf(c.word("%s %02d 號，%s", "%s %02d, %s"), k.Name, at.Lock, state)
	return d
}

// picked is the row of buttons below the bank. What cannot be done now is disabled and says why.
func picked(c choice, bank string, l LockState) *pickedView {
	open := l.Door == "open"
	v := &pickedView{Lock: l.Lock}
	why := func(bad bool, zh, en string) string {
		if bad {
			return c.word(zh, en)
		}
		return ""
	}
	shut := why(!open, "門關著，先打開", "the door is closed; open it first")
	add := func(action, class, zh, en, reason string) {
		v.Actions = append(v.Actions, actionView{
			ID: "do-" + action, Class: class, Word: c.word(zh, en), Why: reason,
			Action: fmt.Sprintf("/touch/locks/%s/%d/%s%s", bank, l.Lock, action, c.query()),
		})
	}
	add("close", "btn-filled", "關上", "Close", shut)
	add("put", "", "放入", "Put in", cmp.Or(shut, why(l.Item, "裡面已有物品", "something is inside already")))
	add("take", "", "取出", "Take out", cmp.Or(shut, why(!l.Item, "裡面沒有東西", "nothing is inside")))
	add("open-by-key", "", "用鑰匙開", "Open by key", why(open, "門已經開著", "the door is open already"))
	if l.Stuck {
		add("unstick", "", "放開門鎖", "Free latch", "")
	} else {
		add("stick", "btn-danger-line", "卡住門鎖", "Jam latch", "")
	}
	facts := []string{fmt.Sprintf(c.word("%d 號板", "Board %d"), l.Board)}
	if open {
		facts = append(facts, c.word("門開著", "door open"))
	} else {
		facts = append(facts, c.word("門關著，要先打開才能放入或取出", "door closed: open it before you put in or take out"))
	}
	facts = append(facts, fmt.Sprintf(c.word("通電 %d 次", "%d pulses"), l.Pulses), fmt.Sprintf(c.word("開門 %d 次", "%d openings"), l.Openings),
		fmt.Sprintf(c.word("用鑰匙 %d 次", "%d by key"), l.KeyOpenings))
	v.Facts = strings.Join(facts, " · ")
	return v
}

func lineFaults(c choice, l LineState) []faultView {
	toggle := func(action, zh, en, where string, on bool, fields map[string]string) faultView {
		return faultView{
			ID: action + "-" + l.Name, Word: c.word(zh, en), Where: strings.TrimSpace(l.Name + " " + where), On: on,
			Action: "/touch/lines/" + l.Name + "/" + action + c.query(), Fields: fields,
		}
	}
	either := func(on bool, off, value string) string {
		if on {
			return off
		}
		return value
	}
	f := l.Faults
	rate, late := cmp.Or(f.Noise, shownNoise), cmp.Or(f.Late, int64(shownLate))
	return []faultView{
		toggle("noise", "雜訊（位元翻轉）", "Noise (bit flips)", fmt.Sprintf("%.3g%%", rate*100), f.Noise > 0, map[string]string{"rate": either(f.Noise > 0, "0", fmt.Sprint(shownNoise))}),
		toggle("silence", "不回覆（聽得到）", "Silence (still hears)", "", f.Silence, map[string]string{"on": fmt.Sprint(!f.Silence)}),
		toggle("late", "晚回覆", "Late answers", fmt.Sprintf("+%d ms", late), f.Late > 0, map[string]string{"ms": either(f.Late > 0, "0", fmt.Sprint(shownLate))}),
		toggle("cut", "線斷了", "Cable cut", "", f.Cut, map[string]string{"on": fmt.Sprint(!f.Cut)}),
	}
}

func bankFaults(c choice, s BankState) []faultView {
	var out []faultView
	for _, board := range s.Boards {
		for _, f := range []struct {
			fault  kerong.BoardFault
			zh, en string
		}{{kerong.BoardMute, "板子不回覆", "Board mute"}, {kerong.BoardDead, "板子沒電", "Board without power"}} {
			on := board.Fault == f.fault
			action := string(f.fault)
			if on {
				action = "fine"
			}
			out = append(out, faultView{
				ID: fmt.Sprintf("%s-%s-%d", f.fault, s.Name, board.Address), Word: c.word(f.zh, f.en), On: on,
				Where:  fmt.Sprintf(c.word("%s 棟 %d 號板", "%s, board %d"), s.Name, board.Address),
				Action: fmt.Sprintf("/touch/boards/%s/%d/%s%s", s.Name, board.Address, action, c.query()),
			})
		}
	}
	for _, l := range s.Locks {
		if l.Stuck {
			out = append(out, faultView{
				ID: fmt.Sprintf("stuck-%s-%d", s.Name, l.Lock), Word: c.word("門鎖卡住", "Stuck latch"), On: true,
				Where:  fmt.Sprintf(c.word("%s %02d 號", "%s %02d"), s.Name, l.Lock),
				Action: fmt.Sprintf("/touch/locks/%s/%d/unstick%s", s.Name, l.Lock, c.query()),
			})
		}
	}
	return out
}

// taipei is the zone of the building's clock on the wall, wherever the simulator runs.
func taipei() *time.Location { return time.FixedZone("Asia/Taipei", 8*60*60) }
