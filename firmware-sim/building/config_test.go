package building

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

const small = `name: small
seed: 7
lines: [{name: rs485-a, baud: 115200}]
banks:
  - name: A
    line: rs485-a
    closed_bit: 1
    item_sensors: true
    boards: [{address: 0, locks: 2}, {address: 3, locks: 1}]
    columns: [[1 S, 2 S, 3 S], [screen 3]]
`

// modbusOnly is a building of meters and doors alone.
const modbusOnly = `name: modbus
seed: 7
lines:
  - {name: meters-1, baud: 115200}
  - {name: meters-2, tcp: "127.0.0.1:0"}
  - {name: doors, baud: 115200}
meters:
  - line: meters-1
    turnaround: 1ms
    meters:
      - {id: m-1, address: 1, serial: "10000101", litres: 1842361, per_count: 1, use: vacant}
      - {id: m-2, address: 2, serial: "10000102", litres: 990, per_count: 10, use: vacant, speed: 60}
  - line: meters-2
    meters: [{id: m-3, address: 1, serial: "10000103", litres: 5, per_count: 1, use: vacant}]
doors:
  - line: doors
    doors:
      - {id: ktv, name: KTV 室, english: KTV, address: 1, output: 0, contact: 0, open_is: 1, exit: 1}
      - {id: gym, name: 健身房, address: 1, output: 1}
`

// everything is a building with both.
func everything() string {
	_, rest, _ := strings.Cut(modbusOnly, "lines:\n")
	lines, rest, _ := strings.Cut(rest, "meters:\n")
	return strings.Replace(small, "lines: [{name: rs485-a, baud: 115200}]\n", "lines:\n  - {name: rs485-a, baud: 115200}\n"+lines, 1) + "meters:\n" + rest
}

func TestDemoFileIsRight(t *testing.T) {
	cfg, err := Load("../../configs/building-demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Banks) != 1 || len(cfg.Banks[0].Boards) != 2 || len(cfg.Banks[0].front()) != 4 {
		t.Errorf("Load = %+v; want one bank of two boards in four columns", cfg)
	}
	meters, doors := 0, 0
	for _, l := range cfg.Meters {
		meters += len(l.Meters)
	}
	for _, l := range cfg.Doors {
		doors += len(l.Doors)
	}
	if meters != 8 || doors != 2 || !cfg.Lines[2].Direct() {
		t.Errorf("%d meters, %d doors; want 8 on two lines, one of them TCP, and 2", meters, doors)
	}
}

