package rules

import (
	"errors"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds and waits of the rules, all of them here (invariant 13).
const (
	MaxOpenings = 6 // of one lock in a minute
	MaxTries    = 3 // pulses in a row that do not open a door, then it is out of service
	MaxVisits   = 8 // people at the screens at once
	MaxGuards   = 16
	MaxMisses   = 15 // labels of no unit that a courier may type in one visit
	SilentPolls = 3  // readings without an answer, then the door is unknown

	CourierIdle  = 10 * time.Minute
	ResidentIdle = 5 * time.Minute
	UndoTime     = 2 * time.Minute
	AskTime      = 20 * time.Second // silence after a collection
	HoldTime     = 2 * time.Minute  // a collected compartment can be opened again by its PIN
	GuardTime    = 12 * time.Hour
	defaultStay  = 72 * time.Hour
)

// reminds are how long a door may be open until it is said on the screen, by buzzer, and to the guard.
func reminds() [3]time.Duration {
	return [3]time.Duration{30 * time.Second, 90 * time.Second, 180 * time.Second}
}

// Errors of Step. State is unchanged then.
var (
	ErrNoMove  = errors.New("no such move")
	ErrNotNow  = errors.New("not possible now")
	ErrFull    = errors.New("no compartment free")
	ErrCap     = errors.New("lock was opened too often")
	ErrSession = errors.New("session has ended")
	ErrUnknown = errors.New("no such thing here")
)

// Now is one moment.
type Now struct {
	Wall    time.Time     // judged time
	Mono    time.Duration // since the process started
	Certain bool          // wall time can be believed: parcels may become overdue
}

// State is a building's lockers. Compartments stand in the order of the configuration, parcels in that of their arrival.
type State struct {
	Compartments []Compartment
	Parcels      []Parcel
	Visits       []Visit
	Guards       []GuardSession
	Stay         time.Duration // 0 means 72 h
	Holidays     []string      // 2026-01-01; no stay ends on one
}

// Visit is a person at the kiosk. It dies with the power.
type Visit struct {
	ID      string
	Role    string // courier, resident
	Holder  string // courier's or household's id
	Name    string // courier: the carrier's name
	Label   string // of the unit; courier: of the deposit at hand
	Grant   string // pin, household, courier
	Touched time.Duration
	Doors   []VisitDoor
	Drops   int
	Misses  int
	Last    Drop
	Undo    bool
}

// The roles of a session.
const (
	Courier  = "courier"
	Resident = "resident"
	Guard    = "guard"
)

// VisitDoor is one door of a visit. Mark is what came of it; while its compartment is in use, that speaks.
type VisitDoor struct {
	Compartment string
	Parcel      string
	Mark        Mark
	Since       time.Time
	At          time.Duration
}

// Mark is what came of a door in a visit.
type Mark string

// The marks.
const (
	Waiting   Mark = "waiting"
	Stuck     Mark = "stuck"
	Fault     Mark = "fault"
	Done      Mark = "done"
	KeptThere Mark = "kept"
	InDispute Mark = "disputed"
)

// Drop is the last deposit of a visit while it can be undone.
type Drop struct {
	Parcel string
	Until  time.Duration
	Shown  time.Time // Until as people are told
}

// GuardSession is a guard signed in at the desk.
type GuardSession struct {
	ID     string
	Guard  string
	Masked string
	Until  time.Duration
	Shown  time.Time
}

// Event is one fact to be committed. State and Data are what wire names for the type.
type Event struct {
	Type    string
	Subject string
	Version uint64
	State   any
	Data    any
	Mint    bool // State is a wire.Parcel: its new PIN is sealed into it
	Tell    bool // once the cloud has it, the parcel's stay begins
}

// PINChange begins or ends a parcel's PIN.
type PINChange struct {
	Parcel string
	Unit   string // id
	Do     PINDo
}

// PINDo is what happens to a PIN.
type PINDo string

// What happens to a PIN.
const (
	MintPIN PINDo = "mint"
	UsePIN  PINDo = "used"  // collected
	EndPIN  PINDo = "ended" // reassigned, returned, lost
	KillPIN PINDo = "dead"  // undone: nobody was ever told
	LivePIN PINDo = "again" // put back: a reopened parcel was left inside
)

// Action is what is done after the commit: energise one latch, once.
type Action struct {
	Intent      string
	Compartment string
	Bank        string
	Lock        int
}

// Out is what a step asks for. Events, PINs, Compartments and Parcels commit together with the state; Actions are done
// only after that.
type Out struct {
	Events       []Event
	PINs         []PINChange
	Compartments []string // ids of those that changed
	Parcels      []string // likewise; one that is in no state any more is forgotten
	Actions      []Action
	Visit        string // the visit or session that was begun or continued
	Full         bool   // there was no next door
}

// clone copies what Step may change.
func (s State) clone() State {
	s.Compartments = slices.Clone(s.Compartments)
	for i := range s.Compartments {
		s.Compartments[i].Pulses = slices.Clone(s.Compartments[i].Pulses)
	}
	s.Parcels = slices.Clone(s.Parcels)
	s.Visits = slices.Clone(s.Visits)
	for i := range s.Visits {
		s.Visits[i].Doors = slices.Clone(s.Visits[i].Doors)
	}
	s.Guards = slices.Clone(s.Guards)
	return s
}

// Compartment finds a compartment by its id.
func (s State) Compartment(id string) (Compartment, bool) {
	i := slices.IndexFunc(s.Compartments, func(c Compartment) bool { return c.ID == id })
	if i < 0 {
		return Compartment{}, false
	}
	return s.Compartments[i], true
}

// Parcel finds a parcel by its id.
func (s State) Parcel(id string) (Parcel, bool) {
	i := slices.IndexFunc(s.Parcels, func(p Parcel) bool { return p.ID == id })
	if i < 0 {
		return Parcel{}, false
	}
	return s.Parcels[i], true
}

// Visit finds a living visit by its id.
func (s State) Visit(id string) (Visit, bool) {
	i := slices.IndexFunc(s.Visits, func(v Visit) bool { return v.ID == id })
	if i < 0 {
		return Visit{}, false
	}
	return s.Visits[i], true
}

// Guard finds a guard's session that has not ended.
func (s State) Guard(id string, now Now) (GuardSession, bool) {
	i := slices.IndexFunc(s.Guards, func(g GuardSession) bool { return g.ID == id && now.Mono < g.Until })
	if i < 0 {
		return GuardSession{}, false
	}
	return s.Guards[i], true
}

// Reopens tells whether a parcel's compartment can still be opened again by its used PIN.
func (s State) Reopens(parcel string, now Now) bool {
	p, ok := s.Parcel(parcel)
	if !ok || p.State != Collected {
		return false
	}
	c, ok := s.Compartment(p.Compartment)
	return ok && c.Content == Vacant && c.HeldFor == parcel && now.Mono < c.Held
}

// FreeSizes counts the compartments that a courier may be given, by size.
func (s State) FreeSizes(now Now) map[string]int {
	free := map[string]int{}
	for _, c := range s.Compartments {
		if c.free(now) {
			free[c.Size]++
		}
	}
	return free
}

// Data of events: aliases keep the other files short.
type (
	cause    = wire.Cause
	intent   = wire.Intent
	evidence = wire.Evidence
)
