package modbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

const (
	maxOutput = 0xfe   // 00FF is every output at once: docs/modbus.md 5
	maxInput  = 0xffff // of a discrete input
	maxSpan   = 64     // inputs read in one request
)

// DoorConfig describes one door on a relay module.
type DoorConfig struct {
	Device   string        // name in health and counters: "door/ktv"
	Protocol Protocol      // "" means RTU
	Address  int           // unit of the module, 1 to 247
	Output   int           // coil of the strike, 0 to 254
	Flash    bool          // the module times the output itself; false: it is turned off from here
	Contact  *int          // discrete input of the contact; nil: none is fitted
	OpenIs   int           // what the contact's input reads while the door is open: 0 or 1
	Exit     *int          // discrete input of the button inside, pressed reads 1; nil: none is fitted
	Answer   time.Duration // wait for a whole answer; 0 means 300ms, at most 5s
	Lateness time.Duration // worst time from request to answer; 0 means the line's, at most 10s
	Log      *slog.Logger  // hears of an output that does not go off; nil means slog.Default
}

// Validate names every fault of the configuration, one line each.
func (c DoorConfig) Validate() error {
	c = c.withDefaults()
	faults := validUnit(c.Device, c.Protocol, c.Address, c.Answer, c.Lateness)
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	outside := func(input *int) bool { return input != nil && (*input < 0 || *input > maxInput) }
	add(c.Output < 0 || c.Output > maxOutput, "output: %d; coils are 0 to %d", c.Output, maxOutput)
	add(c.OpenIs != 0 && c.OpenIs != 1, "open_is: %d; use 0 or 1", c.OpenIs)
	add(outside(c.Contact), "contact: inputs are 0 to %d", maxInput)
	add(outside(c.Exit), "exit: inputs are 0 to %d", maxInput)
	add(c.Contact != nil && c.Exit != nil && *c.Contact == *c.Exit, "exit: the same input as the contact; give each its own")
	if first, count := c.inputs(); count > maxSpan {
		add(true, "inputs: %d to %d; let contact and exit be within %d of each other", first, first+count-1, maxSpan)
	}
	return errors.Join(faults...)
}

func (c DoorConfig) withDefaults() DoorConfig {
	if c.Protocol == "" {
		c.Protocol = RTU
	}
	if c.Answer == 0 {
		c.Answer = 300 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// inputs is the run of discrete inputs that holds contact and exit.
func (c DoorConfig) inputs() (first, count int) {
	switch {
	case c.Contact == nil && c.Exit == nil:
		return 0, 0
	case c.Contact == nil:
		return *c.Exit, 1
	case c.Exit == nil:
		return *c.Contact, 1
	}
	first = min(*c.Contact, *c.Exit)
	return first, max(*c.Contact, *c.Exit) - first + 1
}

// Door is one door. Its methods may be called from any goroutine.
//
// Retire must be called before the line's bus ends: where the module has no timer of its own, an output that is on then stays
// on.
type Door struct {
	*unit
	cfg  DoorConfig
	turn chan struct{} // capacity 1: held by whoever writes the output

	mu      sync.Mutex
	until   time.Time   // the output is off from here on, by what we asked for
	owed    bool        // it is ours to turn off at until
	tries   int         // how often that failed
	timer   *time.Timer // the next try
	alarmed bool        // it was said that the output is on though it should not be
	retired bool        // nobody is let in any more
}

var (
	_ drivers.Door    = (*Door)(nil)
	_ drivers.Watched = (*Door)(nil)
)

// NewDoor returns the door that cfg describes, or what Validate finds wrong with it. It sends nothing: call Secure.
func NewDoor(line Line, cfg DoorConfig) (*Door, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Device, err)
	}
	cfg = cfg.withDefaults()
	return &Door{
		unit: newUnit(line, cfg.Device, cfg.Protocol, cfg.Address, cfg.Answer, cfg.Lateness),
		cfg:  cfg, turn: make(chan struct{}, 1),
	}, nil
}

// Status reads contact, button and output, in two requests at most. An output that is on though its time is over is
// turned off again, loudly.
func (d *Door) Status(ctx context.Context) (drivers.DoorStatus, error) {
	st, err := d.read(ctx, manner{priority: bus.Polling, tape: &tape{called: time.Now()}})
	d.polled(err)
	if err == nil {
		d.watch(ctx, st.Released)
	}
	return st, err
}

func (d *Door) read(ctx context.Context, m manner) (drivers.DoorStatus, error) {
	var st drivers.DoorStatus
	client := d.client(ctx, m)
	if first, count := d.cfg.inputs(); count > 0 {
		b, err := client.ReadDiscreteInputs(uint16(first), uint16(count))
		if err != nil {
			return st, d.fault(err, fmt.Sprintf("it has no inputs %d to %d: check contact and exit", first, first+count-1))
		}
		reads := func(input int) int { return int(b[(input-first)/8]>>((input-first)%8)) & 1 }
		if c := d.cfg.Contact; c != nil {
			st.Contact = drivers.ContactClosed
			if reads(*c) == d.cfg.OpenIs {
				st.Contact = drivers.ContactOpen
			}
		}
		st.Exit = d.cfg.Exit != nil && reads(*d.cfg.Exit) == 1
	}
	var err error
	if st.Released, err = d.isOn(client); err != nil {
		return drivers.DoorStatus{}, d.fault(err, fmt.Sprintf("it has no output %d: check output", d.cfg.Output))
	}
	return st, nil
}

// isOn reads the output back.
func (d *Door) isOn(client modbus.Client) (bool, error) {
	b, err := client.ReadCoils(uint16(d.cfg.Output), 1)
	return err == nil && b[0]&1 == 1, err
}
