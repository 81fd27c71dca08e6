package kerong

import (
	"bytes"
	"fmt"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// What frames of dialect B are made of (docs/kerong.md 7). They share STX and the sum with dialect A. An answer has no ETX:
// it is cut by its own length byte.
const (
	requestLenB = 6
	headB       = 5             // STX, ADDR, LOCK, RSP, LEN
	latchesB    = 6             // bytes of latch bits in an answer to status
	statusLenB  = headB + 6 + 1 // with its sum
	openedLenB  = headB + 0 + 1 // an answer to an unlock carries no data
	locksB      = latchesB * 8  // of a board
	maxBoardB   = 99            // the board's switches have two digits
	latchMask   = 1<<locksB - 1 // bits that an answer has
)

// StatusB is one board's answer in dialect B. Bit 0 of Latch is lock 1 of the board, bit 47 lock 48. There are no item bits.
type StatusB struct {
	Board int // 0 to 255; boards are 0 to 99
	Latch uint64
}

// AppendStatusRequest appends the request for one board's status. The board must be 0 to 99.
func (c Codes) AppendStatusRequest(dst []byte, board int) []byte {
	return appendRequestB(dst, board, 0, c.Status)
}

// AppendUnlock appends the request that energises one latch. The board must be 0 to 99, the lock 0 to 47 (its label less
// one).
func (c Codes) AppendUnlock(dst []byte, board, lock int) []byte {
	return appendRequestB(dst, board, lock, c.Open)
}

func appendRequestB(dst []byte, board, lock int, cmd byte) []byte {
	if board < 0 || board > maxBoardB || lock < 0 || lock >= locksB { // a wrapped number would open another door
		panic(fmt.Sprintf("kerong: board %d, lock %d", board, lock))
	}
	frame := [requestLenB]byte{stx, byte(board), byte(lock), cmd, etx}
	frame[requestLenB-1] = sum(frame[:requestLenB-1])
	return append(dst, frame[:]...)
}

// ParseStatus reads a board's 12-byte answer (docs/kerong.md 7). It returns ErrFrame for another shape and ErrSum for a
// damaged one.
func (c Codes) ParseStatus(b []byte) (StatusB, error) {
	const last = statusLenB - 1
	switch {
	case len(b) != statusLenB:
		return StatusB{}, fmt.Errorf("%d bytes, want %d: %w", len(b), statusLenB, ErrFrame)
	case b[0] != stx || b[2] != 0 || b[3] != c.OK || b[4] != latchesB:
		return StatusB{}, fmt.Errorf("% x: %w", b, ErrFrame)
	case b[last] != sum(b[:last]):
		return StatusB{}, fmt.Errorf("% x, want sum %02x: %w", b, sum(b[:last]), ErrSum)
	}
	s := StatusB{Board: int(b[1])}
	for i, x := range b[headB:last] {
		s.Latch |= uint64(x) << (8 * i)
	}
	return s, nil
}

// answerOf returns the Matcher for one board's answer to a status request. Another board's answer, one to an unlock and one
// with another code are foreign; after damage it looks for the next STX.
func (c Codes) answerOf(board int) bus.Matcher {
	return func(in []byte) (bus.Verdict, int) {
		switch start := bytes.IndexByte(in, stx); {
		case start < 0:
			return bus.Bad, len(in)
		case start > 0:
			return bus.Bad, start
		case len(in) < headB:
			return bus.More, 0
		}
		n := headB + int(in[4]) + 1
		switch {
		case n != statusLenB && n != openedLenB: // no answer is of that length: an echo, or damage
			return bus.Bad, nextFrame(in)
		case len(in) < n:
			return bus.More, 0
		case in[n-1] != sum(in[:n-1]):
			return bus.Bad, nextFrame(in)
		}
		if s, err := c.ParseStatus(in[:n]); err != nil || s.Board != board {
			return bus.Foreign, n
		}
		return bus.Complete, n
	}
}
