package kerong

import (
	"context"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// defaultSpacing is left between the end of a pulse and the next: docs/kerong.md 4.
const defaultSpacing = 100 * time.Millisecond

// Supply is one power supply. It can carry one latch at a time, of whichever bank hangs on it.
type Supply struct {
	spacing time.Duration
	turn    chan struct{} // held by whoever energises a latch, or is about to
	next    time.Time     // no pulse before this; belongs to who holds turn
}

// NewSupply returns a supply that rests for spacing between the end of a pulse and the next; 0 means 100ms. Some need
// 500ms.
func NewSupply(spacing time.Duration) *Supply {
	if spacing <= 0 {
		spacing = defaultSpacing
	}
	return &Supply{spacing: spacing, turn: make(chan struct{}, 1)}
}

// take waits until the supply can carry a latch, first come, first served; one of each bank can wait. A supply that was taken
// is given back.
func (s *Supply) take(ctx context.Context, notAfter time.Time) error {
	late, stop := lateAfter(notAfter)
	defer stop()
	if err := turnOf(ctx, s.turn, late); err != nil {
		return err
	}
	rest := time.NewTimer(time.Until(s.next))
	defer rest.Stop()
	select {
	case <-rest.C:
		return nil
	case <-late:
		s.giveBack()
		return drivers.ErrLate
	case <-ctx.Done():
		s.giveBack()
		return context.Cause(ctx)
	}
}

// pulsed says that a pulse has begun.
func (s *Supply) pulsed(at time.Time, pulse time.Duration) { s.next = at.Add(pulse + s.spacing) }

func (s *Supply) giveBack() { <-s.turn }

// turnOf takes a turn that one can have at a time. Who waits is served in order: a turn that is given back goes to the first of
// those who wait, never to who comes just then.
func turnOf(ctx context.Context, turn chan<- struct{}, late <-chan time.Time) error {
	select {
	case turn <- struct{}{}:
		return nil
	case <-late:
		return drivers.ErrLate
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lateAfter gives a token when notAfter passes; never, when it is zero.
func lateAfter(notAfter time.Time) (late <-chan time.Time, stop func() bool) {
	if notAfter.IsZero() {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(time.Until(notAfter))
	return timer.C, timer.Stop
}
