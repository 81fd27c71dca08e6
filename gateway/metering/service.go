package metering

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/devices"
	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
)

// Service reads the meters of one building. Its methods may be called from any goroutine.
type Service struct {
	config Config
	deps   Deps
	swept  chan sweep
	view   atomic.Pointer[View]
	hands  sync.WaitGroup // goroutines on the hardware

	// What follows belongs to the loop alone.
	states   map[string]rules.State
	devices  *devices.Watch
	sweeping bool // one is under way
	late     bool // a sweep had to be left out: said once
}

// New makes the service. It does nothing until Run.
func New(deps Deps, config Config) (*Service, error) {
	if err := config.check(deps); err != nil {
		return nil, err
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Jitter == nil {
		deps.Jitter = func(time.Duration) time.Duration { return 0 }
	}
	config.Every = cmp.Or(config.Every, time.Hour)
	s := &Service{config: config, deps: deps, swept: make(chan sweep), states: map[string]rules.State{}}
	s.devices = devices.New("gas_meter", spaceDevices, deps.Store, deps.Clock, deps.Log)
	s.publish()
	return s, nil
}

// Run reads what was stored and then sweeps on schedule until ctx ends; a sweep under way is then given up. It may be
// called once. Its error says that the store failed: the process must end then.
func (s *Service) Run(ctx context.Context) error {
	if err := s.load(); err != nil {
		return fmt.Errorf("metering: %w", err)
	}
	defer s.hands.Wait()
	hands, stop := context.WithCancel(ctx)
	defer stop()
	// The first sweep comes soon; the schedule begins anywhere in the period, so that a city does not read in step.
	tick := time.NewTicker(max(s.deps.Jitter(min(firstWithin, s.config.Every)), 1))
	defer tick.Stop()
	waits := []time.Duration{s.config.Every - s.deps.Jitter(s.config.Every), s.config.Every}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if len(waits) > 0 {
				tick.Reset(max(waits[0], 1))
				waits = waits[1:]
			}
			s.begin(hands)
		case done := <-s.swept:
			s.sweeping = false
			if err := s.record(ctx, done); err != nil {
				return fmt.Errorf("metering: %w", err)
			}
		}
	}
}
