// Package cloudtest is a cloud with two communities, a gateway each, and what happened there, for the tests of the cloud's
// rooms. Gateways report by signed blocks, as they do.
package cloudtest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/api"
	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/notify"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// PINs and codes that must be seen by their holders alone.
const (
	PINA1     = "482913"
	PINA2     = "175066"
	PINB1     = "903714"
	CodeA1    = "40718265"
	CodeB1    = "58392016"
	CodeBlack = "66201984"
	CodeChen  = "71529038"
)

// Secrets are all of them.
func Secrets() []string { return []string{PINA1, PINA2, PINB1, CodeA1, CodeB1, CodeBlack, CodeChen} }

// The people: their tokens are their subjects.
const (
	ResA1    = "res-a1"   // lives in A-1 of site-a
	ResA2    = "res-a2"   // lives in A-2 of site-a
	ResB1    = "res-b1"   // lives in A-1 of site-b
	GuardA   = "guard-a"  // guard of site-a
	BossA    = "boss-a"   // manager of site-a
	BossB    = "boss-b"   // manager of site-b
	Ops      = "ops"      // operator everywhere
	Nobody   = "nobody"   // signed in and belongs nowhere
	Unsigned = "unsigned" // not signed in
)

func community(site, extra string) string {
	return strings.NewReplacer("SITE", site, "EXTRA", extra).Replace(`
site: {id: SITE, name: 社區 SITE}
issuer: https://sign-in.example
units:
  - {label: A-1, id: SITE-u1}
  - {label: A-2, id: SITE-u2}
households:
  - {id: SITE-h1, unit: A-1, from: 2026-01-01, members: [{subject: res-FLAT1, name: 陳大明, role: owner}]}
EXTRA`)
}

// Bench is a cloud with two sites, a gateway each, and what happened there.
type Bench struct {
	T    testing.TB
	dir  string
	DSN  string
	DB   *store.DB
	Keys *fleet.Keys
	Seal wire.Key
	Now  time.Time
	Log  *lockedBuffer

	Fleet      *fleet.Fleet
	Identity   *identity.Identity
	Ingest     *ingest.Ingest
	Parcels    *parcels.Parcels
	Facilities *facilities.Facilities
	Once       *once.Keys
	API        *api.API
	boxes      map[string]ed25519.PrivateKey
	heads      map[string]*head
	pulses     uint64
	readings   map[string]*head // of each gateway's telemetry

	mu   sync.Mutex
	sent []fleet.Message
}

type head struct {
	seq  uint64
	hash wire.Hash
}

// lockedBuffer takes the log of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Each runs fn on both engines.
func Each(t *testing.T, fn func(t *testing.T, b *Bench)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, New(t, storetest.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { fn(t, New(t, storetest.Postgres(t))) })
}

