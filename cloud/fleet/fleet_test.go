package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var century = time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)

// keyDir makes keys of every use, and the root key, in a directory of the test.
func keyDir(t *testing.T) (dir string, set wire.KeySet) {
	t.Helper()
	dir = t.TempDir()
	if _, err := CreateRoot(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	root, err := LoadRoot(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if set, err = InitKeys(dir, "test", root, century); err != nil {
		t.Fatal(err)
	}
	return dir, set
}

func signSet(t *testing.T, dir string, set wire.KeySet) {
	t.Helper()
	root, err := LoadRoot(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := SignKeySet(root, set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, KeySetFile), signed, 0o600); err != nil {
		t.Fatal(err)
	}
}

func testKeys(t *testing.T) *Keys {
	t.Helper()
	dir, _ := keyDir(t)
	k, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeys(t *testing.T) {
	dir, set := keyDir(t)
	k, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := wire.Seal(set.Keys[4], "gw-1", "parcel/1", []byte("314159"))
	if err != nil {
		t.Fatal(err)
	}
	if pin, err := k.Unseal(*sealed, "gw-1", "parcel/1"); err != nil || string(pin) != "314159" {
		t.Errorf("Unseal = %q, %v", pin, err)
	}
	next, err := CreateKey(dir, "answer-2", UseAnswer, century.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ended, err := CreateKey(dir, "answer-0", UseAnswer, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	set.Keys, set.Version = append(set.Keys, next, ended), 2
	signSet(t, dir, set)
	if k, err = LoadKeys(dir); err != nil {
		t.Fatal(err)
	}
	if id, _, err := k.Signer(UseAnswer, time.Now()); err != nil || id != "answer-2" {
		t.Errorf("Signer = %s, %v; want the one with the latest end", id, err)
	}
	if _, _, err := k.Signer(UseAnswer, century.Add(2*time.Hour)); !errors.Is(err, ErrNoKey) {
		t.Errorf("Signer after all ends = %v, want %v", err, ErrNoKey)
	}
	if err := os.Remove(filepath.Join(dir, "seal-1.key")); err != nil {
		t.Fatal(err)
	}
	if k, err = LoadKeys(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unseal(*sealed, "gw-1", "parcel/1"); !errors.Is(err, wire.ErrSealed) {
		t.Errorf("Unseal with a destroyed key = %v, want %v", err, wire.ErrSealed)
	}
}

// Keys are files that only their owner reads, are never overwritten, and never printed. // invariant 10
func TestKeyFilesAreGuarded(t *testing.T) {
	dir, set := keyDir(t)
	path := filepath.Join(dir, "state-1.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if _, err := CreateKey(dir, "state-1", UseState, century); !errors.Is(err, os.ErrExist) {
		t.Errorf("CreateKey over another = %v", err)
	}
	k, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v", k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), k.LogValue().String()} {
		if text != "keys of version 1" {
			t.Errorf("keys print as %s", text)
		}
	}
	change := func(name string, do func() error, want error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKeys(dir)
		if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), "key") {
			t.Errorf("LoadKeys with %s = %v, want %v", name, err, want)
		}
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change("a key that others read", func() error { return os.Chmod(path, 0o640) }, ErrKeyFile)
	change("the mode mended", func() error { return os.Chmod(path, 0o600) }, nil)
	change("noise", func() error { return os.WriteFile(path, []byte("noise"), 0o600) }, ErrKeyFile)
	other, err := os.ReadFile(filepath.Join(dir, "answer-1.key"))
	if err != nil {
		t.Fatal(err)
	}
	change("another's key", func() error { return os.WriteFile(path, other, 0o600) }, ErrKeyFile)
	change("its own", func() error { return os.WriteFile(path, good, 0o600) }, nil)
	set.Keys[0].ID = "../../etc/passwd"
	change("a path for an id", func() error { signSet(t, dir, set); return nil }, ErrInput)
	change("no key set", func() error { return os.Remove(filepath.Join(dir, KeySetFile)) }, os.ErrNotExist)
}

// town gives parts of a state document.
type town struct {
	units    []wire.Unit
	couriers wire.Couriers
	err      error
}

func (s *town) Parts(context.Context, *store.Tx, string) ([]NamedPart, error) {
	return []NamedPart{{wire.PartHouseholds, wire.Households{Units: s.units}}, {wire.PartCouriers, s.couriers}}, s.err
}

type bench struct {
	*testing.T
	db    *store.DB
	fleet *Fleet
	town  *town
	now   time.Time
	sent  []Message
}

func newBench(t *testing.T, db *store.DB) *bench {
	t.Helper()
	b := &bench{T: t, db: db, town: &town{}, now: time.UnixMicro(1_790_000_000_000_000)}
	for n := range 200 {
		b.town.units = append(b.town.units, wire.Unit{ID: fmt.Sprint("u-", n), Label: fmt.Sprint("A-", n)})
	}
	b.fleet = New(db, testKeys(t), Options{Sources: []PartSource{b.town}, Publish: func(topic string, payload []byte) error {
		b.sent = append(b.sent, Message{topic, payload})
		return nil
	}})
	b.must(Migrate(t.Context(), db))
	b.write(func(tx *store.Tx) error {
		return errors.Join(b.fleet.RegisterSite(t.Context(), tx, Site{"site-1", "site"}, b.now), b.fleet.RegisterGateway(t.Context(), tx, gateway("gw-1"), b.now))
	})
	return b
}

func gateway(id string) Gateway {
	return Gateway{ID: id, Site: "site-1", EventKey: bytes.Repeat([]byte{id[len(id)-1]}, 32)}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) write(fn func(*store.Tx) error) { b.Helper(); b.must(b.db.Write(b.Context(), fn)) }

// change lets content change and gives what was published: the root, and how many parts.
func (b *bench) change(fn func(*store.Tx) error) (roots []wire.Root, parts int) {
	b.Helper()
	b.sent = nil
	b.must(b.fleet.Change(b.Context(), "site-1", b.now, fn))
	for _, m := range b.sent {
		if wire.IsPart(m.Payload) {
			parts++
			continue
		}
		var r wire.Root
		b.must(wire.Peek(m.Payload, &r))
		roots = append(roots, r)
	}
	return roots, parts
}

func nothing(*store.Tx) error { return nil }

func TestStateDocument(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		roots, parts := b.change(nothing)
		if len(roots) != 1 || roots[0].Version != uint64(b.now.UnixMilli()) || parts < 50 || len(roots[0].Parts) != 4 {
			t.Fatalf("first document: %d roots, %d parts, %+v", len(roots), parts, roots)
		}
		first := roots[0].Version
		if roots, parts = b.change(nothing); len(roots)+parts != 0 {
			t.Errorf("the same content is issued again: %d roots, %d parts", len(roots), parts)
		}
		b.town.units[7].Household = "h-1"
		if roots, parts = b.change(nothing); len(roots) != 1 || roots[0].Version != first+1 || parts != 2 {
			t.Errorf("a household moves in: %d parts, %+v; want its shard and the index, at version %d", parts, roots, first+1)
		}
		b.town.couriers.Couriers = []wire.Courier{{ID: "c-1"}}
		b.now = b.now.Add(time.Hour)
		if roots, parts = b.change(nothing); len(roots) != 1 || roots[0].Version != uint64(b.now.UnixMilli()) || parts != 1 {
			t.Errorf("an hour later: %d parts, %+v", parts, roots)
		}
		for range 2 {
			roots, parts = b.change(func(tx *store.Tx) error {
				return b.fleet.Revoke(t.Context(), tx, "site-1", wire.Revocation{ID: "cr-1", Until: wire.At(b.now.Add(time.Hour))})
			})
		}
		if len(roots)+parts != 0 {
			t.Errorf("the same revocation is issued again")
		}
		b.now = b.now.Add(2 * time.Hour)
		if roots, parts = b.change(nothing); len(roots) != 1 || parts != 1 {
			t.Errorf("a revocation beyond its end stays: %d parts", parts)
		}
		b.town.err = errors.New("out of order")
		if err := b.fleet.Change(t.Context(), "site-1", b.now, nothing); !errors.Is(err, b.town.err) {
			t.Errorf("Change with an ill source = %v", err)
		}
		b.town.err = nil
		b.town.couriers.Couriers[0].Name = strings.Repeat("x", wire.MaxPart)
		if err := b.fleet.Change(t.Context(), "site-1", b.now, nothing); !errors.Is(err, wire.ErrSize) || !strings.Contains(err.Error(), "couriers") {
			t.Errorf("Change with too large a part = %v, want %v", err, wire.ErrSize)
		}
	})
}

func TestWishes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		ask := func(w Wish) (got Wish, err error) {
			w.Gateway = "gw-1"
			return got, b.db.Write(t.Context(), func(tx *store.Tx) (err error) {
				got, err = b.fleet.Wish(t.Context(), tx, w, b.now)
				return err
			})
		}
		mint := Wish{Kind: "mint_code", Subject: "household/h-1", Data: json.RawMessage(`{"a":1}`)}
		first, err := ask(mint)
		b.must(err)
		again, err := ask(mint)
		if err != nil || again.ID != first.ID || first.ID == "" {
			t.Errorf("the same wish again: %+v, %v; want %s", again, err, first.ID)
		}
		other := mint
		other.Data = json.RawMessage(`{"a":2}`)
		if _, err := ask(other); !errors.Is(err, ErrWishLiving) {
			t.Errorf("another wish for the same: %v, want %v", err, ErrWishLiving)
		}
		for name, bad := range map[string]Wish{"no kind": {Subject: "x"}, "no subject": {Kind: "x"}, "no JSON": {Kind: "x", Subject: "x", Data: []byte("{")}} {
			if _, err := ask(bad); !errors.Is(err, ErrInput) {
				t.Errorf("a wish with %s: %v, want %v", name, err, ErrInput)
			}
		}
		answer := func(id string, state WishState, reason string) {
			b.write(func(tx *store.Tx) error {
				return b.fleet.WishAnswered(t.Context(), tx, "gw-1", id, state, reason, b.now)
			})
		}
		answer(first.ID, WishRefused, "moved")
		answer(first.ID, WishDone, "")
		b.write(func(tx *store.Tx) error {
			w, err := b.fleet.WishByID(t.Context(), tx, first.ID)
			if w.State != WishRefused || w.Reason != "moved" {
				t.Errorf("answered twice: %+v, want the first answer", w)
			}
			return err
		})
		second, err := ask(other)
		if err != nil || second.ID == first.ID {
			t.Errorf("a wish after the answer: %+v, %v", second, err)
		}
		b.write(func(tx *store.Tx) error {
			w, err := b.fleet.NewestWish(t.Context(), tx, "gw-1", "mint_code", "household/h-1")
			if w.ID != second.ID {
				t.Errorf("newest wish %s, want %s", w.ID, second.ID)
			}
			if _, none := b.fleet.NewestWish(t.Context(), tx, "gw-1", "mint_code", "household/h-2"); !errors.Is(none, ErrUnknown) {
				t.Errorf("a wish nobody asked: %v", none)
			}
			return err
		})
	})
}

