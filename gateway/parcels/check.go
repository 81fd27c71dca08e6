package parcels

import (
	"fmt"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/grants"
)

const (
	maxLabel  = 16
	maxReason = 40
	maxShelf  = 12
	maxID     = 64
)

// check refuses what cannot be meant, before anything is counted or moved.
func (a ask) check() error {
	for _, id := range []string{a.visit, a.compartment, a.parcel} {
		if len(id) > maxID {
			return fmt.Errorf("id of %d bytes: %w", len(id), ErrBad)
		}
	}
	switch a.do {
	case doCollect:
		return first(label(a.unit), a.codeOf())
	case doDeliver, doSignIn:
		return digits(a.code, 8)
	case doHasUnit:
		return label(a.unit)
	case doReserve:
		if sizeRank(a.size) == 0 {
			return fmt.Errorf("size: use S, M, L or XL: %w", ErrBad)
		}
		return label(a.unit)
	case doDispute:
		return oneOf(a.how, "not_mine", "empty")
	case doSettle:
		return oneOf(a.how, "inside", "too_small", "occupied", "took_back")
	case doPutOut:
		if a.reason == "" {
			return nil
		}
	case doInspect:
		return first(oneOf(a.how, string(FoundEmpty), string(FoundParcel)), word(a.reason))
	case doToOffice:
		return first(shelf(a.shelf), word(a.reason))
	case doHandOver:
		if a.code != "" {
			return digits(a.code, 6)
		}
	case doReassign, doUnlockUnit, doNextCode:
		return first(label(a.unit), word(a.reason))
	case doClock:
		if a.at.Year() < 2020 || a.at.Year() > 2200 {
			return fmt.Errorf("time: %w", ErrBad)
		}
	case doGuardOpen, doSendBack:
	default:
		return nil
	}
	return word(a.reason)
}

// first gives the first error.
func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (a ask) codeOf() error {
	switch grants.Purpose(a.kind) {
	case grants.PIN:
		return digits(a.code, 6)
	case grants.Household:
		return digits(a.code, 8)
	}
	return fmt.Errorf("kind of code: use pin or household: %w", ErrBad)
}

func digits(code Code, n int) error {
	for _, c := range []byte(code) {
		if c < '0' || c > '9' {
			return fmt.Errorf("code: digits only: %w", ErrBad)
		}
	}
	if len(code) != n {
		return fmt.Errorf("code of %d digits, want %d: %w", len(code), n, ErrBad)
	}
	return nil
}

func label(s string) error {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && c != '-' {
			return fmt.Errorf("unit: use capitals, digits and dashes: %w", ErrBad)
		}
	}
	if s == "" || len(s) > maxLabel {
		return fmt.Errorf("unit of %d bytes, at most %d: %w", len(s), maxLabel, ErrBad)
	}
	return nil
}

func shelf(s string) error {
	if len(s) > maxShelf || label(s) != nil {
		return fmt.Errorf("shelf: capitals, digits and dashes, at most %d: %w", maxShelf, ErrBad)
	}
	return nil
}

// word is a reason: a code, never free text, since it goes into the audit.
func word(s string) error {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '_' {
			return fmt.Errorf("reason: use a word of a-z, 0-9 and _: %w", ErrBad)
		}
	}
	if s == "" || len(s) > maxReason {
		return fmt.Errorf("reason of %d bytes, at least 1 and at most %d: %w", len(s), maxReason, ErrBad)
	}
	return nil
}

func oneOf(s string, all ...string) error {
	if !slices.Contains(all, s) {
		return fmt.Errorf("use one of %v: %w", all, ErrBad)
	}
	return nil
}
