package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

const ownMap = `vendor: Example
model: pulse counter
sources: [Example manual 4711]
status: unverified
base: 0
quantity: actual
registers:
  - {name: total, function: 3, address: 0, type: uint32, order: ABCD, scale: 10}
`

// folder makes a folder with a configuration and register maps.
func folder(t *testing.T, maps map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "maps"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range maps {
		if err := os.WriteFile(filepath.Join(dir, "maps", name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "gateway.yaml")
}

const ownMeters = `gateway: gw-1
profiles: maps
lines:
  - {name: m, ports: [/dev/serial/by-path/m]}
meters:
  - {id: m-1, line: m, protocol: modbus-rtu, address: 1, profile: own, serial: "1"}
  - {id: m-2, line: m, protocol: modbus-rtu, address: 2, profile: g4, serial: "2"}
`

func TestProfilesOfOnesOwn(t *testing.T) {
	path := folder(t, map[string]string{"own": ownMap})
	c, faults, err := config.Parse(path, []byte(ownMeters))
	if err != nil || len(faults) > 0 {
		t.Fatalf("Parse = %v, %v", faults, err)
	}
	if p, err := c.Library().Profile("own"); err != nil || p.Model != "pulse counter" {
		t.Errorf("Profile(own) = %+v, %v", p, err)
	}
	text, err := c.Excerpt("m")
	if err != nil {
		t.Fatal(err)
	}
	if got := config.ExcerptProfiles(text); !reflect.DeepEqual(got, map[string][]byte{"own": []byte(ownMap)}) {
		t.Errorf("ExcerptProfiles = %q; want the map as it is", got)
	}
}

// A bad register map is named with its own place, and costs the meters that have it. // invariant 9, invariant 12
func TestABadProfileCostsItsMeters(t *testing.T) {
	for _, test := range []struct {
		name       string
		maps       map[string]string
		old, new   string // of the configuration
		want       string
		meters, of int // left, and faults
	}{
		{"a bad map", map[string]string{"own": strings.Replace(ownMap, "uint32", "uint33", 1)}, "gw-1", "gw-2",
			"gateway.yaml:2:11: profiles: DIR/maps/own.yaml:8:", 1, 1},
		{"no such map", nil, "gw-1", "gw-2", `gateway.yaml:6:67: meters[0].profile: "own" is not known; use one of `, 1, 1},
		{"no such folder", nil, "profiles: maps", "profiles: none", "gateway.yaml:2:11: profiles: profiles: open DIR/none: no such file or directory: make the folder", 1, 2},
		{"a name that ships", map[string]string{"own": ownMap, "g4": ownMap}, "gw-1", "gw-2", "g4.yaml:1:1: a profile named g4 ships with the program; give the file another name", 2, 1},
		{"an address that is not the site's to say", map[string]string{"own": ownMap}, "profile: own,", "profile: own, registers: {total: 4},",
			"meters[0].registers.total: profile own leaves no such address to the site; remove it", 1, 1},
		{"an address that the site must say", nil, "profile: own,", "profile: ek2x0,", "meters[0].registers.total: missing; somebody has set it in the device", 1, 2},
		{"a channel that it does not have", map[string]string{"own": ownMap}, "profile: own,", "profile: own, channel: 2,", "gateway.yaml:6:81: meters[0].channel: 2; own has channels 1 to 1", 1, 1},
		{"a scale that is none", nil, "profile: own,", "profile: pcd7-h104d, channel: 4, scale: 1/0,", `meters[0].scale: "1/0"; write`, 1, 1},
		{"a scale that the map says", map[string]string{"own": ownMap}, "profile: own,", "profile: own, scale: 10,", "meters[0].scale: profile own says it already; remove it", 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := folder(t, test.maps)
			c, faults, err := config.Parse(path, []byte(strings.Replace(ownMeters, test.old, test.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			all := strings.ReplaceAll(errorsOf(faults), filepath.Dir(path), "DIR")
			if !strings.Contains(all, test.want) || len(faults) != test.of || len(c.Meters) != test.meters || !config.Usable(faults) {
				t.Errorf("%d meters are left of\n%s\nwant %d, and %d faults with %s", len(c.Meters), all, test.meters, test.of, test.want)
			}
		})
	}
}

func errorsOf(faults []config.Fault) string {
	var all []string
	for _, f := range faults {
		all = append(all, f.Error())
	}
	return strings.Join(all, "\n")
}
