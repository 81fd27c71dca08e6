package rules

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// ParcelState is where a parcel stands.
type ParcelState string

// The states of a parcel.
const (
	None              ParcelState = "" // not there yet
	Intake            ParcelState = "intake"
	Stored            ParcelState = "stored"
	StoredUnconfirmed ParcelState = "stored_unconfirmed"
	IntakeOpen        ParcelState = "intake_open"
	Overdue           ParcelState = "overdue"
	Collecting        ParcelState = "collecting"
	Collected         ParcelState = "collected"
	CollectedDoorOpen ParcelState = "collected_door_open"
	Disputed          ParcelState = "disputed"
	MovedToOffice     ParcelState = "moved_to_office"
	ReturnPending     ParcelState = "return_pending"
	Returned          ParcelState = "returned"
	Lost              ParcelState = "lost"
	Void              ParcelState = "void"

	whereItWas ParcelState = "as_before"
)

// ParcelStates lists every state.
func ParcelStates() []ParcelState {
	return []ParcelState{
		None, Intake, Stored, StoredUnconfirmed, IntakeOpen, Overdue, Collecting, Collected, CollectedDoorOpen, Disputed, MovedToOffice,
		ReturnPending, Returned, Lost, Void,
	}
}

// Fate is what happens to a parcel.
type Fate string

// The fates of a parcel.
const (
	TakenIn        Fate = "taken_in"       // a courier reserves a door for it
	Confirmed      Fate = "confirmed"      // it is inside: the courier, the sensor or a guard says so
	TakenBack      Fate = "taken_back"     // by the courier, or there is no door for it
	WalkedClosed   Fate = "walked_closed"  // the courier left, the door is closed
	WalkedOpen     Fate = "walked_open"    // the courier left, the door is open
	Resumed        Fate = "resumed"        // the courier is back
	Undone         Fate = "undone"         // wrong recipient
	DoorOpens      Fate = "door_opens"     // a valid credential: the intent
	TakenOut       Fate = "taken_out"      // closed and empty, "taken", or 20 s of silence
	NotTaken       Fate = "not_taken"      // closed and not empty, or "not taken"
	DoorStuck      Fate = "door_stuck"     // it did not open
	DoorLeftOpen   Fate = "door_left_open" // counts as collected
	Doubted        Fate = "doubted"        // not mine, or empty
	Deadline       Fate = "deadline"
	ToShelf        Fate = "to_shelf" // cleared by the guard
	HandedOver     Fate = "handed_over"
	SentBack       Fate = "sent_back"
	Reassigned     Fate = "reassigned"
	SaidAbsent     Fate = "said_absent"   // the guard looked: it is not there
	SaidVoid       Fate = "said_void"     // nobody ever put it in
	RestartedNone  Fate = "restart_none"  // before the intent was committed
	RestartedOpen  Fate = "restart_open"  // the door was found open
	RestartedShut  Fate = "restart_shut"  // the door was found closed
	RestartedEmpty Fate = "restart_empty" // closed, and the sensor says empty
)

// Fates lists every fate.
func Fates() []Fate {
	return []Fate{
		TakenIn, Confirmed, TakenBack, WalkedClosed, WalkedOpen, Resumed, Undone, DoorOpens, TakenOut, NotTaken, DoorStuck, DoorLeftOpen, Doubted,
		Deadline, ToShelf, HandedOver, SentBack, Reassigned, SaidAbsent, SaidVoid, RestartedNone, RestartedOpen, RestartedShut, RestartedEmpty,
	}
}

// ParcelMove is one row of the table.
type ParcelMove struct {
	From ParcelState
	On   Fate
	To   ParcelState
}

