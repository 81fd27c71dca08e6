package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
)

// Probed is one device as a probe found it.
type Probed struct {
	Device     string                 `json:"device"`
	Line       string                 `json:"line"`
	Port       string                 `json:"port,omitempty"`
	OK         bool                   `json:"ok"`
	Turn       time.Duration          `json:"turnaround_ns"` // from the request's last byte to the answer's first
	Serial     string                 `json:"serial,omitempty"`
	Configured string                 `json:"configured_serial,omitempty"` // of a meter
	Litres     *int64                 `json:"litres,omitempty"`            // of a meter
	Door       string                 `json:"door,omitempty"`              // closed, open, unknown
	Error      string                 `json:"error,omitempty"`
	Registers  []modbus.RegisterValue `json:"registers,omitempty"` // of a meter or door, explained
	Frames     []ProbedFrame          `json:"frames,omitempty"`    // of a locker board, explained
}

// ProbedFrame is a request and its answer, in hexadecimal, and what they mean.
type ProbedFrame struct {
	Request string `json:"request"`
	Answer  string `json:"answer,omitempty"` // empty: none came
	Meaning string `json:"meaning"`
}

// Probe reads every configured device once and says what it found; it opens no lock and lets nobody in. With explain it also
// says what stands in which register, as it came and as it is understood. The lines must not be in use.
func Probe(ctx context.Context, c config.Config, explain bool) ([]Probed, error) {
	h := newHardware(slog.New(slog.DiscardHandler))
	defer h.close()
	if _, err := h.apply(c); err != nil {
		return nil, err
	}
	var found []Probed
	for _, l := range c.Lockers {
		found = append(found, h.probeBank(ctx, l, explain)...)
	}
	for _, m := range c.Meters {
		found = append(found, h.probeMeter(ctx, m, explain)...)
	}
	for _, d := range c.Doors {
		found = append(found, h.probeDoor(ctx, d, explain)...)
	}
	return found, nil
}

func (h *hardware) probeBank(ctx context.Context, l config.Locker, explain bool) []Probed {
	bank, _, _ := h.banks.slots[l.Bank].current()
	err := whenOpen(ctx, func(ctx context.Context) error {
		status, err := bank.Status(ctx)
		return errors.Join(err, status.Err)
	})
	found := h.probed(l.Line, bank, err)
	decoder, decodes := bank.(bus.Decoder)
	if !explain || !decodes {
		return found
	}
	for _, c := range bus.Replay(h.lines[l.Line].recorder.Records(), []bus.Decoder{decoder}) {
		for i := range found {
			if p := &found[i]; p.Device == c.Device {
				p.Frames = append(p.Frames, ProbedFrame{fmt.Sprintf("% x", c.Request), fmt.Sprintf("% x", c.Answer), c.Explained})
			}
		}
	}
	return found
}

func (h *hardware) probeMeter(ctx context.Context, m config.Meter, explain bool) []Probed {
	meter, _, _ := h.meters.slots[m.ID].current()
	var r drivers.Reading
	var values []modbus.RegisterValue
	err := whenOpen(ctx, func(ctx context.Context) (err error) {
		if examined, ok := meter.(*modbus.Meter); ok && explain {
			r, values, err = examined.Examine(ctx)
			return err
		}
		r, err = meter.Read(ctx)
		return err
	})
	found := h.probed(m.Line, meter, err)
	for i := range found {
		p := &found[i]
		p.Configured, p.Registers = m.Serial, values
		switch {
		case !p.OK:
		case err != nil: // it answered, and that is no reading
			p.OK, p.Error = false, err.Error()
		default:
			p.Serial, p.Litres = r.Serial, &r.Litres
		}
		if p.OK && r.Serial != "" && !rules.Same(r.Serial, m.Serial) {
			p.OK, p.Error = false, fmt.Sprintf("meter %s answers, want %s: check the address set in the meter and the serial on its plate", r.Serial, m.Serial)
		}
	}
	return found
}

func (h *hardware) probeDoor(ctx context.Context, d config.Door, explain bool) []Probed {
	door, _, _ := h.doors.slots[d.ID].current()
	var status drivers.DoorStatus
	var values []modbus.RegisterValue
	err := whenOpen(ctx, func(ctx context.Context) (err error) {
		if examined, ok := door.(*modbus.Door); ok && explain {
			status, values, err = examined.Examine(ctx)
			return err
		}
		status, err = door.Status(ctx)
		return err
	})
	found := h.probed(d.Line, door, err)
	for i := range found {
		if p := &found[i]; p.OK {
			contact := map[drivers.Contact]string{drivers.ContactClosed: "closed", drivers.ContactOpen: "open"}[status.Contact]
			p.Door, p.Registers = cmp.Or(contact, "unknown"), values
		}
	}
	return found
}

// probed is what a driver knows after it was asked once.
func (h *hardware) probed(line string, device any, err error) (found []Probed) {
	port := h.lines[line].bus.Stats()
	for _, d := range device.(drivers.Watched).Health() {
		p := Probed{Device: d.Device, Line: line, Port: port.Port, OK: d.Answers > 0, Turn: d.Turn}
		if !p.OK {
			p.Error = cmp.Or(port.Error, d.Error)
			if err != nil {
				p.Error = cmp.Or(p.Error, err.Error())
			}
		}
		found = append(found, p)
	}
	return found
}

// whenOpen gives the line a moment to open its port: a request that comes before that fails at once.
func whenOpen(ctx context.Context, ask func(context.Context) error) error {
	limit := time.Now().Add(3 * time.Second) // to open: an answer may take longer, from several devices that are silent
	for {
		err := ask(ctx)
		if !errors.Is(err, drivers.ErrGone) || time.Now().After(limit) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
