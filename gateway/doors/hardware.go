package doors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/doors/rules"
)

// errCutOff is why a release under way is given up.
var errCutOff = errors.New("door was closed down")

// act starts what is done at a door's output.
func (s *Service) act(ctx context.Context, c committed) {
	if c.Do == rules.Release {
		one, cut := context.WithCancelCause(ctx)
		s.moving[c.Door] = cut
		s.hands.Add(1)
		go s.release(ctx, one, c)
		return
	}
	if cut := s.moving[c.Door]; cut != nil {
		cut(errCutOff)
	}
	if s.securing[c.Door]++; s.securing[c.Door] == 1 {
		s.hands.Add(1)
		go s.secure(ctx, c.Door)
	}
}

// turnedOff takes that an output was turned off, or could not be. What asked for it meanwhile may have come too late for
// that one: it is turned off once more.
func (s *Service) turnedOff(ctx context.Context, door string) {
	again := s.securing[door] > 1
	delete(s.securing, door)
	if again {
		s.act(ctx, committed{rules.Action{Do: rules.Secure, Door: door}})
	}
}

// release lets one door be opened, once. It is the only place that does, and what it takes exists only after its intent
// was committed (invariants 2 and 5). ctx is the loop's, one ends when the release is cut off.
func (s *Service) release(ctx, one context.Context, c committed) {
	defer s.hands.Done()
	log := s.deps.Log.With("door", c.Door, "intent", c.Intent)
	limit := releaseLimit
	if c.Deadline > 0 {
		limit = c.Deadline - s.deps.Clock.Now().Mono
	}
	out := rules.Outcome{Door: c.Door, Intent: c.Intent}
	var err error
	out.Release, err = s.deps.Doors[c.Door].Release(one, c.Hold, time.Now().Add(limit))
	if err != nil {
		out.Code = errorCode(err)
		log.Warn("door not released", "wait", out.Waited, "err", err)
	} else {
		log.Info("door released", "known", out.Known, "wait", out.Waited, "took", out.Took)
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
		{errCutOff, string(rules.ClosedDown)}, {drivers.ErrSilent, "silent"}, {drivers.ErrGone, "gone"}, {drivers.ErrLate, "late"},
		{drivers.ErrBusy, "busy"}, {drivers.ErrRefused, "refused"}, {drivers.ErrUnproven, "unproven"},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return "failed"
}

// allOff turns every output off at the end: nobody looks at them any more (invariant 15).
func (s *Service) allOff(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, offLimit, fmt.Errorf("turning off took longer than %s", offLimit))
	defer cancel()
	var all sync.WaitGroup
	for _, d := range s.config.Doors {
		all.Go(func() {
			if err := s.turnOff(ctx, d.ID); err != nil {
				s.deps.Log.Warn("door's output not turned off", "door", d.ID, "err", err)
			}
		})
	}
	all.Wait()
}

// secure turns a door's output off. If it cannot, the next reading that finds it on asks again.
func (s *Service) secure(ctx context.Context, door string) {
	defer s.hands.Done()
	if err := s.turnOff(ctx, door); err != nil {
		s.deps.Log.Warn("door's output not turned off", "door", door, "err", err)
	}
	select {
	case s.secured <- door:
	case <-ctx.Done():
	}
}

func (s *Service) turnOff(ctx context.Context, door string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pollLimit, fmt.Errorf("turning off took longer than %s", pollLimit))
	defer cancel()
	return s.deps.Doors[door].Secure(ctx)
}

// reading is one reading of a door, on its way to the loop.
type reading struct {
	rules.Reading
	health []drivers.Health
}

// poll starts one reader for each door. A token makes it read once.
func (s *Service) poll(ctx context.Context) map[string]chan<- struct{} {
	all := map[string]chan<- struct{}{}
	for _, d := range s.config.Doors {
		wake := make(chan struct{}, 1)
		wake <- struct{}{} // every door is read before anything else is asked of it
		all[d.ID] = wake
		s.hands.Add(1)
		go s.reader(ctx, d.ID, wake)
	}
	return all
}

// reader turns the door's output off, once that is possible, and then reads it whenever it is woken (invariant 15).
func (s *Service) reader(ctx context.Context, door string, wake <-chan struct{}) {
	defer s.hands.Done()
	off := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		r := reading{Reading: rules.Reading{Door: door, Began: s.deps.Clock.Now().Mono}}
		if !off {
			off = s.turnOff(ctx, door) == nil
		}
		if off {
			r.Status, r.Answer = s.status(ctx, door)
		}
		if h, ok := s.deps.Doors[door].(drivers.Watched); ok {
			r.health = h.Health()
		}
		select {
		case s.readings <- r:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) status(ctx context.Context, door string) (drivers.DoorStatus, bool) {
	ctx, cancel := context.WithTimeoutCause(ctx, pollLimit, fmt.Errorf("reading took longer than %s", pollLimit))
	defer cancel()
	status, err := s.deps.Doors[door].Status(ctx)
	return status, err == nil
}

// reading takes one reading of a door.
func (s *Service) reading(ctx context.Context, r reading) error {
	if _, err := s.step(ctx, r.Reading, nil); err != nil {
		s.deps.Log.Error("reading not taken", "door", r.Door, "err", err)
		if err := s.broken(err); err != nil {
			return err
		}
	}
	if err := s.devices.See(ctx, r.health); err != nil {
		s.deps.Log.Error("door's device not recorded", "door", r.Door, "err", err)
		return s.broken(err)
	}
	return nil
}
