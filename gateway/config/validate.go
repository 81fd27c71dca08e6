package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of a configuration: more is a typing error.
const (
	maxLines = 32
	maxName  = 40 // characters of a line's name
)

var (
	bauds    = []int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200}
	parities = []string{"none", "even", "odd"}
)

// bad adds a fault at the place of path, or of the nearest path above it that stands in the file.
func (d *decoder) bad(path, what, remedy string) {
	if d.unread[path] {
		return
	}
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

// has tells whether a path stands in the file.
func (d *decoder) has(path string) bool {
	_, ok := d.at[path]
	return ok
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
	d.sharing(c)
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
		if n := utf8.RuneCountInString(l.Name); n < 1 || n > maxName {
			d.bad(at+".name", fmt.Sprintf("%d characters", n), fmt.Sprintf("give the line a short name, at most %d characters", maxName))
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
