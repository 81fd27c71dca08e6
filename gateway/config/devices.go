package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ntpc-smart-community/lobby/drivers/modbus"
)

// Bounds of the devices on a line: more is a typing error. A pulse names every device and has 64 kB.
const (
	maxMeters = 400
	maxDoors  = 32
	minEvery  = time.Second
	maxEvery  = 24 * time.Hour
	minStrike = time.Second
	maxStrike = 30 * time.Second
	maxDial   = 1_000_000_000 // litres
)

// The protocols of meters and doors.
const (
	modbusRTU   = string(modbus.RTU)
	modbusTCP   = string(modbus.TCP)
	modbusRelay = "modbus-relay"
)

const tcpScheme = "tcp://"

var (
	deviceID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	digits   = regexp.MustCompile(`^[0-9]{1,20}$`)
)

// OnNetwork tells whether a line is a TCP connection.
func (l Line) OnNetwork() bool { return len(l.Ports) > 0 && strings.HasPrefix(l.Ports[0], tcpScheme) }

// Direct tells whether the devices of a line end its TCP connection themselves, so that there is no serial line behind it.
func (c Config) Direct(line string) bool {
	return slices.ContainsFunc(c.Meters, func(m Meter) bool { return m.Line == line && m.Protocol == modbusTCP })
}

// network checks the ports of a line that is a TCP connection.
func (d *decoder) network(at string, ports []string) {
	for p, port := range ports {
		address, tcp := strings.CutPrefix(port, tcpScheme)
		if !tcp {
			continue
		}
		host, number, err := net.SplitHostPort(address)
		n, bad := strconv.ParseUint(number, 10, 16)
		if err != nil || host == "" || bad != nil || n == 0 || strings.ContainsAny(host, "*?[ /") {
			d.bad(fmt.Sprintf("%s.ports[%d]", at, p), port+" is no address", "write tcp://host:port, such as tcp://192.168.1.20:502")
		}
		if len(ports) > 1 {
			d.bad(at+".ports", fmt.Sprintf("%d ports, and one is %s", len(ports), port), "a line over the network has one port alone")
			return
		}
	}
}

// named checks an id, and that no other entry has it.
func (d *decoder) named(list string, i int, id string, known map[string]int) {
	at := fmt.Sprintf("%s[%d].id", list, i)
	if !deviceID.MatchString(id) {
		d.bad(at, fmt.Sprintf("%q is no id", id), "use 1 to 40 of a-z, 0-9 and -, and keep it for ever")
		return
	}
	if other, twice := known[id]; twice {
		d.bad(at, fmt.Sprintf("%s is also %s[%d]", id, list, other), "give each an id of its own")
	}
	known[id] = i
}

func (d *decoder) meters(c Config) {
	if e := c.Metering.Every; e < minEvery || e > maxEvery {
		d.bad(metering+".every", e.String()+" is out of range", "use 1s to 24h")
	}
	if len(c.Meters) > maxMeters {
		d.bad("meters", fmt.Sprintf("%d meters, at most %d", len(c.Meters), maxMeters), "let another gateway read the rest")
	}
	ids := map[string]int{}
	for i, m := range c.Meters {
		at := fmt.Sprintf("meters[%d]", i)
		d.named("meters", i, m.ID, ids)
		d.onLine(at, m.Line, c.Lines)
		switch m.Protocol {
		case modbusRTU:
		case modbusTCP:
			if l := slices.IndexFunc(c.Lines, func(l Line) bool { return l.Name == m.Line }); l >= 0 && !c.Lines[l].OnNetwork() {
				d.bad(at+".protocol", "modbus-tcp on a serial line", "use modbus-rtu, or a line whose port is tcp://host:port")
			}
		default:
			d.bad(at+".protocol", fmt.Sprintf("%q is not known", m.Protocol), "use modbus-rtu or modbus-tcp")
		}
		d.unit(at, m.Address)
		d.profile(at, c, m)
		if !digits.MatchString(m.Serial) {
			d.bad(at+".serial", fmt.Sprintf("%q is no serial number", m.Serial), "write the 1 to 20 digits of its plate, in quotes")
		}
		if m.Begin < 0 || m.Begin > maxDial {
			d.bad(at+".begin", fmt.Sprintf("%d litres are out of range", m.Begin), "write what the dial shows, in litres")
		}
	}
}

func (d *decoder) unit(at string, address int) {
	if address < 1 || address > 247 {
		d.bad(at+".address", fmt.Sprintf("unit %d is out of range", address), "use the device's Modbus address, 1 to 247")
	}
}

func (d *decoder) facilities(c Config) {
	if len(c.Doors) > maxDoors {
		d.bad("doors", fmt.Sprintf("%d doors, at most %d", len(c.Doors), maxDoors), "let another gateway have the rest")
	}
	ids := map[string]int{}
	for i, door := range c.Doors {
		at := fmt.Sprintf("doors[%d]", i)
		d.named("doors", i, door.ID, ids)
		d.label(at+".name", door.Name)
		if door.English != door.Name {
			d.label(at+".english", door.English)
		}
		d.onLine(at, door.Line, c.Lines)
		if door.Protocol != modbusRelay {
			d.bad(at+".protocol", fmt.Sprintf("%q is not known", door.Protocol), "use modbus-relay")
		}
		d.unit(at, door.Address)
		d.wire(at+".output", &door.Output)
		d.wire(at+".contact", door.Contact)
		d.wire(at+".exit", door.Exit)
		if door.OpenIs != 0 && door.OpenIs != 1 {
			d.bad(at+".open_is", fmt.Sprintf("%d is no state of an input", door.OpenIs), "open the door and read its contact: write 0 or 1, as it reads then")
		}
		if door.Timer != "flash" && door.Timer != "none" {
			d.bad(at+".timer", fmt.Sprintf("%q is not known", door.Timer), "use flash if the module times its output itself, else none")
		}
		if door.Strike < minStrike || door.Strike > maxStrike {
			d.bad(at+".strike", door.Strike.String()+" is out of range", "use 1s to 30s")
		}
	}
}

func (d *decoder) label(at, text string) {
	if n := utf8.RuneCountInString(text); n < 1 || n > 40 {
		d.bad(at, fmt.Sprintf("%d characters", n), "write what people call the door, in 1 to 40 characters")
	}
}

// wire checks an output or input of a relay module; nil: none is fitted.
func (d *decoder) wire(at string, n *int) {
	if n != nil && (*n < 0 || *n > 7) {
		d.bad(at, fmt.Sprintf("%d is out of range", *n), "use the number on the relay module, from 0 to 7")
	}
}
