package doors

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/doors/rules"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
	judge "github.com/ntpc-smart-community/lobby/gateway/grants/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// handle does what is asked. Bad input is refused before anything is counted or moved (invariant 9).
func (s *Service) handle(ctx context.Context, a ask) (Verdict, error) {
	if err := a.check(); err != nil {
		return Verdict{}, err
	}
	if _, ok := s.state.Door(a.door); !ok {
		return Verdict{}, fmt.Errorf("door %.40q: %w", a.door, ErrUnknown)
	}
	switch a.do {
	case doPresent:
		return s.present(ctx, a)
	case doCode:
		return s.byCode(ctx, a)
	case doOpenFor:
		intent := rand.Text()
		return s.let(ctx, rules.OpenFor{Door: a.door, Intent: intent, Guard: a.guard, Reason: a.reason}, intent)
	}
	var in rules.Input
	switch a.do {
	case doCloseDown:
		in = rules.CloseDown{Door: a.door, Guard: a.guard, Reason: a.reason}
	case doReopen:
		in = rules.Reopen{Door: a.door, Guard: a.guard, Reason: a.reason}
	case doClear:
		in = rules.Clear{Door: a.door, Guard: a.guard, Reason: a.reason}
	}
	_, err := s.step(ctx, in, nil)
	return Verdict{}, err
}

// let lets the rules decide on somebody whose right was judged.
func (s *Service) let(ctx context.Context, in rules.Input, intent string) (Verdict, error) {
	_, err := s.step(ctx, in, nil)
	if why := rules.Refusal(""); errors.As(err, &why) {
		return Verdict{Reason: string(why)}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Intent: intent}, nil
}

// keys reads the key set anew: a new one comes without a new document. One that is damaged signs nothing.
func (s *Service) keys() (keys wire.KeySet, err error) {
	err = s.deps.Store.View(func(tx *store.Tx) (err error) {
		keys, err = document.Keys(tx)
		return err
	})
	if err != nil {
		s.deps.Log.Error("key set cannot be read", "err", err)
	}
	return keys, s.broken(err)
}

// present judges a ticket's text.
func (s *Service) present(ctx context.Context, a ask) (Verdict, error) {
	keys, err := s.keys()
	if err != nil {
		return Verdict{}, err
	}
	t, err := grants.OpenTicket(keys, a.text, grants.Moment(s.deps.Clock))
	if err != nil {
		s.count("tickets_refused")
		_, err := s.step(ctx, rules.Wrong{Door: a.door}, nil)
		return Verdict{Reason: NoTicket}, err
	}
	if err := s.issued(ctx, t.Issued.Time()); err != nil {
		return Verdict{}, err
	}
	standing, marked := grants.Moment(s.deps.Clock).Window(t.From.Time(), t.Until.Time())
	switch {
	case t.Gateway != s.config.Gateway:
		return Verdict{Reason: Elsewhere}, nil
	case t.Door != a.door:
		v := Verdict{Reason: WrongDoor}
		if _, here := s.state.Door(t.Door); here {
			v.Door = t.Door
		}
		return v, nil
	case s.revoked(t.ID):
		return Verdict{Reason: Revoked}, nil
	case standing == judge.Early:
		return Verdict{Reason: TooEarly, From: t.From.Time()}, nil
	case standing == judge.Ended:
		return Verdict{Reason: TooLate, Until: t.Until.Time()}, nil
	}
	return s.enter(ctx, rules.Enter{Door: a.door, Right: rules.ByTicket, Grant: t.ID, Uses: t.Uses, Until: t.Until.Time(), Marked: marked})
}

// issued takes the issue time of a ticket that has verified: true time has passed it. What that raises is kept.
func (s *Service) issued(ctx context.Context, at time.Time) error {
	if !at.After(s.deps.Clock.Floor()) {
		return nil
	}
	s.deps.Clock.Issued(at)
	if s.deps.KeepFloor == nil {
		return nil
	}
	return s.deps.Store.Update(ctx, s.deps.KeepFloor)
}

func (s *Service) revoked(id string) bool {
	return slices.ContainsFunc(s.doc.Revoked, func(r wire.Revocation) bool { return r.ID == id })
}

// enter lets somebody in by a grant that is good now, as often as it may be used.
func (s *Service) enter(ctx context.Context, in rules.Enter) (Verdict, error) {
	used, err := s.used(in.Grant)
	if err != nil {
		return Verdict{}, err
	}
	in.Used, in.Intent = used, rand.Text()
	return s.let(ctx, in, in.Intent)
}

// byCode judges a household's code, and then what its household may do here now.
func (s *Service) byCode(ctx context.Context, a ask) (Verdict, error) {
	household, refused, err := s.guess(ctx, a)
	if err != nil || household == "" {
		return refused, err
	}
	v := Verdict{Reason: NoGrant}
	now := grants.Moment(s.deps.Clock)
	for _, g := range s.doc.Grants {
		if g.Door != a.door || g.Household != household || s.revoked(g.ID) {
			continue
		}
		standing, marked := now.Window(g.From.Time(), g.Until.Time())
		switch {
		case standing == judge.Early && (v.Reason == NoGrant || v.Reason == TooEarly && g.From.Time().Before(v.From)):
			v = Verdict{Reason: TooEarly, From: g.From.Time()}
		case standing == judge.Living:
			in := rules.Enter{
				Door: a.door, Right: rules.ByGrant, Grant: g.ID, Who: household, Uses: g.Uses, Until: g.Until.Time(), Marked: marked,
			}
			let, err := s.enter(ctx, in)
			if err != nil || let.Reason != Used { // another may have uses left
				return let, err
			}
			v = let
		}
	}
	return v, nil
}

// guess counts a guess, and judges it only once that is on disk. Unknown units go the same way, in the same time. It gives
// the household whose code was right.
func (s *Service) guess(ctx context.Context, a ask) (household string, refused Verdict, err error) {
	g := grants.Guess{Purpose: grants.Household, Label: a.unit, Digits: a.code}
	now := s.deps.Clock.Now()
	u, _ := s.doc.UnitByLabel(a.unit)
	of := grants.Subject{Unit: u.ID, Household: u.Household, Revoked: map[string]bool{}}
	for _, r := range s.doc.Revoked {
		of.Revoked[r.ID] = true
	}
	var before grants.Counted
	var closed grants.Refusal
	err = s.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		before, closed, err = s.book.Count(tx, g, now.Time)
		return err
	})
	if err != nil || closed.Reason != "" {
		return "", Verdict{Reason: Locked, Until: closed.Until}, err
	}
	var v grants.Verdict
	err = s.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		v, err = s.book.Judge(tx, g, before, of, now.Time)
		if err != nil || v.Right {
			return err
		}
		return refuse(tx, now, a.door, u.ID, v)
	})
	if err != nil || v.Right {
		return v.Holder, Verdict{}, err
	}
	return "", Verdict{Reason: Wrong, Left: v.Left, Until: v.Until}, nil
}

// refuse records a wrong guess.
func refuse(tx *store.Tx, now clock.Reading, door, unit string, v grants.Verdict) error {
	why := wire.Refused{Purpose: string(grants.Household), Unit: unit, Reason: "wrong", Left: v.Left}
	switch {
	case v.Spent:
		why.Reason = "budget"
	case !v.Until.IsZero():
		why.Reason = "locked"
	}
	ev := wire.Event{Type: wire.GrantRefused, Subject: "screen/" + door, Data: wire.Raw(why)}
	now.Stamp(&ev)
	_, err := tx.Append(wire.Audit, ev)
	return err
}
