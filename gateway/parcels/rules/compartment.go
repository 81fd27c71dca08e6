package rules

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Content is what is known of a compartment's inside.
type Content string

// The contents of a compartment.
const (
	Vacant            Content = "vacant"
	Reserved          Content = "reserved"
	Opening           Content = "opening"
	Open              Content = "open"
	ClosedUnconfirmed Content = "closed_unconfirmed"
	Occupied          Content = "occupied"
	NeedsCheck        Content = "needs_check"

	asBefore Content = "" // back to what it was before it was opened
)

// Contents lists every content.
func Contents() []Content {
	return []Content{Vacant, Reserved, Opening, Open, ClosedUnconfirmed, Occupied, NeedsCheck}
}

// Purpose is what a compartment is being used for.
type Purpose string

// The purposes.
const (
	Deposit    Purpose = "deposit"
	Collection Purpose = "collection"
	Audit      Purpose = "audit"

	anyPurpose Purpose = ""
)

// Purposes lists every purpose.
func Purposes() []Purpose { return []Purpose{Deposit, Collection, Audit} }

// Turn is what happens to a compartment.
type Turn string

// The turns of a compartment.
const (
	Reserve       Turn = "reserve"        // a courier takes it
	Release       Turn = "release"        // it is not used after all
	Unlock        Turn = "unlock"         // the intent; one pulse follows
	LatchOpened   Turn = "latch_opened"   // the lock's feedback
	NoFeedback    Turn = "no_feedback"    // pulsed or not, it stayed closed
	OutcomeLost   Turn = "outcome_lost"   // the board fell silent after the pulse
	DoorClosed    Turn = "door_closed"    // the lock's feedback
	DoorReopened  Turn = "door_reopened"  // it had not caught
	PutIn         Turn = "put_in"         // deposit confirmed
	Took          Turn = "took"           // collection confirmed, or the sensor says empty
	Kept          Turn = "kept"           // not taken, or the sensor says present
	Silence       Turn = "silence"        // 20 s without an answer
	SessionLost   Turn = "session_lost"   // the courier went away without an answer
	Doubt         Turn = "doubt"          // somebody says that what is inside is not right
	Resume        Turn = "resume"         // the courier is back and is asked again
	Inspected     Turn = "inspected"      // an audit's door was closed
	Cleared       Turn = "cleared"        // the guard has taken the parcel to the office
	SaysVacant    Turn = "says_vacant"    // the guard
	SaysOccupied  Turn = "says_occupied"  // the guard
	Forced        Turn = "forced"         // open without an intent
	LeftAjar      Turn = "left_ajar"      // open for 180 s
	FoundOpen     Turn = "restart_open"   // after a restart
	FoundClosed   Turn = "restart_closed" // after a restart
	FoundEmpty    Turn = "restart_empty"  // after a restart: closed, and the sensor says empty
	FoundAfter    Turn = "restart_after"  // after a restart: closed, and its parcel counts as collected
	ServiceChange Turn = "service"        // put in or out of service
	Disagrees     Turn = "disagrees"      // the store was put back, and the sensor says otherwise
)

// Turns lists every turn.
func Turns() []Turn {
	return []Turn{
		Reserve, Release, Unlock, LatchOpened, NoFeedback, OutcomeLost, DoorClosed, DoorReopened, PutIn, Took, Kept, Silence, SessionLost, Doubt,
		Resume, Inspected, Cleared, SaysVacant, SaysOccupied, Forced, LeftAjar, FoundOpen, FoundClosed, FoundEmpty, FoundAfter, ServiceChange, Disagrees,
	}
}

// CompartmentMove is one row of the table: from, what happens, for which purpose (empty: any), to (empty: as before).
type CompartmentMove struct {
	From Content
	On   Turn
	For  Purpose
	To   Content
}

