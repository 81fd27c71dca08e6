package parcels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// handle does what is asked. Bad input is refused before anything is counted or moved (invariant 9).
func (s *Service) handle(ctx context.Context, a ask) answer {
	if err := a.check(); err != nil {
		return answer{err: err}
	}
	switch a.do {
	case doCollect:
		return s.collect(ctx, a)
	case doDeliver:
		return s.deliver(ctx, a)
	case doSignIn:
		return s.signIn(ctx, a)
	case doHandOver:
		return s.handOver(ctx, a)
	case doHasUnit:
		return s.hasUnit(ctx, a)
	case doUnlockUnit:
		return s.unlockUnit(ctx, a)
	case doNextCode:
		return s.nextCode(ctx, a)
	case doClock:
		return s.confirmClock(ctx, a)
	}
	in, err := s.input(a)
	if err != nil {
		return answer{err: err}
	}
	out, err := s.step(ctx, in, nil)
	if err == nil && out.Full {
		err = ErrFull
	}
	return answer{err: err}
}

// input makes the rules' input of an ask that needs no judging.
func (s *Service) input(a ask) (rules.Input, error) {
	switch a.do {
	case doLeave:
		return rules.Leave{Visit: a.visit}, nil
	case doOpen:
		return rules.OpenDoor{Visit: a.visit, Compartment: a.compartment, Intent: s.newID()}, nil
	case doTaken:
		return rules.Answer{Visit: a.visit, Compartment: a.compartment, Taken: a.yes}, nil
	case doDispute:
		return rules.Dispute{Visit: a.visit, Compartment: a.compartment, Empty: a.how == "empty"}, nil
	case doSettle:
		return rules.Settle{Visit: a.visit, How: rules.SettleHow(a.how), Intent: s.newID()}, nil
	case doUndo:
		return rules.Undo{Visit: a.visit, Intent: s.newID()}, nil
	case doSignOut:
		return rules.GuardOut{Session: a.visit}, nil
	case doGuardOpen:
		return rules.GuardOpen{Session: a.visit, Compartment: a.compartment, Reason: a.reason, Intent: s.newID()}, nil
	case doInspect:
		return rules.Inspect{Session: a.visit, Compartment: a.compartment, Reason: a.reason, Inside: a.how == string(FoundParcel)}, nil
	case doPutOut:
		return rules.PutOut{Session: a.visit, Compartment: a.compartment, Reason: a.reason}, nil
	case doToOffice:
		return rules.ToOffice{Session: a.visit, Parcel: a.parcel, Shelf: a.shelf, Reason: a.reason}, nil
	case doSendBack:
		return rules.SendBack{Session: a.visit, Parcel: a.parcel, Reason: a.reason}, nil
	}
	u, ok := s.livedIn(a.unit)
	if !ok {
		return nil, fmt.Errorf("unit: %w", ErrNoUnit)
	}
	if a.do == doReassign {
		return rules.Reassign{Session: a.visit, Parcel: a.parcel, Unit: u.ID, Household: u.Household, Label: u.Label, Reason: a.reason}, nil
	}
	if s.deps.full() {
		return nil, fmt.Errorf("the log has no room for more: %w", ErrFull)
	}
	return rules.ReserveDoor{
		Visit: a.visit, Unit: u.ID, Household: u.Household, Label: u.Label, Size: a.size, Low: u.Low, Parcel: s.newID(), Intent: s.newID(),
	}, nil
}

// livedIn finds a unit in which somebody lives.
func (s *Service) livedIn(label string) (wire.Unit, bool) {
	u, ok := s.doc.UnitByLabel(label)
	return u, ok && u.Household != ""
}

// guess counts a guess, and judges it only once that is on disk. Unknown units go the same way, in the same time.
func (s *Service) guess(ctx context.Context, g grants.Guess) (grants.Verdict, Verdict, error) {
	reading := s.deps.Clock.Now()
	u, _ := s.livedIn(g.Label)
	of := grants.Subject{Unit: u.ID, Household: u.Household, Revoked: map[string]bool{}}
	for _, r := range s.doc.Revoked {
		of.Revoked[r.ID] = true
	}
	var before grants.Counted
	var refused grants.Refusal
	err := s.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		before, refused, err = s.book.Count(tx, g, reading.Time)
		return err
	})
	if err != nil || refused.Reason != "" {
		return grants.Verdict{}, Verdict{Reason: refused.Reason, Until: refused.Until}, err
	}
	var v grants.Verdict
	err = s.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		v, err = s.book.Judge(tx, g, before, of, reading.Time)
		if err != nil || v.Right || v.PIN != "" {
			return err
		}
		return appendAll(tx, reading, []wire.Event{refusedEvent(g, u.ID, v)})
	})
	if err != nil {
		return v, Verdict{}, err
	}
	if v.Right || v.PIN != "" {
		return v, Verdict{}, nil
	}
	return v, Verdict{Reason: "wrong", Left: v.Left, Until: v.Until}, s.lookLocked()
}

