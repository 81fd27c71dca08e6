package modbus

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// RegisterValue is one value of a device as it came, beside its meaning.
type RegisterValue struct {
	Name     string `json:"name"` // as in the profile; of a door: contact, exit, output
	Function int    `json:"function"`
	Wire     int    `json:"wire_address"`
	Manual   int    `json:"manual_address"`  // as the profile counts
	Words    string `json:"words"`           // hexadecimal, as they came; of a door: 0 or 1
	Type     string `json:"type,omitempty"`  // as in the profile
	Order    string `json:"order,omitempty"` // of the bytes, A is the highest
	Number   string `json:"number,omitempty"`
	Litres   *int64 `json:"litres,omitempty"` // of a total, rounded down
	Meaning  string `json:"meaning,omitempty"`
}

// Examine reads the meter once like Read, and with it what its profile only explains. The values are those that came, even
// where they make no reading.
func (m *Meter) Examine(ctx context.Context) (drivers.Reading, []RegisterValue, error) {
	r, data, lost, err := m.read(ctx, m.layout.requests)
	var why error
	if err == nil { // else it says so itself
		why = lost
	}
	return r, m.layout.explain(data, why), err
}

// explain says what each register means. What data lacks is nil or beyond its end, and lost is why, if that is to be said.
func (l *layout) explain(data [][]byte, lost error) (all []RegisterValue) {
	for _, role := range roles {
		reg, mapped := l.registers[role.name]
		if !mapped {
			continue
		}
		v := RegisterValue{
			Name: role.name, Function: int(reg.function), Wire: reg.address, Manual: reg.address + l.base, Type: reg.kind.name, Order: reg.order,
		}
		if !l.has(data, role.name) {
			if lost != nil {
				v.Meaning = lost.Error()
			}
			all = append(all, v)
			continue
		}
		v.Words = words(l.bytes(role.name, data))
		n, err := l.number(role.name, data)
		if err != nil {
			v.Meaning = l.why(err)
		} else {
			v.Number = number(n)
			v.Meaning = l.meaning(role.name, n, data, &v)
		}
		all = append(all, v)
	}
	return all
}

// words writes registers in hexadecimal.
func words(b []byte) string {
	var all []string
	for word := range slices.Chunk(b, 2) {
		all = append(all, hex.EncodeToString(word))
	}
	return strings.Join(all, " ")
}

// has tells whether all of some registers are there.
func (l *layout) has(data [][]byte, names ...string) bool {
	for _, name := range names {
		if reg, mapped := l.registers[name]; mapped && (reg.in >= len(data) || data[reg.in] == nil) {
			return false
		}
	}
	return true
}

// why is an error of decoding without what stands beside it anyway.
func (l *layout) why(err error) string {
	_, why, _ := strings.Cut(err.Error(), " reads ")
	why, _, _ = strings.Cut(why, ": check that it is ")
	return why
}

func (l *layout) meaning(name string, n *big.Rat, data [][]byte, v *RegisterValue) string {
	reg := l.registers[name]
	switch name {
	case total, second:
		return l.explainTotal(name, data, v)
	case status:
		return bits(reg.bits, n.Num())
	case serial:
		v.Number = fmt.Sprintf("%0*d", reg.kind.digits, n.Num())
		return ""
	case model:
		return fmt.Sprintf("this model reads %v", reg.values)
	case scale, secondScale:
		return "factor of the scale"
	case divisor:
		return "counts in one of the scale"
	}
	return "a hint at the decimal point: not used"
}

func (l *layout) explainTotal(name string, data [][]byte, v *RegisterValue) string {
	if !l.has(data, scale, divisor, secondScale) {
		return ""
	}
	per, err := l.perCount(name, data)
	if err != nil {
		return l.why(err)
	}
	litres, err := l.volume(name, per, data)
	if err != nil {
		return l.why(err)
	}
	v.Litres = &litres
	said := fmt.Sprintf("x %s l = %d l = %s 度", per.RatString(), litres, cubicMetres(litres))
	if name == second {
		said += ", not billed"
	}
	return said
}

// cubicMetres writes litres as 度.
func cubicMetres(litres int64) string { return fmt.Sprintf("%d.%03d", litres/1000, litres%1000) }

// number writes a number in decimal, with six decimals at most.
func number(n *big.Rat) string {
	if n.IsInt() {
		return n.Num().String()
	}
	return strings.TrimRight(n.FloatString(6), "0")
}

// bits names the bits that are set.
func bits(names []string, n *big.Int) string {
	var set []string
	for bit := range n.BitLen() {
		switch {
		case n.Bit(bit) == 0:
		case bit < len(names) && names[bit] != "":
			set = append(set, names[bit])
		default:
			set = append(set, fmt.Sprintf("bit %d", bit))
		}
	}
	if set == nil {
		return "no bit is set"
	}
	return strings.Join(set, ", ")
}

// Examine reads the door once like Status, and says what stands where.
func (d *Door) Examine(ctx context.Context) (drivers.DoorStatus, []RegisterValue, error) {
	st, err := d.Status(ctx)
	if err != nil {
		return st, nil, err
	}
	var all []RegisterValue
	add := func(name string, function byte, address, value int, meaning string) {
		all = append(all, RegisterValue{
			Name: name, Function: int(function), Wire: address, Manual: address, Words: fmt.Sprint(value), Meaning: meaning,
		})
	}
	bit := map[bool]int{true: 1}
	if c := d.cfg.Contact; c != nil {
		reads, means := d.cfg.OpenIs, "the door is open"
		if st.Contact == drivers.ContactClosed {
			reads, means = 1-d.cfg.OpenIs, "the door is closed"
		}
		add("contact", modbus.FuncCodeReadDiscreteInputs, *c, reads, fmt.Sprintf("%s (open reads %d)", means, d.cfg.OpenIs))
	}
	if c := d.cfg.Exit; c != nil {
		add("exit", modbus.FuncCodeReadDiscreteInputs, *c, bit[st.Exit], map[bool]string{true: "pressed", false: "not pressed"}[st.Exit])
	}
	add("output", modbus.FuncCodeReadCoils, d.cfg.Output, bit[st.Released], map[bool]string{true: "on: the door can be opened", false: "off"}[st.Released])
	return st, all, nil
}

