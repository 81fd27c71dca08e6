package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/configs"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway"
)

// wholeDemo is the demo's configuration with all its devices, for a building.
func wholeDemo(t *testing.T, sim *building.Building) string {
	t.Helper()
	b, err := configs.FS.ReadFile("gateway-demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	cut := func(from, to string) {
		i, j := strings.Index(text, from), strings.Index(text, to)
		text = text[:i] + text[j:]
	}
	cut("cloud:", "kiosk:")
	cut("desk:", "metrics:")
	for _, l := range sim.State().Lines {
		if l.Name == "meters-2" {
			text = strings.Replace(text, "tcp://127.0.0.1:8502", l.Path, 1)
		}
	}
	return strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:0", "127.0.0.1:9100", "127.0.0.1:0", "every: 3s", "every: 1s").Replace(text)
}

// What a line said while it was noisy means the same when it is replayed: the recording is a regression test as it stands.
func TestARecordingMeansTheSameAgain(t *testing.T) {
	b := runWith(t, func(sim *building.Building) string { return wholeDemo(t, sim) })
	online := func(n int) func(healthz) bool {
		return func(h healthz) bool {
			on := 0
			for _, d := range h.Devices {
				if d.Online {
					on++
				}
			}
			return on == n
		}
	}
	b.until(t, "all devices", online(2+8+2))
	rate := 0.002
	for _, line := range []string{"rs485-a", "meters-1", "doors"} {
		if err := b.sim.TouchLine(line, "noise", building.Options{Rate: &rate}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.sim.TouchBoard("A", 1, "mute", building.Options{}); err != nil {
		t.Fatal(err)
	}
	rec := b.recorded(t, "rs485-a")
	if !strings.Contains(string(rec), "fell silent") {
		t.Errorf("the recording does not say why it was kept:\n%.200s", rec)
	}
	silent := false
	for _, line := range []string{"rs485-a", "meters-1", "meters-2", "doors"} {
		text := b.get(t, b.at.Metrics+"/recordings/"+line)
		if line == "rs485-a" {
			text = string(rec)
		}
		said, err := gateway.Replay(line+".rec", []byte(text))
		if err != nil || len(said.Concluded) < 3 {
			t.Fatalf("%s: %d requests, %v", line, len(said.Concluded), err)
		}
		for _, c := range said.Concluded {
			if c.Differs || c.Explained == "" || c.Now == bus.Undecoded {
				t.Errorf("%s: %+v", line, c)
			}
			silent = silent || c.Device == "locker/A/board/1" && c.Now == bus.Silent
		}
	}
	if !silent {
		t.Error("no recording shows the board that fell silent")
	}
	if answer := b.get(t, b.at.Metrics+"/recordings/none"); !strings.Contains(answer, "no such line") {
		t.Errorf("the recording of a line that is not there: %s", answer)
	}
}

// recorded waits for a recording of a line on disk.
func (b *box) recorded(t *testing.T, line string) []byte {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		files, err := filepath.Glob(filepath.Join(b.dir, "data", "recordings", line+"-*.rec"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			text, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no recording of %s; /healthz says %s", line, b.get(t, b.at.Metrics+"/healthz"))
		}
	}
}
