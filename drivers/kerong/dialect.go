package kerong

import (
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Dialect is what a chain of boards speaks. It is configured, never found out: boards of one dialect do things at frames of
// the other that nobody has written down.
type Dialect uint8

// The dialects.
const (
	A Dialect = iota // boards of 12 and 16 locks: docs/kerong.md 2
	B                // boards of 48 locks: docs/kerong.md 7
)

// String is the dialect's name in configurations and sources: kerong-a, kerong-b.
func (d Dialect) String() string {
	switch d {
	case A:
		return "kerong-a"
	case B:
		return "kerong-b"
	}
	return fmt.Sprintf("kerong-%d", uint8(d))
}

// Locks is how many locks a board of the dialect can carry.
func (d Dialect) Locks() int {
	if d == B {
		return locksB
	}
	return LocksPerBoard
}

// MaxBoard is the highest address of a board; the lowest is 0.
func (d Dialect) MaxBoard() int {
	if d == B {
		return maxBoardB
	}
	return maxBoard
}

// Codes are the command bytes of a board of dialect B, which differ by firmware (docs/kerong.md 7).
type Codes struct {
	Status byte // asks for status
	Open   byte // energises one latch
	OK     byte // answers both
}

// fault names what is wrong with the codes of dialect B.
func (c Codes) fault() error {
	switch {
	case c == Codes{}:
		return errors.New("codes: missing; write status, open and ok as the board's firmware has them")
	case c.Status == 0 || c.Open == 0 || c.OK == 0 || c.Status == c.Open || c.Open == c.OK || c.Status == c.OK:
		return fmt.Errorf("codes: status %02x, open %02x, ok %02x; all three are needed and differ", c.Status, c.Open, c.OK)
	}
	return nil
}

// bits is one board's answer in either dialect. Bit 0 is lock 1 of the board.
type bits struct{ latch, item uint64 }

// speech is a dialect as the driver uses it. Boards and locks count from 0.
type speech interface {
	status(board int) []byte       // the request for a board's status
	unlock(board, lock int) []byte // the request that energises one latch
	answer(board int) bus.Matcher  // for a board's answer to status
	read(frame []byte) (bits, error)
	answerLen() int // bytes of an answer to status
}

// speech is how a chain of this configuration is spoken to.
func (c Config) speech() speech {
	if c.Dialect == B {
		return speechB{c.Codes}
	}
	return speechA{}
}

type speechA struct{}

func (speechA) status(board int) []byte       { return AppendStatusRequest(nil, board) }
func (speechA) unlock(board, lock int) []byte { return AppendUnlock(nil, board, lock) }
func (speechA) answer(board int) bus.Matcher  { return answerOf(board) }
func (speechA) answerLen() int                { return statusLen }

func (speechA) read(frame []byte) (bits, error) {
	s, err := ParseStatus(frame)
	return bits{uint64(s.Latch), uint64(s.Item)}, err
}

type speechB struct{ codes Codes }

func (s speechB) status(board int) []byte       { return s.codes.AppendStatusRequest(nil, board) }
func (s speechB) unlock(board, lock int) []byte { return s.codes.AppendUnlock(nil, board, lock) }
func (s speechB) answer(board int) bus.Matcher  { return s.codes.answerOf(board) }
func (speechB) answerLen() int                  { return statusLenB }

func (s speechB) read(frame []byte) (bits, error) {
	st, err := s.codes.ParseStatus(frame)
	return bits{latch: st.Latch}, err
}
