package terminal

import (
	"context"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
)

// Doors is what the screens need of the doors service. Present and EnterByCode return once what they ask is durable;
// what the door then does is seen by View. A refusal is no error: it opens nothing and is in the verdict.
type Doors interface {
	// Present judges a ticket's text at a door.
	Present(ctx context.Context, door, ticket string) (doors.Verdict, error)
	// EnterByCode judges the household code of a unit's label at a door.
	EnterByCode(ctx context.Context, door, unit string, code doors.Code) (doors.Verdict, error)
	// View is every door as it stands.
	View() doors.View
	// Watch gives a token after a change of anything shown; the listener ends it with stop.
	Watch() (changed <-chan struct{}, stop func())
}
