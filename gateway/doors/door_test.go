package doors

import (
	"context"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// door is a facility door that behaves: its output goes off by its own timer, it opens only to a hand that pushes while
// that is on, or from inside, and every release of it is counted: it is the oracle.
type door struct {
	mu       sync.Mutex
	contact  bool // one is fitted
	open     bool
	exit     bool
	until    time.Time // the output is on until then
	silent   bool
	deaf     bool          // Release is lost on its way, and nobody knows
	mute     bool          // Release is done, and nobody knows
	late     time.Duration // before the line is free for the frame
	before   chan struct{} // not nil: Release waits here before its frame is written
	after    chan struct{} // not nil: Release waits here after it
	secured  chan struct{} // not nil: Secure waits here after it
	releases int
	secures  int
	asks     []string // since the start, in their order
}

func (d *door) Status(context.Context) (drivers.DoorStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asks = append(d.asks, "status")
	if d.silent {
		return drivers.DoorStatus{}, drivers.ErrSilent
	}
	s := drivers.DoorStatus{Released: time.Now().Before(d.until), Exit: d.exit}
	if d.contact {
		s.Contact = drivers.ContactClosed
		if d.open {
			s.Contact = drivers.ContactOpen
		}
	}
	return s, nil
}

func (d *door) Release(ctx context.Context, hold time.Duration, notAfter time.Time) (drivers.Release, error) {
	d.mu.Lock()
	before, after, late := d.before, d.after, d.late
	d.asks = append(d.asks, "release")
	d.mu.Unlock()
	if before != nil {
		select {
		case <-before:
		case <-ctx.Done():
			return drivers.Release{}, context.Cause(ctx)
		}
	}
	if late > 0 {
		<-time.After(late)
	}
	d.mu.Lock()
	switch {
	case time.Now().After(notAfter):
		d.mu.Unlock()
		return drivers.Release{}, drivers.ErrLate
	case d.silent:
		d.mu.Unlock()
		return drivers.Release{}, drivers.ErrSilent
	case d.deaf:
		d.mu.Unlock()
		return drivers.Release{}, nil
	}
	d.releases++
	d.until = time.Now().Add(hold)
	mute := d.mute
	d.mu.Unlock()
	if after != nil {
		select {
		case <-after:
		case <-ctx.Done():
			return drivers.Release{}, nil
		}
	}
	<-time.After(20 * time.Millisecond)
	return drivers.Release{Known: !mute, Took: 20 * time.Millisecond}, nil
}

func (d *door) Secure(ctx context.Context) error {
	d.mu.Lock()
	d.asks = append(d.asks, "secure")
	silent, secured := d.silent, d.secured
	if !silent {
		d.secures++
		d.until = time.Time{}
	}
	d.mu.Unlock()
	if silent {
		return drivers.ErrSilent
	}
	if secured != nil {
		select {
		case <-secured:
		case <-ctx.Done():
		}
	}
	return nil
}

func (d *door) Health() []drivers.Health {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := drivers.Health{Device: "door/ktv", Online: !d.silent}
	if d.silent {
		h.Silent = 3
	}
	return []drivers.Health{h}
}

func (d *door) with(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// push is a hand at the door from outside. It tells whether it opens.
func (d *door) push() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().Before(d.until) {
		d.open = true
	}
	return d.open
}

func (d *door) shut() { d.with(func() { d.open = false }) }

// count is how often the door was ever released.
func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.releases
}
