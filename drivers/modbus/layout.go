package modbus

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
)

// Site is what one meter's site says where its profile leaves it to the site. Addresses are counted as the profile counts.
type Site struct {
	Total, Serial, Status, Scale *int   // addresses that somebody set in the device
	ScaleOf                      string // litres of a count, such as 10 or 1/10
}

// SiteFault is one thing wrong with what a site says.
type SiteFault struct {
	Path   string // channel, scale, registers.total …: the keys of a meter in a gateway's configuration
	What   string
	Remedy string
}

// Error is path: what; remedy.
func (f SiteFault) Error() string { return f.Path + ": " + f.What + "; " + f.Remedy }

// CheckSite names every fault of a channel (0 means 1) and of what the site says: what the profile leaves to it must be
// given, and what it does not may not be.
func (p *Profile) CheckSite(channel int, s Site) []SiteFault {
	_, faults := p.place(channel, s)
	return faults
}

// layout is a profile's map for one meter, with nothing left open. It does not change.
type layout struct {
	*Profile
	channel   int
	registers map[string]register
	requests  []span // what is read, in this order
	needed    int    // how many of them a reading needs; the others only explain
}

// place lays the map out for one channel of one site.
func (p *Profile) place(channel int, s Site) (*layout, []SiteFault) {
	l := &layout{Profile: p, channel: max(channel, 1), registers: map[string]register{}}
	var faults []SiteFault
	wrong := func(path, what, remedy string) { faults = append(faults, SiteFault{path, what, remedy}) }
	if channel < 0 || channel > p.Channels {
		wrong("channel", fmt.Sprintf("%d; %s has channels 1 to %d", channel, p.Name, p.Channels), "correct it, or leave it out for the first")
		l.channel = 1
	}
	given := map[string]*int{total: s.Total, serial: s.Serial, status: s.Status, scale: s.Scale}
	for _, role := range roles {
		name, address := role.name, given[role.name]
		reg, mapped := p.registers[name]
		switch {
		case address != nil && (!mapped || !reg.site):
			wrong("registers."+name, "profile "+p.Name+" leaves no such address to the site", "remove it")
		case !mapped:
			continue
		case reg.site && address == nil:
			wrong("registers."+name, "missing; somebody has set it in the device", "write its address, counted from "+fmt.Sprint(p.base))
			continue
		case reg.site:
			if last := maxAddress + 1 - reg.count + p.base; *address < p.base || *address > last {
				wrong("registers."+name, fmt.Sprintf("%d; addresses are %d to %d", *address, p.base, last), "write the one that is set in the device")
				continue
			}
			reg.address = *address - p.base
		}
		reg.span = reg.of(l.channel)
		if other := l.under(reg.span); other != "" {
			wrong("registers."+name, fmt.Sprintf("overlaps the %s", other), "give each its own, as set in the device")
		}
		l.registers[name] = reg
	}
	if why, remedy := l.scaled(s.ScaleOf); why != "" {
		wrong("scale", why, remedy)
	}
	if len(faults) == 0 {
		l.plan()
	}
	return l, faults
}

// under is the name of a register that lies on s; empty: none. A request that a site's register lies in half counts too.
func (l *layout) under(s span) string {
	for _, role := range roles {
		if o, there := l.registers[role.name]; there && o.overlaps(s) {
			return role.name
		}
	}
	for i, r := range l.Profile.requests {
		if r.overlaps(s) && !r.holds(s) {
			return fmt.Sprintf("end of requests[%d] of the profile", i)
		}
	}
	return ""
}

// scaled takes the site's scale. It says what is wrong with it.
func (l *layout) scaled(of string) (why, remedy string) {
	reg, there := l.registers[total]
	left := l.Profile.registers[total].litres == nil
	num, den, ok := parseFraction(of)
	switch {
	case !left && of != "":
		return "profile " + l.Name + " says it already", "remove it"
	case !left:
		return "", ""
	case of == "":
		return "missing", "write the litres of a count, such as 10 or 1/10"
	case !ok:
		return fmt.Sprintf("%q", of), "write " + wantFraction
	case reg.rollover > 0 && !new(big.Rat).Mul(ratio(num, den), ratio(reg.rollover, 1)).IsInt():
		return fmt.Sprintf("the %d counts before it rolls over are no whole litres", reg.rollover), "correct it"
	}
	if there {
		reg.litres = ratio(num, den)
		l.registers[total] = reg
	}
	return "", ""
}

// plan decides what is read: the requests that the profile names, and for what is left as few as can be without touching
// a register that the map does not have. What only explains costs a reading nothing.
func (l *layout) plan() {
	l.collect(func(r role) bool { return !r.asked })
	l.needed = len(l.requests)
	l.collect(func(r role) bool { return r.asked })
	for name, r := range l.registers {
		r.in = slices.IndexFunc(l.requests, func(s span) bool { return s.holds(r.span) })
		l.registers[name] = r
	}
}

// collect adds the requests that read the registers of some roles.
func (l *layout) collect(of func(role) bool) {
	var left []span
	for _, role := range roles {
		r, there := l.registers[role.name]
		if there && of(role) && !slices.ContainsFunc(l.requests, func(s span) bool { return s.holds(r.span) }) {
			left = append(left, r.span)
		}
	}
	for _, s := range l.Profile.requests {
		if n := len(left); n > 0 {
			if left = slices.DeleteFunc(left, s.holds); len(left) < n {
				l.requests = append(l.requests, s)
			}
		}
	}
	slices.SortFunc(left, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.function, b.function), cmp.Compare(a.address, b.address))
	})
	own := len(l.requests)
	for _, s := range left {
		if n := len(l.requests); n > own && l.requests[n-1].function == s.function && l.requests[n-1].end() == s.address && l.requests[n-1].count+s.count <= maxRegs {
			l.requests[n-1].count += s.count
			continue
		}
		l.requests = append(l.requests, s)
	}
}
