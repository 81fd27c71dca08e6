package modbus

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// The registers that a profile can name.
const (
	total  = "total"
	serial = "serial"
	status = "status"
	scale  = "scale" // litres in a count of the total, or in a thousandth of it, as the total's scale says
)

// register is one value of the map.
type register struct {
	span
	kind     kind
	order    string   // letter i says which byte of the value comes as the i-th, A is the highest
	absent   bool     // all bytes FF mean that there is no such value
	num, den uint64   // total: litres of a count, times the scale register if there is one
	rollover uint64   // total: the first count that it never shows; 0: not said
	bits     []string // status: names by bit, "" is none
	values   []uint64 // scale: what it may read; nil: anything from 1
	in       int      // which request reads it
}

// span is a run of registers; addresses are those on the wire.
type span struct {
	function byte
	address  int
	count    int
}

func (s span) end() int { return s.address + s.count }

func (s span) overlaps(o span) bool {
	return s.function == o.function && s.address < o.end() && o.address < s.end()
}

func (s span) holds(o span) bool {
	return s.function == o.function && s.address <= o.address && o.end() <= s.end()
}

// kind is how a value is written in its registers.
type kind struct {
	name   string
	words  int
	digits int    // binary coded decimal; 0: a binary number
	most   uint64 // largest value
}

var kinds = []kind{
	{"uint16", 1, 0, 1<<16 - 1}, {"uint32", 2, 0, 1<<32 - 1},
	{"bcd4", 1, 4, 1e4 - 1}, {"bcd8", 2, 8, 1e8 - 1}, {"bcd12", 3, 12, 1e12 - 1},
}

// orders of the bytes on the wire, by words; the first is the usual one.
var orders = [...][]string{1: {"AB", "BA"}, 2: {"ABCD", "CDAB", "BADC", "DCBA"}, 3: {"ABCDEF", "EFCDAB", "BADCFE", "FEDCBA"}}

// readRegisters reads the values of the map. requests are the places of p.requests.
func (p *Profile) readRegisters(t *text, f fields, base int, requests []place) {
	var spans []span           // by place in the list
	stands := map[string]int{} // where each name stands
	var unscaled place         // the total, if its entry has no scale
	for i, at := range t.list(f, "registers") {
		before := len(t.faults)
		r := t.mapping(at, "name", "function", "address", "type", "order", "absent", "scale", "rollover", "bits", "values")
		t.need(r, "name", "function", "address", "type")
		name := t.choice(r, "name", total, serial, status, scale)
		reg := t.register(r, name, base)
		if len(t.faults) > before {
			reg = register{} // where it is wrong, it is nowhere: one mistake is one fault
		}
		for j, o := range spans {
			if reg.overlaps(o) {
				t.wrong(at, fmt.Sprintf("overlaps registers[%d]", j), "correct address or type")
			}
		}
		for j, o := range p.requests {
			if reg.overlaps(o) && !o.holds(reg.span) {
				t.wrong(at, fmt.Sprintf("lies only partly in requests[%d]", j), "let one request read all of it, or its halves are of two moments")
			}
		}
		spans = append(spans, reg.span)
		if name == total && !r.has("scale") {
			unscaled = at
		}
		switch j, twice := stands[name]; {
		case twice:
			t.wrong(r.of["name"], fmt.Sprintf("registers[%d] is the %s already", j, name), "keep one of them")
		case name != "":
			stands[name], p.registers[name] = i, reg
		}
	}
	_, totalled := stands[total]
	_, read := stands[scale]
	switch at, listed := f.of["registers"]; {
	case !totalled && listed:
		t.wrong(at, "no register is the total", "add one with name: total")
	case unscaled.node != nil && !read:
		t.wrong(unscaled, "the total has no scale", "give it scale: litres of a count, such as 10 or 1/10, or add a register with name: scale")
	}
	for i, at := range requests {
		if !slices.ContainsFunc(spans, p.requests[i].holds) {
			t.wrong(at, "reads no register of the map", "remove it, or correct its address")
		}
	}
}

