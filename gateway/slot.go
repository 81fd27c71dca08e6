package gateway

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// errNoDriver is what a device answers whose configuration was refused or that is being exchanged.
var errNoDriver = errors.New("device is not configured")

// slot is a device whose driver can be exchanged while services hold it.
type slot[C, D any] struct {
	mu     sync.RWMutex
	config C
	driver D
	filled bool // false: not configured
}

func (s *slot[C, D]) exchange(c C, d D, filled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.driver, s.filled = c, d, filled
}

func (s *slot[C, D]) current() (d D, c C, filled bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.driver, s.config, s.filled
}

// Health is what the driver knows of its devices.
func (s *slot[C, D]) Health() []drivers.Health {
	if d, _, ok := s.current(); ok {
		if w, ok := any(d).(drivers.Watched); ok {
			return w.Health()
		}
	}
	return nil
}

// carrier is the part of a line that a driver needs.
type carrier interface {
	Do(ctx context.Context, r bus.Request) (bus.Answer, error)
}

// rack holds all slots of one kind of device.
type rack[C, D any] struct {
	kind  string                          // as touched says it: bank, meter, door
	slots map[string]*slot[C, D]          // by name; one that is configured no more stays, without a driver
	named func(C) (name, line string)     // of an entry of the configuration
	open  func(l carrier, c C) (D, error) // makes the driver
	hold  func(*slot[C, D]) D             // the slot as a service holds it
	leave func(c C, old D)                // before a driver is given up; nil: nothing is to do
}

// held are the devices of a rack as services hold them, by name.
func held[C, D any](h *hardware, r *rack[C, D]) map[string]D {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]D{}
	for name, s := range r.slots {
		all[name] = r.hold(s)
	}
	return all
}

// apply brings the rack to what is wanted; moved are the lines that were exchanged.
func (r *rack[C, D]) apply(wanted []C, lines map[string]*line, moved []string) (touched []string, err error) {
	here := map[string]bool{}
	for _, c := range wanted {
		name, on := r.named(c)
		here[name] = true
		s := r.slots[name]
		if s == nil {
			s = &slot[C, D]{}
			r.slots[name] = s
		}
		old, before, filled := s.current()
		if !slices.Contains(moved, on) && reflect.DeepEqual(before, c) {
			continue
		}
		if filled {
			r.give(before, old)
		}
		d, openErr := r.open(lines[on].bus, c)
		if openErr != nil {
			err = errors.Join(err, fmt.Errorf("%s %s: %w", r.kind, name, openErr))
		}
		s.exchange(c, d, openErr == nil)
		touched = append(touched, r.kind+" "+name)
	}
	for _, name := range sortedKeys(r.slots) {
		if old, before, filled := r.slots[name].current(); filled && !here[name] {
			r.give(before, old)
			r.slots[name].exchange(*new(C), *new(D), false)
			touched = append(touched, r.kind+" "+name)
		}
	}
	return touched, err
}

func (r *rack[C, D]) give(c C, d D) {
	if r.leave != nil {
		r.leave(c, d)
	}
}

// healthByLine adds what the drivers know of their devices, by line.
func (r *rack[C, D]) healthByLine(into map[string][]drivers.Health) {
	for _, name := range sortedKeys(r.slots) {
		_, c, _ := r.slots[name].current()
		_, on := r.named(c)
		into[on] = append(into[on], r.slots[name].Health()...)
	}
}

// lockBank is a bank as the parcels service holds it. What becomes of an opening and should not is an alarm.
type lockBank struct {
	*slot[config.Locker, drivers.LockBank]
	h *hardware
}

// Locks implements drivers.LockBank.
func (b lockBank) Locks() int {
	if d, _, ok := b.current(); ok {
		return d.Locks()
	}
	return 0
}

// Status implements drivers.LockBank.
func (b lockBank) Status(ctx context.Context) (drivers.BankStatus, error) {
	if d, _, ok := b.current(); ok {
		return d.Status(ctx)
	}
	return drivers.BankStatus{}, errNoDriver
}

// Unlock implements drivers.LockBank.
func (b lockBank) Unlock(ctx context.Context, lock int, notAfter time.Time) (drivers.Unlock, error) {
	d, c, ok := b.current()
	if !ok {
		return drivers.Unlock{}, errNoDriver
	}
	u, err := d.Unlock(ctx, lock, notAfter)
	if u.Pulsed {
		b.h.waits.took(c.Line, u.Waited)
	}
	switch {
	case err != nil:
	case u.Outcome == drivers.Stuck:
		b.h.raise(c.Line, fmt.Sprintf("bank %s: lock %d is stuck", c.Bank, lock))
	case u.Outcome == drivers.Unknown:
		b.h.raise(c.Line, fmt.Sprintf("bank %s: what became of lock %d is not known", c.Bank, lock))
	}
	return u, err
}

// gasMeter is a meter as the metering service holds it.
type gasMeter struct {
	*slot[mapped, drivers.Meter]
}

// Read implements drivers.Meter.
func (m gasMeter) Read(ctx context.Context) (drivers.Reading, error) {
	if d, _, ok := m.current(); ok {
		return d.Read(ctx)
	}
	return drivers.Reading{}, errNoDriver
}

// facilityDoor is a door as the doors service holds it. A release that nobody confirmed is an alarm.
type facilityDoor struct {
	*slot[config.Door, drivers.Door]
	h *hardware
}

// Status implements drivers.Door.
func (f facilityDoor) Status(ctx context.Context) (drivers.DoorStatus, error) {
	if d, _, ok := f.current(); ok {
		return d.Status(ctx)
	}
	return drivers.DoorStatus{}, errNoDriver
}

// Release implements drivers.Door.
func (f facilityDoor) Release(ctx context.Context, hold time.Duration, notAfter time.Time) (drivers.Release, error) {
	d, c, ok := f.current()
	if !ok {
		return drivers.Release{}, errNoDriver
	}
	r, err := d.Release(ctx, hold, notAfter)
	if err == nil {
		f.h.waits.took(c.Line, r.Waited)
	}
	if err == nil && !r.Known {
		f.h.raise(c.Line, fmt.Sprintf("door %s: its release was not confirmed", c.ID))
	}
	return r, err
}

// Secure implements drivers.Door.
func (f facilityDoor) Secure(ctx context.Context) error {
	if d, _, ok := f.current(); ok {
		return d.Secure(ctx)
	}
	return errNoDriver
}
