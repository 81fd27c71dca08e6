package e2e

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// Each ready building has a gateway, and the two agree on every line, board, door and meter.
func TestReadyBuildingsHaveTheirGateways(t *testing.T) {
	buildings, err := filepath.Glob("../../../configs/building-*.yaml")
	if err != nil || len(buildings) < 5 {
		t.Fatalf("%v, %v; want five ready buildings at least", buildings, err)
	}
	for _, path := range buildings {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "building-"), ".yaml")
		t.Run(name, func(t *testing.T) {
			sim, err := building.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			gw, faults, err := config.Load("../../../configs/gateway-" + name + ".yaml")
			if err != nil || len(faults) > 0 {
				t.Fatalf("%v, %v", err, faults)
			}
			if sim.Name != gw.Site {
				t.Errorf("the building is %s, the gateway's site %s", sim.Name, gw.Site)
			}
			agree(t, linesOfBuilding(sim), linesOfGateway(gw))
			agree(t, banksOfBuilding(sim), banksOfGateway(gw))
			agree(t, metersOfBuilding(sim), metersOfGateway(gw))
			agree(t, doorsOfBuilding(sim), doorsOfGateway(gw))
		})
	}
}

// agree compares what both sides say of each thing, one line each.
func agree(t *testing.T, sim, gw []string) {
	t.Helper()
	slices.Sort(sim)
	slices.Sort(gw)
	for _, s := range sim {
		if !slices.Contains(gw, s) {
			t.Errorf("only in the building: %s", s)
		}
	}
	for _, g := range gw {
		if !slices.Contains(sim, g) {
			t.Errorf("only at the gateway: %s", g)
		}
	}
}

func linesOfBuilding(cfg building.Config) (out []string) {
	for _, l := range cfg.Lines {
		port := "tty/" + l.Name + "*"
		if l.TCP != "" {
			port = "tcp://" + l.TCP
		}
		out = append(out, fmt.Sprintf("line %s at %s, %d Bd, parity %s, %d stop bits", l.Name, port, l.Baud, cmp.Or(string(l.Parity), "none"), max(1, l.StopBits)))
	}
	return out
}

func linesOfGateway(cfg config.Config) (out []string) {
	direct := map[string]bool{}
	for _, m := range cfg.Meters {
		direct[m.Line] = direct[m.Line] || m.Protocol == "modbus-tcp"
	}
	for _, l := range cfg.Lines {
		port := l.Ports[0]
		if at := strings.Index(port, "tty/"); at > 0 {
			port = port[at:]
		}
		baud := l.Baud
		if direct[l.Name] {
			baud = 0
		}
		out = append(out, fmt.Sprintf("line %s at %s, %d Bd, parity %s, %d stop bits", l.Name, port, baud, cmp.Or(l.Parity, "none"), max(1, l.StopBits)))
	}
	return out
}

func banksOfBuilding(cfg building.Config) (out []string) {
	for _, b := range cfg.Banks {
		var boards []int
		for _, board := range b.Boards {
			boards = append(boards, board.Address)
		}
		var codes [3]int
		if b.Codes != nil {
			codes = [3]int{b.Codes.Status, b.Codes.Open, b.Codes.OK}
		}
		var front []string
		for _, column := range b.Columns {
			for _, cell := range column {
				if strings.HasPrefix(cell, "screen") {
					cell = "screen"
				}
				front = append(front, cell)
			}
			front = append(front, "|")
		}
		out = append(out, fmt.Sprintf("bank %s on %s: %s %v, supply %q, boards %v, closed %d, sensors %v, front %s",
			b.Name, b.Line, b.Protocol, codes, b.Supply, boards, *b.ClosedBit, b.ItemSensors, strings.Join(front, " ")))
	}
	return out
}

func banksOfGateway(cfg config.Config) (out []string) {
	for _, b := range cfg.Lockers {
		var codes [3]int
		if b.Codes != nil {
			codes = [3]int{b.Codes.Status, b.Codes.Open, b.Codes.OK}
		}
		var front []string
		for _, column := range b.Columns {
			for _, d := range column.Doors {
				cell := "screen"
				if d.Number > 0 {
					cell = fmt.Sprintf("%d %s", d.Number, d.Size)
				}
				front = append(front, cell)
			}
			front = append(front, "|")
		}
		out = append(out, fmt.Sprintf("bank %s on %s: %s %v, supply %q, boards %v, closed %d, sensors %v, front %s",
			b.Bank, b.Line, b.Protocol, codes, b.Supply, b.Boards, *b.Closed, b.Sensors, strings.Join(front, " ")))
	}
	return out
}

func metersOfBuilding(cfg building.Config) (out []string) {
	for _, g := range cfg.Meters {
		for _, m := range g.Meters {
			out = append(out, fmt.Sprintf("meter %s on %s, unit %d, channel %d: %s, serial %s, total at %d, serial at %d",
				m.ID, g.Line, m.Address, max(1, m.Channel), m.Profile, m.Serial, at(m.Registers.Total), at(m.Registers.Serial)))
		}
	}
	return out
}

func metersOfGateway(cfg config.Config) (out []string) {
	for _, m := range cfg.Meters {
		var total, serial *int
		if m.Registers != nil {
			total, serial = m.Registers.Total, m.Registers.Serial
		}
		out = append(out, fmt.Sprintf("meter %s on %s, unit %d, channel %d: %s, serial %s, total at %d, serial at %d",
			m.ID, m.Line, m.Address, max(1, m.Channel), m.Profile, m.Serial, at(total), at(serial)))
	}
	return out
}

// at is an address that a site has set; -1: it has not.
func at(p *int) int {
	if p == nil {
		return -1
	}
	return *p
}

func doorsOfBuilding(cfg building.Config) (out []string) {
	for _, g := range cfg.Doors {
		for _, d := range g.Doors {
			out = append(out, fmt.Sprintf("door %s (%s, %s) on %s, unit %d: output %d, contact %d, open is %d, exit %d",
				d.ID, d.Name, d.English, g.Line, d.Address, d.Output, at(d.Contact), at(d.OpenIs), at(d.Exit)))
		}
	}
	return out
}

func doorsOfGateway(cfg config.Config) (out []string) {
	for _, d := range cfg.Doors {
		openIs := -1
		if d.Contact != nil {
			openIs = d.OpenIs
		}
		out = append(out, fmt.Sprintf("door %s (%s, %s) on %s, unit %d: output %d, contact %d, open is %d, exit %d",
			d.ID, d.Name, cmp.Or(d.English, d.Name), d.Line, d.Address, d.Output, at(d.Contact), openIs, at(d.Exit)))
	}
	return out
}
