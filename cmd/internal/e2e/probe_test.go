package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// A probe names what is wrong with a line, as far as a line shows it: the text is all that an installer has.
func TestProbeNamesWhatAilsALine(t *testing.T) {
	dir := t.TempDir()
	described, err := building.Parse("b.yaml", []byte(`name: probed
lines: [{name: a, baud: 19200}]
banks: [{name: A, line: a, closed_bit: 1, boards: [{address: 0, locks: 1}, {address: 1, locks: 1}], columns: [[1 S, 2 S]]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	sim, err := building.Open(described, dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error { return sim.Run(ctx) })
	defer func() {
		cancel()
		if err := errors.Join(group.Wait(), sim.Close()); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		name, fault string
		baud        int
		want        string
	}{
		{"sound", "", 19200, ""},
		{"another baud", "", 9600, "check baud and parity"},
		{"wires swapped", "swapped", 19200, "whether A and B are swapped"},
		{"an echo", "echo", 19200, "set echo: true"},
	} {
		if c.fault != "" {
			if err := sim.TouchLine("a", c.fault, building.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		file, faults, err := config.Parse(filepath.Join(dir, "gateway.yaml"), fmt.Appendf(nil, `gateway: gw-1
lines: [{name: a, ports: [%s], baud: %d}]
lockers: [{bank: A, line: a, protocol: kerong-a, boards: [0, 1], closed_bit: 1, columns: [{doors: [{number: 1, size: S}, {number: 2, size: S, lock: 17}]}]}]
`, filepath.Join(dir, "a"), c.baud))
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
		found, err := gateway.Probe(t.Context(), file, false)
		if err != nil || len(found) != 2 {
			t.Fatalf("%s: %+v, %v", c.name, found, err)
		}
		for _, p := range found {
			if p.OK != (c.want == "") || !strings.Contains(p.Error, c.want) {
				t.Errorf("%s: %s: ok %v, %q; want it to say %q", c.name, p.Device, p.OK, p.Error, c.want)
			}
		}
		if err := sim.TouchLine("a", "clear", building.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}
