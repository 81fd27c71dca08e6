package building

import (
	"fmt"
	"strconv"
	"strings"
)

// What the page's buttons for late answers set.
const (
	shownLateRate = 0.3
	shownLateBy   = 1500 // ms
)

// device is a meter or a door on the page: what its buttons and faults send their forms to.
type device struct {
	choice
	kind, id, name, line string // kind: meters or doors
}

func (d device) action(action string) string {
	return "/touch/" + d.kind + "/" + d.id + "/" + action + d.query()
}

// button is one press.
func (d device) button(action, class, zh, en, why string, fields ...string) actionView {
	return actionView{ID: d.kind + "-" + action + "-" + d.id, Action: d.action(action), Class: class, Word: d.word(zh, en), Why: why, Fields: pairs(fields)}
}

// toggle is a button that stays pressed while a fault is on.
func (d device) toggle(action, zh, en string, on bool, fields ...string) actionView {
	a := d.button(action, "", zh, en, "", fields...)
	if a.On = strconv.FormatBool(on); len(fields) == 0 {
		a.Fields = map[string]string{"on": strconv.FormatBool(!on)}
	}
	return a
}

// answers are the toggles of what can be wrong with the device's answers.
func (d device) answers(f AnswerFaults) []actionView {
	rate := shownLateRate
	if f.LateRate > 0 {
		rate = 0
	}
	return []actionView{
		d.toggle("silence", "不回覆", "Silent", f.Silence),
		d.toggle("late", d.lateWord(f), d.lateWord(f), f.LateRate > 0, "rate", fmt.Sprint(rate), "ms", fmt.Sprint(shownLateBy)),
		d.toggle("wrong-unit", "冒用下一個位址", "Answers as next unit", f.WrongUnit),
	}
}

func (d device) lateWord(f AnswerFaults) string {
	rate, late := shownLateRate, int64(shownLateBy)
	if f.LateRate > 0 {
		rate, late = f.LateRate, f.Late
	}
	return fmt.Sprintf(d.word("%.3g%% 晚 %d ms", "%.3g%% late by %d ms"), rate*100, late)
}

// faults turns pressed toggles into switches of the card of faults.
func (d device) faults(toggles []actionView, where string) (out []faultView) {
	for _, a := range toggles {
		if a.On == "true" {
			out = append(out, faultView{ID: "fault-" + a.ID, Word: a.Word, Where: where, Action: a.Action, Fields: a.Fields, On: true})
		}
	}
	return out
}

// trouble says in a word or two what is wrong with the device's answers; empty: nothing.
func (d device) trouble(f AnswerFaults) string {
	var out []string
	if f.Silence {
		out = append(out, fmt.Sprintf(d.word("不回覆 %d 次", "silent %d×"), f.Unanswered))
	}
	if f.WrongUnit {
		out = append(out, d.word("冒用位址", "wrong unit"))
	}
	if f.LateRate > 0 {
		out = append(out, d.word("晚回覆", "late"))
	}
	return strings.Join(out, d.word("、", ", "))
}

func pairs(fields []string) map[string]string {
	out := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		out[fields[i]] = fields[i+1]
	}
	return out
}
