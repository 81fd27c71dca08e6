// Package config reads a gateway's YAML file.
//
// The file is strict: an unknown key, a wrong type or an impossible value is a Fault with file, line, column and what to
// do, and all faults of a file are found at once. A fault inside an entry of a list (a line, a bank, a meter, a door)
// costs that entry; the rest of the file still counts. A file that cannot be read at all gives no Config: the caller goes
// on with the last good one.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/modbus"
)

// ErrUnreadable says that nothing of the file can be used: it is missing, too large, or no YAML.
var ErrUnreadable = errors.New("configuration cannot be read")

const (
	maxFile      = 1 << 20 // bytes; the largest building has some 30 kB
	defaultEvery = time.Hour
	metering     = "metering"
)

// Config is one gateway's file. Paths are absolute after Load: relative ones count from the file's folder.
type Config struct {
	Gateway string   `yaml:"gateway"` // id, [a-z0-9-]{1,40}: also the certificate's name
	Site    string   `yaml:"site"`    // the community's name, shown on the idle screen
	Cloud   Cloud    `yaml:"cloud"`
	Kiosk   Kiosk    `yaml:"kiosk"`
	Desk    Desk     `yaml:"desk"`
	Metrics Metrics  `yaml:"metrics"`
	Lines   []Line   `yaml:"lines"`
	Lockers []Locker `yaml:"lockers"`

	Profiles string   `yaml:"profiles"` // folder of further register maps, *.yaml; empty: those that ship with the program
	Metering Metering `yaml:"metering"`
	Meters   []Meter  `yaml:"meters"`
	Doors    []Door   `yaml:"doors"`

	found    decoder // where things stand in the file
	warnings []Fault

	library      *modbus.Library
	userProfiles map[string][]byte // texts of the register maps of the folder that meters use
}

// Cloud is where the events go. All of it may be missing: the building then works alone.
type Cloud struct {
	Broker      string `yaml:"broker"`      // tls://host:port; empty: no cloud
	CA          string `yaml:"ca"`          // PEM file of the certificate authority
	Certificate string `yaml:"certificate"` // PEM file, its name is the gateway's id
	Key         string `yaml:"key"`         // PEM file, mode 0600
	RootKey     string `yaml:"root_key"`    // file with the cloud's offline root key: base64 of 32 bytes
}

// Kiosk is the locker screen. It listens on loopback only.
type Kiosk struct {
	Listen string `yaml:"listen"` // host:port; empty means 127.0.0.1:8080
	Phone  string `yaml:"phone"`  // the guard's number, as people read it
}

