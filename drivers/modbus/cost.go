package modbus

import (
	"github.com/goburrow/modbus"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

const (
	readLen   = 8  // RTU: a request, whatever it asks
	readTCP   = 12 // TCP: the same
	answerTCP = headerLen + 2
)

// cost is what a request of function and quantity asks of the line.
func (u *unit) cost(function byte, quantity int) bus.Cost {
	c := bus.Cost{Device: u.health.Device, Out: readLen, In: exceptionLen, Answer: u.answer, Lateness: u.lateness}
	if u.protocol == TCP {
		c.Out, c.In = readTCP, answerTCP
	}
	if function == modbus.FuncCodeWriteSingleCoil {
		c.In = c.Out // its echo
		return c
	}
	c.In += dataLen(function, uint16(quantity))
	return c
}

// PollCost is what one reading asks of the line. A meter that sleeps is taken to sleep.
func (m *Meter) PollCost() (all []bus.Cost) {
	for i, s := range m.layout.requests[:m.layout.needed] {
		c := m.cost(s.function, s.count)
		if i == 0 && m.layout.Wake > 0 {
			all = append(all, bus.Cost{Device: c.Device, Out: c.Out, Answer: m.layout.Wake, Lateness: c.Lateness})
		}
		all = append(all, c)
	}
	return all
}

// OpenCost is nil: a meter opens nothing.
func (m *Meter) OpenCost() []bus.Cost { return nil }

// PollCost is what one status asks of the line.
func (d *Door) PollCost() (all []bus.Cost) {
	if _, count := d.cfg.inputs(); count > 0 {
		all = append(all, d.cost(modbus.FuncCodeReadDiscreteInputs, count))
	}
	return append(all, d.cost(modbus.FuncCodeReadCoils, 1))
}

// OpenCost is the one frame of a release.
func (d *Door) OpenCost() []bus.Cost { return []bus.Cost{d.cost(modbus.FuncCodeWriteSingleCoil, 1)} }
