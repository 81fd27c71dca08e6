package config

import (
	"fmt"
	"slices"
	"strings"
)

// speech is what goes over a line. Devices share a line if they speak the same, and not otherwise (docs/configuration.md 4).
func speech(protocol string) string {
	switch protocol {
	case modbusRTU, modbusRelay:
		return modbusRTU
	case kerongA, kerongB, modbusTCP:
		return protocol
	}
	return "" // nobody knows it: it costs no neighbour
}

// device is a device as its line sees it.
type device struct {
	at       string // its path in the file
	line     string
	protocol string
}

// sharing looks at the lines as they are shared: who is on one line with whom, that each number, output and input belongs
// to one device, and that a swapped cable opens nothing.
func (d *decoder) sharing(c Config) {
	var all []device
	for i, l := range c.Lockers {
		all = append(all, device{fmt.Sprintf("lockers[%d]", i), l.Line, l.Protocol})
	}
	for i, m := range c.Meters {
		all = append(all, device{fmt.Sprintf("meters[%d]", i), m.Line, m.Protocol})
	}
	for i, door := range c.Doors {
		all = append(all, device{fmt.Sprintf("doors[%d]", i), door.Line, door.Protocol})
	}
	d.oneSpeech(all)
	d.oneFirmware(c.Lockers)
	d.boardNumbers(c)
	d.units(c)
	d.relayNumbers(c)
}

// oneSpeech refuses what does not speak as the first device of its line does.
func (d *decoder) oneSpeech(all []device) {
	spoken := map[string]string{} // by line
	for _, one := range all {
		speaks := speech(one.protocol)
		other, known := spoken[one.line]
		switch {
		case speaks == "":
		case !known:
			spoken[one.line] = speaks
		case other != speaks:
			d.bad(one.at+".line", fmt.Sprintf("line %s carries %s, and this speaks %s", one.line, other, speaks), "give it a line of its own, or that of devices which speak the same")
		}
	}
}

// oneFirmware refuses different commands on one chain: what asks one board for its status must open no lock of another.
func (d *decoder) oneFirmware(lockers []Locker) {
	first := map[string]int{} // by line
	for i, l := range lockers {
		if l.Protocol != kerongB || !l.Codes.good() {
			continue
		}
		other, known := first[l.Line]
		switch {
		case !known:
			first[l.Line] = i
		case *lockers[other].Codes != *l.Codes:
			d.bad(fmt.Sprintf("lockers[%d].codes", i), fmt.Sprintf("lockers[%d] on the same line has other commands", other), "give boards of another firmware a line of their own")
		}
	}
}

// swappable are the lines whose cable may be taken for another's.
func (c Config) swappable() map[string]bool {
	lines := map[string]bool{}
	for _, l := range c.Lines {
		lines[l.Name] = !l.Fixed
	}
	return lines
}

// boardNumbers lets each board number of a dialect stand once on a line, and once on all lines that can be swapped.
func (d *decoder) boardNumbers(c Config) {
	here, anywhere, swappable := map[string]string{}, map[string]string{}, c.swappable()
	for i, l := range c.Lockers {
		for b, number := range l.Boards {
			at := fmt.Sprintf("lockers[%d].boards[%d]", i, b)
			name := fmt.Sprintf("board %d of line %s", number, l.Line)
			if !d.claims(at, at, name, "two boards on one line need different switches", here) || !swappable[l.Line] {
				continue
			}
			d.claims(at, at, fmt.Sprintf("board %d of %s", number, l.Protocol),
				"set other switches: if the cables of two lines are swapped, doors of the wrong bank open; or write fixed: true at a line whose cable cannot be mistaken", anywhere)
		}
	}
}