// compartmentMoves is read and never written.
var compartmentMoves = []CompartmentMove{
	{Vacant, Reserve, Deposit, Reserved},
	{Reserved, Release, Deposit, Vacant},

	{Reserved, Unlock, Deposit, Opening},
	{Occupied, Unlock, Deposit, Opening}, // the courier's undo
	{Occupied, Unlock, Collection, Opening},
	{Vacant, Unlock, Collection, Opening},     // "forgot something", within 2 min
	{NeedsCheck, Unlock, Collection, Opening}, // a deposit that nobody confirmed, by the household's code
	{Vacant, Unlock, Audit, Opening},
	{Occupied, Unlock, Audit, Opening},
	{NeedsCheck, Unlock, Audit, Opening},

	{Opening, LatchOpened, anyPurpose, Open},
	{Opening, NoFeedback, anyPurpose, asBefore},
	{Opening, OutcomeLost, anyPurpose, Opening},
	{Opening, DoorClosed, anyPurpose, ClosedUnconfirmed}, // read again after the outcome was lost: the person is asked
	{Open, DoorClosed, anyPurpose, ClosedUnconfirmed},
	{Open, LeftAjar, anyPurpose, Open},
	{ClosedUnconfirmed, DoorReopened, anyPurpose, Open},

	{ClosedUnconfirmed, PutIn, Deposit, Occupied},
	{ClosedUnconfirmed, Release, Deposit, Vacant}, // took it back, does not fit
	{ClosedUnconfirmed, Doubt, Deposit, NeedsCheck},
	{ClosedUnconfirmed, SessionLost, Deposit, NeedsCheck},
	{Open, Doubt, Deposit, NeedsCheck}, // something is already inside

	{ClosedUnconfirmed, Took, Collection, Vacant},
	{ClosedUnconfirmed, Kept, Collection, Occupied},
	{ClosedUnconfirmed, Silence, Collection, Vacant},
	{ClosedUnconfirmed, Doubt, Collection, NeedsCheck},
	{Open, Doubt, Collection, NeedsCheck}, // not mine, or empty

	{ClosedUnconfirmed, Inspected, Audit, NeedsCheck},
	{ClosedUnconfirmed, Cleared, Audit, Vacant},
	{NeedsCheck, Resume, anyPurpose, ClosedUnconfirmed},
	{NeedsCheck, Cleared, anyPurpose, Vacant},
	{NeedsCheck, SaysVacant, anyPurpose, Vacant},
	{NeedsCheck, SaysOccupied, anyPurpose, Occupied},
	{NeedsCheck, LeftAjar, anyPurpose, NeedsCheck},

	{Vacant, Forced, anyPurpose, NeedsCheck},
	{Occupied, Forced, anyPurpose, NeedsCheck},
	{Reserved, Forced, anyPurpose, NeedsCheck},

	{Reserved, FoundClosed, anyPurpose, Vacant}, // the session died with the power
	{Reserved, FoundEmpty, anyPurpose, Vacant},
	{Reserved, FoundOpen, anyPurpose, NeedsCheck},
	{Opening, FoundOpen, anyPurpose, Open},
	{Opening, FoundClosed, Deposit, NeedsCheck},
	{Opening, FoundEmpty, Deposit, NeedsCheck},
	{Opening, FoundClosed, Collection, Occupied},
	{Opening, FoundEmpty, Collection, Vacant},
	{Opening, FoundClosed, Audit, NeedsCheck},
	{Opening, FoundEmpty, Audit, NeedsCheck},
	{Open, FoundOpen, anyPurpose, Open},
	{Open, FoundClosed, Deposit, NeedsCheck},
	{Open, FoundEmpty, Deposit, NeedsCheck},
	{Open, FoundClosed, Collection, Occupied},
	{Open, FoundEmpty, Collection, Vacant},
	{Open, FoundClosed, Audit, NeedsCheck},
	{Open, FoundEmpty, Audit, NeedsCheck},
	{ClosedUnconfirmed, FoundOpen, anyPurpose, Open},
	{ClosedUnconfirmed, FoundClosed, Deposit, NeedsCheck},
	{ClosedUnconfirmed, FoundEmpty, Deposit, NeedsCheck},
	{ClosedUnconfirmed, FoundClosed, Collection, Occupied},
	{ClosedUnconfirmed, FoundEmpty, Collection, Vacant},
	{ClosedUnconfirmed, FoundClosed, Audit, NeedsCheck},
	{ClosedUnconfirmed, FoundEmpty, Audit, NeedsCheck},
	{Opening, FoundAfter, Collection, Vacant},
	{Open, FoundAfter, Collection, Vacant},
	{ClosedUnconfirmed, FoundAfter, Collection, Vacant},
	{Vacant, FoundClosed, anyPurpose, Vacant},
	{Vacant, FoundEmpty, anyPurpose, Vacant},
	{Vacant, FoundOpen, anyPurpose, NeedsCheck}, // door_forced
	{Occupied, FoundClosed, anyPurpose, Occupied},
	{Occupied, FoundEmpty, anyPurpose, Occupied},
	{Occupied, FoundOpen, anyPurpose, NeedsCheck}, // door_forced
	{NeedsCheck, FoundClosed, anyPurpose, NeedsCheck},
	{NeedsCheck, FoundEmpty, anyPurpose, NeedsCheck},
	{NeedsCheck, FoundOpen, anyPurpose, NeedsCheck},

	{Vacant, Disagrees, anyPurpose, NeedsCheck},
	{Occupied, Disagrees, anyPurpose, NeedsCheck},

	{Vacant, ServiceChange, anyPurpose, Vacant},
	{Occupied, ServiceChange, anyPurpose, Occupied},
	{NeedsCheck, ServiceChange, anyPurpose, NeedsCheck},
	{Reserved, ServiceChange, anyPurpose, Reserved},
}

// CompartmentMoves is the table, in the order in which it is read aloud.
func CompartmentMoves() []CompartmentMove { return append([]CompartmentMove(nil), compartmentMoves...) }

