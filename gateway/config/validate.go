package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of a configuration: more is a typing error.
const (
	maxLines  = 32
	maxBanks  = 16
	maxBoards = 10 // of one chain: the board's switch has ten places
	perBoard  = 16 // locks
)

var (
	bauds    = []int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200}
	parities = []string{"none", "even", "odd"}
	sizes    = []string{"S", "M", "L", "XL"}
)

// bad adds a fault at the place of path, or of the nearest path above it that stands in the file.
func (d *decoder) bad(path, what, remedy string) {
	for p := path; ; {
		if at, ok := d.at[p]; ok {
			d.fault(path, at, what, remedy)
			return
		}
		cut := strings.LastIndexAny(p, ".[")
		if cut < 0 {
			d.fault(path, place{1, 1}, what, remedy)
			return
		}
		p = p[:cut]
	}
}

func (d *decoder) validate(c Config) {
	if !wire.ValidGateway(c.Gateway) {
		d.bad("gateway", fmt.Sprintf("%q is no gateway id", c.Gateway), "use 1 to 40 of a-z, 0-9 and -, as on its certificate")
	}
	d.cloud(c.Cloud)
	d.loopback("kiosk.listen", c.Kiosk.Listen)
	d.loopback("metrics.listen", c.Metrics.Listen)
	if c.Desk.Listen != "" {
		d.address("desk.listen", c.Desk.Listen)
		if c.Desk.Certificate == "" || c.Desk.Key == "" {
			d.bad("desk", "the desk needs a certificate and its key", "name both files, or leave listen out to switch the desk off")
		}
	}
	d.lines(c.Lines)
	d.lockers(c)
	d.meters(c)
	d.facilities(c)
	d.formats(c)
}

func (d *decoder) cloud(c Cloud) {
	if c.Broker == "" {
		return
	}
	host, ok := strings.CutPrefix(c.Broker, "tls://")
	if _, _, err := net.SplitHostPort(host); !ok || err != nil {
		d.bad("cloud.broker", fmt.Sprintf("%q is no broker", c.Broker), "write tls://host:port")
	}
	for path, file := range map[string]string{"ca": c.CA, "certificate": c.Certificate, "key": c.Key, "root_key": c.RootKey} {
		if file == "" {
			d.bad("cloud."+path, "missing", "name the file that came with the enrolment")
		}
	}
}

func (d *decoder) address(path, listen string) (host string, ok bool) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		d.bad(path, fmt.Sprintf("%q is no address", listen), "write host:port, such as 127.0.0.1:8080")
		return "", false
	}
	return host, true
}

func (d *decoder) loopback(path, listen string) {
	host, ok := d.address(path, listen)
	if ip := net.ParseIP(host); ok && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		d.bad(path, host+" is not this machine alone", "use 127.0.0.1")
	}
}

func (d *decoder) lines(lines []Line) {
	if len(lines) > maxLines {
		d.bad("lines", fmt.Sprintf("%d lines, at most %d", len(lines), maxLines), "remove some")
	}
	names, ports := map[string]int{}, map[string]string{}
	for i, l := range lines {
		at := fmt.Sprintf("lines[%d]", i)
		if l.Name == "" {
			d.bad(at+".name", "missing", "give the line a short name")
		}
		if other, twice := names[l.Name]; twice && l.Name != "" {
			d.bad(at+".name", fmt.Sprintf("%s is also lines[%d]", l.Name, other), "give each line a name of its own")
		}
		names[l.Name] = i
		if len(l.Ports) == 0 {
			d.bad(at+".ports", "missing", "name the serial port, best as /dev/serial/by-id/…")
		}
		d.network(at, l.Ports)
		for p, port := range l.Ports {
			if other, twice := ports[port]; twice {
				d.bad(fmt.Sprintf("%s.ports[%d]", at, p), port+" is also a port of "+other, "one line owns a port: put its devices on that line")
			}
			ports[port] = at
		}
		if !slices.Contains(bauds, l.Baud) {
			d.bad(at+".baud", fmt.Sprintf("%d is no standard rate", l.Baud), "use 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200")
		}
		if !slices.Contains(parities, l.Parity) {
			d.bad(at+".parity", fmt.Sprintf("%q is no parity", l.Parity), "use none, even or odd")
		}
		if l.StopBits != 1 && l.StopBits != 2 {
			d.bad(at+".stop_bits", fmt.Sprintf("%d stop bits", l.StopBits), "use 1 or 2")
		}
		if l.Lateness < 0 || l.Lateness > 10*time.Second {
			d.bad(at+".lateness", l.Lateness.String()+" is out of range", "use 0s to 10s")
		}
	}
}

