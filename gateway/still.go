package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/timing"
)

// mute is a line that cannot send.
type mute struct{}

// Do refuses.
func (mute) Do(context.Context, bus.Request) (bus.Answer, error) {
	return bus.Answer{}, drivers.ErrGone
}

// still is a driver over a mute line: what it knows without asking can be asked.
type still struct {
	name, line string // "locker/A", and the name of its line
	driver     any
	every      time.Duration // from one poll of it to the next
	turn       time.Duration // usual turnaround of its protocol
}

// stills makes the drivers of a configuration as a running gateway makes them, over lines that cannot send.
func stills(c config.Config) ([]still, error) {
	h := newHardware(slog.New(slog.DiscardHandler))
	var all []still
	for _, one := range c.Lockers {
		d, err := h.banks.open(mute{}, one)
		if err != nil {
			return nil, err
		}
		all = append(all, still{"locker/" + one.Bank, one.Line, d, parcels.PollEvery, timing.KerongTurn})
	}
	for _, one := range mappedMeters(c) {
		d, err := h.meters.open(mute{}, one)
		if err != nil {
			return nil, err
		}
		all = append(all, still{"meter/" + one.ID, one.Line, d, c.Metering.Every, timing.ModbusTurn})
	}
	for _, one := range c.Doors {
		d, err := h.doors.open(mute{}, one)
		if err != nil {
			return nil, err
		}
		all = append(all, still{"door/" + one.ID, one.Line, d, doors.PollEvery, timing.ModbusTurn})
	}
	return all, nil
}

// Timing computes what the lines of a configuration can do. It opens nothing.
func Timing(c config.Config) ([]timing.Line, error) {
	all, err := stills(c)
	if err != nil {
		return nil, err
	}
	var lines []timing.Line
	for _, l := range c.Lines {
		var devices []timing.Device
		for _, s := range all {
			if costed, ok := s.driver.(bus.Costed); ok && s.line == l.Name {
				devices = append(devices, timing.Device{Name: s.name, Every: s.every, Turn: s.turn, Poll: costed.PollCost(), Open: costed.OpenCost()})
			}
		}
		lines = append(lines, timing.Compute(busConfig(c, l), devices))
	}
	return lines, nil
}
