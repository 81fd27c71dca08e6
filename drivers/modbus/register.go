package modbus

import (
	"cmp"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The registers that a profile can name, in the order in which they are told.
const (
	model       = "model"
	total       = "total"
	scale       = "scale"   // litres in a count of the total, or in a thousandth of it, as the total's scale says
	divisor     = "divisor" // counts of the total in one of what its scale is said of
	serial      = "serial"
	status      = "status"
	second      = "second" // another total, that is not billed
	secondScale = "second_scale"
	decimals    = "decimals" // a hint at the place of the decimal point, that nobody acts on
)

// role is what a name asks of its register.
type role struct {
	name  string
	forms []form
	keys  []string // that belong to it
	asked bool     // only for who wants everything explained: no reading needs it
	site  bool     // its address may be left to the site
}

var roles = []role{
	{model, []form{unsigned, decimal}, []string{"values"}, false, false},
	{total, []form{unsigned, signed, decimal, mixed, float}, []string{"scale", "rollover", "coarse", "fraction"}, false, true},
	{scale, []form{unsigned, signed, decimal}, []string{"values"}, false, true},
	{divisor, []form{unsigned, signed, decimal}, []string{"values"}, false, false},
	{serial, []form{unsigned, decimal}, nil, false, true},
	{status, []form{unsigned}, []string{"bits"}, false, true},
	{second, []form{unsigned, signed, decimal, mixed, float}, []string{"scale", "coarse", "fraction"}, true, false},
	{secondScale, []form{unsigned, signed, decimal}, []string{"values"}, true, false},
	{decimals, []form{unsigned, signed, decimal}, nil, true, false},
}

func roleNames() (names []string) {
	for _, r := range roles {
		names = append(names, r.name)
	}
	return names
}

func roleOf(name string) role {
	return roles[slices.IndexFunc(roles, func(r role) bool { return r.name == name })]
}

// register is one value of the map.
type register struct {
	span
	kind     kind
	order    string   // letter i says which byte of the value comes as the i-th, A is the highest
	absent   bool     // all bytes FF mean that there is no such value
	site     bool     // the site says its address
	step     int      // from channel to channel; 0: all channels have this one
	litres   *big.Rat // totals: of a count, times the scale register if there is one; nil: the site says it
	rollover uint64   // total: the first count that it never shows; 0: not said
	fraction uint64   // counter: counts of its last register in one
	bits     []string // status: names by bit, "" is none
	values   []uint64 // scales, divisor, model: what it may read; nil: anything from 1
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

// of is where the register is for a channel.
func (r register) of(channel int) span {
	s := r.span
	s.address += (channel - 1) * r.step
	return s
}

// everywhere are the spans of all channels; none while the site says where.
func (r register) everywhere(channels int) (all []span) {
	if r.count == 0 || r.site {
		return nil
	}
	if r.step == 0 {
		channels = 1
	}
	for c := range channels {
		all = append(all, r.of(c+1))
	}
	return all
}

// readRegisters reads the values of the map. requests are the places of p.requests.
func (p *Profile) readRegisters(t *text, f fields, requests []place) {
	var all []register         // by place in the list
	stands := map[string]int{} // where each name stands
	at := map[string]fields{}
	for i, entry := range t.list(f, "registers") {
		before := len(t.faults)
		r := t.mapping(entry, "name", "function", "address", "step", "type", "order", "absent", "scale", "rollover", "coarse", "fraction", "bits", "values")
		t.need(r, "name", "function", "address", "type")
		name := t.choice(r, "name", roleNames()...)
		reg := p.register(t, r, name)
		if len(t.faults) > before {
			reg = register{} // where it is wrong, it is nowhere: one mistake is one fault
		}
		p.apart(t, entry, reg, all)
		all = append(all, reg)
		switch j, twice := stands[name]; {
		case twice:
			t.wrong(r.of["name"], fmt.Sprintf("registers[%d] is the %s already", j, name), "keep one of them")
		case name != "":
			stands[name], p.registers[name], at[name] = i, reg, r
		}
	}
	if f.has("registers") {
		p.wholeMap(t, f, at)
	}
	for i, entry := range requests {
		reads := func(r register) bool { return slices.ContainsFunc(r.everywhere(p.Channels), p.requests[i].holds) }
		if !slices.ContainsFunc(all, reads) {
			t.wrong(entry, "reads no register of the map", "remove it, or correct its address")
		}
	}
}

// apart sees that no register lies on another or half in a request.
func (p *Profile) apart(t *text, entry place, reg register, others []register) {
	mine := reg.everywhere(p.Channels)
	on := func(s span) func(span) bool { return func(o span) bool { return s.overlaps(o) } }
	for j, o := range others {
		if theirs := o.everywhere(p.Channels); slices.ContainsFunc(mine, func(s span) bool { return slices.ContainsFunc(theirs, on(s)) }) {
			t.wrong(entry, fmt.Sprintf("overlaps registers[%d]", j), "correct address, type or step")
		}
	}
	if len(mine) > 1 && mine[0].overlaps(mine[1]) {
		t.wrong(entry, fmt.Sprintf("its channels overlap: %d registers in steps of %d", reg.count, reg.step), "use a larger step")
	}
	for j, o := range p.requests {
		if slices.ContainsFunc(mine, func(s span) bool { return s.overlaps(o) && !o.holds(s) }) {
			t.wrong(entry, fmt.Sprintf("lies only partly in requests[%d]", j), "let one request read all of it, or its halves are of two moments")
		}
	}
}

// wholeMap judges what only the whole list shows.
func (p *Profile) wholeMap(t *text, f fields, at map[string]fields) {
	sum, totalled := at[total]
	_, other := at[second]
	switch {
	case !totalled:
		t.wrong(f.of["registers"], "no register is the total", "add one with name: total")
	case !sum.has("scale") && at[scale].node == nil && at[divisor].node == nil:
		t.wrong(sum.place, "the total has no scale", "give it scale: litres of a count, such as 10 or 1/10, or site, or add a register with name: scale")
	case p.Channels > 1 && p.registers[total].count > 0 && !p.registers[total].site && p.registers[total].step == 0:
		t.wrong(sum.place, fmt.Sprintf("%d channels, and one total", p.Channels), "give it step: registers from one channel's to the next")
	}
	switch {
	case other && !at[second].has("scale") && at[secondScale].node == nil:
		t.wrong(at[second].place, "the second total has no scale", "give it scale: litres of a count, or add a register with name: second_scale")
	case !other && at[secondScale].node != nil:
		t.wrong(at[secondScale].place, "there is no second total", "remove it, or add a register with name: second")
	}
	if hint := at[decimals]; hint.node != nil && totalled && p.registers[total].litres != nil {
		t.wrong(hint.place, "a decimal point kept in a register is only a hint", "let the total have scale: site, or remove this register")
	}
}

// register reads what one entry says; name is empty when it has none that counts.
func (p *Profile) register(t *text, f fields, name string) register {
	forms := []form{unsigned, signed, decimal, mixed, float}
	var of role
	if name != "" {
		of = roleOf(name)
		t.foreign(f, of)
		forms = of.forms
	}
	reg := register{absent: t.choice(f, "absent", "all-ff") != ""}
	written := t.choice(f, "type", kindsOf(forms...)...)
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == written })
	if i < 0 {
		return register{}
	}
	reg.kind = kinds[i]
	reg.site = of.site && t.isSite(f, "address")
	if reg.span = t.span(f, p.base, reg.kind.words, reg.site); f.has("step") {
		p.readStep(t, f, &reg)
	}
	if reg.order = reg.kind.orders()[0]; reg.kind.words > 1 {
		t.need(f, "order")
	}
	reg.order = cmp.Or(t.choice(f, "order", reg.kind.orders()...), reg.order)
	switch name {
	case total, second:
		t.totals(f, name, &reg)
	case status:
		reg.bits = t.names(f, "bits", 16*reg.kind.words)
	case scale, secondScale, divisor, model:
		reg.values = t.values(f, reg.kind.most)
		if name == model {
			t.need(f, "values")
		}
	}
	return reg
}

