package modbus

import (
	"bytes"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// partialLife is how long a request may stand still before it is given up. On a wire that is 3.5 characters; a host behind
// a USB adapter, or on a busy machine, is not as steady.
const partialLife = 50 * time.Millisecond

// RTU is a bus as its serial line hears it: frames with a unit and a CRC. It is a line.Device of one wire.
type RTU struct {
	heard
	lastByte time.Time
}

// RTU returns the bus's end of a serial line.
func (b *Bus) RTU() *RTU { return &RTU{heard: newHeard(b)} }

// Hear takes what the host sent. It is a method of line.Device.
func (t *RTU) Hear(b []byte, now time.Time) []line.Heard {
	var out []line.Heard
	if len(t.partial) > 0 && now.Sub(t.lastByte) > partialLife {
		out = append(out, line.Heard{Bytes: t.partial, Meaning: damaged(t.partial)})
		t.partial = nil
	}
	t.lastByte = now
	frames := t.cut(b, cutRTU, damaged)
	for i, f := range frames {
		if f.Meaning.Bad {
			continue
		}
		unit, pdu := f.Bytes[0], f.Bytes[1:len(f.Bytes)-2]
		frames[i].Meaning = t.asks(unit, pdu)
		if a, ok := t.bus.ask(unit, pdu, now); ok {
			frames[i].Answers = []line.Answer{{After: a.after, Bytes: a.cut(appendRTU(nil, a.unit, a.pdu))}}
		}
	}
	return append(out, frames...)
}

// Explain says what bytes on their way to the host mean. It is a method of line.Device.
func (t *RTU) Explain(b []byte) line.Meaning {
	switch {
	case len(b) < minRTU:
		return rubbish(b)
	case !checked(b):
		return wrongCRC(b)
	}
	return t.says(b[0], b[1:len(b)-2])
}

// heard is what one connection has heard of the host: bytes that are no whole request yet, and the last request to each
// unit, which tells what an answer means.
type heard struct {
	bus     *Bus
	partial []byte
	last    map[byte]request
}

func newHeard(b *Bus) heard { return heard{bus: b, last: map[byte]request{}} }

// cut adds b to what waits and takes off every whole request, and what can never become one.
func (t *heard) cut(b []byte, first func([]byte) (junk, n int), spoilt func([]byte) line.Meaning) (out []line.Heard) {
	rest := append(t.partial, b...)
	for len(rest) > 0 {
		junk, n := first(rest)
		if junk > 0 {
			out = append(out, line.Heard{Bytes: bytes.Clone(rest[:junk]), Meaning: spoilt(rest[:junk])})
		}
		if n > 0 {
			out = append(out, line.Heard{Bytes: bytes.Clone(rest[junk : junk+n])})
		}
		rest = rest[junk+n:]
		if n == 0 {
			break
		}
	}
	t.partial = bytes.Clone(rest)
	return out
}
