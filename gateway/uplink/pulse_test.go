package uplink

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// A pulse fits into a message whatever a building has to say, and names first what does not answer. // invariant 13
func TestAPulseOfManyDevicesFits(t *testing.T) {
	full := wire.Pulse{Gateway: site, Nonce: strings.Repeat("n", 26), Boot: 1 << 40, Counter: 1 << 40, Answer: strings.Repeat("9", 26), Version: "1.0.0"}
	for n := range uint64(8) {
		full.Held = append(full.Held, wire.Head{Epoch: n, Stream: wire.Telemetry, Oldest: 1 << 20, Segment: 1 << 30, Seq: wire.SegmentEvents, Hash: wire.Hash{1}})
	}
	for range maxMissing {
		full.Missing = append(full.Missing, wire.Hash{2})
	}
	for n := range uint64(maxTold) {
		full.Delivered = append(full.Delivered, wire.Row{Epoch: n, Stream: wire.Telemetry, Partial: []wire.Position{{Segment: 1 << 30, Seq: 9999, Hash: wire.Hash{3}, End: 9999}}})
	}
	bare := wire.Pulse{Gateway: site, Nonce: "n"}
	tests := []struct {
		name   string
		pulse  wire.Pulse
		silent int // of 500
		least  int // listed
		fit    bool
	}{
		{"all well", bare, 0, 500, true},
		{"a few silent", bare, 20, 500, true},
		{"all silent", bare, 500, 200, false},
		{"all silent, much else to say", full, 500, 20, false},
	}
	for _, tt := range tests {
		w := newWorld(t, 1)
		for n := range 500 {
			d := wire.DeviceHealth{ID: fmt.Sprintf("meter/m-%03d", n), Kind: "gas_meter", Online: n < 500-tt.silent, At: 1_780_000_000_000_000}
			if !d.Online {
				d.Code, d.Error = "silent", strings.Repeat("線", 53)
			}
			tt.pulse.Health.Devices = append(tt.pulse.Health.Devices, d)
		}
		payload, err := w.up.sign(tt.pulse)
		if err != nil || len(payload) > wire.MaxMessage {
			t.Errorf("%s: %d bytes, %v; want at most %d", tt.name, len(payload), err, wire.MaxMessage)
			continue
		}
		var got wire.Pulse
		if err := wire.Open(public(boxKey), wire.ContextPulse, payload, &got); err != nil {
			t.Fatal(err)
		}
		listed := len(got.Health.Devices)
		if listed < tt.least || (got.Health.More == 0) != tt.fit || listed+got.Health.More != 500 {
			t.Errorf("%s: %d bytes list %d devices and leave out %d; want %d or more", tt.name, len(payload), listed, got.Health.More, tt.least)
		}
		t.Logf("%s: %d bytes, %d listed, %d more", tt.name, len(payload), listed, got.Health.More)
	}
}

// After a start devices have not been asked yet; the cloud is told how they are as soon as they have been, not a minute
// later.
func TestUnaskedDevicesArePulsedAgainSoon(t *testing.T) {
	w := newWorld(t, 1)
	w.connect()
	w.run(time.Minute) // keys and documents are there
	w.restart()
	board := wire.DeviceHealth{ID: "locker/A/board/0", Code: wire.DeviceUnasked}
	w.up.deps.Health = func() wire.Health { return wire.Health{Devices: []wire.DeviceHealth{board}} }
	w.connect()
	if wait := w.up.pulseDue - w.mono; wait > 2*hurryFirst {
		t.Errorf("the next pulse comes in %v while a device was not asked", wait)
	}
	board.Online, board.Code = true, ""
	for h := (wire.Health{}); len(h.Devices) == 0 || !h.Devices[0].Online; h = w.cloud.pulses[len(w.cloud.pulses)-1].Health {
		w.step()
	}
	if wait := w.up.pulseDue - w.mono; wait < pulseEvery-time.Second {
		t.Errorf("the next pulse comes in %v though all were asked", wait)
	}
}
