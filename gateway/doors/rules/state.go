package rules

import (
	"errors"
	"slices"
	"time"
)

// Bounds and waits of the rules, all of them here (invariant 13).
const (
	MaxOpenings = 6  // local ones of one door in a minute
	MaxOrders   = 5  // commands in a minute, for the whole gateway
	MaxChanges  = 60 // closings and exits of one door recorded in an hour
	MaxWrong    = 20 // texts that are no ticket recorded in an hour, for one door
	SilentPolls = 3  // readings without an answer, then the device is silent

	HeldAfter     = 30 * time.Second
	LeftOpenAfter = time.Minute
	ReleaseGrace  = 2 * time.Second // after the strike's time: its contact may be read so late
	ExitGrace     = 5 * time.Second // after the button inside
	LatchGrace    = 3 * time.Second // after closing: the latch had not caught
)

// Errors of Step beside ErrNoMove and Refusal. State is unchanged then.
var (
	ErrUnknown = errors.New("no such thing here")
	ErrNotNow  = errors.New("not possible now")
)

// Refusal is why nobody is let in now: nothing was released, and nothing was recorded.
type Refusal string

func (r Refusal) Error() string { return "not let in: " + string(r) }

// The refusals. Those of a command are its code.
const (
	ClosedDown  Refusal = "closed_down"  // a guard closed the door
	Silent      Refusal = "silent"       // its device does not answer, or was not read yet
	AlreadyOpen Refusal = "already_open" // or released at this moment
	Crowded     Refusal = "crowded"      // MaxOpenings
	Used        Refusal = "used"         // the grant, as often as it may be
	Cap         Refusal = "cap"          // MaxOrders
)

// Now is one moment.
type Now struct {
	Wall time.Time     // judged time
	Mono time.Duration // since the process started
}

// Building is all doors of one gateway, in the order of the configuration.
type Building struct {
	Doors  []Door
	Orders Bucket
}

// Door finds a door by its id.
func (b Building) Door(id string) (Door, bool) {
	i := slices.IndexFunc(b.Doors, func(d Door) bool { return d.ID == id })
	if i < 0 {
		return Door{}, false
	}
	return b.Doors[i], true
}

// NextDeadline is when time alone changes something next, monotonic; false when nothing waits.
func (b Building) NextDeadline() (next time.Duration, waits bool) {
	for _, d := range b.Doors {
		if at, ok := d.deadline(); ok && (!waits || at < next) {
			next, waits = at, true
		}
	}
	return next, waits
}

// Bucket is the cap on commands: it is empty at boot, so that a box that restarts again and again opens nothing by them.
type Bucket struct {
	Credit time.Duration // since Since; one command costs a share of a minute
	Since  time.Duration // monotonic
}

const orderCost = time.Minute / MaxOrders

// take takes one command out of the bucket; false when there is none in it.
func (b Bucket) take(now time.Duration) (Bucket, bool) {
	b.Credit, b.Since = min(b.Credit+now-b.Since, time.Minute), now
	if b.Credit < orderCost {
		return b, false
	}
	b.Credit -= orderCost
	return b, true
}

// Event is one fact to be committed. State and Data are what wire names for the type.
type Event struct {
	Type    string
	Subject string
	Version uint64
	State   any
	Data    any
}

// Use says how often a grant has been used.
type Use struct {
	Grant string
	Count int
	Until time.Time // its end
}

// Action is what is done after the commit.
type Action struct {
	Do       Do
	Door     string
	Intent   string        // of Release
	Hold     time.Duration // of Release
	Deadline time.Duration // of Release by a command: monotonic, the frame is not written after it; 0: none
}

// Do is what is done to a door's output.
type Do string

// What is done to a door's output.
const (
	Release Do = "release" // let it be opened, once
	Secure  Do = "secure"  // turn it off; a release of this door that is under way is given up
)

// Out is what a step asks for. Events, Uses and the doors named in Doors commit together; Actions are done only after
// that.
type Out struct {
	Events     []Event
	Uses       []Use
	Doors      []string // ids of those whose record has changed
	Actions    []Action
	Unrecorded int // changes of a contact that flaps: counted, not logged
}

// clone copies what Step may change.
func (b Building) clone() Building {
	b.Doors = slices.Clone(b.Doors)
	for i := range b.Doors {
		d := &b.Doors[i]
		d.Openings, d.Changes, d.Wrongs = slices.Clone(d.Openings), slices.Clone(d.Changes), slices.Clone(d.Wrongs)
	}
	return b
}
