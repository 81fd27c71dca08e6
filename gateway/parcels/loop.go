package parcels

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/devices"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of the loop (invariant 13); those of the rules are in gateway/parcels/rules.
const (
	PollEvery   = time.Second     // from one reading of a bank to the next
	pollLimit   = 5 * time.Second // for one reading of a bank
	unlockLimit = 5 * time.Second // from the commit to the frame: later nobody stands there any more
	pruneEvery  = 24 * time.Hour
	toldEvery   = 10 * time.Second
)

// Service runs the banks of one building. Its methods may be called from any goroutine.
type Service struct {
	config   Config
	deps     Deps
	book     *grants.Book
	asks     chan ask
	applied  chan struct{}
	readings chan reading
	outcomes chan rules.Outcome
	stopped  chan struct{}
	view     atomic.Pointer[view]
	watchers *watchers

	hands sync.WaitGroup // goroutines on the hardware

	// What follows belongs to the loop alone.
	state   rules.State
	doc     document.Document
	told    map[string]wire.Name // parcels whose stay waits for the cloud to know
	devices *devices.Watch
	answers map[string]bool // wishes answered
	locked  []grants.LockedUnit
	gone    []goneVisit // the last ones that ended
	moving  int         // intents whose outcome is to come
	pruned  time.Duration
	looked  time.Duration // for news that the cloud has
}

// New makes the service. It does nothing until Run, and says ErrStopped after it.
func New(deps Deps, config Config) (*Service, error) {
	if err := config.check(deps); err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		config: config, deps: deps, book: grants.NewBook(config.Gateway, deps.Key), watchers: newWatchers(),
		asks: make(chan ask), applied: make(chan struct{}, 1), readings: make(chan reading), outcomes: make(chan rules.Outcome),
		stopped: make(chan struct{}),
	}
	s.devices = devices.New("locker_board", spaceDevices, deps.Store, deps.Clock, deps.Log)
	s.view.Store(&view{visits: map[string]Visit{}, guards: map[string]Guard{}})
	return s, nil
}

// Run reads what was stored and every door, then takes one input at a time until ctx ends; what is under way at a lock is
// still recorded. It may be called once. Its error says that the store failed: the process must end then.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.stopped)
	hands, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := s.load(); err != nil {
		return fmt.Errorf("parcels: %w", err)
	}
	if _, err := s.step(hands, rules.Started{}, nil); err != nil {
		return fmt.Errorf("parcels: %w", err)
	}
	if err := s.document(hands); err != nil {
		return fmt.Errorf("parcels: %w", err)
	}
	polls := s.poll(ctx)
	defer s.hands.Wait()
	defer stop()
	tick := time.NewTicker(PollEvery)
	defer tick.Stop()
	for {
		if err := s.one(ctx, hands, polls, tick.C); err != nil {
			if errors.Is(err, errDone) {
				return s.drain(hands)
			}
			return fmt.Errorf("parcels: %w", err)
		}
	}
}

var errDone = errors.New("done")

// one takes one input. Its error is the store's, or errDone.
func (s *Service) one(ctx, hands context.Context, polls []chan<- struct{}, tick <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return errDone
	case a := <-s.asks:
		return s.take(hands, a)
	case out := <-s.outcomes:
		return s.outcome(hands, out)
	case r := <-s.readings:
		return s.reading(hands, r)
	case <-s.applied:
		return s.document(hands)
	case <-tick:
		for _, p := range polls {
			select {
			case p <- struct{}{}:
			default: // the last reading is still under way
			}
		}
		return s.tick(hands)
	}
}

// drain records what is still under way at the locks.
func (s *Service) drain(ctx context.Context) error {
	for s.moving > 0 {
		if err := s.outcome(ctx, <-s.outcomes); err != nil {
			return fmt.Errorf("parcels: %w", err)
		}
	}
	return nil
}

// take answers one ask. What a person asks wrongly is the asker's error; what the store cannot do ends the service.
func (s *Service) take(ctx context.Context, a ask) error {
	r := s.handle(ctx, a)
	r.err = public(r.err)
	a.reply <- r
	return s.broken(r.err)
}

// broken gives err if the store has failed for good.
func (s *Service) broken(err error) error {
	select {
	case <-s.deps.Store.Broken():
		return err
	default:
		return nil
	}
}

// public gives an error of the rules the name that callers know.
func public(err error) error {
	for _, known := range []struct{ from, to error }{
		{rules.ErrFull, ErrFull}, {rules.ErrCap, ErrCap}, {rules.ErrSession, ErrSession}, {rules.ErrUnknown, ErrUnknown},
		{rules.ErrNotNow, ErrNotNow}, {rules.ErrNoMove, ErrNotNow},
	} {
		if errors.Is(err, known.from) {
			return fmt.Errorf("%w: %w", known.to, err)
		}
	}
	return err
}

// outcome takes what came of an intent.
func (s *Service) outcome(ctx context.Context, out rules.Outcome) error {
	s.moving--
	out.Next = s.newID()
	if _, err := s.step(ctx, out, nil); err != nil {
		s.deps.Log.Error("outcome not recorded", "intent", out.Intent, "err", err)
		return s.broken(err)
	}
	return nil
}

// tick lets time have its effect.
func (s *Service) tick(ctx context.Context) error {
	mono := s.deps.Clock.Now().Mono
	if _, err := s.step(ctx, rules.Tick{}, nil); err != nil {
		s.deps.Log.Error("time has no effect", "err", err)
		return s.broken(err)
	}
	if err := s.lookBack(ctx); err != nil {
		return err
	}
	if mono-s.looked >= toldEvery {
		s.looked = mono
		if err := s.lookTold(ctx); err != nil {
			return err
		}
	}
	if mono-s.pruned >= pruneEvery {
		s.pruned = mono
		return s.prune(ctx)
	}
	return nil
}

// now is one reading of the clock, for the rules and for events.
func (s *Service) now() (rules.Now, clock.Reading) {
	r := s.deps.Clock.Now()
	return rules.Now{Wall: r.Time, Mono: r.Mono, Certain: r.Quality != wire.Uncertain}, r
}
