// Package town plays a ready building and the services of its gateway in one process and without a cloud, on lines that
// are memory: in a synctest bubble a week of it takes minutes. Devices, wire time, buses, drivers, services and store are
// the real ones; the kernel's ports, the pages and the link are left out.
package town

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud"
	"github.com/ntpc-smart-community/lobby/configs"
	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/metering"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// dialLimit is how long a line is waited for: an unplugged one is refused at once.
const dialLimit = time.Second

// Options say which town is played, and where.
type Options struct {
	Building string        // of the ready ones: demo, tower …
	Path     string        // of the store's file
	Every    time.Duration // from the begin of one sweep to that of the next; 0: as the gateway's file says
	Faults   bool          // play the building's fault script
	Log      *slog.Logger  // nil discards

	// Read hears of every reading of a meter: what its registers showed before it was asked and after it answered. nil:
	// nobody. It must not block.
	Read func(Asked)
}

// Asked is one reading of a meter with what its registers showed meanwhile, in litres.
type Asked struct {
	Meter         string
	Before, After int64
	drivers.Reading
	Err error
}

// Town is a building that lives. Its methods may be called from any goroutine.
type Town struct {
	Building *building.Building
	Hardware *gateway.Bare
	Store    *store.Store
	Parcels  *parcels.Service
	Doors    *doors.Service
	Metering *metering.Service

	id      string // of the gateway
	config  config.Config
	clock   *clock.Clock
	cloud   authority
	people  cloud.Community
	stop    func()
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	errs    []error    // of what should run until the end
	codes   map[string]string
	pins    map[string]string
	types   map[string]int
	read    position
	granted map[string]int
}

