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

func TestDemoFileIsRight(t *testing.T) {
	cfg, err := Load("../../configs/building-demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Banks) != 1 || len(cfg.Banks[0].Boards) != 2 || len(cfg.Banks[0].front()) != 4 {
		t.Errorf("Load = %+v; want one bank of two boards in four columns", cfg)
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
		{"no banks", small[strings.Index(small, "banks"):], "", `f.yaml:1:1: banks: 0 banks; describe 1 to 8`},
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
	})
}
