package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// sampleEvery is how often the building is looked at. Registers count slower than that.
const sampleEvery = 100 * time.Millisecond

// watch looks at the building all the time, past the gateway: what its doors and locks did and what its meters showed. It is
// what a run is judged by.
type watch struct {
	hand hand

	mu      sync.Mutex
	now     buildingState
	changed chan struct{} // closed at the next look
	shown   map[string][]sample
	pulses  map[string][]time.Time // of each lock, as bank/lock: when a look found one more
	looks   int
}

// sample is what a meter's registers showed, from one look until another one.
type sample struct {
	from, to time.Time
	litres   int64
}

func newWatch(h hand) *watch {
	return &watch{hand: h, changed: make(chan struct{}), shown: map[string][]sample{}, pulses: map[string][]time.Time{}}
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		before := time.Now()
		s, err := w.hand.state(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the building is not seen any more: %w", err)
		}
		w.take(s, before, time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// runFrom begins to look as soon as there is a building.
func (w *watch) runFrom(ctx context.Context) error {
	for {
		if _, err := w.hand.state(ctx); err == nil {
			return w.run(ctx)
		}
		if pause(ctx, sampleEvery) != nil {
			return nil
		}
	}
}

// take keeps what a look found; the state is one of a moment between before and after.
func (w *watch) take(s buildingState, before, after time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range s.Banks {
		for _, l := range b.Locks {
			key := fmt.Sprintf("%s/%d", b.Name, l.Lock)
			for len(w.pulses[key]) < l.Pulses {
				w.pulses[key] = append(w.pulses[key], after)
			}
		}
	}
	for _, m := range s.Meters {
		all := w.shown[m.ID]
		if last := len(all) - 1; last >= 0 && all[last].litres == m.Litres {
			all[last].to = after
			continue
		}
		w.shown[m.ID] = append(all, sample{before, after, m.Litres})
	}
	w.now, w.looks = s, w.looks+1
	close(w.changed)
	w.changed = make(chan struct{})
}

// state is the newest look, and a channel that is closed at the next one.
func (w *watch) state() (buildingState, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.changed
}

// errNotSeen says that what was waited for did not happen in time.
var errNotSeen = errors.New("not seen in the building")

// until waits for something to be seen in the building.
func (w *watch) until(ctx context.Context, limit time.Duration, want string, yes func(buildingState) bool) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		s, changed := w.state()
		if yes(s) {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return fmt.Errorf("%s within %v: %w", want, limit, errNotSeen)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// showed tells whether a meter's registers can have read litres, or so much more or less, at some moment from one time to
// another: a look found that, or one before found less and one after found more.
func (w *watch) showed(meter string, litres, off int64, from, to time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.shown[meter]
	// the looks in the window, with the one before it and the one after
	first := max(0, slices.IndexFunc(all, func(s sample) bool { return !s.to.Before(from) })-1)
	for i := first; i < len(all); i++ {
		if between(all[i].litres-off, litres, all[i].litres+off) {
			return true
		}
		if i > first && between(all[i-1].litres-off, litres, all[i].litres+off) {
			return true
		}
		if all[i].from.After(to) {
			return false
		}
	}
	return false
}

// between tells whether a counter that ran from a to b in a look's time has passed n.
func between(a, n, b int64) bool { return a <= n && n <= b }

// door is a facility's door as last seen.
func (s buildingState) door(id string) doorSeen {
	for _, d := range s.Doors {
		if d.ID == id {
			return d
		}
	}
	return doorSeen{}
}

// openLocks are the locks whose doors stand open.
func (s buildingState) openLocks() map[spot]bool {
	open := map[spot]bool{}
	for _, b := range s.Banks {
		for _, l := range b.Locks {
			if l.Door == "open" {
				open[spot{b.Name, l.Lock}] = true
			}
		}
	}
	return open
}

// inside tells whether something is in a compartment.
func (s buildingState) inside(p spot) bool {
	for _, b := range s.Banks {
		for _, l := range b.Locks {
			if (spot{b.Name, l.Lock}) == p {
				return l.Item
			}
		}
	}
	return false
}

// spot is a lock of a bank.
type spot struct {
	bank string
	lock int
}

func (p spot) String() string { return fmt.Sprintf("%s/%d", p.bank, p.lock) }
