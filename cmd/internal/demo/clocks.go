package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// clocks is step 11: the box boots in 1970 and in 2040. Parcels go on, a ticket that has ended stays so, and the time that
// it keeps is not poisoned.
func (t *tour) clocks(ctx context.Context) error {
	past, err := t.pastTicket(time.Now())
	if err != nil {
		return err
	}
	for _, wall := range []string{"1970-01-01T00:00:00Z", "2040-01-01T00:00:00Z"} {
		if err := t.wrongClock(ctx, wall, past); err != nil {
			return fmt.Errorf("booted at %s: %w", wall, err)
		}
	}
	// once more without a word of the cloud's: what was kept on disk must agree with the machine's clock again
	t.d.Gateway.Stop()
	t.d.Link.Cut()
	if _, err := t.d.Gateway.Start(ctx); err != nil {
		return err
	}
	h, err := t.health(ctx)
	if err != nil {
		return err
	}
	t.seen["clock_after"] = h.Clock
	if h.Clock == string(wire.Uncertain) {
		return errors.New("the clock is still uncertain: its floor was moved by a wrong clock")
	}
	t.d.Link.Mend()
	if _, err := t.level(ctx); err != nil {
		return err
	}
	return t.neverLost(ctx)
}

// wrongClock plays a boot with a wrong clock and the link cut, and then lets the cloud's answer mend it.
func (t *tour) wrongClock(ctx context.Context, wall, past string) error {
	t.d.Gateway.Stop()
	t.d.Link.Cut()
	if _, err := t.d.Gateway.Start(ctx, "--wall", wall); err != nil {
		return err
	}
	h, err := t.health(ctx)
	if err != nil {
		return err
	}
	if h.Clock != string(wire.Uncertain) {
		return fmt.Errorf("the clock is said to be %s", h.Clock)
	}
	if _, err := t.visit(ctx, t.linHome.Unit); err != nil {
		return err
	}
	if _, err := t.fetch(ctx, t.linHome.Unit, "household", t.linCode); err != nil {
		return err
	}
	if err := t.refused(ctx, "ktv", past, "too_late"); err != nil {
		return err
	}
	t.d.Link.Mend()
	return until(ctx, "the cloud's answer to mend the clock", func() (bool, any, error) {
		h, err := t.health(ctx)
		return err == nil && h.Clock == string(wire.FromAnswer), h.Clock, err
	})
}

// neverLost sees that no event of the whole tour was stamped with a time far from its true one.
func (t *tour) neverLost(ctx context.Context) error {
	l, err := t.d.ledger(ctx)
	if err != nil {
		return err
	}
	uncertain := 0
	for _, e := range l.events {
		event, err := wire.DecodeEvent(e.bytes)
		if err != nil {
			return err
		}
		if event.Clock == wire.Uncertain {
			uncertain++
		}
		if off := time.Since(event.Wall.Time()); off > time.Hour || off < -time.Hour {
			return fmt.Errorf("%s of %s is stamped %v", event.Type, event.Subject, event.Wall.Time())
		}
	}
	t.seen["events_with_an_uncertain_clock"] = uncertain
	if uncertain == 0 {
		return errors.New("no event says that its clock was uncertain")
	}
	return nil
}
