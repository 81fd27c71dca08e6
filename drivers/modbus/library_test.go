package modbus

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// invariant 12: a profile that is wrong costs itself alone, and each fault says where.
func TestLibrary(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "mine.yaml", profile("", plainTotal))
	bad := write(t, dir, "bad.yaml", profile("base: 2", plainTotal))
	taken := write(t, dir, "g4.yaml", profile("", plainTotal))
	named := write(t, dir, "Mine 2.yaml", profile("", plainTotal))
	long := write(t, dir, "long.yaml", strings.Repeat("#", maxProfile+1))
	folder := filepath.Join(dir, "folder.yaml")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "notes.txt", "none")
	write(t, dir, ".mine.yaml", "an editor's")
	l, err := OpenLibrary(dir)
	if err == nil {
		t.Fatal("OpenLibrary() has no faults")
	}
	for _, want := range []string{
		bad + `:6:7: base: "2"; write `, taken + ":1:1: a profile named g4 ships with the program; ", named + `:1:1: "Mine 2" is no name; `,
		long + ":1:1: 65537 bytes; ", folder + ":1:1: no file; ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("OpenLibrary() = %v; want %q", err, want)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 5 {
		t.Errorf("OpenLibrary() = %v; want five faults", err)
	}
	if got, want := l.Names(), slices.Sorted(slices.Values(append(Profiles(), "mine"))); !slices.Equal(got, want) {
		t.Errorf("Names() = %v; want %v", got, want)
	}
	if p, err := l.Profile("mine"); err != nil || p.Name != "mine" {
		t.Errorf("Profile(mine) = %+v, %v", p, err)
	}
	if p, err := l.Profile("g4"); err != nil || p.Vendor != "Lobby" {
		t.Errorf("Profile(g4) = %+v, %v; want the one that ships", p, err)
	}
	if _, err := l.Profile("bad"); err == nil || !strings.Contains(err.Error(), "use one of ek2x0, ") {
		t.Errorf("Profile(bad) = %v; want an error that lists the names", err)
	}
}

func TestLibraryWithoutAFolder(t *testing.T) {
	if l, err := OpenLibrary(""); err != nil || !slices.Equal(l.Names(), Profiles()) {
		t.Errorf("OpenLibrary() = %v, %v; want what ships", l.Names(), err)
	}
	if l, err := OpenLibrary(filepath.Join(t.TempDir(), "none")); err == nil || !slices.Equal(l.Names(), Profiles()) {
		t.Errorf("OpenLibrary(none) = %v, %v; want what ships, and an error", l.Names(), err)
	}
}

// invariant 13
func TestLibraryIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range maxUserProfiles + 1 {
		write(t, dir, "p"+string(rune('a'+i%26))+strings.Repeat("x", i/26)+".yaml", profile("", plainTotal))
	}
	l, err := OpenLibrary(dir)
	if n := len(l.Names()) - len(Profiles()); err == nil || n != maxUserProfiles {
		t.Errorf("OpenLibrary() = %d of its own, %v; want %d and an error", n, err, maxUserProfiles)
	}
}

// A pipe would keep whoever opens it until somebody writes to it.
func TestAPipeIsNoProfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.yaml")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadProfile(path); err == nil || !strings.Contains(err.Error(), "pipe.yaml:1:1: no file") {
		t.Errorf("ReadProfile(a pipe) = %v; want it refused", err)
	}
}
