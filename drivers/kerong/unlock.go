package kerong

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

const (
	optional  = 200 * time.Millisecond // how long an unlock may still be answered: docs/kerong.md 4
	spacing   = 100 * time.Millisecond // between the end of a pulse and the next: docs/kerong.md 4
	repoll    = 100 * time.Millisecond // between readings that judge a latch
	maxFrames = 32                     // of evidence
)

// Unlock energises one latch at most once. It reads the lock first (an open one is not energised), sends one unlock
// frame, which is never sent again, and reads until the latch is seen open or the budget has ended; the last
// reading is finished even after it, so that a board that is silent while its latch moves can still be heard.
//
// Errors, all without a pulse: drivers.ErrNoLock, ErrUnsure, ErrBusy, ErrLate, ErrSilent, ErrGone, or ctx's cause. Once
// the frame may have left, the verdict is worth more than a quick stop: ctx counts no longer.
func (b *Bank) Unlock(ctx context.Context, lock int, notAfter time.Time) (drivers.Unlock, error) {
	called := time.Now()
	switch {
	case lock < 1 || lock > len(b.places):
		return drivers.Unlock{}, fmt.Errorf("bank %s: lock %d: %w: it has 1 to %d", b.cfg.Name, lock, drivers.ErrNoLock, len(b.places))
	case b.cfg.ClosedBit == Unproven:
		return drivers.Unlock{}, fmt.Errorf("bank %s: lock %d: %w: set closed_bit as commissioning finds it", b.cfg.Name, lock, drivers.ErrUnsure)
	}
	if err := b.takeLatch(ctx, notAfter); err != nil {
		return drivers.Unlock{Waited: time.Since(called)}, fmt.Errorf("bank %s: lock %d: %w", b.cfg.Name, lock, err)
	}
	defer func() { <-b.latch }()
	u := attempt{bank: b, place: b.places[lock-1], called: called}
	err := u.pulse(ctx, notAfter)
	if err != nil {
		return u.Unlock, fmt.Errorf("lock %d: %w", lock, err)
	}
	if u.Pulsed {
		u.judge(context.WithoutCancel(ctx))
	}
	return u.Unlock, nil
}

// takeLatch waits until no other latch of the supply is under way. Few may wait.
func (b *Bank) takeLatch(ctx context.Context, notAfter time.Time) error {
	select {
	case b.latch <- struct{}{}: // free, and nobody waits: who waits is served first
		return nil
	default:
	}
	select {
	case b.askers <- struct{}{}:
		defer func() { <-b.askers }()
	default:
		return fmt.Errorf("%d unlocks wait: %w", maxAskers, drivers.ErrBusy)
	}
	var late <-chan time.Time
	if !notAfter.IsZero() {
		timer := time.NewTimer(time.Until(notAfter))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case b.latch <- struct{}{}:
		return nil
	case <-late:
		return drivers.ErrLate
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// attempt is one intent on its way, by whoever holds the bank's latch.
type attempt struct {
	drivers.Unlock
	bank   *Bank
	place  Place
	called time.Time
	sent   time.Time // when the unlock frame was written
}

// pulse reads the lock and, if it is closed, sends the unlock frame. An error means that it was not sent.
func (u *attempt) pulse(ctx context.Context, notAfter time.Time) error {
	b := u.bank
	st, err := u.before(ctx, notAfter)
	if err != nil {
		return err
	}
	if st.Latch == drivers.LatchOpen {
		u.Outcome, u.Waited = drivers.AlreadyOpen, time.Since(u.called)
		return nil
	}
	wait := time.NewTimer(time.Until(b.next))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r := bus.Request{
		Device: b.device(u.place.Board), Priority: bus.Actuation, Frame: AppendUnlock(nil, u.place.Board, u.place.Lock),
		Timeout: optional, NotAfter: notAfter, // no Match: an answer is optional, and proves nothing
	}
	b.move(u.place.Board, time.Now().Add(b.cfg.Pulse+b.cfg.Settle))
	a, err := b.line.Do(ctx, r) // once: a second frame could be a second pulse
	u.record(r, a)
	if a.Sent.IsZero() {
		b.move(u.place.Board, time.Time{})
		if err == nil {
			err = errors.New("line took the frame without sending it")
		}
		return fmt.Errorf("bank %s: board %d: %w", b.cfg.Name, u.place.Board, err)
	}
	u.Pulsed, u.sent, u.Waited = true, a.Sent, a.Sent.Sub(u.called)
	b.next = u.sent.Add(b.cfg.Pulse + spacing)
	b.move(u.place.Board, u.sent.Add(b.cfg.Pulse+b.cfg.Settle))
	return nil
}

// before reads the lock, again if its board is silent.
func (u *attempt) before(ctx context.Context, notAfter time.Time) (drivers.LockStatus, error) {
	var err error
	for range u.bank.cfg.Tries {
		var st drivers.LockStatus
		if st, err = u.read(ctx, notAfter); err == nil || !errors.Is(err, drivers.ErrSilent) {
			return st, err
		}
	}
	return drivers.LockStatus{}, err
}

// judge reads the lock until it is seen open or the budget ends. The last reading decides: a board that fell silent
// has not said that the latch is stuck.
func (u *attempt) judge(ctx context.Context) {
	b := u.bank
	end := u.sent.Add(b.cfg.Budget)
	for at := u.sent.Add(b.cfg.Pulse + b.cfg.Settle); ; {
		time.Sleep(time.Until(at))
		st, err := u.read(ctx, time.Time{})
		switch {
		case err != nil:
			u.Outcome = drivers.Unknown
		case st.Latch == drivers.LatchOpen:
			u.Outcome = drivers.Opened
		default:
			u.Outcome = drivers.Stuck
		}
		now := time.Now()
		if u.Outcome == drivers.Opened || !now.Before(end) {
			break
		}
		if at = now.Add(repoll); at.After(end) {
			at = end // so that "stuck" means closed when the budget ended
		}
	}
	u.Took = time.Since(u.sent)
}

// read asks the lock's board once, ahead of all polling.
func (u *attempt) read(ctx context.Context, notAfter time.Time) (drivers.LockStatus, error) {
	s, a, err := u.bank.ask(ctx, u.place.Board, bus.Actuation, notAfter)
	u.record(bus.Request{Frame: AppendStatusRequest(nil, u.place.Board)}, a)
	if err != nil {
		return drivers.LockStatus{}, err
	}
	return u.bank.lockStatus(s, u.place.Lock), nil
}

// record keeps what went over the line as evidence.
func (u *attempt) record(r bus.Request, a bus.Answer) {
	if !a.Sent.IsZero() && len(u.Frames) < maxFrames {
		u.Frames = append(u.Frames, drivers.Frame{Sent: true, At: a.Sent.Sub(u.called), Bytes: slices.Clone(r.Frame)})
	}
	if len(a.Frame) > 0 && len(u.Frames) < maxFrames {
		u.Frames = append(u.Frames, drivers.Frame{At: a.At.Sub(u.called), Bytes: slices.Clone(a.Frame[:min(len(a.Frame), 64)])})
	}
}
