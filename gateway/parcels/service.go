package parcels

import (
	"context"
	"time"
)

// What the kiosk asks. Every method returns once what it asks is durable, ErrStopped when the service has ended.

// Collect judges a PIN (kind pin) or a household code (kind household) for a unit's label and starts a visit, or goes on
// with the one that the household has.
func (s *Service) Collect(ctx context.Context, unit, kind, code string) (Verdict, error) {
	return s.verdict(ctx, ask{do: doCollect, unit: unit, kind: kind, code: Code(code)})
}

// Deliver judges a courier's code and starts a visit, or goes on with the one that this courier has. A deposit that was
// cut short is the door at hand.
func (s *Service) Deliver(ctx context.Context, code string) (Verdict, error) {
	return s.verdict(ctx, ask{do: doDeliver, code: Code(code)})
}

// Leave ends a visit; what stands open stays open.
func (s *Service) Leave(ctx context.Context, visit string) error {
	return s.ask(ctx, ask{do: doLeave, visit: visit})
}

// Open opens one door of the visit: one intent, one pulse. The same call is another try, at most two more.
func (s *Service) Open(ctx context.Context, visit, compartment string) error {
	return s.ask(ctx, ask{do: doOpen, visit: visit, compartment: compartment})
}

// Taken answers the question after the door was closed.
func (s *Service) Taken(ctx context.Context, visit, compartment string, all bool) error {
	return s.ask(ctx, ask{do: doTaken, visit: visit, compartment: compartment, yes: all})
}

// Dispute records that what is inside is not the person's (not_mine), or that nothing is (empty).
func (s *Service) Dispute(ctx context.Context, visit, compartment, why string) error {
	return s.ask(ctx, ask{do: doDispute, visit: visit, compartment: compartment, how: why})
}

// HasUnit tells whether a courier may deliver to a unit's label. 15 misses end the visit.
func (s *Service) HasUnit(ctx context.Context, visit, unit string) (bool, error) {
	a, err := s.answer(ctx, ask{do: doHasUnit, visit: visit, unit: unit})
	return a.yes, err
}

// Reserve takes the smallest free compartment of at least a size for a unit's label and opens it.
func (s *Service) Reserve(ctx context.Context, visit, unit, size string) error {
	return s.ask(ctx, ask{do: doReserve, visit: visit, unit: unit, size: size})
}

// Settle ends the deposit at hand: how is inside, too_small, occupied or took_back. too_small and occupied open the next
// door that fits; ErrFull when there is none, and then the deposit at hand has ended.
func (s *Service) Settle(ctx context.Context, visit, how string) error {
	return s.ask(ctx, ask{do: doSettle, visit: visit, how: how})
}

// Undo reopens the last drop within 2 minutes; its PIN dies untold, and it is then the deposit at hand.
func (s *Service) Undo(ctx context.Context, visit string) error {
	return s.ask(ctx, ask{do: doUndo, visit: visit})
}

// What the desk asks. Session is what SignIn gave; reason is a word of [a-z0-9_], at most 40, and stands in the audit.

// SignIn judges a guard's code and starts a session of 12 h; Visit of the verdict is the session.
func (s *Service) SignIn(ctx context.Context, code string) (Verdict, error) {
	return s.verdict(ctx, ask{do: doSignIn, code: Code(code)})
}

// SignOut ends a guard's session.
func (s *Service) SignOut(ctx context.Context, session string) error {
	return s.ask(ctx, ask{do: doSignOut, visit: session})
}

// OpenDoor opens a compartment for the guard: one intent, one pulse.
func (s *Service) OpenDoor(ctx context.Context, session, compartment, reason string) error {
	return s.ask(ctx, ask{do: doGuardOpen, visit: session, compartment: compartment, reason: reason})
}

// Inspect says what the guard found behind a door that needs a check or that he has opened and closed again.
func (s *Service) Inspect(ctx context.Context, session, compartment string, found Found, reason string) error {
	return s.ask(ctx, ask{do: doInspect, visit: session, compartment: compartment, how: string(found), reason: reason})
}

// PutOut takes a compartment out of service for a reason; an empty reason puts it in again.
func (s *Service) PutOut(ctx context.Context, session, compartment, reason string) error {
	return s.ask(ctx, ask{do: doPutOut, visit: session, compartment: compartment, reason: reason})
}

// ToOffice records that the guard has cleared a parcel to a shelf ([A-Z0-9-], at most 12). Its PIN goes on.
func (s *Service) ToOffice(ctx context.Context, session, parcel, shelf, reason string) error {
	return s.ask(ctx, ask{do: doToOffice, visit: session, parcel: parcel, shelf: shelf, reason: reason})
}

// HandOver gives a parcel that is at the office to its household: by its PIN, or with a reason when pin is empty.
func (s *Service) HandOver(ctx context.Context, session, parcel, pin, reason string) (Verdict, error) {
	return s.verdict(ctx, ask{do: doHandOver, visit: session, parcel: parcel, code: Code(pin), reason: reason})
}

// SendBack marks a parcel at the office for its carrier (return_pending); the second time it is signed for (returned).
func (s *Service) SendBack(ctx context.Context, session, parcel, reason string) error {
	return s.ask(ctx, ask{do: doSendBack, visit: session, parcel: parcel, reason: reason})
}

// Reassign gives a parcel to the household of another unit's label: the old PIN ends, a new one is minted.
func (s *Service) Reassign(ctx context.Context, session, parcel, unit, reason string) error {
	return s.ask(ctx, ask{do: doReassign, visit: session, parcel: parcel, unit: unit, reason: reason})
}

// UnlockUnit ends the lock of a unit after wrong guesses.
func (s *Service) UnlockUnit(ctx context.Context, session, unit, reason string) error {
	return s.ask(ctx, ask{do: doUnlockUnit, visit: session, unit: unit, reason: reason})
}

// NextCode mints the next household code of a unit after the guard has seen a proof of identity; the old one ends. ErrNoSeal
// without a key of the cloud to seal it to.
func (s *Service) NextCode(ctx context.Context, session, unit, reason string) (Code, error) {
	a, err := s.answer(ctx, ask{do: doNextCode, visit: session, unit: unit, reason: reason})
	return a.code, err
}

// ConfirmClock vouches for the time t; ErrBad when it has certainly passed.
func (s *Service) ConfirmClock(ctx context.Context, session string, t time.Time, reason string) error {
	return s.ask(ctx, ask{do: doClock, visit: session, at: t, reason: reason})
}

// Applied says that a new state document is in force. It never blocks.
func (s *Service) Applied() {
	select {
	case s.applied <- struct{}{}:
	default:
	}
}

// What both look at. None of these waits for anything.

// Front is what the idle screen shows.
func (s *Service) Front() Front { return s.view.Load().front(s.deps.Clock.Now(), s.deps) }

// Visit gives a visit as it stands; one that has ended, or never was, is Ended.
func (s *Service) Visit(id string) Visit { return s.view.Load().visit(id) }

// Guard gives the guard of a session; false when it has ended.
func (s *Service) Guard(session string) (Guard, bool) {
	return s.view.Load().guard(session, s.deps.Clock.Now())
}

// Office is what the desk shows.
func (s *Service) Office() Office { return s.view.Load().office(s.deps.Clock.Now()) }

// Changed gets a token, of capacity 1, after a change of anything shown. It is for one listener, the kiosk.
func (s *Service) Changed() <-chan struct{} { return s.watchers.kiosk }

// Watch is Changed for any other listener, who ends it with stop.
func (s *Service) Watch() (changed <-chan struct{}, stop func()) { return s.watchers.add() }
