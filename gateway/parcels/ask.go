package parcels

import (
	"context"
	"fmt"
	"time"
)

// ask is what a person at the kiosk or the desk wants, on its way to the loop.
type ask struct {
	do          verb
	visit       string // or the guard's session
	unit        string // label
	kind        string // pin, household
	code        Code
	compartment string
	parcel      string
	size        string
	how         string
	reason      string
	shelf       string
	yes         bool
	at          time.Time

	reply chan answer // capacity 1: an asker that left holds nobody up
}

// verb is what is asked.
type verb uint8

const (
	doCollect verb = iota + 1
	doDeliver
	doLeave
	doOpen
	doTaken
	doDispute
	doHasUnit
	doReserve
	doSettle
	doUndo
	doSignIn
	doSignOut
	doGuardOpen
	doInspect
	doPutOut
	doToOffice
	doHandOver
	doSendBack
	doReassign
	doUnlockUnit
	doNextCode
	doClock
)

// answer is what the loop says to an ask.
type answer struct {
	verdict Verdict
	yes     bool
	code    Code
	err     error
}

func (s *Service) ask(ctx context.Context, a ask) error {
	_, err := s.answer(ctx, a)
	return err
}

func (s *Service) verdict(ctx context.Context, a ask) (Verdict, error) {
	r, err := s.answer(ctx, a)
	return r.verdict, err
}

// answer posts an ask and waits for what came of it. Once the loop has taken it, its outcome is always waited for.
func (s *Service) answer(ctx context.Context, a ask) (answer, error) {
	a.reply = make(chan answer, 1)
	select {
	case s.asks <- a:
	case <-s.stopped:
		return answer{}, ErrStopped
	case <-ctx.Done():
		return answer{}, fmt.Errorf("parcels: %w", context.Cause(ctx))
	}
	select {
	case r := <-a.reply:
		return r, r.err
	case <-s.stopped:
		return answer{}, ErrStopped
	}
}
