package kiosk

import (
	"context"
	"errors"
	"time"
)

// ErrNotNow is what the service says to a move that is not possible as things stand; nothing was changed.
var ErrNotNow = errors.New("not possible now")

// Parcels is what the screen needs of the parcels service. Every method returns once what it asks is durable; what a
// door then does is seen by Visit, and Changed says when to look.
type Parcels interface {
	Entrance
	Resident
	Courier
	Watch
}

// Entrance judges what was typed. A refusal is no error: it opens nothing and is in the verdict.
type Entrance interface {
	// Collect judges a PIN (kind pin) or a household code (kind household) for a unit and starts a visit.
	Collect(ctx context.Context, unit, kind, code string) (Verdict, error)
	// Deliver judges a courier's code and starts a visit.
	Deliver(ctx context.Context, code string) (Verdict, error)
	// Leave ends a visit; what stands open stays open.
	Leave(ctx context.Context, visit string) error
}

// Resident is what a person does who collects.
type Resident interface {
	// Open opens one door of the visit: one intent, one pulse. The same call is another try.
	Open(ctx context.Context, visit, compartment string) error
	// Taken answers the question after the door was closed.
	Taken(ctx context.Context, visit, compartment string, all bool) error
	// Dispute records that what is inside is not the person's (not_mine), or that nothing is (empty).
	Dispute(ctx context.Context, visit, compartment, why string) error
}

// Courier is what a courier does after signing in.
type Courier interface {
	// Reserve takes a free compartment of a size for a unit and opens it. ErrNoUnit, ErrFull or ErrNotNow change nothing.
	Reserve(ctx context.Context, visit, unit, size string) error
	// Settle ends the deposit at hand: how is inside, too_small, occupied or took_back. too_small and occupied open the
	// next door that fits; ErrFull when there is none.
	Settle(ctx context.Context, visit, how string) error
	// Undo reopens the last drop, which is then the deposit at hand and goes with took_back.
	Undo(ctx context.Context, visit string) error
}

// Watch is what the screen looks at.
type Watch interface {
	Front() Front
	// Visit returns a visit as it stands; one that has ended is Ended.
	Visit(id string) Visit
	// HasUnit tells whether a courier may deliver to a unit; it counts the misses of the visit.
	HasUnit(ctx context.Context, visit, unit string) (bool, error)
	// Changed is sent to, or closed, after anything that a screen shows has changed. Capacity 1.
	Changed() <-chan struct{}
}

// Errors of Reserve and Settle.
var (
	ErrNoUnit = errors.New("no such unit")
	ErrFull   = errors.New("no compartment free")
)

// Verdict is the answer to a code.
type Verdict struct {
	Visit  string // the visit's id when it is right
	Reason string // else: wrong, locked, closed, used, ended, office, nothing, hours, refused
	Left   int    // wrong: tries left
	Until  time.Time
	At     time.Time // used: when it was collected
	Shelf  string    // office
}

// Front is what the idle screen shows.
type Front struct {
	Free     map[string]int // compartments free by size
	Sizes    []string       // the sizes this bank has, smallest first
	Deposits bool           // deposits are taken
	Phone    string         // the guard's number by the community's policy; may be empty
	Blocks   []string       // the buildings whose units are served
	Notice   Notice
	Now      time.Time // judged time
	Online   bool
	Clock    string // ok, holdover, uncertain
}

// Notice is one text in both languages.
type Notice struct{ ZH, EN string }

// Door states, as the service knows them from the lock's feedback.
const (
	DoorWaiting  = "waiting"  // not opened in this visit yet
	DoorOpening  = "opening"  // the intent is durable, the outcome is not known
	DoorOpen     = "open"     // the lock reports it
	DoorClosed   = "closed"   // closed again, and a question is to be answered
	DoorStuck    = "stuck"    // did not open; may be tried again
	DoorFault    = "fault"    // did not open three times; out of service, the guard is told
	DoorUnknown  = "unknown"  // the board fell silent
	DoorDone     = "done"     // taken, or settled
	DoorKept     = "kept"     // not taken
	DoorDisputed = "disputed" // the guard looks into it
)

// Visit is a session of one person at the screen.
type Visit struct {
	Ended bool
	Role  string // collect, deliver
	Unit  string
	Who   string // the carrier's name
	Doors []Door // collect: every door of the household, in turn; deliver: the one at hand, if any
	Drops int    // parcels delivered in this visit
	Last  *Drop  // the last one while it can be undone
	Undo  bool   // the deposit at hand is being undone
}

// Door is one compartment of a visit.
type Door struct {
	Compartment string
	Number      int
	State       string
	Verify      bool      // deliver: the person must say whether it is empty
	Since       time.Time // judged, of State
}

// Drop is a delivery that can still be undone.
type Drop struct {
	Number int
	Unit   string
	Until  time.Time
}
