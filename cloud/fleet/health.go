package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// State is how a gateway is, judged when it is asked for.
type State string

// The states of a gateway.
const (
	NeverSeen State = "never_seen" // no pulse has come
	Online    State = "online"
	Degraded  State = "degraded" // online, and Reasons say what is wrong
	Stale     State = "stale"    // two pulses are missing
	Offline   State = "offline"  // its last will came, or five pulses are missing
)

// Limits of the states. A pulse comes each minute, with jitter.
const (
	pulseEvery     = time.Minute
	staleAfter     = 2*pulseEvery + pulseEvery/2
	offlineAfter   = 5*pulseEvery + pulseEvery/2
	backlogAfter   = 15 * time.Minute // age of the oldest undelivered event of a connected gateway
	unappliedAfter = 10 * time.Minute // a state document not applied: somebody may be holding it back
	diskLow        = 512 << 20        // bytes
)

// Health is what a gateway's newest pulse said, with the instant at which the cloud received it.
type Health struct {
	Gateway     string
	AsOf        wire.Micros // when the newest pulse was received; 0: never
	Gone        wire.Micros // when its last will came; 0: connected, as far as is known
	Epoch       uint64
	Boot        uint64
	Counter     uint64
	Version     string
	KeySet      uint64
	Applied     wire.StateVersion
	Wanted      wire.StateVersion
	Issued      wire.Micros // of the wanted state document
	Wall        wire.Micros // the gateway's clock
	Clock       wire.Quality
	Undelivered uint64
	OldestWall  wire.Micros // of the oldest undelivered event
	DiskFree    uint64      // bytes
	StoreSize   uint64      // bytes
	Config      string
	RefusedDoc  string
	Devices     []wire.DeviceHealth
	Alarms      []Alarm
}

// State judges a gateway at now. What is stale or offline is only that: reasons are given for Degraded, as codes.
func (h Health) State(now time.Time) (State, []string) {
	if h.AsOf == 0 {
		return NeverSeen, nil
	}
	silent := now.Sub(h.AsOf.Time())
	switch {
	case h.Gone != 0 || silent > offlineAfter:
		return Offline, nil
	case silent > staleAfter:
		return Stale, nil
	}
	if reasons := h.reasons(now); len(reasons) > 0 {
		return Degraded, reasons
	}
	return Online, nil
}

func (h Health) reasons(now time.Time) []string {
	var all []string
	add := func(is bool, code string) {
		if is {
			all = append(all, code)
		}
	}
	for _, d := range h.Devices {
		add(!d.Online, "device_silent:"+d.ID)
	}
	for _, a := range h.Alarms {
		add(true, "alarm_"+a.Kind)
	}
	add(h.Undelivered > 0 && h.OldestWall > 0 && h.Wall.Time().Sub(h.OldestWall.Time()) > backlogAfter, "backlog")
	add(h.StoreSize > 0 && h.DiskFree < diskLow, "disk_low")
	add(h.Clock == wire.Uncertain, "clock_uncertain")
	add(h.Config != "" && h.Config != "ok", "config_"+h.Config)
	add(h.RefusedDoc != "", "state_refused")
	add(h.Applied != h.Wanted && now.Sub(h.Issued.Time()) > unappliedAfter, "state_not_applied")
	return all
}

// Health reads how a gateway is; ErrUnknown when it is not registered.
func (f *Fleet) Health(ctx context.Context, tx *store.Tx, gateway string) (Health, error) {
	h := Health{Gateway: gateway}
	if _, err := f.Gateway(ctx, tx, gateway); err != nil {
		return h, err
	}
	doc, err := f.document(ctx, tx, gateway)
	if err != nil {
		return h, err
	}
	h.Wanted, h.Issued = doc.version, doc.issued
	err = tx.QueryRow(ctx, `SELECT received, gone, epoch, boot, counter, version, keyset, state_version, state_hash, wall, clock,
		undelivered, oldest_wall, disk_free, store_size, config, refused_doc FROM pulses WHERE gateway = $1`, gateway).
		Scan(&h.AsOf, &h.Gone, &h.Epoch, &h.Boot, &h.Counter, &h.Version, &h.KeySet, &h.Applied.Version, (*hash)(&h.Applied.Hash),
			&h.Wall, &h.Clock, &h.Undelivered, &h.OldestWall, &h.DiskFree, &h.StoreSize, &h.Config, &h.RefusedDoc)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return h, fmt.Errorf("health of gateway %s: %w", gateway, err)
	}
	rows, err := tx.Query(ctx, `SELECT id, kind, online, as_of, code FROM devices WHERE gateway = $1 ORDER BY id`, gateway)
	if err != nil {
		return h, fmt.Errorf("devices of gateway %s: %w", gateway, err)
	}
	h.Devices, err = collect(rows, func(r *sql.Rows) (d wire.DeviceHealth, err error) {
		err = r.Scan(&d.ID, &d.Kind, &d.Online, &d.At, &d.Code)
		return d, err
	})
	if err != nil {
		return h, err
	}
	h.Alarms, err = f.Alarms(ctx, tx, gateway)
	return h, err
}

