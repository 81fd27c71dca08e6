// Package document holds the state document: what the cloud wants this building to know, so that it can work alone.
//
// A signed root names its parts by hash; a root is applied when all are there, in one transaction that stores its
// version, keeps the revocations and records both. The key set, signed by the offline root key alone, says which keys
// may sign the rest and is taken before any root. Take takes whatever came on the state topic; services read the
// result with Load.
//
// Everything lies in spaces of its own in gateway/store. The package knows no link and no clock: the time comes in
// with the stamp, and only an answer's time prunes (Prune).
package document

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds (invariant 13).
const (
	maxKeys    = 64   // of a key set
	maxParts   = 192  // that one document may name, shards included
	maxRevoked = 4096 // revocations kept; each goes at its credential's end
)

// Spaces and keys in the store.
const (
	space        = "document"
	spaceParts   = "document.parts"   // hash -> uncompressed bytes
	spaceRevoked = "document.revoked" // credential -> wire.Revocation
	keyKeySet    = "keyset"           // signed, as it came
	keyRoot      = "root"             // applied: signed, as it came
	keyPending   = "pending"          // accepted, waits for parts
)

// Document is the state document as applied, parsed.
type Document struct {
	Version  wire.StateVersion // Version 0: nothing has been applied yet
	KeySet   wire.KeySet
	Units    []wire.Unit
	Couriers []wire.Courier
	Guards   []wire.Guard
	Wishes   []wire.Wish
	Policy   wire.Policy
	Revoked  []wire.Revocation // all that were ever applied and whose credential has not ended, by id
	Notices  []wire.Notice
	Grants   []wire.Grant // for doors, in the order of their days
}

// Load reads the document. Parts that are damaged are left out and come back as store.ErrDamaged beside the rest;
// Missing names them, so that the cloud sends them again.
func Load(tx *store.Tx) (Document, error) {
	var d Document
	var errs []error
	keys, err := Keys(tx)
	errs, d.KeySet = append(errs, err), keys
	d.Revoked, err = revoked(tx)
	errs = append(errs, err)
	root, version, err := readRoot(tx, keyRoot)
	if err != nil || version.Version == 0 {
		return d, errors.Join(append(errs, err)...)
	}
	d.Version = version
	return d, errors.Join(append(errs, d.fill(tx, root))...)
}

// fill parses the parts of a root into d. What cannot be had is left out and named.
func (d *Document) fill(tx *store.Tx, root wire.Root) error {
	var couriers wire.Couriers
	var guards wire.Guards
	var wishes wire.Wishes
	var notices wire.Notices
	var revocations wire.Revocations
	into := map[string]any{
		wire.PartCouriers: &couriers, wire.PartGuards: &guards, wire.PartWishes: &wishes,
		wire.PartPolicy: &d.Policy, wire.PartNotices: &notices,
		wire.PartRevocations: &revocations,
	}
	var errs []error
	for _, ref := range root.Parts {
		switch target, known := into[ref.Name]; {
		case known:
			errs = append(errs, readPart(tx, ref, target))
		case ref.Name == wire.PartHouseholds:
			errs = append(errs, readShards(tx, ref, func(h wire.Households) { d.Units = append(d.Units, h.Units...) }))
		case ref.Name == wire.PartGrants:
			errs = append(errs, readShards(tx, ref, func(g wire.Grants) { d.Grants = append(d.Grants, g.Grants...) }))
		}
	}
	for _, r := range revocations.Revoked { // they are kept apart as well; a record damaged there must not undo one
		if !slices.ContainsFunc(d.Revoked, func(held wire.Revocation) bool { return held.ID == r.ID }) {
			d.Revoked = append(d.Revoked, r)
		}
	}
	d.Couriers, d.Guards, d.Wishes, d.Notices = couriers.Couriers, guards.Guards, wishes.Wishes, notices.Notices
	return errors.Join(errs...)
}

// readShards reads the parts that an index names. One that cannot be had costs itself.
func readShards[Shard any](tx *store.Tx, ref wire.PartRef, take func(Shard)) error {
	shards, err := index(tx, ref)
	if err != nil {
		return err
	}
	var errs []error
	for _, shard := range shards {
		var s Shard
		if err := readPart(tx, shard, &s); err != nil {
			errs = append(errs, err)
			continue
		}
		take(s)
	}
	return errors.Join(errs...)
}

