package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
)

// Probed is one device as a probe found it.
type Probed struct {
	Device string        `json:"device"`
	Line   string        `json:"line"`
	Port   string        `json:"port,omitempty"`
	OK     bool          `json:"ok"`
	Turn   time.Duration `json:"turnaround_ns"` // from the request's last byte to the answer's first
	Serial string        `json:"serial,omitempty"`
	Litres *int64        `json:"litres,omitempty"` // of a meter
	Door   string        `json:"door,omitempty"`   // closed, open, unknown
	Error  string        `json:"error,omitempty"`
}

// Probe reads every configured device once and says what it found; it opens no lock and lets nobody in. The lines must not
// be in use.
func Probe(ctx context.Context, c config.Config) ([]Probed, error) {
	h := newHardware(slog.New(slog.DiscardHandler))
	defer h.close()
	if _, err := h.apply(c); err != nil {
		return nil, err
	}
	var found []Probed
	banks, meters, doors := held(h, &h.banks), held(h, &h.meters), held(h, &h.doors)
	for _, l := range c.Lockers {
		err := whenOpen(ctx, func(ctx context.Context) error {
			status, err := banks[l.Bank].Status(ctx)
			return errors.Join(err, status.Err)
		})
		found = append(found, h.probed(l.Line, banks[l.Bank], err)...)
	}
	for _, m := range c.Meters {
		var r drivers.Reading
		err := whenOpen(ctx, func(ctx context.Context) (err error) {
			r, err = meters[m.ID].Read(ctx)
			return err
		})
		for _, p := range h.probed(m.Line, meters[m.ID], err) {
			if p.OK {
				p.Serial, p.Litres = r.Serial, &r.Litres
			}
			if p.OK && r.Serial != "" && !rules.Same(r.Serial, m.Serial) {
				p.OK, p.Error = false, fmt.Sprintf("meter %s answers, want %s: check the address set in the meter and the serial on its plate", r.Serial, m.Serial)
			}
			found = append(found, p)
		}
	}
	for _, d := range c.Doors {
		var status drivers.DoorStatus
		err := whenOpen(ctx, func(ctx context.Context) (err error) {
			status, err = doors[d.ID].Status(ctx)
			return err
		})
		for _, p := range h.probed(d.Line, doors[d.ID], err) {
			if p.OK {
				p.Door = map[drivers.Contact]string{drivers.ContactClosed: "closed", drivers.ContactOpen: "open"}[status.Contact]
				p.Door = cmp.Or(p.Door, "unknown")
			}
			found = append(found, p)
		}
	}
	return found, nil
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
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for {
		err := ask(ctx)
		if !errors.Is(err, drivers.ErrGone) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
