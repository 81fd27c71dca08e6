package grants

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/grants/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Purpose is what a code is for.
type Purpose = rules.Purpose

// The purposes of codes.
const (
	PIN       = rules.PIN
	Household = rules.Household
	Courier   = rules.Courier
	Guard     = rules.Guard
)

// Bounds of minting and keeping (invariant 13).
const (
	pinDigits  = 6
	codeDigits = 8
	keepEnded  = 30 * 24 * time.Hour  // so long "used on …" can be said
	codeLife   = 365 * 24 * time.Hour // of a code whose holder has no end
	draws      = 64                   // until a code is found that its neighbours do not have
)

// Spaces in the store.
const (
	spacePINs    = "grants.pins"    // unit, parcel, number -> pin
	spaceCodes   = "grants.codes"   // purpose, holder, id -> code
	spaceGuesses = "grants.guesses" // "unit", label -> rules.Unit; "screen", purpose -> rules.Screen
)

// ErrCrowded says that no code could be found that its neighbours do not have.
var ErrCrowded = errors.New("no free code found")

// Book keeps a building's codes. It holds no state but the key; the store does.
type Book struct {
	gateway string
	key     []byte
}

// NewBook makes the book of a gateway. Key is 32 bytes from a file that never leaves the box.
func NewBook(gateway string, key []byte) *Book { return &Book{gateway: gateway, key: key} }

// pin is a PIN as kept.
type pin struct {
	MAC   []byte      `json:"mac"`
	State PINState    `json:"state"`
	At    wire.Micros `json:"at"` // of State
}

// PINState is where a PIN stands.
type PINState string

// The states of a PIN. One that nobody was ever told is dead, and forgotten.
const (
	Live    PINState = "live"
	Used    PINState = "used"
	Over    PINState = "ended"
	deadPIN PINState = "dead"
)

// code is a code as kept.
type code struct {
	MAC   []byte      `json:"mac"`
	Unit  string      `json:"unit,omitempty"` // id
	Until wire.Micros `json:"until"`
	Ended string      `json:"ended,omitempty"`
	At    wire.Micros `json:"at"`
	// Version counts the events of credential/ID.
	Version uint64 `json:"version"`
}

// mac is what is kept of a code: an HMAC over purpose, unit, subject and code, each with its length before it.
func (b *Book) mac(p Purpose, unit, subject string, digits Secret) []byte {
	h := hmac.New(sha256.New, b.key)
	for _, field := range []string{string(p), unit, subject, digits.Reveal()} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
		h.Write([]byte(field))
	}
	return h.Sum(nil)
}

// draw makes a code of n digits by chance.
func draw(n int) (Secret, error) {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	v, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return "", fmt.Errorf("code: %w", err)
	}
	return Secret(fmt.Sprintf("%0*d", n, v)), nil
}

