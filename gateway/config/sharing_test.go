package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// tower is a file with banks of both kinds of boards, and doors on two lines.
const tower = `gateway: gw-1
lines:
  - {name: a, ports: [/dev/serial/by-path/a]}
  - {name: b, ports: [/dev/serial/by-path/b]}
  - {name: c, ports: [/dev/serial/by-path/c]}
  - {name: d, ports: [/dev/serial/by-path/d]}
lockers:
  - {bank: A, line: a, protocol: kerong-a, boards: [0], closed_bit: 1, supply: left, columns: [{doors: [{number: 1, size: S}]}]}
  - {bank: B, line: a, protocol: kerong-a, boards: [1], closed_bit: 1, supply: left, columns: [{doors: [{number: 2, size: S, lock: 2}]}]}
  - {bank: C, line: b, protocol: kerong-b, codes: {status: 0x60, open: 0x61, ok: 0x75}, boards: [0, 99], closed_bit: 0, spacing: 400ms, columns: [{doors: [{number: 3, size: S, lock: 96}]}]}
  - {bank: D, line: b, protocol: kerong-b, codes: {status: 96, open: 97, ok: 117}, boards: [2], closed_bit: 0, columns: [{doors: [{number: 4, size: S}]}]}
doors:
  - {id: ktv, name: KTV, line: c, protocol: modbus-relay, address: 1, output: 0}
  - {id: gym, name: Gym, line: d, protocol: modbus-relay, address: 2, output: 0}
`

func TestBothKindsOfBoards(t *testing.T) {
	c, faults, err := config.Parse("/etc/lobby/gateway.yaml", []byte(tower))
	if err != nil || len(faults)+len(c.Warnings()) > 0 {
		t.Fatalf("Parse = %v, %v, %v", faults, c.Warnings(), err)
	}
	a, b := c.Lockers[0], c.Lockers[2]
	if a.LocksPerBoard() != 16 || a.Spacing != 100*time.Millisecond || a.Codes != nil {
		t.Errorf("bank A = %+v", a)
	}
	if b.LocksPerBoard() != 48 || b.Spacing != 400*time.Millisecond || *b.Codes != (config.Codes{Status: 0x60, Open: 0x61, OK: 0x75}) || *c.Lockers[3].Codes != *b.Codes {
		t.Errorf("banks C and D = %+v, %+v", b, c.Lockers[3])
	}
}

// invariant 9
func TestLockersThatCannotBe(t *testing.T) {
	const all = 6 // devices of the file
	tests := []struct {
		name, old, new, want string
		left                 int
	}{
		{"protocol", "protocol: kerong-a, boards: [0]", "protocol: kerong-c, boards: [0]", `lockers[0].protocol: "kerong-c" is not known; use kerong-a for boards of 12 or 16 locks, kerong-b`, all - 1},
		{"no codes", "codes: {status: 0x60, open: 0x61, ok: 0x75}, ", "", "gateway.yaml:10:6: lockers[2].codes: the commands of these boards are not known: they differ by firmware; write them as its manual has them", all - 1},
		{"a code is missing", "open: 0x61, ", "", "lockers[2].codes.open: 0x0 is no command; write the byte", all - 1},
		{"a code is no byte", "0x61", "0x161", "gateway.yaml:10:72: lockers[2].codes.open: 0x161 is no command", all - 1},
		{"a code is no number", "0x61", "0x6g", `lockers[2].codes.open: "0x6g" where a whole number is wanted`, all - 1},
		{"a code twice", "0x61", "0x60", "lockers[2].codes.open: 0x60 is also status; each command has a byte of its own", all - 1},
		{"codes of a 16-lock board", "protocol: kerong-a, boards: [0]", "protocol: kerong-a, codes: {status: 48, open: 49, ok: 53}, boards: [0]", "lockers[0].codes: boards of kerong-a have one set of commands; remove codes", all - 1},
		{"item sensors of a 48-lock board", "boards: [0, 99]", "item_sensors: true, boards: [0, 99]", "lockers[2].item_sensors: boards of kerong-b say nothing of what is inside; remove it", all - 1},
		{"two firmwares on one chain", "status: 96", "status: 80", "lockers[3].codes: lockers[2] on the same line has other commands; give boards of another firmware a line of their own", all - 1},
		{"a board that the switch cannot say", "[0, 99]", "[0, 100]", "lockers[2].boards[1]: board 100 is out of range; use the number on the board's switch, 0 to 99", all - 1},
		{"the same of 16 locks", "boards: [1], closed_bit: 1", "boards: [15], closed_bit: 1", "lockers[1].boards[0]: board 15 is out of range; use the number on the board's switch, 0 to 14", all - 1},
		{"a lock out of the chain", "lock: 96", "lock: 97", "lock 97, and the chain has 1 to 96; count the locks along the chain, 48 a board", all - 1},
		{"a board twice on a line", "boards: [1], closed_bit: 1", "boards: [0], closed_bit: 1", "lockers[1].boards[0]: board 0 of line a is also lockers[0].boards[0]; two boards on one line need different switches", all - 1},
		{"spacing", "spacing: 400ms", "spacing: 10ms", "lockers[2].spacing: 10ms is out of range; use 100ms", all - 1},
		{"one supply, two spacings", "closed_bit: 1, supply: left, columns: [{doors: [{number: 2", "closed_bit: 1, supply: left, spacing: 1s, columns: [{doors: [{number: 2", "lockers[1].spacing: 1s, and lockers[0] on the same supply left has 100ms; write the longer one at both", all - 1},
		{"a supply's name", "supply: left, columns: [{doors: [{number: 1", "supply: ' left', columns: [{doors: [{number: 1", `lockers[0].supply: " left" is no name`, all - 1},
		{"dialects on one line", "bank: D, line: b", "bank: D, line: a", "lockers[3].line: line a carries kerong-a, and this speaks kerong-b; give it a line of its own", all - 1},
		{"lockers among relays", "bank: B, line: a", "bank: B, line: c", "doors[0].line: line c carries kerong-a, and this speaks modbus-rtu", all - 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, faults := refused(t, tower, test.old, test.new, test.want)
			if left := len(c.Lockers) + len(c.Doors); !config.Usable(faults) || len(faults) != 1 || left != test.left {
				t.Errorf("%d devices are left of %v; want one fault and %d", left, faults, test.left)
			}
		})
	}
}

