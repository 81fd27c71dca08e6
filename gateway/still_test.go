package gateway

import (
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
