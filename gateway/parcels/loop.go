package parcels

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// Service runs the banks of one building. Its methods may be called from any goroutine.
type Service struct {
	config   Config
	deps     Deps
	asks     chan ask
	applied  chan struct{}
	stopped  chan struct{}
	view     atomic.Pointer[view]
	watchers *watchers
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
		config: config, deps: deps, watchers: newWatchers(),
		asks: make(chan ask), applied: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	s.view.Store(&view{visits: map[string]Visit{}, guards: map[string]Guard{}})
	return s, nil
}

// Run takes one input at a time until ctx ends. It may be called once.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.stopped)
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-s.asks:
			a.reply <- answer{err: ErrNotNow}
		}
	}
}
