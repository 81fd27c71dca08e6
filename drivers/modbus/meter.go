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
	Channel  int           // of a device with several counters, from 1; 0 means 1
	Site     Site          // what the profile leaves to the site
	Answer   time.Duration // wait for a whole answer; 0 means 500ms, at most 5s
	Lateness time.Duration // worst time from request to answer; 0 means the line's, at most 10s
}

// Validate names every fault of the configuration, one line each.
func (c MeterConfig) Validate() error {
	c = c.withDefaults()
	faults := validUnit(c.Device, c.Protocol, c.Address, c.Answer, c.Lateness)
	if c.Profile == nil {
		return errors.Join(append(faults, errors.New("profile: none; name one"))...)
	}
	for _, f := range c.Profile.CheckSite(c.Channel, c.Site) {
		faults = append(faults, f)
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
	layout *layout
}

var (
	_ drivers.Meter   = (*Meter)(nil)
	_ drivers.Watched = (*Meter)(nil)
	_ bus.Decoder     = (*Meter)(nil)
	_ bus.Costed      = (*Meter)(nil)
)

// NewMeter returns the meter that cfg describes, or what Validate finds wrong with it. It sends nothing.
func NewMeter(line Line, cfg MeterConfig) (*Meter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Device, err)
	}
	cfg = cfg.withDefaults()
	layout, _ := cfg.Profile.place(cfg.Channel, cfg.Site) // it has no faults: Validate asked
	return &Meter{unit: newUnit(line, cfg.Device, cfg.Protocol, cfg.Address, cfg.Answer, cfg.Lateness), layout: layout}, nil
}

// Read reads the meter once, by as few requests as its profile allows, each sent once; only a meter that sleeps is asked
// again when it misses the first. All of a total comes in one request; the reading's time is that of its answer.
func (m *Meter) Read(ctx context.Context) (drivers.Reading, error) {
	r, _, _, err := m.read(ctx, m.layout.requests[:m.layout.needed])
	return r, err
}

// read asks requests and decodes what they brought. lost is why the last of data are missing: what only explains may be.
func (m *Meter) read(ctx context.Context, requests []span) (r drivers.Reading, data [][]byte, lost, err error) {
	tape := &tape{called: time.Now()}
	data, at, lost := m.ask(ctx, requests, tape)
	if err = lost; len(data) >= m.layout.needed {
		r, err = m.layout.decode(data)
		err = m.fault(err, "")
	}
	if err != nil {
		r = drivers.Reading{}
	} else {
		r.At = at
	}
	r.Raw = tape.frames
	m.polled(err)
	return r, data, lost, err
}

// ask sends requests until one fails. at is when the total's answer was whole.
func (m *Meter) ask(ctx context.Context, requests []span, tape *tape) (data [][]byte, at time.Time, err error) {
	for i, s := range requests {
		b, err := m.registersOf(ctx, s, manner{priority: bus.Polling, tape: tape, asleep: i == 0 && m.layout.Wake > 0})
		if err != nil {
			hint := fmt.Sprintf("it does not answer function %d, registers %d to %d: check that it is a %s %s, and its profile %s",
				s.function, s.address, s.end()-1, m.layout.Vendor, m.layout.Model, m.layout.Name)
			return data, at, m.fault(err, hint)
		}
		if i == m.layout.registers[total].in {
			at = tape.at
		}
		data = append(data, b)
	}
	return data, at, nil
}

// registersOf reads a run of registers.
func (m *Meter) registersOf(ctx context.Context, s span, how manner) ([]byte, error) {
	read := func(how manner) ([]byte, error) {
		client := m.client(ctx, how)
		if s.function == modbus.FuncCodeReadInputRegisters {
			return client.ReadInputRegisters(uint16(s.address), uint16(s.count))
		}
		return client.ReadHoldingRegisters(uint16(s.address), uint16(s.count))
	}
	if !how.asleep {
		return read(how)
	}
	how.wait = m.layout.Wake
	b, err := read(how)
	if errors.Is(err, drivers.ErrSilent) && !how.tape.sent.IsZero() { // it is awake now, for a moment: ahead of other polls
		b, err = read(manner{priority: bus.Visible, tape: how.tape})
	}
	return b, err
}