// onLine looks for the line that a device names.
func (d *decoder) onLine(at, name string, lines []Line) {
	if !slices.ContainsFunc(lines, func(l Line) bool { return l.Name == name }) {
		d.bad(at+".line", fmt.Sprintf("there is no line %q", name), "name one of lines")
	}
}

func (d *decoder) lockers(c Config) {
	if len(c.Lockers) > maxBanks {
		d.bad("lockers", fmt.Sprintf("%d banks, at most %d", len(c.Lockers), maxBanks), "remove some")
	}
	banks, addresses := map[string]int{}, map[string]string{}
	for i, l := range c.Lockers {
		at := fmt.Sprintf("lockers[%d]", i)
		if l.Bank == "" || len(l.Bank) > 8 || strings.ContainsAny(l.Bank, "/ ") {
			d.bad(at+".bank", fmt.Sprintf("%q is no name of a bank", l.Bank), "use a letter, as on the bank's front")
		}
		if other, twice := banks[l.Bank]; twice {
			d.bad(at+".bank", fmt.Sprintf("%s is also lockers[%d]", l.Bank, other), "give each bank a name of its own")
		}
		banks[l.Bank] = i
		d.onLine(at, l.Line, c.Lines)
		if l.Protocol != kerongA {
			d.bad(at+".protocol", fmt.Sprintf("%q is not known", l.Protocol), "use kerong-a")
		}
		if l.Closed == nil || *l.Closed != 0 && *l.Closed != 1 {
			d.bad(at+".closed_bit", "the meaning of the latch bit is not proven", "read the board, open one door by hand, read again: write 1 if its bit went from 1 to 0, else 0")
		}
		if l.Pulse < 50*time.Millisecond || l.Pulse > 2*time.Second {
			d.bad(at+".pulse", l.Pulse.String()+" is out of range", "use 500ms for solenoid latches, 1s for motor latches")
		}
		d.boards(at, l, addresses)
		d.doors(at, l)
	}
}

func (d *decoder) boards(at string, l Locker, addresses map[string]string) {
	if len(l.Boards) == 0 || len(l.Boards) > maxBoards {
		d.bad(at+".boards", fmt.Sprintf("%d boards", len(l.Boards)), fmt.Sprintf("list the boards' switches, 1 to %d of them", maxBoards))
	}
	for b, board := range l.Boards {
		path := fmt.Sprintf("%s.boards[%d]", at, b)
		address := fmt.Sprintf("board %d of line %s", board, l.Line)
		if board < 0 || board > 14 {
			d.bad(path, fmt.Sprintf("board %d is out of range", board), "use the number on the board's switch, 0 to 14")
		}
		if other, twice := addresses[address]; twice {
			d.bad(path, address+" is also "+other, "two boards on one line need different switches")
		}
		addresses[address] = path
	}
}

func (d *decoder) doors(at string, l Locker) {
	numbers, locks, screens, count := map[int]string{}, map[int]string{}, 0, 0
	for c, column := range l.Columns {
		for i, door := range column.Doors {
			path := fmt.Sprintf("%s.columns[%d].doors[%d]", at, c, i)
			if door.Size == "screen" {
				screens++
				continue
			}
			count++
			if !slices.Contains(sizes, door.Size) {
				d.bad(path+".size", fmt.Sprintf("%q is no size", door.Size), "use S, M, L, XL or screen")
			}
			if door.Number < 1 || door.Number > 999 {
				d.bad(path+".number", fmt.Sprintf("door %d is out of range", door.Number), "use the number painted on the door, 1 to 999")
			}
			if other, twice := numbers[door.Number]; twice {
				d.bad(path+".number", fmt.Sprintf("door %d is also %s", door.Number, other), "give each door a number of its own")
			}
			if door.Lock < 1 || door.Lock > perBoard*len(l.Boards) {
				d.bad(path+".lock", fmt.Sprintf("lock %d, and the chain has 1 to %d", door.Lock, perBoard*len(l.Boards)), "count the locks along the chain, 16 a board")
			}
			if other, twice := locks[door.Lock]; twice {
				d.bad(path+".lock", fmt.Sprintf("lock %d is also that of %s", door.Lock, other), "one lock opens one door")
			}
			numbers[door.Number], locks[door.Lock] = path, path
		}
	}
	if count == 0 {
		d.bad(at+".columns", "the bank has no door", "list its doors, column by column")
	}
	if screens > 1 {
		d.bad(at+".columns", fmt.Sprintf("%d screens", screens), "a bank has at most one")
	}
}
