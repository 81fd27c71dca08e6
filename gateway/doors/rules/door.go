package rules

import (
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Door is one door. What its JSON leaves out dies with the power.
type Door struct {
	ID         string        `json:"-"` // these three are the building's configuration
	HasContact bool          `json:"-"`
	Strike     time.Duration `json:"-"` // how long it can be opened

	Version uint64    `json:"version"`
	State   State     `json:"state"`
	Since   time.Time `json:"since"`
	Alarm   bool      `json:"alarm,omitempty"`  // it was forced, and no guard has looked yet
	Closed  bool      `json:"closed,omitempty"` // a guard closed it down
	Reason  string    `json:"reason,omitempty"` // of Closed: a code
	Entry   Entry     `json:"entry,omitzero"`   // the intent whose outcome is not committed

	Restart  bool            `json:"-"` // not read yet since the start
	Contact  drivers.Contact `json:"-"`
	Misses   int             `json:"-"` // readings in a row without an answer
	Read     time.Duration   `json:"-"` // when the newest reading with an answer was begun
	AsOf     time.Time       `json:"-"` // judged, of that reading
	After    time.Duration   `json:"-"` // readings begun before say nothing
	Proof    Proof           `json:"-"` // what the device said of Entry
	Ends     time.Duration   `json:"-"` // of Released: when the strike's time is over
	Opened   time.Duration   `json:"-"` // when the contact was seen to open
	Excuse   string          `json:"-"` // why an opening until Excused is none by force: exit, latch
	Excused  time.Duration   `json:"-"`
	Openings []time.Duration `json:"-"` // local intents of the last minute
	Changes  []time.Duration `json:"-"` // closings and exits recorded in the last hour
	Wrongs   []time.Duration `json:"-"` // likewise texts that are no ticket
	Newest   string          `json:"-"` // the newest intent, and what came of it
	Outcome  string          `json:"-"`
}

// Entry is one intent: who is let in, and by which right.
type Entry struct {
	Intent  string    `json:"intent"`
	Right   string    `json:"right"` // ticket, grant, command, guard
	Grant   string    `json:"grant,omitempty"`
	Used    int       `json:"used,omitempty"` // how often the grant was used before
	Until   time.Time `json:"until,omitzero"` // its end
	Command string    `json:"command,omitempty"`
	Device  string    `json:"device,omitempty"` // of a command, as it named it
	What    string    `json:"what,omitempty"`
}

// Proof is what the device said of a release.
type Proof struct {
	Known        bool // its output was on
	Waited, Took time.Duration
	Frames       []string
}

// Outcomes of an intent, as screens show them.
const (
	OutcomeOpening  = "opening"
	OutcomeOpened   = "opened"
	OutcomeUnopened = "unopened"
	OutcomeUnknown  = "unknown"
	OutcomeRefused  = "refused"
)

// Online tells whether the door's device answers and was read since the start.
func (d Door) Online() bool { return !d.Restart && d.Misses < SilentPolls }

// Moving tells whether the door should be read often: somebody is being let in.
func (d Door) Moving() bool { return d.State == Opening || d.State == Released }

// stands tells whether the door stands open, by a right or from inside, as far as is known.
func (d Door) stands() bool { return d.State == Open || d.State == Held || d.State == LeftOpen }

// Shown is the door's state and newest outcome as people in front of it see them: released only once the device has said
// so, and for as long as that can be used.
func (d Door) Shown() (State, string) {
	switch {
	case d.State == Opening && d.Alarm:
		return Forced, d.Outcome
	case d.State == Opening:
		return Secured, d.Outcome
	case d.State == Released && d.Outcome == OutcomeOpened: // no contact is fitted: it can still be pushed
		return Released, OutcomeOpening
	}
	return d.State, d.Outcome
}

// wire is the door as events show it: released from the intent on, since it may be, and forced until a guard has looked.
func (d Door) wire() wire.Door {
	w := wire.Door{State: string(d.State), Closed: d.Closed, Device: "online"}
	switch {
	case d.Alarm:
		w.State = string(Forced)
	case d.State == Opening:
		w.State = string(Released)
	}
	if !d.Online() {
		w.Device = "silent"
	}
	return w
}

// deadline is when time alone moves the door; false: nothing waits.
func (d Door) deadline() (time.Duration, bool) {
	ajar := d.Contact == drivers.ContactOpen
	switch {
	case d.State == Released && d.HasContact:
		return d.Ends + ReleaseGrace, true
	case d.State == Released:
		return d.Ends, true
	case d.State == Open && ajar:
		return d.Opened + HeldAfter, true
	case d.State == Held && ajar:
		return d.Opened + LeftOpenAfter, true
	}
	return 0, false
}

// bar says why nobody is let in now by a right; empty: he may be.
func (d Door) bar(right string, now Now) Refusal {
	switch {
	case d.Closed && right != byGuard: // the stricter side wins
		return ClosedDown
	case !d.Online():
		return Silent
	case d.State != Secured && d.State != Forced || d.Contact == drivers.ContactOpen:
		return AlreadyOpen
	case right != byCommand && len(recent(d.Openings, now.Mono, time.Minute)) >= MaxOpenings:
		return Crowded
	}
	return ""
}

// recent gives the moments that are not longer ago than a window.
func recent(all []time.Duration, now, window time.Duration) []time.Duration {
	return slices.DeleteFunc(slices.Clone(all), func(at time.Duration) bool { return now-at >= window })
}
