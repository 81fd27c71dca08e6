package gateway

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// Probed is one device as a probe found it.
type Probed struct {
	Device string        `json:"device"`
	Line   string        `json:"line"`
	Port   string        `json:"port,omitempty"`
	OK     bool          `json:"ok"`
	Turn   time.Duration `json:"turnaround_ns"` // from the request's last byte to the answer's first
	Error  string        `json:"error,omitempty"`
}

// Probe reads every configured device once and says what it found; it opens no lock. The lines must not be in use.
func Probe(ctx context.Context, c config.Config) ([]Probed, error) {
	h := newHardware(slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer h.close()
	if _, err := h.apply(ctx, c); err != nil {
		return nil, err
	}
	var found []Probed
	for _, l := range c.Lockers {
		bank := h.banks[l.Bank]
		_, err := statusWhenOpen(ctx, bank)
		port := h.lines[l.Line].bus.Stats()
		for _, d := range bank.Health() {
			p := Probed{Device: d.Device, Line: l.Line, Port: port.Port, OK: d.Answers > 0, Turn: d.Turn}
			if !p.OK {
				p.Error = cmp.Or(port.Error, d.Error)
				if err != nil {
					p.Error = cmp.Or(p.Error, err.Error())
				}
			}
			found = append(found, p)
		}
	}
	return found, nil
}

// statusWhenOpen gives the line a moment to open its port: a request that comes before that fails at once.
func statusWhenOpen(ctx context.Context, bank drivers.LockBank) (drivers.BankStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for {
		status, err := bank.Status(ctx)
		if !errors.Is(err, drivers.ErrGone) && !errors.Is(status.Err, drivers.ErrGone) {
			return status, err
		}
		select {
		case <-ctx.Done():
			return status, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