// index gives the parts that a part names, if it is an index; it must be held.
func index(tx *store.Tx, ref wire.PartRef) ([]wire.PartRef, error) {
	var households wire.HouseholdIndex
	var grants wire.GrantIndex
	var shards []wire.PartRef
	most := 0
	switch ref.Name {
	case wire.PartHouseholds:
		if err := readPart(tx, ref, &households); err != nil {
			return nil, err
		}
		shards, most = households.Shards, wire.HouseholdShards
	case wire.PartGrants:
		if err := readPart(tx, ref, &grants); err != nil {
			return nil, err
		}
		shards, most = grants.Days, wire.MaxGrantDays
	}
	if len(shards) > most {
		return nil, fmt.Errorf("index %s of %d parts: %w", ref.Name, len(shards), ErrBounds)
	}
	return shards, nil
}

// UnitByLabel finds a unit by what stands on its door, A-12-3.
func (d Document) UnitByLabel(label string) (wire.Unit, bool) {
	for _, u := range d.Units {
		if u.Label == label {
			return u, true
		}
	}
	return wire.Unit{}, false
}

// SealKey is the key to which secrets are sealed at a time: of those that have not ended, the one that ends last.
func (d Document) SealKey(now time.Time) (wire.Key, bool) {
	var best wire.Key
	for _, k := range d.KeySet.Keys {
		if k.Use == UseSeal && k.Until > wire.At(now) && k.Until > best.Until {
			best = k
		}
	}
	return best, best.ID != ""
}

// Keys gives the key set as taken; Version 0: none.
func Keys(tx *store.Tx) (wire.KeySet, error) {
	var k wire.KeySet
	b, err := tx.Get(space, keyKeySet)
	if err != nil || b == nil {
		return k, err
	}
	if err := wire.Peek(b, &k); err != nil { // checked when it was taken
		return wire.KeySet{}, fmt.Errorf("key set: %w", err)
	}
	return k, nil
}

// Applied is the version in force; Version 0: none, or damaged, and then only the one an answer names is taken.
func Applied(tx *store.Tx) (wire.StateVersion, error) {
	_, v, err := readRoot(tx, keyRoot)
	if errors.Is(err, store.ErrDamaged) {
		return wire.StateVersion{}, nil
	}
	return v, err
}

// Pending is the version accepted whose parts are not all there; Version 0: none.
func Pending(tx *store.Tx) (wire.StateVersion, error) {
	_, v, err := readRoot(tx, keyPending)
	if errors.Is(err, store.ErrDamaged) {
		return wire.StateVersion{}, nil
	}
	return v, err
}

func readRoot(tx *store.Tx, key string) (wire.Root, wire.StateVersion, error) {
	var root wire.Root
	b, err := tx.Get(space, key)
	if err != nil || b == nil {
		return root, wire.StateVersion{}, err
	}
	if err := wire.Peek(b, &root); err != nil { // checked when it was taken
		return root, wire.StateVersion{}, fmt.Errorf("%s: %w: %w", key, store.ErrDamaged, err)
	}
	return root, wire.StateVersion{Version: root.Version, Hash: wire.HashLine(b)}, nil
}

// readPart decodes one part that is held.
func readPart(tx *store.Tx, ref wire.PartRef, into any) error {
	raw, err := partBytes(tx, ref.Hash)
	if err == nil && raw == nil {
		err = store.ErrNotHeld
	}
	if err != nil {
		return fmt.Errorf("part %s: %w", ref.Name, err)
	}
	if json.Unmarshal(raw, into) != nil { // its text would echo what was sent
		return fmt.Errorf("part %s: %w", ref.Name, wire.ErrFormat)
	}
	return nil
}

// partBytes gives a part, nil when it is not held.
func partBytes(tx *store.Tx, h wire.Hash) ([]byte, error) {
	raw, err := tx.Get(spaceParts, h.String())
	if err == nil && raw != nil && sha256.Sum256(raw) != h {
		err = store.ErrDamaged
	}
	return raw, err
}
