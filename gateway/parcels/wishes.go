package parcels

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Kinds of wishes that this service answers; others are somebody else's.
const (
	wishMint     = "mint_code"
	wishReassign = "reassign_parcel"
)

// document reads the state document anew and answers its wishes.
func (s *Service) document(ctx context.Context) error {
	err := s.deps.Store.View(func(tx *store.Tx) (err error) {
		s.doc, err = document.Load(tx)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return s.broken(err)
	}
	p := rules.Policy{Stay: time.Duration(s.doc.Policy.StayHours) * time.Hour, Holidays: s.doc.Policy.Holidays}
	if _, err := s.step(ctx, p, nil); err != nil {
		return s.broken(err)
	}
	for _, w := range s.doc.Wishes {
		if s.answers[w.ID] || w.ID == "" || (w.Kind != wishMint && w.Kind != wishReassign) {
			continue
		}
		err := s.wish(ctx, w)
		if errors.Is(err, ErrNoSeal) {
			continue // its key set is still to come
		}
		if err != nil {
			s.deps.Log.Error("wish not answered", "wish", w.ID, "err", err)
			if err := s.broken(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// wish answers one wish, once: its effect, its answer and the note of it are one transaction.
func (s *Service) wish(ctx context.Context, w wire.Wish) error {
	var err error
	if w.Kind == wishMint {
		err = s.wishedCode(ctx, w)
	} else {
		err = s.wishedReassignment(ctx, w)
	}
	if refused := (refusal("")); errors.As(err, &refused) {
		err = s.record(ctx, s.answered(w, wire.WishRefused, string(refused)))
	}
	if err != nil {
		return err
	}
	s.answers[w.ID] = true
	return nil
}

// refusal is why a wish is refused: a code.
type refusal string

func (r refusal) Error() string { return "wish refused: " + string(r) }

// answered appends the answer to a wish and notes that it was given.
func (s *Service) answered(w wire.Wish, kind, reason string) func(*store.Tx, clock.Reading) error {
	ev := wire.Event{Type: kind, Subject: "wish/" + w.ID, Data: wire.Raw(wire.WishOutcome{Kind: w.Kind, Target: w.Subject, Reason: reason})}
	return func(tx *store.Tx, now clock.Reading) error {
		if err := tx.Put(spaceWishes, w.ID, wire.Raw(wire.At(now.Time))); err != nil {
			return err
		}
		return appendAll(tx, now, []wire.Event{ev})
	}
}

func (s *Service) wishedCode(ctx context.Context, w wire.Wish) error {
	h, ok := s.holder(w.Subject)
	if !ok {
		return refusal("unknown")
	}
	var m grants.Minted
	mint, done := s.minting(h, s.newID(), &m), s.answered(w, wire.WishDone, "")
	return s.record(ctx, func(tx *store.Tx, now clock.Reading) error {
		if err := mint(tx, now); err != nil {
			return err
		}
		return done(tx, now)
	})
}

// holder finds whom a code is wished for: household/ID, courier/ID or guard/ID.
func (s *Service) holder(subject string) (grants.Holder, bool) {
	kind, id, _ := strings.Cut(subject, "/")
	switch grants.Purpose(kind) {
	case grants.Household:
		i := slices.IndexFunc(s.doc.Units, func(u wire.Unit) bool { return u.Household == id && id != "" })
		if i >= 0 {
			return grants.Holder{Purpose: grants.Household, ID: id, Unit: s.doc.Units[i].ID}, true
		}
	case grants.Courier:
		if c, ok := s.courier(id); ok {
			return grants.Holder{Purpose: grants.Courier, ID: id, Until: c.Until}, true
		}
	case grants.Guard:
		i := slices.IndexFunc(s.doc.Guards, func(g wire.Guard) bool { return g.ID == id })
		if i >= 0 {
			return grants.Holder{Purpose: grants.Guard, ID: id, Until: s.doc.Guards[i].Until}, true
		}
	}
	return grants.Holder{}, false
}

func (s *Service) courier(id string) (wire.Courier, bool) {
	i := slices.IndexFunc(s.doc.Couriers, func(c wire.Courier) bool { return c.ID == id })
	if i < 0 {
		return wire.Courier{}, false
	}
	return s.doc.Couriers[i], true
}

func (s *Service) wishedReassignment(ctx context.Context, w wire.Wish) error {
	var to struct{ Unit, Household string }
	kind, id, _ := strings.Cut(w.Subject, "/")
	if kind != "parcel" || json.Unmarshal(w.Data, &to) != nil {
		return refusal("malformed")
	}
	i := slices.IndexFunc(s.doc.Units, func(u wire.Unit) bool { return u.ID == to.Unit && u.Household == to.Household && u.Household != "" })
	p, known := s.state.Parcel(id)
	switch {
	case i < 0:
		return refusal("no_unit")
	case !known:
		return refusal("unknown")
	case w.Version != 0 && w.Version != p.Version:
		return refusal("changed")
	}
	in := rules.Reassign{Parcel: id, Unit: to.Unit, Household: to.Household, Label: s.doc.Units[i].Label, Reason: w.ID}
	_, err := s.step(ctx, in, s.answered(w, wire.WishDone, ""))
	if errors.Is(err, rules.ErrNotNow) || errors.Is(err, rules.ErrNoMove) {
		return refusal("state")
	}
	return err
}
