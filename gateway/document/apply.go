package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Missing names the parts that the pending root lacks, and those of the applied one that are damaged: what a pulse
// asks for. The shards of an index that is not there yet are not known yet.
func Missing(tx *store.Tx) ([]wire.Hash, error) {
	var missing []wire.Hash
	for _, key := range []string{keyRoot, keyPending} {
		root, version, err := readRoot(tx, key)
		if errors.Is(err, store.ErrDamaged) || err == nil && version.Version == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		refs, lacks, err := references(tx, root)
		if err != nil {
			return nil, err
		}
		for _, h := range lacks {
			if !slices.Contains(missing, h) {
				missing = append(missing, h)
			}
		}
		if len(refs) > maxParts {
			return nil, fmt.Errorf("root %d: %w", version.Version, ErrBounds)
		}
	}
	return missing, nil
}

// references gives the parts that a root names, those that an index among them names included as far as it is there, and
// those of them that are not held.
func references(tx *store.Tx, root wire.Root) (refs, lacks []wire.Hash, err error) {
	add := func(h wire.Hash) (held bool, err error) {
		refs = append(refs, h)
		raw, err := partBytes(tx, h)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return false, err
		}
		if held = err == nil && raw != nil; !held {
			lacks = append(lacks, h)
		}
		return held, nil
	}
	for _, ref := range root.Parts {
		held, err := add(ref.Hash)
		if err != nil {
			return nil, nil, err
		}
		if !held {
			continue
		}
		shards, err := index(tx, ref)
		if err != nil {
			return nil, nil, err
		}
		for _, shard := range shards {
			if _, err := add(shard.Hash); err != nil {
				return nil, nil, err
			}
		}
	}
	return refs, lacks, nil
}

// apply puts the pending root into force if all its parts are there.
func apply(tx *store.Tx, in Intake) (Outcome, error) {
	root, version, err := readRoot(tx, keyPending)
	if err != nil || version.Version == 0 {
		return Outcome{}, err
	}
	refs, lacks, err := references(tx, root)
	if err != nil {
		return Outcome{}, err
	}
	if len(refs) > maxParts {
		return Outcome{}, fmt.Errorf("root %d of %d parts: %w", root.Version, len(refs), ErrBounds)
	}
	if len(lacks) > 0 {
		return Outcome{Pending: true}, prune(tx)
	}
	if err := new(Document).fill(tx, root); err != nil { // what cannot be read later must not come into force now
		return Outcome{}, fmt.Errorf("root %d: %w", root.Version, err)
	}
	if err := revoke(tx, in, root); err != nil {
		return Outcome{}, fmt.Errorf("root %d: %w", root.Version, err)
	}
	signed, err := tx.Get(space, keyPending)
	if err != nil {
		return Outcome{}, err
	}
	if err := tx.Put(space, keyRoot, bytes.Clone(signed)); err != nil {
		return Outcome{}, err
	}
	if err := tx.Delete(space, keyPending); err != nil {
		return Outcome{}, err
	}
	if err := prune(tx); err != nil {
		return Outcome{}, err
	}
	_, err = tx.Append(wire.Audit, stamped(in.Stamp, wire.StateApplied, "gateway/"+in.Gateway, version))
	return Outcome{Applied: true}, err
}

// prune drops the parts that neither the applied nor the pending root names.
func prune(tx *store.Tx) error {
	var keep []wire.Hash
	for _, key := range []string{keyRoot, keyPending} {
		root, _, err := readRoot(tx, key)
		if errors.Is(err, store.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		refs, _, err := references(tx, root)
		if err != nil {
			return err
		}
		keep = append(keep, refs...)
	}
	var drop []string
	err := tx.Each(spaceParts, "", func(key string, _ []byte) error {
		if !slices.ContainsFunc(keep, func(h wire.Hash) bool { return h.String() == key }) {
			drop = append(drop, key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	for _, key := range drop {
		if err := tx.Delete(spaceParts, key); err != nil {
			return err
		}
	}
	return nil
}

// revoke keeps the revocations of a root and records each that is new or lasts longer than was known. One whose
// credential had ended when the root was issued is nothing: Prune has dropped it, or may.
func revoke(tx *store.Tx, in Intake, root wire.Root) error {
	held, err := revoked(tx)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	until := make(map[string]wire.Micros, len(held))
	for _, r := range held {
		until[r.ID] = r.Until
	}
	for _, ref := range root.Parts {
		if ref.Name != wire.PartRevocations {
			continue
		}
		var part wire.Revocations
		if err := readPart(tx, ref, &part); err != nil {
			return err
		}
		for _, r := range part.Revoked {
			if old, known := until[r.ID]; known && old >= r.Until || r.Until <= root.Issued {
				continue
			}
			until[r.ID] = r.Until
			if r.ID == "" || len(until) > maxRevoked {
				return fmt.Errorf("%d revocations: %w", len(until), ErrBounds)
			}
			if err := tx.Put(spaceRevoked, r.ID, wire.Raw(r)); err != nil {
				return err
			}
			if _, err := tx.Append(wire.Audit, stamped(in.Stamp, wire.RevocationApplied, "credential/"+r.ID, r)); err != nil {
				return err
			}
		}
	}
	return nil
}

func revoked(tx *store.Tx) (all []wire.Revocation, err error) {
	err = tx.Each(spaceRevoked, "", func(key string, value []byte) error {
		var r wire.Revocation
		if json.Unmarshal(value, &r) != nil {
			return fmt.Errorf("revocation %s: %w", key, store.ErrDamaged)
		}
		all = append(all, r)
		return nil
	})
	return all, err
}

// Prune drops the revocations whose credential has ended at the time of an accepted answer. No other time will do: a
// clock that is wrong by a year would bring stolen cards back.
func Prune(tx *store.Tx, answer time.Time) error {
	all, err := revoked(tx)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	for _, r := range all {
		if r.Until > wire.At(answer) {
			continue
		}
		if err := tx.Delete(spaceRevoked, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// stamped makes an event with the time of another.
func stamped(stamp wire.Event, kind, subject string, data any) wire.Event {
	return wire.Event{
		Type: kind, Subject: subject, Data: wire.Raw(data),
		Wall: stamp.Wall, Clock: stamp.Clock, Mono: stamp.Mono, Boot: stamp.Boot,
	}
}
