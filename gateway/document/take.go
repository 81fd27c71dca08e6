package document

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Why something that came on the state topic was not taken.
var (
	ErrKind     = errors.New("neither key set, root nor part")
	ErrKey      = errors.New("signed by no state key in force")
	ErrGateway  = errors.New("for another gateway or fleet")
	ErrOlder    = errors.New("older than what is held")
	ErrConflict = errors.New("another document under a version that is held")
	ErrUnnamed  = errors.New("no version is held and no answer has named this one")
	ErrUnasked  = errors.New("part that nothing names")
	ErrBounds   = errors.New("beyond the bounds of a document")
)

// Uses of a key in the key set.
const (
	UseState   = "state"
	UseAnswer  = "answer"
	UseCommand = "command"
	UseTicket  = "ticket"
	UseSeal    = "seal"
)

// Intake is what Take judges by.
type Intake struct {
	Gateway string
	RootKey ed25519.PublicKey // of the offline root key, given at enrolment
	Named   wire.StateVersion // wanted by the last accepted answer to the box's own pulse; zero: none yet
	Stamp   wire.Event        // time of the audit events
}

// Outcome is what Take did.
type Outcome struct {
	Keys    bool // the key set changed
	Pending bool // a root was accepted that waits for parts
	Part    bool // a part was kept
	Applied bool // a root is in force now that was not before
}

// Take takes one payload of the state topic: the key set, a root, or a part. An error says why it was refused and
// changes nothing, whatever else the transaction does; a repetition is no error.
func Take(tx *store.Tx, in Intake, payload []byte) (Outcome, error) {
	if wire.IsPart(payload) {
		return takePart(tx, in, payload)
	}
	var kind struct {
		Doc string `json:"doc"`
	}
	if err := wire.Peek(payload, &kind); err != nil {
		return Outcome{}, err
	}
	switch kind.Doc {
	case "keys":
		return takeKeys(tx, in, payload)
	case "root":
		return takeRoot(tx, in, payload)
	}
	return Outcome{}, ErrKind
}

// Code is a stable word for a refusal, to travel in the pulse; empty for nil and for what is worth no report.
func Code(err error) string {
	codes := []struct {
		err  error
		code string
	}{
		{ErrConflict, "conflict"}, {ErrOlder, "older"}, {ErrUnnamed, "unnamed"}, {ErrKey, "key"},
		{wire.ErrSignature, "signature"}, {ErrGateway, "gateway"}, {ErrBounds, "bounds"},
		{wire.ErrSize, "size"}, {wire.ErrFormat, "format"}, {ErrKind, "kind"},
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return ""
}

func takeKeys(tx *store.Tx, in Intake, payload []byte) (Outcome, error) {
	var set wire.KeySet
	if err := wire.Open(in.RootKey, wire.ContextKeys, payload, &set); err != nil {
		return Outcome{}, fmt.Errorf("key set: %w", err)
	}
	held, err := Keys(tx)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return Outcome{}, err
	}
	switch {
	case set.Doc != "keys" || set.Version == 0 || len(set.Keys) > maxKeys || slices.ContainsFunc(set.Keys, badKey):
		return Outcome{}, fmt.Errorf("key set %d: %w", set.Version, wire.ErrFormat)
	case held.Version > 0 && set.Fleet != held.Fleet:
		return Outcome{}, fmt.Errorf("key set %d: %w", set.Version, ErrGateway)
	case set.Version < held.Version:
		return Outcome{}, fmt.Errorf("key set %d, held %d: %w", set.Version, held.Version, ErrOlder)
	case set.Version == held.Version:
		old, err := tx.Get(space, keyKeySet)
		if err == nil && wire.HashLine(old) != wire.HashLine(payload) {
			err = fmt.Errorf("key set %d: %w", set.Version, ErrConflict)
		}
		return Outcome{}, err
	}
	return Outcome{Keys: true}, tx.Put(space, keyKeySet, bytes.Clone(payload))
}

func badKey(k wire.Key) bool { return k.ID == "" || len(k.Public) != ed25519.PublicKeySize }

