// Package kerong drives KERONG KR-CU locker boards over a bus: those of 12 and 16 locks (dialect A of docs/kerong.md) and
// those of 48 (dialect B).
//
// It reads status board by board and unlocks one latch at a time, judging by the latch's feedback alone. It sends two
// commands only, status and unlock; those that open a whole cabinet or rewrite a board do not exist here. It does not poll
// by itself: its caller asks for status once a second.
//
// Bank is what services use. Commission is for the installer alone: it energises latches whose feedback nobody has
// understood yet.
package kerong

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

const (
	maxAskers   = 8 // unlocks that may wait for the bank's one latch at a time
	maxReadings = 4 // of a board, until two agree
)

// remedy is what a board's own silence comes from (docs/kerong.md 4). What the whole line suffers from its bus says.
const remedy = "check the board's 12 V, its address switch, its A/B wires and ground"

// Line is the part of a bus that a bank needs.
type Line interface {
	Do(ctx context.Context, r bus.Request) (bus.Answer, error)
}

// Bank is a chain of boards on one line and one supply. Its methods may be called from any goroutine.
type Bank struct {
	line   Line
	cfg    Config
	speech speech
	places []Place
	boards []int         // addresses in use, in order of their first lock
	askers chan struct{} // room for those who wait
	latch  chan struct{} // held by the one unlock under way
	supply *Supply

	mu     sync.Mutex
	health map[int]*drivers.Health
	moving map[int]time.Time // boards with a latch on the move, and until when
	seen   map[int]uint64    // latch bits of boards as they are known: two readings agreed
}

var _ drivers.LockBank = (*Bank)(nil)

// New returns the bank that cfg describes, or what Validate finds wrong with it. It sends nothing.
func New(line Line, cfg Config) (*Bank, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("bank %s: %w", cfg.Name, err)
	}
	b := &Bank{
		line: line, cfg: cfg.withDefaults(), speech: cfg.speech(), supply: cfg.Supply,
		askers: make(chan struct{}, maxAskers), latch: make(chan struct{}, 1),
		health: make(map[int]*drivers.Health), moving: make(map[int]time.Time), seen: make(map[int]uint64),
	}
	if b.supply == nil {
		b.supply = NewSupply(0)
	}
	b.places = b.cfg.places()
	for _, p := range b.places {
		if b.health[p.Board] == nil {
			b.boards = append(b.boards, p.Board)
			b.health[p.Board] = &drivers.Health{Device: b.device(p.Board), Error: "not asked yet"}
		}
	}
	return b, nil
}

// Locks is the number of locks of the bank.
func (b *Bank) Locks() int { return len(b.places) }

// Status reads every board once, and those that did not answer again after the others had their turn. A board that is
// known to be silent gets no second try, and one whose latch is moving is asked when the latch has settled.
func (b *Bank) Status(ctx context.Context) (drivers.BankStatus, error) {
	read, err := b.readAll(ctx, bus.Polling)
	st := drivers.BankStatus{Locks: make([]drivers.LockStatus, len(b.places)), Err: err}
	for i, p := range b.places {
		if s, ok := read[p.Board]; ok {
			st.Locks[i] = b.lockStatus(s, p.Lock)
		}
	}
	if len(read) == 0 {
		return st, st.Err
	}
	return st, nil
}

