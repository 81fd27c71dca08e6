package building

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

const maxDoors = 32 // of one line

// DoorLine is a line with relay modules and the doors that are wired to them.
type DoorLine struct {
	Line       Line          `yaml:"line"`
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

// build makes the doors of a line with their modules, adds them to all, and returns all with the line's bus.
func (l DoorLine) build(seed uint64, all []*door) ([]*door, *modbus.Bus) {
	var slaves []modbus.Slave
	modules := map[int]*modbus.Relay{}
	for _, d := range l.Doors {
		module := modules[d.Address]
		if module == nil {
			module = modbus.NewRelay(l.Line.Name, d.Address, seed)
			modules[d.Address], slaves = module, append(slaves, module)
		}
		all = append(all, &door{d, l.Line.Name, module.Wire(d.wiring())})
	}
	return all, modbus.NewBus(l.Turnaround, slaves...)
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

func (c *checker) doorLine(at string, l DoorLine) {
	c.line(at+".line", l.Line)
	c.turnaround(at, l.Turnaround)
	if len(l.Doors) == 0 || len(l.Doors) > maxDoors {
		c.wrong(at+".doors", "%d doors; a line has 1 to %d", len(l.Doors), maxDoors)
		return
	}
	taken := map[string]string{} // a terminal of a module, by the door that has it
	for i, d := range l.Doors {
		c.door(fmt.Sprintf("%s.doors[%d]", at, i), d, taken)
	}
}

func (c *checker) door(at string, d Door, taken map[string]string) {
	c.own(at+".id", "door ", d.ID)
	c.unit(at, d.Address)
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
// unjam, or its contact stick (stick-contact with Contact); or does to its module's answers, which its other doors share:
// silence, wrong-unit (On), late (Rate and MS).
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
	case "silence", "late", "wrong-unit":
		return touchAnswers(d.Relay(), action, o)
	}
	return fmt.Errorf("%w: %q: use push, shut, exit, force, jam, unjam, stick-contact, silence, late or wrong-unit", ErrAction, action)
}
