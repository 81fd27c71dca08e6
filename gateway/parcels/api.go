package parcels

import (
	"errors"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/grants"
)

// Errors of the methods. Whatever is refused has changed nothing (invariant 9).
var (
	ErrNotNow  = errors.New("not possible now")          // as things stand
	ErrNoUnit  = errors.New("no such unit")              // nobody lives there, or there is no such flat
	ErrFull    = errors.New("no compartment free")       // of that size or a larger one
	ErrCap     = errors.New("lock was opened too often") // 6 openings a minute; wait a minute
	ErrSession = errors.New("session has ended")         // sign in again
	ErrUnknown = errors.New("no such thing here")        // compartment, parcel or visit
	ErrBad     = errors.New("malformed input")           // a reason, shelf or time that cannot be one
	ErrStopped = errors.New("service is not running")    // ask again in a moment
	ErrNoSeal  = errors.New("no sealing key is known")   // no key set of the cloud has been taken in yet
)

// Verdict is the answer to a code. A refusal is no error: it opened nothing, and says why.
type Verdict struct {
	Visit  string    // id of the visit, or of the guard's session, when the code is right
	Reason string    // else: wrong, locked, closed, used, ended, office, hours
	Left   int       // wrong: tries left before the unit is locked
	Until  time.Time // locked, closed: when to try again
	At     time.Time // used, ended: when
	Shelf  string    // office
}

// Front is what an idle screen shows.
type Front struct {
	Free     map[string]int // compartments free by size
	Sizes    []string       // the sizes there are, smallest first
	Deposits bool           // deposits are taken
	Phone    string         // the guard's number by the community's policy; may be empty
	Blocks   []string       // the buildings whose units are served, sorted
	Notice   Notice
	Now      time.Time // judged
	Online   bool      // the cloud answers
	Clock    string    // ok, holdover, uncertain
}

// Notice is one text in both languages.
type Notice struct{ ZH, EN string }

// States of a visit's door, by the lock's feedback alone.
const (
	DoorWaiting  = "waiting"  // not opened in this visit yet
	DoorOpening  = "opening"  // the intent is durable, the outcome is not known
	DoorOpen     = "open"     // the lock reports it
	DoorClosed   = "closed"   // closed again, and a question is to be answered
	DoorStuck    = "stuck"    // did not open; may be tried again
	DoorFault    = "fault"    // did not open three times; out of service, the guard is told
	DoorUnknown  = "unknown"  // the board fell silent
	DoorDone     = "done"     // taken, or settled
	DoorKept     = "kept"     // not taken: still inside; may be opened again for 2 minutes
	DoorDisputed = "disputed" // the guard looks into it
)

// Roles of a visit.
const (
	Collect = "collect"
	Deliver = "deliver"
)

// Visit is a session of one person at the screen.
type Visit struct {
	Ended bool
	Role  string // collect, deliver
	Unit  string // label; deliver: of the deposit at hand
	Who   string // deliver: the carrier's name
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
	Unit   string // label
	Until  time.Time
}

// Guard is a guard who is signed in at the desk.
type Guard struct {
	ID     string
	Masked string // 陳○明
	Until  time.Time
}

// Office is what the guard's desk shows. It is a snapshot: nobody changes it.
type Office struct {
	Now          time.Time // judged
	Clock        string    // ok, holdover, uncertain
	Compartments []Compartment
	Parcels      []Parcel // those that are there, oldest first
	Tasks        []Task   // what waits for a guard, the most urgent first
	Locked       []Locked // units that are locked now
}

// Compartment is a compartment as the desk shows it.
type Compartment struct {
	ID      string
	Bank    string
	Number  int
	Size    string
	Content string // vacant, reserved, opening, open, closed_unconfirmed, occupied, needs_check
	Purpose string // deposit, collection, audit, while it is being used
	Parcel  string
	Service string // in, or why it is out
	Door    string // closed, open, unknown
	Item    string // empty, present, no_sensor; "" while Door is unknown
	Verify  bool
	Why     string    // of needs_check
	Since   time.Time // judged, of Content
}

// Parcel is a parcel as the desk shows it.
type Parcel struct {
	ID          string
	State       string // stored, overdue, moved_to_office, …
	Unit        string // label
	Household   string
	Compartment string
	Shelf       string
	Courier     string // the carrier's name
	Size        string
	StoredAt    time.Time
	Deadline    time.Time // zero: its stay has not begun, since nobody was told yet
	Task        string    // why a guard should look: collection_unconfirmed; empty: no reason
}

// Kinds of tasks.
const (
	TaskForced      = "forced"       // opened without a right: open it, say what is inside
	TaskCheck       = "needs_check"  // open it, say what is inside
	TaskIntakeOpen  = "intake_open"  // a courier left the door open
	TaskAjar        = "ajar"         // open for 3 minutes
	TaskUnconfirmed = "unconfirmed"  // a parcel that nobody has confirmed
	TaskDisputed    = "disputed"     // a resident says: not mine, or empty
	TaskOut         = "out"          // out of service
	TaskOverdue     = "overdue"      // clear it to the office
	TaskVerify      = "verify"       // the collection was not confirmed: probably empty
	TaskCollection  = "collection"   // power was lost in a collection: probably still inside
	TaskUnknown     = "door_unknown" // the board is silent
)

// Task is one thing that waits for a guard.
type Task struct {
	Kind        string
	Compartment string
	Number      int
	Parcel      string
	Unit        string // label
	Since       time.Time
}

// Locked is a unit whose codes are locked after wrong guesses.
type Locked struct {
	Unit  string // label
	Until time.Time
}

// Found is what a guard found behind a door.
type Found string

// What a guard can find.
const (
	FoundEmpty  Found = "empty"  // vacant; a parcel that should be there becomes void when it was never confirmed, else lost
	FoundParcel Found = "parcel" // the parcel that should be there is inside: occupied
)

// Code is a code in clear, for the one page that shows it. It hides itself from every way of printing.
type Code = grants.Secret
