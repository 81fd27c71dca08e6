package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// tap is a connection to a broker that keeps what is published.
type tap struct {
	sent chan uplink.Message
	lost chan struct{}
}

func (t tap) Publish(topic string, payload []byte) bool {
	if topic == wire.ChallengeTopic("gw-1") {
		t.sent <- uplink.Message{Topic: topic, Payload: payload}
	}
	return true
}

func (t tap) Lost() <-chan struct{} { return t.lost }

func (t tap) Close() {}

// A guard opens a door of a running gateway; what the contact says comes back, and commands find their way.
func TestEntranceOfARunningGateway(t *testing.T) {
	module := newPeer(t, relay)
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, fmt.Sprintf(`gateway: gw-1
lines: [{name: n, ports: ['tcp://%s']}]
doors: [{id: ktv, name: 視聽室, english: KTV room, line: n, protocol: modbus-relay, address: 1, output: 0, contact: 0, open_is: 1}]
`, module.address))
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
	defer func() {
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.hardware, d.floor = newHardware(d.log), newFloor(d)
	defer d.hardware.close()
	d.uplink = uplink.New(uplink.Config{Gateway: "gw-1", Key: d.keys.Events}, uplink.Deps{
		Store: d.store, Clock: d.clock, Log: d.log, Jitter: within, Command: d.floor.command, Applied: d.floor.applied,
	})
	if _, err := d.hardware.apply(s.config()); err != nil {
		t.Fatal(err)
	}
	if err := d.floor.apply(ctx, s.config()); err != nil {
		t.Fatal(err)
	}
	defer d.floor.close()
	link, inbox := tap{make(chan uplink.Message, 9), make(chan struct{})}, make(chan func(uplink.Message), 1)
	ended := make(chan error, 1)
	go func() {
		ended <- d.uplink.Run(ctx, func(_ context.Context, _ []byte, deliver func(uplink.Message)) (uplink.Connection, error) {
			inbox <- deliver
			return link, nil
		})
	}()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	service := d.floor.entrance.Load()
	until := func(what string, ok func(doors.Door) bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			shown := service.View().Doors // empty until it has begun
			if len(shown) == 1 && ok(shown[0]) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("not %s: %+v", what, shown)
			}
		}
	}
	until("read", func(d doors.Door) bool { return d.Online && d.Contact == "closed" && d.English == "KTV room" })
	before := module.writes.Load() // it was turned off
	v, err := service.OpenFor(t.Context(), "ktv", "g1", "test")
	if err != nil || v.Intent == "" {
		t.Fatalf("OpenFor = %+v, %v", v, err)
	}
	until("released", func(d doors.Door) bool { return d.State == doors.Released })
	module.inputs.Store(1)
	until("opened", func(d doors.Door) bool {
		return d.State == doors.Open && d.Outcome == doors.Opened && d.Intent == v.Intent
	})
	if n := module.writes.Load() - before; n != 1 { // invariant 5
		t.Errorf("%d frames written for one intent", n)
	}

	deliver := <-inbox
	deliver(uplink.Message{Topic: wire.CommandTopic("gw-1"), Payload: wire.Raw(wire.CommandRequest{Doc: "request", ID: "o1", Device: "door/ktv", What: "open"})})
	select {
	case m := <-link.sent:
		var c wire.Challenge
		if err := json.Unmarshal(m.Payload, &c); err != nil || c.ID != "o1" || c.Device != "door/ktv" || len(c.Challenge) != 43 {
			t.Errorf("challenge %s", m.Payload)
		}
	case <-time.After(20 * time.Second):
		t.Error("no challenge")
	}
	deliver(uplink.Message{Topic: wire.CommandTopic("gw-1"), Payload: []byte("junk")})
	for deadline := time.Now().Add(20 * time.Second); d.uplink.Status().Counters["commands_refused_format"] == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not counted: %v", d.uplink.Status().Counters)
		}
	}
}

// invariant 15: what a changed configuration takes away lets nobody in any more, not even by a release that was on its way.
func TestDoorThatIsGoneReleasesNothing(t *testing.T) {
	const file = "gateway: gw-1\nlines: [{name: n, ports: ['tcp://127.0.0.1:1']}]\n" +
		"doors: [{id: ktv, name: KTV, line: n, protocol: modbus-relay, address: 1, output: 0}]\n"
	for _, changed := range []string{
		"gateway: gw-1\n", strings.Replace(file, "output: 0", "output: 1", 1), strings.Replace(file, "ports: [", "baud: 9600, ports: [", 1),
	} {
		h := newHardware(slog.New(slog.DiscardHandler))
		apply := func(text string) {
			c, faults, err := config.Parse("gateway.yaml", []byte(text))
			if err != nil || len(faults) > 0 {
				t.Fatal(faults, err)
			}
			if _, err := h.apply(c); err != nil {
				t.Fatal(err)
			}
		}
		apply(file)
		old, _, _ := h.doors.slots["ktv"].current()
		apply(changed)
		if _, err := old.Release(t.Context(), time.Second, time.Time{}); !errors.Is(err, drivers.ErrGone) || !strings.Contains(err.Error(), "configured anew") {
			t.Errorf("%s: Release() by the old driver = %v", changed, err)
		}
		h.close()
	}
}
