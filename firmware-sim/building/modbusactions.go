package building

import (
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// What one press on the page gives.
const (
	clickRate     = 0.2
	clickLateRate = 0.3
	clickLateBy   = 1200 // ms
	clickWander   = 20   // litres
)

// doFunc makes what an action of a name does.
type doFunc func(name string) func(*Building, Target, Options) error

func meterActions() []Action {
	do := func(name string) func(*Building, Target, Options) error {
		return func(b *Building, t Target, o Options) error { return b.touchMeter(t.Name, name, o) }
	}
	flag := func(name, bit, zh, en string) Action {
		return onOffFault(Meters, do, name, zh, en, func(s subject) bool { return slices.Contains(s.meter.Flags, bit) })
	}
	fault := func(name, zh, en string, on func(f MeterFaults) bool) Action {
		return onOffFault(Meters, do, name, zh, en, func(s subject) bool { return on(s.meter.Faults) })
	}
	shared := func(name, zh, en string, on func(f MeterFaults) bool) Action {
		a := fault(name, zh, en, on)
		a.shared = func(s subject) string { return s.device() }
		return a
	}
	wander := Action{
		Kind: Meters, Name: "wander", ZH: "計數器飄動", EN: "Counter wanders", Fault: true, Undo: "wander", do: do("wander"),
		Takes: []Option{{Name: "litres", Max: maxWander, Must: true}}, Click: Options{Litres: new(int64(clickWander))}, Off: Options{Litres: new(int64(0))},
		now: func(s subject) *Options {
			if s.meter.Faults.Wander == 0 {
				return nil
			}
			return &Options{Litres: &s.meter.Faults.Wander}
		},
	}
	return append([]Action{
		{Kind: Meters, Name: "replace", ZH: "換表", EN: "Replace", Takes: []Option{{Name: "serial", Must: true}, {Name: "litres"}}, do: do("replace")},
		{Kind: Meters, Name: "set", ZH: "撥動計數器", EN: "Set counter", Takes: []Option{{Name: "litres"}, {Name: "add"}}, do: do("set")},
		{Kind: Meters, Name: "rollover", ZH: "撥到歸零前", EN: "Set just below rollover", do: do("rollover")},
		flag("leak", "leak", "漏氣", "Leak"),
		flag("low-battery", "low_battery", "電池低", "Battery low"),
		flag("tamper", "tamper", "外殼被打開", "Tamper"),
		flag("valve-closed", "valve_closed", "閥門關閉", "Valve closed"),
		fault("stuck", "計數器卡住", "Counter stuck", func(f MeterFaults) bool { return f.Stuck }),
		wander,
		fault("torn", "計數器上下半不同步", "Counter halves torn", func(f MeterFaults) bool { return f.Torn }),
		shared("all-ff", "暫存器全是 FF", "Registers all FF", func(f MeterFaults) bool { return f.AllFF }),
		shared("word-order", "字序相反", "Wrong word order", func(f MeterFaults) bool { return f.SwapWords }),
	}, answerActions(Meters, do, func(s subject) AnswerFaults { return s.meter.Faults.AnswerFaults })...)
}

// onOffFault is a fault that is on or off.
func onOffFault(k Kind, do doFunc, name, zh, en string, on func(subject) bool) Action {
	return Action{
		Kind: k, Name: name, ZH: zh, EN: en, Fault: true, Takes: onOff(), Undo: name, Off: Options{On: new(false)}, do: do(name),
		now: func(s subject) *Options { return whenOn(on(s)) },
	}
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
func answerActions(k Kind, do doFunc, of func(subject) AnswerFaults) []Action {
	toggle := func(name, zh, en string, on func(AnswerFaults) bool) Action {
		return onOffFault(k, do, name, zh, en, func(s subject) bool { return on(of(s)) })
	}
	rated := func(name, zh, en string, now func(AnswerFaults) float64) Action {
		return Action{
			Kind: k, Name: name, ZH: zh, EN: en, Fault: true, Undo: name, do: do(name), Takes: []Option{rate(1)},
			Click: Options{Rate: new(clickRate)}, Off: Options{Rate: new(0.0)},
			now: func(s subject) *Options {
				if r := now(of(s)); r > 0 {
					return &Options{Rate: &r}
				}
				return nil
			},
		}
	}
	late := rated("late", "晚回覆", "Late answers", nil)
	late.Takes = append(late.Takes, ms(maxLate))
	late.Click, late.Off = Options{Rate: new(clickLateRate), MS: new(int64(clickLateBy))}, Options{Rate: new(0.0), MS: new(int64(0))}
	late.now = func(s subject) *Options {
		f := of(s)
		if f.LateRate == 0 {
			return nil
		}
		return &Options{Rate: &f.LateRate, MS: &f.Late}
	}
	out := []Action{
		toggle("silence", "不回覆", "Silent", func(f AnswerFaults) bool { return f.Silence }),
		toggle("sleepy", "第二次才回覆", "Answers the second request only", func(f AnswerFaults) bool { return f.Sleepy }),
		late,
		rated("truncated", "回覆不完整", "Answers end early", func(f AnswerFaults) float64 { return f.CutRate }),
		rated("busy", "回覆忙碌", "Answers busy", func(f AnswerFaults) float64 { return f.BusyRate }),
		toggle("wrong-unit", "冒用下一個位址", "Answers as next unit", func(f AnswerFaults) bool { return f.WrongUnit }),
	}
	for i := range out {
		out[i].shared = func(s subject) string { return s.device() }
	}
	return out
}

// device names the Modbus device of a meter or door, which others may be part of too.
func (s subject) device() string {
	if s.door != nil {
		return s.door.module()
	}
	return fmt.Sprintf("%s %d", s.meter.Line, s.meter.Address)
}

// whenOn are the options of a fault that is on or off and nothing more.
func whenOn(on bool) *Options {
	if !on {
		return nil
	}
	return &Options{}
}
