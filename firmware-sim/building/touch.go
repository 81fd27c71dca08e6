package building

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// Errors of a touch, besides those of the packages that do it.
var (
	ErrAction  = errors.New("no such action")
	ErrOptions = errors.New("bad options")
	ErrInUse   = errors.New("link name is in use")
)

// Options of a touch. Which of them an action takes, and their ranges, stand in Actions.
type Options struct {
	Rate    *float64 `json:"rate,omitempty"`    // chance, or part, 0 to 1
	On      *bool    `json:"on,omitempty"`      // of faults: false ends it; missing means true
	MS      *int64   `json:"ms,omitempty"`      // milliseconds
	Link    string   `json:"link,omitempty"`    // replug: the new link name; empty means the one it had
	Serial  string   `json:"serial,omitempty"`  // replace: of the new meter, eight digits
	Litres  *int64   `json:"litres,omitempty"`  // set: the new total; replace: that of the new meter, missing means 0
	Add     *int64   `json:"add,omitempty"`     // set: so many litres more than it shows, or fewer, instead of Litres
	Contact string   `json:"contact,omitempty"` // stick-contact: open, closed or off
	Baud    *int     `json:"baud,omitempty"`    // what devices speak at; 0: the line's own
	Parity  string   `json:"parity,omitempty"`  // that devices speak with: none, even, odd, or line's for the line's own
}

// on reports whether a fault begins.
func (o Options) on() bool { return o.On == nil || *o.On }

// TouchLock does an action to a compartment's lock.
func (b *Building) TouchLock(bank string, lock int, action string, o Options) error {
	return b.Touch(Target{Locks, bank, lock}, action, o)
}

// TouchBoard does an action to a locker board.
func (b *Building) TouchBoard(bank string, address int, action string, o Options) error {
	return b.Touch(Target{Boards, bank, address}, action, o)
}

// TouchLine does an action to a line.
func (b *Building) TouchLine(name, action string, o Options) error {
	return b.Touch(Target{Kind: Lines, Name: name}, action, o)
}

// TouchMeter does an action to a meter.
func (b *Building) TouchMeter(id, action string, o Options) error {
	return b.Touch(Target{Kind: Meters, Name: id}, action, o)
}

// TouchDoor does an action to a facility's door.
func (b *Building) TouchDoor(id, action string, o Options) error {
	return b.Touch(Target{Kind: Doors, Name: id}, action, o)
}

func lockActions() []Action {
	act := func(do func(*kerong.Chain, int, Options) error) func(*Building, Target, Options) error {
		return func(b *Building, t Target, o Options) error {
			c, err := b.Chain(t.Name)
			if err != nil {
				return err
			}
			if err := do(c, t.Number, o); err != nil {
				return fmt.Errorf("bank %s: %w", t.Name, err)
			}
			return nil
		}
	}
	deed := func(name, zh, en string, do func(*kerong.Chain, int) error) Action {
		return Action{Kind: Locks, Name: name, ZH: zh, EN: en, do: act(func(c *kerong.Chain, n int, _ Options) error { return do(c, n) })}
	}
	stick := deed("stick", "門鎖卡住", "Stuck latch", func(c *kerong.Chain, n int) error { return c.Stick(n, true) })
	stick.Fault, stick.Undo = true, "unstick"
	stick.now = func(s subject) *Options { return whenOn(s.lock.Stuck) }
	return []Action{
		deed("open-by-key", "用鑰匙開", "Open by key", (*kerong.Chain).OpenByKey),
		deed("close", "關上門", "Close door", (*kerong.Chain).CloseDoor),
		deed("put", "放入物品", "Put something in", (*kerong.Chain).Put),
		deed("take", "取出物品", "Take it out", (*kerong.Chain).Take),
		deed("force", "撬門", "Force open", (*kerong.Chain).Force),
		stick,
		deed("unstick", "門鎖修好", "Free the latch", func(c *kerong.Chain, n int) error { return c.Stick(n, false) }),
		{
			Kind: Locks, Name: "slow", ZH: "門鎖動得慢", EN: "Slow latch", Fault: true, Takes: []Option{ms(60_000)},
			Click: Options{MS: new(int64(800))}, Undo: "slow", Off: Options{MS: new(int64(0))},
			do: act(func(c *kerong.Chain, n int, o Options) error { return c.Slow(n, time.Duration(*o.MS)*time.Millisecond) }),
			now: func(s subject) *Options {
				if s.lock.Slow == 0 {
					return nil
				}
				return &Options{MS: &s.lock.Slow}
			},
		},
		{
			Kind: Locks, Name: "sensor-lies", ZH: "物品感測器說反話", EN: "Item sensor lies", Fault: true, Takes: onOff(),
			Undo: "sensor-lies", Off: Options{On: new(false)},
			do:  act(func(c *kerong.Chain, n int, o Options) error { return c.Lie(n, o.on()) }),
			now: func(s subject) *Options { return whenOn(s.lock.Lies) },
		},
	}
}

