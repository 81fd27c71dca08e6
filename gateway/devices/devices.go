// Package devices records that a device of the building fell silent or came back: an audit event each time, with the
// device's newest state in the same transaction.
//
// A device that comes and goes is recorded at most six times an hour (invariant 13); what it is then is recorded later. A
// Watch belongs to one service's loop, which hands in what its drivers know.
package devices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// MaxFlaps is how many changes of one device are recorded in an hour.
const MaxFlaps = 6

const (
	flapTime    = time.Hour
	silentPolls = 3 // without an answer before a device is recorded as silent
)

// Watch watches the devices of one service.
type Watch struct {
	kind, space string
	store       *store.Store
	clock       *clock.Clock
	log         *slog.Logger
	known       map[string]*device
}

// device is a device as last recorded.
type device struct {
	Version uint64 `json:"version"`
	Online  bool   `json:"online"`

	moved []time.Duration
}

// New makes a watch over devices of a kind (locker_board, gas_meter, door), kept in a space of the store of its own.
func New(kind, space string, s *store.Store, c *clock.Clock, log *slog.Logger) *Watch {
	return &Watch{kind: kind, space: space, store: s, clock: c, log: log, known: map[string]*device{}}
}

// Load reads what was recorded before. A damaged record costs its own device: it is recorded anew.
func (w *Watch) Load(tx *store.Tx) error {
	err := tx.Each(w.space, "", func(key string, value []byte) error {
		var d device
		if json.Unmarshal(value, &d) == nil {
			w.known[key] = &d
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("devices: %w", err)
	}
	return nil
}

// See takes what a driver knows of its devices and records what has changed. Its error is the store's.
func (w *Watch) See(ctx context.Context, all []drivers.Health) error {
	for _, h := range all {
		if err := w.see(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

func (w *Watch) see(ctx context.Context, h drivers.Health) error {
	d, known := w.known[h.Device]
	if !known {
		d = &device{Online: true}
		w.known[h.Device] = d
	}
	now := w.clock.Now()
	d.moved = slices.DeleteFunc(d.moved, func(at time.Duration) bool { return now.Mono-at >= flapTime })
	if h.Online == d.Online || !h.Online && h.Silent < silentPolls || len(d.moved) >= MaxFlaps {
		return nil
	}
	next := device{Version: d.Version + 1, Online: h.Online}
	state, kind := wire.Device{Kind: w.kind, Online: h.Online}, wire.DeviceReturned
	if !h.Online {
		state.Code, kind = "silent", wire.DeviceSilent
	}
	ev := wire.Event{Type: kind, Subject: "device/" + h.Device, Version: next.Version, State: wire.Raw(state)}
	now.Stamp(&ev)
	err := w.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.Put(w.space, h.Device, wire.Raw(next)); err != nil {
			return err
		}
		_, err := tx.Append(wire.Audit, ev)
		return err
	})
	if err != nil {
		return fmt.Errorf("device %s: %w", h.Device, err)
	}
	w.log.Warn("device changed", "device", h.Device, "online", h.Online)
	next.moved = append(d.moved, now.Mono)
	w.known[h.Device] = &next
	return nil
}
