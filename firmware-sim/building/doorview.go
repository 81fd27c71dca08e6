package building

import (
	"fmt"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// facilityView is one facility's door of the page.
type facilityView struct {
	DoorState
	Title              string
	Href               string
	Picked             bool
	Word, Icon, Badge  string // what the door does
	Facts              string
	Actions            []actionView // what people at the door do
	Toggles            []actionView // what can be wrong
	device             device
	doorFaults, shared []actionView // of Toggles: the door's own, and its module's
}

func newFacilityView(c choice, s DoorState) facilityView {
	key := "door-" + s.ID
	d := device{choice: c, kind: "doors", id: s.ID, name: c.word(s.Name, s.English), line: s.Line}
	v := facilityView{
		DoorState: s, Title: d.name, Picked: c.Device == key, device: d,
		Href: c.with(func(c *choice) { c.Device = key; c.Faults = s.Line }),
	}
	v.Word, v.Icon, v.Badge = d.word("關、上鎖", "locked"), "lock", ""
	switch {
	case s.Open:
		v.Word, v.Icon, v.Badge = d.word("開著", "open"), "door-open", "badge-info"
	case s.Faults.Jammed && s.OutputOn:
		v.Word, v.Icon, v.Badge = d.word("電鎖卡住", "strike jammed"), "x", "badge-bad"
	case s.OutputOn:
		v.Word, v.Icon, v.Badge = d.word("可以推開", "released"), "unlock", "badge-info"
	}
	v.Actions = []actionView{
		d.button("push", map[bool]string{true: "btn-filled"}[s.OutputOn && !s.Open], "推門", "Push", d.why(s.Open, "門已經開著", "it is open already")),
		d.button("shut", "", "關上", "Shut", d.why(!s.Open, "門已經關著", "it is closed already")),
		d.button("exit", "", "外出", "Exit", ""),
	}
	v.doorFaults, v.shared = doorToggles(d, s), d.answers(s.Faults.AnswerFaults)
	v.Toggles = append(append([]actionView{}, v.doorFaults...), v.shared...)
	v.Facts = doorFacts(c, s)
	return v
}

func doorToggles(d device, s DoorState) []actionView {
	jam := d.toggle("jam", "電鎖卡住", "Strike jammed", s.Faults.Jammed)
	if s.Faults.Jammed {
		jam.Action = d.action("unjam")
	}
	out := []actionView{jam}
	if s.Contact == "" {
		return out
	}
	for _, way := range []struct {
		stuck  modbus.Stuck
		zh, en string
	}{{modbus.StuckOpen, "門磁卡在「開」", "Contact stuck open"}, {modbus.StuckClosed, "門磁卡在「關」", "Contact stuck closed"}} {
		on, to := s.Faults.StuckContact == way.stuck, string(way.stuck)
		if on {
			to = "off"
		}
		a := d.toggle("stick-contact", way.zh, way.en, on, "contact", to)
		a.ID = "doors-stuck-" + string(way.stuck) + "-" + s.ID
		out = append(out, a)
	}
	return out
}

// doorFacts is the oracle in one line.
func doorFacts(c choice, s DoorState) string {
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
	return strings.Join([]string{
		contact,
		fmt.Sprintf(c.word("放開 %d 次", "releases %d"), s.Counts.Releases),
		fmt.Sprintf(c.word("推開 %d 次", "openings %d"), s.Counts.Openings),
		fmt.Sprintf(c.word("外出 %d 次", "exits %d"), s.Counts.Exits),
		fmt.Sprintf(c.word("強行打開 %d 次", "forced %d"), s.Counts.Forced),
		fmt.Sprintf(c.word("通電最久 %g 秒", "longest on %g s"), longest.Seconds()),
	}, " · ")
}

// Force is the button that opens the door against its strike.
func (v facilityView) Force() actionView {
	return v.device.button("force", "btn-danger-line", "強行打開", "Force open", v.device.why(v.Open, "門已經開著", "it is open already"))
}

// Trouble says what is wrong with the module's answers; empty: nothing.
func (v facilityView) Trouble() string { return v.device.trouble(v.Faults.AnswerFaults) }

func (v facilityView) faults() []faultView {
	shared := v.device.faults(v.shared, fmt.Sprintf(v.device.word("%s 模組 %d 號", "%s, module %d"), v.Line, v.Address))
	for i := range shared { // the same for every door of the module
		shared[i].ID = fmt.Sprintf("%s-%s-%d", strings.TrimSuffix(shared[i].ID, "-"+v.ID), v.Line, v.Address)
	}
	return append(v.device.faults(v.doorFaults, v.Title), shared...)
}
