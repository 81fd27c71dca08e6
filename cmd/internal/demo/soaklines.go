package demo

import (
	"context"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// lineFound is what was measured of a line beside what was computed of it before. Times are in milliseconds.
type lineFound struct {
	Name      string       `json:"name"`
	Use       float64      `json:"use"`        // share of its time, measured
	PollsNeed float64      `json:"polls_need"` // computed
	Opening   *openingTime `json:"opening,omitempty"`
	Every     float64      `json:"every_ms"` // the longest usual time from one poll of a device to the next
	Wanted    float64      `json:"wanted_ms"`
}

// openingTime is how long openings on a line waited for their frame.
type openingTime struct {
	Count    int     `json:"count"`
	Usual    float64 `json:"usual"`
	Worst    float64 `json:"worst"` // a second opening at the same moment, and a supply that is in use, are waited for
	Logged   waits   `json:"logged"`
	Computed float64 `json:"computed"`
	IfSilent float64 `json:"computed_if_silent"`
}

// lines puts what health measured beside what was computed. In a sound building the usual wait of an opening is not longer
// than computed, and everybody is polled as often as is wanted.
func (s *soak) lines(ctx context.Context, events []told) (all []lineFound, err error) {
	h, err := s.health(ctx)
	if err != nil {
		return nil, err
	}
	delays, err := s.delays(events)
	if err != nil {
		return nil, err
	}
	on, wanted := s.onLines()
	for _, l := range h.Lines {
		f := lineFound{Name: l.Name, Use: l.Use, PollsNeed: l.PollsNeed, Wanted: wanted[l.Name]}
		for _, d := range h.Devices {
			if on[device(d.ID)] == l.Name {
				f.Every = max(f.Every, d.Every)
			}
		}
		if o := l.Openings; o != nil {
			w := waitsOf(delays[l.Name])
			f.Opening = &openingTime{o.Count, o.Usual, o.Worst, w, o.Computed, o.IfSilent}
			if s.d.Faults == "" && w.P50 > o.Computed {
				s.amiss("line %s: half of all openings wait for more than %.0f ms, and %.0f at most were computed", l.Name, w.P50, o.Computed)
			}
		}
		if s.d.Faults == "" && f.Every > 1.1*f.Wanted {
			s.amiss("line %s: a device is polled every %.0f ms; want %.0f", l.Name, f.Every, f.Wanted)
		}
		all = append(all, f)
	}
	return all, nil
}

// delays are how long openings waited for their frame, by line, as the log has them.
func (s *soak) delays(events []told) (map[string][]time.Duration, error) {
	all := map[string][]time.Duration{}
	for _, e := range events {
		switch e.Type {
		case wire.UnlockOpened, wire.UnlockFailed, wire.UnlockUnknown, wire.DoorOpened, wire.DoorUnopened, wire.DoorUnknown:
			evidence, err := data[struct {
				Waited int64 `json:"waited"`
			}](e)
			if err != nil {
				return nil, err
			}
			line := s.lineOf(e.Subject)
			all[line] = append(all[line], time.Duration(evidence.Waited)*time.Microsecond)
		}
	}
	return all, nil
}

// device is what a driver's name begins with: locker/A of locker/A/board/1, meter/m-101, door/ktv.
func device(name string) string {
	kind, rest, _ := strings.Cut(name, "/")
	id, _, _ := strings.Cut(rest, "/")
	return kind + "/" + id
}

// onLines says on which line each device is, and how often the slowest of a line is wanted to be polled, in milliseconds.
func (s *soak) onLines() (on map[string]string, wanted map[string]float64) {
	const second = 1000
	on, wanted = map[string]string{}, map[string]float64{}
	put := func(device, line string, every float64) {
		on[device], wanted[line] = line, max(wanted[line], every)
	}
	for _, l := range s.config.Lockers {
		put("locker/"+l.Bank, l.Line, second)
	}
	for _, m := range s.config.Meters {
		put("meter/"+m.ID, m.Line, float64(s.config.Metering.Every.Milliseconds()))
	}
	for _, d := range s.config.Doors {
		put("door/"+d.ID, d.Line, second)
	}
	return on, wanted
}
