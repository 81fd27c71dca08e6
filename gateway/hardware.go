package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/timing"
)

// judgeFor is how long a latch is looked at after its pulse before it is called stuck.
const judgeFor = time.Second

// secureLimit is how long the outputs of doors are waited for before their line ends.
const secureLimit = 2 * time.Second

// hardware holds the lines and the drivers on them as configured now. What services hold are slots, so that a changed
// line or device is exchanged under them and an unchanged one is not touched.
type hardware struct {
	open   func(port string, c bus.Config) (io.ReadWriteCloser, error) // nil: bus.Open
	log    *slog.Logger
	alarms chan alarm // for watch; who raises one never waits
	waits  waits

	mu       sync.Mutex
	config   config.Config // in force
	computed map[string]timing.Line
	lines    map[string]*line
	supplies map[string]*supply // by name
	banks    rack[config.Locker, drivers.LockBank]
	meters   rack[mapped, drivers.Meter]
	doors    rack[config.Door, drivers.Door]
}

type line struct {
	config   bus.Config
	bus      *bus.Bus
	recorder *bus.Recorder
	stop     func()
}

// supply is a power supply of latches. It outlives the banks that hang on it: what rests, rests.
type supply struct {
	spacing time.Duration
	*kerong.Supply
}

// mapped is a meter with its register map: one that was mended exchanges the meters that have it.
type mapped struct {
	config.Meter
	profile *modbus.Profile
}

func newHardware(log *slog.Logger) *hardware {
	h := &hardware{log: log, alarms: make(chan alarm, alarmsWaiting), lines: map[string]*line{}, supplies: map[string]*supply{}}
	h.banks = rack[config.Locker, drivers.LockBank]{
		kind: "bank", slots: map[string]*slot[config.Locker, drivers.LockBank]{},
		named: func(c config.Locker) (string, string) { return c.Bank, c.Line },
		open:  func(l carrier, c config.Locker) (drivers.LockBank, error) { return kerong.New(l, h.bankConfig(c)) },
		hold:  func(s *slot[config.Locker, drivers.LockBank]) drivers.LockBank { return lockBank{s, h} },
	}
	h.meters = rack[mapped, drivers.Meter]{
		kind: "meter", slots: map[string]*slot[mapped, drivers.Meter]{},
		named: func(c mapped) (string, string) { return c.ID, c.Line },
		open:  openMeter,
		hold:  func(s *slot[mapped, drivers.Meter]) drivers.Meter { return gasMeter{s} },
	}
	h.doors = rack[config.Door, drivers.Door]{
		kind: "door", slots: map[string]*slot[config.Door, drivers.Door]{},
		named: func(c config.Door) (string, string) { return c.ID, c.Line },
		open:  func(l carrier, c config.Door) (drivers.Door, error) { return modbus.NewDoor(l, h.doorConfig(c)) },
		hold:  func(s *slot[config.Door, drivers.Door]) drivers.Door { return facilityDoor{s, h} },
		leave: h.retire,
	}
	return h
}

// apply brings the hardware to what c says and returns what it touched, lines before devices. Lines live until they are
// exchanged, or until close: what is under way on them when a gateway ends is still carried.
func (h *hardware) apply(c config.Config) (touched []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config = c
	moved := h.applyLines(c)
	for _, name := range moved {
		touched = append(touched, "line "+name)
	}
	banks, bankErr := h.banks.apply(c.Lockers, h.lines, moved)
	meters, meterErr := h.meters.apply(mappedMeters(c), h.lines, moved)
	doors, doorErr := h.doors.apply(c.Doors, h.lines, moved)
	touched = append(append(append(touched, banks...), meters...), doors...)
	h.dropSupplies(c.Lockers)
	computed, err := Timing(c)
	h.computed = map[string]timing.Line{}
	for _, l := range computed {
		h.computed[l.Name] = l
	}
	return touched, errors.Join(bankErr, meterErr, doorErr, err)
}

// dropSupplies forgets what no bank hangs on any more.
func (h *hardware) dropSupplies(lockers []config.Locker) {
	wanted := map[string]bool{}
	for _, l := range lockers {
		wanted[supplyOf(l)] = true
	}
	maps.DeleteFunc(h.supplies, func(name string, _ *supply) bool { return !wanted[name] })
}

// applyLines starts, exchanges and ends lines, and gives the names of those.
func (h *hardware) applyLines(c config.Config) (moved []string) {
	wanted := map[string]bool{}
	for _, l := range c.Lines {
		wanted[l.Name] = true
		now := busConfig(c, l)
		old := h.lines[l.Name]
		if old != nil && reflect.DeepEqual(old.config, now) {
			continue
		}
		recorder := bus.NewRecorder()
		if old != nil {
			h.end(l.Name)
			if old.config.Echo == now.Echo { // else what it holds would be read as it was not heard
				recorder = old.recorder
			}
		}
		h.lines[l.Name] = h.start(now, recorder)
		moved = append(moved, l.Name)
	}
	for _, name := range sortedKeys(h.lines) {
		if !wanted[name] {
			h.end(name)
			delete(h.lines, name)
			moved = append(moved, name)
		}
	}
	return moved
}

// busConfig is a line as its bus takes it.
func busConfig(c config.Config, l config.Line) bus.Config {
	b := bus.Config{Name: l.Name, Ports: l.Ports, Baud: l.Baud, StopBits: l.StopBits, Lateness: l.Lateness, Echo: l.Echo, Direct: c.Direct(l.Name)}
	switch l.Parity {
	case "even":
		b.Parity = bus.ParityEven
	case "odd":
		b.Parity = bus.ParityOdd
	}
	return b
}

