package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// courier is the holder of the one courier's code.
const courier = "courier-1"

// newKey is a fresh Ed25519 key.
func newKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // the system gives no chance
	}
	return key
}

// community is what the cloud would tell the gateway: units, one courier, and the key to which PINs are sealed.
type community struct {
	private []byte // of the sealing key
	seal    wire.Key
	units   []wire.Unit
}

func newCommunity(units int) (*community, error) {
	private, public, err := wire.NewSealKey()
	if err != nil {
		return nil, err
	}
	c := &community{private: private}
	c.seal = wire.Key{ID: "seal-1", Use: document.UseSeal, Public: public, Until: wire.At(time.Now().AddDate(1, 0, 0))}
	for n := range units {
		c.units = append(c.units, wire.Unit{ID: fmt.Sprintf("u%d", n), Label: fmt.Sprintf("A-%d-1", n+1), Household: fmt.Sprintf("h%d", n)})
	}
	return c, nil
}

// payloads are the key set, the root and the parts, signed and packed as they travel.
func (c *community) payloads(root, state ed25519.PrivateKey) (all [][]byte, named wire.StateVersion, err error) {
	doc := wire.Root{Doc: "root", Gateway: gatewayID, Key: "state-1", Version: 1, Issued: wire.At(time.Now())}
	part := func(name string, v any) wire.PartRef {
		_, packed, h, perr := wire.EncodePart(v)
		all, err = append(all, packed), errors.Join(err, perr)
		return wire.PartRef{Name: name, Hash: h}
	}
	shards := map[int][]wire.Unit{}
	for _, u := range c.units {
		shards[wire.Shard(u.ID)] = append(shards[wire.Shard(u.ID)], u)
	}
	var index wire.HouseholdIndex
	for n, units := range shards {
		index.Shards = append(index.Shards, part(fmt.Sprintf("%02d", n), wire.Households{Units: units}))
	}
	slices.SortFunc(index.Shards, byName)
	doc.Parts = []wire.PartRef{
		part(wire.PartHouseholds, index),
		part(wire.PartCouriers, wire.Couriers{Couriers: []wire.Courier{{ID: courier, Name: "bench"}}}),
		part(wire.PartWishes, wire.Wishes{Wishes: []wire.Wish{{ID: "w1", Kind: "mint_code", Subject: "courier/" + courier}}}),
	}
	slices.SortFunc(doc.Parts, byName)
	keys := wire.KeySet{Doc: "keys", Fleet: "bench", Version: 1, Keys: []wire.Key{
		{ID: "state-1", Use: document.UseState, Public: state.Public().(ed25519.PublicKey), Until: c.seal.Until}, c.seal,
	}}
	set, serr := wire.Sign(root, wire.ContextKeys, keys)
	line, lerr := wire.Sign(state, wire.ContextState, doc)
	if err = errors.Join(err, serr, lerr); err != nil {
		return nil, named, err
	}
	return append([][]byte{set, line}, all...), wire.StateVersion{Version: 1, Hash: wire.HashLine(line)}, nil
}

func byName(a, b wire.PartRef) int { return cmp.Compare(a.Name, b.Name) }

// apply puts the community into force in a store.
func (c *community) apply(ctx context.Context, st *store.Store) error {
	root := newKey()
	payloads, named, err := c.payloads(root, newKey())
	if err != nil {
		return err
	}
	in := document.Intake{Gateway: gatewayID, RootKey: root.Public().(ed25519.PublicKey), Named: named}
	return st.Update(ctx, func(tx *store.Tx) error {
		for range 2 { // a part is asked for by the one that names it, which may come later
			for _, p := range payloads {
				if _, err := document.Take(tx, in, p); err != nil && !errors.Is(err, document.ErrUnasked) {
					return err
				}
			}
		}
		return nil
	})
}

// secrets are what the cloud can open of a store's events: codes by holder, PINs by parcel.
func (c *community) secrets(st *store.Store) (map[string]string, error) {
	all := map[string]string{}
	err := eachBlock(st, wire.Audit, func(b wire.Block) error {
		for _, raw := range b.Events {
			if err := c.open(raw, all); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

func (c *community) open(raw []byte, into map[string]string) error {
	ev, err := wire.DecodeEvent(raw)
	if err != nil || len(ev.State) == 0 {
		return err
	}
	var state struct {
		Holder string       `json:"holder"`
		Sealed *wire.Sealed `json:"sealed"`
		PIN    *wire.Sealed `json:"pin"`
	}
	if err := json.Unmarshal(ev.State, &state); err != nil {
		return err
	}
	holder, sealed := state.Holder, state.Sealed
	if state.PIN != nil {
		holder, sealed = strings.TrimPrefix(ev.Subject, "parcel/"), state.PIN
	}
	if sealed == nil {
		return nil
	}
	digits, err := sealed.Open(c.private, gatewayID, ev.Subject)
	into[holder] = string(digits)
	return err
}

// eachBlock hands on all of a stream, in blocks as they would travel.
func eachBlock(st *store.Store, stream wire.Stream, fn func(wire.Block) error) error {
	return st.View(func(tx *store.Tx) error {
		segments, err := tx.Segments(tx.Epoch(), stream)
		if err != nil {
			return err
		}
		for _, s := range segments {
			for from := uint64(1); from <= s.Last; {
				b, err := tx.Block(tx.Epoch(), stream, s.Number, from, wire.BlockEvents, rules.BlockBytes)
				if err == nil {
					err = fn(b)
				}
				if err != nil {
					return err
				}
				from = b.Last() + 1
			}
		}
		return nil
	})
}
