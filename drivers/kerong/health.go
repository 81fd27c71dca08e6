package kerong

import (
	"errors"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// silentPolls without a good answer make a board count as offline.
const silentPolls = 3

// Health is what the bank knows of its boards, in order of their first lock. It asks nothing.
func (b *Bank) Health() []drivers.Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]drivers.Health, 0, len(b.boards))
	for _, board := range b.boards {
		all = append(all, *b.health[board])
	}
	return all
}

// heard counts what one status request brought.
func (b *Bank) heard(board int, a bus.Answer, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.health[board]
	h.Errors += uint64(a.Bad + a.Foreign)
	if err != nil {
		if errors.Is(err, drivers.ErrSilent) && !errors.Is(err, bus.ErrResting) { // a poll that was not sent is no time-out
			h.Errors++
		}
		return
	}
	h.Answers++
	h.Silent = 0
	h.LastOK = a.At
	h.Error = ""
	if h.Turn == 0 {
		h.Turn = a.Turn
	}
	h.Turn += (a.Turn - h.Turn) / 8 // follows slowly: one slow answer is no news
	if !h.Online {
		h.Online, h.Since = true, a.At
	}
}

// polled ends one poll of a board. A poll that never reached the line (too late, queue full, ctx ended) says nothing
// about the board.
func (b *Bank) polled(board int, err error) {
	if !errors.Is(err, drivers.ErrSilent) && !errors.Is(err, drivers.ErrGone) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.health[board]
	h.Silent++
	if errors.Is(err, drivers.ErrGone) { // known, where silence may be chance; twice, so that a port may open late at the start
		h.Silent++
	}
	if h.Online && h.Silent < silentPolls {
		return
	}
	h.Error = err.Error()
	if h.Online {
		h.Online, h.Since = false, time.Now()
	}
}
