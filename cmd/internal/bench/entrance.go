package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// commandPace is more than a fifth of a minute: a gateway takes five commands a minute, and none in the first twelve
// seconds after its start.
const commandPace = 12500 * time.Millisecond

// entrance is a gateway with one door, which has the gateway's name, on a line of its own.
type entrance struct {
	id      string
	key     ed25519.PrivateKey // of its events
	store   *store.Store
	bus     *bus.Bus
	tap     *tap
	service *doors.Service
	uplink  *uplink.Uplink
	heard   chan time.Time // when something came on the command topic
	due     time.Time      // when it takes the next command
}

// entrancesOf names gateways with keys of their own.
func entrancesOf(n int) (all []*entrance) {
	for i := range n {
		all = append(all, &entrance{id: fmt.Sprintf("gw-%d", i+1), key: newKey(), tap: &tap{}, heard: make(chan time.Time, 8)})
	}
	return all
}

// registered is the gateway as the cloud is told of it.
func (e *entrance) registered() fleet.Gateway {
	return fleet.Gateway{ID: e.id, EventKey: e.key.Public().(ed25519.PublicKey)}
}

// relayLines describes a line for each entrance, with a relay module and the door wired to it.
func relayLines(all []*entrance) string {
	text, doors := "name: bench\nseed: 1\nlines:\n", "doors:\n"
	for _, e := range all {
		text += fmt.Sprintf("  - {name: %s, baud: 9600}\n", e.id)
		doors += fmt.Sprintf("  - line: %s\n    doors: [{id: %s, name: bench, address: 1, output: 0, contact: 0, open_is: 1, exit: 1}]\n", e.id, e.id)
	}
	return text + doors
}

// open wires the gateway; tty is the folder of its line. The caller closes the store.
func (e *entrance) open(dir, tty string, c *smallCloud, log *slog.Logger) (err error) {
	if e.store, err = store.Open(filepath.Join(dir, e.id+".db"), store.Options{Gateway: e.id, Key: e.key}); err != nil {
		return err
	}
	e.bus = bus.New(bus.Config{Name: e.id, Ports: []string{filepath.Join(tty, e.id)}, Baud: 9600}, bus.Deps{Log: log, Observe: e.tap.see})
	contact, exit := 0, 1
	door, err := modbus.NewDoor(e.bus, modbus.DoorConfig{Device: "door/" + e.id, Address: 1, Flash: true, Contact: &contact, OpenIs: 1, Exit: &exit, Log: log})
	if err != nil {
		return errors.Join(err, e.store.Close())
	}
	now := clock.New(e.store.Boot(), time.Time{}, clock.System())
	e.uplink = c.link(uplink.Config{Gateway: e.id, Key: e.key}, uplink.Deps{Store: e.store, Clock: now, Log: log, Command: e.command})
	e.service, err = doors.New(doors.Deps{
		Store: e.store, Clock: now, Key: newKey().Seed(), Doors: map[string]drivers.Door{e.id: door}, Publish: e.uplink.Publish, Count: e.uplink.Count,
		KeepFloor: func(tx *store.Tx) error { return uplink.KeepFloor(tx, now) }, Log: log,
	}, doors.Config{Gateway: e.id, Doors: []doors.DoorConfig{{ID: e.id, Name: "bench", HasContact: true}}})
	if err != nil {
		return errors.Join(err, e.store.Close())
	}
	return nil
}

// command notes when something came, and hands it on.
func (e *entrance) command(payload []byte) {
	select {
	case e.heard <- time.Now():
	default: // nobody measures
	}
	e.service.Command(payload)
}

// ready waits until the door answers and the cloud's keys are here.
func (e *entrance) ready(ctx context.Context) error {
	err := tillRight(ctx, func() error {
		var keys wire.KeySet
		err := e.store.View(func(tx *store.Tx) (err error) {
			keys, err = document.Keys(tx)
			return err
		})
		view := e.service.View()
		if err == nil && (len(keys.Keys) == 0 || len(view.Doors) == 0 || !view.Doors[0].Online) {
			err = fmt.Errorf("gateway %s: no keys, or no door", e.id)
		}
		return err
	})
	e.due = time.Now().Add(commandPace)
	return err
}

// released tells whether a frame releases a door: function 05, to a coil that switches for a time (docs/modbus.md 5).
func released(frame []byte) bool { return len(frame) == 8 && frame[1] == 5 && frame[2] == 2 }

// releases counts how often the doors were released, by the modules' own account.
func releases(b *building.Building, all []*entrance) (n uint64, err error) {
	for _, e := range all {
		door, err := b.Door(e.id)
		if err != nil {
			return 0, err
		}
		n += door.State().Counts.Releases
	}
	return n, nil
}
