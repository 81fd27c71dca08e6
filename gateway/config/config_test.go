package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

const good = `gateway: gw-1
site: 板橋示範社區
kiosk: {phone: 分機 100}
lines:
  - name: a
    ports: [tty/rs485-a, /dev/serial/by-id/*]
lockers:
  - bank: A
    line: a
    protocol: kerong-a
    boards: [0, 1]
    closed_bit: 1
    columns:
      - doors:
          - {number: 1, size: S}
          - {size: screen}
      - doors:
          - {number: 2, size: L, lock: 17, low: true}
`

func TestParseFillsWhatIsMissing(t *testing.T) {
	c, faults, err := config.Parse("/etc/lobby/gateway.yaml", []byte(good))
	if err != nil || len(faults) > 0 {
		t.Fatalf("Parse = %v, %v", faults, err)
	}
	if got, want := c.Lines[0].Ports[0], "/etc/lobby/tty/rs485-a"; got != want {
		t.Errorf("port = %s, want %s", got, want)
	}
	if c.Lines[0].Baud != 19200 || c.Kiosk.Listen != "127.0.0.1:8080" || c.Lockers[0].Columns[0].Doors[0].Lock != 1 {
		t.Errorf("defaults are missing: %+v", c)
	}
}

// invariant 9
func TestEachFaultNamesItsPlaceAndTheRemedy(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown key", "site:", "sight:", "gateway.yaml:2:1: sight: unknown key; use one of gateway, site"},
		{"key twice", "site: 板橋示範社區", "gateway: gw-2", "gateway.yaml:2:1: gateway: key given twice; keep one"},
		{"wrong type", "boards: [0, 1]", "boards: [0, x]", `gateway.yaml:11:17: lockers[0].boards[1]: "x" where a whole number is wanted; write`},
		{"list for a text", "site: 板橋示範社區", "site: [a]", "gateway.yaml:2:7: site: a list where a text is wanted"},
		{"text for a list", "boards: [0, 1]", "boards: 0", `lockers[0].boards: "0" where a list is wanted`},
		{"gateway id", "gw-1", "GW_1", `gateway.yaml:1:10: gateway: "GW_1" is no gateway id; use 1 to 40 of`},
		{"baud", "    ports:", "    baud: 19201\n    ports:", "gateway.yaml:6:11: lines[0].baud: 19201 is no standard rate; use 9600"},
		{"no ports", "    ports: [tty/rs485-a, /dev/serial/by-id/*]\n", "", "gateway.yaml:5:5: lines[0].ports: missing; name the serial port"},
		{"no such line", "line: a", "line: b", `gateway.yaml:9:11: lockers[0].line: there is no line "b"; name one of lines`},
		{"board twice", "boards: [0, 1]", "boards: [0, 1, 0]", "lockers[0].boards[2]: board 0 of line a is also lockers[0].boards[0]; two boards"},
		{"board out of range", "boards: [0, 1]", "boards: [0, 15]", "lockers[0].boards[1]: board 15 is out of range; use the number"},
		{"closed_bit missing", "    closed_bit: 1\n", "", "lockers[0].closed_bit: the meaning of the latch bit is not proven; read the board"},
		{"closed_bit 2", "closed_bit: 1", "closed_bit: 2", "gateway.yaml:12:17: lockers[0].closed_bit"},
		{"size", "size: L", "size: XXL", `lockers[0].columns[1].doors[0].size: "XXL" is no size; use S, M, L, XL or screen`},
		{"door twice", "number: 2", "number: 1", "door 1 is also lockers[0].columns[0].doors[0]"},
		{"lock out of range", "lock: 17", "lock: 33", "lock 33, and the chain has 1 to 32"},
		{"lock twice", "lock: 17", "lock: 1", "lock 1 is also that of lockers[0].columns[0].doors[0]"},
		{"kiosk for all", "kiosk: {phone: 分機 100}", "kiosk: {listen: 0.0.0.0:80}", "kiosk.listen: 0.0.0.0 is not this machine alone; use 127.0.0.1"},
		{"broker without keys", "kiosk: {phone: 分機 100}", "cloud: {broker: 'tls://h:1'}", "cloud.root_key: missing; name the file"},
		{"time", "    closed_bit: 1\n", "    closed_bit: 1\n    pulse: 5\n", `lockers[0].pulse: "5" where a time such as 500ms is wanted`},
		{"desk without keys", "kiosk: {phone: 分機 100}", "desk: {listen: '192.168.1.2:443'}", "desk: the desk needs a certificate and its key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(good, test.old, test.new, 1)
			if text == good {
				t.Fatalf("%q is not in the file", test.old)
			}
			_, faults, err := config.Parse("/etc/lobby/gateway.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, f := range faults {
				lines = append(lines, f.Error())
			}
			if all := strings.Join(lines, "\n"); !strings.Contains(all, test.want) {
				t.Errorf("faults =\n%s\nwant %s", all, test.want)
			}
		})
	}
}

