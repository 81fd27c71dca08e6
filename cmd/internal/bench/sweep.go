package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// rounds are sweeps over a line of meters.
type rounds struct {
	meters   int
	all      []sweep
	readings int             // good ones, as the store has them
	commits  []time.Duration // from a sweep's last byte until its readings were on disk
}

// line adds up what passed, with the time that it took and the least that it can take.
func (r rounds) line() (sum sweep, took, least time.Duration) {
	for _, s := range r.all {
		sum.requests, sum.characters, sum.between = sum.requests+s.requests, sum.characters+s.characters, sum.between+s.between
		took, least = took+s.took(), least+s.least()
	}
	return sum, took, least
}

func (r rounds) figure() Figure {
	sum, took, least := r.line()
	return of(Figure{
		Name: "sweep", Value: 60 * tally{r.readings, took}.rate(), Unit: "readings/min", Ceiling: 60 * tally{sum.requests, least}.rate(),
		How: fmt.Sprintf("%d meters (g4) on one line of %d baud, a real pty, by gateway/metering, driver and bus: %d sweeps, each from the first byte out to the last byte in, as the bus sees them pass",
			r.meters, meterBaud, len(r.all)),
		Bare: fmt.Sprintf("arithmetic over the %d characters that passed: %v each, %v turnaround for each of %d requests, and %v silence before each but the first of a sweep",
			sum.characters, character, turnaround, sum.requests, silence),
	})
}

// measureSweeps lets the service sweep a line until enough sweeps are committed.
func measureSweeps(ctx context.Context, dir string, s sizes, log *slog.Logger) (r rounds, err error) {
	dir = filepath.Join(dir, "sweep")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	st, err := store.Open(filepath.Join(dir, "gateway.db"), store.Options{Gateway: gatewayID, Key: newKey()})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	m, err := openMeters(dir, s.meters, s.every, st, log)
	if err != nil {
		return r, err
	}
	stop, err := m.start(ctx)
	if err != nil {
		return r, err
	}
	r.meters = s.meters
	commits, err := m.watch(ctx, st, s.sweeps)
	if err = errors.Join(err, stop()); err != nil {
		return r, err
	}
	return r, r.count(m.sweeps.done()[:s.sweeps], commits, st)
}

// watch waits until so many sweeps are committed, and tells when the store committed.
func (m *meterLine) watch(ctx context.Context, st *store.Store, sweeps int) (commits []time.Time, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(m.sweeps.done()) < sweeps {
		select {
		case <-st.Appended():
			commits = append(commits, time.Now())
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d sweeps: %w", len(m.sweeps.done()), sweeps, context.Cause(ctx))
		}
	}
	return commits, nil
}

// count puts together what passed over the line and what is in the store.
func (r *rounds) count(all []sweep, commits []time.Time, st *store.Store) error {
	r.all = all
	for _, s := range all {
		for _, at := range commits {
			if at.After(s.ended) {
				r.commits = append(r.commits, at.Sub(s.ended))
				break
			}
		}
	}
	seen := map[string]bool{}
	return eachBlock(st, wire.Telemetry, func(b wire.Block) error {
		for _, raw := range b.Events {
			ev, err := wire.DecodeEvent(raw)
			if err != nil {
				return err
			}
			var one wire.Reading
			if err := json.Unmarshal(ev.Data, &one); err != nil {
				return err
			}
			seen[one.Sweep] = true
			if len(seen) <= len(all) && one.Quality == wire.ReadingGood {
				r.readings++
			}
		}
		return nil
	})
}