// NextContent looks a move up. Before is the content before the compartment was opened; ErrNoMove when there is none.
func NextContent(from Content, on Turn, why Purpose, before Content) (Content, error) {
	for _, m := range compartmentMoves {
		if m.From != from || m.On != on || (m.For != anyPurpose && m.For != why) {
			continue
		}
		if m.To == asBefore {
			return before, nil
		}
		return m.To, nil
	}
	return from, fmt.Errorf("%s while %s: %w", on, from, ErrNoMove)
}

// Door is what the lock's feedback says.
type Door string

// The states of a door.
const (
	DoorUnknown Door = "unknown"
	Shut        Door = "closed"
	Ajar        Door = "open"
)

// Item is what the sensor inside says. It is a hint.
type Item string

// The states of an item sensor.
const (
	NoSensor Item = "no_sensor"
	Empty    Item = "empty"
	Present  Item = "present"
)

// Why a compartment needs a check, or is out of service.
const (
	WhyForced      = "forced"
	WhyUnconfirmed = "unconfirmed_deposit"
	WhyOccupied    = "occupied"  // a courier found something inside
	WhyDisputed    = "disputed"  // a resident: not mine, or empty
	WhyItemLeft    = "item_left" // the sensor sees something after a collection
	WhyAudit       = "audit"     // a guard opened it and has not said what is inside
	WhyRestart     = "restart"
	WhyDamaged     = "damaged" // its record could not be read
	WhyLockFault   = "lock_fault"
	WhyDisagrees   = "disagrees" // the store was put back, and the sensor says otherwise
)

// Compartment is one compartment. What its JSON leaves out dies with the power.
type Compartment struct {
	ID     string `json:"id"`
	Bank   string `json:"bank"`
	Number int    `json:"number"`
	Lock   int    `json:"-"` // these four are the building's configuration
	Size   string `json:"size"`
	Low    bool   `json:"-"`
	Sensor bool   `json:"-"`

	Version uint64    `json:"version"`
	Content Content   `json:"content"`
	Purpose Purpose   `json:"purpose,omitempty"`
	Before  Content   `json:"before,omitempty"`
	Parcel  string    `json:"parcel,omitempty"`
	Intent  string    `json:"intent,omitempty"` // committed, its outcome is not known
	Tries   int       `json:"tries,omitempty"`  // pulses in a row that did not open it
	Out     string    `json:"out,omitempty"`    // why it is out of service; empty: in
	Verify  bool      `json:"verify,omitempty"` // the next courier confirms that it is empty
	Why     string    `json:"why,omitempty"`
	Seen    bool      `json:"seen,omitempty"` // of needs_check: it has been opened since
	Moved   bool      `json:"moved,omitempty"`
	Doubt   bool      `json:"doubt,omitempty"` // the store was put back since its sensor was last believed
	Since   time.Time `json:"since"`

	By      string          `json:"-"` // the visit or guard's session that uses it
	Door    Door            `json:"-"`
	Item    Item            `json:"-"`
	Restart bool            `json:"-"` // not read yet since the start
	Lost    bool            `json:"-"` // the outcome of the intent is lost
	Misses  int             `json:"-"` // readings in a row without an answer
	After   time.Duration   `json:"-"` // readings begun before say nothing
	Opened  time.Duration   `json:"-"` // when it was seen to open
	Reminds int             `json:"-"` // of 30, 90 and 180 s open
	Ask     time.Duration   `json:"-"` // the question's end; 0: none
	Held    time.Duration   `json:"-"` // until then its used PIN opens it again; nobody else may have it if it is to be verified
	HeldFor string          `json:"-"` // the parcel that was collected from it
	Pulses  []time.Duration `json:"-"` // intents of the last minute
}

// wire is the compartment as events show it.
func (c Compartment) wire() wire.Compartment {
	w := wire.Compartment{
		Bank: c.Bank, Number: c.Number, Content: string(c.Content), Purpose: string(c.Purpose), Parcel: c.Parcel, Service: c.Out,
		Door: string(c.Door), Item: string(c.Item), Verify: c.Verify, Why: c.Why,
	}
	if w.Service == "" {
		w.Service = "in"
	}
	return w
}

// free tells whether a courier may be given it.
func (c Compartment) free(now Now) bool {
	held := c.Verify && now.Mono < c.Held // its collection was only assumed
	return c.Content == Vacant && c.usable(now) && c.Item != Present && !held
}

// usable tells whether it may be opened by a resident or a courier.
func (c Compartment) usable(now Now) bool { return c.Out == "" && c.answers() && c.room(now) }

// answers tells whether its lock has been read and is closed.
func (c Compartment) answers() bool { return !c.Restart && c.Door == Shut }

// room tells whether the cap of openings leaves room for one more.
func (c Compartment) room(now Now) bool {
	recent := 0
	for _, at := range c.Pulses {
		if now.Mono-at < time.Minute {
			recent++
		}
	}
	return recent < MaxOpenings
}
