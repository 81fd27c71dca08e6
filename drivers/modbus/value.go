package modbus

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// decode turns what the requests brought into a reading; data[i] answers requests[i]. Whatever is no value of this model
// is drivers.ErrValue.
func (p *Profile) decode(data [][]byte) (drivers.Reading, error) {
	r := drivers.Reading{Qmax: p.Qmax}
	sum := p.registers[total]
	count, err := p.number(total, data)
	if err != nil {
		return r, err
	}
	if sum.rollover > 0 && count >= sum.rollover {
		return r, p.bad(total, fmt.Sprintf("%d, though it rolls over at %d", count, sum.rollover))
	}
	factor := uint64(1)
	if reg, read := p.registers[scale]; read {
		if factor, err = p.number(scale, data); err != nil {
			return r, err
		}
		if factor == 0 || reg.values != nil && !slices.Contains(reg.values, factor) {
			return r, p.bad(scale, fmt.Sprint(factor))
		}
	}
	var fits, ends bool
	r.Litres, fits = litres(count, factor, sum.num, sum.den)
	r.Range, ends = litres(sum.rollover, factor, sum.num, sum.den)
	if !fits || !ends {
		return r, p.bad(total, fmt.Sprintf("%d counts of %d times %d/%d litres", count, factor, sum.num, sum.den))
	}
	if reg, read := p.registers[serial]; read {
		n, err := p.number(serial, data)
		if err != nil {
			return r, err
		}
		r.Serial = fmt.Sprintf("%0*d", reg.kind.digits, n)
	}
	r.Flags, err = p.flags(data)
	return r, err
}

// flags are the names of the status bits that are set.
func (p *Profile) flags(data [][]byte) ([]string, error) {
	reg, read := p.registers[status]
	if !read || reg.absent && allFF(reg.bytes(p, data)) {
		return nil, nil
	}
	n, err := p.number(status, data)
	if err != nil {
		return nil, err
	}
	var set []string
	for bit, name := range reg.bits {
		if name != "" && n>>bit&1 == 1 {
			set = append(set, name)
		}
	}
	return set, nil
}

// number reads one register of the map.
func (p *Profile) number(name string, data [][]byte) (uint64, error) {
	reg := p.registers[name]
	b := reg.bytes(p, data)
	if reg.absent && allFF(b) {
		return 0, p.bad(name, "absent (all bits set)")
	}
	n, ok := reg.kind.value(reg.straight(b))
	if !ok {
		return 0, p.bad(name, fmt.Sprintf("% x, which are no digits", b))
	}
	return n, nil
}

// bad says what a register reads that it should not.
func (p *Profile) bad(name, what string) error {
	reg := p.registers[name]
	return fmt.Errorf("%w: %s (function %d, register %d) reads %s: check that it is a %s %s, and its profile %s",
		drivers.ErrValue, name, reg.function, reg.address, what, p.Vendor, p.Model, p.Name)
}

// bytes are the register's bytes as they came.
func (r register) bytes(p *Profile, data [][]byte) []byte {
	from := 2 * (r.address - p.requests[r.in].address)
	return data[r.in][from : from+2*r.count]
}

// straight puts bytes as they came in order, highest first.
func (r register) straight(b []byte) []byte {
	out := make([]byte, len(b))
	for i, letter := range []byte(r.order) {
		out[letter-'A'] = b[i]
	}
	return out
}

// value reads a number, highest byte first. It is not ok when a digit is none.
func (k kind) value(b []byte) (n uint64, ok bool) {
	for _, x := range b {
		if k.digits == 0 {
			n = n<<8 | uint64(x)
			continue
		}
		if x>>4 > 9 || x&0xf > 9 {
			return 0, false
		}
		n = n*100 + uint64(x>>4)*10 + uint64(x&0xf)
	}
	return n, true
}

func allFF(b []byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != 0xff })
}

// litres is count × factor × num/den, rounded down, exactly. It is not ok when it does not fit.
func litres(count, factor, num, den uint64) (n int64, ok bool) {
	over, counts := bits.Mul64(count, factor)
	hi, lo := bits.Mul64(counts, num)
	if over != 0 || hi >= den {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, den)
	return int64(q), q <= math.MaxInt64
}
