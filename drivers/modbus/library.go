package modbus

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const maxUserProfiles = 200 // in a folder

//go:embed profiles/*.yaml
var shipped embed.FS

// profileName is the form of a profile's name: its file's, without .yaml.
var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// Library is the profiles that ship with the program, and those of a folder. It does not change, and two that are deeply equal
// say the same.
type Library struct {
	profiles map[string]*Profile
}

// OpenLibrary returns the profiles that ship and those of dir's *.yaml files; an empty dir has none. The library is never
// nil: a file that is wrong costs itself alone, and the error names all faults of all files, one line each, with file, line
// and column.
func OpenLibrary(dir string) (*Library, error) {
	l := &Library{profiles: map[string]*Profile{}}
	for _, name := range shippedNames() {
		p, err := parseShipped(name)
		if err != nil {
			return l, fmt.Errorf("shipped profile %w", err)
		}
		l.profiles[name] = p
	}
	if dir == "" {
		return l, nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return l, fmt.Errorf("profiles: %w: make the folder, or name another", err)
	}
	var faults []error
	read := 0
	for _, f := range files {
		name, yaml := strings.CutSuffix(f.Name(), ".yaml")
		if !yaml || strings.HasPrefix(name, ".") {
			continue
		}
		if read++; read > maxUserProfiles {
			faults = append(faults, fmt.Errorf("%s: more than %d profiles; remove those that no meter has", dir, maxUserProfiles))
			break
		}
		if err := l.add(filepath.Join(dir, f.Name()), name); err != nil {
			faults = append(faults, err)
		}
	}
	return l, errors.Join(faults...)
}

// add reads a user's profile.
func (l *Library) add(path, name string) error {
	if _, taken := l.profiles[name]; taken {
		return fmt.Errorf("%s:1:1: a profile named %s ships with the program; give the file another name", path, name)
	}
	if !profileName.MatchString(name) {
		return fmt.Errorf("%s:1:1: %q is no name; use 1 to 40 of a-z, 0-9 and -, and .yaml", path, name)
	}
	p, err := ReadProfile(path)
	if err != nil {
		return err
	}
	l.profiles[name] = p
	return nil
}

// ReadProfile reads a profile's file, which names it.
func ReadProfile(path string) (*Profile, error) {
	if s, err := os.Stat(path); err == nil && !s.Mode().IsRegular() { // asked before: to open a pipe waits for who writes to it
		return nil, fmt.Errorf("%s:1:1: no file; write a profile, as in docs/modbus.md 6", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s:1:1: %w; let it be readable", path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxProfile+1)) // one more is one too many
	if err != nil {
		return nil, fmt.Errorf("%s:1:1: %w; let it be readable", path, err)
	}
	p, err := ParseProfile(path, b)
	if err != nil {
		return nil, err
	}
	p.Name = strings.TrimSuffix(filepath.Base(path), ".yaml")
	return p, nil
}

// Names lists the names of all profiles, sorted.
func (l *Library) Names() []string { return slices.Sorted(maps.Keys(l.profiles)) }

// Profile returns a profile by its name.
func (l *Library) Profile(name string) (*Profile, error) {
	p, ok := l.profiles[name]
	if !ok {
		return nil, fmt.Errorf("no profile %q; use one of %s", name, strings.Join(l.Names(), ", "))
	}
	return p, nil
}

func shippedNames() (names []string) {
	files, err := shipped.ReadDir("profiles")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	slices.Sort(names) // files are sorted by their whole names
	return names
}

func parseShipped(name string) (*Profile, error) {
	b, err := shipped.ReadFile("profiles/" + name + ".yaml")
	if err != nil {
		return nil, err
	}
	return ParseProfile(name, b)
}

// Profiles lists the names of the profiles that ship with the program, sorted.
func Profiles() []string { return shippedNames() }

// Shipped returns a profile that ships with the program.
func Shipped(name string) (*Profile, error) {
	if !slices.Contains(shippedNames(), name) {
		return nil, fmt.Errorf("no profile %q; use one of %s", name, strings.Join(shippedNames(), ", "))
	}
	return parseShipped(name)
}
