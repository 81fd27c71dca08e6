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

var update = flag.Bool("update", false, "rewrite golden files and docs/parcels.md")

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
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s line %d:\n got %s\nwant %s\n(run with -update and read the diff)", path, i+1, g[i], w[i])
		}
	}
	t.Fatalf("%s: %d lines; want %d (run with -update and read the diff)", path, len(g), len(w))
}

// A state or a turn that is added shows here in every row.
func TestTablesWalkEveryState(t *testing.T) {
	var b strings.Builder
	for _, from := range Contents() {
		for _, on := range Turns() {
			for _, purpose := range Purposes() {
				next, err := NextContent(from, on, purpose, "as before")
				if err != nil {
					next = "-"
				}
				fmt.Fprintf(&b, "compartment %-18s %-14s %-10s %s\n", from, on, purpose, next)
			}
		}
	}
	for _, from := range ParcelStates() {
		for _, on := range Fates() {
			next, err := NextState(from, on, "as before")
			if err != nil {
				next = "-"
			}
			fmt.Fprintf(&b, "parcel %-20q %-14s %s\n", from, on, next)
		}
	}
	golden(t, "testdata/tables.txt", b.String())
}

// A row that a row above it hides could never be reached.
func TestRowsAreReachable(t *testing.T) {
	for i, m := range compartmentMoves {
		for _, purpose := range Purposes() {
			if m.For != anyPurpose && m.For != purpose {
				continue
			}
			next, err := NextContent(m.From, m.On, purpose, asBefore)
			if err != nil || next != m.To {
				t.Errorf("row %d: %s on %s for %s gives %s, %v; want %s", i, m.From, m.On, purpose, next, err, m.To)
			}
		}
	}
	for i, m := range parcelMoves {
		if next, err := NextState(m.From, m.On, whereItWas); err != nil || next != m.To {
			t.Errorf("row %d: %s on %s gives %s, %v; want %s", i, m.From, m.On, next, err, m.To)
		}
	}
}

// Power can go anywhere: every state has its rows for a restart.
func TestEveryStateHasItsRestart(t *testing.T) {
	for _, from := range Contents() {
		for _, on := range []Turn{FoundOpen, FoundClosed, FoundEmpty} {
			for _, purpose := range Purposes() {
				if _, err := NextContent(from, on, purpose, from); err != nil {
					t.Errorf("compartment %s for %s: %v", from, purpose, err)
				}
			}
		}
	}
	for _, from := range ParcelStates() {
		if _, err := NextState(from, RestartedShut, from); err != nil && from != None {
			t.Errorf("parcel %s: %v", from, err)
		}
	}
}

func TestPageIsPrintedFromTheTables(t *testing.T) {
	golden(t, "../../../docs/parcels.md", Page())
}
