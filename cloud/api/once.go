package api

import (
	"context"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Keyed is what every request brings that must not be done twice (exported: huma fills no unexported field).
type Keyed struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"required: a random text of the sender's; to send the same request with it again gives the same answer and does nothing"`
}

// doOnce does what a request asks for, once for its key, and publishes what that gave once it is committed. what is all that
// makes another request of it.
func doOnce[T any](ctx context.Context, a *API, k Keyed, what any, fn func(*store.Tx) (T, []fleet.Message, error)) (T, error) {
	var out []fleet.Message
	answer, err := once.Do(ctx, a.Once, once.Request{Who: caller(ctx).ID, Key: k.Key, What: what}, a.Now(), func(tx *store.Tx) (T, error) {
		answer, messages, err := fn(tx)
		out = messages
		return answer, err
	})
	if err == nil {
		a.Fleet.Publish(out)
	}
	return answer, err
}
