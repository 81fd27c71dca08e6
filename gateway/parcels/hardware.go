package parcels

import (
	"context"
	"errors"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
)

// reading is one reading of a bank, on its way to the loop.
type reading struct {
	polled rules.Polled
	health []drivers.Health
}

// energise drives one latch, once. It is the only place that does, and what it takes exists only after its intent was
// committed (invariants 2 and 5).
func (s *Service) energise(ctx context.Context, c committed) {
	defer s.hands.Done()
	log := s.deps.Log.With("lock", c.Compartment, "intent", c.Intent)
	out := rules.Outcome{Intent: c.Intent}
	var err error
	out.Unlock, err = s.deps.Banks[c.Bank].Unlock(ctx, c.Lock, time.Now().Add(unlockLimit))
	if err != nil {
		out.Err = errorCode(err)
		log.Warn("lock not energised", "wait", out.Waited, "err", err)
	} else {
		log.Info("lock energised", "outcome", int(out.Unlock.Outcome), "pulsed", out.Pulsed, "wait", out.Waited, "took", out.Took)
	}
	select {
	case s.outcomes <- out:
	case <-ctx.Done():
	}
}

func errorCode(err error) string {
	for _, known := range []struct {
		err  error
		code string
	}{
		{drivers.ErrSilent, "silent"}, {drivers.ErrGone, "gone"}, {drivers.ErrLate, "late"}, {drivers.ErrBusy, "busy"},
		{drivers.ErrNoLock, "no_lock"}, {drivers.ErrUnsure, "unsure"}, {drivers.ErrUnproven, "unproven"},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return "failed"
}

// poll starts one reader for each bank. A token makes it read once.
func (s *Service) poll(ctx context.Context) []chan<- struct{} {
	var all []chan<- struct{}
	for _, b := range s.config.Banks {
		wake := make(chan struct{}, 1)
		wake <- struct{}{} // every door is read before anything else is asked of it
		all = append(all, wake)
		s.hands.Add(1)
		go s.reader(ctx, b.ID, wake)
	}
	return all
}

func (s *Service) reader(ctx context.Context, bank string, wake <-chan struct{}) {
	defer s.hands.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		r := reading{polled: rules.Polled{Bank: bank, Began: s.deps.Clock.Now().Mono}}
		limit, cancel := context.WithTimeoutCause(ctx, pollLimit, errors.New("reading of the bank took too long"))
		status, err := s.deps.Banks[bank].Status(limit)
		cancel()
		if err == nil {
			r.polled.Locks = status.Locks
		}
		if h, ok := s.deps.Banks[bank].(drivers.Watched); ok {
			r.health = h.Health()
		}
		select {
		case s.readings <- r:
		case <-ctx.Done():
			return
		}
	}
}

// reading takes one reading of a bank.
func (s *Service) reading(ctx context.Context, r reading) error {
	if _, err := s.step(ctx, r.polled, nil); err != nil {
		s.deps.Log.Error("reading not taken", "bank", r.polled.Bank, "err", err)
		if err := s.broken(err); err != nil {
			return err
		}
	}
	if err := s.devices.See(ctx, r.health); err != nil {
		s.deps.Log.Error("board's state not recorded", "bank", r.polled.Bank, "err", err)
		return s.broken(err)
	}
	return nil
}
