package building

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// panelView is what was picked, with all that can be done to it.
type panelView struct {
	Title, Kind string
	Picked      bool // by somebody; otherwise it is the first line
	Close       string
	Facts       string
	Meter       *meterView // its counter
	Registers   string
	Deeds       []actionView
	Faults      []faultView
	Plug        *plugView
	Replace     *replaceView
	Related     []filterView
}

// plugView is an unplugged line's way back.
type plugView struct{ Name, Action, NextLink string } // no NextLink: it keeps its address

// replaceView is the exchange of a meter.
type replaceView struct {
	actionView
	Name, Serial string
}

// panel draws what was picked; if nothing was, or it is not in the building, the first line.
func (b *Building) panel(c choice, s State) panelView {
	at := target(c.Pick)
	switches := s.Switches(at)
	v := panelView{Picked: switches != nil, Close: c.with(func(c *choice) { c.Pick, c.Only = "", false })}
	if switches == nil {
		at = Target{Kind: Lines, Name: s.Lines[0].Name}
		switches = s.Switches(at)
	}
	v.Title = c.called(at, s)
	undo := map[string]bool{}
	for _, w := range switches {
		if w.Action.Fault {
			undo[w.Action.Undo] = true
		}
	}
	for _, w := range switches {
		switch {
		case w.Action.Fault && w.Action.Name == "stick-contact":
			v.Faults = append(v.Faults, c.contacts(w, s)...)
		case w.Action.Fault:
			v.Faults = append(v.Faults, c.fault("fault", w, s))
		case !undo[w.Action.Name] && len(w.Action.Takes) == 0:
			v.Deeds = append(v.Deeds, c.deed(at, w.Action.Name, class(w.Action.Name), w.Action.ZH, w.Action.EN, c.cannot(at, w.Action.Name, s)))
		}
	}
	switch at.Kind {
	case Lines:
		b.linePanel(c, s, at, &v)
	case Meters:
		b.meterPanel(c, s, at, &v)
	case Doors:
		c.doorPanel(s, at, &v)
	default:
		c.bankPanel(s, at, &v)
	}
	return v
}

// class is how a deed's button looks.
func class(deed string) string {
	switch deed {
	case "force":
		return "btn-danger-line"
	case "close":
		return "btn-filled"
	}
	return ""
}

// deed is the button of something that is done once.
func (c choice) deed(at Target, do, class, zh, en, why string, fields ...string) actionView {
	a := actionView{
		ID: strings.ReplaceAll("do-"+at.path()+"-"+do, "/", "-"), Action: "/touch/" + at.path() + "/" + do + c.query(),
		Class: class, Word: c.word(zh, en), Why: why, Fields: map[string]string{},
	}
	for i := 0; i+1 < len(fields); i += 2 {
		a.Fields[fields[i]] = fields[i+1]
	}
	return a
}

// contacts are the ways in which a contact can be stuck, a switch each.
func (c choice) contacts(w Switch, s State) (out []faultView) {
	now := w.Now.Contact
	for _, says := range []string{"open", "closed"} {
		one := w
		one.On, one.Now, one.Action.Click = now == says, Options{Contact: says}, Options{Contact: says}
		f := c.fault("fault", one, s)
		f.ID += "-" + says
		out = append(out, f)
	}
	return out
}

// cannot is the reason why a deed cannot be done now.
func (c choice) cannot(at Target, do string, s State) string {
	switch at.Kind {
	case Locks:
		l := s.lock(at)
		open := l.Door == "open"
		switch do {
		case "close":
			return c.why(!open, "門關著，先打開", "the door is closed; open it first")
		case "put":
			return cmp.Or(c.why(!open, "門關著，先打開", "the door is closed; open it first"), c.why(l.Item, "裡面已有物品", "something is inside already"))
		case "take":
			return cmp.Or(c.why(!open, "門關著，先打開", "the door is closed; open it first"), c.why(!l.Item, "裡面沒有東西", "nothing is inside"))
		case "open-by-key", "force":
			return c.why(open, "門已經開著", "the door is open already")
		}
	case Doors:
		i := slices.IndexFunc(s.Doors, func(d DoorState) bool { return d.ID == at.Name })
		switch do {
		case "push", "force":
			return c.why(s.Doors[i].Open, "門已經開著", "it is open already")
		case "shut":
			return c.why(!s.Doors[i].Open, "門已經關著", "it is closed already")
		}
	}
	return ""
}

// lock is a lock of the building.
func (s State) lock(at Target) LockState {
	for _, k := range s.Banks {
		if k.Name == at.Name && at.Number > 0 && at.Number <= len(k.Locks) {
			return k.Locks[at.Number-1]
		}
	}
	return LockState{}
}

func (c choice) related(s State, all ...Target) (out []filterView) {
	for _, t := range all {
		out = append(out, filterView{ID: strings.ReplaceAll("to-"+t.path(), "/", "-"), Word: c.called(t, s), Href: c.picking(t)})
	}
	return out
}

