package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/kerong"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// errNoBank is what a bank answers whose configuration was refused or that is being exchanged.
var errNoBank = errors.New("bank is not configured")

// hardware holds the lines and the drivers on them as configured now. What services hold are slots, so that a changed
// line or bank is exchanged under them and an unchanged one is not touched.
type hardware struct {
	log *slog.Logger

	mu    sync.Mutex
	lines map[string]*line
	banks map[string]*slot
}

type line struct {
	config config.Line
	bus    *bus.Bus
	stop   func()
}

func newHardware(log *slog.Logger) *hardware {
	return &hardware{log: log, lines: map[string]*line{}, banks: map[string]*slot{}}
}

// apply brings the hardware to what c says and returns what it touched, lines before banks. ctx is the life of the
// lines it starts.
func (h *hardware) apply(ctx context.Context, c config.Config) (touched []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wanted := map[string]bool{}
	for _, l := range c.Lines {
		wanted[l.Name] = true
		old := h.lines[l.Name]
		if old != nil && reflect.DeepEqual(old.config, l) {
			continue
		}
		if old != nil {
			old.stop()
		}
		h.lines[l.Name] = h.start(ctx, l)
		touched = append(touched, "line "+l.Name)
	}
	for _, name := range sortedKeys(h.lines) {
		if !wanted[name] {
			h.lines[name].stop()
			delete(h.lines, name)
			touched = append(touched, "line "+name)
		}
	}
	banks, err := h.applyBanks(c.Lockers, touched)
	return append(touched, banks...), err
}

func (h *hardware) applyBanks(lockers []config.Locker, lines []string) (touched []string, err error) {
	wanted := map[string]bool{}
	for _, l := range lockers {
		wanted[l.Bank] = true
		s := h.banks[l.Bank]
		if s == nil {
			s = &slot{}
			h.banks[l.Bank] = s
		}
		moved := slices.Contains(lines, "line "+l.Line)
		if !moved && reflect.DeepEqual(s.config, l) {
			continue
		}
		bank, bankErr := kerong.New(h.lines[l.Line].bus, kerongConfig(l))
		if bankErr != nil {
			err = errors.Join(err, fmt.Errorf("bank %s: %w", l.Bank, bankErr))
		}
		s.exchange(l, bank)
		touched = append(touched, "bank "+l.Bank)
	}
	for _, name := range sortedKeys(h.banks) {
		if s := h.banks[name]; !wanted[name] && s.current() != nil {
			s.exchange(config.Locker{}, nil)
			touched = append(touched, "bank "+name)
		}
	}
	return touched, err
}

func (h *hardware) start(ctx context.Context, c config.Line) *line {
	b := bus.New(bus.Config{Name: c.Name, Ports: c.Ports, Baud: c.Baud, Lateness: c.Lateness, Echo: c.Echo}, bus.Deps{
		Log:    h.log.With("bus", c.Name),
		Jitter: jitter,
	})
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			h.log.Error("line ended", "bus", c.Name, "err", err)
		}
	}()
	return &line{config: c, bus: b, stop: func() {
		cancel()
		<-done
	}}
}

// close stops every line.
func (h *hardware) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range sortedKeys(h.lines) {
		h.lines[name].stop()
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

func (h *hardware) devices() []drivers.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []drivers.Health
	for _, name := range sortedKeys(h.banks) {
		all = append(all, h.banks[name].Health()...)
	}
	return all
}

func kerongConfig(l config.Locker) kerong.Config {
	c := kerong.Config{Name: "locker/" + l.Bank, Pulse: l.Pulse, Sensors: l.Sensors, ClosedBit: kerong.ClosedIs0}
	if *l.Closed == 1 {
		c.ClosedBit = kerong.ClosedIs1
	}
	for _, board := range l.Boards {
		for lock := range kerong.LocksPerBoard {
			c.Wiring = append(c.Wiring, kerong.Place{Board: board, Lock: lock})
		}
	}
	return c
}

// slot is a bank whose driver can be exchanged while services hold it.
type slot struct {
	mu     sync.RWMutex
	config config.Locker
	bank   *kerong.Bank // nil: not configured
}

func (s *slot) exchange(c config.Locker, b *kerong.Bank) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.bank = c, b
}

func (s *slot) current() *kerong.Bank {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bank
}

// Locks implements drivers.LockBank.
func (s *slot) Locks() int {
	if b := s.current(); b != nil {
		return b.Locks()
	}
	return 0
}

// Status implements drivers.LockBank.
func (s *slot) Status(ctx context.Context) (drivers.BankStatus, error) {
	if b := s.current(); b != nil {
		return b.Status(ctx)
	}
	return drivers.BankStatus{}, errNoBank
}

// Unlock implements drivers.LockBank.
func (s *slot) Unlock(ctx context.Context, lock int, notAfter time.Time) (drivers.Unlock, error) {
	if b := s.current(); b != nil {
		return b.Unlock(ctx, lock, notAfter)
	}
	return drivers.Unlock{}, errNoBank
}

// Health is what the driver knows of its boards.
func (s *slot) Health() []drivers.Health {
	if b := s.current(); b != nil {
		return b.Health()
	}
	return nil
}

// jitter spreads waits over [wait/2, wait], so that a street of boxes does not come back in step after a power cut.
func jitter(wait time.Duration) time.Duration {
	return wait/2 + rand.N(wait/2+1)
}

// within is a random wait in [0, most).
func within(most time.Duration) time.Duration { return rand.N(max(most, 1)) }

// slots are all banks, by name.
func (h *hardware) slots() map[string]*slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]*slot{}
	for name, s := range h.banks {
		if s.current() != nil {
			all[name] = s
		}
	}
	return all
}
