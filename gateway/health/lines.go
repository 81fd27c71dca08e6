package health

import (
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// lineReport is a line in /healthz, measured beside computed. Times are in milliseconds.
type lineReport struct {
	Name      string         `json:"name"`
	Open      bool           `json:"open"`
	Port      string         `json:"port,omitempty"`
	Error     string         `json:"error,omitempty"`
	Fault     string         `json:"fault,omitempty"`      // of the open line
	Use       float64        `json:"use"`                  // share of the last minute in which it was held
	PollsNeed float64        `json:"polls_need,omitempty"` // share of its time, computed
	Openings  *openingReport `json:"openings,omitempty"`   // absent: nothing on it opens
	Errors    errorReport    `json:"errors"`
}

// openingReport is how long openings wait for their frame.
type openingReport struct {
	Count    uint64  `json:"count"`
	Usual    float64 `json:"usual_ms"`
	Worst    float64 `json:"worst_of_hour_ms"`
	Computed float64 `json:"computed_ms"`                         // at most, while all devices answer
	IfSilent float64 `json:"computed_if_another_falls_silent_ms"` // at most
}

// errorReport counts what went wrong, by class.
type errorReport struct {
	Timeouts uint64 `json:"timeouts"`
	Late     uint64 `json:"late"`    // answers after the learned time-out
	Stalled  uint64 `json:"stalled"` // answers that broke off
	Damaged  uint64 `json:"damaged"` // frames
	Foreign  uint64 `json:"foreign"` // frames
}

func errorsOf(c bus.Counters) errorReport {
	return errorReport{c.Timeouts, c.Late, c.Stalled, c.Bad, c.Foreign}
}

// deviceReport is a device in /healthz. Times are in milliseconds where they do not say otherwise.
type deviceReport struct {
	ID        string       `json:"id"`
	Online    bool         `json:"online"`
	AsOf      *time.Time   `json:"as_of,omitempty"`              // last good answer
	Age       *float64     `json:"answer_age_seconds,omitempty"` // of that
	Since     *time.Time   `json:"since,omitempty"`
	Error     string       `json:"error,omitempty"`
	Turn      float64      `json:"turnaround_ms,omitempty"` // usual
	Timeout   float64      `json:"timeout_ms,omitempty"`    // as learned
	Every     float64      `json:"every_ms,omitempty"`      // usual time from one poll to the next
	Resting   bool         `json:"resting,omitempty"`       // long silent: asked now and then only
	NextProbe *time.Time   `json:"next_probe,omitempty"`
	Errors    *errorReport `json:"errors,omitempty"` // absent: it was never asked
}

// line reports one line.
func (s Snapshot) line(name string) lineReport {
	l, computed := s.Lines[name], s.Computed[name]
	r := lineReport{
		Name: name, Open: l.Open, Port: l.Port, Error: l.Error, Fault: l.Fault, Use: l.Use, PollsNeed: computed.Use, Errors: errorsOf(l.Line),
	}
	if w := computed.Open; w != nil {
		o := s.Openings[name]
		r.Openings = &openingReport{o.Count, inMS(o.Usual), inMS(o.Worst), inMS(w.Answering), inMS(w.Silent)}
	}
	return r
}

// heard is what the lines know of the devices on them, by name.
func (s Snapshot) heard() map[string]bus.Device {
	all := map[string]bus.Device{}
	for _, l := range s.Lines {
		for name, d := range l.Devices {
			all[name] = d
		}
	}
	return all
}

func device(d drivers.Health, heard bus.Device) deviceReport {
	r := deviceReport{
		ID: d.Device, Online: d.Online, AsOf: instant(d.LastOK), Since: instant(d.Since), Error: d.Error,
		Turn: inMS(heard.Turn), Timeout: inMS(heard.Limit), Every: inMS(heard.Period), Resting: heard.Resting, NextProbe: instant(heard.NextProbe),
	}
	if !d.LastOK.IsZero() {
		since := age(d.LastOK)
		r.Age = &since
	}
	if heard.Transactions > 0 {
		errors := errorsOf(heard.Counters)
		r.Errors = &errors
	}
	return r
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
