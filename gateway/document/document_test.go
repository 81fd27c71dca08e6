package document

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const site = "site-1"

var start = time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

// Keys of the test's cloud.
var offline, stateKey, endedKey, answerKey = key(1), key(2), key(3), key(4)

func keySet(version uint64) wire.KeySet {
	until := wire.At(start.AddDate(1, 0, 0))
	return wire.KeySet{Doc: "keys", Fleet: "city", Version: version, Keys: []wire.Key{
		{ID: "s1", Use: UseState, Public: public(stateKey), Until: until},
		{ID: "s0", Use: UseState, Public: public(endedKey), Until: wire.At(start)},
		{ID: "a1", Use: UseAnswer, Public: public(answerKey), Until: until},
		{ID: "e1", Use: UseSeal, Public: public(key(5)), Until: wire.At(start.AddDate(0, 1, 0))},
		{ID: "e2", Use: UseSeal, Public: public(key(6)), Until: wire.At(start.AddDate(0, 2, 0))},
	}}
}

func sign(t testing.TB, k ed25519.PrivateKey, c wire.Context, doc any) []byte {
	t.Helper()
	b, err := wire.Sign(k, c, doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// content is what a document says.
type content struct {
	units   []wire.Unit
	revoked []wire.Revocation
	phone   string
	days    []wire.Grants // one a day, from 2026-05-01 on
}

// document is a root with its parts, as they travel.
type document struct {
	root  wire.Root
	line  []byte
	parts [][]byte // index of households before its shards
}

func (d document) version() wire.StateVersion {
	return wire.StateVersion{Version: d.root.Version, Hash: wire.HashLine(d.line)}
}

func compose(t testing.TB, version uint64, c content) document {
	t.Helper()
	d := document{root: wire.Root{Doc: "root", Gateway: site, Key: "s1", Version: version, Issued: wire.At(start)}}
	part := func(v any) wire.Hash {
		_, packed, h, err := wire.EncodePart(v)
		if err != nil {
			t.Fatal(err)
		}
		d.parts = append(d.parts, packed)
		return h
	}
	var shards [wire.HouseholdShards]wire.Households
	for _, u := range c.units {
		n := wire.Shard(u.ID)
		shards[n].Units = append(shards[n].Units, u)
	}
	var index wire.HouseholdIndex
	for n, s := range shards {
		if len(s.Units) > 0 {
			index.Shards = append(index.Shards, wire.PartRef{Name: fmt.Sprintf("%02d", n), Hash: part(s)})
		}
	}
	ref := func(name string, v any) {
		d.root.Parts = append(d.root.Parts, wire.PartRef{Name: name, Hash: part(v)})
	}
	ref(wire.PartHouseholds, index)
	if len(c.days) > 0 {
		var days wire.GrantIndex
		for n, day := range c.days {
			days.Days = append(days.Days, wire.PartRef{Name: start.AddDate(0, 0, n).Format(time.DateOnly), Hash: part(day)})
		}
		ref(wire.PartGrants, days)
	}
	ref(wire.PartPolicy, wire.Policy{StayHours: 48, GuardPhone: c.phone})
	ref(wire.PartRevocations, wire.Revocations{Revoked: c.revoked})
	ref("of-a-later-version", map[string]int{"x": 1})
	slices.Reverse(d.parts)
	d.line = sign(t, stateKey, wire.ContextState, d.root)
	return d
}

type box struct {
	t  testing.TB
	s  *store.Store
	in Intake
}

func newBox(t testing.TB) *box {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "gateway.db"), store.Options{Gateway: site, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &box{t, s, Intake{Gateway: site, RootKey: public(offline), Stamp: wire.Event{Wall: wire.At(start), Clock: wire.FromAnswer}}}
}

func (b *box) take(payload []byte) (Outcome, error) {
	var out Outcome
	err := b.s.Update(context.Background(), func(tx *store.Tx) (err error) {
		out, err = Take(tx, b.in, payload)
		return err
	})
	return out, err
}

func (b *box) must(payload []byte) Outcome {
	b.t.Helper()
	out, err := b.take(payload)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *box) refuse(payload []byte, want error) {
	b.t.Helper()
	before := b.dump()
	if _, err := b.take(payload); !errors.Is(err, want) {
		b.t.Errorf("Take = %v; want %v", err, want)
	}
	if after := b.dump(); after != before { // invariant 9
		b.t.Errorf("a refused payload changed something:\n%s\n%s", before, after)
	}
}

// apply hands in a whole document.
func (b *box) apply(d document) {
	b.t.Helper()
	b.in.Named = d.version()
	b.must(d.line)
	for range 2 { // shards are unknown until their index is there
		for _, p := range d.parts {
			if _, err := b.take(p); err != nil && !errors.Is(err, ErrUnasked) {
				b.t.Fatal(err)
			}
		}
	}
	if got := b.load().Version; got != d.version() {
		b.t.Fatalf("applied %+v; want %+v", got, d.version())
	}
}

func (b *box) load() (d Document) {
	b.t.Helper()
	b.view(func(tx *store.Tx) (err error) { d, err = Load(tx); return err })
	return d
}

func (b *box) view(fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.s.View(fn); err != nil {
		b.t.Fatal(err)
	}
}

// dump says all that this package keeps, and the log's heads.
func (b *box) dump() (s string) {
	b.view(func(tx *store.Tx) error {
		for _, space := range []string{space, spaceParts, spaceRevoked} {
			if err := tx.Each(space, "", func(k string, v []byte) error {
				s += fmt.Sprintf("%s %s %x\n", space, k, v)
				return nil
			}); err != nil {
				return err
			}
		}
		heads, err := tx.Heads()
		s += fmt.Sprint(heads)
		return err
	})
	return s
}

// events lists the types of the audit stream.
func (b *box) events() (kinds []string) {
	b.view(func(tx *store.Tx) error {
		block, err := tx.Block(1, wire.Audit, 1, 1, 1000, 1<<20)
		for _, e := range block.Events {
			ev, err := wire.DecodeEvent(e)
			if err != nil {
				return err
			}
			kinds = append(kinds, ev.Type)
		}
		return err
	})
	return kinds
}

func enrolled(t testing.TB) *box {
	b := newBox(t)
	b.must(sign(t, offline, wire.ContextKeys, keySet(1)))
	return b
}

func TestKeySetIsTheRootKeysAlone(t *testing.T) {
	b := newBox(t)
	doc := compose(t, 1, content{})
	b.in.Named = doc.version()
	b.refuse(doc.line, ErrKey)                                                             // before any key set
	b.refuse(sign(t, stateKey, wire.ContextKeys, keySet(1)), wire.ErrSignature)            // invariant 11
	b.refuse(sign(t, offline, wire.ContextState, keySet(1)), wire.ErrSignature)            // another context
	b.refuse(sign(t, offline, wire.ContextKeys, wire.KeySet{Doc: "keys"}), wire.ErrFormat) // no version
	if out := b.must(sign(t, offline, wire.ContextKeys, keySet(4))); !out.Keys {
		t.Error("a key set was taken without a word")
	}
	b.refuse(sign(t, offline, wire.ContextKeys, keySet(3)), ErrOlder)
	other := keySet(4)
	other.Keys = other.Keys[:1]
	b.refuse(sign(t, offline, wire.ContextKeys, other), ErrConflict)
	other = keySet(5)
	other.Fleet = "another"
	b.refuse(sign(t, offline, wire.ContextKeys, other), ErrGateway)
	if out := b.must(sign(t, offline, wire.ContextKeys, keySet(4))); out != (Outcome{}) {
		t.Errorf("a repetition gave %+v", out)
	}
	b.must(sign(t, offline, wire.ContextKeys, keySet(5)))
}

func TestVersionsOnlyGrow(t *testing.T) {
	b := enrolled(t)
	first := compose(t, 10, content{phone: "1"})
	b.refuse(first.line, ErrUnnamed) // a store without a version takes only what an answer named
	b.in.Named = compose(t, 10, content{phone: "2"}).version()
	b.refuse(first.line, ErrUnnamed)
	b.apply(first)
	b.refuse(compose(t, 9, content{}).line, ErrOlder)
	b.refuse(compose(t, 10, content{phone: "2"}).line, ErrConflict)
	if out := b.must(first.line); out != (Outcome{}) {
		t.Errorf("a repetition gave %+v", out)
	}
	third := compose(t, 12, content{phone: "3"})
	if out := b.must(third.line); !out.Pending || b.load().Version != first.version() {
		t.Errorf("a root without its parts gave %+v", out)
	}
	b.refuse(compose(t, 11, content{phone: "4"}).line, ErrOlder)
	b.apply(compose(t, 11, content{phone: "5"})) // named by an answer: the cloud was restored, the parts of 12 are gone
	b.apply(third)
}

func TestForgedRootsChangeNothing(t *testing.T) {
	b := enrolled(t)
	doc := compose(t, 5, content{})
	b.in.Named = doc.version()
	edit := func(fn func(*wire.Root)) wire.Root {
		r := doc.root
		fn(&r)
		return r
	}
	tests := []struct {
		name    string
		payload []byte
		err     error
	}{
		{"another key", sign(t, answerKey, wire.ContextState, doc.root), wire.ErrSignature},
		{"another context", sign(t, stateKey, wire.ContextAnswer, doc.root), wire.ErrSignature},
		{"answer key", sign(t, answerKey, wire.ContextState, edit(func(r *wire.Root) { r.Key = "a1" })), ErrKey},
		{"ended key", sign(t, endedKey, wire.ContextState, edit(func(r *wire.Root) { r.Key = "s0" })), ErrKey},
		{"another gateway", sign(t, stateKey, wire.ContextState, edit(func(r *wire.Root) { r.Gateway = "site-2" })), ErrGateway},
		{"no root", sign(t, stateKey, wire.ContextState, edit(func(r *wire.Root) { r.Doc = "else" })), ErrKind},
		{"too large", sign(t, stateKey, wire.ContextState, edit(func(r *wire.Root) { r.Parts = slices.Repeat(r.Parts, 40) })), wire.ErrSize},
		{"oversized", make([]byte, wire.MaxMessage+1), wire.ErrSize},
		{"empty", nil, wire.ErrFormat},
		{"unasked part", doc.parts[0], ErrUnasked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.t = t
			b.refuse(tt.payload, tt.err)
		})
	}
	b.t = t
	b.apply(doc)
}

func TestPartsTravelOnlyWhenMissing(t *testing.T) {
	b := enrolled(t)
	units := []wire.Unit{{ID: "u1", Label: "A-12-3", Household: "h1"}, {ID: "u2", Label: "B-1-1"}, {ID: "u3", Label: "C-1"}}
	b.apply(compose(t, 1, content{units: units, phone: "1"}))
	d := b.load()
	if len(d.Units) != 3 || d.Policy.StayHours != 48 {
		t.Errorf("Load = %+v", d)
	}
	if u, ok := d.UnitByLabel("A-12-3"); !ok || u.ID != "u1" || u.Household != "h1" {
		t.Errorf("UnitByLabel = %+v %t", u, ok)
	}
	if _, ok := d.UnitByLabel("Z-1"); ok {
		t.Error("a unit that is not there was found")
	}
	next := compose(t, 2, content{units: units, phone: "2"})
	b.in.Named = next.version()
	b.must(next.line)
	b.view(func(tx *store.Tx) error {
		missing, err := Missing(tx)
		if len(missing) != 1 || missing[0] != next.root.Parts[1].Hash {
			t.Errorf("Missing = %v; want the policy alone", missing)
		}
		return err
	})
	b.apply(next)
	n := 0
	b.view(func(tx *store.Tx) error {
		return tx.Each(spaceParts, "", func(string, []byte) error { n++; return nil })
	})
	if n != 7 { // index, three shards, policy, revocations, one unknown
		t.Errorf("%d parts are held; want 7", n)
	}
	if want := []string{wire.EpochStarted, wire.StateApplied, wire.StateApplied}; !slices.Equal(b.events(), want) {
		t.Errorf("events %v; want %v", b.events(), want)
	}
}

// days are n days of grants with one grant each.
func days(n int) (all []wire.Grants) {
	for d := range n {
		from := wire.At(start.AddDate(0, 0, d))
		all = append(all, wire.Grants{Grants: []wire.Grant{{ID: fmt.Sprintf("b%d", d), Door: "ktv", Household: "h1", From: from, Until: from + 1}}})
	}
	return all
}

func TestGrantsTravelByDay(t *testing.T) {
	b := enrolled(t)
	b.apply(compose(t, 1, content{days: days(3)}))
	if g := b.load().Grants; len(g) != 3 || g[0].ID != "b0" || g[2].ID != "b2" {
		t.Fatalf("Grants = %+v", g)
	}
	changed := days(3)
	changed[1].Grants[0].Door = "gym"
	next := compose(t, 2, content{days: changed})
	b.in.Named = next.version()
	b.must(next.line)
	asked := func() (n int) {
		b.view(func(tx *store.Tx) error {
			missing, err := Missing(tx)
			n = len(missing)
			return err
		})
		return n
	}
	if n := asked(); n != 1 {
		t.Errorf("%d parts asked for; want the index alone", n)
	}
	b.must(next.parts[slices.IndexFunc(next.parts, func(p []byte) bool { _, h, _ := wire.DecodePart(p); return h == next.root.Parts[1].Hash })])
	if n := asked(); n != 1 {
		t.Errorf("%d parts asked for; want the changed day alone", n)
	}
	b.apply(next)
	if g := b.load().Grants; len(g) != 3 || g[1].Door != "gym" {
		t.Errorf("Grants = %+v", g)
	}
	held := 0
	b.view(func(tx *store.Tx) error {
		return tx.Each(spaceParts, "", func(string, []byte) error { held++; return nil })
	})
	if held != 8 { // two indexes, three days, policy, revocations, one unknown
		t.Errorf("%d parts are held; want 8", held)
	}
	b.apply(compose(t, 3, content{days: days(wire.MaxGrantDays)}))
	many := compose(t, 4, content{days: days(wire.MaxGrantDays + 1)})
	b.in.Named = many.version()
	b.must(many.line)
	b.refuse(many.parts[slices.IndexFunc(many.parts, func(p []byte) bool { _, h, _ := wire.DecodePart(p); return h == many.root.Parts[1].Hash })], ErrBounds)
}

// invariant 12: a day that is damaged costs that day, and is asked for again
func TestDamagedDayCostsThatDay(t *testing.T) {
	b := enrolled(t)
	doc := compose(t, 1, content{days: days(3)})
	b.apply(doc)
	var hash wire.Hash
	err := b.s.Update(t.Context(), func(tx *store.Tx) error {
		shards, err := index(tx, doc.root.Parts[1])
		if err != nil {
			return err
		}
		hash = shards[1].Hash
		return tx.Put(spaceParts, hash.String(), []byte("{}"))
	})
	if err != nil {
		t.Fatal(err)
	}
	b.view(func(tx *store.Tx) error {
		d, err := Load(tx)
		if len(d.Grants) != 2 || d.Grants[1].ID != "b2" || d.Policy.StayHours != 48 || !errors.Is(err, store.ErrDamaged) {
			t.Errorf("Load = %+v, %v; want the other days", d.Grants, err)
		}
		missing, err := Missing(tx)
		if len(missing) != 1 || missing[0] != hash {
			t.Errorf("Missing = %v; want the damaged day", missing)
		}
		return err
	})
}

func TestRevocationsStay(t *testing.T) {
	b := enrolled(t)
	end := start.AddDate(0, 0, 10)
	b.apply(compose(t, 1, content{revoked: []wire.Revocation{{ID: "c1", Until: wire.At(end)}}}))
	b.apply(compose(t, 2, content{})) // whatever later documents say
	if r := b.load().Revoked; len(r) != 1 || r[0].ID != "c1" {
		t.Fatalf("Revoked = %+v after a document without it", r)
	}
	b.apply(compose(t, 3, content{revoked: []wire.Revocation{{ID: "c1", Until: wire.At(end.Add(-time.Hour))}}}))
	b.apply(compose(t, 4, content{}))
	prune := func(at time.Time) int {
		if err := b.s.Update(t.Context(), func(tx *store.Tx) error { return Prune(tx, at) }); err != nil {
			t.Fatal(err)
		}
		return len(b.load().Revoked)
	}
	if n := prune(end.Add(-time.Second)); n != 1 {
		t.Error("pruned before its credential's end")
	}
	if n := prune(end); n != 0 {
		t.Error("not pruned at its credential's end")
	}
	n := 0
	for _, kind := range b.events() {
		if kind == wire.RevocationApplied {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events of one revocation", n)
	}
}

func TestSealKey(t *testing.T) {
	b := enrolled(t)
	tests := []struct {
		at   time.Time
		want string
	}{
		{start, "e2"}, {start.AddDate(0, 1, 1), "e2"}, {start.AddDate(0, 3, 0), ""},
	}
	for _, tt := range tests {
		if k, ok := b.load().SealKey(tt.at); k.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("SealKey(%s) = %q %t; want %q", tt.at, k.ID, ok, tt.want)
		}
	}
}

// Nothing that was not signed changes anything, whatever its bytes (invariant 9).
func FuzzTake(f *testing.F) {
	doc := compose(f, 5, content{units: []wire.Unit{{ID: "u1", Label: "A-1"}}})
	f.Add(doc.line)
	f.Add(sign(f, offline, wire.ContextKeys, keySet(2)))
	for _, p := range doc.parts {
		f.Add(p)
	}
	_, bomb, _, err := wire.EncodePart(map[string]string{"x": string(slices.Repeat([]byte{'a'}, 30_000))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bomb)
	b := enrolled(f)
	b.apply(compose(f, 4, content{}))
	before := b.dump()
	good := [][]byte{doc.line, sign(f, offline, wire.ContextKeys, keySet(2))}
	f.Fuzz(func(t *testing.T, in []byte) {
		if slices.ContainsFunc(good, func(g []byte) bool { return string(g) == string(in) }) {
			return
		}
		b.t = t
		if out, err := b.take(in); err == nil && out != (Outcome{}) {
			t.Errorf("Take(%q) = %+v", in, out)
		}
		if b.dump() != before {
			t.Errorf("Take(%q) changed something", in)
		}
	})
}
