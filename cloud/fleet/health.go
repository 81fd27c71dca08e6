package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	Site        string
	SiteName    string
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
	Count       int      // devices that the gateway has
	More        int      // of them, those that the pulse had no room for: the cloud may not know them, or only as they were
	Devices     []Device // those that the cloud knows, by id; of Survey, those that are not online
	Alarms      []Alarm
}

// Fresh tells whether what the gateway has said may still be so.
func (s State) Fresh() bool { return s == Online || s == Degraded }

// Listed tells whether the newest pulse, or an event since, has spoken of a device.
func (h Health) Listed(d Device) bool { return d.Heard >= h.AsOf }

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
		add(!d.Online && d.Code != wire.DeviceUnasked, "device_silent:"+d.ID)
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
	all, err := healths(ctx, tx, `g.id = $1`, gateway)
	if err != nil {
		return Health{Gateway: gateway}, err
	}
	if len(all) == 0 {
		return Health{Gateway: gateway}, fmt.Errorf("gateway %s: %w", gateway, ErrUnknown)
	}
	h := all[0]
	of, err := devices(ctx, tx, `gateway = $1`, gateway)
	if err != nil {
		return h, err
	}
	h.Devices = of[gateway]
	h.Alarms, err = f.Alarms(ctx, tx, gateway)
	return h, err
}

// Survey reads how all gateways are, in order of their ids, by three queries however many they are. Devices holds those
// that are not online.
func (f *Fleet) Survey(ctx context.Context, tx *store.Tx) ([]Health, error) {
	all, err := healths(ctx, tx, `1 = 1`)
	if err != nil {
		return nil, err
	}
	silent, err := devices(ctx, tx, `online = 0`)
	if err != nil {
		return nil, err
	}
	standing, err := alarms(ctx, tx, `cleared = 0`)
	if err != nil {
		return nil, err
	}
	of := map[string][]Alarm{}
	for _, a := range standing {
		of[a.Gateway] = append(of[a.Gateway], a)
	}
	for n := range all {
		all[n].Devices, all[n].Alarms = silent[all[n].Gateway], of[all[n].Gateway]
	}
	return all, nil
}

// Devices are the devices that the cloud knows of gateways, by gateway, in order of their ids.
func (f *Fleet) Devices(ctx context.Context, tx *store.Tx, gateways ...string) (map[string][]Device, error) {
	if len(gateways) == 0 {
		return nil, nil
	}
	in, args := make([]string, len(gateways)), make([]any, len(gateways))
	for n, id := range gateways {
		in[n], args[n] = fmt.Sprintf("$%d", n+1), id
	}
	return devices(ctx, tx, `gateway IN (`+strings.Join(in, ",")+`)`, args...)
}

func healths(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Health, error) {
	rows, err := tx.Query(ctx, `SELECT g.id, g.site, s.name, d.version, d.hash, d.issued, COALESCE(p.received, 0), COALESCE(p.gone, 0),
		COALESCE(p.epoch, 0), COALESCE(p.boot, 0), COALESCE(p.counter, 0), COALESCE(p.version, ''), COALESCE(p.keyset, 0), COALESCE(p.state_version, 0),
		p.state_hash, COALESCE(p.wall, 0), COALESCE(p.clock, ''), COALESCE(p.undelivered, 0), COALESCE(p.oldest_wall, 0), COALESCE(p.disk_free, 0),
		COALESCE(p.store_size, 0), COALESCE(p.config, ''), COALESCE(p.refused_doc, ''), COALESCE(p.devices, 0), COALESCE(p.more, 0)
		FROM gateways g JOIN sites s ON s.id = g.site JOIN documents d ON d.gateway = g.id LEFT JOIN pulses p ON p.gateway = g.id
		WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (h Health, err error) {
		err = r.Scan(&h.Gateway, &h.Site, &h.SiteName, &h.Wanted.Version, (*hash)(&h.Wanted.Hash), &h.Issued, &h.AsOf, &h.Gone,
			&h.Epoch, &h.Boot, &h.Counter, &h.Version, &h.KeySet, &h.Applied.Version, (*hash)(&h.Applied.Hash), &h.Wall, &h.Clock,
			&h.Undelivered, &h.OldestWall, &h.DiskFree, &h.StoreSize, &h.Config, &h.RefusedDoc, &h.Count, &h.More)
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	// Not in SQL: the engines' collations may differ.
	slices.SortFunc(all, func(a, b Health) int { return strings.Compare(a.Gateway, b.Gateway) })
	return all, nil
}

// seen is the order of the newest pulse taken for health.
type seen struct {
	epoch, boot, counter, connection uint64
	echo                             string
	at                               place
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
	err = tx.QueryRow(ctx, `SELECT epoch, boot, counter, connection, echo, segment, seq FROM pulses WHERE gateway = $1`, gateway).
		Scan(&s.epoch, &s.boot, &s.counter, &s.connection, &s.echo, &s.at.segment, &s.at.seq)
	s.at.epoch = s.epoch
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
	at, h := placeOf(p, living), p.Health
	_, err = tx.Exec(ctx, `INSERT INTO pulses (gateway, received, epoch, boot, counter, connection, gone, echo, version, keyset,
		state_version, state_hash, wall, clock, undelivered, oldest_wall, disk_free, store_size, config, refused_doc, segment, seq, devices, more)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`,
		p.Gateway, now.UnixMicro(), int64(living), int64(p.Boot), int64(p.Counter), int64(p.Connection), max(p.Answer, s.echo), p.Version, int64(p.KeySet),
		int64(p.State.Version), p.State.Hash[:], int64(p.Wall), string(p.Clock), clamp(h.Undelivered), int64(h.OldestWall),
		clamp(h.DiskFree), clamp(h.StoreSize), h.Config, p.RefusedDoc, int64(at.segment), int64(at.seq), int64(len(h.Devices)+h.More), int64(h.More))
	if err != nil {
		return fmt.Errorf("pulse of gateway %s: %w", p.Gateway, err)
	}
	return renewDevices(ctx, tx, p, at, now)
}
