package modbus

import (
	"bytes"
	"encoding/binary"

	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Frames (docs/modbus.md 2): RTU is unit, function, data, CRC; on TCP a header of seven bytes stands before function and
// data, and there is no CRC.
const (
	exception = 0x80 // in the function of an answer that says no

	exceptionLen = 5 // RTU: unit, function, code, CRC
	echoLen      = 8 // RTU: an answer to a write
	headerLen    = 7 // TCP: transaction, protocol, length, unit
	maxTCP       = 260
)

// crc is CRC-16/MODBUS: polynomial A001, reflected, initial FFFF; sent low byte first.
func crc(b []byte) uint16 {
	sum := uint16(0xffff)
	for _, x := range b {
		sum ^= uint16(x)
		for range 8 {
			if sum&1 == 1 {
				sum = sum>>1 ^ 0xa001
			} else {
				sum >>= 1
			}
		}
	}
	return sum
}

// sound tells whether an RTU frame ends with its CRC.
func sound(frame []byte) bool {
	n := len(frame) - 2
	return n > 0 && crc(frame[:n]) == binary.LittleEndian.Uint16(frame[n:])
}

// rtuLen is how long the RTU answer that begins with in is: 0 when more must come to tell, -1 when no answer that we know
// begins so.
func rtuLen(in []byte) int {
	switch {
	case len(in) < 2:
		return 0
	case in[1]&exception != 0:
		return exceptionLen
	}
	switch in[1] {
	case modbus.FuncCodeReadCoils, modbus.FuncCodeReadDiscreteInputs, modbus.FuncCodeReadHoldingRegisters, modbus.FuncCodeReadInputRegisters:
		if len(in) < 3 {
			return 0
		}
		return exceptionLen + int(in[2])
	case modbus.FuncCodeWriteSingleCoil, modbus.FuncCodeWriteSingleRegister, modbus.FuncCodeWriteMultipleCoils, modbus.FuncCodeWriteMultipleRegisters:
		return echoLen
	}
	return -1
}

// dataLen is how many bytes follow the byte count in the good answer to a read of function and quantity.
func dataLen(function byte, quantity uint16) int {
	switch function {
	case modbus.FuncCodeReadCoils, modbus.FuncCodeReadDiscreteInputs:
		return (int(quantity) + 7) / 8
	default:
		return 2 * int(quantity)
	}
}

// answers tells whether pdu, the function and data of a sound answer, answers the function and data asked. A write is
// answered by its echo.
func answers(asked, pdu []byte) bool {
	switch {
	case len(pdu) < 2:
		return false
	case pdu[0] == asked[0]|exception:
		return len(pdu) == 2
	case pdu[0] != asked[0]:
		return false
	case asked[0] == modbus.FuncCodeWriteSingleCoil:
		return bytes.Equal(asked, pdu)
	}
	n := dataLen(asked[0], binary.BigEndian.Uint16(asked[3:]))
	return len(pdu) == 2+n && int(pdu[1]) == n
}

// rtuAnswer returns the Matcher for the answer to an RTU request. A frame of another unit, function, length or echo is
// foreign. What is damaged is skipped up to where the answer, or at least its first two bytes, can begin: noise before an
// answer must not swallow it.
func rtuAnswer(req []byte) bus.Matcher {
	unit, asked := req[0], req[1:len(req)-2]
	mine := func(in []byte) bool { // in begins with the whole answer
		n := rtuLen(in)
		return n > 0 && n <= len(in) && in[0] == unit && answers(asked, in[1:n-2]) && sound(in[:n])
	}
	begins := func(in []byte) bool { // the answer may begin with in
		return in[0] == unit && (len(in) < 2 || in[1]&^exception == asked[0])
	}
	return func(in []byte) (bus.Verdict, int) {
		n := rtuLen(in)
		if n > 0 && n <= len(in) && sound(in[:n]) {
			if mine(in) {
				return bus.Complete, n
			}
			return bus.Foreign, n
		}
		for i := 1; i < len(in); i++ {
			if mine(in[i:]) {
				return bus.Bad, i
			}
		}
		if n == 0 || n > len(in) {
			return bus.More, 0
		}
		for i := 1; i < len(in); i++ {
			if begins(in[i:]) {
				return bus.Bad, i
			}
		}
		return bus.Bad, len(in)
	}
}

// tcpAnswer returns the Matcher for the answer to a Modbus TCP request. A frame of another transaction or unit is foreign.
// A header that is none leaves nothing to go by: all of it is damaged, and the time-out renews the connection.
func tcpAnswer(req []byte) bus.Matcher {
	return func(in []byte) (bus.Verdict, int) {
		if len(in) < headerLen+1 {
			return bus.More, 0
		}
		n := headerLen - 1 + int(binary.BigEndian.Uint16(in[4:]))
		switch {
		case in[2] != 0 || in[3] != 0 || n < headerLen+2 || n > maxTCP:
			return bus.Bad, len(in)
		case len(in) < n:
			return bus.More, 0
		case !bytes.Equal(in[:2], req[:2]) || in[6] != req[6]:
			return bus.Foreign, n
		case !answers(req[headerLen:], in[headerLen:n]):
			return bus.Bad, n
		}
		return bus.Complete, n
	}
}
