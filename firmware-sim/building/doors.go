package building

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// DoorGroup is relay modules of one line and the doors that are wired to them.
type DoorGroup struct {
	Line       string        `yaml:"line"`       // name of the line
	Turnaround time.Duration `yaml:"turnaround"` // of every module; 0 means 5ms, at most 2s
	Doors      []Door        `yaml:"doors"`
}

// Door is one door of a facility.
type Door struct {
	ID      string `yaml:"id"`
	Name    string `yaml:"name"`    // as people call it
	English string `yaml:"english"` // the same in English; empty means the name
	Address int    `yaml:"address"` // of its relay module, 1 to 247; doors may share one
	Output  int    `yaml:"output"`  // of its strike, 0 to 7
	Contact *int   `yaml:"contact"` // input of its contact, 0 to 7; missing: none is fitted
	OpenIs  *int   `yaml:"open_is"` // what the contact's input reads while the door is open: 0 or 1
	Exit    *int   `yaml:"exit"`    // input of the button inside, 0 to 7; missing: none is fitted
}

// door is a facility's door with the name of its line.
type door struct {
	Door
	line string
	sim  *modbus.Door
}

// build makes the doors of a group, and those of their modules that modules does not hold yet.
func (g DoorGroup) build(seed uint64, modules map[string]*modbus.Relay) (doors []*door, devices []modbus.Slave) {
	for _, d := range g.Doors {
		key := fmt.Sprintf("%s %d", g.Line, d.Address)
		module := modules[key]
		if module == nil {
			module = modbus.NewRelay(modbus.RelayConfig{Name: g.Line, Unit: d.Address, Turnaround: g.Turnaround, Seed: seed})
			modules[key], devices = module, append(devices, module)
		}
		doors = append(doors, &door{d, g.Line, module.Wire(d.wiring())})
	}
	return doors, devices
}

func (d Door) wiring() modbus.DoorConfig {
	w := modbus.DoorConfig{Name: d.Name, English: d.English, Output: d.Output, Contact: modbus.None, Exit: modbus.None}
	if d.Contact != nil {
		w.Contact, w.OpenIs = *d.Contact, *d.OpenIs == 1
	}
	if d.Exit != nil {
		w.Exit = *d.Exit
	}
	return w
}

func (c *checker) doorGroup(at string, g DoorGroup) {
	l := c.on(at+".line", g.Line, modbusLine, "doors")
	c.turnaround(at, g.Turnaround)
	if len(g.Doors) == 0 {
		c.wrong(at+".doors", "no doors; describe one at least")
	}
	for i, d := range g.Doors {
		c.door(fmt.Sprintf("%s.doors[%d]", at, i), d, l)
	}
}

func (c *checker) door(at string, d Door, l *claims) {
	c.own(at+".id", "door ", d.ID)
	c.unit(at, l, d.Address, unitClaim{"relay module", "the relay module of door " + d.ID, ""}, true)
	taken := map[string]string{}
	if l != nil {
		taken = l.terminal
	}
	if d.Name == "" || len(d.Name) > 60 || len(d.English) > 60 {
		c.wrong(at+".name", "give the door a name of 1 to 60 bytes")
	}
	terminal := func(field, kind string, n, count int) {
		key := fmt.Sprintf("%s %d of module %d", kind, n, d.Address)
		switch {
		case n < 0 || n >= count:
			c.wrong(at+"."+field, "%d; a module has %ss 0 to %d", n, kind, count-1)
		case taken[key] != "":
			c.wrong(at+"."+field, "%s is %s; wire it to another one", key, taken[key])
		}
		taken[key] = fmt.Sprintf("the %s of door %s", field, d.ID)
	}
	terminal("output", "output", d.Output, modbus.Outputs)
	if d.Contact != nil {
		terminal("contact", "input", *d.Contact, modbus.Inputs)
	}
	if d.Exit != nil {
		terminal("exit", "input", *d.Exit, modbus.Inputs)
	}
	if (d.Contact == nil) != (d.OpenIs == nil) || d.OpenIs != nil && *d.OpenIs != 0 && *d.OpenIs != 1 {
		c.wrong(at+".open_is", "say what the contact reads while the door is open, 0 or 1; without a contact leave it out")
	}
}

// Door returns a facility's door by its id: the oracle of a test in the same process.
func (b *Building) Door(id string) (*modbus.Door, error) {
	for _, d := range b.doors {
		if d.ID == id {
			return d.sim, nil
		}
	}
	return nil, fmt.Errorf("door %q: %w", id, ErrNotFound)
}

// DoorState is one door of a facility.
type DoorState struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	English  string     `json:"english"`
	Line     string     `json:"line"`
	Address  int        `json:"address"`
	OutputOn bool       `json:"output_on"`
	Contact  string     `json:"contact"` // what it says: open, closed; empty: none is fitted
	Open     bool       `json:"open"`    // the door itself
	Pressed  bool       `json:"pressed"` // the button inside
	Counts   DoorCounts `json:"counts"`
	Faults   DoorFaults `json:"faults"`
}

// DoorCounts is what physically happened at a door since the start.
type DoorCounts struct {
	Releases uint64 `json:"releases"`   // times its strike's output went on
	Openings uint64 `json:"openings"`   // times somebody opened it while it was released
	Exits    uint64 `json:"exits"`      // times somebody left by the button inside
	Forced   uint64 `json:"forced"`     // times it was forced open
	Longest  int64  `json:"longest_ms"` // that output was on for so long without a break
}

// DoorFaults is what is wrong with a door, and with the answers of its module.
type DoorFaults struct {
	Jammed       bool         `json:"jammed"`        // the strike holds though its output is on
	StuckContact modbus.Stuck `json:"stuck_contact"` // "", open or closed
	AnswerFaults
}

func (d *door) state() DoorState {
	s := d.sim.State()
	return DoorState{
		ID: d.ID, Name: d.Name, English: d.English, Line: d.line, Address: d.Address,
		OutputOn: s.On, Contact: s.Contact, Open: s.Open, Pressed: s.Pressed,
		Counts: DoorCounts{
			Releases: s.Counts.Releases, Openings: s.Counts.Openings, Exits: s.Counts.Exits, Forced: s.Counts.Forced,
			Longest: s.Counts.Longest.Milliseconds(),
		},
		Faults: DoorFaults{Jammed: s.Jammed, StuckContact: s.Stuck, AnswerFaults: answerFaults(d.sim.Relay())},
	}
}

// module names the relay module that the door is wired to.
func (s DoorState) module() string { return fmt.Sprintf("%s %d", s.Line, s.Address) }

// touchDoor does what a person at a door does: push, shut, exit (by the button inside), force; makes its strike jam or
// unjam, or its contact stick (stick-contact with Contact); or does what touchAnswers does to its module, which its other
// doors share.
func (b *Building) touchDoor(id, action string, o Options) error {
	d, err := b.Door(id)
	if err != nil {
		return err
	}
	switch action {
	case "push":
		return d.Push()
	case "shut":
		return d.Shut()
	case "exit":
		return d.Leave()
	case "force":
		return d.Force()
	case "jam", "unjam":
		d.Jam(action == "jam")
		return nil
	case "stick-contact":
		stuck, ok := map[string]modbus.Stuck{"open": modbus.StuckOpen, "closed": modbus.StuckClosed, "off": modbus.StuckNot}[o.Contact]
		if !ok {
			return fmt.Errorf("%w: give contact: open, closed or off", ErrOptions)
		}
		return d.StickContact(stuck)
	}
	return touchAnswers(d.Relay(), action, o)
}
