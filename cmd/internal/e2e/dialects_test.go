package e2e

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	simkerong "github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
)

// dialect is one dialect of locker boards, as the driver and as the simulator have it.
type dialect struct {
	name    string
	dialect simkerong.Dialect
	sim     simkerong.Codes
	status  func(board int) []byte
	unlock  func(board, lock int) []byte
	latches func(answer []byte) (board int, latch uint64, err error)
	boards  []int
}

func dialects() []dialect {
	all := []dialect{{
		name:   "A",
		status: func(board int) []byte { return kerong.AppendStatusRequest(nil, board) },
		unlock: func(board, lock int) []byte { return kerong.AppendUnlock(nil, board, lock) },
		latches: func(answer []byte) (int, uint64, error) {
			s, err := kerong.ParseStatus(answer)
			return s.Board, uint64(s.Latch), err
		},
		boards: []int{0, 1, 2, 3, 14},
	}}
	for _, codes := range []kerong.Codes{{Status: 0x60, Open: 0x61, OK: 0x75}, {Status: 0x50, Open: 0x51, OK: 0x75}} {
		all = append(all, dialect{
			name: fmt.Sprintf("B with %x", codes), dialect: simkerong.B, sim: simkerong.Codes(codes),
			status: func(board int) []byte { return codes.AppendStatusRequest(nil, board) },
			unlock: func(board, lock int) []byte { return codes.AppendUnlock(nil, board, lock) },
			latches: func(answer []byte) (int, uint64, error) {
				s, err := codes.ParseStatus(answer)
				return s.Board, s.Latch, err
			},
			boards: []int{0, 2, 3, 16, 99},
		})
	}
	return all
}

// Driver and simulator were written apart: every lock that the one names is the one that opens in the other, and what that
// says of its latches is what is so.
// invariant 5
func TestDialectsAgree(t *testing.T) {
	for _, d := range dialects() {
		_, locks := d.dialect.Limits()
		synctest.Test(t, func(t *testing.T) {
			var on []simkerong.Board
			for _, a := range d.boards {
				on = append(on, simkerong.Board{Address: a, Locks: locks})
			}
			chain := simkerong.New(simkerong.Config{Dialect: d.dialect, Codes: d.sim, Boards: on, ClosedBit: 1})
			for i, board := range d.boards {
				var open uint64
				for lock := range locks {
					heard := chain.Hear(d.unlock(board, lock), time.Now())
					if len(heard) != 1 || heard[0].Meaning.Bad || !heard[0].Meaning.Marked {
						t.Fatalf("%s: the unlock of board %d, lock %d is heard as %+v", d.name, board, lock, heard)
					}
					time.Sleep(time.Second)
					open |= 1 << lock
					if got := chain.Counts(); got.Openings != uint64(i*locks+lock+1) || !chain.Locks()[i*locks+lock].DoorOpen {
						t.Fatalf("%s: after the unlock of board %d, lock %d the counts are %+v", d.name, board, lock, got)
					}
					heard = chain.Hear(d.status(board), time.Now())
					if len(heard) != 1 || len(heard[0].Answers) != 1 {
						t.Fatalf("%s: the status request of board %d is heard as %+v", d.name, board, heard)
					}
					at, latch, err := d.latches(heard[0].Answers[0].Bytes)
					if err != nil || at != board || latch != ^open&(1<<locks-1) {
						t.Fatalf("%s: board %d says %d, %b, %v; want all but %b", d.name, board, at, latch, err, open)
					}
				}
			}
		})
	}
}
