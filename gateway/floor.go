package gateway

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/desk"
	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/kiosk"
	"github.com/ntpc-smart-community/lobby/gateway/metering"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// floor runs the services and the pages on them. When what a service is built from changes, it is exchanged as a whole, as
// after a restart; all else goes on under it.
type floor struct {
	d      *daemon
	failed chan error // a service ended by itself: the store cannot be trusted any more

	mu                       sync.Mutex // one apply or close at a time; guards the rooms
	parcels, metering, doors room
	atDesk                   served

	service  atomic.Pointer[parcels.Service]
	kiosk    atomic.Pointer[http.Handler]
	terminal atomic.Pointer[http.Handler] // nil: there are no doors of facilities
	desk     atomic.Pointer[http.Handler]
	meters   atomic.Pointer[metering.Service] // nil: there are none
	entrance atomic.Pointer[doors.Service]    // nil: there are no doors of facilities
}

// served are the services that a desk was made over.
type served struct {
	parcels *parcels.Service
	doors   *doors.Service
}

// room is one service with what hangs on it.
type room struct {
	shape any // what it was built from
	stop  func()
}

func newFloor(d *daemon) *floor {
	return &floor{d: d, failed: make(chan error, 1)}
}

// apply starts the services, or exchanges those that are to be built from something else. ctx is the floor's life.
func (f *floor) apply(ctx context.Context, c config.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := errors.Join(
		f.enter(ctx, &f.parcels, doorsOf(c), func() ([]loop, error) { return f.buildParcels(c) }),
		f.enter(ctx, &f.metering, metersOf(c), func() ([]loop, error) { return f.buildMetering(c) }),
		f.enter(ctx, &f.doors, screensOf(c), func() ([]loop, error) { return f.buildDoors(c) }),
	)
	f.furnish(c)
	return err
}

// furnish makes the desk anew when one of its services was exchanged.
func (f *floor) furnish(c config.Config) {
	now := served{f.service.Load(), f.entrance.Load()}
	if now == f.atDesk || now.parcels == nil {
		return
	}
	var entrances desk.Entrances
	if now.doors != nil {
		entrances = now.doors
	}
	setHandler(&f.desk, desk.New(now.parcels, entrances, f.d.o.Look, desk.Options{Site: c.Site, Log: f.d.log}))
	f.atDesk = now
}

// loop runs until its context ends.
type loop func(context.Context) error

// enter runs what build makes, unless the room was built from the same shape already.
func (f *floor) enter(ctx context.Context, r *room, shape any, build func() ([]loop, error)) error {
	if r.stop != nil && reflect.DeepEqual(shape, r.shape) {
		return nil
	}
	r.leave()
	loops, err := build()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range loops {
		group.Go(func() error { return run(ctx) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := group.Wait(); err != nil {
			select {
			case f.failed <- err:
			default: // one is enough
			}
		}
	}()
	r.shape, r.stop = shape, func() {
		cancel()
		<-done
	}
	return nil
}

// leave stops what runs in the room.
func (r *room) leave() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

func (f *floor) buildParcels(c config.Config) ([]loop, error) {
	service, err := parcels.New(f.deps(), banksOf(c))
	if err != nil {
		return nil, err
	}
	screen := kiosk.New(service, f.d.o.Look, kiosk.Options{
		Site: c.Site, Phone: c.Kiosk.Phone, Bank: frontOf(c), Log: f.d.log, Trouble: f.d.settings.trouble,
	})
	f.service.Store(service)
	setHandler(&f.kiosk, screen)
	return []loop{service.Run, screen.Run}, nil
}

func (f *floor) buildMetering(c config.Config) ([]loop, error) {
	f.meters.Store(nil)
	if len(c.Meters) == 0 {
		return nil, nil
	}
	service, err := metering.New(metering.Deps{
		Store: f.d.store, Clock: f.d.clock, Meters: held(f.d.hardware, &f.d.hardware.meters), Jitter: within, Log: f.d.log,
	}, metersOf(c))
	if err != nil {
		return nil, err
	}
	f.meters.Store(service)
	return []loop{service.Run}, nil
}

func setHandler(p *atomic.Pointer[http.Handler], h http.Handler) { p.Store(&h) }

func (f *floor) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parcels.leave()
	f.metering.leave()
	f.doors.leave()
}

// readings are how the gas meters stand.
func (f *floor) readings() []metering.Reading {
	if s := f.meters.Load(); s != nil {
		return s.View().Meters
	}
	return nil
}

// applied tells the services that a new state document is in force. It never blocks.
func (f *floor) applied() {
	if s := f.service.Load(); s != nil {
		s.Applied()
	}
	if s := f.entrance.Load(); s != nil {
		s.Applied()
	}
}

func (f *floor) deps() parcels.Deps {
	return parcels.Deps{
		Store: f.d.store, Clock: f.d.clock, Key: f.d.keys.PINs, Banks: held(f.d.hardware, &f.d.hardware.banks), Log: f.d.log,
		Delivered: f.d.delivered, Full: f.d.full.Load, Forced: f.d.hardware.forced,
		Online: func() bool { return f.d.uplink != nil && f.d.uplink.Status().Connected },
	}
}

// delivered tells whether the cloud has answered for an event.
func (d *daemon) delivered(n wire.Name) bool {
	yes := false
	err := d.store.View(func(tx *store.Tx) error {
		segments, err := tx.Segments(n.Epoch, n.Stream)
		for _, s := range segments {
			if s.Number == n.Segment {
				yes = s.Whole() || s.Delivered.Seq >= n.Seq
			}
		}
		return err
	})
	return err == nil && yes
}

func banksOf(c config.Config) parcels.Config {
	p := parcels.Config{Gateway: c.Gateway}
	for _, l := range c.Lockers {
		bank := parcels.Bank{ID: l.Bank, Sensors: l.Sensors}
		for _, column := range l.Columns {
			for _, d := range column.Doors {
				if d.Size != "screen" {
					bank.Doors = append(bank.Doors, parcels.BankDoor{Number: d.Number, Size: d.Size, Lock: d.Lock, Low: d.Low})
				}
			}
		}
		p.Banks = append(p.Banks, bank)
	}
	return p
}

// frontOf is the bank that the screen stands in: the one with a screen, else the first.
func frontOf(c config.Config) kiosk.Bank {
	var front kiosk.Bank
	for _, l := range c.Lockers {
		bank, screen := kiosk.Bank{ID: l.Bank}, false
		for _, column := range l.Columns {
			var cells []kiosk.Cell
			for _, d := range column.Doors {
				screen = screen || d.Size == "screen"
				cells = append(cells, kiosk.Cell{Number: d.Number, Size: d.Size})
			}
			bank.Columns = append(bank.Columns, cells)
		}
		if screen || front.ID == "" {
			front = bank
		}
	}
	return front
}

// metersOf is the part of a configuration that the metering is built from.
func metersOf(c config.Config) metering.Config {
	m := metering.Config{Every: c.Metering.Every}
	for _, one := range c.Meters {
		m.Meters = append(m.Meters, metering.Meter{ID: one.ID, Line: one.Line, Serial: one.Serial, Begin: int64(one.Begin)})
	}
	return m
}

// doorsOf is the part of a configuration that the parcels service and its pages are built from.
func doorsOf(c config.Config) []config.Locker {
	var shape []config.Locker
	for _, l := range c.Lockers {
		shape = append(shape, config.Locker{Bank: l.Bank, Sensors: l.Sensors, Columns: l.Columns})
	}
	return append(shape, config.Locker{Bank: c.Site, Line: c.Kiosk.Phone})
}
