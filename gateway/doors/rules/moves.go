package rules

import (
	"errors"
	"fmt"
)

// State is where a door stands.
type State string

// The states of a door.
const (
	Secured  State = "secured"
	Opening  State = "opening"   // the intent is committed, what came of it is not known
	Released State = "released"  // the device has said so, or fell silent over it: the contact decides
	Open     State = "open"      // by a right, or from inside
	Held     State = "held"      // open for 30 s: a warning
	LeftOpen State = "left_open" // open for a minute: an alarm
	Forced   State = "forced"    // it was opened without a right, and no guard has looked yet

	atRest State = "" // secured, or forced while no guard has looked
)

// States lists every state.
func States() []State { return []State{Secured, Opening, Released, Open, Held, LeftOpen, Forced} }

// Turn is what happens to a door.
type Turn string

// The turns of a door.
const (
	Let         Turn = "let"          // somebody with a right; one release follows
	Confirmed   Turn = "confirmed"    // the device said that its output was on
	Lost        Turn = "lost"         // the frame may have left, and nothing is known
	NotSent     Turn = "not_sent"     // nothing was released
	Opens       Turn = "opens"        // the contact, after a release
	Lapsed      Turn = "lapsed"       // the release is over
	Excused     Turn = "excused"      // the contact opens by the button inside, or because the latch had not caught
	Forces      Turn = "forces"       // the contact opens, and nothing explains it
	Closes      Turn = "closes"       // the contact
	Lingers     Turn = "lingers"      // open for 30 s
	Stays       Turn = "stays"        // open for a minute
	Cleared     Turn = "cleared"      // a guard has looked
	ClearedAjar Turn = "cleared_ajar" // a guard has looked, and it stands open
	FoundOpen   Turn = "found_open"   // after a restart
	FoundClosed Turn = "found_closed" // after a restart; or no contact is fitted that could say otherwise
	FoundBlind  Turn = "found_blind"  // after a restart: the device is silent
)

// Turns lists every turn.
func Turns() []Turn {
	return []Turn{
		Let, Confirmed, Lost, NotSent, Opens, Lapsed, Excused, Forces, Closes, Lingers, Stays, Cleared, ClearedAjar,
		FoundOpen, FoundClosed, FoundBlind,
	}
}

// Move is one row of the table.
type Move struct {
	From State
	On   Turn
	To   State
}

// moves is read and never written.
var moves = []Move{
	{Secured, Let, Opening},
	{Forced, Let, Opening}, // the alarm goes on; who has a right is let in all the same

	{Opening, Confirmed, Released},
	{Opening, Lost, Released},
	{Opening, NotSent, atRest},
	{Released, Opens, Open},
	{Released, Lapsed, atRest},

	{Secured, Excused, Open},
	{Secured, Forces, Forced},
	{Open, Closes, atRest},
	{Held, Closes, atRest},
	{LeftOpen, Closes, atRest},
	{Open, Lingers, Held},
	{Held, Stays, LeftOpen},

	{Forced, Cleared, Secured},
	{Forced, ClearedAjar, Open},

	{Secured, FoundClosed, Secured},
	{Secured, FoundBlind, Secured},
	{Secured, FoundOpen, Forced},
	{Opening, FoundClosed, atRest},
	{Opening, FoundBlind, atRest},
	{Opening, FoundOpen, Open},
	{Released, FoundClosed, atRest},
	{Released, FoundBlind, atRest},
	{Released, FoundOpen, Open},
	{Open, FoundClosed, atRest},
	{Open, FoundBlind, Open},
	{Open, FoundOpen, Open},
	{Held, FoundClosed, atRest},
	{Held, FoundBlind, Held},
	{Held, FoundOpen, Held},
	{LeftOpen, FoundClosed, atRest},
	{LeftOpen, FoundBlind, LeftOpen},
	{LeftOpen, FoundOpen, LeftOpen},
	{Forced, FoundClosed, Forced},
	{Forced, FoundBlind, Forced},
	{Forced, FoundOpen, Forced},
}

// ErrNoMove says that the table has no such move.
var ErrNoMove = errors.New("no such move")

// Next looks a move up. Alarm says that the door was forced and no guard has looked yet.
func Next(from State, on Turn, alarm bool) (State, error) {
	for _, m := range moves {
		switch {
		case m.From != from || m.On != on:
		case m.To == atRest && alarm:
			return Forced, nil
		case m.To == atRest:
			return Secured, nil
		default:
			return m.To, nil
		}
	}
	return from, fmt.Errorf("%s while %s: %w", on, from, ErrNoMove)
}
