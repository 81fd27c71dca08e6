package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// profileMark begins a line of a user's register map in an excerpt: the map's name and a | follow, then the line.
const profileMark = "# profile "

// Excerpt writes one line of c with its devices as a configuration of its own, with the register maps that they use and do
// not ship with the program. There is nothing secret in it: no key, no address of the cloud, nobody's name.
func (c Config) Excerpt(line string) ([]byte, error) {
	only := Config{Gateway: c.Gateway, Metering: c.Metering}
	for _, l := range c.Lines {
		if l.Name == line {
			only.Lines = append(only.Lines, l)
		}
	}
	for _, l := range c.Lockers {
		if l.Line == line {
			only.Lockers = append(only.Lockers, l)
		}
	}
	for _, m := range c.Meters {
		if m.Line == line {
			only.Meters = append(only.Meters, m)
		}
	}
	for _, d := range c.Doors {
		if d.Line == line {
			only.Doors = append(only.Doors, d)
		}
	}
	text, err := yaml.MarshalWithOptions(only, yaml.OmitEmpty(), yaml.OmitZero())
	if err != nil {
		return nil, fmt.Errorf("line %s: %w", line, err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.userProfiles)) {
		if !slices.ContainsFunc(only.Meters, func(m Meter) bool { return m.Profile == name }) {
			continue
		}
		for row := range bytes.Lines(c.userProfiles[name]) {
			text = fmt.Appendf(text, "%s%s| %s\n", profileMark, name, bytes.TrimRight(row, "\r\n"))
		}
	}
	return text, nil
}

// ExcerptProfiles gives the register maps that an excerpt brings along, by name.
func ExcerptProfiles(text []byte) map[string][]byte {
	found := map[string][]byte{}
	for row := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(row, profileMark)
		if name, line, cut := strings.Cut(rest, "| "); ok && cut {
			found[name] = append(found[name], line...)
		}
	}
	return found
}