// seen is the order of the newest pulse taken for health.
type seen struct {
	epoch, boot, counter, connection uint64
	echo                             string
}

// news tells whether a pulse is newer than what was seen. An echo that was never heard before proves it even for a box
// whose disk went back and which counts from before; a replay cannot have one.
func (s seen) news(p wire.Pulse, living uint64) bool {
	switch {
	case p.Answer > s.echo || living > s.epoch:
		return true
	case living < s.epoch || p.Boot < s.boot:
		return false
	}
	return p.Boot > s.boot || p.Counter > s.counter
}

// ended tells whether a last will is that of the connection of the newest pulse, or of a later one.
func (s seen) ended(will wire.Pulse) bool {
	connection := s.connection
	if connection == 0 {
		connection = s.counter // a box that does not say: only a will after its pulse counts
	}
	return will.Boot > s.boot || will.Boot == s.boot && will.Counter >= connection
}

func (f *Fleet) lastSeen(ctx context.Context, tx *store.Tx, gateway string) (s seen, known bool, err error) {
	err = tx.QueryRow(ctx, `SELECT epoch, boot, counter, connection, echo FROM pulses WHERE gateway = $1`, gateway).
		Scan(&s.epoch, &s.boot, &s.counter, &s.connection, &s.echo)
	if errors.Is(err, sql.ErrNoRows) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("pulse of gateway %s: %w", gateway, err)
	}
	return s, true, nil
}

// died takes a last will.
func (f *Fleet) died(ctx context.Context, tx *store.Tx, will wire.Pulse, now time.Time) error {
	s, known, err := f.lastSeen(ctx, tx, will.Gateway)
	if err != nil || !known || !s.ended(will) {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE pulses SET gone = $1 WHERE gateway = $2`, now.UnixMicro(), will.Gateway)
	return err
}

// health keeps what a pulse says, unless a newer one has spoken.
func (f *Fleet) health(ctx context.Context, tx *store.Tx, p wire.Pulse, living uint64, now time.Time) error {
	s, known, err := f.lastSeen(ctx, tx, p.Gateway)
	if err != nil || known && !s.news(p, living) {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM pulses WHERE gateway = $1`, p.Gateway); err != nil {
		return fmt.Errorf("pulse of gateway %s: %w", p.Gateway, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO pulses (gateway, received, epoch, boot, counter, connection, gone, echo, version, keyset,
		state_version, state_hash, wall, clock, undelivered, oldest_wall, disk_free, store_size, config, refused_doc)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		p.Gateway, now.UnixMicro(), int64(living), int64(p.Boot), int64(p.Counter), int64(p.Connection), max(p.Answer, s.echo), p.Version, int64(p.KeySet),
		int64(p.State.Version), p.State.Hash[:], int64(p.Wall), string(p.Clock), clamp(p.Health.Undelivered), int64(p.Health.OldestWall),
		clamp(p.Health.DiskFree), clamp(p.Health.StoreSize), p.Health.Config, p.RefusedDoc)
	if err != nil {
		return fmt.Errorf("pulse of gateway %s: %w", p.Gateway, err)
	}
	return f.keepDevices(ctx, tx, p)
}

func (f *Fleet) keepDevices(ctx context.Context, tx *store.Tx, p wire.Pulse) error {
	if _, err := tx.Exec(ctx, `DELETE FROM devices WHERE gateway = $1`, p.Gateway); err != nil {
		return fmt.Errorf("devices of gateway %s: %w", p.Gateway, err)
	}
	for _, d := range p.Health.Devices {
		_, err := tx.Exec(ctx, `INSERT INTO devices (gateway, id, kind, online, as_of, code) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (gateway, id) DO NOTHING`, p.Gateway, d.ID, d.Kind, num(d.Online), int64(d.At), d.Code)
		if err != nil {
			return fmt.Errorf("device %.80s of gateway %s: %w", d.ID, p.Gateway, err)
		}
	}
	return nil
}
