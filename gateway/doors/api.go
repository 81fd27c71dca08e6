// Package doors lets people through the doors of facilities: by a signed ticket, by a grant of the state document and the
// household's code, by a fresh signed command, and for nothing else (invariant 5).
//
// One loop takes one input at a time; gateway/doors/rules decide, state and events are committed in one transaction, and
// only then is a strike released. A door's contact says what became of it; a door that stands open without a right is
// forced, one that stands open too long is said to. Leaving never depends on this package: that is hardware.
package doors

import (
	"errors"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/grants"
)

// Errors of the methods. Whatever is refused has changed nothing (invariant 9).
var (
	ErrUnknown = errors.New("no such door here")
	ErrNotNow  = errors.New("not possible now")       // closed already, or open already
	ErrBad     = errors.New("malformed input")        // a reason that is no code
	ErrStopped = errors.New("service is not running") // ask again in a moment
)

// Code is a household's code in clear, on its way from a screen. It hides itself from every way of printing.
type Code = grants.Secret

// Reasons of a Verdict that opens nothing.
const (
	NoTicket    = "no_ticket"    // its text is none, or its signature does not verify: it counts as a wrong guess
	Elsewhere   = "elsewhere"    // a ticket of another building
	WrongDoor   = "wrong_door"   // Door says which one it opens
	TooEarly    = "too_early"    // From says from when
	TooLate     = "too_late"     // Until says since when
	Used        = "used"         // as often as it may
	Revoked     = "revoked"      // cancelled
	ClosedDown  = "closed_down"  // a guard closed the door
	Silent      = "silent"       // the door's device does not answer: the guard lets people in
	Crowded     = "crowded"      // opened too often: 6 times a minute
	NoGrant     = "no_grant"     // the code is right, and the household has nothing here now
	Wrong       = "wrong"        // unit and code do not match; Left says how many tries are left
	Locked      = "locked"       // after wrong guesses; Until says how long
	AlreadyOpen = "already_open" // nothing was released: walk in
)

// Verdict is the answer to a ticket or a code. A refusal is no error: it opened nothing, and says why.
type Verdict struct {
	Intent string // the door is being released: see View for what becomes of it
	Reason string // else: why not
	Door   string // wrong_door: id of the right one, when it is of this building
	From   time.Time
	Until  time.Time
	Left   int
}

// States of a door.
const (
	Secured  = "secured"
	Released = "released" // for a moment: it can be pushed open now
	Open     = "open"
	Held     = "held"      // open for 30 s
	LeftOpen = "left_open" // open for a minute: alarm
	Forced   = "forced"    // alarm; ends when a guard has looked
)

// Outcomes of the newest intent of a door, as its screen shows them.
const (
	Opening  = "opening"  // durable, and on its way; with Released: waits for a push
	Opened   = "opened"   // seen to open; without a contact: was released
	Unopened = "unopened" // released and not opened: nothing was used up
	Unknown  = "unknown"  // the device fell silent
	Refused  = "refused"  // nothing was released
)

// View is what screens show. It is a snapshot: nobody changes it.
type View struct {
	Now   time.Time // judged
	Clock string    // ok, holdover, uncertain
	Doors []Door    // in the order of the configuration
}

// Door is one door as screens show it.
type Door struct {
	ID, Name, English string
	State             string
	Since             time.Time // judged, of State
	ClosedDown        bool
	Reason            string // of ClosedDown: the guard's code
	Online            bool   // its device answers
	AsOf              time.Time
	Contact           string // closed, open, unknown
	Intent            string // the newest
	Outcome           string
}