// foreign notes keys that belong to other names.
func (t *text) foreign(f fields, of role) {
	owners := map[string][]string{}
	for _, r := range roles {
		for _, key := range r.keys {
			owners[key] = append(owners[key], r.name)
		}
	}
	for key, names := range owners {
		if f.has(key) && !slices.Contains(names, of.name) {
			t.wrong(f.of[key], "the "+of.name+" has no "+key, "remove it: it belongs to the "+strings.Join(names, " or "))
		}
	}
}

// readStep reads how far the channels are apart.
func (p *Profile) readStep(t *text, f fields, reg *register) {
	reg.step = int(t.whole(f, "step", 1, 1000))
	switch {
	case p.Channels == 1:
		t.wrong(f.of["step"], "there is one channel", "remove it, or give the profile channels")
	case reg.site:
		t.wrong(f.of["step"], "the site says where each channel's is", "remove it")
	case reg.of(p.Channels).end() > maxAddress+1:
		t.wrong(f.of["step"], fmt.Sprintf("channel %d ends behind the last register", p.Channels), "use a smaller step, or fewer channels")
	}
}

// totals reads what a total has more than others.
func (t *text) totals(f fields, name string, reg *register) {
	if name == second || !t.isSite(f, "scale") {
		num, den := t.fraction(f, "scale")
		reg.litres = ratio(num, den)
	}
	if f.has("rollover") && reg.kind.form != float {
		reg.rollover = uint64(t.whole(f, "rollover", 2, int64(min(reg.kind.most, 1<<62))+1))
		if reg.litres != nil && !new(big.Rat).Mul(reg.litres, ratio(reg.rollover, 1)).IsInt() {
			t.wrong(f.of["rollover"], fmt.Sprintf("%d counts are no whole litres", reg.rollover), "write the first count that the meter never shows, and check the scale")
		}
	}
	for _, c := range []struct {
		key  string
		form form
		why  string
	}{
		{"fraction", mixed, "the registers of its whole part have none"},
		{"coarse", float, "it is exact"},
	} {
		if f.has(c.key) && reg.kind.form != c.form {
			t.wrong(f.of[c.key], reg.kind.name+" has no "+c.key, "remove it: "+c.why)
		}
	}
	switch reg.kind.form {
	case mixed:
		t.need(f, "fraction")
		reg.fraction = uint64(t.whole(f, "fraction", 2, 1<<16))
	case float:
		if f.has("rollover") {
			t.wrong(f.of["rollover"], "a float32 rolls over nowhere", "remove it")
		}
		if t.choice(f, "coarse", "true"); !f.has("coarse") {
			t.wrong(f.of["type"], "a float32 loses litres: from 16384 m3 its step is larger than one, from 131072 m3 than ten",
				"use the register of the exact total; if the meter has none, write coarse: true beside it")
		}
	}
}

