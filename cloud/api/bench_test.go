package api_test

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
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/notify"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// PINs and codes that must be seen by their holders alone.
const (
	pinA1     = "482913"
	pinA2     = "175066"
	pinB1     = "903714"
	codeA1    = "40718265"
	codeB1    = "58392016"
	codeBlack = "66201984"
	codeChen  = "71529038"
)

func secrets() []string { return []string{pinA1, pinA2, pinB1, codeA1, codeB1, codeBlack, codeChen} }

// The people: their tokens are their subjects.
const (
	resA1   = "res-a1"   // lives in A-1 of site-a
	resA2   = "res-a2"   // lives in A-2 of site-a
	resB1   = "res-b1"   // lives in A-1 of site-b
	guardA  = "guard-a"  // guard of site-a
	bossA   = "boss-a"   // manager of site-a
	bossB   = "boss-b"   // manager of site-b
	ops     = "ops"      // operator everywhere
	nobody  = "nobody"   // signed in and belongs nowhere
	nobodys = "unsigned" // not signed in
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

// bench is a cloud with two sites, a gateway each, and what happened there.
type bench struct {
	t    *testing.T
	dir  string
	dsn  string
	db   *store.DB
	keys *fleet.Keys
	seal wire.Key
	now  time.Time
	log  *lockedBuffer

	fleet    *fleet.Fleet
	identity *identity.Identity
	ingest   *ingest.Ingest
	parcels  *parcels.Parcels
	api      *api.API
	boxes    map[string]ed25519.PrivateKey
	heads    map[string]*head
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

func each(t *testing.T, fn func(t *testing.T, b *bench)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, newBench(t, storetest.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { fn(t, newBench(t, storetest.Postgres(t))) })
}

func newBench(t *testing.T, dsn string) *bench {
	t.Helper()
	b := &bench{
		t: t, dir: t.TempDir(), dsn: dsn, db: storetest.Open(t, dsn), now: time.Date(2026, 6, 15, 4, 0, 0, 0, time.UTC), log: &lockedBuffer{},
		boxes: map[string]ed25519.PrivateKey{}, heads: map[string]*head{},
	}
	b.makeKeys()
	for _, migrate := range []func() error{
		func() error { return fleet.Migrate(t.Context(), b.db) }, func() error { return identity.Migrate(t.Context(), b.db) },
		func() error { return ingest.Migrate(t.Context(), b.db) }, func() error { return parcels.Migrate(t.Context(), b.db) },
		func() error { return notify.Migrate(t.Context(), b.db) },
	} {
		b.must(migrate())
	}
	log := slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	now := func() time.Time { return b.now }
	b.identity = identity.New(b.db, identity.Config{Issuer: "https://sign-in.example", ClientID: "lobby", Public: "https://lobby.example", Now: now, Log: log})
	b.fleet = fleet.New(b.db, b.keys, fleet.Options{Sources: []fleet.PartSource{b.identity, parcels.Documents{}}, Log: log})
	b.ingest = ingest.New(b.db, b.fleet, []ingest.Projection{parcels.Projection{}, notify.Projection{}}, ingest.Options{Now: now, Log: log})
	b.parcels = parcels.New(b.fleet)
	b.api = api.New(api.Parts{DB: b.db, Fleet: b.fleet, Identity: b.identity, Ingest: b.ingest, Parcels: b.parcels, Now: now, Log: log, Version: "test"})
	b.people()
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) makeKeys() {
	until := b.now.AddDate(1, 0, 0)
	_, err := fleet.CreateRoot(filepath.Join(b.dir, "root.key"))
	b.must(err)
	root, err := fleet.LoadRoot(filepath.Join(b.dir, "root.key"))
	b.must(err)
	set := wire.KeySet{Fleet: "test", Version: 1}
	for _, use := range []string{fleet.UseState, fleet.UseAnswer, fleet.UseSeal} {
		k, err := fleet.CreateKey(b.dir, use+"-1", use, until)
		b.must(err)
		set.Keys = append(set.Keys, k)
		if use == fleet.UseSeal {
			b.seal = k
		}
	}
	signed, err := fleet.SignKeySet(root, set)
	b.must(err)
	b.must(os.WriteFile(filepath.Join(b.dir, fleet.KeySetFile), signed, 0o600))
	b.keys, err = fleet.LoadKeys(b.dir)
	b.must(err)
}

func (b *bench) people() {
	b.write(func(tx *store.Tx) error {
		for _, site := range []string{"site-a", "site-b"} {
			public, private, err := ed25519.GenerateKey(nil)
			b.must(err)
			b.must(b.fleet.RegisterSite(b.t.Context(), tx, fleet.Site{ID: site, Name: "社區 " + site}, b.now))
			b.must(b.fleet.RegisterGateway(b.t.Context(), tx, fleet.Gateway{ID: site + "-gw", Site: site, EventKey: public}, b.now))
			b.boxes[site+"-gw"], b.heads[site+"-gw"] = private, &head{}
			b.must(parcels.Import(b.t.Context(), tx, site, parcels.Desk{
				Couriers: []wire.Courier{{ID: "black", Name: "黑貓 " + site, To: 1440, Until: wire.At(b.now.AddDate(1, 0, 0))}},
				Guards:   []wire.Guard{{ID: "chen", Masked: "陳○明", Until: wire.At(b.now.AddDate(1, 0, 0))}},
			}))
		}
		b.load(tx, strings.ReplaceAll(community("site-a",
			"  - {id: site-a-h2, unit: A-2, from: 2026-01-01, members: [{subject: res-a2, name: 林小美, role: tenant}]}\n"+
				"roles:\n  - {subject: guard-a, name: 王警衛, role: guard}\n  - {subject: boss-a, name: 總幹事, role: manager}\n"), "FLAT1", "a1"))
		b.load(tx, strings.ReplaceAll(community("site-b", "roles:\n  - {subject: boss-b, name: 主任, role: manager}\n"), "FLAT1", "b1"))
		for _, subject := range []string{resA1, resA2, resB1, guardA, bossA, bossB, ops, nobody} {
			id, err := identity.AddPerson(b.t.Context(), tx, "https://sign-in.example", subject, "")
			b.must(err)
			if subject == ops {
				b.must(identity.Grant(b.t.Context(), tx, id, identity.Everywhere, identity.Operator))
			}
			sum := sha256.Sum256([]byte(subject))
			_, err = tx.Exec(b.t.Context(), `INSERT INTO sessions (hash, person, expires) VALUES ($1, $2, $3)`, sum[:], id, b.now.AddDate(1, 0, 0).UnixMicro())
			b.must(err)
		}
		return nil
	})
}

func (b *bench) load(tx *store.Tx, text string) {
	b.t.Helper()
	c, err := identity.ReadCommunity("c.yaml", []byte(text))
	b.must(err)
	b.must(identity.Import(b.t.Context(), tx, c))
}

func (b *bench) write(fn func(*store.Tx) error) {
	b.t.Helper()
	b.must(b.db.Write(b.t.Context(), fn))
}

// send has a gateway report events.
func (b *bench) send(gateway string, events ...wire.Event) {
	b.t.Helper()
	h := b.heads[gateway]
	block := wire.Block{Gateway: gateway, Epoch: 1, Stream: wire.Audit, Segment: 1, First: h.seq + 1, Before: h.hash}
	for _, e := range events {
		if e.Wall == 0 {
			e.Wall = wire.At(b.now)
		}
		e.Clock, e.Boot = wire.FromAnswer, 1
		raw, err := wire.EncodeEvent(e)
		b.must(err)
		block.Events = append(block.Events, raw)
	}
	body, err := wire.EncodeBlock(b.boxes[gateway], block)
	b.must(err)
	taken, err := b.ingest.Take(b.t.Context(), []ingest.Payload{{Gateway: gateway, Body: body}})
	b.must(err)
	if taken.Events != len(events) {
		b.t.Fatalf("%d of %d events taken: %v", taken.Events, len(events), taken.Counts)
	}
	h.seq, h.hash = block.Last(), block.After()
}

func (b *bench) sealed(gateway, subject, secret string) *wire.Sealed {
	b.t.Helper()
	s, err := wire.Seal(b.seal, gateway, subject, []byte(secret))
	b.must(err)
	return s
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// parcel has a gateway store a parcel, and let the courier's undo end if settled.
func (b *bench) parcel(gateway, id, household, unit, pin string, settled bool) {
	b.t.Helper()
	s := wire.Parcel{State: "stored", Household: household, Unit: unit, Compartment: "A-18", Courier: "black", Size: "M",
		PIN: b.sealed(gateway, "parcel/"+id, pin), StoredAt: wire.At(b.now)}
	b.send(gateway, wire.Event{Type: wire.ParcelStored, Subject: "parcel/" + id, Version: 2, State: raw(s)})
	if settled {
		s.PIN, s.SettledAt = nil, wire.At(b.now)
		b.send(gateway, wire.Event{Type: wire.ParcelSettled, Subject: "parcel/" + id, Version: 3, State: raw(s)})
	}
}

func (b *bench) code(gateway, id, purpose, holder, code string) {
	b.t.Helper()
	b.send(gateway, wire.Event{Type: wire.CredentialMinted, Subject: "credential/" + id, Version: 1,
		State: raw(wire.Credential{Purpose: purpose, Holder: holder, Sealed: b.sealed(gateway, "credential/"+id, code), Until: wire.At(b.now.AddDate(1, 0, 0))})})
}

// story is what happened at both sites.
func (b *bench) story() {
	b.t.Helper()
	for _, gw := range []string{"site-a-gw", "site-b-gw"} {
		b.send(gw, wire.Event{Type: wire.GatewayStarted, Subject: "gateway/" + gw, Data: raw(wire.Start{Version: "test", Boot: 1})},
			wire.Event{Type: wire.CompartmentMoved, Subject: "compartment/A-18", Version: 1, State: raw(wire.Compartment{Bank: "A", Number: 18, Content: "occupied"})})
	}
	b.parcel("site-a-gw", "p-a1", "site-a-h1", "site-a-u1", pinA1, true)
	b.parcel("site-a-gw", "p-a2", "site-a-h2", "site-a-u2", pinA2, true)
	b.parcel("site-b-gw", "p-b1", "site-b-h1", "site-b-u1", pinB1, true)
	b.code("site-a-gw", "c-a1", "household", "site-a-h1", codeA1)
	b.code("site-b-gw", "c-b1", "household", "site-b-h1", codeB1)
	b.code("site-a-gw", "c-black", "courier", "black", codeBlack)
	b.code("site-a-gw", "c-chen", "guard", "chen", codeChen)
}

// ask sends one request as somebody and gives status, header and body.
func (b *bench) ask(who, method, target, body string, header ...string) (int, http.Header, string) {
	b.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if who != nobodys {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, r)
	out, err := io.ReadAll(w.Result().Body)
	b.must(err)
	return w.Code, w.Header(), string(out)
}

// digest is all that the tables hold, sessions apart.
func (b *bench) digest() string {
	b.t.Helper()
	var out strings.Builder
	b.must(b.db.Read(b.t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"wishes", "parcels", "parcel_pins", "credentials", "couriers", "guards", "notices", "documents", "log"} {
			var n int
			if err := tx.QueryRow(b.t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
				return err
			}
			fmt.Fprintf(&out, "%s %d\n", table, n)
		}
		return nil
	}))
	return out.String()
}

// settle ends the courier's undo of a parcel of site-a's first household.
func (b *bench) settle(id string, version uint64) {
	b.t.Helper()
	b.send("site-a-gw", wire.Event{Type: wire.ParcelSettled, Subject: "parcel/" + id, Version: version, State: raw(wire.Parcel{State: "stored",
		Household: "site-a-h1", Unit: "site-a-u1", Compartment: "A-18", StoredAt: wire.At(b.now), SettledAt: wire.At(b.now)})})
}

// collect ends a parcel of site-a's first household.
func (b *bench) collect(id string, version uint64) {
	b.t.Helper()
	b.send("site-a-gw", wire.Event{Type: wire.ParcelCollected, Subject: "parcel/" + id, Version: version, State: raw(wire.Parcel{State: "collected",
		Household: "site-a-h1", Unit: "site-a-u1", StoredAt: wire.At(b.now), SettledAt: wire.At(b.now), EndedAt: wire.At(b.now), How: "user"})})
}
