package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/cmd/internal/town"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// warmUp is until everything bounded is full: a recorder keeps ten minutes, the building's wire log some thousand frames.
const warmUp = 12 * time.Minute

// An hour of nightmare: lines, recorders, drivers and services of the whole building, with everything that fails. What is
// held after a quarter of an hour is all that is ever held.
//
// Noise of the figure: the newest readings wait in a segment that grows until it is sealed, and maps double. That is under
// 5 %; to leave one connection of a line, or the frames of one alarm, with every fault behind would be more within the hour.
// invariant 13
func TestNightmareHeap(t *testing.T) {
	if town.Raced {
		t.Skip("the race detector's own memory would be measured: go test ./cmd/internal/bench")
	}
	long := time.Duration(sized(60, 24)) * time.Minute
	path := filepath.Join(t.TempDir(), "gateway.db")
	warmZstd(t)
	synctest.Test(t, func(t *testing.T) {
		n, err := town.Open(t.Context(), town.Options{Building: "nightmare", Path: path, Faults: true})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(warmUp)
		faults := n.Building.Forget() // the oracle's memory is not what is measured
		before := holding()
		time.Sleep(long - warmUp)
		faults += n.Building.Forget()
		after := holding()
		n.Building.State() // it lives until here
		if after.goroutines > before.goroutines+8 || after.files > before.files {
			t.Errorf("after %v: %+v; after %v: %+v; want no goroutine or descriptor left behind", warmUp, before, long, after)
		}
		good := 0
		if err := n.Each(wire.Telemetry, func(e wire.Event) error {
			var r wire.Reading
			err := json.Unmarshal(e.Data, &r)
			if r.Quality == wire.ReadingGood {
				good++
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		if least := int(long / (10 * time.Second)); faults < least || good < 10*least {
			t.Errorf("%d touches and %d good readings in %v; want life, and a nightmare", faults, good, long)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		report(t, Figure{
			Name: "nightmare-heap", Value: float64(after.heap) / 1024, Unit: "KiB", Ceiling: float64(before.heap) / 1024, Most: 1.05 * float64(before.heap) / 1024,
			How: fmt.Sprintf("heap after %v of configs/building-nightmare.yaml with its fault script (%d touches, %d good readings), %d goroutines (in a bubble: wire time by arithmetic)",
				long, faults, good, after.goroutines),
			Bare: fmt.Sprintf("the same after %v, with %d goroutines", warmUp, before.goroutines),
		})
	})
}

// holdings are what a process holds.
type holdings struct {
	heap       uint64 // bytes in use after a collection
	goroutines int
	files      int
}

// holding is the least of several looks: at each something is under way.
func holding() (least holdings) {
	for look := range 5 {
		time.Sleep(7 * time.Second)
		runtime.GC()
		runtime.GC() // what the first one finalised
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		files, _ := os.ReadDir("/proc/self/fd") // none where there is no such folder
		now := holdings{m.HeapAlloc, runtime.NumGoroutine(), len(files)}
		if look == 0 {
			least = now
		}
		least = holdings{min(least.heap, now.heap), min(least.goroutines, now.goroutines), min(least.files, now.files)}
	}
	return least
}

// warmZstd uses zstd once: it makes its channels at first use, and they would be the bubble's.
func warmZstd(t *testing.T) {
	t.Helper()
	_, packed, _, err := wire.EncodePart("warm")
	if err == nil {
		_, _, err = wire.DecodePart(packed)
	}
	if err != nil {
		t.Fatal(err)
	}
}