func TestRegister(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		try := func(g Gateway) error {
			return b.db.Write(t.Context(), func(tx *store.Tx) error { return b.fleet.RegisterGateway(t.Context(), tx, g, b.now) })
		}
		moved, rekeyed, keyless, named := gateway("gw-1"), gateway("gw-1"), gateway("gw-2"), gateway("GW 1")
		moved.Site, rekeyed.EventKey, keyless.EventKey = "site-2", gateway("gw-2").EventKey, nil
		for _, test := range []struct {
			name string
			g    Gateway
			want error
		}{{"again", gateway("gw-1"), nil}, {"at another site", moved, ErrExists}, {"with another key", rekeyed, ErrExists}, {"without a key", keyless, ErrInput}, {"with a bad id", named, ErrInput}} {
			if err := try(test.g); !errors.Is(err, test.want) {
				t.Errorf("RegisterGateway %s = %v, want %v", test.name, err, test.want)
			}
		}
	})
}

// However much a gateway sends beyond holes, only the newest refusals are kept. // invariant 13
func TestRefusalsAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		b.write(func(tx *store.Tx) error {
			for n := range uint64(3 * maxRefusals) {
				r := wire.Refusal{Name: wire.Name{Epoch: 1, Stream: wire.Audit, Segment: n + 1, Seq: 2}, Reason: "hole"}
				b.now = b.now.Add(time.Second)
				if err := b.fleet.Refuse(t.Context(), tx, "gw-1", r, b.now); err != nil {
					return err
				}
			}
			var kept int
			if err := tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM refusals`).Scan(&kept); err != nil {
				return err
			}
			all, err := b.fleet.Refusals(t.Context(), tx, "gw-1")
			if kept != maxRefusals || len(all) != maxRefusals || all[0].Segment != 3*maxRefusals {
				t.Errorf("%d refusals kept, %d told, want %d of the newest", kept, len(all), maxRefusals)
			}
			return err
		})
	})
}
