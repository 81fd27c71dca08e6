package gateway

import (
	"io"
	"log/slog"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/metering"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// Bare is the hardware of a configuration as a running gateway has it, and nothing above: for simulations that bring their
// own ports and run the services on it.
type Bare struct {
	config   config.Config
	hardware *hardware
}

// OpenBare opens the lines of c with open, which is given the line and one candidate port, and makes the drivers on them.
// Close it when nothing uses them any more.
func OpenBare(c config.Config, open func(port string, c bus.Config) (io.ReadWriteCloser, error), log *slog.Logger) (*Bare, error) {
	h := newHardware(log)
	h.open = open
	if _, err := h.apply(c); err != nil {
		h.close()
		return nil, err
	}
	return &Bare{c, h}, nil
}

// Close stops every line.
func (b *Bare) Close() { b.hardware.close() }

// Parcels is what the parcels service is built from: the banks by id, and their shape.
func (b *Bare) Parcels() (map[string]drivers.LockBank, parcels.Config) {
	return held(b.hardware, &b.hardware.banks), banksOf(b.config)
}

// Metering is what the metering is built from: the meters by id, and when to read them.
func (b *Bare) Metering() (map[string]drivers.Meter, metering.Config) {
	return held(b.hardware, &b.hardware.meters), metersOf(b.config)
}

// Doors is what the doors service is built from: the doors by id, and their shape.
func (b *Bare) Doors() (map[string]drivers.Door, doors.Config) {
	return held(b.hardware, &b.hardware.doors), entranceOf(b.config)
}