func (b *Building) linePanel(c choice, s State, at Target, v *panelView) {
	v.Kind = c.word("線", "line")
	for i, l := range s.Lines {
		if l.Name != at.Name {
			continue
		}
		facts := []string{l.Path}
		if l.Device != "" && l.Device != l.Link {
			facts = []string{l.Path + " → " + l.Device}
		}
		if v.Facts = strings.Join(append(facts, devices(c, s, l.Name)), " · "); !l.Plugged {
			v.Facts = l.Name + " " + c.word("不在電腦上", "is not on the computer")
			v.Plug = &plugView{Name: l.Name, Action: "/touch/" + at.path() + "/replug" + c.query()}
			if !b.lines[i].cfg.isTCP() {
				v.Plug.NextLink = nextLink(l.Link)
			}
		}
	}
	for _, k := range s.Banks {
		if k.Line == at.Name {
			v.Related = append(v.Related, c.related(s, Target{Kind: Banks, Name: k.Name})...)
		}
	}
}

func (b *Building) meterPanel(c choice, s State, at Target, v *panelView) {
	i := slices.IndexFunc(s.Meters, func(m MeterState) bool { return m.ID == at.Name })
	m := s.Meters[i]
	meter := newMeterView(c, m, nil)
	full := b.meters[i].state(b.meters[i].sim.State())
	v.Kind, v.Meter, v.Registers = c.word("瓦斯表", "gas meter"), &meter, full.Registers
	facts := []string{string(m.Profile), m.Line + " " + meter.Unit}
	if m.Serial != "" {
		facts = append(facts, c.word("表號 ", "serial ")+m.Serial)
	}
	if m.PerCount > 0 {
		facts = append(facts, fmt.Sprintf(c.word("每次 %d 公升", "%d litres a count"), m.PerCount))
	}
	if m.Standard > 0 {
		facts = append(facts, fmt.Sprintf(c.word("標準 %.3f m³", "standard %.3f m³"), float64(m.Standard)/1000))
	}
	v.Facts = strings.Join(append(facts, fmt.Sprintf(c.word("%d 倍速", "%d× speed"), cmp.Or(b.meters[i].Speed, 1))), " · ")
	back := c.deed(at, "set", "", "倒退 1 度", "Back 1 m³", c.why(m.Litres < 1000, "還不到 1 度", "it shows less than 1 m³"), "add", "-1000")
	jump := c.deed(at, "set", "", "跳 1,000 度", "Jump 1,000 m³", "", "add", "1000000")
	jump.ID += "-jump"
	v.Deeds = append(v.Deeds, back, jump)
	next := m.Serial
	if n, err := strconv.ParseUint(m.Serial, 10, 32); err == nil && m.Profile == "g4" {
		next = fmt.Sprintf("%08d", (n+10_000_000)%100_000_000) // serial numbers of a G4 have eight digits
	} else if err == nil {
		next = strconv.FormatUint(n+1, 10)
	}
	v.Replace = &replaceView{c.deed(at, "replace", "", "換表", "Exchange meter", ""), m.ID, next}
	v.Related = c.related(s, Target{Kind: Lines, Name: m.Line})
}

func (c choice) doorPanel(s State, at Target, v *panelView) {
	d := s.Doors[slices.IndexFunc(s.Doors, func(d DoorState) bool { return d.ID == at.Name })]
	v.Kind, v.Facts = c.word("門", "door"), strings.Join(doorFacts(c, d), " · ")
	v.Related = c.related(s, Target{Kind: Lines, Name: d.Line})
}

// bankPanel is that of a bank, a board or a lock.
func (c choice) bankPanel(s State, at Target, v *panelView) {
	k := s.Banks[slices.IndexFunc(s.Banks, func(k BankState) bool { return k.Name == at.Name })]
	line, bank := Target{Kind: Lines, Name: k.Line}, Target{Kind: Banks, Name: k.Name}
	switch at.Kind {
	case Banks:
		v.Kind = c.word("櫃的電源", "bank's power supply")
		v.Facts = strings.Join([]string{
			k.Protocol, fmt.Sprintf(c.word("電源 %s", "supply %s"), cmp.Or(k.Supply, c.word("自有", "its own"))),
			fmt.Sprintf(c.word("通電 %d 次", "%d pulses"), k.Pulses), fmt.Sprintf(c.word("同時通電 %d 次", "%d overlaps"), k.Overlaps),
			fmt.Sprintf(c.word("電源垮下 %d 次", "%d collapses"), k.Collapses),
		}, " · ")
		v.Related = c.related(s, line)
	case Boards:
		v.Kind, v.Facts = c.word("鎖板", "locker board"), k.Protocol
		v.Related = c.related(s, bank, line)
	default:
		l := s.lock(at)
		facts := []string{fmt.Sprintf(c.word("%d 號板", "board %d"), l.Board)}
		if l.Door == "open" {
			facts = append(facts, c.word("門開著", "door open"))
		} else {
			facts = append(facts, c.word("門關著，要先打開才能放入或取出", "door closed: open it before you put in or take out"))
		}
		v.Kind = c.word("櫃門", "compartment")
		v.Facts = strings.Join(append(facts, fmt.Sprintf(c.word("通電 %d 次", "%d pulses"), l.Pulses), fmt.Sprintf(c.word("開門 %d 次", "%d openings"), l.Openings),
			fmt.Sprintf(c.word("用鑰匙 %d 次", "%d by key"), l.KeyOpenings)), " · ")
		v.Related = c.related(s, Target{Boards, k.Name, l.Board}, bank, line)
	}
}