// Two cables that are swapped open nothing: what the numbers on the boards cannot tell apart is refused. // invariant 5
func TestSwappedCablesOpenNothing(t *testing.T) {
	elsewhere := strings.Replace(tower, "bank: B, line: a", "bank: B, line: e", 1)
	elsewhere = strings.Replace(elsewhere, "lockers:\n", "  - {name: e, ports: [/dev/serial/by-path/e]}\nlockers:\n", 1)
	same := strings.Replace(elsewhere, "boards: [1], closed_bit: 1", "boards: [0], closed_bit: 1", 1)
	const swapped = "lockers[1].boards[0]: board 0 of kerong-a is also lockers[0].boards[0]; set other switches: if the cables of two lines are swapped, doors of the wrong bank open; or write fixed: true"
	tests := []struct {
		name, text, old, new string
		want                 string // "": it is good
	}{
		{"other numbers", elsewhere, "gw-1", "gw-2", ""},
		{"the same number", same, "gw-1", "gw-2", swapped},
		{"the same number, one cable fixed", same, "by-path/e]", "by-path/e], fixed: true", ""},
		{"another dialect may have it", tower, "gw-1", "gw-2", ""},
		{"relays", tower, "address: 2", "address: 1", "doors[1].address: relay module 1 is also that of doors[0], on line c; set another unit number in it"},
		{"relays, one cable fixed", strings.Replace(tower, "address: 2", "address: 1", 1), "by-path/d]", "by-path/d], fixed: true", ""},
		{"two doors of one module", tower, "line: d, protocol: modbus-relay, address: 2, output: 0", "line: c, protocol: modbus-relay, address: 1, output: 1", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, faults := refused(t, test.text, test.old, test.new, test.want)
			if good := test.want == ""; good != (len(faults) == 0) {
				t.Errorf("faults = %v", faults)
			}
		})
	}
}

// One device may hold several counters; each is one meter.
func TestChannels(t *testing.T) {
	const two = "  - {id: m-2, line: n, protocol: modbus-tcp, address: 1, profile: g4, serial: \"12\", begin: 1866000}\n"
	third := func(more string) string {
		entry := strings.Replace(two, "m-2", "m-3", 1)
		if model, other := strings.CutSuffix(more, "x"); other {
			return two + strings.Replace(entry, "profile: g4, ", model, 1)
		}
		return two + strings.Replace(entry, "profile", more+"profile", 1)
	}
	for _, test := range []struct{ name, more, want string }{
		{"the same counter", "channel: 1, ", "meters[2].channel: channel 1 of unit 1 of line n is also meters[1]; each counter of a device is one meter"},
		{"two models at one unit", "channel: 2, profile: pcd7-h104d, scale: 1, x", "meters[2].profile: unit 1 of line n is pcd7-h104d, and meters[1] says g4; one device has one register map"},
		{"no counter named", "", "meters[2].address: unit 1 of line n is also meters[1]; two devices"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, faults := refused(t, devices, two, third(test.more), test.want)
			if len(faults) != 1 || len(c.Meters) != 2 {
				t.Errorf("%d meters are left of %v", len(c.Meters), faults)
			}
		})
	}
}

// What works and may not be meant is said, and costs nothing.
func TestWarnings(t *testing.T) {
	for _, test := range []struct{ name, text, old, new, want string }{
		{"a number that changes", good, "tty/rs485-a", "/dev/ttyUSB0", "gateway.yaml:6:13: lines[0].ports[0]: /dev/ttyUSB0 is whichever adapter was found in that order: its number changes when it is plugged in again; name the socket"},
		{"a door's relay among meters", devices, "gw-1", "gw-2", "gateway.yaml:15:32: doors[0].line: line a has meters too, and a relay module asks nobody who he is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, faults, err := config.Parse("/etc/lobby/gateway.yaml", []byte(strings.Replace(test.text, test.old, test.new, 1)))
			if err != nil || len(faults) > 0 {
				t.Fatalf("Parse = %v, %v", faults, err)
			}
			if !slices.ContainsFunc(c.Warnings(), func(f config.Fault) bool { return strings.Contains(f.Error(), test.want) }) {
				t.Errorf("warnings = %v; want %s", c.Warnings(), test.want)
			}
		})
	}
}
