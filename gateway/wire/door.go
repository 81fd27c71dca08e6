package wire

// Door is a facility door's state on the wire.
type Door struct {
	State  string `json:"state"`            // secured, released, open, held, left_open, forced
	Closed bool   `json:"closed,omitempty"` // a guard closed it down
	Device string `json:"device"`           // online, silent
}

// Entry is the data of door.opening: who is let in, and by which right.
type Entry struct {
	ID      string `json:"id"`                // of the intent
	Right   string `json:"right"`             // ticket, grant, command, guard
	Grant   string `json:"grant,omitempty"`   // of ticket and grant: its id, which is the booking's
	Command string `json:"command,omitempty"` // of command: its id
	Who     string `json:"who,omitempty"`     // household, person or guard id
	Why     string `json:"why,omitempty"`     // a code
	Marked  bool   `json:"marked,omitempty"`  // let in while the clock was uncertain
}

// Passage is the data of what came of an intent to open a door.
type Passage struct {
	Intent string   `json:"intent"`
	Code   string   `json:"code,omitempty"` // refused: late, gone, busy, …; opened: no_contact; unknown: silent, restart_closed, …
	Grant  string   `json:"grant,omitempty"`
	Used   int      `json:"used,omitempty"` // uses of the grant so far, this one included
	Waited int64    `json:"waited"`         // microseconds until the frame was written
	Took   int64    `json:"took"`           // microseconds from the frame to the verdict
	Frames []string `json:"frames,omitempty"`
}

// CommandOutcome is the data of command.refused and its like: the evidence is in the device's own event.
type CommandOutcome struct {
	Device string `json:"device"`
	What   string `json:"what"`
	Code   string `json:"code,omitempty"` // why refused: late, cap, closed_down, silent, already_open, …
	Intent string `json:"intent,omitempty"`
}

// The parts of the state document that let people through doors. PartGrants is a GrantIndex, and then one Grants for each
// day on which some begin.
const PartGrants = "grants"

// GrantIndex lists the days, in order; an absent day has no grants, and a very full one stands more than once.
type GrantIndex struct {
	Days []PartRef `json:"days"` // Name is the day in Asia/Taipei, 2026-11-25
}

// MaxGrantDays is how many parts an index may list: a day with very many grants has several, named 2026-11-25.2 and so on.
const MaxGrantDays = 62

// Grants is one day.
type Grants struct {
	Grants []Grant `json:"grants"`
}

// Grant lets a household through a door for a while: with its household code, or with the ticket of the same id.
type Grant struct {
	ID        string `json:"id"`
	Door      string `json:"door"`
	Household string `json:"household"`
	From      Micros `json:"from"`
	Until     Micros `json:"until"`
	Uses      int    `json:"uses,omitempty"` // 0: as often as wanted
}
