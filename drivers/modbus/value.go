package modbus

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// maxStep is by how many litres a float may go forward and still be a reading.
const maxStep = 10

// pulsesMost is how many pulses an hour an input of pulses can count: an S0 output is at least 30 ms on and 30 ms off (IEC
// 62053-31), contacts are slower.
const pulsesMost = 60_000

// decode turns what the requests brought into a reading; data[i] answers requests[i]. Whatever is no value of this model
// is drivers.ErrValue.
func (l *layout) decode(data [][]byte) (drivers.Reading, error) {
	r := drivers.Reading{Qmax: l.Qmax}
	if reg, read := l.registers[model]; read {
		n, err := l.number(model, data)
		if err != nil {
			return r, err
		}
		if !slices.Contains(reg.values, n.Num().Uint64()) {
			return r, l.bad(model, fmt.Sprintf("%s, and it should read %v", n.RatString(), reg.values))
		}
	}
	per, err := l.perCount(total, data)
	if err != nil {
		return r, err
	}
	if r.Litres, err = l.volume(total, per, data); err != nil {
		return r, err
	}
	if r.Qmax == 0 && l.Profile.registers[total].litres == nil { // of pulses: the site says what one is
		most, _ := floor(new(big.Rat).Mul(per, ratio(pulsesMost, 1)))
		r.Qmax = max(most, 1)
	}
	end := new(big.Rat).Mul(per, ratio(l.registers[total].rollover, 1))
	if whole, ok := floor(end); ok && end.IsInt() { // where it ends between two litres, nobody knows its range
		r.Range = whole
	}
	if reg, read := l.registers[serial]; read {
		n, err := l.number(serial, data)
		if err != nil {
			return r, err
		}
		r.Serial = fmt.Sprintf("%0*d", reg.kind.digits, n.Num())
	}
	r.Flags, err = l.flags(data)
	return r, err
}

// perCount is how many litres a count of a total is, with what the device says of it.
func (l *layout) perCount(name string, data [][]byte) (*big.Rat, error) {
	per := l.registers[name].litres
	by := map[string][]string{total: {scale, divisor}, second: {secondScale}}
	for _, other := range by[name] {
		reg, read := l.registers[other]
		if !read {
			continue
		}
		n, err := l.number(other, data)
		if err != nil {
			return nil, err
		}
		if n.Sign() <= 0 || reg.values != nil && !slices.Contains(reg.values, n.Num().Uint64()) {
			return nil, l.bad(other, n.RatString())
		}
		if other == divisor {
			n = new(big.Rat).Inv(n)
		}
		per = new(big.Rat).Mul(per, n)
	}
	return per, nil
}

// volume is a total in litres, rounded down.
func (l *layout) volume(name string, per *big.Rat, data [][]byte) (int64, error) {
	reg := l.registers[name]
	count, err := l.number(name, data)
	switch {
	case err != nil:
		return 0, err
	case count.Sign() < 0:
		return 0, l.bad(name, count.RatString()+", and no total is below nothing")
	case reg.rollover > 0 && count.Cmp(ratio(reg.rollover, 1)) >= 0:
		return 0, l.bad(name, fmt.Sprintf("%s, though it rolls over at %d", count.FloatString(0), reg.rollover))
	}
	if reg.kind.form == float {
		step := floatStep(straight(reg.order, l.bytes(name, data)))
		if step.Mul(step, per); step.Cmp(ratio(maxStep, 1)) > 0 {
			return 0, l.bad(name, fmt.Sprintf("a float32 that goes forward by %s litres at a time (read a whole number of the meter instead: docs/modbus.md 6)", step.FloatString(0)))
		}
	}
	n, ok := floor(new(big.Rat).Mul(count, per))
	if !ok {
		return 0, l.bad(name, fmt.Sprintf("%s counts of %s litres", count.RatString(), per.RatString()))
	}
	return n, nil
}

// flags are the names of the status bits that are set.
func (l *layout) flags(data [][]byte) ([]string, error) {
	reg, read := l.registers[status]
	if !read {
		return nil, nil
	}
	if reg.absent && allFF(l.bytes(status, data)) {
		return nil, nil
	}
	n, err := l.number(status, data)
	if err != nil {
		return nil, err
	}
	var set []string
	for bit, name := range reg.bits {
		if name != "" && n.Num().Bit(bit) == 1 {
			set = append(set, name)
		}
	}
	return set, nil
}

// number reads one register of the map.
func (l *layout) number(name string, data [][]byte) (*big.Rat, error) {
	reg := l.registers[name]
	b := l.bytes(name, data)
	if reg.absent && allFF(b) {
		return nil, l.bad(name, "absent (all bits set)")
	}
	n, why := reg.kind.value(straight(reg.order, b), reg.fraction)
	if why != "" {
		return nil, l.bad(name, fmt.Sprintf("% x, which %s", b, why))
	}
	return n, nil
}

// bad says what a register reads that it should not.
func (l *layout) bad(name, what string) error {
	reg := l.registers[name]
	return fmt.Errorf("%w: %s (function %d, register %d) reads %s: check that it is a %s %s, and its profile %s",
		drivers.ErrValue, name, reg.function, reg.address, what, l.Vendor, l.Model, l.Name)
}

// bytes are a register's bytes as they came.
func (l *layout) bytes(name string, data [][]byte) []byte {
	r := l.registers[name]
	from := 2 * (r.address - l.requests[r.in].address)
	return data[r.in][from : from+2*r.count]
}