func refusedEvent(g grants.Guess, unit string, v grants.Verdict) wire.Event {
	why := wire.Refused{Purpose: string(g.Purpose), Unit: unit, Reason: "wrong", Left: v.Left}
	switch {
	case v.Spent:
		why.Reason = "budget"
	case !v.Until.IsZero():
		why.Reason = "locked"
	}
	return wire.Event{Type: wire.GrantRefused, Subject: "screen/kiosk", Data: wire.Raw(why)}
}

func (s *Service) collect(ctx context.Context, a ask) answer {
	g := grants.Guess{Purpose: grants.Purpose(a.kind), Label: a.unit, Digits: a.code}
	judged, refused, err := s.guess(ctx, g)
	if err != nil || refused.Reason != "" {
		return answer{verdict: refused, err: err}
	}
	in := rules.Collect{Visit: s.newID(), Household: judged.Holder, Label: a.unit, Grant: a.kind}
	if g.Purpose == grants.PIN {
		v, again := s.standing(judged)
		if v.Reason != "" {
			return answer{verdict: v}
		}
		in.Again = again
	}
	return s.begin(ctx, in)
}

// standing says what a parcel's PIN, which is right or once was, is good for now.
func (s *Service) standing(v grants.Verdict) (refused Verdict, again string) {
	now, _ := s.now()
	p, known := s.state.Parcel(v.Parcel)
	switch {
	case v.PIN == grants.Used && s.state.Reopens(v.Parcel, now):
		return Verdict{}, v.Parcel
	case v.PIN == grants.Used:
		return Verdict{Reason: "used", At: v.At}, ""
	case v.PIN == grants.Over || !known || p.State == rules.Disputed:
		return Verdict{Reason: "ended", At: v.At}, ""
	case p.State == rules.MovedToOffice || p.State == rules.ReturnPending:
		return Verdict{Reason: "office", Shelf: p.Shelf}, ""
	}
	return Verdict{}, ""
}

// begin starts a visit or session.
func (s *Service) begin(ctx context.Context, in rules.Input) answer {
	out, err := s.step(ctx, in, nil)
	return answer{verdict: Verdict{Visit: out.Visit}, err: err}
}

func (s *Service) deliver(ctx context.Context, a ask) answer {
	judged, refused, err := s.guess(ctx, grants.Guess{Purpose: grants.Courier, Digits: a.code})
	if err != nil || refused.Reason != "" {
		return answer{verdict: refused, err: err}
	}
	now, _ := s.now()
	c, ok := s.courier(judged.Holder)
	switch {
	case !ok || c.Until != 0 && c.Until <= wire.At(now.Wall):
		return answer{verdict: Verdict{Reason: "ended"}}
	case now.Certain && !within(c, now.Wall):
		return answer{verdict: Verdict{Reason: "hours"}}
	}
	return s.begin(ctx, rules.Deliver{Visit: s.newID(), Courier: c.ID, Name: c.Name})
}

// within tells whether a carrier may deliver at a time. Hours may go over midnight; none means always.
func within(c wire.Courier, at time.Time) bool {
	local := at.In(rules.Taipei())
	minute := local.Hour()*60 + local.Minute()
	switch {
	case c.From == c.To:
		return true
	case c.From < c.To:
		return minute >= c.From && minute < c.To
	}
	return minute >= c.From || minute < c.To
}

func (s *Service) signIn(ctx context.Context, a ask) answer {
	judged, refused, err := s.guess(ctx, grants.Guess{Purpose: grants.Guard, Digits: a.code})
	if err != nil || refused.Reason != "" {
		return answer{verdict: refused, err: err}
	}
	now, _ := s.now()
	i := slices.IndexFunc(s.doc.Guards, func(g wire.Guard) bool { return g.ID == judged.Holder })
	if i < 0 || s.doc.Guards[i].Until != 0 && s.doc.Guards[i].Until <= wire.At(now.Wall) {
		return answer{verdict: Verdict{Reason: "ended"}}
	}
	return s.begin(ctx, rules.GuardIn{Session: s.newID(), Guard: judged.Holder, Masked: s.doc.Guards[i].Masked})
}