// New makes a cloud over an empty database.
func New(t testing.TB, dsn string) *Bench {
	t.Helper()
	b := &Bench{
		T: t, dir: t.TempDir(), DSN: dsn, DB: storetest.Open(t, dsn), Now: time.Date(2026, 6, 15, 4, 0, 0, 0, time.UTC), Log: &lockedBuffer{},
		boxes: map[string]ed25519.PrivateKey{}, heads: map[string]*head{}, readings: map[string]*head{},
	}
	b.makeKeys()
	for _, migrate := range []func() error{
		func() error { return fleet.Migrate(t.Context(), b.DB) }, func() error { return identity.Migrate(t.Context(), b.DB) },
		func() error { return ingest.Migrate(t.Context(), b.DB) }, func() error { return parcels.Migrate(t.Context(), b.DB) },
		func() error { return notify.Migrate(t.Context(), b.DB) }, func() error { return facilities.Migrate(t.Context(), b.DB) },
		func() error { return once.Migrate(t.Context(), b.DB) }, func() error { return gas.Migrate(t.Context(), b.DB) },
	} {
		b.Must(migrate())
	}
	log := slog.New(slog.NewJSONHandler(b.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	now := func() time.Time { return b.Now }
	b.Identity = identity.New(b.DB, identity.Config{Issuer: "https://sign-in.example", ClientID: "lobby", Public: "https://lobby.example", Now: now, Log: log})
	b.Fleet = fleet.New(b.DB, b.Keys, fleet.Options{Publish: b.publish, Sources: []fleet.PartSource{b.Identity, parcels.Documents{}, facilities.Documents{Now: now}}, Log: log})
	b.Ingest = ingest.New(b.DB, b.Fleet, []ingest.Projection{parcels.Projection{}, gas.Projection{}, notify.Projection{}, facilities.Projection{Fleet: b.Fleet}}, ingest.Options{Now: now, Log: log})
	b.Parcels, b.Facilities, b.Once = parcels.New(b.Fleet), facilities.New(b.Fleet), once.New(b.DB)
	b.API = api.New(api.Parts{DB: b.DB, Fleet: b.Fleet, Identity: b.Identity, Ingest: b.Ingest, Parcels: b.Parcels, Facilities: b.Facilities, Once: b.Once, Now: now, Log: log, Version: "test"})
	b.people()
	return b
}

// Must ends the test on an error.
func (b *Bench) Must(err error) {
	b.T.Helper()
	if err != nil {
		b.T.Fatal(err)
	}
}

func (b *Bench) makeKeys() {
	until := b.Now.AddDate(1, 0, 0)
	_, err := fleet.CreateRoot(filepath.Join(b.dir, "root.key"))
	b.Must(err)
	root, err := fleet.LoadRoot(filepath.Join(b.dir, "root.key"))
	b.Must(err)
	set := wire.KeySet{Fleet: "test", Version: 1}
	for _, use := range []string{fleet.UseState, fleet.UseAnswer, fleet.UseCommand, fleet.UseTicket, fleet.UseSeal} {
		k, err := fleet.CreateKey(b.dir, use+"-1", use, until)
		b.Must(err)
		set.Keys = append(set.Keys, k)
		if use == fleet.UseSeal {
			b.Seal = k
		}
	}
	signed, err := fleet.SignKeySet(root, set)
	b.Must(err)
	b.Must(os.WriteFile(filepath.Join(b.dir, fleet.KeySetFile), signed, 0o600))
	b.Keys, err = fleet.LoadKeys(b.dir)
	b.Must(err)
}

func (b *Bench) people() {
	b.Write(func(tx *store.Tx) error {
		for _, site := range []string{"site-a", "site-b"} {
			public, private, err := ed25519.GenerateKey(nil)
			b.Must(err)
			b.Must(b.Fleet.RegisterSite(b.T.Context(), tx, fleet.Site{ID: site, Name: "社區 " + site}, b.Now))
			b.Must(b.Fleet.RegisterGateway(b.T.Context(), tx, fleet.Gateway{ID: site + "-gw", Site: site, EventKey: public}, b.Now))
			b.boxes[site+"-gw"], b.heads[site+"-gw"] = private, &head{}
			b.Must(parcels.Import(b.T.Context(), tx, site, parcels.Desk{
				Couriers: []wire.Courier{{ID: "black", Name: "黑貓 " + site, To: 1440, Until: wire.At(b.Now.AddDate(1, 0, 0))}},
				Guards:   []wire.Guard{{ID: "chen", Masked: "陳○明", Until: wire.At(b.Now.AddDate(1, 0, 0))}},
			}))
			b.Must(facilities.Import(b.T.Context(), tx, b.Fleet, site, []facilities.Facility{
				{ID: "ktv", Gateway: site + "-gw", Door: "ktv", Name: "KTV", English: "KTV room", Facility: rules.Facility{Slot: 60, From: 8 * 60, To: 23 * 60}},
				{ID: "gym", Gateway: site + "-gw", Door: "gym", Name: "健身房", English: "Gym", Once: true, Facility: rules.Facility{Slot: 60, From: 6 * 60, To: 22 * 60}},
			}))
		}
		b.load(tx, strings.ReplaceAll(community("site-a",
			"  - {id: site-a-h2, unit: A-2, from: 2026-01-01, members: [{subject: res-a2, name: 林小美, role: tenant}]}\n"+
				"roles:\n  - {subject: guard-a, name: 王警衛, role: guard}\n  - {subject: boss-a, name: 總幹事, role: manager}\n"), "FLAT1", "a1"))
		b.load(tx, strings.ReplaceAll(community("site-b", "roles:\n  - {subject: boss-b, name: 主任, role: manager}\n"), "FLAT1", "b1"))
		for _, site := range []string{"site-a", "site-b"} {
			b.Must(gas.Import(b.T.Context(), tx, b.Fleet, site, []gas.Meter{
				{Gateway: site + "-gw", ID: "m-1", Unit: site + "-u1", Serial: "10000001"}, {Gateway: site + "-gw", ID: "m-2", Unit: site + "-u2", Serial: "10000002"},
			}))
		}
		for _, subject := range []string{ResA1, ResA2, ResB1, GuardA, BossA, BossB, Ops, Nobody} {
			id, err := identity.AddPerson(b.T.Context(), tx, "https://sign-in.example", subject, "")
			b.Must(err)
			if subject == Ops {
				b.Must(identity.Grant(b.T.Context(), tx, id, identity.Everywhere, identity.Operator))
			}
			sum := sha256.Sum256([]byte(subject))
			_, err = tx.Exec(b.T.Context(), `INSERT INTO sessions (hash, person, expires) VALUES ($1, $2, $3)`, sum[:], id, b.Now.AddDate(1, 0, 0).UnixMicro())
			b.Must(err)
		}
		return nil
	})
}

func (b *Bench) load(tx *store.Tx, text string) {
	b.T.Helper()
	c, err := identity.ReadCommunity("c.yaml", []byte(text))
	b.Must(err)
	b.Must(identity.Import(b.T.Context(), tx, c))
}

// publish keeps what goes to gateways.
func (b *Bench) publish(topic string, payload []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, fleet.Message{Topic: topic, Payload: payload})
	return nil
}

// Sent is what has gone to gateways on a topic.
func (b *Bench) Sent(topic string) (all [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.sent {
		if m.Topic == topic {
			all = append(all, m.Payload)
		}
	}
	return all
}

// Prove has somebody sign in anew, now.
func (b *Bench) Prove(who string) {
	b.T.Helper()
	b.Write(func(tx *store.Tx) error {
		sum := sha256.Sum256([]byte(who))
		_, err := tx.Exec(b.T.Context(), `UPDATE sessions SET proven = $1 WHERE hash = $2`, b.Now.UnixMicro(), sum[:])
		return err
	})
}

// Book books a slot for a household of site-a, as the page does.
func (b *Bench) Book(facility, household string, from time.Time) facilities.Booking {
	b.T.Helper()
	var out facilities.Booking
	b.Write(func(tx *store.Tx) (err error) {
		out, _, err = b.Facilities.Book(b.T.Context(), tx, facilities.Wanted{Site: "site-a", Facility: facility, Household: household, Person: "p", From: wire.At(from)}, b.Now)
		return err
	})
	return out
}

// Door has the gateway of site-a report a door's state, and what came of it.
func (b *Bench) Door(kind, id string, version uint64, state wire.Door, data any) {
	b.T.Helper()
	b.Send("site-a-gw", wire.Event{Type: kind, Subject: "door/" + id, Version: version, State: Raw(state), Data: Raw(data)})
}

// Write runs fn in a transaction.
func (b *Bench) Write(fn func(*store.Tx) error) {
	b.T.Helper()
	b.Must(b.DB.Write(b.T.Context(), fn))
}

// Send has a gateway report events.
func (b *Bench) Send(gateway string, events ...wire.Event) {
	b.T.Helper()
	b.send(gateway, wire.Audit, b.heads[gateway], events...)
}

func (b *Bench) send(gateway string, stream wire.Stream, h *head, events ...wire.Event) {
	b.T.Helper()
	block := b.block(gateway, stream, 1, h.seq+1, h.hash, 0, events...)
	body, err := wire.EncodeBlock(b.boxes[gateway], block)
	b.Must(err)
	taken, err := b.Ingest.Take(b.T.Context(), []ingest.Payload{{Gateway: gateway, Body: body}})
	b.Must(err)
	if taken.Events != len(events) {
		b.T.Fatalf("%d of %d events taken: %v", taken.Events, len(events), taken.Counts)
	}
	h.seq, h.hash = block.Last(), block.After()
}

func (b *Bench) block(gateway string, stream wire.Stream, segment, first uint64, before wire.Hash, end uint64, events ...wire.Event) wire.Block {
	b.T.Helper()
	block := wire.Block{Gateway: gateway, Epoch: 1, Stream: stream, Segment: segment, First: first, Before: before, End: end}
	for _, e := range events {
		if e.Wall == 0 {
			e.Wall = wire.At(b.Now)
		}
		if e.Clock == "" {
			e.Clock = wire.FromAnswer
		}
		e.Boot = 1
		raw, err := wire.EncodeEvent(e)
		b.Must(err)
		block.Events = append(block.Events, raw)
	}
	return block
}

// Sealed is a secret as a gateway seals it.
func (b *Bench) Sealed(gateway, subject, secret string) *wire.Sealed {
	b.T.Helper()
	s, err := wire.Seal(b.Seal, gateway, subject, []byte(secret))
	b.Must(err)
	return s
}

// Raw encodes what must encode.
func Raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Parcel has a gateway store a parcel, and let the courier's undo end if settled.
func (b *Bench) Parcel(gateway, id, household, unit, pin string, settled bool) {
	b.T.Helper()
	s := wire.Parcel{State: "stored", Household: household, Unit: unit, Compartment: "A-18", Courier: "black", Size: "M",
		PIN: b.Sealed(gateway, "parcel/"+id, pin), StoredAt: wire.At(b.Now)}
	b.Send(gateway, wire.Event{Type: wire.ParcelStored, Subject: "parcel/" + id, Version: 2, State: Raw(s)})
	if settled {
		s.PIN, s.SettledAt = nil, wire.At(b.Now)
		b.Send(gateway, wire.Event{Type: wire.ParcelSettled, Subject: "parcel/" + id, Version: 3, State: Raw(s)})
	}
}

// Code has a gateway mint a code.
func (b *Bench) Code(gateway, id, purpose, holder, code string) {
	b.T.Helper()
	b.Send(gateway, wire.Event{Type: wire.CredentialMinted, Subject: "credential/" + id, Version: 1,
		State: Raw(wire.Credential{Purpose: purpose, Holder: holder, Sealed: b.Sealed(gateway, "credential/"+id, code), Until: wire.At(b.Now.AddDate(1, 0, 0))})})
}

// Story is what happened at both sites.
func (b *Bench) Story() {
	b.T.Helper()
	for _, gw := range []string{"site-a-gw", "site-b-gw"} {
		b.Send(gw, wire.Event{Type: wire.GatewayStarted, Subject: "gateway/" + gw, Data: Raw(wire.Start{Version: "test", Boot: 1})},
			wire.Event{Type: wire.CompartmentMoved, Subject: "compartment/A-18", Version: 1, State: Raw(wire.Compartment{Bank: "A", Number: 18, Content: "occupied"})})
	}
	b.Parcel("site-a-gw", "p-a1", "site-a-h1", "site-a-u1", PINA1, true)
	b.Parcel("site-a-gw", "p-a2", "site-a-h2", "site-a-u2", PINA2, true)
	b.Parcel("site-b-gw", "p-b1", "site-b-h1", "site-b-u1", PINB1, true)
	b.Code("site-a-gw", "c-a1", "household", "site-a-h1", CodeA1)
	b.Code("site-b-gw", "c-b1", "household", "site-b-h1", CodeB1)
	b.Code("site-a-gw", "c-black", "courier", "black", CodeBlack)
	b.Code("site-a-gw", "c-chen", "guard", "chen", CodeChen)
}

// Ask sends one request as somebody and gives status, header and body.
func (b *Bench) Ask(who, method, target, body string, header ...string) (int, http.Header, string) {
	b.T.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if who != Unsigned {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.API.ServeHTTP(w, r)
	out, err := io.ReadAll(w.Result().Body)
	b.Must(err)
	return w.Code, w.Header(), string(out)
}

// Digest is all that the tables hold, sessions apart.
func (b *Bench) Digest() string {
	b.T.Helper()
	var out strings.Builder
	b.Must(b.DB.Read(b.T.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"wishes", "parcels", "parcel_pins", "credentials", "couriers", "guards", "notices", "documents", "log", "facilities", "bookings", "revocations", "commands", "once"} {
			var n int
			if err := tx.QueryRow(b.T.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
				return err
			}
			fmt.Fprintf(&out, "%s %d\n", table, n)
		}
		return nil
	}))
	return out.String()
}

// Settle ends the courier's undo of a parcel of site-a's first household.
func (b *Bench) Settle(id string, version uint64) {
	b.T.Helper()
	b.Send("site-a-gw", wire.Event{Type: wire.ParcelSettled, Subject: "parcel/" + id, Version: version, State: Raw(wire.Parcel{State: "stored",
		Household: "site-a-h1", Unit: "site-a-u1", Compartment: "A-18", StoredAt: wire.At(b.Now), SettledAt: wire.At(b.Now)})})
}

// Collect ends a parcel of site-a's first household.
func (b *Bench) Collect(id string, version uint64) {
	b.T.Helper()
	b.Send("site-a-gw", wire.Event{Type: wire.ParcelCollected, Subject: "parcel/" + id, Version: version, State: Raw(wire.Parcel{State: "collected",
		Household: "site-a-h1", Unit: "site-a-u1", StoredAt: wire.At(b.Now), SettledAt: wire.At(b.Now), EndedAt: wire.At(b.Now), How: "user"})})
}

// Block has a gateway report events as a block of any segment of its first epoch, from seq first on; end is the last seq if
// that seals the segment. It gives the chain's hash after the block.
func (b *Bench) Block(gateway string, segment, first uint64, before wire.Hash, end uint64, events ...wire.Event) wire.Hash {
	b.T.Helper()
	block := b.block(gateway, wire.Audit, segment, first, before, end, events...)
	body, err := wire.EncodeBlock(b.boxes[gateway], block)
	b.Must(err)
	_, err = b.Ingest.Take(b.T.Context(), []ingest.Payload{{Gateway: gateway, Body: body}})
	b.Must(err)
	return block.After()
}

// Pulse has a gateway say which segments it holds, and what it has marked delivered.
func (b *Bench) Pulse(gateway string, newest uint64, delivered ...wire.Row) {
	b.T.Helper()
	b.pulses++
	p := wire.Pulse{
		Gateway: gateway, Nonce: fmt.Sprint("n", b.pulses), Boot: 1, Counter: b.pulses, Wall: wire.At(b.Now), Clock: wire.FromAnswer,
		Held: []wire.Head{{Epoch: 1, Stream: wire.Audit, Oldest: 1, Segment: newest}}, Delivered: delivered, Health: wire.Health{Config: "ok"},
	}
	signed, err := wire.Sign(b.boxes[gateway], wire.ContextPulse, p)
	b.Must(err)
	_, err = b.Fleet.Pulse(b.T.Context(), gateway, signed, b.Now)
	b.Must(err)
}

// Events are a parcel's stored, settled and collected events, versions 2 to 4, of site-a's first household.
func (b *Bench) Events(id string) (stored, settled, collected wire.Event) {
	b.T.Helper()
	s := wire.Parcel{State: "stored", Household: "site-a-h1", Unit: "site-a-u1", Compartment: "A-18", Courier: "black", Size: "M", StoredAt: wire.At(b.Now)}
	event := func(kind string, version uint64) wire.Event {
		return wire.Event{Type: kind, Subject: "parcel/" + id, Version: version, State: Raw(s)}
	}
	s.PIN = b.Sealed("site-a-gw", "parcel/"+id, PINA1)
	stored = event(wire.ParcelStored, 2)
	s.PIN, s.SettledAt = nil, wire.At(b.Now)
	settled = event(wire.ParcelSettled, 3)
	s.State, s.EndedAt, s.How = "collected", wire.At(b.Now), "user"
	collected = event(wire.ParcelCollected, 4)
	return stored, settled, collected
}

// Logger writes to Log.
func (b *Bench) Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(b.Log, nil)) }