// register reads what one entry says; name is empty when it has none that counts.
func (t *text) register(f fields, name string, base int) register {
	for key, of := range map[string]string{"scale": total, "rollover": total, "bits": status, "values": scale} {
		if f.has(key) && name != of && name != "" {
			t.wrong(f.of[key], "the "+name+" has no "+key, "remove it: it belongs to the "+of)
		}
	}
	absent := t.choice(f, "absent", "all-ff") != ""
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	i := slices.Index(names, t.choice(f, "type", names...))
	if i < 0 {
		return register{}
	}
	k := kinds[i]
	reg := register{kind: k, span: t.span(f, base, k.words), absent: absent, order: orders[k.words][0]}
	if k.words > 1 {
		t.need(f, "order")
	}
	if o := t.choice(f, "order", orders[k.words]...); o != "" {
		reg.order = o
	}
	switch name {
	case total:
		reg.num, reg.den = t.fraction(f, "scale")
		if f.has("rollover") {
			reg.rollover = uint64(t.whole(f, "rollover", 2, int64(k.most)+1))
			if reg.rollover*reg.num%reg.den != 0 {
				t.wrong(f.of["rollover"], fmt.Sprintf("%d counts are no whole litres", reg.rollover), "write the first count that the meter never shows, and check the scale")
			}
		}
	case status:
		if k.digits > 0 {
			t.wrong(f.of["type"], k.name+" has no bits", "use uint16 or uint32")
		}
		reg.bits = t.names(f, "bits", 16*k.words)
	case scale:
		for _, v := range t.list(f, "values") {
			n, _ := strconv.ParseUint(t.single(v, fmt.Sprintf("a whole number from 1 to %d", k.most), func(s string) bool {
				n, err := strconv.ParseUint(s, 10, 64)
				return err == nil && n >= 1 && n <= k.most
			}), 10, 64) // it is one
			reg.values = append(reg.values, n)
		}
	}
	return reg
}

var (
	bitName      = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	fractionForm = regexp.MustCompile(`^([1-9][0-9]{0,5})(?:/([1-9][0-9]{0,5}))?$`)
	metresForm   = regexp.MustCompile(`^([0-9]{1,5})(?:\.([0-9]{1,3}))?$`)
)

// names reads the names of bits 0, 1 … ; "" leaves one out.
func (t *text) names(f fields, key string, most int) []string {
	var names []string
	for i, at := range t.list(f, key) {
		if i == most {
			t.wrong(at, fmt.Sprintf("more than the %d bits of the type", most), "remove it, or use another type")
			return nil
		}
		names = append(names, t.single(at, `a name of its own such as low_battery (a-z, 0-9, _; at most 32), or ""`, func(s string) bool {
			return s == "" || bitName.MatchString(s) && !slices.Contains(names, s)
		}))
	}
	return names
}

// fraction reads n or n/d, both from 1 to 999999. A missing one is 1.
func (t *text) fraction(f fields, key string) (num, den uint64) {
	num, den = 1, 1
	t.value(f, key, "a fraction of whole numbers from 1 to 999999, such as 10 or 1/10", func(s string) bool {
		m := fractionForm.FindStringSubmatch(s)
		if m == nil {
			return false
		}
		num, _ = strconv.ParseUint(m[1], 10, 64) // six digits
		den, _ = strconv.ParseUint(cmp.Or(m[2], "1"), 10, 64)
		return true
	})
	return num, den
}

// litres reads cubic metres with at most three decimals as litres. Missing is 0.
func (t *text) litres(f fields, key string) (litres int64) {
	t.value(f, key, "cubic metres from 0.001 to 99999.999, such as 6 or 2.5", func(s string) bool {
		m := metresForm.FindStringSubmatch(s)
		if m == nil {
			return false
		}
		litres, _ = strconv.ParseInt(m[1]+(m[2] + "000")[:3], 10, 64) // eight digits
		return litres > 0
	})
	return litres
}

// plan decides what is read: the requests that the profile names, and for what is left as few as can be without touching
// a register that the map does not have.
func (p *Profile) plan() {
	var left []span
	for _, r := range p.registers {
		if !slices.ContainsFunc(p.requests, func(s span) bool { return s.holds(r.span) }) {
			left = append(left, r.span)
		}
	}
	slices.SortFunc(left, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.function, b.function), cmp.Compare(a.address, b.address))
	})
	named := len(p.requests)
	for _, s := range left {
		if n := len(p.requests); n > named && p.requests[n-1].function == s.function && p.requests[n-1].end() == s.address {
			p.requests[n-1].count += s.count
			continue
		}
		p.requests = append(p.requests, s)
	}
	for name, r := range p.registers {
		r.in = slices.IndexFunc(p.requests, func(s span) bool { return s.holds(r.span) })
		p.registers[name] = r
	}
}
