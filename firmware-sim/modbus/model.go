package modbus

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Profile names a model of meter.
type Profile string

// The models. Their maps stand in docs/simulator.md.
const (
	G4         Profile = "g4"         // household diaphragm meter with a Modbus head
	Flowsic500 Profile = "flowsic500" // SICK, ultrasonic with corrector
	Fuxin      Profile = "fuxin"      // natural-gas flow computer
	EK2x0      Profile = "ek2x0"      // Elster EK220 to EK280, volume converters: the site sets the addresses
	PCD7H104D  Profile = "pcd7-h104d" // SBC, four pulse inputs
	VMUMC      Profile = "vmu-mc"     // Carlo Gavazzi, pulse concentrator
	Pulse      Profile = "pulse"      // a pulse counter of no particular maker, up to eight inputs
)

// Profiles are all models, for messages.
func Profiles() []Profile { return []Profile{G4, Flowsic500, Fuxin, EK2x0, PCD7H104D, VMUMC, Pulse} }

// Order is which byte of a 32-bit value comes as which, A the highest.
type Order string

// The orders.
const (
	ABCD Order = "ABCD"
	CDAB Order = "CDAB"
	BADC Order = "BADC"
	DCBA Order = "DCBA"
)

// Unmapped is what a read finds at registers that are not in the map.
type Unmapped string

// The ways.
const (
	UnmappedRefused Unmapped = ""      // exception 02
	UnmappedZeros   Unmapped = "zeros" // 0000
	UnmappedFF      Unmapped = "ff"    // FFFF
)

// Format is how a converter writes its total.
type Format string

// The formats of an EK2x0, with their codes in its manual.
const (
	Counter6 Format = "counter6" // 9: three registers, 32 bits of cubic metres and 16 of their fraction
	Uint32   Format = "uint32"   // 4: two registers of counts
	BCD12    Format = "bcd12"    // 16: three registers of digits
	BCD16    Format = "bcd16"    // 17: four registers of digits
	Float32  Format = "float"    // 32: two registers, cubic metres
)

// Options are what differs among devices of one model. The zero value is a device as it is shipped.
type Options struct {
	Profile    Profile
	Functions  []int // of 3 and 4, those that read its registers; empty: the model's own
	Order      Order // empty: the model's own
	Unmapped   Unmapped
	Rollover   int64     // the first count that it never shows; 0: the model's own
	Decimals   *int      // of the cubic metres that it counts; instead of litres of a count
	Base       int       // 0 or 1: the number of its first register, as Registers and the maker's manual count
	Format     Format    // of an EK2x0's total; empty means counter6
	Fraction   int       // of counter6: the parts of a cubic metre; 0 means 65536
	Resolution int       // of a FLOWSIC500: litres that its resolution counts, 1, 10, 100 or 1000; 0 means 1000
	Registers  Registers // where the site sets addresses
}

// Registers are addresses that a site has set in a device. None means that it does not have the value.
type Registers struct{ Total, Standard, Serial, Status, Scale *int }

func (r Registers) all() map[string]*int {
	return map[string]*int{"total": r.Total, "standard": r.Standard, "serial": r.Serial, "status": r.Status, "scale": r.Scale}
}

func (o Options) resolution() int64 { return int64(cmp.Or(o.Resolution, 1000)) }

func (o Options) fraction() int64 { return int64(cmp.Or(o.Fraction, 1<<16)) }

// model is what all devices of one profile have in common.
type model struct {
	channels  int
	functions []int
	order     Order
	rollover  int64
	maxUnit   int
	site      []string // the addresses that a site may set
	counts    []int    // litres of a count that it may have; nil: PerCount is not asked for
	count     int      // of these, as it is shipped; 0 means the least
	decimals  int      // instead of litres of a count; -1: it has none
	serial    serialForm
	corrects  bool // it counts standard cubic metres, too
	fields    func(d *device) []field
}

// serialForm is how a model writes its serial number.
type serialForm int

const (
	noSerial serialForm = iota // it stands on the plate alone
	bcdSerial
	binarySerial
)

