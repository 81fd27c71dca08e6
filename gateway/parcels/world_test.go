package parcels

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) {
	// zstd makes its channels at first use, and they are the bubble's in which that happens
	_, packed, _, err := wire.EncodePart("warm")
	if err == nil {
		_, _, err = wire.DecodePart(packed)
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const gatewayID = "gw-test"

// building is a gateway without a cloud: a store, a bank of four compartments, and people.
type building struct {
	t         *testing.T
	path      string
	bank      *bank
	store     *store.Store
	clock     *clock.Clock
	service   *Service
	quit      func()
	done      chan error
	delivered atomic.Bool
	full      atomic.Bool
	forced    atomic.Pointer[string] // the newest that was told
	private   []byte                 // the cloud's sealing key
	seal      wire.Key
	content   content
	version   uint64
	codes     map[string]string // holder → code, as the cloud opens it
}

// content is what the state document says.
type content struct {
	units    []wire.Unit
	couriers []wire.Courier
	guards   []wire.Guard
	wishes   []wire.Wish
	policy   wire.Policy
}

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
}

func newBuilding(t *testing.T, sensors bool) *building {
	t.Helper()
	b := &building{t: t, path: filepath.Join(t.TempDir(), "gateway.db"), bank: newBank(4, sensors), codes: map[string]string{}}
	var err error
	var public []byte
	if b.private, public, err = wire.NewSealKey(); err != nil {
		t.Fatal(err)
	}
	b.seal = wire.Key{ID: "e1", Use: document.UseSeal, Public: public, Until: wire.At(time.Now().AddDate(1, 0, 0))}
	b.content = content{
		units: []wire.Unit{
			{ID: "u1", Label: "A-12-3", Household: "h1"}, {ID: "u2", Label: "B-7-1", Household: "h2"}, {ID: "u3", Label: "B-8-1"},
		},
		couriers: []wire.Courier{{ID: "c1", Name: "迅達物流"}},
		guards:   []wire.Guard{{ID: "g1", Masked: "陳○明"}},
		wishes: []wire.Wish{
			{ID: "w1", Kind: wishMint, Subject: "household/h1"}, {ID: "w2", Kind: wishMint, Subject: "courier/c1"},
			{ID: "w3", Kind: wishMint, Subject: "guard/g1"},
		},
	}
	b.start()
	b.apply()
	t.Cleanup(b.stop)
	return b
}

func (b *building) start() {
	b.t.Helper()
	var err error
	if b.store, err = store.Open(b.path, store.Options{Gateway: gatewayID, NoSync: true}); err != nil {
		b.t.Fatal(err)
	}
	began := time.Now()
	b.clock = clock.New(b.store.Boot(), began.Add(-time.Minute), func() (time.Time, time.Duration) { return time.Now(), time.Since(began) })
	b.clock.Answered(began, 0, 0)
	doors := []BankDoor{{Number: 1, Size: "S", Lock: 1}, {Number: 2, Size: "S", Lock: 2}, {Number: 3, Size: "M", Lock: 3}, {Number: 4, Size: "L", Lock: 4}}
	b.service, err = New(Deps{
		Store: b.store, Clock: b.clock, Key: bytes.Repeat([]byte{7}, 32), Banks: map[string]drivers.LockBank{"A": b.bank},
		Delivered: func(wire.Name) bool { return b.delivered.Load() },
		Full:      func() bool { return b.full.Load() },
		Forced:    func(subject string) { b.forced.Store(&subject) },
	}, Config{Gateway: gatewayID, Banks: []Bank{{ID: "A", Sensors: b.bank.item[0] != drivers.ItemUnknown, Doors: doors}}})
	if err != nil {
		b.t.Fatal(err)
	}
	var ctx context.Context
	ctx, b.quit = context.WithCancel(b.t.Context())
	b.done = make(chan error, 1)
	go func() { b.done <- b.service.Run(ctx) }()
	b.pass(2 * time.Second)
}

// stop ends the service in good order.
func (b *building) stop() {
	b.quit()
	<-b.done
	if err := b.store.Close(); err != nil {
		b.t.Error(err)
	}
}

// crash ends everything without a word: what is under way is not recorded.
func (b *building) crash() {
	b.t.Helper()
	if err := b.store.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.bank.with(func() {
		for _, c := range []chan struct{}{b.bank.before, b.bank.after} {
			if c != nil {
				close(c)
			}
		}
		b.bank.before, b.bank.after = nil, nil
		b.bank.silent = true // a dead box energises nothing
	})
	b.quit()
	<-b.done
	b.bank.with(func() { b.bank.silent = false })
}

func (b *building) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// apply puts the content into force.
func (b *building) apply() {
	b.t.Helper()
	b.version++
	state, root := key(2), wire.Root{Doc: "root", Gateway: gatewayID, Key: "s1", Version: b.version, Issued: wire.At(time.Now())}
	var parts [][]byte
	part := func(v any) wire.Hash {
		_, packed, h, err := wire.EncodePart(v)
		if err != nil {
			b.t.Fatal(err)
		}
		parts = append(parts, packed)
		return h
	}
	var index wire.HouseholdIndex
	for _, u := range b.content.units {
		index.Shards = append(index.Shards, wire.PartRef{Name: fmt.Sprintf("%02d", wire.Shard(u.ID)), Hash: part(wire.Households{Units: []wire.Unit{u}})})
	}
	for name, v := range map[string]any{
		wire.PartHouseholds: index, wire.PartCouriers: wire.Couriers{Couriers: b.content.couriers}, wire.PartGuards: wire.Guards{Guards: b.content.guards},
		wire.PartWishes: wire.Wishes{Wishes: b.content.wishes}, wire.PartPolicy: b.content.policy,
	} {
		root.Parts = append(root.Parts, wire.PartRef{Name: name, Hash: part(v)})
	}
	slices.SortFunc(root.Parts, func(a, b wire.PartRef) int { return strings.Compare(a.Name, b.Name) })
	keys := wire.KeySet{Doc: "keys", Fleet: "city", Version: 1, Keys: []wire.Key{
		{ID: "s1", Use: document.UseState, Public: state.Public().(ed25519.PublicKey), Until: b.seal.Until}, b.seal,
	}}
	line := b.sign(state, wire.ContextState, root)
	in := document.Intake{
		Gateway: gatewayID, RootKey: key(1).Public().(ed25519.PublicKey),
		Named: wire.StateVersion{Version: root.Version, Hash: wire.HashLine(line)},
	}
	payloads := append([][]byte{b.sign(key(1), wire.ContextKeys, keys), line}, parts...)
	err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		for _, p := range append(payloads, parts...) {
			if _, err := document.Take(tx, in, p); err != nil && !errors.Is(err, document.ErrUnasked) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.service.Applied()
	b.pass(time.Second)
	b.read()
}

func (b *building) sign(k ed25519.PrivateKey, c wire.Context, doc any) []byte {
	b.t.Helper()
	signed, err := wire.Sign(k, c, doc)
	if err != nil {
		b.t.Fatal(err)
	}
	return signed
}

// events are all events of the audit stream, as bytes.
func (b *building) events() (all [][]byte) {
	b.t.Helper()
	err := b.store.View(func(tx *store.Tx) error {
		segments, err := tx.Segments(tx.Epoch(), wire.Audit)
		if err != nil {
			return err
		}
		for _, s := range segments {
			for from := uint64(1); from <= s.Last; {
				block, err := tx.Block(tx.Epoch(), wire.Audit, s.Number, from, wire.BlockEvents, wire.MaxMessage)
				if err != nil {
					return err
				}
				all = append(all, block.Events...)
				from = block.Last() + 1
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// read opens what the events brought, as the cloud does: codes by holder, PINs by parcel.
func (b *building) read() (kinds []string) {
	b.t.Helper()
	for _, raw := range b.events() {
		ev, err := wire.DecodeEvent(raw)
		if err != nil {
			b.t.Fatal(err)
		}
		kinds = append(kinds, ev.Type)
		var state struct {
			Holder string
			Sealed *wire.Sealed
			PIN    *wire.Sealed
		}
		if len(ev.State) == 0 || json.Unmarshal(ev.State, &state) != nil {
			continue
		}
		for holder, sealed := range map[string]*wire.Sealed{state.Holder: state.Sealed, strings.TrimPrefix(ev.Subject, "parcel/"): state.PIN} {
			if sealed == nil {
				continue
			}
			digits, err := sealed.Open(b.private, gatewayID, ev.Subject)
			if err != nil {
				b.t.Fatal(err)
			}
			b.codes[holder] = string(digits)
		}
	}
	return kinds
}

func (b *building) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

func (b *building) deliver() string {
	b.t.Helper()
	v, err := b.service.Deliver(b.t.Context(), b.codes["c1"])
	b.ok(err)
	if v.Visit == "" {
		b.t.Fatalf("courier refused: %+v", v)
	}
	return v.Visit
}

// drop puts a parcel for a unit behind a small door and says so.
func (b *building) drop(visit, unit string) (parcel string, lock int) {
	b.t.Helper()
	b.ok(b.service.Reserve(b.t.Context(), visit, unit, "S"))
	lock = b.service.Visit(visit).Doors[0].Number
	b.pass(2 * time.Second)
	b.bank.set(lock, false)
	b.pass(2 * time.Second)
	b.ok(b.service.Settle(b.t.Context(), visit, "inside"))
	b.read()
	o := b.service.Office()
	for _, p := range o.Parcels {
		if p.Compartment == compartmentID("A", lock) {
			return p.ID, lock
		}
	}
	b.t.Fatalf("no parcel behind door %d: %+v", lock, o.Parcels)
	return "", 0
}

func (b *building) collect(unit, kind, code string) Verdict {
	b.t.Helper()
	v, err := b.service.Collect(b.t.Context(), unit, kind, code)
	b.ok(err)
	return v
}

func (b *building) signIn() string {
	b.t.Helper()
	v, err := b.service.SignIn(b.t.Context(), b.codes["g1"])
	b.ok(err)
	return v.Visit
}

func (b *building) compartment(lock int) Compartment { return b.service.Office().Compartments[lock-1] }

func (b *building) is(lock int, content string) {
	b.t.Helper()
	if c := b.compartment(lock); c.Content != content {
		b.t.Errorf("compartment %d is %s (%s); want %s", lock, c.Content, c.Why, content)
	}
}

// file is the whole store, as a thief would have it.
func (b *building) file() []byte {
	b.t.Helper()
	raw, err := os.ReadFile(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}