func bankActions() []Action {
	return []Action{{
		Kind: Banks, Name: "brown-out", ZH: "電源撐不住", EN: "Supply collapses", Fault: true, Takes: []Option{rate(1)},
		Click: Options{Rate: new(0.2)}, Undo: "brown-out", Off: Options{Rate: new(0.0)},
		do: func(b *Building, t Target, o Options) error {
			c, err := b.Chain(t.Name)
			if err == nil {
				c.Supply().SetBrownOut(*o.Rate)
			}
			return err
		},
		now: func(s subject) *Options {
			if s.bank.BrownOut == 0 {
				return nil
			}
			return &Options{Rate: &s.bank.BrownOut}
		},
		shared: func(s subject) string { return cmp.Or(s.bank.Supply, "bank "+s.bank.Name) },
	}}
}

func boardActions() []Action {
	act := func(name, zh, en string, f kerong.BoardFault) Action {
		return Action{Kind: Boards, Name: name, ZH: zh, EN: en, Fault: f != kerong.BoardFine, do: func(b *Building, t Target, _ Options) error {
			c, err := b.Chain(t.Name)
			if err != nil {
				return err
			}
			if err := c.SetBoardFault(t.Number, f); err != nil {
				return fmt.Errorf("bank %s: %w", t.Name, err)
			}
			return nil
		}}
	}
	out := []Action{
		act("mute", "板子不回覆", "Board mute", kerong.BoardMute),
		act("dead", "板子沒電", "Board without power", kerong.BoardDead),
		act("fine", "板子恢復正常", "Board fine", kerong.BoardFine),
	}
	for i, f := range []kerong.BoardFault{kerong.BoardMute, kerong.BoardDead} {
		out[i].Undo = "fine"
		out[i].now = func(s subject) *Options { return whenOn(s.board.Fault == f) }
	}
	return out
}

func lineActions() []Action {
	deed := func(name, zh, en string, do func(*Building, *line.Line, Options) error) Action {
		return Action{Kind: Lines, Name: name, ZH: zh, EN: en, do: func(b *Building, t Target, o Options) error {
			l, err := b.Line(t.Name)
			if err != nil {
				return err
			}
			return do(b, l, o)
		}}
	}
	unplug := deed("unplug", "拔掉轉接頭", "Adapter unplugged", func(_ *Building, l *line.Line, _ Options) error { return l.Unplug() })
	unplug.Fault, unplug.Undo = true, "replug"
	unplug.now = func(s subject) *Options { return whenOn(!s.line.Plugged) }
	replug := deed("replug", "插回轉接頭", "Plug adapter in", func(b *Building, l *line.Line, o Options) error { return b.replug(l, o.Link) })
	replug.Takes = []Option{{Name: "link"}}
	return []Action{
		unplug, replug,
		rated("noise", "雜訊（位元翻轉）", "Noise (bit flips)", 0.5, 0.002, func(f *LineFaults) *float64 { return &f.Noise }),
		rated("damage", "位元組損壞", "Damaged bytes", 1, 0.01, func(f *LineFaults) *float64 { return &f.Damage }),
		rated("drop", "位元組遺失", "Lost bytes", 1, 0.01, func(f *LineFaults) *float64 { return &f.Drop }),
		rated("double", "位元組重複", "Doubled bytes", 1, 0.01, func(f *LineFaults) *float64 { return &f.Double }),
		rated("truncate", "回覆不完整", "Answers end early", 1, 0.1, func(f *LineFaults) *float64 { return &f.Truncate }),
		lateLine(),
		switched("silence", "不回覆（聽得到）", "Silence (still hears)", nil, func(f *LineFaults) *bool { return &f.Silence }),
		switched("cut", "線斷了", "Cable cut", nil, func(f *LineFaults) *bool { return &f.Cut }),
		switched("echo", "轉接頭回音", "Adapter echoes", nil, func(f *LineFaults) *bool { return &f.Echo }),
		switched("babble", "有裝置一直說話", "A device babbles", nil, func(f *LineFaults) *bool { return &f.Babble }),
		switched("swapped", "A、B 線接反", "A and B swapped", onSerial, func(f *LineFaults) *bool { return &f.Swapped }),
		switched("stale-tcp", "舊的 TCP 連線不通", "Stale TCP connections", onTCP, func(f *LineFaults) *bool { return &f.StaleTCP }),
		baudLine(), parityLine(),
		{Kind: Lines, Name: clearLine, ZH: "線路恢復正常", EN: "Line fine", do: lineFault(nil, func(f *LineFaults, _ Options) { *f = LineFaults{} })},
	}
}

