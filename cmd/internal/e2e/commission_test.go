package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/cmd/internal/command"
	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/commission"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// site is a building whose bank nobody has commissioned, and an installer before it who looks at the doors themselves.
type site struct {
	dir, file string
	sim       *building.Building
	said      bytes.Buffer
	read      int
	stopAt    string // answers q to the first question with this in it
}

func newSite(t *testing.T, sim, conf string) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	s.file = filepath.Join(s.dir, "gateway.yaml")
	described := filepath.Join(s.dir, "building.yaml")
	for path, text := range map[string]string{s.file: conf, described: sim} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := building.Load(described)
	if err != nil {
		t.Fatal(err)
	}
	if s.sim, err = building.Open(cfg, s.dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.sim.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(group.Wait(), s.sim.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// commission runs the command with the installer at its terminal.
func (s *site) commission(t *testing.T, args ...string) error {
	t.Helper()
	c := command.Gateway("test", look.FS())
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append([]string{"commission", "--bank", "A", "--config", s.file, "--data", filepath.Join(s.dir, "data"), "--lang", "en"}, args...))
	c.SetIn(s)
	c.SetOut(s)
	return c.ExecuteContext(t.Context())
}

func (s *site) Write(b []byte) (int, error) { return s.said.Write(b) }

func (s *site) Read(b []byte) (int, error) {
	asked := s.said.String()[s.read:]
	answer := s.answer(asked[strings.LastIndex(strings.TrimRight(asked, " "), "\n")+1:])
	if s.stopAt != "" && strings.Contains(asked, s.stopAt) {
		answer, s.stopAt = "q", ""
	}
	s.said.WriteString(answer + "\n")
	s.read = s.said.Len()
	return copy(b, answer+"\n"), nil
}

// answer looks at the building, as a person would, and acts.
func (s *site) answer(question string) string {
	open := 0
	for _, l := range s.sim.State().Banks[0].Locks {
		if l.Door == "open" {
			open = l.Lock
		}
	}
	switch {
	case strings.HasPrefix(question, "Which door"):
		if open == 0 {
			return "n"
		}
		return fmt.Sprint(open)
	case strings.HasPrefix(question, "Close door"):
		if err := s.sim.TouchLock("A", open, "close", building.Options{}); err != nil {
			return err.Error()
		}
	case strings.HasPrefix(question, "Lock "):
		var lock, board, there int
		if _, err := fmt.Sscanf(question, "Lock %d (board %d, lock %d there)", &lock, &board, &there); err != nil || there > 2 {
			return "s" // the installer sees that nothing is plugged in there
		}
	case strings.HasPrefix(question, "Enter reads again"):
		return "s"
	case strings.HasPrefix(question, "Write it?"):
		return "y"
	}
	return ""
}

const (
	chainA = `name: 新社區
lines: [{name: lockers, baud: 115200}]
banks:
  - name: A
    line: lockers
    closed_bit: 0
    pulse: 100ms
    boards: [{address: 0, locks: 2}, {address: 1, locks: 2}]
    columns: [[1 S, 2 S, 3 S, 4 S]]
`
	boxA = `gateway: gw-1
lines: [{name: lockers, ports: [lockers*], baud: 115200}]
lockers:
  - bank: A
    line: lockers
    protocol: kerong-a
    pulse: 100ms
    boards: [1, 0] # the cable comes from above
    columns:
      - doors: [{number: 1, size: S}, {number: 2, size: S}] # 左
      - doors: [{number: 3, size: S}, {number: 4, size: S}]
`
)

// The whole way: the command, a real pty, boards that share no code with the driver; the polarity is 0 and the cable is plugged in
// the other way round.
func TestCommissionABank(t *testing.T) {
	s := newSite(t, chainA, boxA)
	if err := s.commission(t); err != nil {
		t.Fatalf("commission = %v\n%s", err, s.said.String())
	}
	c, faults, err := config.Load(s.file)
	if err != nil || len(faults) > 0 || *c.Lockers[0].Closed != 0 {
		t.Fatalf("Load of the result = %v, %v\n%s", faults, err, s.said.String())
	}
	want := strings.NewReplacer("protocol: kerong-a\n", "protocol: kerong-a\n    closed_bit: 0\n", "number: 1,", "number: 1, lock: 17,",
		"number: 2,", "number: 2, lock: 18,", "number: 3,", "number: 3, lock: 1,", "number: 4,", "number: 4, lock: 2,").Replace(boxA)
	if text, _ := os.ReadFile(s.file); string(text) != want {
		t.Errorf("configuration is\n%s\nwant\n%s", text, want)
	}
	bank := s.sim.State().Banks[0]
	if bank.Pulses != 4 || bank.Openings != 4 {
		t.Errorf("%d pulses, %d openings; want 4 of each\n%s", bank.Pulses, bank.Openings, s.said.String())
	}
	found, err := gateway.Probe(t.Context(), c, false)
	if err != nil || len(found) != 2 || !found[0].OK || !found[1].OK {
		t.Errorf("Probe after it = %+v, %v", found, err)
	}
}

// A bank of 48-lock boards, walked in two goes.
func TestCommissionIsResumedOnDialectB(t *testing.T) {
	codes := "    codes: {status: 0x50, open: 0x51, ok: 0x75}\n"
	sim := strings.NewReplacer("    closed_bit: 0\n", "    closed_bit: 1\n    protocol: kerong-b\n"+codes).Replace(chainA)
	conf := strings.NewReplacer("protocol: kerong-a\n", "protocol: kerong-b\n"+codes, "boards: [1, 0] # the cable comes from above", "boards: [0, 1]").Replace(boxA)
	s := newSite(t, sim, conf)
	s.stopAt = "Lock 2 "
	if err := s.commission(t); err == nil || !strings.Contains(s.said.String(), "Stopped: 1 of 4 doors are known") {
		t.Fatalf("commission = %v; want it stopped\n%s", err, s.said.String())
	}
	if text, _ := os.ReadFile(s.file); string(text) != conf {
		t.Errorf("configuration has changed:\n%s", text)
	}
	if err := s.commission(t); err != nil || !strings.Contains(s.said.String(), "Going on from before: 1 doors are known already") {
		t.Fatalf("commission again = %v\n%s", err, s.said.String())
	}
	c, faults, err := config.Load(s.file)
	if err != nil || len(faults) > 0 || *c.Lockers[0].Closed != 1 || c.Lockers[0].Columns[1].Doors[0].Lock != 49 {
		t.Errorf("Load of the result = %v, %v, closed_bit %d, door 3 has lock %d; want 1, 49", faults, err, *c.Lockers[0].Closed, c.Lockers[0].Columns[1].Doors[0].Lock)
	}
	if bank := s.sim.State().Banks[0]; bank.Pulses != 4 {
		t.Errorf("%d pulses in both goes; want 4", bank.Pulses)
	}
}

// A gateway that runs holds what commissioning needs, and a wrong bank is the caller's to mend.
func TestCommissionIsRefused(t *testing.T) {
	b := run(t)
	c := gateway.Commissioning{Config: b.file, Data: filepath.Join(b.dir, "data"), Bank: "A", Lang: commission.English, In: strings.NewReader(""), Out: new(bytes.Buffer)}
	if err := gateway.Commission(t.Context(), c); err == nil || !strings.Contains(err.Error(), "stop the other") {
		t.Errorf("Commission beside a gateway = %v; want to be told to stop it", err)
	}
	c.Bank = "Z"
	if err := gateway.Commission(t.Context(), c); !errors.Is(err, commission.ErrPlan) {
		t.Errorf("Commission of bank Z = %v; want ErrPlan", err)
	}
}
