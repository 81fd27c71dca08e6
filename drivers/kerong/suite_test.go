package kerong

import "testing"

// chain is a dialect's bank in the suite that every dialect runs: two full boards, all of whose latches read 1 when closed.
type chain struct {
	name string
	cfg  Config
	full uint64 // a board's bits
}

// firmware60 is one of the two sets of codes that have been met.
var firmware60 = Codes{Status: 0x60, Open: 0x61, OK: 0x75}

// both runs one test of drivers.LockBank against every dialect.
func both(t *testing.T, test func(t *testing.T, d chain)) {
	for _, d := range []chain{
		{"A", Config{Boards: 2, ClosedBit: ClosedIs1}, 1<<16 - 1},
		{"B", Config{Dialect: B, Codes: firmware60, Boards: 2, ClosedBit: ClosedIs1}, 1<<48 - 1},
	} {
		t.Run(d.name, func(t *testing.T) { test(t, d) })
	}
}

// lock is the bank's number of a board's lock, both counted from 0.
func (d chain) lock(board, lock int) int { return board*d.cfg.Dialect.Locks() + lock + 1 }

func (d chain) closed() *cabinet { return newCabinet(map[int]uint64{0: d.full, 1: d.full}) }

func (d chain) unproven() Config {
	d.cfg.ClosedBit = Unproven
	return d.cfg
}
