package building

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
)

const small = `name: small
seed: 7
banks:
  - name: A
    line: {name: rs485-a, baud: 115200}
    closed_bit: 1
    item_sensors: true
    boards: [{address: 0, locks: 2}, {address: 3, locks: 1}]
    columns: [[1 S, 2 S, 3 S], [screen 3]]
`

// modbusOnly is a building of meters and doors alone.
const modbusOnly = `name: modbus
seed: 7
meters:
  - line: {name: meters-1, baud: 115200}
    turnaround: 1ms
    meters:
      - {id: m-1, address: 1, serial: "10000101", litres: 1842361, per_count: 1, use: vacant}
      - {id: m-2, address: 2, serial: "10000102", litres: 990, per_count: 10, use: vacant, speed: 60}
  - line: {name: meters-2, tcp: "127.0.0.1:0"}
    meters: [{id: m-3, address: 1, serial: "10000103", litres: 5, per_count: 1, use: vacant}]
doors:
  - line: {name: doors, baud: 115200}
    doors:
      - {id: ktv, name: KTV 室, english: KTV, address: 1, output: 0, contact: 0, open_is: 1, exit: 1}
      - {id: gym, name: 健身房, address: 1, output: 1}
`

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
	if meters != 8 || doors != 2 || cfg.Meters[1].Line.TCP == "" {
		t.Errorf("%d meters, %d doors; want 8 on two lines, one of them TCP, and 2", meters, doors)
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
	if cfg.Meters[0].Line.Baud != 115200 || cfg.Meters[1].Line.Baud != 0 {
		t.Errorf("lines = %+v, %+v", cfg.Meters[0].Line, cfg.Meters[1].Line)
	}
}

