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
	repoll    = 100 * time.Millisecond // between readings that judge a latch
	stale     = 50 * time.Millisecond  // after so long in the supply's queue the lock is read again
	maxFrames = 32                     // of evidence
)

// Unlock energises one latch at most once. It reads the lock first (an open one is not energised), sends one unlock
// frame, which is never sent again, and reads until the latch is seen open or the budget has ended; the last
// reading is finished even after it, so that a board that is silent while its latch moves can still be heard.
//
// Errors, all without a pulse: drivers.ErrNoLock, ErrUnsure, ErrBusy, ErrLate, ErrSilent, ErrGone,
// ErrUnproven, or ctx's cause. Once
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

// takeLatch waits until no other latch of the bank is under way. Few may wait.
func (b *Bank) takeLatch(ctx context.Context, notAfter time.Time) error {
	select {
	case b.latch <- struct{}{}: // free, and nobody waits
		return nil
	default:
	}
	select {
	case b.askers <- struct{}{}:
		defer func() { <-b.askers }()
	default:
		return fmt.Errorf("%d unlocks wait: %w", maxAskers, drivers.ErrBusy)
	}
	late, stop := lateAfter(notAfter)
	defer stop()
	return turnOf(ctx, b.latch, late)
}

// attempt is one intent on its way, by whoever holds the bank's latch.
type attempt struct {
	drivers.Unlock
	bank   *Bank
	place  Place
	called time.Time
	sent   time.Time // when the unlock frame was written
}

// pulse reads the lock and, if it is closed, sends the unlock frame when the supply can carry it. An error means that it was
// not sent.
func (u *attempt) pulse(ctx context.Context, notAfter time.Time) error {
	supply := u.bank.supply
	if open, err := u.isOpen(ctx, notAfter, u.bank.cfg.Tries); open || err != nil {
		return err
	}
	looked := time.Now()
	if err := supply.take(ctx, notAfter); err != nil {
		return fmt.Errorf("bank %s: supply: %w", u.bank.cfg.Name, err)
	}
	defer supply.giveBack()
	if time.Since(looked) > stale { // others had the supply, and somebody may have opened the door meanwhile
		if open, err := u.isOpen(ctx, notAfter, 1); open || err != nil {
			return err
		}
	}
	err := u.fire(ctx, notAfter)
	if errors.Is(err, drivers.ErrUnproven) { // the port was opened anew since the reading, which proved another one
		if open, err := u.isOpen(ctx, notAfter, 1); open || err != nil {
			return err
		}
		err = u.fire(ctx, notAfter)
	}
	return err
}

// isOpen reads the lock, again if its board is silent. An open one needs no pulse.
func (u *attempt) isOpen(ctx context.Context, notAfter time.Time, tries int) (bool, error) {
	var err error
	for range tries {
		var st drivers.LockStatus
		st, err = u.read(ctx, notAfter)
		switch {
		case err == nil && st.Latch == drivers.LatchOpen:
			u.Outcome, u.Waited = drivers.AlreadyOpen, time.Since(u.called)
			return true, nil
		case !errors.Is(err, drivers.ErrSilent):
			return false, err
		}
	}
	return false, err
}

// fire sends the unlock frame. An error means that it was not sent.
func (u *attempt) fire(ctx context.Context, notAfter time.Time) error {
	frame, a, err := u.bank.energise(ctx, u.place, notAfter)
	u.record(frame, a)
	if err != nil {
		return err
	}
	u.Pulsed, u.sent, u.Waited = true, a.Sent, a.Sent.Sub(u.called)
	return nil
}

// energise sends one unlock frame, once: a second could be a second pulse. Its caller holds the bank's latch and its supply.
// An error means that it was certainly not sent; what else became of it is nothing that a pulse depends on.
func (b *Bank) energise(ctx context.Context, p Place, notAfter time.Time) (frame []byte, a bus.Answer, err error) {
	frame = b.speech.unlock(p.Board, p.Lock)
	b.move(p.Board, time.Now().Add(b.cfg.Pulse+b.cfg.Settle))
	a, err = b.line.Do(ctx, bus.Request{
		Device: b.device(p.Board), Source: b.source(p.Board), Priority: bus.Actuation, Frame: frame,
		Timeout: optional, NotAfter: notAfter, Proven: true, // no Match: an answer is optional, and proves nothing
	})
	if a.Sent.IsZero() {
		b.move(p.Board, time.Time{})
		if err == nil {
			err = errors.New("line took the frame without sending it")
		}
		return frame, a, fmt.Errorf("bank %s: board %d: %w", b.cfg.Name, p.Board, err)
	}
	b.supply.pulsed(a.Sent, b.cfg.Pulse)
	b.move(p.Board, a.Sent.Add(b.cfg.Pulse+b.cfg.Settle))
	return frame, a, nil
}

// judge reads the lock until it is seen open or the budget ends. The last reading decides: a board that fell silent
// has not said that the latch is stuck.
func (u *attempt) judge(ctx context.Context) {
	b := u.bank
	end := u.sent.Add(b.cfg.Budget)
	for at := u.sent.Add(b.cfg.Pulse + b.cfg.Settle); ; {
		time.Sleep(time.Until(at))
		began := time.Now()
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
		silent := err != nil && began.Before(end) // it may have been silent because its latch moved: once more
		if u.Outcome == drivers.Opened || !now.Before(end) && !silent {
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
	u.record(u.bank.speech.status(u.place.Board), a)
	if err != nil {
		return drivers.LockStatus{}, err
	}
	return u.bank.lockStatus(s, u.place.Lock), nil
}

// record keeps what went over the line as evidence.
func (u *attempt) record(frame []byte, a bus.Answer) {
	u.Frames = evidence(u.Frames, u.called, frame, a)
}

// evidence adds a request and what it brought to frames, while there is room.
func evidence(frames []drivers.Frame, since time.Time, frame []byte, a bus.Answer) []drivers.Frame {
	if !a.Sent.IsZero() && len(frames) < maxFrames {
		frames = append(frames, drivers.Frame{Sent: true, At: a.Sent.Sub(since), Bytes: slices.Clone(frame)})
	}
	if len(a.Frame) > 0 && len(frames) < maxFrames {
		frames = append(frames, drivers.Frame{At: a.At.Sub(since), Bytes: slices.Clone(a.Frame[:min(len(a.Frame), 64)])})
	}
	return frames
}
