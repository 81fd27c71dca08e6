package building

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// Line is a serial line, a TCP port that devices end themselves, or a converter: a TCP port with a serial line behind it.
type Line struct {
	Name     string      `yaml:"name"`      // also the name of a serial line's port
	Baud     int         `yaml:"baud"`      // of a serial line; without TCP 0 means 19200. With TCP: it is a converter
	Parity   line.Parity `yaml:"parity"`    // of a serial line: none, even or odd; empty means none
	StopBits int         `yaml:"stop_bits"` // of a serial line: 1 or 2; 0 means 1
	TCP      string      `yaml:"tcp"`       // loopback address with port, 127.0.0.1:8502, port 0 takes a free one; empty: a port of this machine
}

// Direct reports whether the devices themselves end a TCP connection: there is no serial line.
func (l Line) Direct() bool { return l.TCP != "" && l.Baud == 0 }

// isTCP reports whether it is a TCP port: of devices, or of a converter.
func (l Line) isTCP() bool { return l.TCP != "" }

// format is that of the serial line, of a converter the one behind it.
func (l Line) format() line.Format {
	return line.Format{Baud: l.Baud, Parity: l.Parity, StopBits: l.StopBits}
}

func (l *Line) fill() {
	if l.Baud == 0 && l.TCP == "" {
		l.Baud = 19200
	}
	if !l.Direct() {
		l.Parity, l.StopBits = cmp.Or(l.Parity, line.NoParity), cmp.Or(l.StopBits, 1)
	}
}

// on is the line of a name, which must be there.
func (cfg Config) on(name string) Line {
	return cfg.Lines[slices.IndexFunc(cfg.Lines, func(l Line) bool { return l.Name == name })]
}

// claims are what hangs on a line, by what each device is called in messages.
type claims struct {
	line     Line
	kind     string // kerong-a, kerong-b or modbus; empty: nothing yet
	by       string // who came first
	boards   map[int]string
	units    map[int]unitClaim
	terminal map[string]string // of relay modules, by the door that has it
}

// unitClaim is who has a Modbus unit: the kind of device, who came first, and the options that its channels share.
type unitClaim struct{ device, by, options string }

func (c *checker) line(at string, l Line) {
	c.own(at+".name", "line ", l.Name)
	c.lines[l.Name] = &claims{line: l, boards: map[int]string{}, units: map[int]unitClaim{}, terminal: map[string]string{}}
	if l.TCP != "" {
		c.tcp(at, l)
	}
	if l.Direct() {
		if l.Parity != "" || l.StopBits != 0 {
			c.wrong(at, "a TCP port has no parity and no stop bits; leave them out, or give the baud of the line behind the converter")
		}
		return
	}
	switch l.Baud {
	case 9600, 19200, 38400, 57600, 115200:
	default:
		c.wrong(at+".baud", "%d is no standard rate; use 9600, 19200, 38400, 57600 or 115200", l.Baud)
	}
	if l.Parity != line.NoParity && l.Parity != line.Even && l.Parity != line.Odd {
		c.wrong(at+".parity", "%q; use %s, %s or %s", l.Parity, line.NoParity, line.Even, line.Odd)
	}
	if l.StopBits != 1 && l.StopBits != 2 {
		c.wrong(at+".stop_bits", "%d; use 1 or 2", l.StopBits)
	}
}

func (c *checker) tcp(at string, l Line) {
	address, err := netip.ParseAddrPort(l.TCP)
	switch {
	case err != nil, !address.Addr().IsLoopback():
		c.wrong(at+".tcp", "%q; use an address of this machine alone, like 127.0.0.1:8502", l.TCP)
	case address.Port() != 0 && c.names["tcp "+l.TCP]:
		c.wrong(at+".tcp", "%s is another line's; use another port", l.TCP)
	}
	c.names["tcp "+l.TCP] = true
}

// on hangs something that speaks kind on the line that it names, and returns what hangs there; nil: no such line.
func (c *checker) on(at, name, kind, who string) *claims {
	l := c.lines[name]
	if l == nil {
		c.wrong(at, "there is no line %q; name one of %s", name, c.lineNames())
		return nil
	}
	if l.kind == "" {
		l.kind, l.by = kind, who
	}
	switch {
	case l.kind == kind:
	case l.kind == modbusLine || kind == modbusLine:
		c.wrong(at, "%s is on line %s with %s already; locker boards share a line with nothing else: give it a line of its own", l.by, name, l.kind)
	default:
		c.wrong(at, "%s speaks %s on line %s; boards of one line speak one dialect: give it a line of its own", l.by, l.kind, name)
	}
	return l
}

// unit gives a device's Modbus unit on its line to whoever it is. Doors of one module, and channels of one device, share it.
func (c *checker) unit(at string, l *claims, unit int, u unitClaim, shares bool) {
	if unit < 1 || unit > maxUnit {
		c.wrong(at+".address", "%d; use 1 to %d", unit, maxUnit)
		return
	}
	if l == nil {
		return
	}
	switch had, taken := l.units[unit]; {
	case !taken:
		l.units[unit] = u
	case !shares || had.device != u.device:
		c.wrong(at+".address", "unit %d of line %s is %s already; give each device an address of its own", unit, l.line.Name, had.by)
	case had.options != u.options:
		c.wrong(at, "%s is a channel of the same device; give it the same options", had.by)
	}
}

func (c *checker) lineNames() string {
	if len(c.lines) == 0 {
		return "the lines that you describe below lines:"
	}
	return strings.Join(slices.Sorted(maps.Keys(c.lines)), ", ")
}
