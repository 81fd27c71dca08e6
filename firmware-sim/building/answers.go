package building

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

const (
	modbusLine    = "Modbus" // what such a line speaks, in messages
	maxUnit       = modbus.MaxUnit
	maxTurnaround = 2 * time.Second
	maxLate       = 10_000 // ms
)

// AnswerFaults is what is wrong with the answers of a device of a Modbus line.
type AnswerFaults struct {
	Silence    bool    `json:"silence"`
	LateRate   float64 `json:"late_rate"` // the part of its answers that comes late
	Late       int64   `json:"late_ms"`
	WrongUnit  bool    `json:"wrong_unit"`
	Unanswered uint64  `json:"unanswered"` // requests that it was silent to
}

// answering is a device whose answers can go wrong: a meter or a relay module.
type answering interface {
	Faults() modbus.Faults
	SetFaults(modbus.Faults)
	Unanswered() uint64
}

func answerFaults(d answering) AnswerFaults {
	f := d.Faults()
	return AnswerFaults{
		Silence: f.Silent, LateRate: f.LateRate, Late: f.Late.Milliseconds(), WrongUnit: f.WrongUnit, Unanswered: d.Unanswered(),
	}
}

func (f AnswerFaults) count(on func(bool)) {
	on(f.Silence)
	on(f.LateRate > 0)
	on(f.WrongUnit)
}

// touchAnswers makes a device silent, late or answer under another address, or ends that.
func touchAnswers(d answering, action string, o Options) error {
	f := d.Faults()
	switch action {
	case "silence":
		f.Silent = o.on()
	case "wrong-unit":
		f.WrongUnit = o.on()
	case "late":
		if o.Rate == nil || !(*o.Rate >= 0 && *o.Rate <= 1) || o.MS == nil || *o.MS < 0 || *o.MS > maxLate {
			return fmt.Errorf("%w: give rate, 0 to 1 (0 ends it), and ms, 0 to %d", ErrOptions, maxLate)
		}
		f.LateRate, f.Late = *o.Rate, time.Duration(*o.MS)*time.Millisecond
	}
	d.SetFaults(f)
	return nil
}

func (c *checker) turnaround(at string, d time.Duration) {
	if d < 0 || d > maxTurnaround {
		c.wrong(at+".turnaround", "%v; use 0s to %v", d, maxTurnaround)
	}
}
