package modbus

import "encoding/binary"

// Functions, and the exceptions with which they are refused.
const (
	fnCoils         = 0x01
	fnInputs        = 0x02
	fnHolding       = 0x03
	fnInputRegister = 0x04
	fnWriteCoil     = 0x05
	fnWriteRegister = 0x06
	fnWriteCoils    = 0x0f
	fnWriteHolding  = 0x10

	refused = 0x80 // set in the function of an exception

	noFunction = 0x01
	noAddress  = 0x02
	noValue    = 0x03
	busy       = 0x06
)

const (
	minRTU     = 4   // unit, function, CRC
	maxRTU     = 256 // the longest frame on a serial line
	headTCP    = 7   // transaction 2, protocol 2, length 2, unit
	maxTCP     = 260
	maxRegs    = 125
	maxBits    = 2000
	broadcast  = 0
	coilOn     = 0xff00
	coilOff    = 0x0000
	fixedAsked = 5 // bytes of a request of functions 1 to 6: function, address, count or value
)

// request is what a host asks for. Of functions other than 1 to 6 only fn counts.
type request struct {
	fn   byte
	addr uint16
	n    uint16 // how many; of a write the value
}

// parseRequest reads a request without its unit and its check. It reports false when the length is not the function's.
func parseRequest(pdu []byte) (request, bool) {
	r := request{fn: pdu[0]}
	if r.fn < fnCoils || r.fn > fnWriteRegister {
		return r, true
	}
	if len(pdu) != fixedAsked {
		return r, false
	}
	r.addr, r.n = binary.BigEndian.Uint16(pdu[1:]), binary.BigEndian.Uint16(pdu[3:])
	return r, true
}

// exception refuses a request.
func exception(fn, code byte) []byte { return []byte{fn | refused, code} }

// appendRegisters appends an answer of registers.
func appendRegisters(dst []byte, fn byte, regs []uint16) []byte {
	dst = append(dst, fn, byte(2*len(regs)))
	for _, r := range regs {
		dst = binary.BigEndian.AppendUint16(dst, r)
	}
	return dst
}

// appendBits appends an answer of coils or inputs, bit 0 of the first byte first.
func appendBits(dst []byte, fn byte, bits []bool) []byte {
	packed := make([]byte, (len(bits)+7)/8)
	for i, on := range bits {
		if on {
			packed[i/8] |= 1 << (i % 8)
		}
	}
	return append(append(dst, fn, byte(len(packed))), packed...)
}

// appendRTU appends a frame of a serial line.
func appendRTU(dst []byte, unit byte, pdu []byte) []byte {
	from := len(dst)
	dst = append(append(dst, unit), pdu...)
	return binary.LittleEndian.AppendUint16(dst, crc(dst[from:]))
}

// appendTCP appends a frame of a TCP connection.
func appendTCP(dst []byte, transaction uint16, unit byte, pdu []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, transaction)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(pdu)+1))
	return append(append(dst, unit), pdu...)
}

// crc is CRC-16/MODBUS: polynomial A001 reflected, from FFFF.
func crc(b []byte) uint16 {
	sum := uint16(0xffff)
	for _, x := range b {
		sum ^= uint16(x)
		for range 8 {
			carry := sum & 1
			sum >>= 1
			if carry == 1 {
				sum ^= 0xa001
			}
		}
	}
	return sum
}

// checked reports whether b ends with its right CRC.
func checked(b []byte) bool {
	return len(b) >= minRTU && crc(b[:len(b)-2]) == binary.LittleEndian.Uint16(b[len(b)-2:])
}

// knownLen reports whether the length of a function's requests is known here.
func knownLen(fn byte) bool {
	return fn >= fnCoils && fn <= fnWriteRegister || fn == fnWriteCoils || fn == fnWriteHolding
}

// requestLen is the length of the serial request that b begins with, or the least it can have while b is too short to
// tell. A request of an unknown function is taken to end where b does.
func requestLen(b []byte) int {
	switch {
	case len(b) < 2:
		return minRTU
	case !knownLen(b[1]):
		return max(minRTU, len(b))
	case b[1] <= fnWriteRegister:
		return fixedAsked + 3
	case len(b) < 7:
		return 9
	}
	return 9 + int(b[6])
}

// cutRTU takes the first request off b: junk bytes that belong to none, then n bytes with a right CRC. n is 0 when b holds
// none; it is then all junk, or none of it is junk and the end of a request may still come. Behind junk only requests of
// known functions are looked for.
func cutRTU(b []byte) (junk, n int) {
	for junk := range b {
		rest := b[junk:]
		if junk > 0 && len(rest) > 1 && !knownLen(rest[1]) {
			continue
		}
		if n := requestLen(rest); n <= min(len(rest), maxRTU) && checked(rest[:n]) {
			return junk, n
		}
	}
	if len(b) < requestLen(b) || len(b) > 1 && !knownLen(b[1]) && len(b) < maxRTU {
		return 0, 0
	}
	return len(b), 0
}

// cutTCP takes the first request off b like cutRTU. A TCP stream has no gaps and no check to find a place by: what begins
// wrong is junk to its end.
func cutTCP(b []byte) (junk, n int) {
	if len(b) >= 4 && binary.BigEndian.Uint16(b[2:]) != 0 {
		return len(b), 0
	}
	if len(b) < headTCP-1 {
		return 0, 0
	}
	n = headTCP - 1 + int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case n < headTCP+1 || n > maxTCP:
		return len(b), 0
	case n > len(b):
		return 0, 0
	}
	return 0, n
}
