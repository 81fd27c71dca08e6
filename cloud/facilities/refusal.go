package facilities

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Refusal is why a slot was not booked, and what can be booked instead. Nothing has changed.
type Refusal struct {
	Rule rules.Rule
	Next *rules.Slot // the next free slot of the facility; nil: none within the horizon
}

// Error is the rule's code.
func (r *Refusal) Error() string { return "slot refused: " + r.Rule.String() }

// refuse finds what a household can have instead: after the slot that it wanted or, if it has too many, after the first of
// those is over; else from now on.
func refuse(of Facility, rule rules.Rule, from wire.Micros, many, taken []rules.Slot, now time.Time) *Refusal {
	r := &Refusal{Rule: rule}
	if len(many) > 0 {
		first := many[0].To
		for _, s := range many {
			first = min(first, s.To)
		}
		from = max(from, first)
	}
	for _, after := range []wire.Micros{from, wire.At(now)} {
		if s, ok := of.Next(after, taken, now); ok {
			r.Next = &s
			break
		}
	}
	return r
}

// Say names the rule and the next free slot, for people, in English or Chinese.
func (r *Refusal) Say(english bool) string {
	var next, then, thenEN string
	if r.Rule == rules.Limit { // not as things are
		then, thenEN = "屆時", " then"
	}
	switch {
	case english && r.Next != nil:
		next = fmt.Sprintf(" Next free%s: %s.", thenEN, r.Next.From.Time().In(fleet.Taipei()).Format("Mon 2 Jan, 15:04"))
	case english:
		next = " Nothing is free within 30 days."
	case r.Next != nil:
		t := r.Next.From.Time().In(fleet.Taipei())
		next = fmt.Sprintf("%s最近可預約 %s（%c）%s。", then, t.Format("1/2"), []rune("日一二三四五六")[t.Weekday()], t.Format("15:04"))
	default:
		next = "30 天內都已額滿。"
	}
	return sayRule(r.Rule, english) + next
}

func sayRule(r rules.Rule, english bool) string {
	days := int(rules.Horizon / rules.Day)
	var zh, en string
	switch r {
	case rules.NoSlot:
		zh, en = "這個時間沒有可預約的時段。", "No slot begins then."
	case rules.Over:
		zh, en = "這個時段已經結束。", "This slot is over."
	case rules.TooFar:
		zh, en = fmt.Sprintf("只能預約 %d 天內的時段。", days), fmt.Sprintf("Bookings open %d days ahead.", days)
	case rules.Limit:
		zh, en = fmt.Sprintf("每戶最多 %d 筆還沒結束的預約，結束或取消一筆後可再預約。", rules.MaxLiving),
			fmt.Sprintf("A household has %d bookings at most that are not over; use or cancel one first.", rules.MaxLiving)
	case rules.Taken:
		zh, en = "這個時段已被預約。", "This slot is taken."
	case rules.Often:
		zh, en = fmt.Sprintf("每戶最多取消 %d 筆時間未到的預約，其中一筆的時間過了才能再預約。", rules.MaxCancelled),
			fmt.Sprintf("A household cancels %d bookings ahead at most; book again when the time of one of them is over.", rules.MaxCancelled)
	}
	if english {
		return fmt.Sprintf("Rule %d: %s", r, en)
	}
	return fmt.Sprintf("規則 %d：%s", r, zh)
}