func (h *hardware) start(c bus.Config, recorder *bus.Recorder) *line {
	b := bus.New(c, bus.Deps{Open: h.open, Log: h.log, Jitter: jitter, Recorder: recorder})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			h.log.Error("line ended", "bus", c.Name, "err", err)
		}
	}()
	return &line{config: c, bus: b, recorder: recorder, stop: func() {
		cancel()
		<-done
	}}
}

// end stops a line, once the doors on it are retired and their outputs off (invariant 15).
func (h *hardware) end(name string) {
	var all sync.WaitGroup
	for _, s := range h.doors.slots {
		if d, c, filled := s.current(); filled && c.Line == name {
			all.Go(func() { h.retire(c, d) })
		}
	}
	all.Wait()
	h.lines[name].stop()
}

// retire ends a door's driver, with whoever waits for it: a release that came after its output was turned off would be turned
// off by nobody.
func (h *hardware) retire(c config.Door, d drivers.Door) {
	ctx, cancel := context.WithTimeout(context.Background(), secureLimit)
	defer cancel()
	if err := d.(*modbus.Door).Retire(ctx); err != nil {
		h.log.Error("door's output may be on", "door", c.ID, "err", err)
	}
}

// close stops every line.
func (h *hardware) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range sortedKeys(h.lines) {
		h.end(name)
	}
}

func (h *hardware) stats() map[string]bus.Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]bus.Stats{}
	for name, l := range h.lines {
		all[name] = l.bus.Stats()
	}
	return all
}

// timing is what each line should be able to do.
func (h *hardware) timing() map[string]timing.Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.computed
}

// devices are how all devices are. What is on a line whose port is gone is not online, though its driver may not have asked
// since: meters are asked once an hour.
func (h *hardware) devices() (all []drivers.Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	byLine := h.healthByLine()
	for _, name := range sortedKeys(byLine) {
		port := bus.Stats{Open: true}
		if l := h.lines[name]; l != nil {
			port = l.bus.Stats()
		}
		for _, d := range byLine[name] {
			if d.Online && !port.Open {
				d.Online, d.Since, d.Error, d.Silent = false, port.Since, port.Error, max(d.Silent, 1)
			}
			all = append(all, d)
		}
	}
	return all
}

// healthByLine is what the drivers know of their devices. Whoever calls it holds mu.
func (h *hardware) healthByLine() map[string][]drivers.Health {
	all := map[string][]drivers.Health{}
	h.banks.healthByLine(all)
	h.meters.healthByLine(all)
	h.doors.healthByLine(all)
	return all
}

// bankConfig is a bank as its driver takes it.
func (h *hardware) bankConfig(l config.Locker) kerong.Config {
	c := kerong.Config{Name: "locker/" + l.Bank, Pulse: l.Pulse, Sensors: l.Sensors, Supply: h.supply(l), ClosedBit: kerong.ClosedIs0}
	c.Budget = l.Pulse + judgeFor // 1.5s with solenoids: docs/kerong.md 4
	if *l.Closed == 1 {
		c.ClosedBit = kerong.ClosedIs1
	}
	if k := l.Codes; k != nil {
		c.Dialect, c.Codes = kerong.B, kerong.Codes{Status: byte(k.Status), Open: byte(k.Open), OK: byte(k.OK)}
	}
	for _, board := range l.Boards {
		for lock := range l.LocksPerBoard() {
			c.Wiring = append(c.Wiring, kerong.Place{Board: board, Lock: lock})
		}
	}
	return c
}

// supply is what a bank hangs on: that of its name, or one of its own.
func (h *hardware) supply(l config.Locker) *kerong.Supply {
	name := supplyOf(l)
	if s := h.supplies[name]; s == nil || s.spacing != l.Spacing {
		h.supplies[name] = &supply{l.Spacing, kerong.NewSupply(l.Spacing)}
	}
	return h.supplies[name].Supply
}

func supplyOf(l config.Locker) string {
	if l.Supply == "" {
		return "bank/" + l.Bank
	}
	return "supply/" + l.Supply
}

// mappedMeters are the meters of a configuration with their register maps.
func mappedMeters(c config.Config) []mapped {
	var all []mapped
	for _, m := range c.Meters {
		profile, _ := c.Library().Profile(m.Profile) // nil: its driver says so
		all = append(all, mapped{m, profile})
	}
	return all
}

func openMeter(l carrier, c mapped) (drivers.Meter, error) {
	return modbus.NewMeter(l, modbus.MeterConfig{
		Device: "meter/" + c.ID, Protocol: modbus.Protocol(c.Protocol), Address: c.Address,
		Profile: c.profile, Channel: c.Channel, Site: c.Site(),
	})
}

func (h *hardware) doorConfig(c config.Door) modbus.DoorConfig {
	return modbus.DoorConfig{
		Device: "door/" + c.ID, Address: c.Address, Output: c.Output, Flash: c.Timer == "flash",
		Contact: c.Contact, OpenIs: c.OpenIs, Exit: c.Exit, Log: h.log.With("door", c.ID),
	}
}

// jitter spreads waits over [wait/2, wait], so that a street of boxes does not come back in step after a power cut.
func jitter(wait time.Duration) time.Duration {
	return wait/2 + rand.N(wait/2+1)
}

// within is a random wait in [0, most).
func within(most time.Duration) time.Duration { return rand.N(max(most, 1)) }
