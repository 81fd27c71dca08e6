// Package rules says how compartments and parcels move. It is pure: Step takes the state, one input and the judged time,
// and returns the next state with the events to commit beside it and the actions to do after that commit.
//
// The moves are two tables (compartmentMoves, parcelMoves): what is not in them cannot happen. Everything by chance (ids,
// PINs) and everything physical (what a lock says) comes in with the input. docs/parcels.md shows the tables.
package rules

import (
	"errors"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Times of the rules.
const (
	UndoFor     = 2 * time.Minute   // a courier may take back his last drop
	HoldFor     = 2 * time.Minute   // a collected door is kept for who collected from it
	SilenceFor  = 20 * time.Second  // a question about an emptied compartment waits so long
	AjarAfter   = 180 * time.Second // then an open door is an alarm
	CourierIdle = 10 * time.Minute
	GuestIdle   = 5 * time.Minute // a visit that nobody ended
	MaxTries    = 3               // pulses for one opening, each asked for by a person
	MissedPolls = 3               // then a silent board's doors are unknown
	MaxVisits   = 64
	MaxMisses   = 15 // unknown units, then a courier's session ends
	MaxMinute   = 6  // openings of one lock in a minute
)

// What a Step refuses. The state is unchanged then.
var (
	ErrNotNow  = errors.New("not possible now")
	ErrFull    = errors.New("no compartment free")
	ErrNoVisit = errors.New("no such visit")
	ErrNone    = errors.New("no such thing")
	ErrRate    = errors.New("opened too often in a minute")
)

// Content is what a compartment is being used for.
type Content string

// The contents.
const (
	Vacant     Content = "vacant"
	Reserved   Content = "reserved"
	Opening    Content = "opening"
	Open       Content = "open"
	Closed     Content = "closed_unconfirmed"
	Occupied   Content = "occupied"
	NeedsCheck Content = "needs_check"
)

// Door is what the lock's feedback says.
type Door string

// The states of a door.
const (
	DoorClosed  Door = "closed"
	DoorOpen    Door = "open"
	DoorUnknown Door = "unknown"
)

// Item is what the compartment's sensor says.
type Item string

// The states of a sensor.
const (
	ItemEmpty   Item = "empty"
	ItemPresent Item = "present"
	NoSensor    Item = "no_sensor"
)

// Purpose is why a compartment is opened.
type Purpose string

// The purposes.
const (
	Deposit    Purpose = "deposit"
	Collection Purpose = "collection"
	Audit      Purpose = "audit"
)

// Place is one compartment as configured.
type Place struct {
	ID     string
	Bank   string
	Number int    // as painted on the door
	Lock   int    // along the bank's chain, from 1
	Size   string // S, M, L, XL
	Low    bool
}

// Compartment is one compartment. The Place is configuration and is not stored.
type Compartment struct {
	Place    `json:"-"`
	Content  Content     `json:"content"`
	Purpose  Purpose     `json:"purpose,omitempty"`
	Before   Content     `json:"before,omitempty"` // what it was when it was opened
	After    Content     `json:"after,omitempty"`  // audit: what the guard said is inside, before closing
	Parcel   string      `json:"parcel,omitempty"`
	Visit    string      `json:"visit,omitempty"`
	Intent   string      `json:"intent,omitempty"` // of the pulse under way, or of the last one
	Try      int         `json:"try,omitempty"`
	Service  string      `json:"service"` // in, or why it is out
	Door     Door        `json:"door"`
	Item     Item        `json:"item"`
	Verify   bool        `json:"verify,omitempty"`
	Why      string      `json:"why,omitempty"`
	Since    time.Time   `json:"since"` // of Content
	Ajar     bool        `json:"ajar,omitempty"`
	Held     time.Time   `json:"held,omitzero"` // not given away before
	Pulses   []time.Time `json:"pulses,omitempty"`
	Version  uint64      `json:"version"`
	Pending  bool        `json:"-"` // since a restart its door has not been read
	Unsure   bool        `json:"-"` // the board fell silent after the pulse
	Silent   int         `json:"-"` // polls without an answer in a row
	Flaps    int         `json:"-"` // changes of the feedback without cause, this minute
	FlapFrom time.Time   `json:"-"`
}

// Parcel states.
const (
	Intake            = "intake"
	IntakeOpen        = "intake_open"
	Stored            = "stored"
	StoredUnconfirmed = "stored_unconfirmed"
	Collecting        = "collecting"
	Collected         = "collected"
	Disputed          = "disputed"
	Overdue           = "overdue"
	Office            = "moved_to_office"
	Returned          = "returned"
	Void              = "void"
)

// Parcel is one parcel.
type Parcel struct {
	ID          string       `json:"id"`
	State       string       `json:"state"`
	Household   string       `json:"household"`
	Unit        string       `json:"unit"`  // id
	Label       string       `json:"label"` // A-12-3: for screens, never in an event
	Compartment string       `json:"compartment,omitempty"`
	Shelf       string       `json:"shelf,omitempty"`
	Courier     string       `json:"courier,omitempty"`
	Visit       string       `json:"visit,omitempty"`
	Size        string       `json:"size"`
	PIN         *wire.Sealed `json:"pin,omitempty"`
	TakenIn     time.Time    `json:"taken_in"`
	StoredAt    time.Time    `json:"stored_at,omitzero"`
	Settled     time.Time    `json:"settled,omitzero"` // when the courier's undo ended
	UndoUntil   time.Time    `json:"undo_until,omitzero"`
	Deadline    time.Time    `json:"deadline,omitzero"` // zero: not running yet
	Ended       time.Time    `json:"ended,omitzero"`
	How         string       `json:"how,omitempty"`
	Stored      wire.Name    `json:"stored_name,omitzero"` // of its parcel.stored: the deadline starts when that is delivered
	Version     uint64       `json:"version"`
}

// Living tells whether the parcel is still somebody's business.
func (p Parcel) Living() bool { return p.Ended.IsZero() }

// Visit is one person's session at the screen. Visits live in memory only: they die with the power.
type Visit struct {
	ID        string
	Role      string // courier, resident
	Holder    string // courier id, or household id
	Unit      string // resident: the unit's id
	Household string
	Doors     []string // compartments of this visit, in turn
	Done      map[string]string
	Parcel    string // courier: the deposit at hand
	Undo      bool   // courier: the deposit at hand is being taken back
	Last      string // courier: the last drop
	Drops     int
	Misses    int
	Touched   time.Time
}

// State is everything that the rules know.
type State struct {
	Compartments map[string]Compartment
	Parcels      map[string]Parcel
	Visits       map[string]Visit
}

// Event is one event to be committed with the state; the shell stamps and encodes it. State is a wire.Compartment or a
// wire.Parcel.
type Event struct {
	Type    string
	Subject string
	Version uint64
	State   any
	Data    any
}

// Unlock is a pulse to be given after the commit that holds its intent.
type Unlock struct {
	Intent      string
	Compartment string
	Bank        string
	Lock        int
}

// PINEnd says that a PIN ends with this commit.
type PINEnd struct {
	Parcel string
	How    string // collected, returned, reassigned, undone
}

// Out is what a step asks for. Events, Mint, End and Revive belong into the commit of the new state; Unlocks come after.
type Out struct {
	Events  []Event
	Mint    []string // parcels that get a PIN; Minted puts it into state and events
	End     []PINEnd
	Changed []string // compartments and parcels to be stored: compartment/A-18, parcel/…
	Unlocks []Unlock
}
