package grants

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/grants/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Guess is what somebody typed. Label is a unit's, for PINs and household codes.
type Guess struct {
	Purpose Purpose
	Label   string
	Digits  Secret
}

// Refusal is why a guess is not judged; Reason is empty when it is.
type Refusal struct {
	Reason string // locked, closed
	Until  time.Time
}

// Counted is what Count gives for Judge: what stood before the guess was counted.
type Counted struct {
	screen rules.Screen
	unit   rules.Unit
}

// Count counts a guess as wrong. The caller commits that before it calls Judge in another transaction, so that pulling
// the plug buys nothing; a refused guess is not counted and must not be judged. A damaged count is taken for a spent one.
func (b *Book) Count(tx *store.Tx, g Guess, now time.Time) (Counted, Refusal, error) {
	screen, err := readScreen(tx, g.Purpose, now)
	if err != nil {
		return Counted{}, Refusal{}, err
	}
	unit, err := readUnit(tx, g, now)
	if err != nil {
		return Counted{}, Refusal{}, err
	}
	before, r := Counted{screen: screen, unit: unit}, Refusal{}
	switch {
	case !screen.Closed(g.Purpose).IsZero():
		r = Refusal{Reason: "closed", Until: screen.Closed(g.Purpose)}
	case !unit.Locked().IsZero():
		r = Refusal{Reason: "locked", Until: unit.Locked()}
	case !screen.Waits().IsZero():
		r = Refusal{Reason: "locked", Until: screen.Waits()}
	default:
		screen, unit = screen.Count(g.Purpose, now), unit.Count(now)
	}
	return before, r, errors.Join(putScreen(tx, g.Purpose, screen), putUnit(tx, g, unit))
}

// Verdict is what a guess was.
type Verdict struct {
	Right      bool
	Holder     string   // household, courier or guard
	Credential string   // of a code
	Parcel     string   // of a PIN, right or not
	PIN        PINState // of a PIN: Used and Over are not right, but no wrong guess either
	At         time.Time
	Left       int       // wrong: tries left
	Until      time.Time // wrong: and now the unit is locked
	Spent      bool      // wrong: and that was the screen's last of the day
}

// Subject is what a guess is judged against, as the state document has it. Its zero value is a unit that does not exist:
// it is judged in the same way and is always wrong.
type Subject struct {
	Unit      string // id
	Household string
	Revoked   map[string]bool // credentials
}

// Judge judges a guess that was counted and committed. What was right, or once was, is given back to the screen's budget;
// only what is right clears the unit's.
func (b *Book) Judge(tx *store.Tx, g Guess, before Counted, of Subject, now time.Time) (Verdict, error) {
	var v Verdict
	var err error
	if g.Purpose == PIN {
		v, err = b.judgePIN(tx, g, of)
	} else {
		v, err = b.judgeCode(tx, g, of, now)
	}
	if err != nil && !errors.Is(err, store.ErrDamaged) { // a damaged code is right for nobody
		return Verdict{}, err
	}
	if !v.Right && v.PIN == "" {
		screen, screenErr := readScreen(tx, g.Purpose, now)
		unit, unitErr := readUnit(tx, g, now)
		v.Left, v.Until, v.Spent = unit.Left(), unit.Locked(), !screen.Closed(g.Purpose).IsZero()
		return v, errors.Join(screenErr, unitErr)
	}
	if v.Right {
		before.unit = before.unit.Right()
	}
	screen, err := readScreen(tx, g.Purpose, now)
	if err != nil {
		return v, err
	}
	return v, errors.Join(putScreen(tx, g.Purpose, screen.Back(before.screen)), putUnit(tx, g, before.unit))
}

func (b *Book) judgePIN(tx *store.Tx, g Guess, of Subject) (Verdict, error) {
	var v Verdict
	hmac.Equal(b.mac(PIN, of.Unit, "", g.Digits), nil) // a unit without parcels takes its time too
	err := eachPIN(tx, of.Unit, func(parcel, _ string, kept pin) error {
		if hmac.Equal(kept.MAC, b.mac(PIN, of.Unit, parcel, g.Digits)) && (v.Parcel == "" || kept.State == Live) {
			v = Verdict{Right: kept.State == Live, Holder: of.Household, Parcel: parcel, PIN: kept.State, At: kept.At.Time()}
		}
		return nil
	})
	if of.Unit == "" {
		return Verdict{}, nil
	}
	return v, err
}

func (b *Book) judgeCode(tx *store.Tx, g Guess, of Subject, now time.Time) (Verdict, error) {
	var v Verdict
	prefix := join(string(g.Purpose), "")
	if g.Purpose == Household {
		hmac.Equal(b.mac(g.Purpose, of.Unit, of.Household, g.Digits), nil)
		if of.Household == "" {
			return v, nil
		}
		prefix = join(string(g.Purpose), of.Household, "")
	}
	err := eachCode(tx, prefix, func(holder, id, _ string, kept code) error {
		same := hmac.Equal(kept.MAC, b.mac(g.Purpose, kept.Unit, holder, g.Digits))
		alive := kept.Ended == "" && kept.Until > wire.At(now) && !of.Revoked[id]
		if same && alive && (g.Purpose != Household || kept.Unit == of.Unit) {
			v = Verdict{Right: true, Holder: holder, Credential: id}
		}
		return nil
	})
	return v, err
}