// parcelMoves is read and never written.
var parcelMoves = []ParcelMove{
	{None, TakenIn, Intake},
	{Intake, Confirmed, Stored},
	{Intake, TakenBack, Void},
	{Intake, WalkedClosed, StoredUnconfirmed},
	{Intake, WalkedOpen, IntakeOpen},
	{Stored, Undone, Intake},

	{StoredUnconfirmed, Resumed, Intake},
	{IntakeOpen, Resumed, Intake},
	{IntakeOpen, WalkedClosed, StoredUnconfirmed}, // closed at last
	{StoredUnconfirmed, Confirmed, Stored},
	{IntakeOpen, Confirmed, Stored},
	{StoredUnconfirmed, SaidVoid, Void},
	{IntakeOpen, SaidVoid, Void},

	{Stored, DoorOpens, Collecting},
	{Overdue, DoorOpens, Collecting},
	{StoredUnconfirmed, DoorOpens, Collecting}, // by the household's code
	{Collected, DoorOpens, Collecting},         // "forgot something", within 2 min
	{Collecting, TakenOut, Collected},
	{Collecting, NotTaken, Stored},
	{Collecting, DoorStuck, whereItWas},
	{Collecting, DoorLeftOpen, CollectedDoorOpen},
	{Collecting, Doubted, Disputed},
	{Collecting, SaidVoid, Void}, // an unconfirmed deposit: the household says that nothing was inside

	{Disputed, Confirmed, Stored},
	{Disputed, SaidAbsent, Lost},
	{Stored, SaidAbsent, Lost},
	{Overdue, SaidAbsent, Lost},

	{Stored, Deadline, Overdue},
	{Stored, ToShelf, MovedToOffice},
	{Overdue, ToShelf, MovedToOffice},
	{MovedToOffice, HandedOver, Collected},
	{MovedToOffice, SentBack, ReturnPending},
	{ReturnPending, HandedOver, Collected},
	{ReturnPending, SentBack, Returned},
	{Stored, Reassigned, Stored},
	{Overdue, Reassigned, Stored},
	{MovedToOffice, Reassigned, MovedToOffice},

	{Intake, RestartedNone, Void},
	{Intake, RestartedOpen, IntakeOpen},
	{Intake, RestartedShut, StoredUnconfirmed},
	{Intake, RestartedEmpty, StoredUnconfirmed}, // a sensor is a hint: what was not confirmed is never vacant
	{IntakeOpen, RestartedOpen, IntakeOpen},
	{IntakeOpen, RestartedShut, StoredUnconfirmed},
	{IntakeOpen, RestartedEmpty, StoredUnconfirmed},
	{Collecting, RestartedOpen, CollectedDoorOpen},
	{Collecting, RestartedShut, Stored},
	{Collecting, RestartedEmpty, Collected},
	{Stored, RestartedOpen, Stored},
	{Stored, RestartedShut, Stored},
	{Stored, RestartedEmpty, Stored},
	{Overdue, RestartedOpen, Overdue},
	{Overdue, RestartedShut, Overdue},
	{Overdue, RestartedEmpty, Overdue},
	{StoredUnconfirmed, RestartedOpen, StoredUnconfirmed},
	{StoredUnconfirmed, RestartedShut, StoredUnconfirmed},
	{StoredUnconfirmed, RestartedEmpty, StoredUnconfirmed},
	{Disputed, RestartedOpen, Disputed},
	{Disputed, RestartedShut, Disputed},
	{Disputed, RestartedEmpty, Disputed},
	{CollectedDoorOpen, RestartedOpen, CollectedDoorOpen},
	{CollectedDoorOpen, RestartedShut, CollectedDoorOpen},
	{CollectedDoorOpen, RestartedEmpty, CollectedDoorOpen},
	{Collected, RestartedShut, Collected}, // these are not behind a door: a restart finds them as they are
	{MovedToOffice, RestartedShut, MovedToOffice},
	{ReturnPending, RestartedShut, ReturnPending},
	{Returned, RestartedShut, Returned},
	{Lost, RestartedShut, Lost},
	{Void, RestartedShut, Void},
}

// ParcelMoves is the table, in the order in which it is read aloud.
func ParcelMoves() []ParcelMove { return append([]ParcelMove(nil), parcelMoves...) }

// NextState looks a move up. Before is the state before its door was opened; ErrNoMove when there is none.
func NextState(from ParcelState, on Fate, before ParcelState) (ParcelState, error) {
	for _, m := range parcelMoves {
		if m.From != from || m.On != on {
			continue
		}
		if m.To == whereItWas {
			return before, nil
		}
		return m.To, nil
	}
	return from, fmt.Errorf("%s while %q: %w", on, from, ErrNoMove)
}

// TaskCollection marks a parcel whose collection was cut short by a power loss.
const TaskCollection = "collection_unconfirmed"

// Parcel is one parcel. Names are not in it; Label is the unit's, and never leaves the box.
type Parcel struct {
	ID          string      `json:"id"`
	Version     uint64      `json:"version"`
	State       ParcelState `json:"state"`
	Before      ParcelState `json:"before,omitempty"`
	Household   string      `json:"household"`
	Unit        string      `json:"unit"`
	Label       string      `json:"label"`
	Compartment string      `json:"compartment,omitempty"`
	Shelf       string      `json:"shelf,omitempty"`
	Courier     string      `json:"courier,omitempty"`
	Carrier     string      `json:"carrier,omitempty"`
	Size        string      `json:"size,omitempty"`
	StoredAt    time.Time   `json:"stored_at,omitzero"`
	SettledAt   time.Time   `json:"settled_at,omitzero"` // zero: the courier can still undo
	EndedAt     time.Time   `json:"ended_at,omitzero"`
	Deadline    time.Time   `json:"deadline,omitzero"` // zero: nobody has been told yet
	How         string      `json:"how,omitempty"`
	Task        string      `json:"task,omitempty"`

	Ended time.Duration `json:"-"` // when it ended; it is forgotten 2 min later
}

// wire is the parcel as events show it.
func (p Parcel) wire() wire.Parcel {
	return wire.Parcel{
		State: string(p.State), Household: p.Household, Unit: p.Unit, Compartment: p.Compartment, Shelf: p.Shelf, Courier: p.Courier, Size: p.Size,
		StoredAt: micros(p.StoredAt), SettledAt: micros(p.SettledAt), EndedAt: micros(p.EndedAt), How: p.How,
	}
}

func micros(t time.Time) wire.Micros {
	if t.IsZero() {
		return 0
	}
	return wire.At(t)
}

// ended tells whether nothing more can become of it, but for a reopening.
func (p Parcel) ended() bool {
	switch p.State {
	case Collected, CollectedDoorOpen, Returned, Lost, Void:
		return true
	}
	return false
}

// waits tells whether a household may open its door.
func (p Parcel) waits() bool { return p.State == Stored || p.State == Overdue }
