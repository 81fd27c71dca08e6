package e2e

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
	"github.com/ntpc-smart-community/lobby/configs"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// box is a gateway without a cloud, on a simulated building.
type box struct {
	dir, file string
	at        gateway.Addresses
	sim       *building.Building
}

// settings is the demo's configuration with its lockers alone, without cloud and desk, on free ports.
func settings(t *testing.T) string {
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
	cut("  - name: meters-1", "lockers:")
	text, _, _ = strings.Cut(text, "metering:")
	return strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:0", "127.0.0.1:9100", "127.0.0.1:0").Replace(text)
}

func run(t *testing.T) *box {
	t.Helper()
	return runWith(t, func(*building.Building) string { return settings(t) })
}

// runWith runs a gateway with the configuration that is made for its building.
func runWith(t *testing.T, text func(*building.Building) string) *box {
	t.Helper()
	b := &box{dir: t.TempDir()}
	b.file = filepath.Join(b.dir, "gateway.yaml")
	if err := os.Mkdir(filepath.Join(b.dir, "tty"), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.sim, err = building.Open(demoBuilding(t), filepath.Join(b.dir, "tty")); err != nil {
		t.Fatal(err)
	}
	b.write(t, text(b.sim))
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan gateway.Addresses, 1)
	group.Go(func() error { return b.sim.Run(ctx) })
	group.Go(func() error {
		return gateway.Run(ctx, gateway.Options{
			Config: b.file, Data: filepath.Join(b.dir, "data"), Version: "test", Look: look.FS(), Log: slog.New(slog.DiscardHandler),
			Ready: func(a gateway.Addresses) { ready <- a },
		})
	})
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		if err := b.sim.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case b.at = <-ready:
	case <-ctx.Done():
		t.Fatal(group.Wait())
	}
	return b
}

func (b *box) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// demoBuilding is the demo's building with its TCP lines on free ports: other tests run it at the same time.
func demoBuilding(t *testing.T) building.Config {
	t.Helper()
	cfg, err := building.Load("../../../configs/building-demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range cfg.Lines {
		if l := &cfg.Lines[i]; l.TCP != "" {
			l.TCP = "127.0.0.1:0"
		}
	}
	return cfg
}

type healthz struct {
	Status  string   `json:"status"`
	Config  string   `json:"config"`
	Faults  []string `json:"faults"`
	Devices []struct {
		ID     string `json:"id"`
		Online bool   `json:"online"`
	} `json:"devices"`
	Meters []struct {
		ID      string `json:"id"`
		Quality string `json:"quality"`
		Litres  int64  `json:"litres"` // the last good total
	} `json:"meters"`
}

func (b *box) get(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// until looks at /healthz until done says yes.
func (b *box) until(t *testing.T, want string, done func(healthz) bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(15 * time.Second)
	var last string
	for {
		var h healthz
		last = b.get(t, b.at.Metrics+"/healthz")
		if err := json.Unmarshal([]byte(last), &h); err != nil {
			t.Fatal(err)
		}
		if done(h) {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited for %s; /healthz says %s", want, last)
		}
	}
}

func answering(h healthz) bool {
	for _, d := range h.Devices {
		if !d.Online {
			return false
		}
	}
	return len(h.Devices) == 2
}

func (b *box) reload(t *testing.T, text string) {
	t.Helper()
	b.write(t, text)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// A bad file costs nothing that runs; a bad entry costs its own device; both are said on health and screen. // invariant 12
func TestReload(t *testing.T) {
	b := run(t)
	good := settings(t)
	b.until(t, "both boards", answering)
	if page := b.get(t, b.at.Kiosk+"/"); !strings.Contains(page, `data-screen="idle"`) || strings.Contains(page, "data-trouble") {
		t.Errorf("the idle screen is\n%s", page)
	}
	if metrics := b.get(t, b.at.Metrics+"/metrics"); !strings.Contains(metrics, `lobby_device_online{device="locker/A/board/0"} 1`) {
		t.Errorf("/metrics has no board:\n%s", metrics)
	}

	b.reload(t, "gateway: [")
	b.until(t, "the last good file", func(h healthz) bool { return h.Config == "last_good" && len(h.Faults) > 0 && answering(h) })
	if page := b.get(t, b.at.Kiosk+"/"); !strings.Contains(page, "data-trouble") {
		t.Errorf("the screen does not say that the file cannot be read")
	}
	b.reload(t, strings.Replace(good, "closed_bit: 1", "closed_bit: 2", 1))
	b.until(t, "the bad bank to be left out", func(h healthz) bool { return h.Config == "partly" && len(h.Devices) == 0 })
	b.reload(t, good)
	b.until(t, "both boards again", func(h healthz) bool { return h.Config == "ok" && answering(h) })
	if pulses := b.sim.State().Banks[0].Pulses; pulses != 0 {
		t.Errorf("reading a file again gave %d pulses", pulses) // invariant 5
	}
}

// A port that another process holds is named with its place and the remedy. // invariant 9
func TestPortInUse(t *testing.T) {
	b := run(t)
	b.until(t, "both boards", answering)
	c, faults, err := config.Load(b.file)
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	got := gateway.CheckPorts(c)
	if len(got) != 1 || !strings.Contains(got[0].Error(), "port in use") || !strings.Contains(got[0].Error(), "lines[0].ports") || !strings.Contains(got[0].Error(), "stop the other program") {
		t.Errorf("CheckPorts = %v", got)
	}
}
