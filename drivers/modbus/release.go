package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Coils of a relay module and what is written to them (docs/modbus.md 5).
const (
	flashBase = 0x0200 // written with a time, it switches output 0 on for so long; output n is n further on
	flashUnit = 100 * time.Millisecond
	coilOn    = 0xff00
	coilOff   = 0x0000
)

const (
	maxHold     = time.Minute            // of one release
	readBacks   = 2                      // of the output after a release whose answer was lost
	secureTries = 3                      // for one Secure
	offTries    = 8                      // to turn an output off before it is left to Status
	offWait     = 100 * time.Millisecond // after the first failed try; doubles
	slack       = time.Second            // that a module's timer may be wrong by
)

// Release switches the output on for hold, at most a minute, in steps of 100 ms, rounded up: by one frame that is never
// sent again. Its echo says that the output is on; if that is lost, the output is read back while hold lasts.
//
// Errors, all without a release: drivers.ErrBusy, ErrLate, ErrGone, ErrRefused, or ctx's cause. Once the frame may have
// left, ctx counts no longer.
func (d *Door) Release(ctx context.Context, hold time.Duration, notAfter time.Time) (drivers.Release, error) {
	if hold <= 0 || hold > maxHold {
		return drivers.Release{}, fmt.Errorf("%s: release for %v: use more than 0, at most %v", d.place, hold, maxHold)
	}
	units := (hold + flashUnit - 1) / flashUnit
	tape := &tape{called: time.Now()}
	done := func(known bool) drivers.Release {
		r := drivers.Release{Known: known, Waited: time.Since(tape.called), Frames: tape.frames}
		if sent := tape.sent; !sent.IsZero() {
			r.Waited, r.Took = sent.Sub(tape.called), time.Since(sent)
		}
		return r
	}
	m := manner{priority: bus.Actuation, notAfter: notAfter, proven: true, tape: tape}
	err := d.switchOn(ctx, m, units)
	if tape.sent.IsZero() || refused(err) {
		return done(false), d.fault(err, d.noSuchOutput())
	}
	if err == nil {
		return done(true), nil
	}
	m.notAfter, m.proven = time.Time{}, false
	client := d.client(context.WithoutCancel(ctx), m)
	for range readBacks {
		if !time.Now().Before(tape.sent.Add(units * flashUnit)) {
			break // it is off by now, whatever it was
		}
		if on, err := d.isOn(client); err == nil {
			return done(on), nil
		}
	}
	return done(false), nil
}

// switchOn writes the one frame of a release and sees to its end.
func (d *Door) switchOn(ctx context.Context, m manner, units time.Duration) error {
	if err := d.takeTurn(ctx, m.notAfter); err != nil {
		return err
	}
	defer d.leaveTurn()
	if d.isRetired() {
		return fmt.Errorf("%w: the door is configured anew", drivers.ErrGone)
	}
	address, value := uint16(d.cfg.Output), uint16(coilOn)
	if d.cfg.Flash {
		address, value = flashBase+address, uint16(units)
	}
	err := d.writeCoil(ctx, m, address, value)
	if errors.Is(err, drivers.ErrUnproven) && m.tape.sent.IsZero() {
		err = d.prove(ctx, m, func() error { return d.writeCoil(ctx, m, address, value) })
	}
	if m.tape.sent.IsZero() {
		if err == nil {
			err = errors.New("line took the frame without sending it")
		}
		return err
	}
	if !refused(err) {
		d.endAt(m.tape.sent.Add(units * flashUnit))
	}
	return err
}

// prove reads the door once, so that the line knows who answers on it, and then does what it refused: nothing was sent the
// first time (invariant 5).
func (d *Door) prove(ctx context.Context, m manner, again func() error) error {
	look := &tape{called: m.tape.called}
	_, err := d.read(ctx, manner{priority: m.priority, notAfter: m.notAfter, tape: look})
	m.tape.frames = append(m.tape.frames, look.frames...)
	d.polled(err)
	switch {
	case err != nil:
		return fmt.Errorf("%w: nothing was released: %w", err, drivers.ErrUnproven)
	case d.isRetired():
		return fmt.Errorf("%w: the door is configured anew", drivers.ErrGone)
	}
	return again()
}

// refused tells whether the module said that it did not do what it was asked. Other exceptions leave it open.
func refused(err error) bool {
	var no *modbus.ModbusError
	if !errors.As(err, &no) {
		return false
	}
	switch no.ExceptionCode {
	case modbus.ExceptionCodeIllegalFunction, modbus.ExceptionCodeIllegalDataAddress, modbus.ExceptionCodeIllegalDataValue,
		modbus.ExceptionCodeServerDeviceBusy, modbus.ExceptionCodeGatewayPathUnavailable:
		return true
	}
	return false
}

