// Package clock owns judged time: what this box may believe the time to be, and how far.
//
// Boxes boot with a wrong clock. The trusted floor is a time that has certainly passed; it runs on with the monotonic
// clock and is moved by authenticated time alone: the answer to the box's own pulse, which alone may lower it, and the
// issue time of a validly signed ticket. The system's clock counts only within bounds of the floor; beyond them it is
// uncertain and moves nothing. Nothing is ordered by this time: order is boot, segment and seq.
//
// The package keeps nothing on disk: whoever owns the store brings the floor at boot and keeps what Floor gives.
package clock

import (
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Reading is the judged time at one moment.
type Reading struct {
	Time    time.Time
	Quality wire.Quality
	Mono    time.Duration // since the process started; never jumps
	Boot    uint64
}

// Stamp sets an event's wall time, clock quality, monotonic time and boot.
func (r Reading) Stamp(ev *wire.Event) {
	ev.Wall, ev.Clock, ev.Mono, ev.Boot = wire.At(r.Time), r.Quality, r.Mono.Microseconds(), r.Boot
}

// Clock is the one owner of judged time. Its methods may be called from any goroutine.
type Clock struct {
	boot   uint64
	system func() (now time.Time, mono time.Duration)

	mu    sync.Mutex // guards what follows
	state state
}

// New makes the clock of one boot. Floor is what Floor gave last before the boot; zero: none is known. System gives
// the system's wall clock and a monotonic time since the process started.
func New(boot uint64, floor time.Time, system func() (now time.Time, mono time.Duration)) *Clock {
	_, mono := system()
	return &Clock{boot: boot, system: system, state: state{floor: floor, since: mono, keeper: wire.FromRTC}}
}

// Now judges the time.
func (c *Clock) Now() Reading {
	now, mono := c.system()
	c.mu.Lock()
	defer c.mu.Unlock()
	t, q := c.state.judge(now, mono)
	return Reading{Time: t, Quality: q, Mono: mono, Boot: c.boot}
}

// Answered takes the time of an accepted answer to the box's own pulse: true time lay within [issued, issued + round
// trip], and the floor is clamped into that. Sent and received are monotonic.
func (c *Clock) Answered(issued time.Time, sent, received time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = c.state.answered(issued, sent, received)
}

// Issued takes the issue time of a ticket whose signature has been verified. It can raise the floor, never lower it.
func (c *Clock) Issued(t time.Time) {
	_, mono := c.system()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = c.state.issued(t, mono)
}

// Confirmed takes the word of a guard that the time now is t. It moves no floor, makes the time a holdover until the
// next answer or boot, and the caller records clock.confirmed. It gives false, and changes nothing, for a time that
// has certainly passed.
func (c *Clock) Confirmed(t time.Time) bool {
	_, mono := c.system()
	c.mu.Lock()
	defer c.mu.Unlock()
	next, ok := c.state.confirmed(t, mono)
	c.state = next
	return ok
}

// Kept says what keeps the system's clock: wire.FromNTP, wire.FromRTC (assumed until told), or wire.Uncertain for
// nothing at all.
func (c *Clock) Kept(by wire.Quality) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.keeper = by
}

// Floor is a time that has certainly passed, to be stored and given to New after the next boot; zero: none is known.
func (c *Clock) Floor() time.Time {
	_, mono := c.system()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.at(mono)
}

// System reads the machine's clocks.
func System() func() (now time.Time, mono time.Duration) { return SystemSet(time.Now()) }

// SystemSet reads the machine's clocks as if its wall clock had been set to wall just now, as a box boots whose battery is
// empty.
func SystemSet(wall time.Time) func() (now time.Time, mono time.Duration) {
	start := time.Now()
	off := wall.Round(0).Sub(start.Round(0))
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0).Add(off), now.Sub(start)
	}
}