func TestReadyFilesAreRight(t *testing.T) {
	tests := []struct {
		name                               string
		lines, banks, locks, meters, doors int
	}{{"riverside", 1, 0, 0, 0, 1}, {"small", 4, 1, 24, 40, 1}, {"tower", 9, 3, 144, 400, 5}, {"nightmare", 6, 2, 48, 32, 2}}
	for _, tt := range tests {
		cfg, err := Load("../../configs/building-" + tt.name + ".yaml")
		if err != nil {
			t.Error(err)
			continue
		}
		for i := range cfg.Lines {
			if cfg.Lines[i].TCP != "" {
				cfg.Lines[i].TCP = "127.0.0.1:0" // other tests run it at the same time
			}
		}
		b, err := Open(cfg, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s, locks := b.State(), 0
		for _, k := range s.Banks {
			locks += len(k.Locks)
		}
		if len(s.Lines) != tt.lines || len(s.Banks) != tt.banks || locks != tt.locks || len(s.Meters) != tt.meters || len(s.Doors) != tt.doors {
			t.Errorf("%s: %d lines, %d banks, %d locks, %d meters, %d doors; want %+v", tt.name, len(s.Lines), len(s.Banks), locks, len(s.Meters), len(s.Doors), tt)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestModbusFileIsRight(t *testing.T) {
	cfg, err := Parse("f.yaml", []byte(modbusOnly))
	if err != nil {
		t.Fatal(err)
	}
	if d := cfg.Doors[0].Doors; d[0].English != "KTV" || d[1].English != "健身房" || d[1].Contact != nil {
		t.Errorf("doors = %+v", d)
	}
	if cfg.Lines[0] != (Line{Name: "meters-1", Baud: 115200, Parity: "none", StopBits: 1}) || !cfg.Lines[1].Direct() {
		t.Errorf("lines = %+v", cfg.Lines)
	}
}

// invariant 9
func TestParseNamesPlacesOfMetersAndDoors(t *testing.T) {
	tests := []struct{ name, from, to, want string }{
		{"same address", "address: 2", "address: 1", `f.yaml:12:28: meters\[0\].meters\[1\].address: unit 1 of line meters-1 is meter m-1 already; give each device an address of its own`},
		{"broadcast is no address", "address: 2", "address: 0", `meters\[0\].meters\[1\].address: 0; use 1 to 247`},
		{"address", "address: 2", "address: 248", `address: 248; use 1 to 247`},
		{"two meters of one id", "id: m-3", "id: m-1", `f.yaml:14:19: meters\[1\].meters\[0\].id: "m-1"; use a name of its own`},
		{"two lines of one name", "name: meters-2", "name: meters-1", `f.yaml:5:12: lines\[1\].name: "meters-1"; use a name of its own`},
		{"no such line", "line: doors", "line: door", `f.yaml:16:11: doors\[0\].line: there is no line "door"; name one of doors, meters-1, meters-2`},
		{"a line without devices", "line: meters-2", "line: meters-1", `f.yaml:5:12: lines\[1\].name: nothing hangs on line meters-2; name it at`},
		{"a module at a meter's unit", "line: doors", "line: meters-1", `f.yaml:18:\d+: doors\[0\].doors\[0\].address: unit 1 of line meters-1 is meter m-1 already; give`},
		{"litres a count", "per_count: 10", "per_count: 5", `f.yaml:12:75: .*per_count: 5; a count is 1, 10 or 100 litres`},
		{"serial too short", "10000102", "1000102", `f.yaml:12:39: .*serial: "1000102"; write the eight digits of its plate, in quotes`},
		{"serial with a letter", "10000102", "1000010A", `serial: "1000010A"; write the eight digits`},
		{"more than its counter shows", "litres: 990", "litres: 1000000000", `f.yaml:12:59: .*litres: 1000000000; its counter shows 0 to 999999999`},
		{"negative", "litres: 990", "litres: -1", `litres: -1; its counter shows 0 to`},
		{"use", "use: vacant, speed", "use: bakery, speed", `f.yaml:12:\d+: .*use: "bakery"; use one of \[family couple elder vacant\]`},
		{"speed", "speed: 60", "speed: 1000", `speed: 1000; use 1 to 240`},
		{"turnaround", "turnaround: 1ms", "turnaround: 3s", `f.yaml:9:17: meters\[0\].turnaround: 3s; use 0s to 2s`},
		{"TCP and parity", "tcp: \"127", "parity: even, tcp: \"127", `f.yaml:5:6: lines\[1\]: a TCP port has no parity and no stop bits; leave them out, or give the baud`},
		{"parity", "baud: 115200", "baud: 115200, parity: mark", `f.yaml:4:44: lines\[0\].parity: "mark"; use none, even or odd`},
		{"stop bits", "baud: 115200", "baud: 115200, stop_bits: 3", `f.yaml:4:47: lines\[0\].stop_bits: 3; use 1 or 2`},
		{"TCP for everybody", "127.0.0.1:0", "0.0.0.0:8502", `f.yaml:5:27: lines\[1\].tcp: "0.0.0.0:8502"; use an address of this machine alone`},
		{"TCP without port", "127.0.0.1:0", "127.0.0.1", `tcp: "127.0.0.1"; use an address of this machine alone, like 127.0.0.1:8502`},
		{"two lines at one port", "{name: doors, baud: 115200}", "{name: doors, tcp: \"127.0.0.1:8502\"}", `f.yaml:6:24: lines\[2\].tcp: 127.0.0.1:8502 is another line's; use another port`},
		{"baud", "doors, baud: 115200", "doors, baud: 1200", `f.yaml:6:25: lines\[2\].baud: 1200 is no standard rate`},
		{"no meters", "meters: [{id: m-3, address: 1, serial: \"10000103\", litres: 5, per_count: 1, use: vacant}]", "meters: []", `meters\[1\].meters: no meters; describe one at least`},
		{"two doors of one id", "id: gym", "id: ktv", `f.yaml:19:14: doors\[0\].doors\[1\].id: "ktv"; use a name of its own`},
		{"one output of two doors", "output: 1", "output: 0", `f.yaml:19:\d+: doors\[0\].doors\[1\].output: output 0 of module 1 is the output of door ktv; wire it to another one`},
		{"one input twice", "exit: 1", "exit: 0", `f.yaml:18:\d+: doors\[0\].doors\[0\].exit: input 0 of module 1 is the contact of door ktv; wire it`},
		{"no such input", "exit: 1", "exit: 8", `exit: 8; a module has inputs 0 to 7`},
		{"no such output", "output: 1", "output: -1", `output: -1; a module has outputs 0 to 7`},
		{"contact of no polarity", "open_is: 1, ", "", `f.yaml:18:10: doors\[0\].doors\[0\].open_is: say what the contact reads while the door is open, 0 or 1`},
		{"polarity of no contact", "contact: 0, ", "", `open_is: say .* without a contact leave it out`},
		{"polarity", "open_is: 1", "open_is: 2", `open_is: say what the contact reads`},
		{"door without a name", "name: 健身房", "name: ''", `f.yaml:19:\d+: doors\[0\].doors\[1\].name: give the door a name`},
		{"unknown field", "exit: 1", "exits: 1", `unknown field "exits"`},
	}
	other := strings.Replace(modbusOnly, "127.0.0.1:0", "127.0.0.1:8502", 1)
	for _, tt := range tests {
		text := modbusOnly
		if strings.Contains(tt.to, "8502") && strings.Contains(tt.from, "doors") {
			text = other
		}
		if !strings.Contains(text, tt.from) {
			t.Errorf("%s: the file has no %q", tt.name, tt.from)
		}
		_, err := Parse("f.yaml", []byte(strings.Replace(text, tt.from, tt.to, 1)))
		if err == nil || !errors.Is(err, ErrConfig) || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
			t.Errorf("%s: Parse = %v; want %s", tt.name, err, tt.want)
		}
	}
	bank := strings.Replace(small, "baud: 115200", `tcp: "127.0.0.1:0"`, 1)
	if _, err := Parse("f.yaml", []byte(bank)); err == nil || !strings.Contains(err.Error(), "f.yaml:6:11: banks[0].line: locker boards have no TCP port of their own; give line rs485-a the baud") {
		t.Errorf("a bank that ends TCP itself = %v; want it refused", err)
	}
	if _, err := Parse("f.yaml", []byte(strings.Replace(bank, "}]", ", baud: 19200}]", 1))); err != nil {
		t.Errorf("a bank behind a converter = %v; want it taken", err)
	}
}

// invariant 9
func TestParseNamesPlaceAndRemedy(t *testing.T) {
	tests := []struct{ name, from, to, want string }{
		{"unknown field", "seed: 7", "sead: 7", `f.yaml:2:1: unknown field "sead": correct or remove it`},
		{"wrong type", "seed: 7", "seed: many", `f.yaml:2:7: .*: correct or remove it`},
		{"no YAML", "name: small", "name: [small", `f.yaml:\d+:\d+: .*: correct or remove it`},
		{"field twice", "seed: 7", "seed: 7\nseed: 8", `f.yaml:3:1: .*: correct or remove it`},
		{"tag that panics the library", "boards: [", "boards: !x 0\n    more: [", `f.yaml:1:1: it cannot be read .*: describe a building`},
		{"no name", "name: small", "name: ' '", `f.yaml:1:7: name: give`},
		{"baud", "115200", "115201", `f.yaml:3:31: lines\[0\].baud: 115201 is no standard rate; use 9600`},
		{"no polarity", "    closed_bit: 1\n", "", `f.yaml:5:5: banks\[0\].closed_bit: say .* 0 or 1`},
		{"polarity", "closed_bit: 1", "closed_bit: 2", `f.yaml:7:17: banks\[0\].closed_bit: say .* 0 or 1`},
		{"too many locks", "locks: 2", "locks: 17", `f.yaml:9:34: banks\[0\].boards\[0\].locks: 17; a board drives 1 to 16 locks`},
		{"same address", "address: 3", "address: 0", `f.yaml:9:48: banks\[0\].boards\[1\].address: board 0 of line rs485-a is bank A's already; give each board an address of its own, 0 to 14`},
		{"board 15 is everybody", "address: 3", "address: 15", `address: 15; give`},
		{"bank's name", "name: A", "name: A/B", `f.yaml:5:11: banks\[0\].name: "A/B"; use`},
		{"line leaves the folder", "name: rs485-a", "name: ../x", `f.yaml:3:16: lines\[0\].name: "../x"; use`},
		{"size", "2 S", "2 XL", `f.yaml:10:21: banks\[0\].columns\[0\]\[1\]: "2 XL"; write a door with its size`},
		{"door twice", "2 S", "1 S", `f.yaml:10:21: .*door 1 is drawn twice; leave one out`},
		{"door missing", "2 S", "screen 1", `f.yaml:10:14: .*doors not drawn: 2; put each into a column`},
		{"door of no board", "2 S", "4 S", `door 4, but the boards drive 3 locks`},
		{"ragged", "screen 3", "screen 4", `f.yaml:10:32: .*4 units high; make every column as high as the first \(3\)`},
		{"pulse", "closed_bit: 1", "closed_bit: 1\n    pulse: 11s", `f.yaml:8:12: banks\[0\].pulse: 11s; use 0s to 10s`},
		{"protocol", "    line: rs485-a\n", "    line: rs485-a\n    protocol: kerong\n", `f.yaml:7:15: banks\[0\].protocol: "kerong"; use kerong-a or kerong-b`},
		{"a 48-lock board without codes", "    line: rs485-a\n", "    line: rs485-a\n    protocol: kerong-b\n", `f.yaml:5:5: banks\[0\].codes: say which bytes its boards take`},
		{"codes of a 16-lock board", "    line: rs485-a\n", "    line: rs485-a\n    codes: {status: 1, open: 2, ok: 3}\n", `f.yaml:7:13: banks\[0\].codes: boards of kerong-a have fixed codes; leave it out`},
		{"a code twice", "    line: rs485-a\n", "    line: rs485-a\n    protocol: kerong-b\n    codes: {status: 1, open: 1, ok: 3}\n", `codes: status and open are both 0x1; a board tells them apart`},
		{"a code of no byte", "    line: rs485-a\n", "    line: rs485-a\n    protocol: kerong-b\n    codes: {status: 1, open: 256, ok: 3}\n", `codes: 0x100 is no byte above 0; use`},
		{"supply", "    line: rs485-a\n", "    line: rs485-a\n    supply: the cellar\n", `f.yaml:7:13: banks\[0\].supply: "the cellar"; use a name`},
		{"no banks", small[strings.Index(small, "banks"):], "", `f.yaml:1:1: banks: nothing to simulate; describe banks, meters or doors`},
	}
	for _, tt := range tests {
		_, err := Parse("f.yaml", []byte(strings.Replace(small, tt.from, tt.to, 1)))
		if err == nil || !errors.Is(err, ErrConfig) || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
			t.Errorf("%s: Parse = %v; want %s", tt.name, err, tt.want)
		}
	}
	if _, err := Parse("f.yaml", nil); err == nil || !strings.Contains(err.Error(), "the file is empty") {
		t.Errorf("Parse of nothing = %v; want it named as empty", err)
	}
}

func TestParseShowsEveryMistakeAtOnce(t *testing.T) {
	text := strings.NewReplacer("115200", "1", "closed_bit: 1", "closed_bit: 5", "2 S", "9 S").Replace(small)
	_, err := Parse("f.yaml", []byte(text))
	if err == nil || strings.Count(err.Error(), "f.yaml:") != 4 {
		t.Errorf("Parse = %v; want four mistakes, one line each", err)
	}
}

// Banks may share a chain, meters and doors a line, and lockers share with nothing else.
func TestLinesAreShared(t *testing.T) {
	bank := func(name, line, protocol string, boards ...int) string {
		text, columns := "", ""
		for i, b := range boards {
			text += fmt.Sprintf("{address: %d, locks: 1},", b)
			columns += fmt.Sprintf("%d S,", i+1)
		}
		if protocol == "kerong-b" {
			protocol += ", codes: {status: 0x60, open: 0x61, ok: 0x75}"
		}
		return fmt.Sprintf("  - {name: %s, line: %s, protocol: %s, closed_bit: 1, supply: one, boards: [%s], columns: [[%s]]}\n", name, line, protocol, text, columns)
	}
	head := "name: shared\nlines: [{name: a, baud: 9600}, {name: b, baud: 9600, parity: even}]\nbanks:\n"
	rest := `meters:
  - {line: b, meters: [{id: m-1, address: 1, serial: "10000101", per_count: 1}]}
  - {line: b, turnaround: 20ms, meters: [{id: m-2, address: 2, serial: "10000102", per_count: 1}]}
doors:
  - {line: b, doors: [{id: d-1, name: one, address: 3, output: 0}]}
  - {line: b, doors: [{id: d-2, name: two, address: 3, output: 1}]}
`
	tests := []struct{ name, text, want string }{
		{"everything that can", head + bank("A", "a", "kerong-a", 0, 1) + bank("B", "a", "kerong-a", 2, 14) + rest, ""},
		{"48-lock boards", head + bank("A", "a", "kerong-b", 0, 99) + bank("B", "a", "kerong-b", 48) + rest, ""},
		{"one board of two banks", head + bank("A", "a", "kerong-a", 0, 1) + bank("B", "a", "kerong-a", 1) + rest,
			`f.yaml:5:91: banks\[1\].boards\[0\].address: board 1 of line a is bank A's already; give`},
		{"two dialects", head + bank("A", "a", "kerong-a", 0) + bank("B", "a", "kerong-b", 1) + rest,
			`f.yaml:5:21: banks\[1\].line: bank A speaks kerong-a on line a; boards of one line speak one dialect`},
		{"meters at lockers", head + bank("A", "a", "kerong-a", 0) + strings.Replace(rest, "line: b", "line: a", 1),
			`f.yaml:6:12: meters\[0\].line: bank A is on line a with kerong-a already; locker boards share a line with nothing else`},
		{"a board out of range", head + bank("A", "a", "kerong-b", 100) + rest, `address: 100; give each board an address of its own, 0 to 99`},
		{"one output twice over two groups", head + bank("A", "a", "kerong-a", 0) + strings.Replace(rest, "output: 1", "output: 0", 1),
			`f.yaml:10:\d+: doors\[1\].doors\[0\].output: output 0 of module 3 is the output of door d-1; wire it`},
	}
	for _, tt := range tests {
		_, err := Parse("f.yaml", []byte(tt.text))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error())) {
			t.Errorf("%s: Parse = %v; want %s", tt.name, err, tt.want)
		}
	}
}