// Desk is the guard's desk, off unless it has an address.
type Desk struct {
	Listen      string `yaml:"listen"` // host:port; empty: off
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Metrics are /metrics and /healthz, on loopback only.
type Metrics struct {
	Listen string `yaml:"listen"` // host:port; empty means 127.0.0.1:9100
}

// Line is one serial line, or the TCP connection to a converter or a device.
type Line struct {
	Name     string        `yaml:"name"`
	Ports    []string      `yaml:"ports"`     // paths or globs, tried in turn: /dev/serial/by-id/*; or one tcp://host:port
	Baud     int           `yaml:"baud"`      // 0 means 19200; of a converter: that of the line behind it
	Parity   string        `yaml:"parity"`    // none, even, odd; empty means none
	StopBits int           `yaml:"stop_bits"` // 1 or 2; 0 means 1
	Lateness time.Duration `yaml:"lateness"`  // worst time to an answer; 0 means 1s
	Echo     bool          `yaml:"echo"`      // the adapter returns what was sent
	Fixed    bool          `yaml:"fixed"`     // its cable cannot be taken for another's: boards and relays of other lines may have the same numbers
}

// Locker is one bank of compartments.
type Locker struct {
	Bank     string        `yaml:"bank"`     // A, B …: shown to people
	Line     string        `yaml:"line"`     // name of its line
	Protocol string        `yaml:"protocol"` // kerong-a (16 locks a board), kerong-b (48)
	Codes    *Codes        `yaml:"codes"`    // of kerong-b, as its firmware has them: docs/kerong.md 7
	Boards   []int         `yaml:"boards"`   // board switches along the chain, 0 to 14; of kerong-b 0 to 99
	Closed   *int          `yaml:"closed_bit"`
	Pulse    time.Duration `yaml:"pulse"`   // 0 means 500ms
	Spacing  time.Duration `yaml:"spacing"` // from the end of a pulse to the next of the same supply; 0 means 100ms
	Supply   string        `yaml:"supply"`  // name of its power supply, which energises one latch at a time; empty: its own
	Sensors  bool          `yaml:"item_sensors"`
	Columns  []Column      `yaml:"columns"` // the front as drawn, left to right
}

// Codes are the command bytes of a 48-lock board, which differ by firmware.
type Codes struct {
	Status int `yaml:"status"` // asks for status: 0x60 or 0x50
	Open   int `yaml:"open"`   // opens one lock: 0x61 or 0x51
	OK     int `yaml:"ok"`     // answers both: 0x75
}

// Column is one column of a bank's front, top to bottom.
type Column struct {
	Doors []Compartment `yaml:"doors"`
}

// Compartment is one compartment's door, or the screen.
type Compartment struct {
	Number int    `yaml:"number"` // as painted on the door; 0 only for the screen
	Size   string `yaml:"size"`   // S, M, L, XL, or screen
	Lock   int    `yaml:"lock"`   // along the chain, from 1; 0 means the door's number
	Low    bool   `yaml:"low"`    // can be reached from a wheelchair
}

// Metering says when the meters are read.
type Metering struct {
	Every time.Duration `yaml:"every"` // from the begin of one sweep to that of the next, 1s to 24h; 0 means 1h
}

// Meter is one gas meter. Which flat it belongs to is the cloud's to know.
type Meter struct {
	ID       string `yaml:"id"`       // names it for ever: [a-z0-9-]{1,40}
	Line     string `yaml:"line"`     // name of its line
	Protocol string `yaml:"protocol"` // modbus-rtu (also over a converter), modbus-tcp
	Address  int    `yaml:"address"`  // Modbus unit, 1 to 247
	Profile  string `yaml:"profile"`  // name of its register map
	Serial   string `yaml:"serial"`   // as on its plate: a reading counts only from this meter

	Channel   int        `yaml:"channel"`   // of a device with several counters, from 1; 0 means 1
	Registers *Registers `yaml:"registers"` // where the profile leaves addresses to the site
	Scale     string     `yaml:"scale"`     // where the profile leaves it to the site: litres of a count, such as 10 or 1/10

	Begin int `yaml:"begin"` // litres that a person read off its dial when its readings were in doubt: they begin anew from there; 0: nobody had to
}

// Registers are addresses that a meter's site has set in it, counted as the profile counts.
type Registers struct {
	Total  *int `yaml:"total"`
	Serial *int `yaml:"serial"`
	Status *int `yaml:"status"`
	Scale  *int `yaml:"scale"`
}

// Door is one facility door.
type Door struct {
	ID       string        `yaml:"id"`       // names it for ever: [a-z0-9-]{1,40}
	Name     string        `yaml:"name"`     // as people call it
	English  string        `yaml:"english"`  // the same in English; empty: the name
	Line     string        `yaml:"line"`     // name of its line
	Protocol string        `yaml:"protocol"` // modbus-relay
	Address  int           `yaml:"address"`  // Modbus unit of the relay module, 1 to 247
	Output   int           `yaml:"output"`   // coil of the strike, from 0
	Timer    string        `yaml:"timer"`    // flash: the module times the output itself; none: the gateway turns it off; empty means flash
	Contact  *int          `yaml:"contact"`  // discrete input of the contact, from 0; missing: none is fitted
	OpenIs   int           `yaml:"open_is"`  // what the contact's input reads while the door is open: 0 or 1
	Exit     *int          `yaml:"exit"`     // discrete input of the button inside, from 0, pressed reads 1; missing: none is fitted
	Strike   time.Duration `yaml:"strike"`   // how long the door can be opened; 0 means 5s, at most 30s
}

// Fault is one thing wrong with a file.
type Fault struct {
	File         string
	Line, Column int
	Path         string // lockers[0].closed_bit
	What         string // what is wrong
	Remedy       string // what to do
}

// Error gives file:line:column: path: what is wrong; what to do.
func (f Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.What)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// entry is what the fault costs: an entry of a list, "lines[0]", the schedule of the meters, "metering", or "profiles", some
// of the register maps; "" is the whole file.
func (f Fault) entry() string {
	for _, list := range []string{"lines[", "lockers[", "meters[", "doors["} {
		if strings.HasPrefix(f.Path, list) {
			return f.Path[:strings.IndexByte(f.Path, ']')+1]
		}
	}
	if f.Path == metering || strings.HasPrefix(f.Path, metering+".") {
		return metering
	}
	if f.Path == profiles {
		return profiles
	}
	return ""
}

// Load reads a file. The faults come in the order of the file; entries that have one are left out of the Config. The
// error is ErrUnreadable, and then there is no Config.
func Load(path string) (Config, []Fault, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Config{}, nil, fmt.Errorf("%s: %v: %w", path, errors.Unwrap(err), ErrUnreadable)
	case info.Size() > maxFile:
		return Config{}, nil, fmt.Errorf("%s: %d bytes, at most %d: %w", path, info.Size(), maxFile, ErrUnreadable)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, nil, fmt.Errorf("%s: %v: %w", path, err, ErrUnreadable)
	}
	return Parse(path, text)
}

