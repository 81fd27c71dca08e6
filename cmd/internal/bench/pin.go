package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// seen is how many turns later a door is surely seen to be shut, so that nobody waits for the next poll. Fewer visits stand
// at a time than the service allows.
const seen = 3

// openings are doors opened, and how long it took from the call to the unlock frame.
type openings struct {
	meters     int // read meanwhile into the same store
	real, bare []time.Duration

	judged, committed, sent []time.Duration // parts of real: Collect, Open, and what is left until the frame
	synced, driven          []time.Duration // parts of bare
}

func (o openings) figures() []Figure {
	how := fmt.Sprintf("%d openings: from the call of parcels.Collect and Open to the unlock frame taken by a real pty, polling each second", len(o.real))
	bare := fmt.Sprintf("%d openings of another bank in turn: two syncs of bare bbolt, then the driver's status reading and unlock frame over the bus", len(o.bare))
	return spread(metered("pin-to-frame", o.meters), o.real, o.bare, how, bare)
}

// run opens doors by PIN through the service, and another bank's by the driver alone, in turn.
func (o *openings) run(ctx context.Context, dir string, s sizes, log *slog.Logger) (err error) {
	dir = filepath.Join(dir, fmt.Sprintf("pin-%d", o.meters))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	tty := filepath.Join(dir, "tty")
	b, err := openBuilding(tty, twoBanks(s.doors))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	kept, err := newBank(b, tty, "A", s.doors, log)
	if err != nil {
		return err
	}
	free, err := newBank(b, tty, "B", s.doors, log)
	if err != nil {
		return err
	}
	db, err := openBare(filepath.Join(dir, "bare.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	// The service ends before the lines, the lines before the building: each still answers the one above it.
	lines := start(ctx, b.Run, kept.bus.Run, free.bus.Run)
	defer func() { err = errors.Join(err, lines()) }()
	for _, k := range []*bank{kept, free} {
		if err := k.ready(ctx); err != nil {
			return err
		}
	}
	group, inner := errgroup.WithContext(ctx)
	inner, cancel := context.WithCancel(inner)
	f, err := openFloor(inner, group, dir, kept, s.doors, log)
	if err != nil {
		cancel()
		return err
	}
	group.Go(func() error { return free.poll(inner) })
	stop, err := withMeters(inner, dir, o.meters, f.store, log)
	if err == nil {
		err = errors.Join(o.measure(inner, f, free, db, s), stop())
	}
	cancel()
	return errors.Join(err, group.Wait(), f.store.Close())
}

// start runs what lives as long as a context of its own; stop ends that and waits.
func start(ctx context.Context, runs ...func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var group errgroup.Group
	for _, run := range runs {
		group.Go(func() error {
			if err := run(ctx); ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	return func() error {
		cancel()
		return group.Wait()
	}
}

func (o *openings) measure(ctx context.Context, f *floor, free *bank, db *bbolt.DB, s sizes) error {
	people, err := f.fill(ctx)
	if err != nil {
		return err
	}
	say("pin-to-frame: %d parcels wait", len(people))
	for turn := range s.openings {
		r := people[turn%len(people)]
		if err := f.keep(ctx, people[(turn+len(people)-seen)%len(people)]); err != nil {
			return err
		}
		if err := rest(ctx, s.pause); err != nil {
			return err
		}
		var opened <-chan error
		ours := func() error { return o.openReal(ctx, f, r) }
		bare := func() (err error) {
			opened, err = o.openBare(ctx, free, db, r.lock)
			return err
		}
		if err := byTurns(turn, ours, bare); err != nil {
			return err
		}
		if err := errors.Join(f.door(ctx, r.visit, parcels.DoorOpen), <-opened); err != nil {
			return err
		}
		if err := errors.Join(f.bank.shut(r.lock), free.shut(r.lock)); err != nil {
			return err
		}
	}
	return nil
}

// rest waits for a while by chance: people do not come in step with the polling.
func rest(ctx context.Context, most time.Duration) error {
	select {
	case <-time.After(rand.N(most)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// openReal types a PIN and touches the door.
func (o *openings) openReal(ctx context.Context, f *floor, r *resident) error {
	frame := f.bank.expect(r.lock)
	began := time.Now()
	v, err := f.service.Collect(ctx, r.label, "pin", r.pin)
	judged := time.Now()
	if err != nil {
		return err
	}
	if v.Visit == "" {
		return fmt.Errorf("PIN of %s is refused: %s", r.label, v.Reason)
	}
	if err := f.service.Open(ctx, v.Visit, r.compartment); err != nil {
		return err
	}
	committed := time.Now()
	r.visit = v.Visit
	select {
	case sent := <-frame:
		o.real = append(o.real, sent.Sub(began))
		o.judged, o.committed = append(o.judged, judged.Sub(began)), append(o.committed, committed.Sub(judged))
		o.sent = append(o.sent, sent.Sub(committed))
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the frame: %w", context.Cause(ctx))
	}
}

// openBare syncs what must be on disk, the guess and the intent, and unlocks. The channel tells when the latch was judged.
func (o *openings) openBare(ctx context.Context, k *bank, db *bbolt.DB, lock int) (<-chan error, error) {
	frame, opened := k.expect(lock), make(chan error, 1)
	began := time.Now()
	for range 2 {
		if err := putAll(db, make([]byte, 512)); err != nil {
			return nil, err
		}
	}
	synced := time.Now()
	go func() {
		u, err := k.Unlock(ctx, lock, time.Now().Add(5*time.Second))
		if err == nil && u.Outcome != drivers.Opened {
			err = fmt.Errorf("lock %d did not open: outcome %d", lock, u.Outcome)
		}
		opened <- err
	}()
	select {
	case sent := <-frame:
		o.bare = append(o.bare, sent.Sub(began))
		o.synced, o.driven = append(o.synced, synced.Sub(began)), append(o.driven, sent.Sub(synced))
		return opened, nil
	case err := <-opened:
		return nil, errors.Join(errors.New("no frame was sent"), err)
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), <-opened)
	}
}
