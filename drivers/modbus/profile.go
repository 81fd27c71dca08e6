package modbus

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

const (
	maxProfile  = 64 << 10 // bytes; those that ship have 4
	maxFaults   = 100      // named in one text
	maxRegs     = 125      // of one request
	maxAddress  = 0xffff   // of a register
	maxRequests = 16       // in a profile
	maxChannels = 32       // in a device
	minWake     = 10 * time.Millisecond
)

// Profile is the register map of one model of meter (docs/modbus.md 6). It does not change once it is parsed.
type Profile struct {
	Name     string
	Vendor   string
	Model    string
	Sources  []string      // where the map is from
	Status   string        // official, verified, unverified, simulated
	Quantity string        // actual or standard cubic metres
	Qmax     int64         // litres an hour; 0: not said
	Channels int           // counters in one device, at least 1
	Wake     time.Duration // of a meter that sleeps and answers only the second request: how long the first's answer is waited for; 0: it does not sleep

	// The line as the maker ships it; zero: not said.
	Baud     int
	Parity   bus.Parity
	StopBits int

	base        int                 // of the first register's number, as the file counts
	registers   map[string]register // by name, as for channel 1
	requests    []span              // that the file names
	transcripts []Transcript
}

// ParseProfile reads a profile's YAML. Every fault is named, one line each, as name:line:column: path: what; remedy.
func ParseProfile(name string, yaml []byte) (*Profile, error) {
	t := &text{name: name}
	if len(yaml) > maxProfile {
		t.add(1, 1, "", fmt.Sprintf("%d bytes", len(yaml)), fmt.Sprintf("use at most %d", maxProfile))
		return nil, t.err()
	}
	root := t.parse(yaml)
	if root.node == nil {
		return nil, t.err()
	}
	f := t.mapping(root, "vendor", "model", "sources", "status", "base", "line", "quantity", "qmax", "channels", "wake", "requests", "registers", "transcripts")
	t.need(f, "vendor", "model", "sources", "status", "base", "quantity", "registers")
	p := &Profile{
		Name: name, Vendor: t.line(f, "vendor"), Model: t.line(f, "model"),
		Status:    t.choice(f, "status", "official", "verified", "unverified", "simulated"),
		Quantity:  t.choice(f, "quantity", "actual", "standard"),
		Qmax:      t.litres(f, "qmax"),
		Channels:  int(t.whole(f, "channels", 1, maxChannels)),
		Wake:      t.duration(f, "wake", minWake, maxAnswer),
		base:      int(t.whole(f, "base", 0, 1)),
		registers: map[string]register{},
	}
	for _, s := range t.list(f, "sources") {
		p.Sources = append(p.Sources, t.single(s, "a text of 1 to 200 bytes", isLine))
	}
	p.shippedLine(t, f)
	p.readRegisters(t, f, p.readRequests(t, f))
	if len(t.faults) == 0 {
		p.readTranscripts(t, f)
	}
	if err := t.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// shippedLine reads how the maker ships the line.
func (p *Profile) shippedLine(t *text, f fields) {
	at, ok := f.of["line"]
	if !ok {
		return
	}
	l := t.mapping(at, "baud", "parity", "stop_bits")
	if b := t.choice(l, "baud", "1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200"); b != "" {
		p.Baud, _ = strconv.Atoi(b) // one of these
	}
	p.Parity = map[string]bus.Parity{"even": bus.ParityEven, "odd": bus.ParityOdd}[t.choice(l, "parity", "none", "even", "odd")]
	if l.has("stop_bits") {
		p.StopBits = int(t.whole(l, "stop_bits", 1, 2))
	}
}

// readRequests reads what the device answers in one request though not all of it is used. It returns their places.
func (p *Profile) readRequests(t *text, f fields) []place {
	list := t.list(f, "requests")
	if len(list) > maxRequests {
		t.wrong(f.of["requests"], fmt.Sprintf("%d requests", len(list)), fmt.Sprintf("use at most %d", maxRequests))
		return nil
	}
	for _, at := range list {
		r := t.mapping(at, "function", "address", "count")
		t.need(r, "function", "address", "count")
		s := t.span(r, p.base, int(t.whole(r, "count", 1, maxRegs)), false)
		for i, o := range p.requests {
			if s.overlaps(o) {
				t.wrong(at, fmt.Sprintf("overlaps requests[%d]", i), "let each register be read once")
			}
		}
		p.requests = append(p.requests, s)
	}
	return list
}

// span reads where count registers are. Of a site's only the function is known.
func (t *text) span(f fields, base, count int, site bool) span {
	s := span{function: byte(t.whole(f, "function", 3, 4)), count: count}
	if site {
		return s
	}
	s.address = int(t.whole(f, "address", int64(base), maxAddress+int64(base))) - base
	if s.end() > maxAddress+1 {
		t.wrong(f.of["address"], fmt.Sprintf("%d registers from here end behind the last one", count), "use a lower address")
	}
	return s
}
