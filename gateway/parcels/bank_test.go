package parcels

import (
	"context"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// bank is a locker bank that behaves: latches open 300 ms after their pulse, doors move as the test's hands move them, and
// every physical opening is counted: it is the oracle.
type bank struct {
	mu       sync.Mutex
	open     []bool
	item     []drivers.Item
	jam      []bool
	openings []int
	silent   bool
	asked    int           // calls of Unlock
	before   chan struct{} // not nil: Unlock waits here before it energises
	after    chan struct{} // not nil: Unlock waits here after it has energised
}

func newBank(n int, sensors bool) *bank {
	b := &bank{open: make([]bool, n), item: make([]drivers.Item, n), jam: make([]bool, n), openings: make([]int, n)}
	if sensors {
		for i := range b.item {
			b.item[i] = drivers.ItemEmpty
		}
	}
	return b
}

func (b *bank) Locks() int { return len(b.open) }

func (b *bank) Status(context.Context) (drivers.BankStatus, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent {
		return drivers.BankStatus{}, drivers.ErrSilent
	}
	var st drivers.BankStatus
	for i, open := range b.open {
		l := drivers.LatchClosed
		if open {
			l = drivers.LatchOpen
		}
		st.Locks = append(st.Locks, drivers.LockStatus{Latch: l, Item: b.item[i]})
	}
	return st, nil
}

func (b *bank) Unlock(ctx context.Context, lock int, notAfter time.Time) (drivers.Unlock, error) {
	b.mu.Lock()
	before, after := b.before, b.after
	b.asked++
	b.mu.Unlock()
	if before != nil {
		select {
		case <-before:
		case <-ctx.Done():
			return drivers.Unlock{}, context.Cause(ctx)
		}
	}
	b.mu.Lock()
	if b.silent || time.Now().After(notAfter) {
		b.mu.Unlock()
		return drivers.Unlock{}, drivers.ErrSilent
	}
	b.openings[lock-1]++
	jam := b.jam[lock-1]
	b.mu.Unlock()
	if after != nil {
		select {
		case <-after:
		case <-ctx.Done():
			return drivers.Unlock{Pulsed: true}, nil
		}
	}
	<-time.After(300 * time.Millisecond)
	if jam {
		return drivers.Unlock{Outcome: drivers.Stuck, Pulsed: true}, nil
	}
	b.set(lock, true)
	return drivers.Unlock{Outcome: drivers.Opened, Pulsed: true, Took: 300 * time.Millisecond}, nil
}

func (b *bank) Health() []drivers.Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := drivers.Health{Device: "locker/A/board/0", Online: !b.silent}
	if b.silent {
		h.Silent = 3
	}
	return []drivers.Health{h}
}

// set moves a door by hand, or by its latch.
func (b *bank) set(lock int, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[lock-1] = open
}

func (b *bank) with(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bank) count() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.openings {
		n += o
	}
	return n
}
