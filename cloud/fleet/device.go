package fleet

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Device is one device of a gateway, as the newest word on it says: the gateway's newest pulse or an event of the
// device's own, whichever was made later. Events come at once, pulses each minute.
type Device struct {
	wire.DeviceHealth
	Heard wire.Micros // when the cloud last heard of it
	said  place       // its newest event
}

// place is how far the audit stream of a gateway had come: with an event, or when a pulse was made. It tells which of the
// two was made later, in whatever order they come.
type place struct{ epoch, segment, seq uint64 }

func (p place) before(o place) bool {
	return cmp.Or(cmp.Compare(p.epoch, o.epoch), cmp.Compare(p.segment, o.segment), cmp.Compare(p.seq, o.seq)) < 0
}

// placeOf is where the living epoch stood when a pulse was made. A gateway reads its devices after its heads, so what the
// pulse says of them is newer than any event up to there.
func placeOf(p wire.Pulse, living uint64) place {
	for _, h := range p.Held {
		if h.Epoch == living && h.Stream == wire.Audit {
			return place{living, h.Segment, h.Seq}
		}
	}
	return place{epoch: living}
}

// pulsed gives the devices as they are known after a pulse made at a place. What an event made later has said stays. A
// device that the pulse had no room for stays as it was; one that it no longer knows goes.
func pulsed(known []Device, p wire.Pulse, at place, now time.Time) []Device {
	before, listed := map[string]Device{}, map[string]bool{}
	for _, d := range known {
		before[d.ID] = d
	}
	var all []Device
	for _, h := range p.Health.Devices {
		if listed[h.ID] {
			continue
		}
		listed[h.ID] = true
		old := before[h.ID]
		if at.before(old.said) {
			h.Online, h.Code, h.Error, h.At = old.Online, old.Code, old.Error, max(h.At, old.At)
		}
		if h.Error = wire.Words(h.Error); h.Online {
			h.Error = ""
		}
		all = append(all, Device{h, wire.At(now), old.said})
	}
	for _, d := range known {
		if !listed[d.ID] && (p.Health.More > 0 || at.before(d.said)) {
			all = append(all, d)
		}
	}
	return all
}

// told gives a device after an event of its own, as of wall. That of an older event changes nothing.
func (d Device) told(at place, s wire.Device, wall wire.Micros, now time.Time) Device {
	if !d.said.before(at) {
		return d
	}
	d.said, d.Heard = at, wire.At(now)
	d.Kind, d.Online, d.Code, d.Error = s.Kind, s.Online, s.Code, ""
	if s.Online {
		d.At = max(d.At, wall)
	}
	return d
}

// DeviceSaid takes in the event n by which a gateway says that a device fell silent or returned. An event that the newest
// pulse was made after, or that another event of the device came after, changes nothing.
func (f *Fleet) DeviceSaid(ctx context.Context, tx *store.Tx, gateway, id string, n wire.Name, s wire.Device, wall wire.Micros, now time.Time) error {
	at := place{n.Epoch, n.Segment, n.Seq}
	seen, _, err := f.lastSeen(ctx, tx, gateway)
	if err != nil || !seen.at.before(at) {
		return err
	}
	known, err := devices(ctx, tx, `gateway = $1 AND id = $2`, gateway, id)
	if err != nil {
		return err
	}
	d := Device{DeviceHealth: wire.DeviceHealth{ID: id}}
	if of := known[gateway]; len(of) > 0 {
		d = of[0]
	}
	return keepDevices(ctx, tx, gateway, []Device{d.told(at, s, wall, now)})
}

// renewDevices takes in what a pulse says of devices.
func renewDevices(ctx context.Context, tx *store.Tx, p wire.Pulse, at place, now time.Time) error {
	known, err := devices(ctx, tx, `gateway = $1`, p.Gateway)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM devices WHERE gateway = $1`, p.Gateway); err != nil {
		return fmt.Errorf("devices of gateway %s: %w", p.Gateway, err)
	}
	return keepDevices(ctx, tx, p.Gateway, pulsed(known[p.Gateway], p, at, now))
}

// deviceRows is how many devices one INSERT takes at most.
const deviceRows = 200

func keepDevices(ctx context.Context, tx *store.Tx, gateway string, all []Device) error {
	for some := range slices.Chunk(all, deviceRows) {
		args := []any{gateway}
		var values []string
		for _, d := range some {
			n := len(args)
			values = append(values, fmt.Sprintf("($1,$%d,$%d,$%d,$%d,$%d,$%d,$%d,$%d,$%d,$%d)", n+1, n+2, n+3, n+4, n+5, n+6, n+7, n+8, n+9, n+10))
			args = append(args, d.ID, d.Kind, num(d.Online), int64(d.At), d.Code, d.Error, int64(d.Heard),
				clamp(d.said.epoch), clamp(d.said.segment), clamp(d.said.seq))
		}
		_, err := tx.Exec(ctx, `INSERT INTO devices (gateway, id, kind, online, as_of, code, error, heard, epoch, segment, seq) VALUES `+strings.Join(values, ",")+`
			ON CONFLICT (gateway, id) DO UPDATE SET kind = excluded.kind, online = excluded.online, as_of = excluded.as_of, code = excluded.code,
			error = excluded.error, heard = excluded.heard, epoch = excluded.epoch, segment = excluded.segment, seq = excluded.seq`, args...)
		if err != nil {
			return fmt.Errorf("devices of gateway %s: %w", gateway, err)
		}
	}
	return nil
}

// devices reads devices by gateway, in order of their ids.
func devices(ctx context.Context, tx *store.Tx, where string, args ...any) (map[string][]Device, error) {
	rows, err := tx.Query(ctx, `SELECT gateway, id, kind, online, as_of, code, error, heard, epoch, segment, seq FROM devices WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("devices: %w", err)
	}
	all := map[string][]Device{}
	err = scanAll(rows, func(r *sql.Rows) error {
		var gateway string
		var d Device
		err := r.Scan(&gateway, &d.ID, &d.Kind, &d.Online, &d.At, &d.Code, &d.Error, &d.Heard, &d.said.epoch, &d.said.segment, &d.said.seq)
		all[gateway] = append(all[gateway], d)
		return err
	})
	// Not in SQL: the engines' collations may differ.
	for _, of := range all {
		slices.SortFunc(of, func(a, b Device) int { return strings.Compare(a.ID, b.ID) })
	}
	return all, err
}