// signedIn gives the guard of a session.
func (s *Service) signedIn(session string) (rules.GuardSession, error) {
	now, _ := s.now()
	g, ok := s.state.Guard(session, now)
	if !ok {
		return g, fmt.Errorf("guard: %w", ErrSession)
	}
	return g, nil
}

func (s *Service) handOver(ctx context.Context, a ask) answer {
	if _, err := s.signedIn(a.visit); err != nil {
		return answer{err: err}
	}
	p, ok := s.state.Parcel(a.parcel)
	if !ok {
		return answer{err: fmt.Errorf("parcel: %w", ErrUnknown)}
	}
	if a.code != "" {
		judged, refused, err := s.guess(ctx, grants.Guess{Purpose: grants.PIN, Label: p.Label, Digits: a.code})
		if err == nil && refused.Reason == "" && (!judged.Right || judged.Parcel != p.ID) {
			refused = Verdict{Reason: "ended", At: judged.At}
		}
		if err != nil || refused.Reason != "" {
			return answer{verdict: refused, err: err}
		}
		a.reason = "pin"
	}
	_, err := s.step(ctx, rules.HandOver{Session: a.visit, Parcel: a.parcel, Reason: a.reason}, nil)
	return answer{err: err}
}

func (s *Service) hasUnit(ctx context.Context, a ask) answer {
	if v, ok := s.state.Visit(a.visit); !ok || v.Role != rules.Courier {
		return answer{err: fmt.Errorf("visit: %w", ErrSession)}
	}
	if _, ok := s.livedIn(a.unit); ok {
		return answer{yes: true}
	}
	_, err := s.step(ctx, rules.Missed{Visit: a.visit}, nil)
	return answer{err: err}
}

func (s *Service) unlockUnit(ctx context.Context, a ask) answer {
	g, err := s.signedIn(a.visit)
	if err != nil {
		return answer{err: err}
	}
	u, known := s.doc.UnitByLabel(a.unit)
	if !known { // it can be locked all the same: nobody may see the difference
		u.ID = "none"
	}
	ev := wire.Event{
		Type: wire.GrantUnlocked, Subject: "unit/" + u.ID, Data: wire.Raw(wire.Cause{Why: "guard", By: g.Guard, Reason: a.reason}),
	}
	err = s.record(ctx, func(tx *store.Tx, now clock.Reading) error {
		locked, err := s.book.Unlock(tx, a.unit, now.Time)
		if err == nil && !locked {
			err = fmt.Errorf("unit is not locked: %w", ErrNotNow)
		}
		return err
	}, ev)
	return answer{err: errors.Join(err, s.lookLocked())}
}

func (s *Service) nextCode(ctx context.Context, a ask) answer {
	g, err := s.signedIn(a.visit)
	if err != nil {
		return answer{err: err}
	}
	u, ok := s.livedIn(a.unit)
	if !ok {
		return answer{err: fmt.Errorf("unit: %w", ErrNoUnit)}
	}
	var m grants.Minted
	id := s.newID()
	ev := wire.Event{
		Type: wire.CredentialHanded, Subject: "unit/" + u.ID, Data: wire.Raw(wire.Cause{Why: "guard", By: g.Guard, Reason: a.reason}),
	}
	mint := s.minting(grants.Holder{Purpose: grants.Household, ID: u.Household, Unit: u.ID}, id, &m)
	err = s.record(ctx, mint, ev)
	return answer{code: m.Digits, err: err}
}

func (s *Service) confirmClock(ctx context.Context, a ask) answer {
	g, err := s.signedIn(a.visit)
	if err != nil {
		return answer{err: err}
	}
	if !s.deps.Clock.Confirmed(a.at) {
		return answer{err: fmt.Errorf("the time has certainly passed: %w", ErrBad)}
	}
	ev := wire.Event{
		Type: wire.ClockConfirmed, Subject: "gateway/" + s.config.Gateway, Data: wire.Raw(wire.Cause{Why: "guard", By: g.Guard, Reason: a.reason}),
	}
	err = s.record(ctx, nil, ev)
	s.publish()
	return answer{err: err}
}
