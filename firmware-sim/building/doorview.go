package building

import (
	"fmt"
	"strings"
	"time"
)

// facilityView is one facility's door of the page.
type facilityView struct {
	DoorState
	Title             string
	Href              string
	Picked            bool
	Word, Icon, Badge string // what the door does
	Trouble           string // what is wrong; empty: nothing
	Actions           []actionView
}

func newFacilityView(c choice, s DoorState, wrong []string) facilityView {
	at := Target{Kind: Doors, Name: s.ID}
	v := facilityView{
		DoorState: s, Title: c.word(s.Name, s.English), Href: c.picking(at), Picked: c.Pick == at.path(), Trouble: few(c, wrong),
		Word: c.word("關、上鎖", "locked"), Icon: "lock",
	}
	switch {
	case s.Open:
		v.Word, v.Icon, v.Badge = c.word("開著", "open"), "door-open", "badge-info"
	case s.Faults.Jammed && s.OutputOn:
		v.Word, v.Icon, v.Badge = c.word("電鎖卡住", "strike jammed"), "x", "badge-bad"
	case s.OutputOn:
		v.Word, v.Icon, v.Badge = c.word("可以推開", "released"), "unlock", "badge-info"
	}
	push := c.deed(at, "push", map[bool]string{true: "btn-filled"}[s.OutputOn && !s.Open], "推門", "Push", c.why(s.Open, "門已經開著", "it is open already"))
	v.Actions = []actionView{push, c.deed(at, "shut", "", "關上", "Shut", c.why(!s.Open, "門已經關著", "it is closed already")), c.deed(at, "exit", "", "外出", "Exit", "")}
	return v
}

// few are the first words of what is wrong.
func few(c choice, wrong []string) string {
	if len(wrong) > 2 {
		return strings.Join(wrong[:2], c.word("、", ", ")) + "…"
	}
	return strings.Join(wrong, c.word("、", ", "))
}

// doorFacts is the oracle of a door.
func doorFacts(c choice, s DoorState) []string {
	contact := c.word("沒有門磁", "no contact")
	switch s.Contact {
	case "open":
		contact = c.word("門磁說開", "contact says open")
	case "closed":
		contact = c.word("門磁說關", "contact says closed")
	}
	longest := (time.Duration(s.Counts.Longest) * time.Millisecond).Round(100 * time.Millisecond)
	if s.OutputOn {
		longest = longest.Truncate(time.Second)
	}
	return []string{
		fmt.Sprintf(c.word("模組 %s %d", "module %s %d"), s.Line, s.Address), contact,
		fmt.Sprintf(c.word("放開 %d 次", "releases %d"), s.Counts.Releases),
		fmt.Sprintf(c.word("推開 %d 次", "openings %d"), s.Counts.Openings),
		fmt.Sprintf(c.word("外出 %d 次", "exits %d"), s.Counts.Exits),
		fmt.Sprintf(c.word("強行打開 %d 次", "forced %d"), s.Counts.Forced),
		fmt.Sprintf(c.word("通電最久 %g 秒", "longest on %g s"), longest.Seconds()),
	}
}