// invariant 9
func TestParseNamesPlacesOfMetersAndDoors(t *testing.T) {
	tests := []struct{ name, from, to, want string }{
		{"same address", "address: 2", "address: 1", `f.yaml:8:28: meters\[0\].meters\[1\].address: 1 is another meter's of this line; give each an address of its own`},
		{"broadcast is no address", "address: 2", "address: 0", `meters\[0\].meters\[1\].address: 0; use 1 to 247`},
		{"address", "address: 2", "address: 248", `address: 248; use 1 to 247`},
		{"two meters of one id", "id: m-3", "id: m-1", `f.yaml:10:19: meters\[1\].meters\[0\].id: "m-1"; use a name of its own`},
		{"two lines of one name", "name: meters-2", "name: meters-1", `f.yaml:9:18: meters\[1\].line.name: "meters-1"; use a name of its own`},
		{"a line of meters and one of doors", "name: doors", "name: meters-1", `f.yaml:12:18: doors\[0\].line.name: "meters-1"; use a name of its own`},
		{"litres a count", "per_count: 10", "per_count: 5", `f.yaml:8:75: .*per_count: 5; a count is 1, 10 or 100 litres`},
		{"serial too short", "10000102", "1000102", `f.yaml:8:39: .*serial: "1000102"; write the eight digits of its plate, in quotes`},
		{"serial with a letter", "10000102", "1000010A", `serial: "1000010A"; write the eight digits`},
		{"more than its counter shows", "litres: 990", "litres: 1000000000", `f.yaml:8:59: .*litres: 1000000000; its counter shows 0 to 999999999`},
		{"negative", "litres: 990", "litres: -1", `litres: -1; its counter shows 0 to`},
		{"use", "use: vacant, speed", "use: bakery, speed", `f.yaml:8:\d+: .*use: "bakery"; use one of \[family couple elder vacant\]`},
		{"speed", "speed: 60", "speed: 1000", `speed: 1000; use 1 to 240`},
		{"turnaround", "turnaround: 1ms", "turnaround: 3s", `f.yaml:5:17: meters\[0\].turnaround: 3s; use 0s to 2s`},
		{"TCP and baud", "tcp: \"127", "baud: 9600, tcp: \"127", `meters\[1\].line.baud: a TCP port has no baud; leave it out`},
		{"TCP for everybody", "127.0.0.1:0", "0.0.0.0:8502", `f.yaml:9:33: meters\[1\].line.tcp: "0.0.0.0:8502"; use an address of this machine alone`},
		{"TCP without port", "127.0.0.1:0", "127.0.0.1", `tcp: "127.0.0.1"; use an address of this machine alone, like 127.0.0.1:8502`},
		{"two lines at one port", "{name: doors, baud: 115200}", "{name: doors, tcp: \"127.0.0.1:8502\"}", `f.yaml:12:30: doors\[0\].line.tcp: 127.0.0.1:8502 is another line's; use another port`},
		{"baud", "doors, baud: 115200", "doors, baud: 1200", `f.yaml:12:31: doors\[0\].line.baud: 1200 is no standard rate`},
		{"no meters", "meters: [{id: m-3, address: 1, serial: \"10000103\", litres: 5, per_count: 1, use: vacant}]", "meters: []", `meters\[1\].meters: 0 meters; a line has 1 to 100`},
		{"two doors of one id", "id: gym", "id: ktv", `f.yaml:15:14: doors\[0\].doors\[1\].id: "ktv"; use a name of its own`},
		{"one output of two doors", "output: 1", "output: 0", `f.yaml:15:\d+: doors\[0\].doors\[1\].output: output 0 of module 1 is the output of door ktv; wire it to another one`},
		{"one input twice", "exit: 1", "exit: 0", `f.yaml:14:\d+: doors\[0\].doors\[0\].exit: input 0 of module 1 is the contact of door ktv; wire it`},
		{"no such input", "exit: 1", "exit: 8", `exit: 8; a module has inputs 0 to 7`},
		{"no such output", "output: 1", "output: -1", `output: -1; a module has outputs 0 to 7`},
		{"contact of no polarity", "open_is: 1, ", "", `f.yaml:14:10: doors\[0\].doors\[0\].open_is: say what the contact reads while the door is open, 0 or 1`},
		{"polarity of no contact", "contact: 0, ", "", `open_is: say .* without a contact leave it out`},
		{"polarity", "open_is: 1", "open_is: 2", `open_is: say what the contact reads`},
		{"door without a name", "name: 健身房", "name: ''", `f.yaml:15:\d+: doors\[0\].doors\[1\].name: give the door a name`},
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
	if _, err := Parse("f.yaml", []byte(bank)); err == nil || !strings.Contains(err.Error(), "f.yaml:5:32: banks[0].line.tcp: locker boards hang on a serial line here") {
		t.Errorf("a bank on TCP = %v; want it refused", err)
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
		{"baud", "115200", "115201", `f.yaml:5:33: banks\[0\].line.baud: 115201 is no standard rate; use 9600`},
		{"no polarity", "    closed_bit: 1\n", "", `f.yaml:4:5: banks\[0\].closed_bit: say .* 0 or 1`},
		{"polarity", "closed_bit: 1", "closed_bit: 2", `f.yaml:6:17: banks\[0\].closed_bit: say .* 0 or 1`},
		{"too many locks", "locks: 2", "locks: 17", `f.yaml:8:34: banks\[0\].boards\[0\].locks: 17; a board drives 1 to 16 locks`},
		{"same address", "address: 3", "address: 0", `f.yaml:8:48: banks\[0\].boards\[1\].address: 0; give each board an address of its own, 0 to 14`},
		{"board 15 is everybody", "address: 3", "address: 15", `address: 15; give`},
		{"bank's name", "name: A", "name: A/B", `f.yaml:4:11: banks\[0\].name: "A/B"; use`},
		{"line leaves the folder", "name: rs485-a", "name: ../x", `banks\[0\].line.name: "../x"; use`},
		{"size", "2 S", "2 XL", `f.yaml:9:21: banks\[0\].columns\[0\]\[1\]: "2 XL"; write a door with its size`},
		{"door twice", "2 S", "1 S", `f.yaml:9:21: .*door 1 is drawn twice; leave one out`},
		{"door missing", "2 S", "screen 1", `f.yaml:9:14: .*doors not drawn: 2; put each into a column`},
		{"door of no board", "2 S", "4 S", `door 4, but the boards drive 3 locks`},
		{"ragged", "screen 3", "screen 4", `f.yaml:9:32: .*4 units high; make every column as high as the first \(3\)`},
		{"pulse", "closed_bit: 1", "closed_bit: 1\n    pulse: 11s", `f.yaml:7:12: banks\[0\].pulse: 11s; use 0s to 10s`},
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
			if locks := len(kerong.New(c.chain()).Locks()); doors != locks {
				t.Errorf("Parse(%q): %d doors are drawn for %d locks", text, doors, locks)
			}
		}
		for _, l := range cfg.Meters {
			if meters, _ := l.build(cfg.Seed, nil); len(meters) != len(l.Meters) {
				t.Errorf("Parse(%q): %d meters of %d", text, len(meters), len(l.Meters))
			}
		}
		for _, l := range cfg.Doors {
			if doors, _ := l.build(cfg.Seed, nil); len(doors) != len(l.Doors) {
				t.Errorf("Parse(%q): %d doors of %d", text, len(doors), len(l.Doors))
			}
		}
	})
}
