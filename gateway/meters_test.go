package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// A probe reads meters and doors too, tells a meter that is another one, and lets nobody in. // invariant 5
func TestProbe(t *testing.T) {
	one, two, module := newPeer(t, meter), newPeer(t, meter), newPeer(t, relay)
	one.serial.Store(10000101)
	one.litres.Store(1_866_400)
	two.serial.Store(10000109)
	module.inputs.Store(1)
	c, faults, err := config.Parse("gateway.yaml", fmt.Appendf(nil, `gateway: gw-1
lines:
  - {name: one, ports: ['tcp://%s']}
  - {name: two, ports: ['tcp://%s']}
  - {name: gone, ports: ['tcp://127.0.0.1:1']}
  - {name: doors, ports: ['tcp://%s']}
meters:
  - {id: m-1, line: one, protocol: modbus-tcp, address: 1, profile: g4, serial: "10000101"}
  - {id: m-2, line: two, protocol: modbus-tcp, address: 1, profile: g4, serial: "10000102"}
  - {id: m-3, line: gone, protocol: modbus-tcp, address: 1, profile: g4, serial: "10000103"}
doors:
  - {id: ktv, name: KTV, line: doors, protocol: modbus-relay, address: 1, output: 0, contact: 0, open_is: 1}
`, one.address, two.address, module.address))
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	found, err := Probe(t.Context(), c, true)
	if err != nil || len(found) != 4 {
		t.Fatalf("Probe = %+v, %v", found, err)
	}
	if p := found[0]; p.Device != "meter/m-1" || !p.OK || p.Litres == nil || *p.Litres != 1_866_400 || p.Serial != "10000101" || p.Port == "" || p.Error != "" {
		t.Errorf("a good meter: %+v", p)
	}
	if p := found[1]; p.OK || p.Serial != "10000109" || p.Error != "meter 10000109 answers, want 10000102: check the address set in the meter and the serial on its plate" {
		t.Errorf("another meter: %+v", p)
	}
	if p := found[2]; p.OK || p.Litres != nil || p.Error == "" {
		t.Errorf("a meter that is not there: %+v", p)
	}
	if p := found[3]; p.Device != "door/ktv" || !p.OK || p.Door != "open" {
		t.Errorf("an open door: %+v", p)
	}
	if r := found[0].Registers; len(r) != 4 || r[0].Name != "total" || r[0].Words != "001c 7aa0" || r[0].Number != "1866400" || r[0].Litres == nil || *r[0].Litres != 1_866_400 || found[0].Configured != "10000101" {
		t.Errorf("a good meter, explained: %+v", found[0])
	}
	if r := found[1].Registers; len(r) != 4 || r[2].Name != "serial" || r[2].Number != "10000109" {
		t.Errorf("another meter, explained: %+v", r)
	}
	if r := found[3].Registers; len(r) != 2 || r[0].Name != "contact" || r[0].Words != "1" || r[1].Name != "output" || r[1].Words != "0" {
		t.Errorf("an open door, explained: %+v", r)
	}
	if n := module.writes.Load(); n != 0 {
		t.Errorf("a probe wrote %d times to the relay module", n)
	}
}

// The meters of a running gateway are read, and health says how they stand.
func TestMetersOfARunningGateway(t *testing.T) {
	device := newPeer(t, meter)
	device.serial.Store(10000101)
	device.litres.Store(1_866_400)
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, fmt.Sprintf(`gateway: gw-1
kiosk: {listen: '127.0.0.1:0'}
metrics: {listen: '127.0.0.1:0'}
lines: [{name: n, ports: ['tcp://%s']}]
metering: {every: 1s}
meters: [{id: m-1, line: n, protocol: modbus-tcp, address: 1, profile: g4, serial: "10000101"}]
`, device.address))
	ctx, cancel := context.WithCancel(t.Context())
	done, ready := make(chan error, 1), make(chan Addresses, 1)
	go func() {
		done <- Run(ctx, Options{Config: path, Data: filepath.Join(dir, "data"), Look: fstest.MapFS{}, Log: slog.New(slog.DiscardHandler), Ready: func(a Addresses) { ready <- a }})
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}()
	var at Addresses
	select {
	case at = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	until := func(quality string, litres int64) {
		t.Helper()
		var r struct {
			Status string
			Why    []string
			Meters []struct {
				ID, Quality string
				Litres      int64
			}
		}
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			answer, err := http.Get("http://" + at.Metrics + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			err = json.NewDecoder(answer.Body).Decode(&r)
			answer.Body.Close()
			if err == nil && len(r.Meters) == 1 && r.Meters[0].Quality == quality && r.Meters[0].Litres == litres {
				if degraded := r.Status != "ok"; degraded != (quality != "good") {
					t.Errorf("with a reading that is %s health is %s: %v", quality, r.Status, r.Why)
				}
				return
			}
		}
		t.Errorf("health says %+v; want %s and %d litres", r, quality, litres)
	}
	until("good", 1_866_400)
	device.litres.Store(1_866_401)
	until("good", 1_866_401)
	device.litres.Store(1_500_000)
	until("backwards", 1_866_401)
}

