package modbus

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// device is a box at one unit with the counters of one or several meters: what its model is, and its registers.
type device struct {
	station
	options Options
	model   model
	meters  []*Meter
	fields  []field
}

// field is a value in one or several registers.
type field struct {
	addr  uint16
	size  int
	words func(live bool) []uint16 // as they stand; live: a host reads them
	// say tells what words mean; look gives other registers of the same answer. nil: the value is not worth a word.
	say func(words []uint16, look lookup) (zh, en string)
}

// lookup is a register of an answer, if it is in it.
type lookup func(addr uint16) (word uint16, has bool)

func (f field) end() int { return int(f.addr) + f.size }

// Stretch is registers that follow each other.
type Stretch struct {
	First uint16
	Words []uint16
}

// stretches are all registers of the map.
func (d *device) stretches() (out []Stretch) {
	for _, f := range d.fields {
		words := f.words(false)
		if last := len(out) - 1; last >= 0 && int(out[last].First)+len(out[last].Words) == int(f.addr) {
			out[last].Words = append(out[last].Words, words...)
			continue
		}
		out = append(out, Stretch{f.addr, slices.Clone(words)})
	}
	return out
}

// wire puts the fields of the map into the order of their addresses. It refuses two at one register.
func (d *device) wire() error {
	d.fields = d.model.fields(d)
	slices.SortFunc(d.fields, func(a, b field) int { return int(a.addr) - int(b.addr) })
	for i := 1; i < len(d.fields); i++ {
		if d.fields[i-1].end() > int(d.fields[i].addr) {
			return fmt.Errorf("two values at register %d", d.fields[i].addr)
		}
	}
	return nil
}

// read are n registers from first, and whether all of them are in the map.
func (d *device) read(first, n int) (words []uint16, whole bool) {
	words = make([]uint16, n)
	got := 0
	for i := range words {
		if d.options.Unmapped == UnmappedFF {
			words[i] = 0xffff
		}
	}
	for _, f := range d.fields {
		if f.end() <= first || int(f.addr) >= first+n {
			continue
		}
		for i, w := range f.words(true) {
			if at := int(f.addr) + i - first; at >= 0 && at < n {
				words[at], got = w, got+1
			}
		}
	}
	return words, got == n
}

// obey answers a request. It is a method of Slave.
func (d *device) obey(r request, now time.Time) []byte {
	switch {
	case !slices.Contains(d.functions(), int(r.fn)):
		return exception(r.fn, noFunction)
	case r.n < 1 || r.n > maxRegs:
		return exception(r.fn, noValue)
	case int(r.addr)+int(r.n) > 1<<16:
		return exception(r.fn, noAddress)
	}
	for _, m := range d.meters {
		m.settle(now)
	}
	words, whole := d.read(int(r.addr), int(r.n))
	if !whole && d.options.Unmapped == UnmappedRefused {
		return exception(r.fn, noAddress)
	}
	if d.faults.AllFF {
		for i := range words {
			words[i] = 0xffff
		}
	}
	return appendRegisters(nil, r.fn, words)
}

// functions are those with which its registers are read.
func (d *device) functions() []int {
	if len(d.options.Functions) > 0 {
		return d.options.Functions
	}
	return d.model.functions
}

// ordered turns the words of a value, the highest first, as the device orders them; and back.
func (d *device) ordered(words []uint16) []uint16 {
	o, out := d.order(), slices.Clone(words)
	if o == CDAB || o == DCBA {
		slices.Reverse(out)
	}
	for i, w := range out {
		if o == BADC || o == DCBA {
			out[i] = w>>8 | w<<8
		}
	}
	return out
}

func (d *device) order() Order {
	if d.options.Order != "" {
		return d.options.Order
	}
	return d.model.order
}

// placed are the words of a value as a host reads them now.
func (d *device) placed(words ...uint16) []uint16 {
	out := d.ordered(words)
	if d.faults.SwapWords {
		slices.Reverse(out)
	}
	return out
}

// asked says what a request means. It is a method of Slave.
func (d *device) asked(r request) line.Meaning {
	if r.fn != fnHolding && r.fn != fnInputRegister {
		return unknown(r)
	}
	return line.Meaning{ZH: "讀暫存器 " + span(r), EN: "read registers " + span(r)}
}

// answered says what the registers of an answer hold. It is a method of Slave.
func (d *device) answered(r request, pdu []byte) line.Meaning {
	if len(pdu) != 2+2*int(r.n) {
		return line.Meaning{ZH: fmt.Sprintf("%d 位元組，與所問不符", len(pdu)), EN: fmt.Sprintf("%d bytes, not what was asked for", len(pdu))}
	}
	look := func(addr uint16) (uint16, bool) {
		i := int(addr) - int(r.addr)
		if i < 0 || i >= int(r.n) {
			return 0, false
		}
		return binary.BigEndian.Uint16(pdu[2+2*i:]), true
	}
	var zh, en phrase
	for _, f := range d.fields {
		if f.say == nil || int(f.addr) < int(r.addr) || f.end() > int(r.addr)+int(r.n) {
			continue
		}
		words := make([]uint16, f.size)
		for i := range words {
			words[i], _ = look(f.addr + uint16(i))
		}
		if z, e := f.say(words, look); z != "" {
			zh, en = append(zh, z), append(en, e)
		}
	}
	if len(zh) == 0 {
		zh.add("暫存器 %s：% X", span(r), pdu[2:])
		en.add("registers %s: % X", span(r), pdu[2:])
	}
	return line.Meaning{ZH: zh.join("，"), EN: en.join(", ")}
}

// String writes registers as the page shows them: "0: 001C 1CB9; 4100: 0001".
func (s Stretch) String() string {
	hex := make([]string, len(s.Words))
	for i, w := range s.Words {
		hex[i] = fmt.Sprintf("%04X", w)
	}
	return fmt.Sprintf("%d: %s", s.First, strings.Join(hex, " "))
}
