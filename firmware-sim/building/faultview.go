package building

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
)

const (
	shownNoise = 0.002 // what the page's switch sets
	shownLate  = 200   // ms
)

// faultView is one switch of the card of faults.
type faultView struct {
	ID, Word, Where, Action string
	On                      bool
	Fields                  map[string]string

	line string // shown while this line is looked at; empty: only while it is on
}

// lineView is a line with its plug.
type lineView struct {
	LineState
	PlugAction, NextLink string
	Shown                bool // its faults are looked at, or it is unplugged
}

// faults are the switches to show: all that are on, then those of the line that is looked at.
func (v *view) faults() (out []faultView) {
	for _, l := range v.State.Lines {
		out = append(out, lineFaults(v.choice, l)...)
	}
	for _, b := range v.State.Banks {
		out = append(out, bankFaults(v.choice, b)...)
	}
	for _, m := range v.Meters {
		out = append(out, m.faults()...)
	}
	for _, d := range v.Doors {
		out = append(out, d.faults()...)
	}
	out = slices.DeleteFunc(out, func(f faultView) bool { return !f.On && f.line != v.FaultsOf })
	seen := map[string]bool{} // what doors of one module share
	out = slices.DeleteFunc(out, func(f faultView) bool { again := seen[f.ID]; seen[f.ID] = true; return again })
	slices.SortStableFunc(out, func(a, b faultView) int {
		switch {
		case a.On == b.On:
			return 0
		case a.On:
			return -1
		}
		return 1
	})
	return out
}

func lineFaults(c choice, l LineState) []faultView {
	toggle := func(action, zh, en, where string, on bool, fields map[string]string) faultView {
		return faultView{
			ID: action + "-" + l.Name, Word: c.word(zh, en), Where: strings.TrimSpace(l.Name + " " + where), On: on,
			Action: "/touch/lines/" + l.Name + "/" + action + c.query(), Fields: fields, line: l.Name,
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
				ID: fmt.Sprintf("%s-%s-%d", f.fault, s.Name, board.Address), Word: c.word(f.zh, f.en), On: on, line: s.Line,
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

// nextLink is the name an adapter gets when it comes back as another one: rs485-a, rs485-a-1, rs485-a-2.
func nextLink(link string) string {
	if m := regexp.MustCompile(`^(.*)-(\d{1,4})$`).FindStringSubmatch(link); m != nil {
		n, _ := strconv.Atoi(m[2]) // digits by the pattern
		return fmt.Sprintf("%s-%d", m[1], n+1)
	}
	return link + "-1"
}
