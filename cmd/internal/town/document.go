package town

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// withCodes is how many households have a code.
const withCodes = 12

// authority is the cloud's part in a town: its keys, and what it wished for.
type authority struct {
	gateway               string
	offline, state, stamp ed25519.PrivateKey // stamp signs tickets
	open, seal            []byte             // halves of the sealing key
	wished                []wire.Wish
}

func newAuthority(gateway string) (a authority, err error) {
	key := func(n byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
	}
	a = authority{gateway: gateway, offline: key(1), state: key(2), stamp: key(3)}
	a.open, a.seal, err = wire.NewSealKey()
	return a, err
}

// units are the flats as the state document has them.
func (a authority) units(c cloud.Community) (all []wire.Unit) {
	households := map[string]string{}
	for _, h := range c.Households {
		households[h.Unit] = h.ID
	}
	for _, u := range c.Units {
		all = append(all, wire.Unit{ID: u.ID, Label: u.Label, Household: households[u.ID], Low: u.Low})
	}
	return all
}

// sign puts a state document into force: the people of a community, and a wish for the codes of a courier, a guard and
// some households.
func (a *authority) sign(ctx context.Context, s *store.Store, c cloud.Community) error {
	end := wire.At(time.Now().AddDate(1, 0, 0))
	couriers := wire.Couriers{Couriers: []wire.Courier{{ID: courier, Name: "黑貓", Until: end}}}
	guards := wire.Guards{Guards: []wire.Guard{{ID: guard, Masked: "黃○德", Until: end}}}
	subjects := []string{"courier/" + courier, "guard/" + guard}
	units := a.units(c)
	for _, u := range units {
		if u.Household != "" && len(subjects) < withCodes+2 {
			subjects = append(subjects, "household/"+u.Household)
		}
	}
	for i, subject := range subjects {
		a.wished = append(a.wished, wire.Wish{ID: fmt.Sprintf("w%d", i), Kind: "mint_code", Subject: subject})
	}
	root := wire.Root{Doc: "root", Gateway: a.gateway, Key: "s1", Version: 1, Issued: wire.At(time.Now())}
	var parts [][]byte
	part := func(v any) (wire.Hash, error) {
		_, packed, h, err := wire.EncodePart(v)
		parts = append(parts, packed)
		return h, err
	}
	index, err := a.shards(units, part)
	if err != nil {
		return err
	}
	for name, v := range map[string]any{
		wire.PartHouseholds: index, wire.PartCouriers: couriers, wire.PartGuards: guards,
		wire.PartWishes: wire.Wishes{Wishes: a.wished}, wire.PartPolicy: wire.Policy{},
	} {
		h, err := part(v)
		if err != nil {
			return err
		}
		root.Parts = append(root.Parts, wire.PartRef{Name: name, Hash: h})
	}
	slices.SortFunc(root.Parts, func(a, b wire.PartRef) int { return strings.Compare(a.Name, b.Name) })
	return a.take(ctx, s, root, parts, end)
}

func (a *authority) shards(units []wire.Unit, part func(any) (wire.Hash, error)) (index wire.HouseholdIndex, err error) {
	var shards [wire.HouseholdShards]wire.Households
	for _, u := range units {
		n := wire.Shard(u.ID)
		shards[n].Units = append(shards[n].Units, u)
	}
	for n, shard := range shards {
		if len(shard.Units) == 0 {
			continue
		}
		h, err := part(shard)
		if err != nil {
			return index, err
		}
		index.Shards = append(index.Shards, wire.PartRef{Name: fmt.Sprintf("%02d", n), Hash: h})
	}
	return index, nil
}

// take hands everything in, as the uplink would.
func (a *authority) take(ctx context.Context, s *store.Store, root wire.Root, parts [][]byte, end wire.Micros) error {
	public := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	keys, err := wire.Sign(a.offline, wire.ContextKeys, wire.KeySet{Doc: "keys", Fleet: "town", Version: 1, Keys: []wire.Key{
		{ID: "s1", Use: document.UseState, Public: public(a.state), Until: end},
		{ID: "t1", Use: document.UseTicket, Public: public(a.stamp), Until: end},
		{ID: "e1", Use: document.UseSeal, Public: a.seal, Until: end},
	}})
	if err != nil {
		return err
	}
	line, err := wire.Sign(a.state, wire.ContextState, root)
	if err != nil {
		return err
	}
	in := document.Intake{
		Gateway: a.gateway, RootKey: public(a.offline), Named: wire.StateVersion{Version: root.Version, Hash: wire.HashLine(line)},
	}
	return s.Update(ctx, func(tx *store.Tx) error {
		// twice: a part is taken once the index that names it is there
		for _, payload := range slices.Concat([][]byte{keys, line}, parts, parts) {
			if _, err := document.Take(tx, in, payload); err != nil && !errors.Is(err, document.ErrUnasked) {
				return err
			}
		}
		return nil
	})
}

// ticket lets whoever holds it through a door for the next hour, as often as wanted.
func (a authority) ticket(door, id string, now time.Time) (string, error) {
	return wire.SignTicket(a.stamp, wire.Ticket{
		ID: id, Gateway: a.gateway, Door: door, From: wire.At(now.Add(-time.Minute)), Until: wire.At(now.Add(time.Hour)),
		Issued: wire.At(now.Add(-time.Minute)), Key: "t1",
	})
}
