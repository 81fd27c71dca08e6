package desk

import (
	"context"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// Parcels is what the desk needs of the parcels service. session is what SignIn gave; every method returns once what it
// asks is durable.
type Parcels interface {
	Guards
	Doors
	Shelf
	Codes
	// Office is everything that a guard may see, as it stands.
	Office() parcels.Office
}

// Guards judges guards' codes.
type Guards interface {
	SignIn(ctx context.Context, code string) (parcels.Verdict, error)
	SignOut(ctx context.Context, session string) error
	// Guard gives the guard of a session; false when it has ended.
	Guard(session string) (parcels.Guard, bool)
}

// Doors is what a guard does at a door.
type Doors interface {
	OpenDoor(ctx context.Context, session, compartment, reason string) error
	Inspect(ctx context.Context, session, compartment string, found parcels.Found, reason string) error
	// PutOut takes a compartment out of service; without a reason it puts it in again.
	PutOut(ctx context.Context, session, compartment, reason string) error
}

// Shelf is what becomes of parcels that are taken to the office.
type Shelf interface {
	ToOffice(ctx context.Context, session, parcel, shelf, reason string) error
	HandOver(ctx context.Context, session, parcel, pin, reason string) (parcels.Verdict, error)
	SendBack(ctx context.Context, session, parcel, reason string) error
}

// Codes is what a guard does for residents' codes, and for the clock.
type Codes interface {
	UnlockUnit(ctx context.Context, session, unit, reason string) error
	NextCode(ctx context.Context, session, unit, reason string) (parcels.Code, error)
	ConfirmClock(ctx context.Context, session string, t time.Time, reason string) error
}