func modelOf(o Options) model {
	both := []int{fnHolding, fnInputRegister}
	litres := []int{1, 10, 100, 1000}
	switch cmp.Or(o.Profile, G4) {
	case G4:
		return model{channels: 1, functions: both, order: ABCD, rollover: 1e8, counts: litres[:3], decimals: -1, serial: bcdSerial, fields: g4Fields}
	case Flowsic500:
		return model{channels: 1, functions: both, order: ABCD, rollover: 1 << 32, counts: litres, count: 1000, decimals: -1, serial: binarySerial, corrects: true, fields: flowsicFields}
	case Fuxin:
		return model{channels: 1, functions: both[:1], order: ABCD, rollover: 1e12, decimals: 4, corrects: true, fields: fuxinFields}
	case EK2x0:
		m := model{channels: 1, functions: both, order: ABCD, rollover: 1 << 32, decimals: 0, serial: binarySerial, site: []string{"total", "standard", "serial", "status"}, fields: ekFields}
		switch o.Format {
		case BCD12:
			m.rollover, m.decimals, m.counts = 1e12, 4, litres
		case BCD16:
			m.rollover, m.decimals, m.counts = 1e12, 4, litres // more than a building burns; its first digits stay 0
		case Uint32:
			m.decimals, m.counts = 2, litres
		case Float32:
			m.decimals = 3
		}
		m.corrects = o.Registers.Standard != nil
		if o.Registers.Serial == nil {
			m.serial = noSerial
		}
		return m
	case PCD7H104D:
		return model{channels: 4, functions: both, order: ABCD, rollover: 1 << 32, maxUnit: 99, counts: litres, decimals: -1, fields: pcd7Fields}
	case VMUMC:
		return model{channels: 1, functions: both, order: CDAB, rollover: 1 << 32, decimals: 2, site: []string{"scale"}, fields: vmuFields}
	case Pulse:
		return model{channels: 8, functions: both, order: ABCD, rollover: 1 << 32, counts: litres, decimals: -1, site: []string{"total"}, fields: pulseFields}
	}
	panic(fmt.Sprintf("modbus: no profile %q", o.Profile))
}

// scale is litres of a count, as a fraction.
type scale struct{ litres, of int64 }

// per is the scale of a meter.
func (m model) per(cfg MeterConfig) scale {
	decimals := m.decimals
	if cfg.Decimals != nil {
		decimals = *cfg.Decimals
	} else if cfg.PerCount > 0 {
		return scale{int64(cfg.PerCount), 1}
	}
	if decimals < 0 {
		return scale{int64(cmp.Or(m.count, m.counts[0])), 1}
	}
	return scale{1000, int64(math.Pow10(decimals))}
}

// litres is what so many counts are, rounded down.
func (s scale) times(counts int64) int64 { return counts/s.of*s.litres + counts%s.of*s.litres/s.of }

// Wrong is a mistake in what a meter is told: the key at which it stands, and the remedy.
type Wrong struct{ Key, Text string }

// Check says what is impossible in a configuration, all at once.
func (cfg MeterConfig) Check() (out []Wrong) {
	wrong := func(key, format string, args ...any) { out = append(out, Wrong{key, fmt.Sprintf(format, args...)}) }
	if cfg.Profile != "" && !slices.Contains(Profiles(), cfg.Profile) {
		wrong("profile", "%q; use one of %v", cfg.Profile, Profiles())
		return out
	}
	cfg.checkOptions(wrong)
	if len(out) > 0 {
		return out
	}
	m := modelOf(cfg.Options)
	if cfg.Channel < 0 || cfg.Channel > m.channels {
		wrong("channel", "%d; %s has %d", cfg.Channel, cmp.Or(cfg.Profile, G4), m.channels)
	}
	if m.maxUnit > 0 && cfg.Unit > m.maxUnit {
		wrong("address", "%d; %s takes 1 to %d", cfg.Unit, cfg.Profile, m.maxUnit)
	}
	if text := m.wrongSerial(cfg.Serial); text != "" {
		wrong("serial", "%s", text)
	}
	cfg.checkScale(m, wrong)
	for name, at := range cfg.Registers.all() {
		switch {
		case at != nil && !slices.Contains(m.site, name):
			wrong("registers", "%s has no address for %s to set; leave it out", cmp.Or(cfg.Profile, G4), name)
		case at != nil && (*at < cfg.Base || *at-cfg.Base > 65000):
			wrong("registers", "%s at %d; use %d to 65000", name, *at, cfg.Base)
		}
	}
	if cfg.Profile == EK2x0 && cfg.Registers.Total == nil {
		wrong("registers", "say where the site has put the total, such as {total: 300, serial: 310}")
	}
	if len(out) == 0 {
		if err := newDevice(cfg, m).wire(); err != nil {
			wrong("registers", "%v; give each an address of its own", err)
		}
	}
	if cfg.Use != "" && !slices.Contains(Uses(), cfg.Use) {
		wrong("use", "%q; use one of %v", cfg.Use, Uses())
	}
	if cfg.Speed < 0 || cfg.Speed > MaxSpeed {
		wrong("speed", "%d; use 1 to %d", cfg.Speed, MaxSpeed)
	}
	return out
}