// readAll reads every board as Status says. The error joins those of the boards that did not answer.
func (b *Bank) readAll(ctx context.Context, pr bus.Priority) (map[int]bits, error) {
	read := make(map[int]bits, len(b.boards))
	faults := make(map[int]error, len(b.boards))
	left := b.boards
	for try := 0; try < b.cfg.Tries && len(left) > 0; try++ {
		var again []int
		for _, board := range left {
			b.letMove(ctx, board)
			s, err := b.confirmed(ctx, board, pr)
			if err == nil {
				read[board] = s
				delete(faults, board)
				continue
			}
			if faults[board] == nil || ctx.Err() == nil { // who ends the waiting must not hide what was heard
				faults[board] = err
			}
			if b.worthRetry(board, err) {
				again = append(again, board)
			}
		}
		left = again
	}
	var errs []error
	for _, board := range b.boards {
		err := faults[board]
		b.polled(board, err)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return read, errors.Join(errs...)
}

// confirmed reads one board until its latches are as they were known, or as a reading just before had them: eight bits of sum
// let one damaged frame in 256 pass, and that must not look like a door that moved.
func (b *Bank) confirmed(ctx context.Context, board int, pr bus.Priority) (bits, error) {
	var believed []uint64 // latches that one reading more makes true
	b.mu.Lock()
	if latch, known := b.seen[board]; known {
		believed = append(believed, latch)
	}
	b.mu.Unlock()
	for range maxReadings {
		s, _, err := b.ask(ctx, board, pr, time.Time{})
		if err != nil {
			return s, err
		}
		if slices.Contains(believed, s.latch) {
			b.mu.Lock()
			b.seen[board] = s.latch
			b.mu.Unlock()
			return s, nil
		}
		believed = append(believed, s.latch)
	}
	return bits{}, fmt.Errorf("bank %s: board %d: %w: %d readings differ: check the wires, the ground and the ends of the line",
		b.cfg.Name, board, drivers.ErrSilent, maxReadings)
}

// move says until when one of a board's latches is on the move.
func (b *Bank) move(board int, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moving[board] = until
}

// letMove waits while one of a board's latches is on the move: the board may be silent then, and the quiet after a
// time-out would hold up the reading that judges the latch (docs/kerong.md 4).
func (b *Bank) letMove(ctx context.Context, board int) {
	b.mu.Lock()
	until := b.moving[board]
	b.mu.Unlock()
	wait := time.NewTimer(time.Until(until))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done(): // the request says so
	}
}

// worthRetry reports whether asking again at once can help. A board that was silent before this poll is not asked
// again, so that it costs the others one time-out a poll and no more.
func (b *Bank) worthRetry(board int, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Is(err, drivers.ErrSilent) && b.health[board].Silent == 0
}

// ask reads one board's status once.
func (b *Bank) ask(ctx context.Context, board int, pr bus.Priority, notAfter time.Time) (bits, bus.Answer, error) {
	a, err := b.line.Do(ctx, bus.Request{
		Device: b.device(board), Source: b.source(board), Priority: pr, Frame: b.speech.status(board), Match: b.speech.answer(board),
		Timeout: b.cfg.Answer, Lateness: b.cfg.Lateness, NotAfter: notAfter,
	})
	var s bits
	if err == nil {
		s, err = b.speech.read(a.Frame)
	}
	b.heard(board, a, err)
	switch {
	case err == nil:
		return s, a, nil
	case errors.Is(err, drivers.ErrSilent):
		err = fmt.Errorf("bank %s: board %d: %w: %s", b.cfg.Name, board, err, remedy)
	default:
		err = fmt.Errorf("bank %s: board %d: %w", b.cfg.Name, board, err)
	}
	return s, a, err
}

// lockStatus reads one lock's bits.
func (b *Bank) lockStatus(s bits, lock int) drivers.LockStatus {
	var st drivers.LockStatus
	if b.cfg.ClosedBit != Unproven {
		st.Latch = drivers.LatchOpen
		if s.latch>>lock&1 == uint64(b.cfg.ClosedBit-ClosedIs0) {
			st.Latch = drivers.LatchClosed
		}
	}
	if b.cfg.Sensors {
		st.Item = drivers.ItemEmpty
		if s.item>>lock&1 == 1 {
			st.Item = drivers.ItemPresent
		}
	}
	return st
}

// device names one board in health and counters.
func (b *Bank) device(board int) string { return fmt.Sprintf("%s/board/%d", b.cfg.Name, board) }

// source names a board as its answers show it.
func (b *Bank) source(board int) string { return fmt.Sprintf("%s board %d", b.cfg.Dialect, board) }