// A change of the meters exchanges their service, and nothing else.
func TestAChangeExchangesOneService(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, file)
	s, err := openSettings(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{o: Options{Data: dir, Look: fstest.MapFS{}}, settings: s, log: slog.New(slog.DiscardHandler)}
	if d.keys, err = OpenKeys(dir); err != nil {
		t.Fatal(err)
	}
	if err := d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.store.Close()
	d.hardware = newHardware(d.log)
	defer d.hardware.close()
	d.floor = newFloor(d)
	defer d.floor.close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	apply := func(text string) {
		t.Helper()
		c, _, err := config.Parse(path, []byte(text))
		if err == nil {
			_, err = d.hardware.apply(c)
		}
		if err == nil {
			err = d.floor.apply(ctx, c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	apply(file)
	parcels, meters := d.floor.service.Load(), d.floor.meters.Load()
	apply(file)
	if d.floor.service.Load() != parcels || d.floor.meters.Load() != meters || meters == nil {
		t.Error("an equal configuration exchanged a service")
	}
	apply(file + "metering: {every: 15m}\n")
	if d.floor.service.Load() != parcels || d.floor.meters.Load() == meters {
		t.Error("another schedule of the meters must exchange their service alone")
	}
	meters = d.floor.meters.Load()
	apply(file + "metering: {every: 15m}\nkiosk: {phone: '1'}\n")
	if d.floor.service.Load() == parcels || d.floor.meters.Load() != meters {
		t.Error("another phone number must exchange the parcels and their pages alone")
	}
	apply("gateway: gw-1\nsite: 示範社區\n")
	if d.floor.meters.Load() != nil || d.floor.readings() != nil {
		t.Error("without meters their service goes on")
	}
}

// An output without a timer of its own is turned off before its line ends. // invariant 15
func TestOutputsAreOffBeforeTheirLineEnds(t *testing.T) {
	module := newPeer(t, relay)
	text := fmt.Sprintf(`gateway: gw-1
lines: [{name: doors, ports: ['tcp://%s']}]
doors: [{id: ktv, name: KTV, line: doors, protocol: modbus-relay, address: 1, output: 0, contact: 0, timer: none}]
`, module.address)
	h := newHardware(slog.New(slog.DiscardHandler))
	apply := func(text string) {
		t.Helper()
		c, faults, err := config.Parse("gateway.yaml", []byte(text))
		if err == nil && len(faults) == 0 {
			_, err = h.apply(c)
		}
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
		if err := whenOpen(t.Context(), func(ctx context.Context) error {
			_, err := held(h, &h.doors)["ktv"].Status(ctx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	apply(text)
	before := module.writes.Load()
	apply(strings.Replace(text, "name: doors,", "name: doors, baud: 9600,", 1))
	line := module.writes.Load()
	apply(strings.Replace(text, "name: doors,", "name: doors, baud: 9600,", 1) + "site: x\n")
	same := module.writes.Load()
	h.close()
	end := module.writes.Load()
	if before != 0 || line == before || same != line || end == same {
		t.Errorf("written %d times at first, %d when the line was exchanged, %d when nothing was, %d at the end", before, line, same, end)
	}
}
