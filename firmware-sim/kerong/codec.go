package kerong

import "time"

// Bytes of dialect A (docs/kerong.md).
const (
	stx = 0x02
	etx = 0x03

	cmdStatus     = 0x30
	cmdUnlock     = 0x31
	cmdStatusAll  = 0x32
	cmdUnlockAll  = 0x33
	rspStatus     = 0x35
	rspStatusAll  = 0x36
	cmdPulse      = 0x37
	rspPulse      = 0x38
	cmdDelay      = 0x39
	cmdBaud       = 0x40
	cmdRecruit    = 0x80
	cmdNewAddress = 0x81

	broadcast = 0x0f // board number that means every board

	pulseUnit = 10 * time.Millisecond // of cmdPulse
)

// request is one frame from the host whose shape is right. Its sum may still be wrong.
type request struct {
	board, lock int  // from ADDR; lock counts from 0
	cmd         byte // as dialect A has it
	all         bool // of every board
	data        []byte
	sumOK       bool
}

// requestLen is the length of the request that b begins with, 0 when b must grow before that can be told, -1 when
// there is no such request.
func requestLen(b []byte) int {
	if len(b) < 3 {
		return 0
	}
	switch b[2] {
	case cmdStatus, cmdUnlock, cmdStatusAll, cmdUnlockAll, cmdRecruit:
		return 5
	case cmdDelay, cmdBaud:
		return 6
	case cmdNewAddress:
		return 9
	case cmdPulse:
		switch {
		case len(b) < 5:
			return 0
		case b[3] == etx && b[4] == sum(b[:4]):
			return 5 // without data: a question
		}
		return 7
	}
	return -1
}

// cut takes the first request off b: junk bytes that belong to none, then n bytes of request. n is 0 when b holds no
// whole request yet; the junk can be dropped all the same.
func cut(b []byte) (junk, n int) {
	for junk < len(b) {
		rest := b[junk:]
		if rest[0] != stx {
			junk++
			continue
		}
		switch n := requestLen(rest); {
		case n < 0:
			junk++
		case n == 0 || n > len(rest):
			return junk, 0
		case rest[n-2] != etx:
			junk++
		default:
			return junk, n
		}
	}
	return junk, 0
}

// parseRequest reads a frame that cut has found.
func parseRequest(b []byte) request {
	return request{
		board: int(b[1] >> 4), lock: int(b[1] & 0x0f), cmd: b[2], data: b[3 : len(b)-2], all: b[1]>>4 == broadcast,
		sumOK: b[len(b)-1] == sum(b[:len(b)-1]),
	}
}

// appendFrame appends a frame with its ETX and sum.
func appendFrame(dst []byte, board, lock int, cmd byte, data ...byte) []byte {
	from := len(dst)
	dst = append(dst, stx, byte(board<<4|lock), cmd)
	dst = append(dst, data...)
	dst = append(dst, etx)
	return append(dst, sum(dst[from:]))
}

// sum adds every byte before it, STX and ETX included.
func sum(b []byte) byte {
	var s byte
	for _, x := range b {
		s += x
	}
	return s
}
