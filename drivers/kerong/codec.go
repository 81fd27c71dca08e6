package kerong

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// What frames are made of (docs/kerong.md 2). Nothing is escaped: a frame is cut by its length, never by its ends.
const (
	stx = 0x02
	etx = 0x03

	cmdStatus = 0x30 // of one board
	cmdUnlock = 0x31 // one lock

	rspStatus = 0x35 // to 30
	rspAll    = 0x36 // to 32, which this driver does not send: docs/kerong.md 3

	requestLen = 5
	statusLen  = 9

	// LocksPerBoard is how many locks a board of this dialect can carry.
	LocksPerBoard = 16
	maxBoard      = 14 // address 15 means every board: docs/kerong.md 2
)

// What is wrong with bytes that are no answer.
var (
	ErrFrame = errors.New("not a status frame")
	ErrSum   = errors.New("wrong sum")
)

// Status is one board's answer. Bit 0 of Latch and Item is lock 1 of the board. What a latch bit means depends on the
// latch's switch (docs/kerong.md 5).
type Status struct {
	Board int    // 0 to 15
	All   bool   // the answer to a status request to all boards
	Latch uint16 // feedback switches
	Item  uint16 // infrared sensors, 1 = something inside; zeros where none is fitted
}

// AppendStatusRequest appends the request for one board's status. The board must be 0 to 14.
func AppendStatusRequest(dst []byte, board int) []byte {
	return appendRequest(dst, board, 0, cmdStatus)
}

// AppendUnlock appends the request that energises one latch. The board must be 0 to 14, the lock 0 to 15 (its label
// less one).
func AppendUnlock(dst []byte, board, lock int) []byte {
	return appendRequest(dst, board, lock, cmdUnlock)
}

func appendRequest(dst []byte, board, lock int, cmd byte) []byte {
	// a wrapped number would open another door, and board 15 would ask them all
	if board < 0 || board > maxBoard || lock < 0 || lock >= LocksPerBoard {
		panic(fmt.Sprintf("kerong: board %d, lock %d", board, lock))
	}
	frame := [requestLen]byte{stx, byte(board<<4 | lock), cmd, etx}
	frame[requestLen-1] = sum(frame[:requestLen-1])
	return append(dst, frame[:]...)
}

// ParseStatus reads a board's 9-byte answer (docs/kerong.md 3). It returns ErrFrame for another shape and ErrSum for a
// damaged one.
func ParseStatus(b []byte) (Status, error) {
	switch {
	case len(b) != statusLen:
		return Status{}, fmt.Errorf("%d bytes, want %d: %w", len(b), statusLen, ErrFrame)
	case b[0] != stx || b[1]&0x0f != 0 || b[2] != rspStatus && b[2] != rspAll || b[7] != etx:
		return Status{}, fmt.Errorf("% x: %w", b, ErrFrame)
	case b[8] != sum(b[:8]):
		return Status{}, fmt.Errorf("% x, want sum %02x: %w", b, sum(b[:8]), ErrSum)
	}
	return Status{
		Board: int(b[1] >> 4), All: b[2] == rspAll,
		Latch: binary.LittleEndian.Uint16(b[3:]), Item: binary.LittleEndian.Uint16(b[5:]),
	}, nil
}

// sum adds all bytes, STX and ETX included, and keeps the low eight bits.
func sum(b []byte) byte {
	var s byte
	for _, x := range b {
		s += x
	}
	return s
}

// answerOf returns the Matcher for one board's answer to a status request. Another board's answer and one to another
// command are foreign; after damage it looks for the next STX.
func answerOf(board int) bus.Matcher {
	return func(in []byte) (bus.Verdict, int) {
		switch start := bytes.IndexByte(in, stx); {
		case start < 0:
			return bus.Bad, len(in)
		case start > 0:
			return bus.Bad, start
		case len(in) < statusLen:
			return bus.More, 0
		}
		s, err := ParseStatus(in[:statusLen])
		switch {
		case err != nil:
			return bus.Bad, nextFrame(in)
		case s.Board != board || s.All:
			return bus.Foreign, statusLen
		}
		return bus.Complete, statusLen
	}
}

// nextFrame is where the next frame may begin in what begins with a damaged one.
func nextFrame(in []byte) int {
	if next := bytes.IndexByte(in[1:], stx); next >= 0 {
		return 1 + next
	}
	return len(in)
}