// Meters of every model, and counters that share a device.
func TestModels(t *testing.T) {
	text := `name: models
lines: [{name: a, baud: 9600}]
meters:
  - line: a
    meters:
      - {id: m-1, profile: flowsic500, address: 1, serial: "4711", litres: 5000000, per_count: 1000}
      - {id: m-2, profile: fuxin, address: 2, litres: 1243111}
      - {id: m-3, profile: ek2x0, address: 3, serial: "7012345", base: 1, format: bcd12, decimals: 3, registers: {total: 300, serial: 310, status: 320}}
      - {id: m-4, profile: pcd7-h104d, address: 4, channel: 1, per_count: 10, functions: [3]}
      - {id: m-5, profile: pcd7-h104d, address: 4, channel: 4, per_count: 100, functions: [3]}
      - {id: m-6, profile: vmu-mc, address: 5, decimals: 2, registers: {scale: 10}}
      - {id: m-7, profile: pulse, address: 6, channel: 2, per_count: 10, order: CDAB, unmapped: ff, rollover: 1000000}
`
	cfg, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s := b.State()
	if m := s.Meters[4]; len(s.Meters) != 7 || m.Profile != "pcd7-h104d" || m.Channel != 4 || m.PerCount != 100 || s.Meters[0].Standard != 4_000_000+750_000 {
		t.Errorf("meters = %+v", s.Meters)
	}
	if err := b.TouchMeter("m-4", "silence", Options{}); err != nil || !b.State().Meters[4].Faults.Silence || b.State().FaultsOn() != 1 {
		t.Errorf("silence of a shared device: %v, %d faults on", err, b.State().FaultsOn())
	}
	tests := []struct{ name, from, to, want string }{
		{"one channel of two meters", "channel: 4", "channel: 1", `f.yaml:10:61: meters\[0\].meters\[4\].channel: channel 1 of unit 4 is meter m-4 already; give each a channel of its own`},
		{"no such channel", "channel: 4", "channel: 5", `channel: 5; pcd7-h104d has 4`},
		{"a meter at a shared unit", "address: 5", "address: 4", `f.yaml:11:45: .*address: unit 4 of line a is meter m-4 already; give each device an address`},
		{"another model at a shared unit", "pulse, address: 6", "pulse, address: 4", `address: unit 4 of line a is meter m-4 already`},
		{"channels that differ", "per_count: 100, functions: [3]", "per_count: 100", `f.yaml:10:10: meters\[0\].meters\[4\]: meter m-4 is a channel of the same device; give it the same options`},
		{"a model nobody makes", "profile: vmu-mc", "profile: vmu", `f.yaml:11:28: .*profile: "vmu"; use one of \[g4 flowsic500`},
		{"two values at one register", "serial: 310", "serial: 302", `f.yaml:8:\d+: .*registers: two values at register 301; give each an address of its own`},
		{"an address that its model does not leave open", "{scale: 10}", "{total: 10}", `registers: vmu-mc has no address for total to set; leave it out`},
		{"its unit", "pcd7-h104d, address: 4, channel: 1", "pcd7-h104d, address: 120, channel: 1", `address: 120; pcd7-h104d takes 1 to 99`},
	}
	for _, tt := range tests {
		_, err := Parse("f.yaml", []byte(strings.Replace(text, tt.from, tt.to, 1)))
		if err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
			t.Errorf("%s: Parse = %v; want %s", tt.name, err, tt.want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	big := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"missing.yaml", t.TempDir(), big} {
		if _, err := Load(path); !errors.Is(err, ErrConfig) {
			t.Errorf("Load(%s) = %v; want ErrConfig", path, err)
		}
	}
}

// What Parse accepts can be built and drawn, and what it refuses says so as ErrConfig.
func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add(modbusOnly)
	f.Add("")
	f.Add("banks: [{columns: [[screen 3, 1 S]], boards: [{address: 1, locks: 1}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Parse("f", []byte(text))
		if err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("Parse(%q) = %v; want ErrConfig", text, err)
			}
			return
		}
		for _, c := range cfg.Banks {
			doors := 0
			for _, column := range c.front() {
				for _, cell := range column {
					if cell.Lock > 0 {
						doors++
					}
				}
			}
			if locks := len(kerong.New(c.chain(nil)).Locks()); doors != locks {
				t.Errorf("Parse(%q): %d doors are drawn for %d locks", text, doors, locks)
			}
		}
		slaves := map[string][]modbus.Slave{}
		known := map[string]*modbus.Meter{}
		for _, g := range cfg.Meters {
			meters, devices := g.build(cfg.Seed, known)
			if slaves[g.Line] = append(slaves[g.Line], devices...); len(meters) != len(g.Meters) {
				t.Errorf("Parse(%q): %d meters of %d", text, len(meters), len(g.Meters))
			}
		}
		modules := map[string]*modbus.Relay{}
		for _, g := range cfg.Doors {
			doors, devices := g.build(cfg.Seed, modules)
			if slaves[g.Line] = append(slaves[g.Line], devices...); len(doors) != len(g.Doors) {
				t.Errorf("Parse(%q): %d doors of %d", text, len(doors), len(g.Doors))
			}
		}
		for _, l := range cfg.Lines {
			modbus.NewBus(slaves[l.Name]...) // panics when two devices are at one unit
		}
	})
}
