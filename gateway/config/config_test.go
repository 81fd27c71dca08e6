package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// devices is a file with all other kinds of devices.
const devices = `gateway: gw-1
lines:
  - name: a
    ports: [tty/a]
    baud: 9600
    parity: even
    stop_bits: 2
  - name: n
    ports: ['tcp://10.0.0.5:502']
metering: {every: 15m}
meters:
  - {id: m-1, line: a, protocol: modbus-rtu, address: 1, profile: g4, serial: "0012"}
  - {id: m-2, line: n, protocol: modbus-tcp, address: 1, profile: g4, serial: "12", begin: 1866000}
doors:
  - {id: ktv, name: 視聽室, line: a, protocol: modbus-relay, address: 9, output: 0, contact: 0, open_is: 1, exit: 1}
  - {id: gym, name: 健身房, english: Gym, line: a, protocol: modbus-relay, address: 9, output: 1, contact: 2, timer: none, strike: 3s}
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
	if c.Metering.Every != time.Hour {
		t.Errorf("meters are read every %s, want an hour", c.Metering.Every)
	}
	if c, faults, err = config.Parse("/etc/lobby/gateway.yaml", []byte(devices)); err != nil || len(faults) > 0 {
		t.Fatalf("Parse = %v, %v", faults, err)
	}
	if m := c.Meters; len(m) != 2 || m[0].Serial != "0012" || m[1].Begin != 1866000 || c.Metering.Every != 15*time.Minute || !c.Lines[1].OnNetwork() || c.Lines[0].OnNetwork() {
		t.Errorf("meters = %+v", c)
	}
	if !c.Direct("n") || c.Direct("a") {
		t.Error("a line is direct if its meters speak Modbus TCP, and only then")
	}
	ktv, gym := c.Doors[0], c.Doors[1]
	if ktv.English != "視聽室" || ktv.Timer != "flash" || ktv.Strike != 5*time.Second || *ktv.Contact != 0 || *ktv.Exit != 1 || gym.Exit != nil || gym.English != "Gym" || gym.OpenIs != 0 {
		t.Errorf("doors = %+v", c.Doors)
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
		{"baud", "    ports:", "    baud: 19201\n    ports:", "gateway.yaml:6:11: lines[0].baud: 19201 is no standard rate; use 1200"},
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
		{"baud of old meters", "    ports:", "    baud: 300\n    ports:", "lines[0].baud: 300 is no standard rate; use 1200, 2400"},
		{"a line without a name", "name: a\n", "name: ''\n", "gateway.yaml:5:11: lines[0].name: 0 characters; give the line a short name, at most 40"},
		{"parity", "    ports:", "    parity: mark\n    ports:", `gateway.yaml:6:13: lines[0].parity: "mark" is no parity; use none, even or odd`},
		{"stop bits", "    ports:", "    stop_bits: 3\n    ports:", "gateway.yaml:6:16: lines[0].stop_bits: 3 stop bits; use 1 or 2"},
		{"desk without keys", "kiosk: {phone: 分機 100}", "desk: {listen: '192.168.1.2:443'}", "desk: the desk needs a certificate and its key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { refused(t, good, test.old, test.new, test.want) })
	}
}

// refused puts something else into a good file and looks for the fault.
func refused(t *testing.T, good, old, with, want string) (config.Config, []config.Fault) {
	t.Helper()
	text := strings.Replace(good, old, with, 1)
	if text == good {
		t.Fatalf("%q is not in the file", old)
	}
	c, faults, err := config.Parse("/etc/lobby/gateway.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.Error())
	}
	if all := strings.Join(lines, "\n"); !strings.Contains(all, want) {
		t.Errorf("faults =\n%s\nwant %s", all, want)
	}
	return c, faults
}

// A fault of a meter or a door costs that entry, and the rest of the file counts. // invariant 9, invariant 12
func TestMetersAndDoors(t *testing.T) {
	const all = 4 // devices of the file
	tests := []struct {
		name, old, new, want string
		left                 int // devices
	}{
		{"no address on the network", "tcp://10.0.0.5:502", "tcp://10.0.0.5", "gateway.yaml:9:13: lines[1].ports[0]: tcp://10.0.0.5 is no address; write tcp://host:port", 3},
		{"port 0", "tcp://10.0.0.5:502", "tcp://10.0.0.5:0", "lines[1].ports[0]: tcp://10.0.0.5:0 is no address", 3},
		{"a pattern on the network", "tcp://10.0.0.5:502", "tcp://10.0.0.*:502", "lines[1].ports[0]: tcp://10.0.0.*:502 is no address", 3},
		{"two ports on the network", "['tcp://10.0.0.5:502']", "['tcp://10.0.0.5:502', tty/b]", "gateway.yaml:9:12: lines[1].ports: 2 ports, and one is tcp://10.0.0.5:502; a line over the network has one port alone", 3},
		{"a meter's id", "id: m-1", "id: M 1", `gateway.yaml:12:10: meters[0].id: "M 1" is no id; use 1 to 40`, 3},
		{"a meter twice", "id: m-2", "id: m-1", "gateway.yaml:13:10: meters[1].id: m-1 is also meters[0]; give each an id", 3},
		{"a meter's line", "id: m-1, line: a", "id: m-1, line: c", `gateway.yaml:12:21: meters[0].line: there is no line "c"; name one of lines`, 3},
		{"a meter's protocol", "modbus-rtu", "mbus", `meters[0].protocol: "mbus" is not known; use modbus-rtu or modbus-tcp`, 3},
		{"Modbus TCP on a serial line", "id: m-2, line: n", "id: m-2, line: a", "gateway.yaml:13:34: meters[1].protocol: modbus-tcp on a serial line; use modbus-rtu, or a line whose port is tcp://", 3},
		{"a meter's address", "modbus-rtu, address: 1", "modbus-rtu, address: 248", "meters[0].address: unit 248 is out of range; use the device's Modbus address, 1 to 247", 3},
		{"a meter's profile", "profile: g4", "profile: g5", `meters[0].profile: "g5" is not known; use one of `, 3},
		{"a meter's serial", `"0012"`, "A12", `meters[0].serial: "A12" is no serial number; write the 1 to 20 digits`, 3},
		{"a meter without a serial", `serial: "0012"`, `serial: ""`, `gateway.yaml:12:79: meters[0].serial: "" is no serial number`, 3},
		{"a dial", "begin: 1866000", "begin: -1", "meters[1].begin: -1 litres are out of range", 3},
		{"the schedule", "every: 15m", "every: 25h", "gateway.yaml:10:19: metering.every: 25h0m0s is out of range; use 1s to 24h", all},
		{"the schedule is no time", "every: 15m", "every: often", "metering.every: \"often\" where a time such as 500ms is wanted", all},
		{"a meter on a door's module", "address: 9, output: 0", "address: 1, output: 0", "gateway.yaml:15:68: doors[0].address: unit 1 of line a is also meters[0]; two devices on one line need different addresses", 3},
		{"two meters at one address", "id: m-2, line: n, protocol: modbus-tcp", "id: m-2, line: a, protocol: modbus-rtu", "meters[1].address: unit 1 of line a is also meters[0]", 3},
		{"two formats on one line", "id: m-1, line: a", "id: m-1, line: n", "gateway.yaml:13:21: meters[1].line: line n carries modbus-rtu, and this speaks modbus-tcp; give it a line of its own", 3},
		{"a door's id", "id: ktv", "id: KTV", `doors[0].id: "KTV" is no id`, 3},
		{"a door twice", "id: gym", "id: ktv", "doors[1].id: ktv is also doors[0]", 3},
		{"a door without a name", "name: 視聽室", "name: ''", "doors[0].name: 0 characters; write what people call the door", 3},
		{"a long English name", "english: Gym", "english: " + strings.Repeat("x", 41), "doors[1].english: 41 characters", 3},
		{"a door's line", "name: 視聽室, line: a", "name: 視聽室, line: c", `doors[0].line: there is no line "c"`, 3},
		{"a door's protocol", "modbus-relay", "osdp", `doors[0].protocol: "osdp" is not known; use modbus-relay`, 3},
		{"a door's output", "output: 1", "output: 8", "doors[1].output: 8 is out of range; use the number on the relay module, from 0 to 7", 3},
		{"a door's contact", "contact: 2", "contact: -1", "doors[1].contact: -1 is out of range", 3},
		{"a door's button", "exit: 1", "exit: 9", "doors[0].exit: 9 is out of range", 3},
		{"open is", "open_is: 1", "open_is: 2", "doors[0].open_is: 2 is no state of an input; open the door", 3},
		{"a timer", "timer: none", "timer: soft", `doors[1].timer: "soft" is not known; use flash`, 3},
		{"a strike", "strike: 3s", "strike: 31s", "doors[1].strike: 31s is out of range; use 1s to 30s", 3},
		{"one output for two doors", "output: 1", "output: 0", "doors[1].output: output 0 of unit 9 of line a is also doors[0]; each door has an output of its own", 3},
		{"one input for two doors", "contact: 2", "contact: 1", "doors[1].contact: input 1 of unit 9 of line a is also doors[0].exit; each wire has an input", 3},
		{"one input twice", "exit: 1", "exit: 0", "doors[0].exit: input 0 of unit 9 of line a is also doors[0].contact", 3},
		{"lockers on a line with meters", "metering:", "lockers: [{bank: A, line: a, protocol: kerong-a, boards: [0], closed_bit: 0, columns: [{doors: [{number: 1, size: S}]}]}]\nmetering:",
			"meters[0].line: line a carries kerong-a, and this speaks modbus-rtu; give it a line of its own, or that of devices", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, faults := refused(t, devices, test.old, test.new, test.want)
			if left := len(c.Meters) + len(c.Doors); !config.Usable(faults) || left != test.left {
				t.Errorf("%d devices are left of %v; want %d", left, faults, test.left)
			}
			if c.Metering.Every != 15*time.Minute && c.Metering.Every != time.Hour {
				t.Errorf("meters are read every %s; want the default where the file says nothing good", c.Metering.Every)
			}
		})
	}
	if _, faults, _ := config.Parse("g.yaml", []byte(strings.Replace(devices, "gw-1", "GW", 1))); config.Usable(faults) {
		t.Error("a file without a gateway id is usable")
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
	f.Add([]byte(devices))
	f.Add([]byte(tower))
	f.Add([]byte("lockers: [{protocol: kerong-b, codes: {status: 0xffffffffffff}, boards: [-1]}]"))
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
		if len(c.Lockers)+len(c.Meters)+len(c.Doors) > 0 && len(c.Lines) == 0 {
			t.Errorf("a device without a line is left: %+v", c)
		}
	})
}

func TestTheReadyFilesAreGood(t *testing.T) {
	files, err := filepath.Glob("../../configs/gateway-*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		if _, faults, err := config.Load(path); err != nil || len(faults) > 0 {
			t.Errorf("Load(%s) = %v, %v", path, faults, err)
		}
	}
	c, _, err := config.Load("../../configs/gateway-demo.yaml")
	if err != nil || len(c.Lockers) != 1 || len(c.Lockers[0].Columns) != 4 || len(c.Lines) != 4 || len(c.Meters) != 8 || len(c.Doors) != 2 || !c.Direct("meters-2") {
		t.Errorf("Load = %+v, %v", c, err)
	}
}