// lateLine makes all answers of a line late, or a part of them.
func lateLine() Action {
	part := rate(1)
	part.Must = false
	return Action{
		Kind: Lines, Name: "late", ZH: "晚回覆", EN: "Late answers", Fault: true, Takes: []Option{ms(maxLate), part},
		Click: Options{MS: new(int64(200))}, Undo: "late", Off: Options{MS: new(int64(0))},
		do: lineFault(nil, func(f *LineFaults, o Options) {
			f.Late, f.LateRate = *o.MS, 0
			if o.Rate != nil && *o.MS > 0 {
				f.LateRate = *o.Rate
			}
		}),
		now: func(s subject) *Options {
			f := &s.line.Faults
			switch {
			case f.Late == 0:
				return nil
			case f.LateRate == 0:
				return &Options{MS: &f.Late}
			}
			return &Options{MS: &f.Late, Rate: &f.LateRate}
		},
	}
}

// baudLine makes the devices of a serial line speak at another rate than it is set for.
func baudLine() Action {
	return Action{
		Kind: Lines, Name: "baud", ZH: "裝置的速率不對", EN: "Devices at another baud rate", Fault: true, fits: onSerial,
		Takes: []Option{{Name: "baud", Of: []int{0, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200}, Must: true}}, Click: Options{Baud: new(4800)}, Undo: "baud", Off: Options{Baud: new(0)},
		do: lineFault(onSerial, func(f *LineFaults, o Options) { f.Baud = *o.Baud }),
		now: func(s subject) *Options {
			if s.line.Faults.Baud == 0 {
				return nil
			}
			return &Options{Baud: &s.line.Faults.Baud}
		},
	}
}

// parityLine makes the devices of a serial line speak with another parity than it is set for.
func parityLine() Action {
	const own = "line's"
	return Action{
		Kind: Lines, Name: "parity", ZH: "裝置的同位檢查不對", EN: "Devices with another parity", Fault: true, fits: onSerial,
		Takes: []Option{{Name: "parity", Words: []string{string(line.NoParity), string(line.Even), string(line.Odd), own}, Must: true}},
		Click: Options{Parity: string(line.Odd)}, Undo: "parity", Off: Options{Parity: own},
		do: lineFault(onSerial, func(f *LineFaults, o Options) {
			if f.Parity = line.Parity(o.Parity); o.Parity == own {
				f.Parity = ""
			}
		}),
		now: func(s subject) *Options {
			if s.line.Faults.Parity == "" {
				return nil
			}
			return &Options{Parity: string(s.line.Faults.Parity)}
		},
	}
}

// onSerial and onTCP are the lines that have a serial wire, or a TCP port.
func onSerial(s subject) bool { return s.line.Baud > 0 }
func onTCP(s subject) bool    { return s.line.TCP }

// lineFault changes what is wrong with a line that it fits.
func lineFault(fits func(subject) bool, change func(*LineFaults, Options)) func(*Building, Target, Options) error {
	return func(b *Building, t Target, o Options) error {
		for _, l := range b.lines {
			if l.cfg.Name != t.Name {
				continue
			}
			s := l.state()
			if fits != nil && !fits(subject{line: &s}) {
				return fmt.Errorf("line %s: %w of it: choose another line, or another fault", t.Name, ErrAction)
			}
			change(&s.Faults, o)
			l.SetFaults(s.Faults.faults())
			return nil
		}
		_, err := b.Line(t.Name)
		return err
	}
}

// rated is a fault of a line that comes at a rate; 0 ends it.
func rated(name, zh, en string, most, click float64, of func(*LineFaults) *float64) Action {
	return Action{
		Kind: Lines, Name: name, ZH: zh, EN: en, Fault: true, Takes: []Option{rate(most)},
		Click: Options{Rate: &click}, Undo: name, Off: Options{Rate: new(0.0)},
		do: lineFault(nil, func(f *LineFaults, o Options) { *of(f) = *o.Rate }),
		now: func(s subject) *Options {
			if *of(&s.line.Faults) == 0 {
				return nil
			}
			return &Options{Rate: of(&s.line.Faults)}
		},
	}
}

// switched is a fault of a line that is on or off.
func switched(name, zh, en string, fits func(subject) bool, of func(*LineFaults) *bool) Action {
	return Action{
		Kind: Lines, Name: name, ZH: zh, EN: en, Fault: true, Takes: onOff(), Undo: name, Off: Options{On: new(false)}, fits: fits,
		do:  lineFault(fits, func(f *LineFaults, o Options) { *of(f) = o.on() }),
		now: func(s subject) *Options { return whenOn(*of(&s.line.Faults)) },
	}
}

// replug refuses a link that another line of the building has: it would take its port away.
func (b *Building) replug(l *line.Line, link string) error {
	for _, other := range b.lines {
		if other.Line != l && other.Port().Link == link {
			return fmt.Errorf("link %q: %w: choose another one", link, ErrInUse)
		}
	}
	return l.Replug(link)
}
