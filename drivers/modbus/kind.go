package modbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// kind is how a value is written in its registers.
type kind struct {
	name   string
	words  int
	form   form
	digits int    // of form decimal
	most   uint64 // largest whole part
}

type form uint8

const (
	unsigned form = iota
	signed        // two's complement
	decimal       // binary coded, four digits in a register
	float         // IEEE 754
	mixed         // a whole part, and in the last register a fraction of it
)

var kinds = []kind{
	{"int16", 1, signed, 0, 1<<15 - 1}, {"int32", 2, signed, 0, 1<<31 - 1},
	{"uint16", 1, unsigned, 0, 1<<16 - 1}, {"uint32", 2, unsigned, 0, 1<<32 - 1}, {"uint64", 4, unsigned, 0, 1<<64 - 1},
	{"bcd4", 1, decimal, 4, 1e4 - 1}, {"bcd8", 2, decimal, 8, 1e8 - 1}, {"bcd12", 3, decimal, 12, 1e12 - 1}, {"bcd16", 4, decimal, 16, 1e16 - 1},
	{"counter6", 3, mixed, 0, 1<<32 - 1}, {"float32", 2, float, 0, 0},
}

// kindsOf lists the kinds of some forms.
func kindsOf(forms ...form) (names []string) {
	for _, k := range kinds {
		if slices.Contains(forms, k.form) {
			names = append(names, k.name)
		}
	}
	return names
}

// orders of the bytes on the wire, by words; the first is the usual one.
var orders = [...][]string{
	1: {"AB", "BA"}, 2: {"ABCD", "CDAB", "BADC", "DCBA"}, 3: {"ABCDEF", "EFCDAB", "BADCFE", "FEDCBA"},
	4: {"ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"},
}

// counterOrders are those of a counter: its fraction comes last.
var counterOrders = []string{"ABCDEF", "CDABEF"}

func (k kind) orders() []string {
	if k.form == mixed {
		return counterOrders
	}
	return orders[k.words]
}

// straight puts bytes as they came in order, highest first.
func straight(order string, b []byte) []byte {
	out := make([]byte, len(b))
	for i, letter := range []byte(order) {
		out[letter-'A'] = b[i]
	}
	return out
}

// value reads a number, highest byte first, exactly. fraction is how many counts of a counter's last register make one. It
// says why when the bytes are no number.
func (k kind) value(b []byte, fraction uint64) (n *big.Rat, why string) {
	n = new(big.Rat)
	switch k.form {
	case decimal:
		sum := uint64(0)
		for _, x := range b {
			if x>>4 > 9 || x&0xf > 9 {
				return nil, "are no digits"
			}
			sum = sum*100 + uint64(x>>4)*10 + uint64(x&0xf)
		}
		return n.SetUint64(sum), ""
	case float:
		f := float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, "are no number"
		}
		return n.SetFloat64(f), "" // every float32 is a fraction of whole numbers
	case mixed:
		part := uint64(binary.BigEndian.Uint16(b[4:]))
		if part >= fraction {
			return nil, fmt.Sprintf("have a fraction of %d, of %d in one", part, fraction)
		}
		whole := new(big.Rat).SetUint64(uint64(binary.BigEndian.Uint32(b)))
		return whole.Add(whole, ratio(part, fraction)), ""
	}
	v := new(big.Int).SetBytes(b)
	if k.form == signed && b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n.SetInt(v), ""
}

// ratio is num/den.
func ratio(num, den uint64) *big.Rat {
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(num), new(big.Int).SetUint64(den))
}

// floatStep is how far a float32, which is a number, is from the next larger one.
func floatStep(b []byte) *big.Rat {
	here := math.Float32frombits(binary.BigEndian.Uint32(b) &^ (1 << 31))
	next := math.Nextafter32(here, math.MaxFloat32)
	return new(big.Rat).SetFloat64(float64(next) - float64(here)) // exact: 24 bits each, and neighbours
}

// floor is n rounded down. It is not ok when that is below 0 or does not fit.
func floor(n *big.Rat) (whole int64, ok bool) {
	q := new(big.Int).Div(n.Num(), n.Denom()) // Euclidean: down, as the denominator is positive
	return q.Int64(), q.Sign() >= 0 && q.IsInt64()
}

func allFF(b []byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != 0xff })
}
