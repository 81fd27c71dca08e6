package building

import (
	"slices"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// What one press on the page gives for late answers of a device.
const (
	clickLateRate = 0.3
	clickLateBy   = 1200 // ms
)

func meterActions() []Action {
	do := func(name string) func(*Building, Target, Options) error {
		return func(b *Building, t Target, o Options) error { return b.touchMeter(t.Name, name, o) }
	}
	flag := func(name, bit, zh, en string) Action {
		return Action{
			Kind: Meters, Name: name, ZH: zh, EN: en, Fault: true, Takes: onOff(), Undo: name, Off: Options{On: new(false)}, do: do(name),
			now: func(s subject) *Options { return whenOn(slices.Contains(s.meter.Flags, bit)) },
		}
	}
	return append([]Action{
		{Kind: Meters, Name: "replace", ZH: "換表", EN: "Replace", Takes: []Option{{Name: "serial", Must: true}, {Name: "litres"}}, do: do("replace")},
		{Kind: Meters, Name: "set", ZH: "撥動計數器", EN: "Set counter", Takes: []Option{{Name: "litres"}, {Name: "add"}}, do: do("set")},
		flag("leak", "leak", "漏氣", "Leak"),
		flag("low-battery", "low_battery", "電池低", "Battery low"),
		flag("tamper", "tamper", "外殼被打開", "Tamper"),
		flag("valve-closed", "valve_closed", "閥門關閉", "Valve closed"),
	}, answerActions(Meters, do, func(s subject) AnswerFaults { return s.meter.Faults })...)
}

func doorActions() []Action {
	do := func(name string) func(*Building, Target, Options) error {
		return func(b *Building, t Target, o Options) error { return b.touchDoor(t.Name, name, o) }
	}
	deed := func(name, zh, en string) Action { return Action{Kind: Doors, Name: name, ZH: zh, EN: en, do: do(name)} }
	return append([]Action{
		deed("push", "推門", "Push"), deed("shut", "關門", "Shut"), deed("exit", "按室內鈕", "Press exit button"), deed("force", "撬門", "Force"),
		{
			Kind: Doors, Name: "jam", ZH: "電鎖卡住", EN: "Strike jammed", Fault: true, Undo: "unjam", do: do("jam"),
			now: func(s subject) *Options { return whenOn(s.door.Faults.Jammed) },
		},
		deed("unjam", "電鎖修好", "Free the strike"),
		{
			Kind: Doors, Name: "stick-contact", ZH: "門磁卡住", EN: "Contact stuck", Fault: true,
			Takes: []Option{{Name: "contact", Words: []string{"open", "closed", "off"}, Must: true}}, Click: Options{Contact: "closed"},
			Undo: "stick-contact", Off: Options{Contact: "off"}, do: do("stick-contact"),
			fits: func(s subject) bool { return s.door.Contact != "" },
			now: func(s subject) *Options {
				if s.door.Faults.StuckContact == modbus.StuckNot {
					return nil
				}
				return &Options{Contact: string(s.door.Faults.StuckContact)}
			},
		},
	}, answerActions(Doors, do, func(s subject) AnswerFaults { return s.door.Faults.AnswerFaults })...)
}

// answerActions are what can be wrong with the answers of a device of a Modbus line.
func answerActions(k Kind, do func(string) func(*Building, Target, Options) error, of func(subject) AnswerFaults) []Action {
	out := []Action{
		{
			Name: "silence", ZH: "不回覆", EN: "Silent", Takes: onOff(), Off: Options{On: new(false)},
			now: func(s subject) *Options { return whenOn(of(s).Silence) },
		},
		{
			Name: "late", ZH: "晚回覆", EN: "Late answers", Takes: []Option{rate(1), ms(maxLate)},
			Click: Options{Rate: new(clickLateRate), MS: new(int64(clickLateBy))}, Off: Options{Rate: new(0.0), MS: new(int64(0))},
			now: func(s subject) *Options {
				f := of(s)
				if f.LateRate == 0 {
					return nil
				}
				return &Options{Rate: &f.LateRate, MS: &f.Late}
			},
		},
		{
			Name: "wrong-unit", ZH: "冒用下一個位址", EN: "Answers as next unit", Takes: onOff(), Off: Options{On: new(false)},
			now: func(s subject) *Options { return whenOn(of(s).WrongUnit) },
		},
	}
	for i := range out {
		out[i].Kind, out[i].Fault, out[i].Undo, out[i].do = k, true, out[i].Name, do(out[i].Name)
		if k == Doors {
			out[i].shared = func(s subject) string { return s.door.module() }
		}
	}
	return out
}

// whenOn are the options of a fault that is on or off and nothing more.
func whenOn(on bool) *Options {
	if !on {
		return nil
	}
	return &Options{}
}
