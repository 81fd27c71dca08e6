package kiosk

import (
	"context"

	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

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
	// Reserve takes a free compartment of at least a size for a unit and opens it.
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
	// Changed gets a token, of capacity 1, after a change of anything shown.
	Changed() <-chan struct{}
}

// What the service says, by the names that the screen's own code uses.
type (
	Verdict = parcels.Verdict
	Front   = parcels.Front
	Visit   = parcels.Visit
	Door    = parcels.Door
	Drop    = parcels.Drop
)
