package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// models are a meter of each kind: how the simulator is told of it, how the gateway is, and what is read then. Nobody lives
// there, so the totals stand.
var models = []struct {
	id, simulated, configured string
	litres                    int64
	serial                    string
	second                    int64 // the total that is not billed; 0: there is none
}{
	{"g4", `address: 1, profile: g4, serial: "10000001", per_count: 10, litres: 1234567`, `address: 1, profile: g4, serial: "10000001"`, 1234560, "10000001", 0},
	{"flowsic500", `address: 2, profile: flowsic500, serial: "2000002", litres: 7654321`, `address: 2, profile: flowsic500, serial: "2000002"`, 7654000, "2000002", 7271000},
	{"flowsic500-full", `address: 3, profile: flowsic500, serial: "3", per_count: 1000, litres: 4294967294999`, `address: 3, profile: flowsic500, serial: "3"`, 4294967294000, "3", 4080218930000},
	{"fuxin", `address: 4, profile: fuxin, serial: "4", litres: 7654321`, `address: 4, profile: fuxin, serial: "4"`, 7271604, "", 7654321},
	{"ek2x0", `address: 5, profile: ek2x0, serial: "5000005", litres: 70001501, registers: {total: 300, serial: 310}`,
		`address: 5, profile: ek2x0, serial: "5000005", registers: {total: 300, serial: 310}`, 70001500, "5000005", 0}, // a fraction of 65536 is no thousandth
	{"ek2x0-bcd", `address: 6, profile: ek2x0, format: bcd16, decimals: 3, serial: "6000006", litres: 987654321, registers: {total: 300, serial: 304}`,
		`address: 6, profile: ek2x0-bcd, serial: "6000006", registers: {total: 300, serial: 304}, scale: "1"`, 987654321, "6000006", 0},
	{"pcd7-1", `address: 7, profile: pcd7-h104d, channel: 1, serial: "71", per_count: 10, litres: 240632`, `address: 7, profile: pcd7-h104d, serial: "71", scale: "1000"`, 240630, "", 0},
	{"pcd7-4", `address: 7, profile: pcd7-h104d, channel: 4, serial: "74", per_count: 100, litres: 429496729`,
		`address: 7, profile: pcd7-h104d, channel: 4, serial: "74", scale: "1000"`, 429496700, "", 0},
	{"vmu-mc", `address: 8, profile: vmu-mc, serial: "8", decimals: 2, litres: 7654321, registers: {scale: 11}`, `address: 8, profile: vmu-mc, serial: "8", scale: "10"`, 7654320, "", 0},
	{"pulse", `address: 9, profile: pulse, serial: "9", per_count: 100, litres: 7654321, registers: {total: 40}`,
		`address: 9, profile: pulse, serial: "9", scale: "100", registers: {total: 40}`, 7654300, "", 0},
	{"pulse-cdab", `address: 10, profile: pulse, order: CDAB, serial: "10", per_count: 10, litres: 7654321, registers: {total: 40}`,
		`address: 10, profile: pulse-cdab, serial: "10", scale: "10", registers: {total: 40}`, 7654320, "", 0},
}

// Every model that ships is read off a simulator that was written apart, to the litre, by a serial line and by Modbus TCP.
func TestEveryModelIsReadToTheLitre(t *testing.T) {
	for _, c := range []struct{ name, line, protocol string }{
		{"serial", "{name: m, baud: 115200}", "modbus-rtu"}, {"tcp", "{name: m, tcp: '127.0.0.1:0'}", "modbus-tcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, meters := "name: models\nlines: ["+c.line+"]\nmeters:\n  - line: m\n    meters:\n", ""
			for _, m := range models {
				text += fmt.Sprintf("      - {id: %s, use: vacant, %s}\n", m.id, m.simulated)
				meters += fmt.Sprintf("  - {id: %s, line: m, protocol: %s, %s}\n", m.id, c.protocol, m.configured)
			}
			cfg, err := building.Parse("models.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			sim, err := building.Open(cfg, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			var group errgroup.Group
			group.Go(func() error { return sim.Run(ctx) })
			defer func() {
				cancel()
				if err := group.Wait(); err != nil {
					t.Error(err)
				}
				if err := sim.Close(); err != nil {
					t.Error(err)
				}
			}()
			port := sim.State().Lines[0].Path
			read, faults, err := config.Parse("gateway.yaml", fmt.Appendf(nil, "gateway: gw-1\nsite: s\nlines: [{name: m, ports: ['%s'], baud: 115200}]\nmeters:\n%s", port, meters))
			if err != nil || len(faults) > 0 {
				t.Fatal(err, faults)
			}
			found, err := gateway.Probe(t.Context(), read, true)
			if err != nil || len(found) != len(models) {
				t.Fatalf("Probe() = %d devices, %v", len(found), err)
			}
			for i, m := range models {
				p := found[i]
				if !p.OK || p.Litres == nil || *p.Litres != m.litres || p.Serial != m.serial {
					t.Errorf("%s: %+v; want %d litres, serial %q", m.id, p, m.litres, m.serial)
				}
				second := slices.IndexFunc(p.Registers, func(v modbus.RegisterValue) bool { return v.Name == "second" })
				if m.second != 0 && (second < 0 || p.Registers[second].Litres == nil || *p.Registers[second].Litres != m.second || !strings.Contains(p.Registers[second].Meaning, "not billed")) {
					t.Errorf("%s: %+v; want another total of %d litres, not billed", m.id, p.Registers, m.second)
				}
			}
		})
	}
}