func (cfg MeterConfig) checkOptions(wrong func(key, format string, args ...any)) {
	for _, f := range cfg.Functions {
		if f != fnHolding && f != fnInputRegister {
			wrong("functions", "%d; registers are read by 3, 4 or both", f)
			break
		}
	}
	if !slices.Contains([]Order{"", ABCD, CDAB, BADC, DCBA}, cfg.Order) {
		wrong("order", "%q; use ABCD, CDAB, BADC or DCBA", cfg.Order)
	}
	if !slices.Contains([]Unmapped{UnmappedRefused, UnmappedZeros, UnmappedFF}, cfg.Unmapped) {
		wrong("unmapped", "%q; use zeros or ff, or leave it out: exception 02", cfg.Unmapped)
	}
	if cfg.Base != 0 && cfg.Base != 1 {
		wrong("base", "%d; registers are numbered from 0 or from 1", cfg.Base)
	}
	ek := cfg.Profile == EK2x0
	if !slices.Contains([]Format{"", Counter6, Uint32, BCD12, BCD16, Float32}, cfg.Format) || cfg.Format != "" && !ek {
		wrong("format", "%q; of ek2x0: counter6, uint32, bcd12, bcd16 or float", cfg.Format)
	}
	if cfg.Fraction < 0 || cfg.Fraction > 65536 || cfg.Fraction != 0 && (!ek || cfg.Format != "" && cfg.Format != Counter6) {
		wrong("fraction", "%d; of counter6: the parts of a cubic metre, 1 to 65536", cfg.Fraction)
	}
	if cfg.Resolution != 0 && (cfg.Profile != Flowsic500 || !slices.Contains([]int{1, 10, 100, 1000}, cfg.Resolution)) {
		wrong("resolution", "%d; of flowsic500: the litres that its resolution counts, 1, 10, 100 or 1000", cfg.Resolution)
	}
}

// checkScale checks litres of a count, decimals, and what the counter then can show.
func (cfg MeterConfig) checkScale(m model, wrong func(key, format string, args ...any)) {
	switch {
	case cfg.PerCount != 0 && m.counts == nil:
		wrong("per_count", "%s has no litres of a count; give decimals, or leave it out", cmp.Or(cfg.Profile, G4))
		return
	case cfg.PerCount != 0 && cfg.Decimals != nil:
		wrong("decimals", "give per_count or decimals, not both")
		return
	case cfg.PerCount != 0 && !slices.Contains(m.counts, cfg.PerCount):
		wrong("per_count", "%d; a count is %s litres", cfg.PerCount, oneOf(m.counts))
		return
	case cfg.Decimals != nil && (m.decimals < 0 || cfg.Profile == Fuxin || cfg.Format == Float32 || cfg.Profile == EK2x0 && (cfg.Format == "" || cfg.Format == Counter6)):
		wrong("decimals", "%s has none to set; leave it out", cmp.Or(cfg.Profile, G4))
		return
	case cfg.Decimals != nil && (*cfg.Decimals < 0 || *cfg.Decimals > 6):
		wrong("decimals", "%d; use 0 to 6", *cfg.Decimals)
		return
	case cfg.Profile == Flowsic500 && m.per(cfg).litres%cfg.resolution() != 0:
		wrong("per_count", "%d litres are no whole number of the resolution's %d", m.per(cfg).litres, cfg.resolution())
		return
	case cfg.Rollover < 0 || cfg.Rollover > m.rollover:
		wrong("rollover", "%d; its counter can end at 1 to %d", cfg.Rollover, m.rollover)
		return
	}
	if end := m.end(cfg); cfg.Litres < 0 || cfg.Litres >= end {
		wrong("litres", "%d; its counter shows 0 to %d", cfg.Litres, end-1)
	}
}

// end is the first total in litres that the counter never shows.
func (m model) end(cfg MeterConfig) int64 { return m.per(cfg).times(cmp.Or(cfg.Rollover, m.rollover)) }

func (m model) wrongSerial(s string) string {
	n, err := strconv.ParseUint(s, 10, 32)
	digits := !slices.ContainsFunc([]rune(s), func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case m.serial == bcdSerial && (len(s) != 8 || !digits):
		return fmt.Sprintf("%q; write the eight digits of its plate, in quotes", s)
	case m.serial == binarySerial && (err != nil || !digits || strconv.FormatUint(n, 10) != s):
		return fmt.Sprintf("%q; write its number, 0 to 4294967295, in quotes and without zeros in front", s)
	case len(s) > 32:
		return fmt.Sprintf("%q; write at most 32 bytes", s)
	}
	return ""
}

func oneOf(n []int) string {
	text := fmt.Sprint(n[0])
	for i, x := range n[1:] {
		if i == len(n)-2 {
			text += " or " + strconv.Itoa(x)
		} else {
			text += ", " + strconv.Itoa(x)
		}
	}
	return text
}
