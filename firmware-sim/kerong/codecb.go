package kerong

import "encoding/binary"

// Dialect B, of the boards of 48 locks (docs/kerong.md 7). It shares STX, ETX and the sum with dialect A. An answer has no
// ETX: it is cut by its length.
const (
	requestLenB = 6 // 02 ADDR LOCK CMD 03 SUM
	headB       = 5 // of an answer: 02 ADDR LOCK RSP LEN
	latchBytesB = 6
)

// Codes are the command bytes of dialect B, which differ by firmware.
type Codes struct {
	Status byte // asks for a board's status
	Open   byte // opens one lock
	OK     byte // answers both
}

// cut is cut of dialect B: a request has a length of its own, and known commands.
func (k Codes) cut(b []byte) (junk, n int) {
	for junk < len(b) {
		rest := b[junk:]
		switch {
		case rest[0] != stx, len(rest) > 3 && rest[3] != k.Status && rest[3] != k.Open, len(rest) > 4 && rest[4] != etx:
			junk++
		case len(rest) < requestLenB:
			return junk, 0
		default:
			return junk, requestLenB
		}
	}
	return junk, 0
}

// parse reads a frame that cut has found, as the request of dialect A that means the same.
func (k Codes) parse(b []byte) request {
	r := request{board: int(b[1]), lock: int(b[2]), cmd: cmdUnlock, sumOK: b[requestLenB-1] == sum(b[:requestLenB-1])}
	if b[3] == k.Status {
		r.cmd = cmdStatus
	}
	return r
}

// appendAnswer appends an answer with its data.
func (k Codes) appendAnswer(dst []byte, board, lock int, data ...byte) []byte {
	from := len(dst)
	dst = append(dst, stx, byte(board), byte(lock), k.OK, byte(len(data)))
	dst = append(dst, data...)
	return append(dst, sum(dst[from:]))
}

// parseAnswer reads an answer; latch is what it says of a board's latches, of which one without data says nothing.
func (k Codes) parseAnswer(b []byte) (board int, latch uint64, status, ok bool) {
	n := len(b)
	if n < headB+1 || b[0] != stx || b[3] != k.OK || n != headB+int(b[4])+1 || b[4] != 0 && b[4] != latchBytesB {
		return 0, 0, false, false
	}
	var bits [8]byte
	copy(bits[:], b[headB:n-1])
	return int(b[1]), binary.LittleEndian.Uint64(bits[:]), b[4] > 0, true
}