// MintPIN makes the PIN of a parcel, which no other PIN of the unit is or was in the last 30 days, and seals it. Without a
// sealing key (ok false) the PIN is made for nobody: the parcel is collected by its household's code.
func (b *Book) MintPIN(tx *store.Tx, unit, parcel string, now time.Time, key wire.Key, ok bool) (*wire.Sealed, error) {
	if !ok {
		return nil, nil
	}
	type neighbour struct {
		parcel string
		mac    []byte
	}
	var others []neighbour
	number := 0
	err := eachPIN(tx, unit, func(p string, _ string, kept pin) error {
		if others = append(others, neighbour{p, kept.MAC}); p == parcel {
			number++
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return nil, err
	}
	for range draws {
		digits, err := draw(pinDigits)
		if err != nil {
			return nil, err
		}
		taken := false
		for _, o := range others {
			taken = hmac.Equal(o.mac, b.mac(PIN, unit, o.parcel, digits)) || taken
		}
		if taken {
			continue
		}
		sealed, err := wire.Seal(key, b.gateway, "parcel/"+parcel, []byte(digits.Reveal()))
		if err != nil {
			return nil, err
		}
		kept := pin{MAC: b.mac(PIN, unit, parcel, digits), State: Live, At: wire.At(now)}
		return sealed, tx.Put(spacePINs, join(unit, parcel, fmt.Sprintf("%03d", number)), wire.Raw(kept))
	}
	return nil, fmt.Errorf("PIN for parcel %s: %w", parcel, ErrCrowded)
}

// UsePIN marks the living PIN of a parcel as used, EndPIN as ended, KillPIN forgets it, RevivePIN makes the used one live.
func (b *Book) UsePIN(tx *store.Tx, unit, parcel string, now time.Time) error {
	return turnPIN(tx, unit, parcel, Live, Used, now)
}

// EndPIN ends the living PIN of a parcel that was returned, lost or reassigned.
func (b *Book) EndPIN(tx *store.Tx, unit, parcel string, now time.Time) error {
	return turnPIN(tx, unit, parcel, Live, Over, now)
}

// KillPIN forgets a PIN that nobody was ever told.
func (b *Book) KillPIN(tx *store.Tx, unit, parcel string, now time.Time) error {
	return turnPIN(tx, unit, parcel, Live, deadPIN, now)
}

// RevivePIN makes the used PIN of a parcel live again: it was left inside.
func (b *Book) RevivePIN(tx *store.Tx, unit, parcel string, now time.Time) error {
	return turnPIN(tx, unit, parcel, Used, Live, now)
}

func turnPIN(tx *store.Tx, unit, parcel string, from, to PINState, now time.Time) error {
	err := eachPIN(tx, unit, func(p, key string, kept pin) error {
		if p != parcel || kept.State != from {
			return nil
		}
		if to == deadPIN {
			return tx.Delete(spacePINs, key)
		}
		kept.State, kept.At = to, wire.At(now)
		return tx.Put(spacePINs, key, wire.Raw(kept))
	})
	if errors.Is(err, store.ErrDamaged) { // another parcel's; a damaged PIN is right for nobody
		return nil
	}
	return err
}

func eachPIN(tx *store.Tx, unit string, fn func(parcel, key string, kept pin) error) error {
	return tx.Each(spacePINs, join(unit, ""), func(key string, value []byte) error {
		var kept pin
		parts := strings.Split(key, separator)
		if len(parts) != 3 || json.Unmarshal(value, &kept) != nil {
			return nil
		}
		return fn(parts[1], key, kept)
	})
}

// Minted is a new code.
type Minted struct {
	ID     string
	Digits Secret
	Events []wire.Event // not stamped: the old code's end, the new one's beginning
}

// Holder is whose code is minted. Unit is a household's unit id, else empty; Until zero means a year.
type Holder struct {
	Purpose Purpose
	ID      string
	Unit    string
	Until   wire.Micros
}

// MintCode makes the next code of a household, courier or guard, seals it, and ends the one before. ID is that of the
// credential.
func (b *Book) MintCode(tx *store.Tx, h Holder, id string, now time.Time, key wire.Key) (Minted, error) {
	m := Minted{ID: id}
	if h.Until == 0 {
		h.Until = wire.At(now.Add(codeLife))
	}
	type neighbour struct {
		unit, holder string
		mac          []byte
	}
	var others []neighbour
	err := eachCode(tx, join(string(h.Purpose), ""), func(holder, old, k string, kept code) error {
		if h.Purpose != Household || holder == h.ID {
			others = append(others, neighbour{kept.Unit, holder, kept.MAC})
		}
		if holder != h.ID || kept.Ended != "" {
			return nil
		}
		kept.Ended, kept.At = "replaced", wire.At(now)
		kept.Version++
		m.Events = append(m.Events, credential(wire.CredentialEnded, old, kept.Version, wire.Credential{
			Purpose: string(h.Purpose), Holder: holder, Until: kept.Until, Ended: kept.Ended,
		}))
		return tx.Put(spaceCodes, k, wire.Raw(kept))
	})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return m, err
	}
	for range draws {
		if m.Digits, err = draw(codeDigits); err != nil {
			return m, err
		}
		taken := false
		for _, o := range others {
			taken = hmac.Equal(o.mac, b.mac(h.Purpose, o.unit, o.holder, m.Digits)) || taken
		}
		if !taken {
			return b.keepCode(tx, m, h, now, key)
		}
	}
	return m, fmt.Errorf("code for %s/%s: %w", h.Purpose, h.ID, ErrCrowded)
}

func (b *Book) keepCode(tx *store.Tx, m Minted, h Holder, now time.Time, key wire.Key) (Minted, error) {
	sealed, err := wire.Seal(key, b.gateway, "credential/"+m.ID, []byte(m.Digits.Reveal()))
	if err != nil {
		return m, err
	}
	m.Events = append(m.Events, credential(wire.CredentialMinted, m.ID, 1, wire.Credential{
		Purpose: string(h.Purpose), Holder: h.ID, Sealed: sealed, Until: h.Until,
	}))
	kept := code{MAC: b.mac(h.Purpose, h.Unit, h.ID, m.Digits), Unit: h.Unit, Until: h.Until, At: wire.At(now), Version: 1}
	return m, tx.Put(spaceCodes, join(string(h.Purpose), h.ID, m.ID), wire.Raw(kept))
}

func credential(kind, id string, version uint64, state wire.Credential) wire.Event {
	return wire.Event{Type: kind, Subject: "credential/" + id, Version: version, State: wire.Raw(state)}
}

func eachCode(tx *store.Tx, prefix string, fn func(holder, id, key string, kept code) error) error {
	return tx.Each(spaceCodes, prefix, func(key string, value []byte) error {
		var kept code
		parts := strings.Split(key, separator)
		if len(parts) != 3 || json.Unmarshal(value, &kept) != nil {
			return nil
		}
		return fn(parts[1], parts[2], key, kept)
	})
}

// separator stands between the parts of a key; no id has it.
const separator = "\x00"

func join(parts ...string) string { return strings.Join(parts, separator) }