// asked is what a frame asks of this unit: function and four bytes. It is not ok for a frame that none of ours is.
func (u *unit) asked(device string, frame []byte) (pdu []byte, ok bool) {
	switch {
	case device != u.health.Device:
		return nil, false
	case u.protocol == TCP:
		ok = len(frame) == readTCP && frame[2]|frame[3]|frame[4] == 0 && frame[5] == 6 && frame[6] == u.address
		return frame[min(headerLen, len(frame)):], ok
	}
	ok = len(frame) == readLen && frame[0] == u.address && sound(frame)
	return frame[min(1, len(frame)):max(len(frame)-2, min(1, len(frame)))], ok
}

// said is the function and data of the answer to frame; nil: it is none.
func (u *unit) said(frame, answer []byte) []byte {
	if v, n := u.match(frame)(answer); v != bus.Complete || n != len(answer) {
		return nil
	}
	if u.protocol == TCP {
		return answer[headerLen:]
	}
	return answer[1 : len(answer)-2]
}

// conclude says what an answer says: an exception, nothing, or what good makes of its function and data.
func (u *unit) conclude(frame, answer []byte, good func(pdu []byte) string) string {
	if len(answer) == 0 {
		return "no answer"
	}
	pdu := u.said(frame, answer)
	switch {
	case pdu == nil:
		return "no answer to it: damaged, or of another device"
	case pdu[0]&exception != 0:
		return refusal(pdu[1], "the unit has no such function or address").Error()
	}
	return good(pdu)
}

// Match is the Matcher with which the meter sends frame to device.
func (m *Meter) Match(device string, frame []byte) (bus.Matcher, bool) {
	if _, ok := m.request(device, frame); !ok {
		return nil, false
	}
	return m.match(frame), true
}

// request is which of the meter's requests a frame is.
func (m *Meter) request(device string, frame []byte) (i int, ok bool) {
	pdu, ok := m.asked(device, frame)
	if !ok {
		return 0, false
	}
	for i, s := range m.layout.requests {
		if string(pdu) == string([]byte{s.function, byte(s.address >> 8), byte(s.address), 0, byte(s.count)}) {
			return i, true
		}
	}
	return 0, false
}

// Explain says what a frame asked of the meter and what it answered.
func (m *Meter) Explain(device string, frame, answer []byte) string {
	i, ok := m.request(device, frame)
	if !ok {
		return "no request to this meter"
	}
	s := m.layout.requests[i]
	return fmt.Sprintf("unit %d, function %d, registers %d to %d: ", m.address, s.function, s.address, s.end()-1) +
		m.conclude(frame, answer, func(pdu []byte) string {
			data := make([][]byte, len(m.layout.requests))
			data[i] = pdu[2:]
			var said []string
			for _, v := range m.layout.explain(data, nil) {
				if v.Words == "" { // another request's
					continue
				}
				said = append(said, strings.TrimSpace(v.Name+" "+v.Words+" = "+v.Number+" "+v.Meaning))
			}
			return strings.Join(said, "; ")
		})
}

// Match is the Matcher with which the door sends frame to device.
func (d *Door) Match(device string, frame []byte) (bus.Matcher, bool) {
	if what := d.what(device, frame); what == "" {
		return nil, false
	}
	return d.match(frame), true
}

// what is what a frame asks of the door; empty: nothing that the driver asks.
func (d *Door) what(device string, frame []byte) string {
	pdu, ok := d.asked(device, frame)
	if !ok {
		return ""
	}
	address, value := int(pdu[1])<<8|int(pdu[2]), int(pdu[3])<<8|int(pdu[4])
	first, count := d.cfg.inputs()
	switch pdu[0] {
	case modbus.FuncCodeReadDiscreteInputs:
		if count > 0 && address == first && value == count {
			return fmt.Sprintf("reads inputs %d to %d", first, first+count-1)
		}
	case modbus.FuncCodeReadCoils:
		if address == d.cfg.Output && value == 1 {
			return fmt.Sprintf("reads output %d", address)
		}
	case modbus.FuncCodeWriteSingleCoil:
		switch {
		case address == d.cfg.Output && value == coilOff:
			return fmt.Sprintf("output %d off", address)
		case address == d.cfg.Output && value == coilOn && !d.cfg.Flash:
			return fmt.Sprintf("output %d on", address)
		case address == flashBase+d.cfg.Output && d.cfg.Flash && value > 0:
			return fmt.Sprintf("output %d on for %v", d.cfg.Output, time.Duration(value)*flashUnit)
		}
	}
	return ""
}

// Explain says what a frame asked of the door and what its module answered.
func (d *Door) Explain(device string, frame, answer []byte) string {
	what := d.what(device, frame)
	if what == "" {
		return "no request to this door"
	}
	return fmt.Sprintf("unit %d, %s: ", d.address, what) + d.conclude(frame, answer, func(pdu []byte) string {
		if pdu[0] == modbus.FuncCodeWriteSingleCoil {
			return "confirmed"
		}
		return fmt.Sprintf("%08b, the lowest first from the right", pdu[2:])
	})
}
