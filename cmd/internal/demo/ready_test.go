package demo

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud"
	"github.com/ntpc-smart-community/lobby/configs"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// ready are the three files of one ready building.
type ready struct {
	building building.Config
	gateway  config.Config
	people   cloud.Community
}

func readyFiles(t *testing.T, name string) (r ready) {
	t.Helper()
	read := func(of string) []byte {
		b, err := configs.FS.ReadFile(of + "-" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var err error
	if r.building, err = building.Parse("building", read("building")); err != nil {
		t.Fatal(err)
	}
	var faults []config.Fault
	if r.gateway, faults, err = config.Parse("gateway.yaml", read("gateway")); err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	key := []byte(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if r.people, err = cloud.ReadCommunity("community", bytes.ReplaceAll(read("community"), []byte("EVENT-KEY"), key)); err != nil {
		t.Fatal(err)
	}
	return r
}

// What the building has, the gateway asks, and the community knows: the same lines, boards, doors, meters and facilities.
func TestReadyBuildingsAgree(t *testing.T) {
	wanted := map[string]struct{ households, meters, compartments, doors int }{
		"demo": {3, 8, 24, 2}, "small": {40, 40, 24, 1}, "tower": {400, 400, 144, 5}, "nightmare": {40, 32, 48, 2},
	}
	for _, name := range Buildings() {
		t.Run(name, func(t *testing.T) {
			r := readyFiles(t, name)
			r.lines(t)
			compartments := r.banks(t)
			r.meters(t)
			r.doors(t)
			if got := struct{ households, meters, compartments, doors int }{len(r.people.Households), len(r.gateway.Meters), compartments, len(r.gateway.Doors)}; got != wanted[name] {
				t.Errorf("%+v; want %+v", got, wanted[name])
			}
			if r.people.Site.Name != r.gateway.Site || r.people.Site.Name != r.building.Name || r.people.Site.ID != name {
				t.Errorf("site %+v, gateway's %s, building's %s; want one name", r.people.Site, r.gateway.Site, r.building.Name)
			}
			if len(r.people.Gateways) != 1 || r.people.Gateways[0].ID != r.gateway.Gateway || r.gateway.Gateway != "gw-"+name {
				t.Errorf("gateways %+v and %s", r.people.Gateways, r.gateway.Gateway)
			}
		})
	}
}

func (r ready) lines(t *testing.T) {
	t.Helper()
	theirs := map[string]config.Line{}
	for _, l := range r.gateway.Lines {
		theirs[l.Name] = l
	}
	for _, l := range r.building.Lines {
		g, ok := theirs[l.Name]
		delete(theirs, l.Name)
		port := "tty/" + l.Name
		if l.TCP != "" {
			port = "tcp://" + l.TCP
			if _, err := netip.ParseAddrPort(l.TCP); err != nil {
				t.Error(err)
			}
		}
		matched := false
		for _, p := range g.Ports {
			if _, pattern, found := strings.Cut(p, "/tty/"); found { // the gateway's paths are absolute
				p = "tty/" + pattern
			}
			yes, err := path.Match(p, port)
			matched = matched || yes && err == nil || p == port
		}
		if !ok || !matched {
			t.Errorf("line %s: the gateway opens %v; want %s", l.Name, g.Ports, port)
		}
		if l.Direct() != r.gateway.Direct(l.Name) || !l.Direct() && g.Baud != l.Baud {
			t.Errorf("line %s: %d baud (direct: %t) and %d (%t)", l.Name, l.Baud, l.Direct(), g.Baud, r.gateway.Direct(l.Name))
		}
	}
	for name := range theirs {
		t.Errorf("the gateway has a line %s, and the building none", name)
	}
}

func (r ready) banks(t *testing.T) (compartments int) {
	t.Helper()
	if len(r.building.Banks) != len(r.gateway.Lockers) {
		t.Fatalf("%d banks and %d", len(r.building.Banks), len(r.gateway.Lockers))
	}
	for i, b := range r.building.Banks {
		l := r.gateway.Lockers[i]
		var boards []int
		locks := 0
		for _, board := range b.Boards {
			boards, locks = append(boards, board.Address), locks+board.Locks
		}
		of := func(v ...any) string { return fmt.Sprint(v...) }
		if a, g := of(b.Name, b.Line, b.Protocol, b.Supply, *b.ClosedBit, b.ItemSensors, boards), of(l.Bank, l.Line, l.Protocol, l.Supply, *l.Closed, l.Sensors, l.Boards); a != g {
			t.Errorf("bank %s: the building has %s, the gateway %s", b.Name, a, g)
		}
		if b.Codes != nil && (l.Codes == nil || of(*b.Codes) != of(*l.Codes)) {
			t.Errorf("bank %s: codes %+v and %+v", b.Name, b.Codes, l.Codes)
		}
		if len(b.Columns) != len(l.Columns) {
			t.Errorf("bank %s: %d columns and %d", b.Name, len(b.Columns), len(l.Columns))
			continue
		}
		for n, column := range l.Columns {
			for m, door := range column.Doors {
				want := of(door.Number) + " " + door.Size
				if door.Size == "screen" {
					want = "screen 6"
				} else if compartments++; door.Lock > locks {
					t.Errorf("bank %s: lock %d of %d", b.Name, door.Lock, locks)
				}
				if m >= len(b.Columns[n]) || b.Columns[n][m] != want {
					t.Errorf("bank %s, column %d: the gateway has %s at %d, the building %v", b.Name, n, want, m, b.Columns[n])
				}
			}
		}
	}
	return compartments
}

func (r ready) meters(t *testing.T) {
	t.Helper()
	type plate struct {
		line, serial, profile string
		address, channel      int
		total, number         string // the registers that the site has chosen
	}
	set := func(at *int) string {
		if at == nil {
			return ""
		}
		return fmt.Sprint(*at)
	}
	there, known := map[string]plate{}, map[string]string{}
	for _, g := range r.building.Meters {
		for _, m := range g.Meters {
			there[m.ID] = plate{g.Line, m.Serial, string(m.Profile), m.Address, max(m.Channel, 1), set(m.Registers.Total), set(m.Registers.Serial)}
		}
	}
	for _, m := range r.people.Meters {
		if known[m.ID] = m.Serial; m.Gateway != r.gateway.Gateway || m.Unit == "" {
			t.Errorf("meter %+v in the community", m)
		}
	}
	units := map[string]bool{}
	for _, m := range r.people.Meters {
		if units[m.Unit] {
			t.Errorf("flat %s has two meters", m.Unit)
		}
		units[m.Unit] = true
	}
	for _, m := range r.gateway.Meters {
		at := config.Registers{}
		if m.Registers != nil {
			at = *m.Registers
		}
		if got, want := (plate{m.Line, m.Serial, m.Profile, m.Address, max(m.Channel, 1), set(at.Total), set(at.Serial)}), there[m.ID]; got != want {
			t.Errorf("meter %s: the gateway asks %+v; the building has %+v", m.ID, got, want)
		}
		if known[m.ID] != m.Serial {
			t.Errorf("meter %s: serial %s, in the community %q", m.ID, m.Serial, known[m.ID])
		}
		delete(there, m.ID)
		delete(known, m.ID)
	}
	if len(there)+len(known) > 0 {
		t.Errorf("the gateway does not ask %v, which are in the building, and %v, which the community knows", there, known)
	}
}

func (r ready) doors(t *testing.T) {
	t.Helper()
	input := func(n *int) int {
		if n == nil {
			return -1
		}
		return *n
	}
	there, facilities := map[string]string{}, map[string]bool{}
	for _, g := range r.building.Doors {
		for _, d := range g.Doors {
			there[d.ID] = fmt.Sprint(g.Line, d.Address, d.Output, input(d.Contact), input(d.Exit), input(d.OpenIs), d.Name, d.English)
		}
	}
	for _, f := range r.people.Facilities {
		facilities[f.Door] = f.Gateway == r.gateway.Gateway
	}
	for _, d := range r.gateway.Doors {
		english := d.English
		if english == "" {
			english = d.Name
		}
		if got := fmt.Sprint(d.Line, d.Address, d.Output, input(d.Contact), input(d.Exit), d.OpenIs, d.Name, english); got != there[d.ID] {
			t.Errorf("door %s: the gateway has %s, the building %s", d.ID, got, there[d.ID])
		}
		if !facilities[d.ID] {
			t.Errorf("door %s is no facility of the community", d.ID)
		}
		delete(there, d.ID)
	}
	for id := range there {
		t.Errorf("the gateway does not know door %s", id)
	}
}

// Everybody who can sign in lives or works there.
func TestReadyAccountsAreKnown(t *testing.T) {
	for _, name := range Buildings() {
		r := readyFiles(t, name)
		known := map[string]bool{}
		for _, h := range r.people.Households {
			for _, m := range h.Members {
				known[m.Subject] = true
			}
		}
		for _, g := range append(r.people.Roles, r.people.Operators...) {
			known[g.Subject] = true
		}
		for _, a := range Accounts(name) {
			if !known[a.Subject] {
				t.Errorf("%s: the community does not know %s", name, a.Subject)
			}
		}
	}
}
