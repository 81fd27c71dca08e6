package rules

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/doors.md")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s differs from line %d on (run with -update and read the diff)", path, i+1)
		}
	}
}

// A state or a turn that is added shows here in every row.
func TestTableWalksEveryState(t *testing.T) {
	var b strings.Builder
	for _, from := range States() {
		for _, on := range Turns() {
			for _, alarm := range []bool{false, true} {
				next, err := Next(from, on, alarm)
				if err != nil {
					next = "-"
				}
				fmt.Fprintf(&b, "%-10s %-13s alarm %-6t %s\n", from, on, alarm, next)
			}
		}
	}
	golden(t, "testdata/table.txt", b.String())
}

// A row that a row above it hides could never be reached.
func TestRowsAreReachable(t *testing.T) {
	seen := map[[2]string]bool{}
	for i, m := range moves {
		key := [2]string{string(m.From), string(m.On)}
		if seen[key] {
			t.Errorf("row %d: %s on %s stands twice", i, m.From, m.On)
		}
		seen[key] = true
	}
}

// Power can go anywhere: every state has its rows for a restart.
func TestEveryStateHasItsRestart(t *testing.T) {
	for _, from := range States() {
		for _, on := range []Turn{FoundOpen, FoundClosed, FoundBlind} {
			next, err := Next(from, on, false)
			if err != nil || next == Opening || next == Released { // invariant 2
				t.Errorf("%s on %s = %s, %v", from, on, next, err)
			}
		}
	}
}

func TestPageIsPrintedFromTheTable(t *testing.T) {
	golden(t, "../../../docs/doors.md", Page())
}
