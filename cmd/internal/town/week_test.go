package town

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

var long = flag.Duration("long", time.Hour, "how long the town lives, by its own clock: whole hours")

func TestMain(m *testing.M) {
	// zstd makes its channels at first use, and they are the bubble's in which that happens
	_, packed, _, err := wire.EncodePart("warm")
	if err == nil {
		_, _, err = wire.DecodePart(packed)
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const (
	dropsAVisit  = 3
	visitEvery   = 20 * time.Minute
	collectAfter = 8 * time.Minute // after the visit
	auditEvery   = 3 * time.Hour
	enterEvery   = 10 * time.Minute // each door
)

// A week of the tower, or as long as -long says: every meter swept each hour, and each reading what its registers showed;
// parcels, audits and facility doors all day, and each opening one that was asked for.
// invariants 2 and 5
func TestTheTowerLives(t *testing.T) {
	if Raced {
		t.Skip("too long a life for the race detector: go test ./cmd/internal/town")
	}
	lives(t, "tower", *long)
}

// The same for a small building, which the race detector can watch.
func TestASmallTownLives(t *testing.T) { lives(t, "small", time.Hour) }

func lives(t *testing.T, name string, long time.Duration) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		var asked witnesses
		town, err := Open(t.Context(), Options{Building: name, Path: path, Every: time.Hour, Read: asked.hear})
		if err != nil {
			t.Fatal(err)
		}
		live(t, town, long)
		time.Sleep(30 * time.Second) // the last sweep begins before the end
		readings := asked.compare(t, town)
		lockers, entrances := openings(t, town)
		t.Logf("%v of %s: %d readings of %d meters, %d openings of compartments and %d of doors", long, name, readings, len(asked.of), lockers, entrances)
		if want := int(long/time.Hour+1) * len(asked.of); readings != want {
			t.Errorf("%d readings; want %d: of %d meters each hour, and the first ones", readings, want, len(asked.of))
		}
		if lockers == 0 || entrances == 0 {
			t.Error("nothing was opened")
		}
		if err := town.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("took %v", time.Since(began).Round(time.Second))
}

// live lets everybody live until the time is over, and waits for the last one.
func live(t *testing.T, town *Town, long time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var all sync.WaitGroup
	every := func(d time.Duration, do func(n int) error) {
		all.Go(func() {
			for n := 0; pause(ctx, d) == nil; n++ {
				if err := do(n); err != nil {
					t.Errorf("%v: %v", time.Now().UTC().Format(time.TimeOnly), err)
					return
				}
			}
		})
	}
	units := town.Units()
	every(visitEvery, func(n int) error { return visit(t.Context(), town, units, n) })
	every(auditEvery/4, func(n int) error {
		vacant := town.Vacant()
		return town.Audit(t.Context(), vacant[n*7%len(vacant)])
	})
	for i, door := range town.Entrances() {
		every(enterEvery+time.Duration(i)*time.Second, func(n int) error {
			return town.Enter(t.Context(), door, fmt.Sprintf("%s-%d", door, n))
		})
	}
	all.Wait()
}

// visit is a courier's visit, and later the households that come for what he brought.
func visit(ctx context.Context, town *Town, units []string, n int) error {
	var to []string
	for i := range dropsAVisit {
		to = append(to, units[(n*dropsAVisit+i)%len(units)])
	}
	if err := town.Deliver(ctx, to...); err != nil {
		return err
	}
	if err := pause(ctx, collectAfter); err != nil {
		return err
	}
	for _, unit := range to {
		taken, err := town.Collect(ctx, unit)
		if err == nil && taken == 0 {
			err = fmt.Errorf("nothing waits for %s", unit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// witnesses are what the registers of every meter showed at each reading.
type witnesses struct {
	mu sync.Mutex
	of map[string][]Asked
}

func (w *witnesses) hear(a Asked) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[string][]Asked{}
	}
	w.of[a.Meter] = append(w.of[a.Meter], a)
}

// compare finds every reading of the log to be good, and to be what the registers showed, and gives their number.
func (w *witnesses) compare(t *testing.T, town *Town) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := map[string]int{}
	err := town.Each(wire.Telemetry, func(event wire.Event) error {
		var r wire.Reading
		if err := json.Unmarshal(event.Data, &r); err != nil || event.Type != wire.MeterRead {
			return fmt.Errorf("%s among the readings: %w", event.Type, err)
		}
		meter := strings.TrimPrefix(event.Subject, "meter/")
		at := next[meter]
		if next[meter]++; at >= len(w.of[meter]) {
			t.Errorf("%s: more readings than questions", meter)
			return nil
		}
		a := w.of[meter][at]
		if r.Quality != wire.ReadingGood || a.Err != nil || r.Litres != a.Litres || r.Litres < a.Before || r.Litres > a.After {
			t.Errorf("%s at %v: %s, %d litres; it said %d (%v), and showed %d to %d", meter, event.Wall.Time(), r.Quality, r.Litres, a.Litres, a.Err, a.Before, a.After)
		}
		n++
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// openings compares what physically happened at every lock and door with what people were granted, and gives the sums.
func openings(t *testing.T, town *Town) (lockers, entrances int) {
	granted := town.Granted()
	for _, c := range town.Parcels.Office().Compartments {
		chain, lock, err := town.lock(c.ID)
		if err != nil {
			t.Fatal(err)
		}
		counts := chain.Locks()[lock-1].Counts
		if want := uint64(granted[c.ID]); counts.Pulses != want || counts.Openings != want || counts.KeyOpenings != 0 {
			t.Errorf("%s: %+v; want %d of each: so often it was asked for", c.ID, counts, want)
		}
		lockers += int(counts.Openings)
	}
	for _, id := range town.Entrances() {
		door, err := town.Building.Door(id)
		if err != nil {
			t.Fatal(err)
		}
		counts := door.State().Counts
		if want := uint64(granted[id]); counts.Releases != want || counts.Openings != want || counts.Forced != 0 {
			t.Errorf("door %s: %+v; want %d", id, counts, want)
		}
		entrances += int(counts.Openings)
	}
	for kind, want := range map[string]int{wire.UnlockIntended: lockers, wire.DoorOpened: entrances} {
		if n, err := town.Events(kind); err != nil || n != want {
			t.Errorf("%d events %s, %v; want %d", n, kind, err, want)
		}
	}
	return lockers, entrances
}
