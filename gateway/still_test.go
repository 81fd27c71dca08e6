package gateway

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/timing"
)

// The tower's lines carry what is asked of them: every device in its period, every opening in time.
func TestTheTowerHolds(t *testing.T) {
	c, faults, err := config.Load("../configs/gateway-tower.yaml")
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	lines, err := Timing(c)
	if err != nil {
		t.Fatal(err)
	}
	polled, opens := map[string]int{}, 0
	for _, l := range lines {
		for _, d := range l.Devices {
			polled[d.Device[:5]]++
			if d.Holds != d.Every || d.Takes <= 0 || d.Every != map[string]time.Duration{"locke": time.Second, "meter": time.Hour, "door/": time.Second}[d.Device[:5]] {
				t.Errorf("%s: %+v", l.Name, d)
			}
		}
		if l.Open != nil {
			opens++
			if l.Open.Answering > timing.OpenLimit {
				t.Errorf("%s: an opening waits %v", l.Name, l.Open.Answering)
			}
		}
	}
	if len(lines) != 9 || polled["locke"] != 3 || polled["meter"] != 400 || polled["door/"] != 5 || opens != 3 {
		t.Errorf("%d lines, %v, %d open something; want 9 lines, 3 banks, 400 meters, 5 doors, 3 lines that open", len(lines), polled, opens)
	}
}

// What a configuration says and check accepts, the drivers take, and what its lines can do is a number.
func FuzzTiming(f *testing.F) {
	files, err := filepath.Glob("../configs/gateway-*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 1<<10 { // the fuzzer is slow with large ones
			f.Add(text)
		}
	}
	f.Add([]byte(file))
	f.Add([]byte("gateway: g\nlines: [{name: a, ports: [x]}]\nlockers: [{bank: A, line: a, protocol: kerong-a, boards: [0], pulse: 2s, closed_bit: 1, columns: [{doors: [{number: 1, size: S}]}]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, _, err := config.Parse("g.yaml", text)
		if err != nil {
			return
		}
		lines, err := Timing(c)
		if err != nil || len(lines) != len(c.Lines) {
			t.Fatalf("Timing = %d lines, %v; want %d", len(lines), err, len(c.Lines))
		}
		for _, l := range lines {
			if math.IsNaN(l.Use) || math.IsInf(l.Use, 0) || l.Use < 0 {
				t.Errorf("line %s: use %v", l.Name, l.Use)
			}
		}
	})
}
