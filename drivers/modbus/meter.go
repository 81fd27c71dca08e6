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

// MeterConfig describes one meter.
type MeterConfig struct {
	Device   string        // name in health and counters: "meter/m-101"
	Protocol Protocol      // "" means RTU
	Address  int           // unit, 1 to 247
	Profile  *Profile      // of its model
	Answer   time.Duration // wait for a whole answer; 0 means 500ms, at most 5s
	Lateness time.Duration // worst time from request to answer; 0 means the line's, at most 10s
}

// Validate names every fault of the configuration, one line each.
func (c MeterConfig) Validate() error {
	c = c.withDefaults()
	faults := validUnit(c.Device, c.Protocol, c.Address, c.Answer, c.Lateness)
	if c.Profile == nil {
		faults = append(faults, errors.New("profile: none; name one"))
	}
	return errors.Join(faults...)
}

func (c MeterConfig) withDefaults() MeterConfig {
	if c.Protocol == "" {
		c.Protocol = RTU
	}
	if c.Answer == 0 {
		c.Answer = 500 * time.Millisecond
	}
	return c
}

// Meter is one gas meter. Its methods may be called from any goroutine.
type Meter struct {
	*unit
	profile *Profile
}

var (
	_ drivers.Meter   = (*Meter)(nil)
	_ drivers.Watched = (*Meter)(nil)
)

// NewMeter returns the meter that cfg describes, or what Validate finds wrong with it. It sends nothing.
func NewMeter(line Line, cfg MeterConfig) (*Meter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Device, err)
	}
	cfg = cfg.withDefaults()
	return &Meter{newUnit(line, cfg.Device, cfg.Protocol, cfg.Address, cfg.Answer, cfg.Lateness), cfg.Profile}, nil
}

// Read reads the meter once, by as few requests as its profile allows, each sent once. All of a total comes in one
// request; the reading's time is that of its answer.
func (m *Meter) Read(ctx context.Context) (drivers.Reading, error) {
	r, err := m.read(ctx, &tape{called: time.Now()})
	m.polled(err)
	return r, err
}

func (m *Meter) read(ctx context.Context, tape *tape) (drivers.Reading, error) {
	client := m.client(ctx, manner{priority: bus.Polling, tape: tape})
	var at time.Time
	data := make([][]byte, 0, len(m.profile.requests))
	for i, s := range m.profile.requests {
		ask := client.ReadHoldingRegisters
		if s.function == modbus.FuncCodeReadInputRegisters {
			ask = client.ReadInputRegisters
		}
		b, err := ask(uint16(s.address), uint16(s.count))
		if err != nil {
			hint := fmt.Sprintf("it does not answer function %d, registers %d to %d: check that it is a %s %s, and its profile %s",
				s.function, s.address, s.end()-1, m.profile.Vendor, m.profile.Model, m.profile.Name)
			return drivers.Reading{Raw: tape.frames}, m.fault(err, hint)
		}
		if i == m.profile.registers[total].in {
			at = tape.at
		}
		data = append(data, b)
	}
	r, err := m.profile.decode(data)
	if err != nil {
		return drivers.Reading{Raw: tape.frames}, m.fault(err, "")
	}
	r.At, r.Raw = at, tape.frames
	return r, nil
}
