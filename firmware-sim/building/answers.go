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
	Sleepy     bool    `json:"sleepy"`    // it hears the second of two requests only
	LateRate   float64 `json:"late_rate"` // the part of its answers that comes late
	Late       int64   `json:"late_ms"`
	CutRate    float64 `json:"truncated_rate"` // the part of its answers that ends too early
	BusyRate   float64 `json:"busy_rate"`      // the part of the requests that it refuses as busy
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
		Silence: f.Silent, Sleepy: f.Sleepy, LateRate: f.LateRate, Late: f.Late.Milliseconds(), CutRate: f.CutRate, BusyRate: f.BusyRate,
		WrongUnit: f.WrongUnit, Unanswered: d.Unanswered(),
	}
}

// touchAnswers changes what is wrong with a device's answers: silence, sleepy, wrong-unit (On), late (Rate and MS), truncated
// and busy (Rate); of a meter all-ff and word-order (On), too.
func touchAnswers(d answering, action string, o Options) error {
	f := d.Faults()
	switch action {
	case "silence":
		f.Silent = o.on()
	case "sleepy":
		f.Sleepy = o.on()
	case "late":
		f.LateRate, f.Late = *o.Rate, time.Duration(*o.MS)*time.Millisecond
	case "truncated":
		f.CutRate = *o.Rate
	case "busy":
		f.BusyRate = *o.Rate
	case "wrong-unit":
		f.WrongUnit = o.on()
	case "all-ff":
		f.AllFF = o.on()
	case "word-order":
		f.SwapWords = o.on()
	default:
		return fmt.Errorf("%w: %q", ErrAction, action)
	}
	d.SetFaults(f)
	return nil
}

func (c *checker) turnaround(at string, d time.Duration) {
	if d < 0 || d > maxTurnaround {
		c.wrong(at+".turnaround", "%v; use 0s to %v", d, maxTurnaround)
	}
}