// Open opens a town: every line is plugged in, every service runs, every code is minted. Close it.
func Open(ctx context.Context, o Options) (*Town, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Town{codes: map[string]string{}, pins: map[string]string{}, types: map[string]int{}, granted: map[string]int{}}
	ctx, t.stop = context.WithCancel(ctx)
	err := t.furnish(ctx, o)
	if err == nil {
		err = t.begin(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// files reads the three files of the town.
func (t *Town) files(o Options) (cfg building.Config, err error) {
	texts := map[string][]byte{}
	for _, of := range []string{"building", "gateway", "community"} {
		if texts[of], err = configs.FS.ReadFile(of + "-" + o.Building + ".yaml"); err != nil {
			return cfg, err
		}
	}
	if cfg, err = building.Parse("building", texts["building"]); err != nil {
		return cfg, err
	}
	var faults []config.Fault
	if t.config, faults, err = config.Parse("gateway.yaml", texts["gateway"]); err == nil && len(faults) > 0 {
		err = faults[0]
	}
	if err != nil {
		return cfg, err
	}
	for i, l := range t.config.Lines {
		if !l.OnNetwork() { // a pattern is looked for among files before it is opened
			t.config.Lines[i].Ports = []string{l.Name}
		}
	}
	if o.Every != 0 {
		t.config.Metering.Every = o.Every
	}
	t.id = t.config.Gateway
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	t.people, err = cloud.ReadCommunity("community", bytes.ReplaceAll(texts["community"], []byte("EVENT-KEY"), []byte(key)))
	return cfg, err
}

// furnish opens the building and its lines.
func (t *Town) furnish(ctx context.Context, o Options) error {
	cfg, err := t.files(o)
	if err != nil {
		return err
	}
	if t.Building, err = building.OpenPipes(cfg); err != nil {
		return err
	}
	t.runs(func() error { return t.Building.Run(ctx) })
	if o.Faults {
		if err := t.play(ctx, cfg, o.Building); err != nil {
			return err
		}
	}
	open := func(_ string, c bus.Config) (io.ReadWriteCloser, error) {
		l, err := t.Building.Line(c.Name)
		if err != nil {
			return nil, err
		}
		limit, cancel := context.WithTimeout(ctx, dialLimit)
		defer cancel()
		return l.Dial(limit)
	}
	t.Hardware, err = gateway.OpenBare(t.config, open, o.Log)
	return err
}

// play lets a building's fault script begin.
func (t *Town) play(ctx context.Context, cfg building.Config, name string) error {
	name = "faults-" + name + ".yaml"
	text, err := configs.FS.ReadFile(name)
	if err != nil {
		return err
	}
	script, err := building.ParseScript(name, text, cfg)
	if err != nil {
		return err
	}
	t.runs(func() error {
		if err := t.Building.Play(ctx, script); ctx.Err() == nil {
			return err
		}
		return nil
	})
	return nil
}

// begin opens the store and starts the services.
func (t *Town) begin(ctx context.Context, o Options) (err error) {
	if t.Store, err = store.Open(o.Path, store.Options{Gateway: t.id, NoSync: true}); err != nil {
		return err
	}
	began := time.Now()
	t.clock = clock.New(t.Store.Boot(), began.Add(-time.Minute), func() (time.Time, time.Duration) { return time.Now(), time.Since(began) })
	t.clock.Answered(began, 0, 0)
	key := bytes.Repeat([]byte{7}, 32) // of codes
	banks, banksAre := t.Hardware.Parcels()
	if t.Parcels, err = parcels.New(parcels.Deps{
		Store: t.Store, Clock: t.clock, Key: key, Banks: banks, Delivered: func(wire.Name) bool { return true }, Log: o.Log,
	}, banksAre); err != nil {
		return err
	}
	entrances, doorsAre := t.Hardware.Doors()
	if t.Doors, err = doors.New(doors.Deps{Store: t.Store, Clock: t.clock, Key: key, Doors: entrances, Log: o.Log}, doorsAre); err != nil {
		return err
	}
	meters, metersAre := t.Hardware.Metering()
	if t.Metering, err = metering.New(metering.Deps{Store: t.Store, Clock: t.clock, Meters: t.watched(meters, o.Read), Log: o.Log}, metersAre); err != nil {
		return err
	}
	if t.cloud, err = newAuthority(t.id); err != nil {
		return err
	}
	if err := t.cloud.sign(ctx, t.Store, t.people); err != nil {
		return err
	}
	for _, run := range []func(context.Context) error{t.Parcels.Run, t.Doors.Run, t.Metering.Run} {
		t.runs(func() error { return run(ctx) })
	}
	return until(ctx, "codes to be minted", func() (bool, error) {
		err := t.readLog()
		return len(t.codes) >= len(t.cloud.wished), err
	})
}

func (t *Town) runs(run func() error) {
	t.running.Go(func() {
		if err := run(); err != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.errs = append(t.errs, err)
		}
	})
}

// Close ends the town. Its error is that of whatever did not run until now.
func (t *Town) Close() error {
	t.stop()
	if t.Hardware != nil {
		t.Hardware.Close()
	}
	t.running.Wait()
	errs := t.errs
	if t.Building != nil {
		errs = append(errs, t.Building.Close())
	}
	if t.Store != nil {
		errs = append(errs, t.Store.Close())
	}
	return errors.Join(errs...)
}

// watched puts a witness beside every meter.
func (t *Town) watched(meters map[string]drivers.Meter, tell func(Asked)) map[string]drivers.Meter {
	if tell == nil {
		return meters
	}
	for id, m := range meters {
		meters[id] = witness{m, m.(drivers.Watched), id, t.Building, tell}
	}
	return meters
}

// witness reads a meter and looks at its registers at the same time.
type witness struct {
	drivers.Meter
	drivers.Watched
	id       string
	building *building.Building
	tell     func(Asked)
}

// Read implements drivers.Meter.
func (w witness) Read(ctx context.Context) (drivers.Reading, error) {
	sim, err := w.building.Meter(w.id)
	if err != nil {
		return drivers.Reading{}, err
	}
	a := Asked{Meter: w.id, Before: sim.State().Litres}
	a.Reading, a.Err = w.Meter.Read(ctx)
	a.After = sim.State().Litres
	w.tell(a)
	return a.Reading, a.Err
}

// lock finds the chain and the lock of a compartment: A-18.
func (t *Town) lock(compartment string) (chain *kerong.Chain, lock int, err error) {
	for _, l := range t.config.Lockers {
		for _, column := range l.Columns {
			for _, d := range column.Doors {
				if d.Number > 0 && fmt.Sprintf("%s-%d", l.Bank, d.Number) == compartment {
					chain, err = t.Building.Chain(l.Bank)
					return chain, d.Lock, err
				}
			}
		}
	}
	return nil, 0, fmt.Errorf("no compartment %s in the gateway's file", compartment)
}

// until looks every tenth of a second until done says yes.
func until(ctx context.Context, want string, done func() (bool, error)) error {
	const limit = 30 * time.Second
	for began := time.Now(); ; {
		yes, err := done()
		switch {
		case yes:
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", want, err)
		case time.Since(began) > limit:
			return fmt.Errorf("waited %v for %s", limit, want)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Units are the flats with a household, as on their doors.
func (t *Town) Units() (labels []string) {
	for _, u := range t.cloud.units(t.people) {
		if u.Household != "" {
			labels = append(labels, u.Label)
		}
	}
	return labels
}

// Entrances are the doors of facilities.
func (t *Town) Entrances() (ids []string) {
	for _, d := range t.config.Doors {
		ids = append(ids, d.ID)
	}
	return ids
}
