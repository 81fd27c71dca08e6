package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/configs"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
)

// metersOf is the demo's configuration with its meters alone, read each second, for a building.
func metersOf(t *testing.T, sim *building.Building) string {
	t.Helper()
	b, err := configs.FS.ReadFile("gateway-demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines, _, _ := strings.Cut(string(b)[strings.Index(string(b), "  - name: meters-1"):], "  - name: doors")
	meters, _, _ := strings.Cut(string(b)[strings.Index(string(b), "metering:"):], "doors:")
	text := "gateway: gw-demo\nkiosk: {listen: '127.0.0.1:0'}\nmetrics: {listen: '127.0.0.1:0'}\nlines:\n" + lines + "\n" + strings.Replace(meters, "every: 5s", "every: 1s", 1)
	for _, l := range sim.State().Lines {
		if l.Name == "meters-2" {
			return strings.Replace(text, "tcp://127.0.0.1:8502", l.Path, 1)
		}
	}
	t.Fatal("the building has no meters on the network")
	return ""
}

// Eight meters on two lines, over a real pty and TCP: read, and each kind of trouble named for what it is, until it is
// over or a person has looked.
func TestMetersThroughTheWire(t *testing.T) {
	b := runWith(t, func(sim *building.Building) string { return metersOf(t, sim) })
	total := func(id string) int64 {
		all := b.sim.State().Meters
		return all[slices.IndexFunc(all, func(m building.MeterState) bool { return m.ID == id })].Litres
	}
	stands := func(want map[string]string) func(healthz) bool {
		return func(h healthz) bool {
			for _, m := range h.Meters {
				quality := want[m.ID]
				if quality == "" {
					quality = "good"
				}
				if m.Quality != quality || quality == "good" && (m.Litres > total(m.ID) || m.Litres < total(m.ID)-500) {
					return false
				}
			}
			return len(h.Meters) == 8
		}
	}
	touch := func(id, action string, o building.Options) {
		t.Helper()
		if err := b.sim.TouchMeter(id, action, o); err != nil {
			t.Fatal(err)
		}
	}
	litres := func(n int64) building.Options { return building.Options{Litres: &n} }
	b.until(t, "eight good totals", stands(nil))

	touch("m-101", "replace", building.Options{Serial: "20000001"})
	touch("m-102", "silence", building.Options{})
	touch("m-103", "set", litres(1000))
	touch("m-107", "set", litres(9_000_000))
	b.until(t, "each trouble's own name", stands(map[string]string{"m-101": "identity_mismatch", "m-102": "bad", "m-103": "backwards", "m-107": "jump"}))

	off := false
	touch("m-102", "silence", building.Options{On: &off})
	good := metersOf(t, b.sim)
	b.reload(t, strings.NewReplacer(
		`serial: "10000101"`, `serial: "20000001"`, `serial: "10000107"`, `serial: "10000107", begin: 9000000`,
	).Replace(good))
	b.until(t, "the meters that a person looked at", stands(map[string]string{"m-103": "backwards"}))
}
