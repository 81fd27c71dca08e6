package modbus

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// What a corrector measures besides: the household's line does not change.
const (
	barAbsolute = 1.0335
	celsius     = 20.5
)

// words32 are a number's words, the higher first.
func words32(n uint32) []uint16 { return []uint16{uint16(n >> 16), uint16(n)} }

func number32(w []uint16) int64 { return int64(w[0])<<16 | int64(w[1]) }

func wordsFloat(f float64) []uint16 { return words32(math.Float32bits(float32(f))) }

func float(w []uint16) float64 { return float64(math.Float32frombits(uint32(number32(w)))) }

// digits are a number's decimal digits, four in a word.
func digits(n int64, words int) []uint16 {
	out := make([]uint16, words)
	for i := words - 1; i >= 0; i, n = i-1, n/10_000 {
		part, _ := strconv.ParseUint(fmt.Sprint(n%10_000), 16, 16) // decimal digits: BCD is hex that says them
		out[i] = uint16(part)
	}
	return out
}

// number reads what digits wrote; it reports false for what are no digits.
func number(words []uint16) (int64, bool) {
	text := ""
	for _, w := range words {
		text += fmt.Sprintf("%04x", w)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// fixed is a word that hardly matters.
func fixed(addr int, word uint16) field {
	return field{addr: uint16(addr), size: 1, words: func(bool) []uint16 { return []uint16{word} }}
}

// value is a value of two words that the device orders; say may be nil.
func (d *device) value(addr int, words func(live bool) []uint16, say func(words []uint16, look lookup) (zh, en string)) field {
	f := field{addr: uint16(addr), size: 2, words: func(live bool) []uint16 { return d.placed(words(live)...) }}
	if say != nil {
		f.say = func(w []uint16, look lookup) (zh, en string) { return say(d.ordered(w), look) }
	}
	return f
}

// measured is a float that says a name, a figure and a unit.
func (d *device) measured(addr int, zh, en, unit string, read func(live bool) float64) field {
	return d.value(addr, func(live bool) []uint16 { return wordsFloat(read(live)) }, func(w []uint16, _ lookup) (string, string) {
		return fmt.Sprintf("%s %.5g %s", zh, float(w), unit), fmt.Sprintf("%s %.5g %s", en, float(w), unit)
	})
}

// counter is the meter's total in counts, two words; its upper half may be torn from its lower one.
func (m *Meter) counter(live bool) []uint16 {
	w := words32(uint32(m.counts(m.read(live))))
	if !live || !m.wrong.Torn {
		return w
	}
	before := m.high
	m.high = w[:1:1]
	if before == nil {
		return w
	}
	return []uint16{before[0], w[1]}
}

// total says an amount of gas.
func total(litres int64) (zh, en string) {
	return fmt.Sprintf("累計 %s 公升＝%s 度", grouped(litres), grouped(litres/1000)), fmt.Sprintf("total %s litres = %s m³", grouped(litres), grouped(litres/1000))
}

func standardTotal(litres int64) (zh, en string) {
	zh, en = total(litres)
	return "標準" + zh, "standard " + en
}

func countsAlone(counts int64) (zh, en string) {
	return fmt.Sprintf("累計 %s 次", grouped(counts)), fmt.Sprintf("total %s counts", grouped(counts))
}

// scaled says a counter whose litres of a count stand in another register of the answer.
func scaled(at int, unit int64) func(w []uint16, look lookup) (zh, en string) {
	return func(w []uint16, look lookup) (zh, en string) {
		if per, has := look(uint16(at)); has {
			return total(number32(w) * int64(per) * unit)
		}
		return countsAlone(number32(w))
	}
}

// inMeter says a counter whose litres of a count are the meter's to know.
func (m *Meter) inMeter(w []uint16, _ lookup) (zh, en string) {
	zh, en = total(m.per.times(number32(w)))
	if len(m.meters) > 1 {
		zh, en = m.cfg.Name+" "+zh, m.cfg.Name+" "+en
	}
	return zh, en
}

func serialSaid(serial string) (zh, en string) { return "表號 " + serial, "serial " + serial }

func (d *device) status(addr int) field {
	m := d.meters[0]
	return field{addr: uint16(addr), size: 1, words: func(bool) []uint16 { return []uint16{uint16(m.flags)} }, say: func(w []uint16, _ lookup) (string, string) {
		var zh, en phrase
		for _, name := range Flags(w[0]).Names() {
			zh, en = append(zh, flagZH(name)), append(en, name)
		}
		return zh.join("，"), en.join(", ")
	}}
}

// binary is a serial number of 32 bits.
func (d *device) binary(addr int) field {
	m := d.meters[0]
	read := func(bool) []uint16 {
		n, _ := strconv.ParseUint(m.serial, 10, 32) // checked
		return words32(uint32(n))
	}
	return d.value(addr, read, func(w []uint16, _ lookup) (string, string) { return serialSaid(fmt.Sprint(number32(w))) })
}

// g4Fields is the map of a household meter with a Modbus head.
func g4Fields(d *device) []field {
	m := d.meters[0]
	serial := func(bool) []uint16 {
		n, _ := strconv.ParseInt(m.serial, 10, 64) // eight digits
		return digits(n, 2)
	}
	return []field{
		d.value(0, m.counter, scaled(3, 1)),
		d.status(2),
		fixed(3, uint16(m.per.litres)),
		d.value(4, serial, func(w []uint16, _ lookup) (string, string) { return serialSaid(fmt.Sprintf("%04X%04X", w[0], w[1])) }),
	}
}

// flowsicFields is the map of SICK's FLOWSIC500.
func flowsicFields(d *device) []field {
	m := d.meters[0]
	unit := d.options.resolution()
	standard := func(live bool) []uint16 { return words32(uint32(m.counts(m.read(live).standard()))) }
	zero := func(bool) []uint16 { return words32(0) }
	saysStandard := func(w []uint16, look lookup) (zh, en string) {
		if zh, en = scaled(4101, unit)(w, look); zh != "" {
			zh, en = "標準"+zh, "standard "+en
		}
		return zh, en
	}
	return []field{
		d.binary(3110),
		d.status(3200), d.value(3201, zero, nil),
		fixed(4100, uint16(m.per.litres/unit)), fixed(4101, uint16(m.per.litres/unit)),
		d.value(4102, m.counter, scaled(4100, unit)), d.value(4104, zero, nil),
		d.value(4106, standard, saysStandard), d.value(4108, zero, nil), d.value(4110, standard, nil),
		d.value(4305, func(bool) []uint16 { return words32(uint32(time.Now().Unix())) }, nil),
		d.measured(5026, "標準流量", "standard flow", "m³/h", func(bool) float64 { return m.cubicMetres() * standardPerMille / 1000 }),
		d.measured(5136, "壓力", "pressure", "bar", func(bool) float64 { return barAbsolute }),
		d.measured(5224, "溫度", "temperature", "°C", func(bool) float64 { return celsius }),
		d.measured(7002, "流量", "flow", "m³/h", func(bool) float64 { return m.cubicMetres() }),
	}
}

// cubicMetres is what passes now, in m³/h by the clock.
func (m *Meter) cubicMetres() float64 { return float64(m.flow()*int64(m.cfg.Speed)) / 1e6 }

// fuxinFields is the map of the Fuxin flow computer: twenty registers from 10.
func fuxinFields(d *device) []field {
	m := d.meters[0]
	// A block of registers is of one moment: the same gas in all of it.
	metres := func(p passed) float64 { return float64(m.shown(p)) / 1000 }
	bcd := func(addr int, of func(passed) passed, say func(int64) (string, string)) field {
		return field{addr: uint16(addr), size: 3,
			words: func(live bool) []uint16 { return d.placed(digits(m.counts(of(m.read(live))), 3)...) },
			say: func(w []uint16, _ lookup) (string, string) {
				n, ok := number(d.ordered(w))
				if !ok {
					return "不是數字", "no digits"
				}
				return say(n / 10)
			}}
	}
	same := func(p passed) passed { return p }
	return []field{
		d.measured(10, "累計", "total", "m³", func(bool) float64 { return metres(m.passed()) }),
		d.measured(12, "標準累計", "standard total", "m³", func(bool) float64 { return metres(m.passed().standard()) }),
		d.value(14, func(bool) []uint16 { return wordsFloat(0) }, nil),
		d.measured(16, "標準流量", "standard flow", "m³/h", func(bool) float64 { return m.cubicMetres() * standardPerMille / 1000 }),
		bcd(18, passed.standard, standardTotal),
		d.measured(21, "流量", "flow", "m³/h", func(bool) float64 { return m.cubicMetres() }),
		bcd(23, same, total),
		d.measured(26, "溫度", "temperature", "°C", func(bool) float64 { return celsius }),
		d.measured(28, "壓力", "pressure", "kPa", func(bool) float64 { return 100 * barAbsolute }),
	}
}

// ekFields is what a site has put into the table of an Elster EK220 to EK280.
func ekFields(d *device) (out []field) {
	m, at := d.meters[0], d.options.Registers
	add := func(addr *int, f func(int) field) {
		if addr != nil {
			out = append(out, f(*addr-d.options.Base))
		}
	}
	same := func(p passed) passed { return p }
	add(at.Total, func(addr int) field { return d.ekTotal(m, addr, same, total) })
	add(at.Standard, func(addr int) field { return d.ekTotal(m, addr, passed.standard, standardTotal) })
	add(at.Serial, d.binary)
	add(at.Status, d.status)
	return out
}

// ekTotal is a total in the format that the site has chosen.
func (d *device) ekTotal(m *Meter, addr int, of func(passed) passed, say func(int64) (string, string)) field {
	f := field{addr: uint16(addr), size: 2}
	put := func(words func(p passed) []uint16, read func(w []uint16) (int64, bool)) {
		f.words = func(live bool) []uint16 { return words(of(m.read(live))) }
		f.say = func(w []uint16, _ lookup) (string, string) {
			n, ok := read(w)
			if !ok {
				return "不是數字", "no digits"
			}
			return say(n)
		}
	}
	switch d.options.Format {
	case BCD12, BCD16:
		f.size = map[Format]int{BCD12: 3, BCD16: 4}[d.options.Format]
		put(func(p passed) []uint16 { return d.placed(digits(m.counts(p), f.size)...) }, func(w []uint16) (int64, bool) {
			n, ok := number(d.ordered(w))
			return m.per.times(n), ok
		})
	case Uint32:
		put(func(p passed) []uint16 { return d.placed(words32(uint32(m.counts(p)))...) }, func(w []uint16) (int64, bool) { return m.per.times(number32(d.ordered(w))), true })
	case Float32:
		put(func(p passed) []uint16 { return d.placed(wordsFloat(float64(m.shown(p)) / 1000)...) }, func(w []uint16) (int64, bool) { return int64(float(d.ordered(w)) * 1000), true })
	default:
		f.size = 3 // the fraction stays behind the whole part, whatever its order
		put(func(p passed) []uint16 {
			whole, fraction, _ := m.counter6(p)
			return append(d.placed(words32(uint32(whole))...), uint16(fraction))
		}, func(w []uint16) (int64, bool) {
			return number32(d.ordered(w[:2]))*1000 + int64(w[2])*1000/d.options.fraction(), true
		})
	}
	return f
}

// pcd7Fields is the map of SBC's PCD7.H104D: four pulse inputs.
func pcd7Fields(d *device) []field {
	base := d.options.Base
	out := []field{fixed(2-base, 43), fixed(22-base, 0), fixed(23-base, 0), fixed(24-base, uint16(d.meters[0].cfg.Unit))}
	for channel := 1; channel <= 4; channel++ {
		at, perUnit := 28+2*(channel-1)-base, 36+channel-1-base
		m := d.at(channel)
		if m == nil {
			out = append(out, d.value(at, func(bool) []uint16 { return words32(0) }, nil), fixed(perUnit, 1))
			continue
		}
		out = append(out, d.value(at, m.counter, m.inMeter), fixed(perUnit, uint16(1000/m.per.litres)))
	}
	return out
}

// at is the meter of a channel; nil: nothing is wired to it.
func (d *device) at(channel int) *Meter {
	for _, m := range d.meters {
		if m.channel == channel {
			return m
		}
	}
	return nil
}

// vmuFields is the map of Carlo Gavazzi's VMU-MC: a count, and how many of its digits stand behind the point.
func vmuFields(d *device) []field {
	m := d.meters[0]
	out := []field{d.value(0, m.counter, m.inMeter)}
	if at := d.options.Registers.Scale; at != nil {
		out = append(out, fixed(*at-d.options.Base, uint16(math.Round(math.Log10(float64(m.per.of))))))
	}
	return out
}

// pulseFields are the counters of a plain pulse counter, one after the other.
func pulseFields(d *device) (out []field) {
	first := 0
	if at := d.options.Registers.Total; at != nil {
		first = *at - d.options.Base
	}
	for _, m := range d.meters {
		out = append(out, d.value(first+2*(m.channel-1), m.counter, m.inMeter))
	}
	return out
}
