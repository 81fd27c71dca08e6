package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const file = `gateway: gw-1
site: 示範社區
lines:
  - {name: a, ports: [tty/a]}
  - {name: b, ports: [tty/b]}
  - {name: m, ports: [tty/m], baud: 9600, parity: even}
  - {name: n, ports: ['tcp://127.0.0.1:1']}
lockers:
  - {bank: A, line: a, protocol: kerong-a, boards: [0], closed_bit: 1, columns: [{doors: [{number: 1, size: S}]}]}
  - {bank: B, line: b, protocol: kerong-a, boards: [1], closed_bit: 0, columns: [{doors: [{number: 1, size: M}]}]}
meters:
  - {id: m-1, line: m, protocol: modbus-rtu, address: 1, profile: g4, serial: "1"}
  - {id: m-2, line: n, protocol: modbus-tcp, address: 1, profile: g4, serial: "2"}
doors:
  - {id: ktv, name: KTV, line: m, protocol: modbus-relay, address: 9, output: 0, contact: 0, timer: none}
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that cannot be used never takes the building down. // invariant 12
func TestLastGoodConfiguration(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	if _, err := openSettings(path, dir); !errors.Is(err, ErrConfig) || !errors.Is(err, config.ErrUnreadable) {
		t.Fatalf("without a file and a last good one: %v, want %v", err, ErrConfig)
	}
	write(t, path, file)
	if _, err := openSettings(path, dir); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"gateway: [", strings.Replace(file, "gw-1", "GW 1", 1)} {
		write(t, path, bad)
		s, err := openSettings(path, dir)
		if err != nil {
			t.Fatal(err)
		}
		if how, faults := s.state(); how != health.ConfigLastGood || len(faults) == 0 || len(s.config().Lockers) != 2 {
			t.Errorf("with a bad file: %s, %v, %d banks; want the last good one, and why", how, faults, len(s.config().Lockers))
		}
	}
}

func TestReadingAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, file)
	s, err := openSettings(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name, text string
		changed    bool
		how        string
		banks      int
	}{
		{"equal", file, false, health.ConfigOK, 2},
		{"a bad entry", strings.Replace(file, "closed_bit: 0", "closed_bit: 7", 1), true, health.ConfigPartly, 1},
		{"unreadable", "a: [", false, health.ConfigLastGood, 1},
		{"mended", file, true, health.ConfigOK, 2},
	}
	for _, step := range steps {
		write(t, path, step.text)
		changed, err := s.read()
		if how, _ := s.state(); changed != step.changed || how != step.how || len(s.config().Lockers) != step.banks {
			t.Errorf("%s: changed %t, %s, %d banks, %v; want %t, %s, %d", step.name, changed, how, len(s.config().Lockers), err, step.changed, step.how, step.banks)
		}
	}
}

// A register map is a file of its own: one that was mended is read again with the configuration, and exchanges its meters
// alone.
func TestReadingRegisterMapsAgain(t *testing.T) {
	dir := t.TempDir()
	path, own := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "maps", "own.yaml")
	write(t, path, strings.Replace(file, "profile: g4, serial: \"1\"", "profile: own, serial: \"1\"", 1)+"profiles: maps\n")
	if err := os.Mkdir(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	const ownMap = "vendor: x\nmodel: x\nsources: [x]\nstatus: unverified\nbase: 0\nquantity: actual\nregisters: [{name: total, function: 3, address: 0, type: uint32, order: ABCD, scale: 10}]\n"
	write(t, own, ownMap)
	s, err := openSettings(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	h := newHardware(slog.New(slog.DiscardHandler))
	defer h.close()
	if _, err := h.apply(s.config()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name, text string
		changed    bool
		how        string
		touched    []string
	}{
		{"equal", ownMap, false, health.ConfigOK, nil},
		{"mended", strings.Replace(ownMap, "scale: 10", "scale: 100", 1), true, health.ConfigOK, []string{"meter m-1"}},
		{"spoiled", "vendor: [", true, health.ConfigPartly, []string{"meter m-1"}},
		{"as it was", ownMap, true, health.ConfigOK, []string{"meter m-1"}},
	} {
		write(t, own, step.text)
		changed, err := s.read()
		if how, faults := s.state(); err != nil || changed != step.changed || how != step.how {
			t.Errorf("%s: changed %t, %s, %v, %v; want %t, %s", step.name, changed, how, faults, err, step.changed, step.how)
		}
		if touched, err := h.apply(s.config()); err != nil || !slices.Equal(touched, step.touched) {
			t.Errorf("%s: touched %v, %v; want %v", step.name, touched, err, step.touched)
		}
	}
}

// A reload touches what has changed and nothing else.
func TestApplyTouchesOnlyWhatChanged(t *testing.T) {
	h := newHardware(slog.New(slog.DiscardHandler))
	defer h.close()
	steps := []struct {
		name, old, new string
		want           []string
	}{
		{"first", "", "", []string{"line a", "line b", "line m", "line n", "bank A", "bank B", "meter m-1", "meter m-2", "door ktv"}},
		{"equal", "", "", nil},
		{"the baud of one line", "ports: [tty/a]", "ports: [tty/a], baud: 9600", []string{"line a", "bank A"}},
		{"two banks on one supply", "closed_bit: 0", "closed_bit: 0, supply: hall", []string{"line a", "bank A", "bank B"}},
		{"the pulse of one bank", "closed_bit: 0", "closed_bit: 0, pulse: 1s", []string{"bank B"}},
		{"a bank gone", "  - {bank: B", "  #", []string{"bank B"}},
		{"another meter", "serial: \"1\"", "serial: \"11\"", []string{"bank B", "meter m-1"}},
		{"a meter's address", "address: 1, profile: g4, serial: \"1\"", "address: 2, profile: g4, serial: \"1\"", []string{"meter m-1"}},
		{"the parity of a line", "parity: even", "parity: odd", []string{"line m", "meter m-1", "door ktv"}},
		{"a line over the network is a converter", "modbus-tcp", "modbus-rtu", []string{"line m", "line n", "meter m-1", "meter m-2", "door ktv"}},
		{"a meter gone", "  - {id: m-1", "  #", []string{"line n", "meter m-2", "meter m-1"}},
		{"a door gone", "  - {id: ktv", "  #", []string{"meter m-1", "door ktv"}},
	}
	for _, step := range steps {
		c, _, err := config.Parse("gateway.yaml", []byte(strings.Replace(file, step.old, step.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		touched, err := h.apply(c)
		if err != nil || !slices.Equal(touched, step.want) {
			t.Errorf("%s: touched %v, %v; want %v", step.name, touched, err, step.want)
		}
	}
	if _, err := held(h, &h.doors)["ktv"].Status(t.Context()); !errors.Is(err, errNoDriver) {
		t.Errorf("a door that is gone says %v, want %v", err, errNoDriver)
	}
	var names []string
	for _, d := range h.devices() {
		names = append(names, d.Device)
	}
	if want := []string{"locker/A/board/0", "locker/B/board/1", "meter/m-1", "meter/m-2"}; !slices.Equal(names, want) {
		t.Errorf("devices %v; want %v", names, want)
	}
}

// Banks that name one supply hang on one, and go on hanging on it when one of them is exchanged: two latches at once are
// more than it can carry.
func TestBanksShareASupply(t *testing.T) {
	h := newHardware(slog.New(slog.DiscardHandler))
	defer h.close()
	parse := func(old, with string) config.Config {
		c, faults, err := config.Parse("gateway.yaml", []byte(strings.ReplaceAll(strings.ReplaceAll(file, "board", "supply: hall, board"), old, with)))
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
		return c
	}
	both := parse("gw-1", "gw-1")
	if _, err := h.apply(both); err != nil {
		t.Fatal(err)
	}
	a, b := h.supply(both.Lockers[0]), h.supply(both.Lockers[1])
	if a != b || len(h.supplies) != 1 {
		t.Errorf("two banks on one supply have %d", len(h.supplies))
	}
	apart := parse("supply: hall, boards: [1]", "boards: [1], pulse: 1s")
	if _, err := h.apply(apart); err != nil {
		t.Fatal(err)
	}
	if h.supply(apart.Lockers[0]) != a || h.supply(apart.Lockers[1]) == a || len(h.supplies) != 2 {
		t.Errorf("apart they have %d supplies; want A its old one, and B its own", len(h.supplies))
	}
	slow := parse("supply: hall", "supply: hall, spacing: 500ms")
	if _, err := h.apply(slow); err != nil {
		t.Fatal(err)
	}
	if s := h.supply(slow.Lockers[0]); s == a || s != h.supply(slow.Lockers[1]) || len(h.supplies) != 1 {
		t.Errorf("with another spacing they have %d supplies; want one, and a new one", len(h.supplies))
	}
}

func TestKeysAreMadeOnceAndKeptToTheirOwner(t *testing.T) {
	dir := t.TempDir()
	first, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKeys(dir)
	if err != nil || !again.Events.Equal(first.Events) || string(again.PINs) != string(first.PINs) {
		t.Errorf("keys change from one start to the next: %v", err)
	}
	path := filepath.Join(dir, "keys", "pins.key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v, %v; want 0600", path, info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that all may read: %v, want the remedy", err)
	}
	for _, text := range []string{fmt.Sprint(first), fmt.Sprintf("%#v", first), fmt.Sprintf("%+v", struct{ K Keys }{first})} {
		if strings.Contains(text, fmt.Sprint(first.PINs[:4])[1:8]) {
			t.Errorf("keys print as %s", text) // invariant 10
		}
	}
}

// A port that is missing or held by another is named with its place and the remedy. // invariant 9
func TestCheckPorts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, file)
	c, faults, err := config.Load(path)
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	there := strings.Replace(file, "127.0.0.1:1'", listener.Addr().String()+"'", 1)
	if reached, _, err := config.Parse(path, []byte(there)); err != nil || len(CheckPorts(reached)) != 3 {
		t.Errorf("with a device that can be reached CheckPorts = %v, %v; want the serial ports alone", CheckPorts(reached), err)
	}
	got := CheckPorts(c)
	if len(got) != 4 || !strings.HasPrefix(got[3].Error(), "gateway.yaml:7:22: lines[3].ports: ") || !strings.HasSuffix(got[3].Error(), "; check the address, the network cable and the power of the converter or device") || !strings.HasPrefix(got[1].Error(), "gateway.yaml:5:22: lines[1].ports: no such serial port: "+dir+"/tty/b; plug") {
		t.Errorf("CheckPorts = %v", got)
	}
}
