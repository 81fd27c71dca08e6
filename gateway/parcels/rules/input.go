package rules

import (
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// Input is one thing that happens. Ids of what it may begin come in with it.
type Input interface{ apply(st *step) error }

// Polled is one reading of a bank.
type Polled struct {
	Bank  string
	Began time.Duration        // monotonic: what moved later is not in it
	Locks []drivers.LockStatus // empty: no board answered
}

// Outcome is what came of an intent. Err is a code when no pulse can have been given.
type Outcome struct {
	Intent string
	drivers.Unlock
	Err  string
	Next string // id of an intent that may be needed for the next door
}

// PutBack says that the log has begun a new epoch: this disk was put back to an older state.
type PutBack struct{}

// Tick lets time have its effect.
type Tick struct{}

// Told says that the cloud has committed a parcel's news: its stay begins.
type Told struct{ Parcel string }

// Policy is what the community decided.
type Policy struct {
	Stay     time.Duration
	Holidays []string
}

// Collect is a resident whose code was right. Again is a parcel collected a moment ago, to be opened again.
type Collect struct {
	Visit     string
	Household string
	Label     string
	Grant     string // pin, household
	Again     string
}

// Deliver is a courier whose code was right.
type Deliver struct {
	Visit   string
	Courier string
	Name    string
}

// Leave ends a visit.
type Leave struct{ Visit string }

// OpenDoor opens one door of a resident's visit, or tries a courier's again.
type OpenDoor struct {
	Visit, Compartment string
	Intent             string
}

// Answer is a resident's word after the door was closed.
type Answer struct {
	Visit, Compartment string
	Taken              bool
}

// Dispute is a resident's word that something is wrong. Empty: nothing was inside; else it is not his.
type Dispute struct {
	Visit, Compartment string
	Empty              bool
}

// Missed is a courier's label that is no unit's.
type Missed struct{ Visit string }

// Drops of a courier: Reserve takes a door for a unit and opens it.
type ReserveDoor struct {
	Visit           string
	Unit, Household string // ids
	Label           string
	Size            string // the smallest that fits
	Low             bool   // a low door is wanted
	Parcel, Intent  string // ids for them
}

// Settle ends the deposit at hand.
type Settle struct {
	Visit  string
	How    SettleHow
	Intent string // for the next door
}

// SettleHow is a courier's word about the deposit at hand.
type SettleHow string

// What a courier can say.
const (
	Inside   SettleHow = "inside"
	TooSmall SettleHow = "too_small"
	InUse    SettleHow = "occupied"
	TookBack SettleHow = "took_back"
)

// Undo reopens the last drop.
type Undo struct{ Visit, Intent string }

// GuardIn is a guard whose code was right.
type GuardIn struct{ Session, Guard, Masked string }

// GuardOut ends a guard's session.
type GuardOut struct{ Session string }

// GuardOpen opens a compartment for a guard.
type GuardOpen struct{ Session, Compartment, Reason, Intent string }

// Inspect is a guard's word about what is inside.
type Inspect struct {
	Session, Compartment, Reason string
	Inside                       bool // the parcel that should be there
}

// PutOut takes a compartment out of service; an empty reason puts it in again.
type PutOut struct{ Session, Compartment, Reason string }

// ToOffice is a parcel cleared to a shelf.
type ToOffice struct{ Session, Parcel, Shelf, Reason string }

// HandOver gives a parcel at the office to its household.
type HandOver struct{ Session, Parcel, Reason string }

// SendBack sends a parcel at the office back to its carrier.
type SendBack struct{ Session, Parcel, Reason string }

// Reassign gives a parcel to another household. Session is a guard's, or empty for a wish.
type Reassign struct {
	Session         string
	Parcel          string
	Unit, Household string
	Label           string
	Reason          string
}
