package kerong

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

var (
	_ bus.Decoder = (*Bank)(nil)
	_ bus.Costed  = (*Bank)(nil)
)

// PollCost is one status exchange with each board.
func (b *Bank) PollCost() []bus.Cost {
	costs := make([]bus.Cost, 0, len(b.boards))
	for _, board := range b.boards {
		costs = append(costs, b.statusCost(board))
	}
	return costs
}

// OpenCost is the reading before an unlock and its frame, of the first board: all cost the same. A bank whose polarity is not
// proven opens nothing.
func (b *Bank) OpenCost() []bus.Cost {
	if b.cfg.ClosedBit == Unproven {
		return nil
	}
	board := b.boards[0]
	return []bus.Cost{
		b.statusCost(board),
		{Device: b.device(board), Out: len(b.speech.unlock(board, 0)), Answer: optional},
	}
}

func (b *Bank) statusCost(board int) bus.Cost {
	return bus.Cost{
		Device: b.device(board), Out: len(b.speech.status(board)), In: b.speech.answerLen(),
		Answer: b.cfg.Answer, Lateness: b.cfg.Lateness,
	}
}

// Match is how the answer to a frame of this bank is known: a status request's answer by its board, none to an unlock.
func (b *Bank) Match(device string, frame []byte) (bus.Matcher, bool) {
	board, lock, ok := b.asked(device, frame)
	if !ok || lock > 0 {
		return nil, ok
	}
	return b.speech.answer(board), true
}

// Explain says what a frame of this bank asked and what came, by the bank's own numbers of locks.
func (b *Bank) Explain(device string, frame, answer []byte) string {
	board, lock, ok := b.asked(device, frame)
	switch {
	case !ok:
		return fmt.Sprintf("%s: no frame of this bank", device)
	case lock > 0 && len(answer) > 0:
		return fmt.Sprintf("board %d: open lock %d; answered, which proves nothing", board, lock)
	case lock > 0:
		return fmt.Sprintf("board %d: open lock %d", board, lock)
	case len(answer) == 0:
		return fmt.Sprintf("board %d: status? no answer", board)
	}
	if v, n := b.speech.answer(board)(answer); v != bus.Complete || n != len(answer) {
		return fmt.Sprintf("board %d: status? no answer of this board: % x", board, answer)
	}
	s, err := b.speech.read(answer)
	if err != nil {
		return fmt.Sprintf("board %d: status? %v", board, err)
	}
	return fmt.Sprintf("board %d: %s", board, strings.Join(b.said(board, s), "; "))
}

// said puts a board's bits into words.
func (b *Bank) said(board int, s bits) []string {
	var set, inside []string
	all := true
	for i, p := range b.places {
		if p.Board != board {
			continue
		}
		latch := s.latch>>p.Lock&1 == 1
		all = all && latch
		if latch != (b.cfg.ClosedBit == ClosedIs1) { // unproven: bits that are 1
			set = append(set, strconv.Itoa(i+1))
		}
		if b.cfg.Sensors && s.item>>p.Lock&1 == 1 {
			inside = append(inside, strconv.Itoa(i+1))
		}
	}
	var words []string
	switch {
	case b.cfg.ClosedBit == Unproven && all:
		words = []string{"all latch bits 1"}
	case b.cfg.ClosedBit == Unproven && len(set) == 0:
		words = []string{"all latch bits 0"}
	case b.cfg.ClosedBit == Unproven:
		words = []string{"latch bits 1 of locks " + strings.Join(set, ", ")}
	case len(set) == 0:
		words = []string{"all doors closed"}
	default:
		words = []string{"door locks " + strings.Join(set, ", ") + " open"}
	}
	if len(inside) > 0 {
		words = append(words, "item in "+strings.Join(inside, ", "))
	}
	return words
}

// asked reads a request as this bank sends it to device: its board, and the bank's own number of the lock to open, 0 when it
// asks for status. It is not ok for any other frame.
func (b *Bank) asked(device string, frame []byte) (board, lock int, ok bool) {
	for _, board := range b.boards {
		if b.device(board) != device {
			continue
		}
		if bytes.Equal(frame, b.speech.status(board)) {
			return board, 0, true
		}
		for i, p := range b.places {
			if p.Board == board && bytes.Equal(frame, b.speech.unlock(board, p.Lock)) {
				return board, i + 1, true
			}
		}
	}
	return 0, 0, false
}
