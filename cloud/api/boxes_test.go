package api_test

import (
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// A device's last error is its driver's words; one that a pulse had no room for is stale, and counted.
func TestDevicesSayWhatIsWrong(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		box := fleettest.New(t, "gw-x")
		b.Write(func(tx *store.Tx) error {
			return b.Fleet.RegisterGateway(t.Context(), tx, fleet.Gateway{ID: "gw-x", Site: "site-a", EventKey: box.Public()}, b.Now)
		})
		door := wire.DeviceHealth{ID: "door/ktv", Kind: "door", Online: true}
		meter := wire.DeviceHealth{ID: "meter/m-1", Kind: "gas_meter", Code: "silent", Error: "bus gas: port is gone: check that the adapter is plugged in"}
		for n, devices := range [][]wire.DeviceHealth{{door, meter}, {meter}} {
			box.Health.Devices, box.Health.More = devices, n
			b.Now = b.Now.Add(1e9)
			_, err := b.Fleet.Pulse(t.Context(), "gw-x", box.Pulse(), b.Now)
			b.Must(err)
		}
		_, _, devices := b.Ask(cloudtest.BossA, "GET", "/v1/devices?site=site-a", "")
		_, _, gateway := b.Ask(cloudtest.BossA, "GET", "/v1/gateways/gw-x", "")
		for text, in := range map[string]string{
			`"error":"bus gas: port is gone: check that the adapter is plugged in"`:        devices,
			`{"id":"door/ktv","gateway":"gw-x","kind":"door","online":false,"stale":true}`: devices,
			`"devices":2,"unlisted":1`: gateway,
		} {
			if !strings.Contains(in, text) {
				t.Errorf("no %s in %s", text, in)
			}
		}
	})
}
