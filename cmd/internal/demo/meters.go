package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// registers is what the meters' registers have shown, sampled often enough that no count is missed.
type registers struct {
	mu    sync.Mutex
	shown map[string]map[int64]bool // by meter: totals in litres
}

func (r *registers) add(meter string, litres int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shown[meter] == nil {
		r.shown[meter] = map[int64]bool{}
	}
	r.shown[meter][litres] = true
}

func (r *registers) has(meter string, litres int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown[meter][litres]
}

// watch samples the registers until ctx ends.
func (r *registers) watch(ctx context.Context, h hand) error {
	for {
		s, err := h.state(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range s.Meters {
			r.add(m.ID, m.Litres)
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return nil
		}
	}
}

type readingSeen struct {
	Meter    string    `json:"meter"`
	Litres   *int64    `json:"litres"`
	Quality  string    `json:"quality"`
	Source   string    `json:"source"`
	Observed time.Time `json:"observed"`
}

type meterSeen struct {
	ID     string       `json:"id"`
	Newest *readingSeen `json:"newest"`
}

// metered is step 8: a fifth of the meters' answers come late, and every reading equals what its meter's registers showed.
func (t *tour) metered(ctx context.Context) error {
	before, err := t.hand.state(ctx)
	if err != nil {
		return err
	}
	if len(before.Meters) == 0 {
		return errors.New("the building has no meter")
	}
	sampling, stop := context.WithCancel(ctx)
	defer stop()
	const missed = `lobby_line_errors_total\{[^}]*class="(?:timeout|late)"\}`
	r := &registers{shown: map[string]map[int64]bool{}}
	var group errgroup.Group
	group.Go(func() error { return r.watch(sampling, t.hand) })
	timeouts, err := t.metric(ctx, missed)
	if err != nil {
		return err
	}
	for _, m := range before.Meters { // later than a reading waits, sooner than the line rests after that
		if err := t.hand.touch(ctx, "meters/"+m.ID+"/late", map[string]any{"rate": 0.2, "ms": 700}); err != nil {
			return err
		}
	}
	readings, after := 0, timeouts
	for after == timeouts && err == nil { // chance may let all of them be in time
		var equal int
		if equal, err = t.sweeps(ctx, r, len(before.Meters), 2); err == nil {
			after, err = t.metric(ctx, missed)
		}
		readings += equal
	}
	stop()
	if err := errors.Join(err, group.Wait()); err != nil {
		return err
	}
	for _, m := range before.Meters {
		if err := t.hand.touch(ctx, "meters/"+m.ID+"/late", map[string]any{"rate": 0, "ms": 0}); err != nil {
			return err
		}
	}
	t.seen["meters"], t.seen["readings_equal"], t.seen["late_answers"] = len(before.Meters), readings, after-timeouts
	return t.ownReadings(ctx)
}

// sweeps waits until every meter has had so many good readings since now, and compares each with the registers.
func (t *tour) sweeps(ctx context.Context, r *registers, meters, wanted int) (equal int, err error) {
	began, seen := time.Now(), map[string]map[time.Time]bool{}
	few := func() bool {
		return len(seen) < meters || slices.ContainsFunc(slices.Collect(maps.Values(seen)), func(all map[time.Time]bool) bool { return len(all) < wanted })
	}
	limit, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the readings did not come within a minute"))
	defer cancel()
	for few() {
		var list struct {
			Items []meterSeen `json:"items"`
		}
		if err := t.manager.get(limit, "/v1/meters?site="+t.site, &list); err != nil {
			return equal, err
		}
		for _, m := range list.Items {
			n := m.Newest
			if n == nil || n.Quality != "good" || n.Observed.Before(began.Add(time.Second)) || seen[m.ID][n.Observed] {
				continue
			}
			if n.Litres == nil || !r.has(m.ID, *n.Litres) {
				return equal, fmt.Errorf("meter %s: a reading of %v litres at %v, which its registers never showed", m.ID, n.Litres, n.Observed)
			}
			if seen[m.ID] == nil {
				seen[m.ID] = map[time.Time]bool{}
			}
			seen[m.ID][n.Observed], equal = true, equal+1
		}
		if err := pause(limit, look); err != nil {
			return equal, err
		}
	}
	return equal, nil
}

// ownReadings sees that a household gets its own meter's readings, and nobody else's.
func (t *tour) ownReadings(ctx context.Context) error {
	var list struct {
		Items []readingSeen `json:"items"`
	}
	if err := t.chen.get(ctx, "/v1/readings?site="+t.site+"&household="+t.chenHome.ID, &list); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return errors.New("the household sees no reading")
	}
	for _, r := range list.Items {
		if r.Meter != list.Items[0].Meter || r.Source != "meter" {
			return fmt.Errorf("the household sees %+v among the readings of %s", r, list.Items[0].Meter)
		}
	}
	t.seen["own_meter"] = list.Items[0].Meter
	if err := t.lin.get(ctx, "/v1/readings?site="+t.site+"&household="+t.chenHome.ID, &list); err == nil {
		return errors.New("another household sees these readings")
	}
	return nil
}
