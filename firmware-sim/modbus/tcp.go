package modbus

import (
	"encoding/binary"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// TCP is a bus as one TCP connection hears it: frames with a transaction number and no CRC. It is a line.Device.
type TCP struct{ heard }

// TCP returns the bus's end of one new connection.
func (b *Bus) TCP() *TCP { return &TCP{newHeard(b)} }

// Hear takes what the host sent. It is a method of line.Device.
func (t *TCP) Hear(b []byte, now time.Time) []line.Heard {
	out := t.cut(b, cutTCP, rubbish)
	for i, f := range out {
		if f.Meaning.Bad {
			continue
		}
		unit, pdu := f.Bytes[headTCP-1], f.Bytes[headTCP:]
		out[i].Meaning = t.asks(unit, pdu)
		if a, ok := t.bus.ask(unit, pdu, now); ok {
			frame := a.cut(appendTCP(nil, binary.BigEndian.Uint16(f.Bytes), a.unit, a.pdu))
			out[i].Answers = []line.Answer{{After: a.after, Bytes: frame}}
		}
	}
	return out
}

// Explain says what bytes on their way to the host mean. It is a method of line.Device.
func (t *TCP) Explain(b []byte) line.Meaning {
	if _, n := cutTCP(b); n != len(b) || n == 0 {
		return rubbish(b)
	}
	return t.says(b[headTCP-1], b[headTCP:])
}
