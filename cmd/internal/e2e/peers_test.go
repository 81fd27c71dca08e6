package e2e

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
)

// Both of our ends of Modbus speak with implementations that are not ours: pymodbus, libmodbus and mbpoll.

const (
	peerLimit = 15 * time.Second // for whatever one of them does
	peerTries = 100 * time.Millisecond
)

// python is Debian's own: another's has no pymodbus.
const python = "/usr/bin/python3"

// peers are programs of others, ready to be run.
type peers struct{ dir, server, client string }

// need builds and finds the programs of others. Where the tests must be whole, their absence is a failure.
func need(t *testing.T) peers {
	t.Helper()
	missing := func(what, packages string) {
		t.Helper()
		say := fmt.Sprintf("no %s here: apt-get install %s", what, packages)
		if os.Getenv("CI") == "true" {
			t.Fatal(say)
		}
		t.Skip(say)
	}
	for _, tool := range []string{"mbpoll", "socat", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(tool, tool)
		}
	}
	if err := exec.Command(python, "-c", "import pymodbus, serial, serial_asyncio").Run(); err != nil {
		missing("pymodbus with serial ports", "python3-pymodbus python3-serial python3-serial-asyncio")
	}
	p := peers{dir: t.TempDir()}
	for program, source := range map[*string]string{&p.server: "server", &p.client: "client"} {
		*program = filepath.Join(p.dir, source)
		out, err := exec.Command("gcc", "-Wall", "-Werror", "-o", *program, filepath.Join("testdata", "peers", source+".c"), "-lmodbus").CombinedOutput()
		switch {
		case strings.Contains(string(out), "modbus/modbus.h"), strings.Contains(string(out), "-lmodbus"):
			missing("libmodbus", "libmodbus-dev")
		case err != nil:
			t.Fatalf("%s.c: %s", source, out)
		}
	}
	return p
}

// start runs a program until the test ends, and returns when it has said a word.
func start(t *testing.T, ready string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, name, args...)
	c.WaitDelay = time.Second
	said, err := c.StderrPipe()
	if err == nil {
		c.Stdout = c.Stderr
		err = c.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	lines, ended := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(lines)
		for s := bufio.NewScanner(said); s.Scan(); {
			select {
			case lines <- s.Text():
			default: // nobody looks any more
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = c.Wait() // it was killed
	})
	limit := time.After(peerLimit)
	for heard := []string{}; ; {
		select {
		case line, more := <-lines:
			if heard = append(heard, line); !more {
				t.Fatalf("%s ended: %q", name, heard)
			}
			if strings.Contains(line, ready) {
				return
			}
		case <-limit:
			t.Fatalf("%s does not say %q: %q", name, ready, heard)
		}
	}
}

// serialPair are two ports with a cable between them.
func serialPair(t *testing.T) (a, b string) {
	t.Helper()
	dir := t.TempDir()
	a, b = filepath.Join(dir, "a"), filepath.Join(dir, "b")
	start(t, "starting data transfer loop", "socat", "-d", "-d", "pty,raw,echo=0,link="+a, "pty,raw,echo=0,link="+b)
	return a, b
}

// freePort is a TCP port that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// within asks until it succeeds: a peer needs a moment to open its port.
func within(t *testing.T, what string, ask func() error) {
	t.Helper()
	for end := time.Now().Add(peerLimit); ; time.Sleep(peerTries) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// Our driver reads meters and holds doors that others made.
func TestOurDriverWithTheServersOfOthers(t *testing.T) {
	programs := need(t)
	words := []string{"0012", "d687", "0009", "000a", "8765", "4321"}
	for _, server := range []struct {
		name    string
		command []string
		words   []string
	}{
		{"pymodbus", []string{python, filepath.Join("testdata", "peers", "server.py")}, []string{strings.Join(words, ",")}},
		{"libmodbus", []string{programs.server}, words},
	} {
		for _, protocol := range []modbus.Protocol{modbus.RTU, modbus.TCP} {
			t.Run(server.name+" "+string(protocol), func(t *testing.T) {
				how, far, port := "rtu", "", ""
				cfg := bus.Config{Name: "peers", Baud: 9600}
				if protocol == modbus.TCP {
					far = freePort(t)
					how, port, cfg.Direct = "tcp", "tcp://127.0.0.1:"+far, true
				} else {
					port, far = serialPair(t)
				}
				start(t, "ready", server.command[0], slices.Concat(server.command[1:], []string{how, far}, server.words)...)
				cfg.Ports = []string{port}
				driveThem(t, cfg, protocol)
			})
		}
	}
}

// driveThem reads unit 7 of a line as a meter, and uses it as a door.
func driveThem(t *testing.T, cfg bus.Config, protocol modbus.Protocol) {
	t.Helper()
	line := bus.New(cfg, bus.Deps{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return line.Run(ctx) })
	defer func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	}()
	profile, err := modbus.Shipped("g4")
	if err != nil {
		t.Fatal(err)
	}
	meter, err := modbus.NewMeter(line, modbus.MeterConfig{Device: "meter/peer", Protocol: protocol, Address: 7, Profile: profile})
	if err != nil {
		t.Fatal(err)
	}
	contact := 0
	door, err := modbus.NewDoor(line, modbus.DoorConfig{Device: "door/peer", Protocol: protocol, Address: 7, Output: 3, Contact: &contact, OpenIs: 1})
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the first reading", func() error {
		_, err := meter.Read(ctx)
		return err
	})
	for range 20 {
		r, err := meter.Read(ctx)
		if err != nil || r.Litres != 12345670 || r.Serial != "87654321" || !slices.Equal(r.Flags, []string{"low_battery", "valve_closed"}) {
			t.Fatalf("Read() = %+v, %v", r, err)
		}
	}
	status := func(want bool) {
		t.Helper()
		if st, err := door.Status(ctx); err != nil || st.Contact != drivers.ContactOpen || st.Released != want {
			t.Fatalf("Status() = %+v, %v; want it open, and its output on: %v", st, err, want)
		}
	}
	status(false)
	if r, err := door.Release(ctx, 30*time.Second, time.Time{}); err != nil || !r.Known {
		t.Fatalf("Release() = %+v, %v", r, err)
	}
	status(true)
	if err := door.Retire(ctx); err != nil {
		t.Fatal(err)
	}
	status(false)
}