func TestABadEntryCostsItsOwnDevice(t *testing.T) {
	text := good + `  - bank: B
    line: a
    protocol: kerong-a
    boards: [2]
    columns: [{doors: [{number: 3, size: S, lock: 1}]}]
`
	c, faults, err := config.Parse("gateway.yaml", []byte(text))
	if err != nil || len(faults) != 1 || !config.Usable(faults) {
		t.Fatalf("Parse = %v, %v; want the one fault of bank B, and the rest usable", faults, err)
	}
	if len(c.Lockers) != 1 || c.Lockers[0].Bank != "A" {
		t.Errorf("banks = %+v, want A alone", c.Lockers)
	}
	c, faults, err = config.Parse("gateway.yaml", []byte(strings.Replace(good, "name: a", "name: a\n    baud: 1", 1)))
	if err != nil || !config.Usable(faults) || len(c.Lines)+len(c.Lockers) != 0 {
		t.Errorf("with a bad line Parse = %+v, %v, %v; want neither the line nor its bank", c, faults, err)
	}
	if _, faults, _ := config.Parse("gateway.yaml", []byte(strings.Replace(good, "gw-1", "GW", 1))); config.Usable(faults) {
		t.Error("a file without a gateway id is usable")
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none.yaml"), large, dir} {
		if _, _, err := config.Load(path); !errors.Is(err, config.ErrUnreadable) || !strings.Contains(err.Error(), path) {
			t.Errorf("Load(%s) = %v, want %v with the path", path, err, config.ErrUnreadable)
		}
	}
	for _, text := range []string{"", "gateway: [", "a: b: c", "---\na: 1\n---\nb: 2\n"} {
		if _, _, err := config.Parse("g.yaml", []byte(text)); !errors.Is(err, config.ErrUnreadable) {
			t.Errorf("Parse(%q) = %v, want %v", text, err, config.ErrUnreadable)
		}
	}
}

// Whatever stands in the file, reading it ends, and each fault has a place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("lockers: [{columns: [{doors: [{number: 1e9}]}]}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, faults, err := config.Parse("g.yaml", text)
		if err != nil {
			return
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.What == "" {
				t.Errorf("fault without a place: %+v", fault)
			}
		}
		if len(c.Lockers) > 0 && len(c.Lines) == 0 {
			t.Errorf("a bank without a line is left: %+v", c)
		}
	})
}

func TestTheReadyFilesAreGood(t *testing.T) {
	c, faults, err := config.Load("../../configs/gateway-demo.yaml")
	if err != nil || len(faults) > 0 {
		t.Fatalf("Load = %v, %v", faults, err)
	}
	if len(c.Lockers) != 1 || len(c.Lockers[0].Columns) != 4 {
		t.Errorf("Load = %+v", c)
	}
}