func (d *Door) noSuchOutput() string {
	if d.cfg.Flash {
		return fmt.Sprintf("it cannot time output %d: check output, or use timer: none", d.cfg.Output)
	}
	return fmt.Sprintf("it has no output %d: check output", d.cfg.Output)
}

// takeTurn waits until nobody else writes the output. A ctx that ended while it waited does not get the turn: what ended it
// may be an off that has gone before.
func (d *Door) takeTurn(ctx context.Context, notAfter time.Time) error {
	var late <-chan time.Time
	if !notAfter.IsZero() {
		timer := time.NewTimer(time.Until(notAfter))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case d.turn <- struct{}{}:
		if ctx.Err() != nil {
			d.leaveTurn()
			return context.Cause(ctx)
		}
		return nil
	case <-late:
		return drivers.ErrLate
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *Door) leaveTurn() { <-d.turn }

// Secure turns the output off, and asks again if the answer is lost.
func (d *Door) Secure(ctx context.Context) error {
	if err := d.takeTurn(ctx, time.Time{}); err != nil {
		return d.fault(err, "")
	}
	defer d.leaveTurn()
	var err error
	for range secureTries {
		if err = d.switchOff(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	err = d.fault(err, d.noSuchOutput())
	d.polled(err) // a door that cannot be turned off after a start is not read yet, and silent all the same
	return err
}

// Retire ends the door: nobody is let in by it any more, not even who waits for the line already, and an output that its
// module does not time is turned off (invariant 15). To retire it again does nothing.
func (d *Door) Retire(ctx context.Context) error {
	d.mu.Lock()
	again := d.retired
	d.retired = true
	d.mu.Unlock()
	if again || d.cfg.Flash {
		return nil
	}
	return d.Secure(ctx)
}

func (d *Door) isRetired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.retired
}

// switchOff turns the output off, once. Whoever calls it has the turn.
func (d *Door) switchOff(ctx context.Context) error {
	m := manner{priority: bus.Actuation, tape: &tape{called: time.Now()}}
	err := d.writeCoil(ctx, m, uint16(d.cfg.Output), coilOff)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until, d.owed, d.tries = time.Now(), false, 0
	return nil
}

// endAt says until when the output may be on, and sees to it where the module does not.
func (d *Door) endAt(until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until.After(d.until) {
		d.until = until
	}
	if !d.cfg.Flash {
		d.owed, d.tries = true, 0
		d.again(time.Until(d.until))
	}
}

// again sets the timer. Whoever calls it holds mu.
func (d *Door) again(after time.Duration) {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = time.AfterFunc(after, d.end)
}

// end turns the output off when its time is over, by the timer and nobody's context, and again until that is confirmed or
// given up (invariant 15).
func (d *Door) end() {
	d.turn <- struct{}{}
	defer d.leaveTurn()
	d.mu.Lock()
	over := d.owed && !time.Now().Before(d.until) // else it is off, or somebody was let in while we waited for the turn
	d.mu.Unlock()
	if !over {
		return
	}
	if err := d.switchOff(context.Background()); err != nil {
		d.failed(err)
	}
}

// failed sets the timer for the next try, or gives up loudly.
func (d *Door) failed(err error) {
	d.mu.Lock()
	d.tries++
	more := d.tries < offTries
	if more {
		d.again(offWait << (d.tries - 1))
	}
	d.mu.Unlock()
	if !more {
		d.alarm(err)
	}
}

// watch compares the output as read with what was asked for, and turns it off when its time is over.
func (d *Door) watch(ctx context.Context, on bool) {
	if !on {
		d.mu.Lock()
		d.alarmed = false
		d.mu.Unlock()
		return
	}
	if !d.overdue() {
		return
	}
	select {
	case d.turn <- struct{}{}:
		defer d.leaveTurn()
	default: // whoever writes now knows more
		return
	}
	if !d.overdue() { // somebody was let in since the reading
		return
	}
	d.alarm(d.switchOff(ctx))
}

// overdue tells whether an output that is on should be off, and nobody sees to it.
func (d *Door) overdue() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.until) > slack && (!d.owed || d.tries >= offTries)
}

// alarm says, once until the output is seen off, that it was on after its time; err is what became of turning it off.
func (d *Door) alarm(err error) {
	d.mu.Lock()
	said := d.alarmed
	d.alarmed = true
	d.mu.Unlock()
	if !said {
		d.cfg.Log.Error("output is on though its time is over", "device", d.cfg.Device, "output", d.cfg.Output,
			"err", d.fault(err, d.noSuchOutput()))
	}
}