// values reads what a register may say.
func (t *text) values(f fields, most uint64) (all []uint64) {
	most = min(most, 1<<62)
	for _, v := range t.list(f, "values") {
		n, _ := strconv.ParseUint(t.single(v, fmt.Sprintf("a whole number from 1 to %d", most), func(s string) bool {
			n, err := strconv.ParseUint(s, 10, 64)
			return err == nil && n >= 1 && n <= most
		}), 10, 64) // it is one
		all = append(all, n)
	}
	return all
}

// isSite tells whether a value is left to the site.
func (t *text) isSite(f fields, key string) bool {
	if !f.has(key) {
		return false
	}
	s, _ := scalar(f.of[key].node)
	return s == "site"
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

const wantFraction = "a fraction of whole numbers from 1 to 999999, such as 10 or 1/10"

// parseFraction reads n or n/d, both from 1 to 999999.
func parseFraction(s string) (num, den uint64, ok bool) {
	m := fractionForm.FindStringSubmatch(s)
	if m == nil {
		return 1, 1, false
	}
	num, _ = strconv.ParseUint(m[1], 10, 64) // six digits
	den, _ = strconv.ParseUint(cmp.Or(m[2], "1"), 10, 64)
	return num, den, true
}

// fraction reads a fraction. A missing one is 1.
func (t *text) fraction(f fields, key string) (num, den uint64) {
	num, den = 1, 1
	t.value(f, key, wantFraction, func(s string) (ok bool) {
		num, den, ok = parseFraction(s)
		return ok
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