// Parse is Load for a file already read; path is for the faults and for relative paths.
func Parse(path string, text []byte) (Config, []Fault, error) {
	d := decoder{file: filepath.Base(path), at: map[string]place{}, unread: map[string]bool{}, lost: map[string]bool{}}
	var c Config
	if err := d.decode(text, &c); err != nil {
		return Config{}, nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, nil, fmt.Errorf("%s: %w: %w", path, err, ErrUnreadable)
	}
	c.fill(dir)
	d.open(&c)
	d.validate(c)
	c.warnings = d.warn(c)
	c.found = decoder{file: d.file, at: d.at}
	for _, l := range c.Lines {
		c.found.lineNames = append(c.found.lineNames, l.Name)
	}
	c.leaveOut(d.faults, d.lost)
	slices.SortStableFunc(d.faults, byPlace)
	slices.SortStableFunc(c.warnings, byPlace)
	return c, d.faults, nil
}

func byPlace(a, b Fault) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// Warnings are what will work and may not be meant, in the order of the file. They cost nothing.
func (c Config) Warnings() []Fault { return c.warnings }

// fill replaces what is missing by its meaning.
func (c *Config) fill(dir string) {
	for _, p := range []*string{&c.Cloud.CA, &c.Cloud.Certificate, &c.Cloud.Key, &c.Cloud.RootKey, &c.Desk.Certificate, &c.Desk.Key, &c.Profiles} {
		*p = absolute(dir, *p)
	}
	c.Kiosk.Listen = cmp.Or(c.Kiosk.Listen, "127.0.0.1:8080")
	c.Metrics.Listen = cmp.Or(c.Metrics.Listen, "127.0.0.1:9100")
	for i := range c.Lines {
		l := &c.Lines[i]
		l.Baud, l.Parity, l.StopBits = cmp.Or(l.Baud, 19200), cmp.Or(l.Parity, "none"), cmp.Or(l.StopBits, 1)
		for p, port := range l.Ports {
			if !strings.HasPrefix(port, "tcp://") {
				l.Ports[p] = absolute(dir, port)
			}
		}
	}
	c.Metering.Every = cmp.Or(c.Metering.Every, defaultEvery)
	for i := range c.Meters {
		c.Meters[i].Channel = cmp.Or(c.Meters[i].Channel, 1)
	}
	for i := range c.Doors {
		d := &c.Doors[i]
		d.English, d.Timer, d.Strike = cmp.Or(d.English, d.Name), cmp.Or(d.Timer, "flash"), cmp.Or(d.Strike, 5*time.Second)
	}
	for i := range c.Lockers {
		l := &c.Lockers[i]
		l.Pulse, l.Spacing = cmp.Or(l.Pulse, 500*time.Millisecond), cmp.Or(l.Spacing, 100*time.Millisecond)
		for _, column := range l.Columns {
			for d := range column.Doors {
				if column.Doors[d].Lock == 0 {
					column.Doors[d].Lock = column.Doors[d].Number
				}
			}
		}
	}
}

func absolute(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// LineFault is a fault of one line, at one of its keys, that the file alone cannot tell: a port that is missing from this
// machine.
func (c Config) LineFault(line, key, what, remedy string) Fault {
	path := "lines"
	if i := slices.Index(c.found.lineNames, line); i >= 0 {
		path = fmt.Sprintf("lines[%d].%s", i, key)
	}
	d := c.found
	d.bad(path, what, remedy)
	return d.faults[0]
}

// leaveOut drops the entries that have a fault or are lost, and devices on a line that is dropped.
func (c *Config) leaveOut(faults []Fault, lost map[string]bool) {
	bad := maps.Clone(lost)
	for _, f := range faults {
		bad[f.entry()] = true
	}
	if bad[metering] {
		c.Metering.Every = defaultEvery
	}
	c.Lines = keep(c.Lines, "lines", bad, func(Line) bool { return true })
	has := func(line string) bool {
		return slices.ContainsFunc(c.Lines, func(l Line) bool { return l.Name == line })
	}
	c.Lockers = keep(c.Lockers, "lockers", bad, func(l Locker) bool { return has(l.Line) })
	c.Meters = keep(c.Meters, "meters", bad, func(m Meter) bool { return has(m.Line) })
	c.Doors = keep(c.Doors, "doors", bad, func(d Door) bool { return has(d.Line) })
}

// keep gives the entries of a list that are not bad and whose line is there.
func keep[E any](list []E, name string, bad map[string]bool, there func(E) bool) []E {
	var kept []E
	for i, e := range list {
		if !bad[fmt.Sprintf("%s[%d]", name, i)] && there(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// Usable tells whether a gateway can run with these faults: every one of them costs an entry of a list.
func Usable(faults []Fault) bool {
	return !slices.ContainsFunc(faults, func(f Fault) bool { return f.entry() == "" })
}
