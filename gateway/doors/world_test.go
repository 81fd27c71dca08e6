package doors

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
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

// Keys of the test's cloud.
var offline, stateKey, ticketKey, commandKey = key(1), key(2), key(3), key(4)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
}

// building is a gateway without a cloud: a store, two doors, and people.
type building struct {
	t       *testing.T
	path    string
	ktv     *door // has a contact
	gym     *door // has none
	store   *store.Store
	clock   *clock.Clock
	system  func() (time.Time, time.Duration) // nil: a good clock
	service *Service
	quit    func()
	done    chan error
	grants  []wire.Grant
	revoked []wire.Revocation
	version uint64
	code    Code // of household h1, which lives in A-12-3

	mu       sync.Mutex // guards what follows
	sent     []wire.Challenge
	counters map[string]int
}

func newBuilding(t *testing.T) *building {
	t.Helper()
	b := &building{
		t: t, path: filepath.Join(t.TempDir(), "gateway.db"), ktv: &door{contact: true}, gym: &door{}, counters: map[string]int{},
	}
	b.start()
	b.apply()
	b.mint()
	t.Cleanup(b.stop)
	return b
}

func (b *building) start() {
	b.t.Helper()
	var err error
	if b.store, err = store.Open(b.path, store.Options{Gateway: gatewayID, NoSync: true}); err != nil {
		b.t.Fatal(err)
	}
	var floor time.Time
	err = b.store.View(func(tx *store.Tx) error {
		raw, err := tx.Get("test", "floor")
		if raw != nil && err == nil {
			err = floor.UnmarshalText(raw)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	began := time.Now()
	system := b.system
	if system == nil {
		system = func() (time.Time, time.Duration) { return time.Now(), time.Since(began) }
	}
	b.clock = clock.New(b.store.Boot(), floor, system)
	if b.system == nil {
		b.clock.Answered(began, 0, 0)
	}
	b.service, err = New(Deps{
		Store: b.store, Clock: b.clock, Key: bytes.Repeat([]byte{7}, 32), Doors: map[string]drivers.Door{"ktv": b.ktv, "gym": b.gym},
		Publish: b.publish, Count: b.count, Forced: func(subject string) { b.count("forced " + subject) },
		KeepFloor: func(tx *store.Tx) error {
			raw, err := b.clock.Floor().MarshalText()
			if err != nil {
				return err
			}
			return tx.Put("test", "floor", raw)
		},
	}, Config{Gateway: gatewayID, Doors: []DoorConfig{{ID: "ktv", Name: "視聽室", English: "KTV room", HasContact: true}, {ID: "gym", Name: "健身房"}}})
	if err != nil {
		b.t.Fatal(err)
	}
	var ctx context.Context
	ctx, b.quit = context.WithCancel(b.t.Context())
	b.done = make(chan error, 1)
	go func() { b.done <- b.service.Run(ctx) }()
	b.pass(2 * time.Second)
}

func (b *building) publish(topic string, payload []byte) {
	var c wire.Challenge
	if err := json.Unmarshal(payload, &c); err != nil || topic != wire.ChallengeTopic(gatewayID) || c.Gateway != gatewayID {
		b.t.Errorf("published on %s: %s", topic, payload)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, c)
}

func (b *building) count(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counters[name]++
}

func (b *building) counted(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counters[name]
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
	for _, d := range []*door{b.ktv, b.gym} {
		d.with(func() {
			d.silent = true // a dead box releases nothing
			for _, c := range []chan struct{}{d.before, d.after} {
				if c != nil {
					close(c)
				}
			}
			d.before, d.after = nil, nil
		})
	}
	b.quit()
	<-b.done
	for _, d := range []*door{b.ktv, b.gym} {
		d.with(func() { d.silent, d.asks = false, nil })
	}
}

func (b *building) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// warm lets the bucket of commands fill.
func (b *building) warm() { b.pass(2 * time.Minute) }

func (b *building) sign(k ed25519.PrivateKey, c wire.Context, doc any) []byte {
	b.t.Helper()
	signed, err := wire.Sign(k, c, doc)
	if err != nil {
		b.t.Fatal(err)
	}
	return signed
}

// apply puts grants and revocations into force.
func (b *building) apply() {
	b.t.Helper()
	b.version++
	root := wire.Root{Doc: "root", Gateway: gatewayID, Key: "s1", Version: b.version, Issued: 1}
	var parts [][]byte
	part := func(v any) wire.Hash {
		_, packed, h, err := wire.EncodePart(v)
		if err != nil {
			b.t.Fatal(err)
		}
		parts = append(parts, packed)
		return h
	}
	units := wire.Households{Units: []wire.Unit{{ID: "u1", Label: "A-12-3", Household: "h1"}, {ID: "u2", Label: "B-7-1", Household: "h2"}}}
	content := map[string]any{
		wire.PartHouseholds:  wire.HouseholdIndex{Shards: []wire.PartRef{{Name: "00", Hash: part(units)}}},
		wire.PartGrants:      wire.GrantIndex{Days: []wire.PartRef{{Name: "2026-05-04", Hash: part(wire.Grants{Grants: b.grants})}}},
		wire.PartRevocations: wire.Revocations{Revoked: b.revoked},
	}
	for _, name := range slices.Sorted(maps.Keys(content)) {
		root.Parts = append(root.Parts, wire.PartRef{Name: name, Hash: part(content[name])})
	}
	until := wire.At(time.Now().AddDate(1, 0, 0))
	public := func(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }
	keys := wire.KeySet{Doc: "keys", Fleet: "city", Version: 1, Keys: []wire.Key{
		{ID: "s1", Use: document.UseState, Public: public(stateKey), Until: until},
		{ID: "t1", Use: document.UseTicket, Public: public(ticketKey), Until: until},
		{ID: "c1", Use: document.UseCommand, Public: public(commandKey), Until: until},
	}}
	line := b.sign(stateKey, wire.ContextState, root)
	in := document.Intake{
		Gateway: gatewayID, RootKey: public(offline), Named: wire.StateVersion{Version: root.Version, Hash: wire.HashLine(line)},
	}
	payloads := append([][]byte{line}, append(parts, parts...)...)
	if b.version == 1 {
		payloads = append([][]byte{b.sign(offline, wire.ContextKeys, keys)}, payloads...)
	}
	err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		for _, p := range payloads {
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
}

// mint makes the code of household h1.
func (b *building) mint() {
	b.t.Helper()
	_, public, err := wire.NewSealKey()
	if err != nil {
		b.t.Fatal(err)
	}
	seal := wire.Key{ID: "e1", Use: document.UseSeal, Public: public}
	book := grants.NewBook(gatewayID, bytes.Repeat([]byte{7}, 32))
	err = b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		m, err := book.MintCode(tx, grants.Holder{Purpose: grants.Household, ID: "h1", Unit: "u1"}, "k1", time.Now(), seal)
		b.code = m.Digits
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// ticket is a ticket for the next two hours at ktv.
func (b *building) ticket(change func(*wire.Ticket)) string {
	b.t.Helper()
	now := time.Now()
	t := wire.Ticket{
		ID: "b1", Gateway: gatewayID, Door: "ktv", From: wire.At(now), Until: wire.At(now.Add(2 * time.Hour)),
		Issued: wire.At(now.Add(-time.Hour)), Key: "t1",
	}
	if change != nil {
		change(&t)
	}
	text, err := wire.SignTicket(ticketKey, t)
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

func once(t *wire.Ticket) { t.Uses = 1 }

func (b *building) present(door, text string) Verdict {
	b.t.Helper()
	v, err := b.service.Present(b.t.Context(), door, text)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *building) byCode(door, unit string, code Code) Verdict {
	b.t.Helper()
	v, err := b.service.EnterByCode(b.t.Context(), door, unit, code)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// through walks in at ktv, and closes the door behind.
func (b *building) through() {
	b.t.Helper()
	b.pass(time.Second)
	if !b.ktv.push() {
		b.t.Error("the door does not open")
	}
	b.pass(time.Second)
	b.ktv.shut()
	b.pass(10 * time.Second)
}

func (b *building) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// ask asks for a challenge and gives it.
func (b *building) ask(id, device string) (wire.Challenge, bool) {
	b.t.Helper()
	b.mu.Lock()
	n := len(b.sent)
	b.mu.Unlock()
	b.service.Command(wire.Raw(wire.CommandRequest{Doc: "request", ID: id, Device: device, What: "open"}))
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sent) == n {
		return wire.Challenge{}, false
	}
	return b.sent[n], true
}

// signed is the command that answers a challenge.
func (b *building) signed(ch wire.Challenge, change func(*wire.Command)) []byte {
	b.t.Helper()
	c := wire.Command{
		Doc: "command", Gateway: gatewayID, Key: "c1", ID: ch.ID, Device: ch.Device, What: ch.What, Challenge: ch.Challenge, Who: "m1", Why: "delivery",
	}
	if change != nil {
		change(&c)
	}
	return b.sign(commandKey, wire.ContextCommand, c)
}

func (b *building) order(payload []byte) {
	b.service.Command(payload)
	b.pass(time.Millisecond)
}

// raw are all events of the audit stream, as bytes.
func (b *building) raw() (all [][]byte) {
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

func (b *building) events() (all []wire.Event) {
	b.t.Helper()
	for _, raw := range b.raw() {
		ev, err := wire.DecodeEvent(raw)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, ev)
	}
	return all
}

// kinds are the types of the events of doors, commands and refusals since the n-th event, "subject type code".
func (b *building) kinds(since int) (all []string) {
	b.t.Helper()
	for _, ev := range b.events()[since:] {
		var data struct{ Code string }
		if ev.Data != nil {
			b.ok(json.Unmarshal(ev.Data, &data))
		}
		s := ev.Type
		if data.Code != "" {
			s += " " + data.Code
		}
		all = append(all, s)
	}
	return all
}

func (b *building) says(since int, want ...string) {
	b.t.Helper()
	if got := b.kinds(since); !slices.Equal(got, want) {
		b.t.Errorf("events %q; want %q", got, want)
	}
}

func (b *building) door(id string) Door {
	b.t.Helper()
	doors := b.service.View().Doors
	i := slices.IndexFunc(doors, func(d Door) bool { return d.ID == id })
	if i < 0 {
		b.t.Fatalf("no door %s in %+v", id, doors)
	}
	return doors[i]
}

// image copies the disk of a gateway that was stopped; putBack puts it in its place.
func (b *building) image() []byte {
	b.t.Helper()
	raw, err := os.ReadFile(b.path)
	b.ok(err)
	return raw
}

func (b *building) putBack(image []byte) {
	b.t.Helper()
	b.ok(os.WriteFile(b.path, image, 0o600))
}

// spoil changes what the store holds so that its checksum does not match.
func (b *building) spoil(space, key string) {
	b.t.Helper()
	b.stop()
	spoil(b.t, b.path, space, key)
	b.start()
}

// bubble runs a test of a building in a bubble.
func bubble(t *testing.T, name string, fn func(*building)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { fn(newBuilding(t)) })
	})
}

func describe(v Verdict) string { return fmt.Sprintf("%+v", v) }