// SigningKey finds the key of the set that may sign for a use at an instant; nil: none.
func SigningKey(set wire.KeySet, id, use string, at wire.Micros) ed25519.PublicKey {
	for _, k := range set.Keys {
		if k.ID == id && k.Use == use && at < k.Until {
			return k.Public
		}
	}
	return nil
}

func takeRoot(tx *store.Tx, in Intake, payload []byte) (Outcome, error) {
	root, err := openRoot(tx, in, payload)
	if err != nil {
		return Outcome{}, err
	}
	version := wire.StateVersion{Version: root.Version, Hash: wire.HashLine(payload)}
	applied, err := Applied(tx)
	if err != nil {
		return Outcome{}, err
	}
	pending, err := Pending(tx)
	if err != nil {
		return Outcome{}, err
	}
	if again, err := rank(version, applied, pending, in.Named); again || err != nil {
		return Outcome{}, err
	}
	if err := tx.Put(space, keyPending, bytes.Clone(payload)); err != nil {
		return Outcome{}, err
	}
	return apply(tx, in)
}

// openRoot verifies a root and its form.
func openRoot(tx *store.Tx, in Intake, payload []byte) (wire.Root, error) {
	var root wire.Root
	if len(payload) > wire.MaxRoot+128 { // the signature's line is not the root's
		return root, fmt.Errorf("root of %d bytes: %w", len(payload), wire.ErrSize)
	}
	if err := wire.Peek(payload, &root); err != nil {
		return root, fmt.Errorf("root: %w", err)
	}
	keys, err := Keys(tx)
	if err != nil {
		return root, err
	}
	key := SigningKey(keys, root.Key, UseState, root.Issued)
	if key == nil {
		return root, fmt.Errorf("root %d: %w", root.Version, ErrKey)
	}
	root = wire.Root{}
	if err := wire.Open(key, wire.ContextState, payload, &root); err != nil {
		return root, fmt.Errorf("root: %w", err)
	}
	switch {
	case root.Gateway != in.Gateway:
		return root, fmt.Errorf("root %d: %w", root.Version, ErrGateway)
	case root.Doc != "root" || root.Version == 0:
		return root, fmt.Errorf("root %d: %w", root.Version, wire.ErrFormat)
	case len(root.Parts) > maxParts:
		return root, fmt.Errorf("root %d of %d parts: %w", root.Version, len(root.Parts), ErrBounds)
	}
	return root, nil
}

// rank says whether a version may take the place of what is held; again: it is what is held.
func rank(v, applied, pending, named wire.StateVersion) (again bool, err error) {
	switch {
	case v == applied || v == pending && (applied.Version > 0 || v == named):
		return true, nil
	case applied.Version == 0 && v != named:
		err = ErrUnnamed
	case v.Version < applied.Version:
		err = ErrOlder
	case v.Version == applied.Version:
		err = ErrConflict
	case applied.Version == 0 || v == named: // an answer's word goes before a root whose parts may be gone
		return false, nil
	case v.Version < pending.Version:
		err = ErrOlder
	case v.Version == pending.Version:
		err = ErrConflict
	}
	if err != nil {
		err = fmt.Errorf("root %d, applied %d: %w", v.Version, applied.Version, err)
	}
	return false, err
}

func takePart(tx *store.Tx, in Intake, payload []byte) (Outcome, error) {
	raw, h, err := wire.DecodePart(payload)
	if err != nil {
		return Outcome{}, fmt.Errorf("part: %w", err)
	}
	missing, err := Missing(tx)
	if err != nil {
		return Outcome{}, err
	}
	if !slices.Contains(missing, h) {
		held, err := partBytes(tx, h)
		if err == nil && held == nil {
			err = ErrUnasked
		}
		return Outcome{}, err
	}
	if !json.Valid(raw) {
		return Outcome{}, fmt.Errorf("part: %w", wire.ErrFormat)
	}
	if err := tx.Put(spaceParts, h.String(), raw); err != nil {
		return Outcome{}, err
	}
	out, err := apply(tx, in)
	out.Part = true
	return out, err
}
