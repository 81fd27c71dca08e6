package command

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
	"github.com/ntpc-smart-community/lobby/configs"
)

// simulated runs lobby-sim in this process and returns the facts that it prints before "ready".
func simulated(t *testing.T, args ...string) (facts map[string]string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	out, in := io.Pipe()
	root := Sim("test", look.FS())
	root.SetArgs(append([]string{"building"}, args...))
	root.SetOut(in)
	done := make(chan error, 1)
	go func() { done <- errors.Join(root.ExecuteContext(ctx), in.Close()) }()
	facts = map[string]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if facts[name] == "" { // the first port is the bank's
			facts[name] = value
		}
	}
	if facts["page"] == "" {
		cancel()
		t.Fatalf("lobby-sim %v printed %v and ended with %v", args, facts, <-done)
	}
	return facts, func() error { cancel(); return <-done }
}

// demoBuilding is the demo's building with its TCP line on a free port: other tests run it at the same time.
func demoBuilding(t *testing.T) string {
	t.Helper()
	b, err := configs.FS.ReadFile("building-demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "building.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), "127.0.0.1:8502", "127.0.0.1:0", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSimBuildingRuns(t *testing.T) {
	dir := t.TempDir()
	facts, stop := simulated(t, demoBuilding(t), "--dir", dir)
	link, device, _ := strings.Cut(facts["port"], " -> ")
	if to, err := os.Readlink(filepath.Join(dir, "rs485-a")); link != filepath.Join(dir, "rs485-a") || to != device {
		t.Errorf("port %q leads to %q, %v; want the printed device", facts["port"], to, err)
	}
	for _, path := range []string{"", "look/look.css", "api/state"} {
		res, err := http.Get(facts["page"] + path)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
			t.Errorf("GET /%s = %d; want 200", path, res.StatusCode)
		}
	}
	live, err := http.Get(facts["page"] + "live") // must not hold up the end
	if err != nil {
		t.Fatal(err)
	}
	defer live.Body.Close()
	if err := stop(); err != nil {
		t.Errorf("stopped with %v; want nil", err)
	}
	if _, err := os.Lstat(link); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the port is still there: %v", err)
	}
}

func TestSimBuildingRemovesItsOwnFolder(t *testing.T) {
	facts, stop := simulated(t, demoBuilding(t))
	link, _, _ := strings.Cut(facts["port"], " -> ")
	if err := stop(); err != nil {
		t.Errorf("stopped with %v; want nil", err)
	}
	if _, err := os.Stat(filepath.Dir(link)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", filepath.Dir(link), err)
	}
}
