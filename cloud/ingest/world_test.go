package ingest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// oracle is a projection that knows how often each event took effect, and the newest state of each subject.
type oracle struct{ bad func(ingest.Logged) error }

func (oracle) Name() string { return "oracle" }

func (o oracle) Project(ctx context.Context, tx *store.Tx, l ingest.Logged) error {
	_, err := tx.Exec(ctx, `INSERT INTO effects (gateway, name, subject, told, times) VALUES ($1, $2, $3, $4, 1)
		ON CONFLICT (gateway, name) DO UPDATE SET times = effects.times + 1`, l.Gateway, identity(l.First, l.Hash, l.Event), l.Event.Subject, fmt.Sprint(l.Told))
	if err != nil {
		return err
	}
	if l.Newest {
		_, err := tx.Exec(ctx, `INSERT INTO states (gateway, subject, state) VALUES ($1, $2, $3)
			ON CONFLICT (gateway, subject) DO UPDATE SET state = excluded.state`, l.Gateway, l.Event.Subject, string(l.Event.State))
		if err != nil {
			return err
		}
	}
	if o.bad != nil {
		return o.bad(l)
	}
	return nil
}

// identity is an event's first name with its hash: after a fork two events share a name.
func identity(name wire.Name, h wire.Hash, e wire.Event) string {
	if e.First != nil {
		name, h = e.First.Name, e.First.Hash
	}
	return name.String() + "#" + h.String()[:8]
}

func (oracle) Reset(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM effects; DELETE FROM states`)
	return err
}

// world is a cloud and the boxes that a test registers.
type world struct {
	t         testing.TB
	db        *store.DB
	fleet     *fleet.Fleet
	ingest    *ingest.Ingest
	keys      *fleet.Keys
	set       wire.KeySet
	now       time.Time
	published []fleet.Message
}

var start = time.UnixMicro(1_790_000_000_000_000)

func newWorld(t testing.TB, db *store.DB, projections ...ingest.Projection) *world {
	t.Helper()
	keys, set := fleettest.Keys(t)
	return newWorldWith(t, db, keys, set, projections...)
}

func newWorldWith(t testing.TB, db *store.DB, keys *fleet.Keys, set wire.KeySet, projections ...ingest.Projection) *world {
	t.Helper()
	w := &world{t: t, db: db, keys: keys, set: set, now: start}
	w.check(fleet.Migrate(t.Context(), db))
	w.check(ingest.Migrate(t.Context(), db))
	w.write(func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TABLE IF NOT EXISTS effects (gateway TEXT, name TEXT, subject TEXT, told TEXT, times BIGINT, PRIMARY KEY (gateway, name));
			CREATE TABLE IF NOT EXISTS states (gateway TEXT, subject TEXT, state TEXT, PRIMARY KEY (gateway, subject))`)
		return err
	})
	if len(projections) == 0 {
		projections = []ingest.Projection{oracle{}}
	}
	w.fleet = fleet.New(db, keys, fleet.Options{Publish: func(topic string, payload []byte) error {
		w.published = append(w.published, fleet.Message{Topic: topic, Payload: payload})
		return nil
	}})
	w.ingest = ingest.New(db, w.fleet, projections, ingest.Options{Now: func() time.Time { return w.now }})
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(fn func(*store.Tx) error) { w.t.Helper(); w.check(w.db.Write(w.t.Context(), fn)) }
func (w *world) read(fn func(*store.Tx) error)  { w.t.Helper(); w.check(w.db.Read(w.t.Context(), fn)) }

// box registers a new box.
func (w *world) box(id string) *fleettest.Box {
	w.t.Helper()
	b := fleettest.New(w.t, id)
	b.Keys = w.set
	w.register(b)
	return b
}

func (w *world) register(b *fleettest.Box) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		return errors.Join(w.fleet.RegisterSite(w.t.Context(), tx, fleet.Site{ID: "site-1", Name: "site"}, w.now),
			w.fleet.RegisterGateway(w.t.Context(), tx, fleet.Gateway{ID: b.ID, Site: "site-1", EventKey: b.Public()}, w.now))
	})
}

func (w *world) take(id string, blocks ...[]byte) ingest.Taken {
	w.t.Helper()
	var all []ingest.Payload
	for _, b := range blocks {
		all = append(all, ingest.Payload{Gateway: id, Body: b})
	}
	taken, err := w.ingest.Take(w.t.Context(), all)
	w.check(err)
	return taken
}

// pulse lets a box pulse and take the answer.
func (w *world) pulse(b *fleettest.Box) wire.Answer {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	out, err := w.fleet.Pulse(w.t.Context(), b.ID, b.Pulse(), w.now)
	w.check(err)
	return b.Take(out)
}

