package doors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/devices"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/doors/rules"
	"github.com/ntpc-smart-community/lobby/gateway/grants"
)

// Bounds of the loop (invariant 13); those of the rules are in gateway/doors/rules.
const (
	lookEvery    = 200 * time.Millisecond // at a door that is being opened
	PollEvery    = time.Second            // from one reading of a door to the next
	pollLimit    = 5 * time.Second        // for one reading, and for turning an output off
	offLimit     = 2 * time.Second        // for turning all outputs off at the end
	releaseLimit = 5 * time.Second        // from the commit to the frame: later nobody stands there any more
	pruneEvery   = 24 * time.Hour
	inboxLength  = 16 // commands waiting for the loop
)

// Service runs the doors of one building. Its methods may be called from any goroutine.
type Service struct {
	config   Config
	deps     Deps
	book     *grants.Book
	asks     chan ask
	commands chan []byte
	applied  chan struct{}
	readings chan reading
	outcomes chan rules.Outcome
	secured  chan string // door whose output was turned off, or could not be
	stopped  chan struct{}
	view     atomic.Pointer[view]
	watchers *watchers

	hands sync.WaitGroup // goroutines on the hardware

	// What follows belongs to the loop alone.
	state      rules.Building
	doc        document.Document
	challenges *grants.Challenges
	devices    *devices.Watch
	moving     map[string]context.CancelCauseFunc // releases whose outcome is to come, by door
	securing   map[string]int                     // how often an output was asked to be turned off since that was begun, by door
	polled     time.Duration                      // when every door was last asked
	pruned     time.Duration
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
		challenges: grants.NewChallenges(config.Gateway),
		asks:       make(chan ask), commands: make(chan []byte, inboxLength), applied: make(chan struct{}, 1), readings: make(chan reading),
		outcomes: make(chan rules.Outcome), secured: make(chan string), stopped: make(chan struct{}),
		moving: map[string]context.CancelCauseFunc{}, securing: map[string]int{}, pruned: -pruneEvery,
	}
	s.devices = devices.New("door", spaceDevices, deps.Store, deps.Clock, deps.Log)
	s.view.Store(&view{})
	return s, nil
}

// Run reads what was stored, turns every output off and reads every door, then takes one input at a time until ctx ends;
// what the device says of a release under way is still recorded, and every output is turned off. It may be called once. Its error says that the store
// failed: the process must end then.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.stopped)
	hands, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := s.begin(hands); err != nil {
		return fmt.Errorf("doors: %w", err)
	}
	polls := s.poll(ctx)
	defer s.hands.Wait()
	defer stop()
	defer s.allOff(hands)
	every := PollEvery
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if now := s.pace(); now != every {
			every = now
			tick.Reset(every)
		}
		if err := s.one(ctx, hands, polls, tick.C); err != nil {
			if errors.Is(err, errDone) {
				return s.drain(hands)
			}
			return fmt.Errorf("doors: %w", err)
		}
	}
}

var errDone = errors.New("done")

// one takes one input. Its error is the store's, or errDone.
func (s *Service) one(ctx, hands context.Context, polls map[string]chan<- struct{}, tick <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return errDone
	case a := <-s.asks:
		return s.take(hands, a)
	case p := <-s.commands:
		return s.order(hands, p)
	case out := <-s.outcomes:
		return s.outcome(hands, out)
	case r := <-s.readings:
		return s.reading(hands, r)
	case door := <-s.secured:
		s.turnedOff(hands, door)
		return nil
	case <-s.applied:
		return s.document()
	case <-tick:
		s.look(polls)
		return s.tick(hands)
	}
}

// pace is how often the loop looks around.
func (s *Service) pace() time.Duration {
	if slices.ContainsFunc(s.state.Doors, rules.Door.Moving) {
		return lookEvery
	}
	return PollEvery
}

// look has the doors read whose time has come.
func (s *Service) look(polls map[string]chan<- struct{}) {
	now := s.deps.Clock.Now().Mono
	all := now-s.polled >= PollEvery-lookEvery/2 // a tick may come a little early
	if all {
		s.polled = now
	}
	for _, d := range s.state.Doors {
		if !all && !d.Moving() {
			continue
		}
		select {
		case polls[d.ID] <- struct{}{}:
		default: // the last reading is still under way
		}
	}
}

// tick lets time have its effect.
func (s *Service) tick(ctx context.Context) error {
	mono := s.deps.Clock.Now().Mono
	if due, waits := s.state.NextDeadline(); waits && mono >= due {
		if _, err := s.step(ctx, rules.Tick{}, nil); err != nil {
			s.deps.Log.Error("time has no effect", "err", err)
			return s.broken(err)
		}
	}
	if mono-s.pruned >= pruneEvery {
		s.pruned = mono
		return s.prune(ctx)
	}
	return nil
}

// drain records what the devices still say of releases under way.
func (s *Service) drain(ctx context.Context) error {
	for len(s.moving) > 0 {
		select {
		case out := <-s.outcomes:
			if err := s.outcome(ctx, out); err != nil {
				return fmt.Errorf("doors: %w", err)
			}
		case door := <-s.secured:
			delete(s.securing, door)
		}
	}
	return nil
}

// take answers one ask. What a person asks wrongly is the asker's error; what the store cannot do ends the service.
func (s *Service) take(ctx context.Context, a ask) error {
	v, err := s.handle(ctx, a)
	a.reply <- answer{v, public(err)}
	return s.broken(err)
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
		{rules.ErrUnknown, ErrUnknown}, {rules.ErrNotNow, ErrNotNow}, {rules.ErrNoMove, ErrNotNow},
	} {
		if errors.Is(err, known.from) {
			return fmt.Errorf("%w: %w", known.to, err)
		}
	}
	return err
}

// outcome takes what came of a release.
func (s *Service) outcome(ctx context.Context, out rules.Outcome) error {
	s.moving[out.Door](nil)
	delete(s.moving, out.Door)
	if _, err := s.step(ctx, out, nil); err != nil {
		s.deps.Log.Error("outcome not recorded", "door", out.Door, "intent", out.Intent, "err", err)
		return s.broken(err)
	}
	return nil
}

func (s *Service) count(name string) {
	if s.deps.Count != nil {
		s.deps.Count(name)
	}
}