// units lets each unit of a line be one device, and each counter, output and input of it one thing.
func (d *decoder) units(c Config) {
	claimed := map[string]string{} // counter, or wire of a unit → who has it
	meters := map[string]string{}  // unit → the first of its meters
	maps := map[string]string{}    // unit → that one's profile
	for i, m := range c.Meters {
		at := fmt.Sprintf("meters[%d]", i)
		unit := fmt.Sprintf("unit %d of line %s", m.Address, m.Line)
		what, remedy, key := unit, "two devices on one line need different addresses", ".address"
		if m.Channel != 1 || d.has(at+".channel") {
			what, remedy, key = fmt.Sprintf("channel %d of %s", m.Channel, unit), "each counter of a device is one meter", ".channel"
		}
		counter := fmt.Sprintf("%s/%d", unit, m.Channel)
		if other, taken := claimed[counter]; taken {
			d.bad(at+key, what+" is also "+other, remedy)
			continue
		}
		claimed[counter] = at
		if _, known := meters[unit]; !known {
			meters[unit], maps[unit] = at, m.Profile
		}
		if maps[unit] != m.Profile {
			d.bad(at+".profile", fmt.Sprintf("%s is %s, and %s says %s", unit, m.Profile, meters[unit], maps[unit]), "one device has one register map: correct profile or address")
		}
	}
	relays := map[string]bool{}
	for i, door := range c.Doors {
		at := fmt.Sprintf("doors[%d]", i)
		unit := fmt.Sprintf("unit %d of line %s", door.Address, door.Line)
		if !relays[unit] { // two doors may share one module
			relays[unit] = d.claims(at+".address", at, unit, "two devices on one line need different addresses", meters)
		}
		d.claims(at+".output", at, fmt.Sprintf("output %d of %s", door.Output, unit), "each door has an output of its own", claimed)
		for _, input := range []struct {
			at string
			n  *int
		}{{at + ".contact", door.Contact}, {at + ".exit", door.Exit}} {
			if input.n != nil {
				d.claims(input.at, input.at, fmt.Sprintf("input %d of %s", *input.n, unit), "each wire has an input of its own", claimed)
			}
		}
	}
}

// relayNumbers lets a relay module's unit stand on one line alone, of those that can be swapped.
func (d *decoder) relayNumbers(c Config) {
	swappable, first := c.swappable(), map[int]int{}
	for i, door := range c.Doors {
		if door.Protocol != modbusRelay || !swappable[door.Line] {
			continue
		}
		other, known := first[door.Address]
		switch {
		case !known:
			first[door.Address] = i
		case c.Doors[other].Line != door.Line:
			d.bad(fmt.Sprintf("doors[%d].address", i), fmt.Sprintf("relay module %d is also that of doors[%d], on line %s", door.Address, other, c.Doors[other].Line),
				"set another unit number in it: if the cables of two lines are swapped, the wrong door opens; or write fixed: true at a line whose cable cannot be mistaken")
		}
	}
}

// claims gives what to who, unless another has it.
func (d *decoder) claims(path, who, what, remedy string, claimed map[string]string) bool {
	if other, taken := claimed[what]; taken {
		d.bad(path, what+" is also "+other, remedy)
		return false
	}
	claimed[what] = who
	return true
}

// warn finds what will work and may not be meant.
func (d *decoder) warn(c Config) []Fault {
	w := decoder{file: d.file, at: d.at}
	for i, l := range c.Lines {
		for p, port := range l.Ports {
			if strings.HasPrefix(port, "/dev/ttyUSB") || strings.HasPrefix(port, "/dev/ttyACM") {
				w.bad(fmt.Sprintf("lines[%d].ports[%d]", i, p), port+" is whichever adapter was found in that order: its number changes when it is plugged in again",
					"name the socket that it is plugged into, as ls -l /dev/serial/by-path shows it, or the adapter, /dev/serial/by-id")
			}
		}
	}
	for i, door := range c.Doors {
		if slices.ContainsFunc(c.Meters, func(m Meter) bool { return m.Line == door.Line }) {
			w.bad(fmt.Sprintf("doors[%d].line", i), fmt.Sprintf("line %s has meters too, and a relay module asks nobody who he is: whoever reaches the wires at a meter in a hallway opens this door", door.Line),
				"give doors a line of their own, or see that all of the cable is out of reach")
		}
	}
	return w.faults
}