// drain is the fair schedule: the box pulses and sends what is missing until nothing is.
func (w *world) drain(b *fleettest.Box, size int) {
	w.t.Helper()
	for range 12 {
		w.pulse(b)
		backlog := b.Backlog(size)
		if len(backlog) == 0 {
			return
		}
		w.take(b.ID, backlog...)
	}
	w.t.Fatalf("box %s does not drain", b.ID)
}

func step(subject string, version int) wire.Event {
	return wire.Event{Type: "compartment.changed", Subject: subject, Version: uint64(version), State: wire.Raw(map[string]int{"v": version})}
}

// effects are the names in effect with how often, in order.
func (w *world) effects(gateway string) (all []string) {
	w.t.Helper()
	w.read(func(tx *store.Tx) error {
		rows, err := tx.Query(w.t.Context(), `SELECT name || ' x' || times FROM effects WHERE gateway = $1 ORDER BY name`, gateway)
		if err == nil {
			all, err = store.Texts(rows)
		}
		return err
	})
	slices.Sort(all)
	return all
}

// once fails unless exactly the audit and telemetry events that a box holds took effect, each once.
func (w *world) once(b *fleettest.Box) {
	w.t.Helper()
	if got, want := w.effects(b.ID), held(w.t, b); !slices.Equal(got, want) {
		w.t.Errorf("in effect: %v\nheld: %v", got, want)
	}
}

// held are the events that a box holds, each as in effect once.
func held(t testing.TB, b *fleettest.Box) (all []string) {
	t.Helper()
	for _, s := range b.Segments {
		for i, raw := range s.Events {
			e, err := wire.DecodeEvent(raw)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, identity(wire.Name{Epoch: s.Epoch, Stream: s.Stream, Segment: s.Number, Seq: uint64(i) + 1}, s.Hashes[i], e)+" x1")
		}
	}
	slices.Sort(all)
	return all
}

// tables whose content must not depend on the engine, on chance, or on how often and in what order things came.
var tables = map[string]string{
	"log":       `gateway || ' ' || epoch || stream || segment || '/' || seq || ' ' || effect || ' ' || told FROM log`,
	"positions": `gateway || ' ' || epoch || stream || segment || '/' || seq || ' ' || sealed_end || ' ' || lost FROM positions`,
	"subjects":  `gateway || ' ' || subject || ' ' || epoch || ' ' || version FROM subjects`,
	"firsts":    `gateway || ' ' || epoch || stream || segment || '/' || seq FROM firsts`,
	"refusals":  `gateway || ' ' || epoch || stream || segment || '/' || seq || ' ' || reason FROM refusals`,
	"alarms":    `gateway || ' ' || kind || ' ' || subject || ' ' || times FROM alarms`,
	"epochs":    `gateway || ' ' || epoch || ' ' || previous || ' ' || cause || ' ' || muted FROM epochs`,
	"losses":    `gateway || ' ' || epoch || stream || from_segment || '-' || to_segment || ' ' || cause FROM losses`,
	"streams":   `gateway || ' ' || epoch || stream || ' ' || oldest || ' ' || newest FROM streams`,
	"told":      `gateway || ' ' || epoch || stream || from_segment || '-' || to_segment || '/' || seq FROM told`,
	"effects":   `gateway || ' ' || name || ' ' || told || ' ' || times FROM effects`,
	"states":    `gateway || ' ' || subject || ' ' || state FROM states`,
}

// digest is the content of tables.
func (w *world) digest(names ...string) string {
	w.t.Helper()
	var out strings.Builder
	w.read(func(tx *store.Tx) error {
		for _, name := range names {
			rows, err := tx.Query(w.t.Context(), `SELECT `+tables[name])
			if err != nil {
				return err
			}
			all, err := store.Texts(rows)
			if err != nil {
				return err
			}
			slices.Sort(all)
			fmt.Fprintf(&out, "%s:\n  %s\n", name, strings.Join(all, "\n  "))
		}
		return nil
	})
	return out.String()
}

// all is the digest of everything, with the bytes of what was logged.
func (w *world) all() string {
	var names []string
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	sum := sha256.New()
	w.read(func(tx *store.Tx) error {
		rows, err := tx.Query(w.t.Context(), `SELECT gateway, epoch, stream, segment, seq, hash, event FROM log ORDER BY pos`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var gateway, stream string
			var epoch, segment, seq int64
			var hash, event []byte
			if err := rows.Scan(&gateway, &epoch, &stream, &segment, &seq, &hash, &event); err != nil {
				return err
			}
			fmt.Fprintf(sum, "%s %d %s %d %d %x %s\n", gateway, epoch, stream, segment, seq, hash, event)
		}
		return rows.Err()
	})
	return fmt.Sprintf("%slog in order: %x\n", w.digest(names...), sum.Sum(nil))
}