// Unlock ends the lock of a unit's label and forgets what was guessed for it. It gives false when there was none.
func (b *Book) Unlock(tx *store.Tx, label string, now time.Time) (bool, error) {
	locked := false
	for _, p := range []Purpose{PIN, Household} {
		g := Guess{Purpose: p, Label: label}
		u, err := readUnit(tx, g, now)
		if err != nil {
			return false, err
		}
		locked = locked || !u.Locked().IsZero()
		if err := putUnit(tx, g, u.Right()); err != nil {
			return false, err
		}
	}
	return locked, nil
}

// LockedUnit is a unit's label that is locked.
type LockedUnit struct {
	Label string
	Until time.Time
}

// Locked lists the labels that are locked now, in their order.
func (b *Book) Locked(tx *store.Tx, now time.Time) ([]LockedUnit, error) {
	var all []LockedUnit
	err := tx.Each(spaceGuesses, join("unit", ""), func(key string, value []byte) error {
		var u rules.Unit
		if json.Unmarshal(value, &u) != nil {
			return nil
		}
		label := strings.Split(key, separator)[1]
		until := u.At(now).Locked()
		if until.IsZero() {
			return nil
		}
		if n := len(all); n > 0 && all[n-1].Label == label {
			if until.After(all[n-1].Until) {
				all[n-1].Until = until
			}
			return nil
		}
		all = append(all, LockedUnit{Label: label, Until: until})
		return nil
	})
	return all, err
}

// Prune forgets used and ended codes after 30 days, and guesses that no longer count.
func (b *Book) Prune(tx *store.Tx, now time.Time) error {
	old := wire.At(now.Add(-keepEnded))
	var drop [][2]string
	pins := tx.Each(spacePINs, "", func(key string, value []byte) error {
		var kept pin
		if json.Unmarshal(value, &kept) == nil && kept.State != Live && kept.At < old {
			drop = append(drop, [2]string{spacePINs, key})
		}
		return nil
	})
	codes := tx.Each(spaceCodes, "", func(key string, value []byte) error {
		var kept code
		if json.Unmarshal(value, &kept) == nil && (kept.Ended != "" && kept.At < old || kept.Until < old) {
			drop = append(drop, [2]string{spaceCodes, key})
		}
		return nil
	})
	guesses := tx.Each(spaceGuesses, join("unit", ""), func(key string, value []byte) error {
		var u rules.Unit
		if json.Unmarshal(value, &u) == nil && u.At(now) == (rules.Unit{}) {
			drop = append(drop, [2]string{spaceGuesses, key})
		}
		return nil
	})
	for _, d := range drop {
		if err := tx.Delete(d[0], d[1]); err != nil {
			return err
		}
	}
	if err := errors.Join(pins, codes, guesses); err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	return nil
}

func unitKey(g Guess) string { return join("unit", g.Label, string(g.Purpose)) }

// readUnit gives what was guessed for a label. PINs and household codes have counters of their own; the others none.
func readUnit(tx *store.Tx, g Guess, now time.Time) (rules.Unit, error) {
	var u rules.Unit
	if g.Purpose != PIN && g.Purpose != Household {
		return u, nil
	}
	raw, err := tx.Get(spaceGuesses, unitKey(g))
	if errors.Is(err, store.ErrDamaged) || err == nil && raw != nil && json.Unmarshal(raw, &u) != nil {
		return rules.Unit{Start: now, Day: 1 << 20, Until: now.Add(time.Hour), For: time.Hour}, nil
	}
	return u.At(now), err
}

func putUnit(tx *store.Tx, g Guess, u rules.Unit) error {
	if g.Purpose != PIN && g.Purpose != Household {
		return nil
	}
	if u == (rules.Unit{}) {
		return tx.Delete(spaceGuesses, unitKey(g))
	}
	return tx.Put(spaceGuesses, unitKey(g), wire.Raw(u))
}

func readScreen(tx *store.Tx, p Purpose, now time.Time) (rules.Screen, error) {
	var s rules.Screen
	raw, err := tx.Get(spaceGuesses, join("screen", string(p)))
	if errors.Is(err, store.ErrDamaged) || err == nil && raw != nil && json.Unmarshal(raw, &s) != nil {
		return rules.Screen{Start: now, Wrong: rules.Limit(p)}, nil
	}
	return s.At(now), err
}

func putScreen(tx *store.Tx, p Purpose, s rules.Screen) error {
	return tx.Put(spaceGuesses, join("screen", string(p)), wire.Raw(s))
}
