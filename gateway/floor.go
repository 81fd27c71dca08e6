package gateway

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/desk"
	"github.com/ntpc-smart-community/lobby/gateway/kiosk"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// floor runs the parcels service and its two pages. When the doors of a bank are configured anew it is exchanged as a
// whole, as after a restart: every door is read before anything else. All else that changes goes on under it.
type floor struct {
	d      *daemon
	failed chan error // the service ended by itself

	mu    sync.Mutex // one apply or close at a time
	shape []config.Locker
	stop  func()

	service               atomic.Pointer[parcels.Service]
	kiosk, terminal, desk atomic.Pointer[http.Handler] // terminal: none without doors
}

func newFloor(d *daemon) *floor {
	return &floor{d: d, failed: make(chan error, 1)}
}

// apply starts the floor, or exchanges it when the doors have changed. ctx is the floor's life.
func (f *floor) apply(ctx context.Context, c config.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	shape := doorsOf(c)
	if f.stop != nil && reflect.DeepEqual(shape, f.shape) {
		return nil
	}
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
	service, err := parcels.New(f.deps(), banksOf(c))
	if err != nil {
		return err
	}
	screen := kiosk.New(service, f.d.o.Look, kiosk.Options{
		Site: c.Site, Phone: c.Kiosk.Phone, Bank: frontOf(c), Log: f.d.log, Trouble: f.d.settings.trouble,
	})
	office := desk.New(service, nil, f.d.o.Look, desk.Options{Site: c.Site, Log: f.d.log})
	f.shape = shape
	f.service.Store(service)
	setHandler(&f.kiosk, screen)
	setHandler(&f.desk, office)
	f.start(ctx, service, screen)
	return nil
}

func setHandler(p *atomic.Pointer[http.Handler], h http.Handler) { p.Store(&h) }

func (f *floor) start(ctx context.Context, service *parcels.Service, screen *kiosk.Kiosk) {
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return service.Run(ctx) })
	group.Go(func() error { return screen.Run(ctx) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := group.Wait(); err != nil {
			f.failed <- fmt.Errorf("parcels: %w", err)
		}
	}()
	f.stop = func() {
		cancel()
		<-done
	}
}

func (f *floor) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
	}
}

// applied tells the service that a new state document is in force. It never blocks.
func (f *floor) applied() {
	if s := f.service.Load(); s != nil {
		s.Applied()
	}
}

func (f *floor) deps() parcels.Deps {
	banks := map[string]drivers.LockBank{}
	for name, s := range f.d.hardware.slots() {
		banks[name] = s
	}
	return parcels.Deps{
		Store: f.d.store, Clock: f.d.clock, Key: f.d.keys.PINs, Banks: banks, Log: f.d.log,
		Delivered: f.d.delivered, Full: f.d.full.Load,
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

// doorsOf is the part of a configuration that the floor is built from.
func doorsOf(c config.Config) []config.Locker {
	var shape []config.Locker
	for _, l := range c.Lockers {
		shape = append(shape, config.Locker{Bank: l.Bank, Sensors: l.Sensors, Columns: l.Columns})
	}
	return append(shape, config.Locker{Bank: c.Site, Line: c.Kiosk.Phone})
}
