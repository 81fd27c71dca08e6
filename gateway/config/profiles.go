package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ntpc-smart-community/lobby/drivers/modbus"
)

const profiles = "profiles"

// Library is the register maps that the meters of c use: those that ship, and those of its folder as it was when c was
// read.
func (c Config) Library() *modbus.Library { return c.library }

// UserProfiles are the texts of the maps of the folder that meters of c use, by name.
func (c Config) UserProfiles() map[string][]byte { return c.userProfiles }

// Site is what a meter's entry says where its profile leaves it to the site.
func (m Meter) Site() modbus.Site {
	s := modbus.Site{ScaleOf: m.Scale}
	if r := m.Registers; r != nil {
		s.Total, s.Serial, s.Status, s.Scale = r.Total, r.Serial, r.Status, r.Scale
	}
	return s
}

// open reads the folder of profiles. A bad one is a fault that names its own place too, and costs the meters that use it.
func (d *decoder) open(c *Config) {
	var err error
	if c.library, err = modbus.OpenLibrary(c.Profiles); err != nil {
		for line := range strings.Lines(err.Error()) {
			what, remedy, _ := strings.Cut(strings.TrimSpace(line), "; ")
			d.bad(profiles, what, remedy)
		}
	}
	c.userProfiles = map[string][]byte{}
	for _, m := range c.Meters {
		if c.Profiles == "" || !d.ofFolder(*c, m.Profile) {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(c.Profiles, m.Profile+".yaml")); err == nil {
			c.userProfiles[m.Profile] = text
		}
	}
}

// ofFolder tells whether a profile is in the library and does not ship.
func (d *decoder) ofFolder(c Config, name string) bool {
	return slices.Contains(c.library.Names(), name) && !slices.Contains(modbus.Profiles(), name)
}

// profile checks a meter against its register map.
func (d *decoder) profile(at string, c Config, m Meter) {
	p, err := c.library.Profile(m.Profile)
	if err != nil {
		if d.refused(c.Profiles, m.Profile) {
			d.lost[at] = true
			return
		}
		d.bad(at+".profile", "\""+m.Profile+"\" is not known", "use one of "+strings.Join(c.library.Names(), ", ")+", or add "+m.Profile+".yaml to the folder that profiles names")
		return
	}
	for _, f := range p.CheckSite(m.Channel, m.Site()) {
		d.bad(at+"."+f.Path, f.What, f.Remedy)
	}
}

// refused tells whether the folder has a profile of that name: what is wrong with it is said already.
func (d *decoder) refused(dir, name string) bool {
	if dir == "" || name != filepath.Base(name) {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, name+".yaml"))
	return err == nil
}
