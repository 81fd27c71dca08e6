package modbus

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// MapEntry is one register of a profile, as somebody reads it.
type MapEntry struct {
	Name     string
	Function int
	Site     bool // the site says its address
	Wire     int  // address on the wire, of the first channel
	Manual   int  // as the profile counts
	Step     int  // from channel to channel; 0: all have this one
	Type     string
	Order    string
	Meaning  string
}

// Asked is one request of a profile.
type Asked struct {
	Function     int
	Site         bool // the site says where it begins
	First, Count int  // registers, on the wire; of the first channel
	Out, In      int  // bytes of the request and of a good answer, RTU
	Wire         time.Duration
	Explains     bool // no reading needs it
}

// Registers are the profile's registers, in the order in which they are told.
func (p *Profile) Registers() (all []MapEntry) {
	for _, role := range roles {
		r, mapped := p.registers[role.name]
		if !mapped {
			continue
		}
		all = append(all, MapEntry{
			Name: role.name, Function: int(r.function), Site: r.site, Wire: r.address, Manual: r.address + p.base, Step: r.step,
			Type: r.kind.name, Order: r.order, Meaning: r.says(role.name),
		})
	}
	return all
}

// says is what the map says of a register beside where it is.
func (r register) says(name string) string {
	var said []string
	add := func(is bool, format string, args ...any) {
		if is {
			said = append(said, fmt.Sprintf(format, args...))
		}
	}
	sum := name == total || name == second
	switch {
	case sum && r.litres == nil:
		add(true, "litres of a count: site")
	case sum:
		add(true, "x %s l", r.litres.RatString())
	}
	add(r.rollover > 0, "rolls over at %d", r.rollover)
	add(r.fraction > 0, "%d fractions in one", r.fraction)
	add(r.kind.form == float, "coarse")
	add(r.values != nil, "reads one of %v", r.values)
	add(r.bits != nil, "bits %s", strings.Join(r.bits, ", "))
	add(r.absent, "all FF is absent")
	add(name == second, "not billed")
	add(name == decimals, "a hint, not used")
	return strings.Join(said, "; ")
}

// Requests are what the profile sends for its first channel, with their time on an RTU line of its baud, or of 9600 baud if it
// names none: 8 data bits, the parity and stop bits of the profile, and 3.5 characters of silence before each frame.
func (p *Profile) Requests() (all []Asked) {
	l := &layout{Profile: p, channel: 1, registers: map[string]register{}}
	var sites []Asked // one for each: whether they are neighbours only the site knows
	for _, role := range roles {
		switch r, mapped := p.registers[role.name]; {
		case mapped && r.site:
			sites = append(sites, p.ask(r.span, true, false))
		case mapped:
			l.registers[role.name] = r
		}
	}
	l.plan()
	for i, s := range l.requests {
		all = append(all, p.ask(s, false, i >= l.needed))
	}
	return append(sites, all...)
}

func (p *Profile) ask(s span, site, explains bool) Asked {
	a := Asked{
		Function: int(s.function), Site: site, First: s.address, Count: s.count,
		Out: readLen, In: exceptionLen + 2*s.count, Explains: explains,
	}
	bits := 10 // start, eight, stop
	if p.Parity != bus.ParityNone {
		bits++
	}
	if p.StopBits == 2 {
		bits++
	}
	baud := cmp.Or(p.Baud, 9600)
	silence := 2 * 1750 * time.Microsecond // docs/modbus.md 1
	if baud <= 19200 {
		silence = 2 * 38500 * time.Millisecond / time.Duration(baud)
	}
	a.Wire = time.Duration((a.Out+a.In)*bits)*time.Second/time.Duration(baud) + silence
	return a
}
