package doors

import (
	"context"
	"fmt"
	"strings"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// What screens ask. Every method returns once what it asks is durable, ErrStopped when the service has ended. Reason is a
// word of [a-z0-9_], at most 40, and stands in the audit.

// Present judges a ticket's text, as a reader gives it, and releases the door.
func (s *Service) Present(ctx context.Context, door, ticket string) (Verdict, error) {
	return s.verdict(ctx, ask{do: doPresent, door: door, text: ticket})
}

// EnterByCode judges a household's code for a unit's label and releases the door by a living grant of that household.
func (s *Service) EnterByCode(ctx context.Context, door, unit string, code Code) (Verdict, error) {
	return s.verdict(ctx, ask{do: doCode, door: door, unit: unit, code: code})
}

// CloseDown closes a door to every grant, ticket and command.
func (s *Service) CloseDown(ctx context.Context, door, guard, reason string) error {
	return s.ask(ctx, ask{do: doCloseDown, door: door, guard: guard, reason: reason})
}

// Reopen ends that.
func (s *Service) Reopen(ctx context.Context, door, guard, reason string) error {
	return s.ask(ctx, ask{do: doReopen, door: door, guard: guard, reason: reason})
}

// Clear records that a guard has looked at a forced door.
func (s *Service) Clear(ctx context.Context, door, guard, reason string) error {
	return s.ask(ctx, ask{do: doClear, door: door, guard: guard, reason: reason})
}

// OpenFor releases a door for a guard. A closure does not hold him.
func (s *Service) OpenFor(ctx context.Context, door, guard, reason string) (Verdict, error) {
	return s.verdict(ctx, ask{do: doOpenFor, door: door, guard: guard, reason: reason})
}

// Applied says that a new state document is in force. It never blocks.
func (s *Service) Applied() { token(s.applied) }

// Command takes what came on the command topic. It never blocks: what there is no room for is dropped and counted.
func (s *Service) Command(payload []byte) {
	select {
	case s.commands <- payload:
	default:
		s.count("commands_dropped")
	}
}

// View is what screens show: no doors before Run has read what was stored. It waits for nothing.
func (s *Service) View() View { return s.view.Load().at(s.deps.Clock.Now()) }

// Watch gives a channel of capacity 1 that gets a token after a change of anything shown but AsOf; stop ends it.
func (s *Service) Watch() (changed <-chan struct{}, stop func()) { return s.watchers.add() }

// ask is what a person at a door or the desk wants, on its way to the loop.
type ask struct {
	do     verb
	door   string
	text   string // of a ticket
	unit   string // label
	code   Code
	guard  string
	reason string

	reply chan answer // capacity 1: an asker that left holds nobody up
}

// verb is what is asked.
type verb uint8

const (
	doPresent verb = iota + 1
	doCode
	doCloseDown
	doReopen
	doClear
	doOpenFor
)

// answer is what the loop says to an ask.
type answer struct {
	verdict Verdict
	err     error
}

func (s *Service) ask(ctx context.Context, a ask) error {
	_, err := s.verdict(ctx, a)
	return err
}

// verdict posts an ask and waits for what came of it. Once the loop has taken it, its outcome is always waited for.
func (s *Service) verdict(ctx context.Context, a ask) (Verdict, error) {
	a.reply = make(chan answer, 1)
	select {
	case s.asks <- a:
	case <-s.stopped:
		return Verdict{}, ErrStopped
	case <-ctx.Done():
		return Verdict{}, fmt.Errorf("doors: %w", context.Cause(ctx))
	}
	select {
	case r := <-a.reply:
		return r.verdict, r.err
	case <-s.stopped:
		return Verdict{}, ErrStopped
	}
}

const (
	maxLabel  = 16
	maxReason = 40
	maxID     = 64
	codeWidth = 8
)

// Letters of what is typed.
const (
	numbers  = "0123456789"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-" + numbers
	letters  = "abcdefghijklmnopqrstuvwxyz_" + numbers
)

// check refuses what cannot be meant, before anything is counted or moved (invariant 9).
func (a ask) check() error {
	switch a.do {
	case doPresent: // a text that is no ticket is no fault of the screen's
		return nil
	case doCode:
		if len(a.code) != codeWidth || !of(a.code.Reveal(), numbers) {
			return fmt.Errorf("code: use %d digits: %w", codeWidth, ErrBad)
		}
		if a.unit == "" || len(a.unit) > maxLabel || !of(a.unit, capitals) {
			return fmt.Errorf("unit: use capitals, digits and dashes, at most %d: %w", maxLabel, ErrBad)
		}
		return nil
	}
	switch { // a reason is a code, never free text: it goes into the audit
	case a.reason == "" || len(a.reason) > maxReason || !of(a.reason, letters):
		return fmt.Errorf("reason: use a word of a-z, 0-9 and _, at most %d: %w", maxReason, ErrBad)
	case a.guard == "" || len(a.guard) > maxID:
		return fmt.Errorf("guard's id of %d bytes: %w", len(a.guard), ErrBad)
	}
	return nil
}

// of tells whether a text has letters of a set alone.
func of(text, set string) bool { return strings.Trim(text, set) == "" }

// device is a door's name in commands.
func device(door string) string { return "door/" + door }

// whatOpen is the one thing that a door's command may want.
const whatOpen = "open"

func clockWord(q wire.Quality) string {
	switch q {
	case wire.FromAnswer, wire.FromNTP:
		return "ok"
	case wire.Uncertain:
		return "uncertain"
	}
	return "holdover"
}