// simulate runs the demo's building.
func simulate(t *testing.T) *building.Building {
	t.Helper()
	sim, err := building.Open(demoBuilding(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return sim.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return sim
}

// Programs of others read the meters and switch the doors of our simulator.
func TestOurSimulatorWithTheClientsOfOthers(t *testing.T) {
	programs := need(t)
	sim := simulate(t)
	at := map[string]string{}
	for _, l := range sim.State().Lines {
		at[l.Name] = strings.TrimPrefix(l.Path, "tcp://127.0.0.1:")
	}
	clients := map[string][]string{"pymodbus": {python, filepath.Join("testdata", "peers", "client.py")}, "libmodbus": {programs.client}}
	for name, command := range clients {
		t.Run(name, func(t *testing.T) {
			for _, m := range simulated {
				before := totalOf(sim, m.id)
				read := ask(t, slices.Concat(command, []string{m.how, at[m.line], m.unit, "meter"})...)
				m.judge(t, before, strings.Fields(read), totalOf(sim, m.id))
			}
			if got := ask(t, slices.Concat(command, []string{"rtu", at["doors"], "1", "door"})...); strings.Fields(got)[0] != "1" || strings.Fields(got)[1] != "0" {
				t.Errorf("the output of a door, on and off, reads %q", got)
			}
		})
	}
	t.Run("mbpoll", func(t *testing.T) {
		for _, m := range simulated {
			args := []string{"mbpoll", "-1", "-q", "-0", "-a", m.unit, "-r", "0", "-c", "6", "-t", "4:hex", "-o", "2"}
			if m.how == "rtu" {
				args = append(args, "-m", "rtu", "-b", "9600", "-P", "none", at[m.line])
			} else {
				args = append(args, "-m", "tcp", "-p", at[m.line], "127.0.0.1")
			}
			before := totalOf(sim, m.id)
			var words []string
			for line := range strings.Lines(ask(t, args...)) { // [0]: 	0x0000
				if _, word, found := strings.Cut(line, "0x"); found {
					words = append(words, strings.ToLower(strings.TrimSpace(word)))
				}
			}
			m.judge(t, before, words, totalOf(sim, m.id))
		}
		inputs := ask(t, "mbpoll", "-1", "-q", "-0", "-a", "1", "-r", "0", "-c", "4", "-t", "1", "-o", "2", "-m", "rtu", "-b", "9600", "-P", "none", at["doors"])
		if strings.Count(inputs, "]:") != 4 {
			t.Errorf("the inputs of a relay module: %q", inputs)
		}
	})
}

// simulated are meters of the demo's building, on a serial line and on TCP.
var simulated = []simulatedMeter{
	{"m-101", "rtu", "meters-1", "1", "10000101", 1}, {"m-105", "rtu", "meters-1", "5", "10000105", 10}, {"m-108", "tcp", "meters-2", "2", "10000108", 100},
}

type simulatedMeter struct {
	id, how, line, unit, serial string
	perCount                    int64
}

// judge compares six registers of a g4 with what the meter's dial said before and after.
func (m simulatedMeter) judge(t *testing.T, before int64, words []string, after int64) {
	t.Helper()
	if len(words) != 6 {
		t.Fatalf("%s: %q; want six registers", m.id, words)
	}
	count, err := strconv.ParseInt(words[0]+words[1], 16, 64)
	litres := count * m.perCount
	if err != nil || litres > after || litres <= before-m.perCount || words[2] != "0000" || words[3] != fmt.Sprintf("%04x", m.perCount) || words[4]+words[5] != m.serial {
		t.Errorf("%s: registers %q are %d litres; want %d to %d, no flags, and serial %s", m.id, words, litres, before, after, m.serial)
	}
}

func totalOf(sim *building.Building, id string) int64 {
	all := sim.State().Meters
	return all[slices.IndexFunc(all, func(m building.MeterState) bool { return m.ID == id })].Litres
}

// ask runs a program of somebody else and returns what it printed.
func ask(t *testing.T, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), peerLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}
