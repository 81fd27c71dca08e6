package building

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	digitsShown = 8 // of a counter at least, three of them behind the point
	decimals    = 3
)

// meterView is one meter of the page.
type meterView struct {
	MeterState
	Href         string
	Picked       bool
	Whole, After string // the counter's digits before and behind the point
	Label        string // the same, read aloud
	FlowText     string
	Trouble      string // what is wrong, instead of the flow
	Icon         string // of Trouble
	Facts        string
	Toggles      []actionView
	Actions      []actionView
	Replace      actionView
	NextSerial   string
	device       device
}

func newMeterView(c choice, s MeterState, speed int) meterView {
	key := "meter-" + s.ID
	d := device{choice: c, kind: "meters", id: s.ID, name: s.ID, line: s.Line}
	digits := fmt.Sprintf("%0*d", digitsShown, s.Litres)
	point := len(digits) - decimals
	v := meterView{
		MeterState: s, Picked: c.Device == key, device: d, Whole: digits[:point], After: digits[point:],
		Href:     c.with(func(c *choice) { c.Device = key; c.Faults = s.Line }),
		Label:    fmt.Sprintf("%.3f m³", float64(s.Litres)/1000),
		FlowText: fmt.Sprintf("%.2f m³/h", float64(s.Flow)/1000),
		Facts: strings.Join([]string{
			d.word("表號", "Serial") + " " + s.Serial, fmt.Sprintf(d.word("每次 %d 公升", "%d litres a count"), s.PerCount),
			fmt.Sprintf(d.word("%d 倍速", "%d× speed"), cmp.Or(speed, 1)),
		}, " · "),
	}
	v.Icon, v.Trouble = "question", d.trouble(s.Faults.AnswerFaults)
	if words := flagWords(c, s.Flags); v.Trouble == "" && words != "" {
		v.Icon, v.Trouble = "triangle", words
	}
	v.Toggles = d.answers(s.Faults.AnswerFaults)
	for _, f := range meterFlags() {
		v.Toggles = append(v.Toggles, d.toggle(f.action, f.zh, f.en, slices.Contains(s.Flags, f.flag)))
	}
	v.Actions = []actionView{
		d.button("set", "", "倒退 1 度", "Back 1 m³", d.why(s.Litres < 1000, "還不到 1 度", "it shows less than 1 m³"), "add", "-1000"),
		d.button("set", "", "跳 1,000 度", "Jump 1,000 m³", "", "add", "1000000"),
	}
	v.Actions[1].ID = "meters-jump-" + s.ID
	v.Replace = d.button("replace", "", "換表", "Exchange meter", "")
	n, _ := strconv.Atoi(s.Serial) // of a model without one it is 0
	v.NextSerial = fmt.Sprintf("%08d", (n+10_000_000)%modulus)
	return v
}

const modulus = 100_000_000 // serial numbers have eight digits

// Digits splits a part of the counter for the drawing.
func (v meterView) Digits(part string) []string { return strings.Split(part, "") }

func (v meterView) faults() []faultView {
	return v.device.faults(v.Toggles, v.ID)
}

// meterFlag is a status bit as people see it.
type meterFlag struct{ flag, action, zh, en string }

func meterFlags() []meterFlag {
	return []meterFlag{
		{"leak", "leak", "漏氣", "Leak"}, {"low_battery", "low-battery", "電池低", "Low battery"},
		{"tamper", "tamper", "外殼被動過", "Tampered with"}, {"valve_closed", "valve-closed", "閥關閉", "Valve closed"},
	}
}

func flagWords(c choice, flags []string) string {
	var out []string
	for _, f := range meterFlags() {
		if slices.Contains(flags, f.flag) {
			out = append(out, c.word(f.zh, f.en))
		}
	}
	return strings.Join(out, c.word("、", ", "))
}
