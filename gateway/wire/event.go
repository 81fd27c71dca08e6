package wire

import "encoding/json"

// Event is one fact, encoded once when it is appended; those bytes are hashed, stored, sent and logged.
// It carries ids and codes only: no name, no unit label, no free text, no secret in clear.
type Event struct {
	Type    string          `json:"type"`              // subject.past, e.g. compartment.opened
	Subject string          `json:"subject"`           // kind/id, e.g. compartment/A-18, parcel/0198c…
	Version uint64          `json:"version,omitempty"` // the subject's version after the event, from 1
	State   json.RawMessage `json:"state,omitempty"`   // the subject's state after the event
	Wall    Micros          `json:"wall"`              // judged time
	Clock   Quality         `json:"clock"`
	Mono    int64           `json:"mono"` // microseconds since boot
	Boot    uint64          `json:"boot"`
	Data    json.RawMessage `json:"data,omitempty"`
	First   *First          `json:"first,omitempty"` // set when a forked life is appended again
}

// First is the name and chain hash under which an event was appended for the first time.
type First struct {
	Name
	Hash Hash `json:"hash"`
}

// Types of events of this version. An unknown type is logged by the cloud, never dropped.
const (
	EpochStarted      = "epoch.started"       // Data: EpochStart; the first event of every epoch
	LossRecorded      = "loss.recorded"       // Data: Loss
	GatewayStarted    = "gateway.started"     // Data: Start
	StateApplied      = "state.applied"       // Data: StateVersion
	RevocationApplied = "revocation.applied"  // Data: Revocation
	DeviceSilent      = "device.silent"       // subject device/…; State: Device
	DeviceReturned    = "device.returned"     // subject device/…; State: Device
	ConfigRefused     = "config.refused"      // Data: {"code":…}
	WishDone          = "wish.done"           // subject wish/ID; Data: WishOutcome
	WishRefused       = "wish.refused"        // subject wish/ID; Data: WishOutcome
	CredentialMinted  = "credential.minted"   // subject credential/ID; State: Credential
	CredentialEnded   = "credential.ended"    // State: Credential, without its code
	CredentialHanded  = "credential.handed"   // a guard showed a household its next code; subject unit/ID; Data: Cause
	GrantUnlocked     = "grant.unlocked"      // a guard ended the lock of a unit after wrong guesses; Data: Cause
	GrantRefused      = "grant.refused"       // Data: Refused; a guess that opened nothing
	SessionStarted    = "session.started"     // subject session/ID; Data: Session
	SessionEnded      = "session.ended"       // subject session/ID; Data: Session
	UnlockIntended    = "compartment.opening" // subject compartment/ID; State: Compartment; Data: Intent: durable before the pulse
	UnlockOpened      = "compartment.opened"  // Data: Evidence
	UnlockFailed      = "compartment.stuck"   // Data: Evidence: pulsed, and the latch stayed closed
	UnlockUnknown     = "compartment.unknown" // Data: Evidence: the board fell silent
	CompartmentMoved  = "compartment.changed" // any other move; Data: Cause
	CompartmentForced = "compartment.forced"  // open without an intent
	DoorAjar          = "compartment.ajar"    // open for 180 s
	ParcelIntake      = "parcel.taken_in"     // subject parcel/ID; State: Parcel
	ParcelStored      = "parcel.stored"       // State: Parcel, with the sealed PIN
	ParcelSettled     = "parcel.settled"      // the courier's undo has ended: now the PIN may be shown and the notice sent
	ParcelChanged     = "parcel.changed"      // any other move of a parcel; Data: Cause
	ParcelCollected   = "parcel.collected"    // State: Parcel; Data: Cause (sensor, user, assumed, door_open)
	ClockConfirmed    = "clock.confirmed"     // a guard vouched for the clock
	MeterRead         = "meter.read"          // subject meter/ID; telemetry; Data: Reading
	DoorOpening       = "door.opening"        // subject door/ID; State: Door; Data: Entry: durable before the strike is released
	DoorOpened        = "door.opened"         // the contact was seen to open after it, or none is fitted: now a use counts. Data: Passage
	DoorUnopened      = "door.unopened"       // released, and not opened while it was: no use. Data: Passage
	DoorUnknown       = "door.unknown"        // released, perhaps: the device fell silent. Data: Passage
	DoorRefused       = "door.refused"        // nothing was released: the frame was never written. Data: Passage
	DoorChanged       = "door.changed"        // any other move: closed again, opened from inside. Data: Cause
	DoorForced        = "door.forced"         // open without a right and without the button inside
	DoorHeld          = "door.held"           // open for 30 s: a warning
	DoorLeftOpen      = "door.left_open"      // open for a minute: an alarm
	DoorClosedDown    = "door.closed_down"    // a guard closed it, whatever grants say. Data: Cause
	DoorReopened      = "door.reopened"       // a guard ended that. Data: Cause
	LockOpening       = "lock.opening"        // commissioning; subject lock/A-17: the 17th along bank A's chain, whose door nobody knows yet; Data: LockPulse: durable before the pulse
	LockPulsed        = "lock.pulsed"         // what was seen of it; Data: LockOutcome
	BankCommissioned  = "bank.commissioned"   // subject bank/A: what was learnt stands in the configuration; Data: Commissioned
	CommandRefused    = "command.refused"     // subject command/ID; Data: CommandOutcome
	CommandPulsed     = "command.pulsed"      // done; nothing was seen to open
	CommandOpened     = "command.opened"      // done, and seen to open
	CommandUnknown    = "command.unknown"     // nobody knows; it is never sent again
)

// EpochStart is the data of epoch.started.
type EpochStart struct {
	Previous uint64 `json:"previous"` // 0: the first epoch of a new store without a predecessor known
	Cause    string `json:"cause"`    // first_boot, salvage, exchange, fork, clone
	Nonce    Hash   `json:"nonce"`    // the epoch's 128 random bits, padded with zeros
}

// Loss is the data of loss.recorded: what can no longer be had, and why.
type Loss struct {
	Epoch  uint64 `json:"epoch"`
	Stream Stream `json:"stream"`
	From   uint64 `json:"from"` // first segment
	To     uint64 `json:"to"`   // last segment
	First  uint64 `json:"first"`
	Last   uint64 `json:"last"` // seqs within From and To
	Before Hash   `json:"before"`
	After  Hash   `json:"after"`
	Cause  string `json:"cause"` // age, quota, damaged
}

// Start is the data of gateway.started.
type Start struct {
	Version string `json:"version"`
	Boot    uint64 `json:"boot"`
}

// Device is the state of a device as the gateway saw it. Code is a stable word, never free text.
type Device struct {
	Kind   string `json:"kind"` // locker_board, …
	Online bool   `json:"online"`
	Code   string `json:"code,omitempty"` // silent, gone, damaged, foreign
}

// WishOutcome answers a wish.
type WishOutcome struct {
	Kind   string `json:"kind"`
	Target string `json:"target"`           // the wish's subject
	Reason string `json:"reason,omitempty"` // why it was refused: a code
}

// Credential is the state of a code minted at the gateway. The code itself is only inside Sealed.
type Credential struct {
	Purpose string  `json:"purpose"` // household, courier, guard
	Holder  string  `json:"holder"`  // household id, courier id or guard id
	Sealed  *Sealed `json:"sealed,omitempty"`
	Until   Micros  `json:"until"`           // its end
	Ended   string  `json:"ended,omitempty"` // replaced, revoked
}

// Refused is the data of grant.refused.
type Refused struct {
	Purpose string `json:"purpose"`        // pin, household, courier, guard, ticket
	Unit    string `json:"unit,omitempty"` // the unit's id when it exists
	Reason  string `json:"reason"`         // wrong, locked, budget, ended, used
	Left    int    `json:"left"`           // tries left before the next lock
}

// Session is the data of session.started and session.ended.
type Session struct {
	Role   string `json:"role"` // courier, resident, guard
	Holder string `json:"holder"`
	Cause  string `json:"cause,omitempty"` // signed_out, idle, replaced, restart
}

// Intent is the data of compartment.opening.
type Intent struct {
	ID      string `json:"id"`
	Purpose string `json:"purpose"` // deposit, collection, audit
	Grant   string `json:"grant"`   // what gave the right: pin, household, courier, guard
	Holder  string `json:"holder"`
	Reason  string `json:"reason,omitempty"` // a guard's reason code
	Try     int    `json:"try"`
}

// Evidence is the data of an unlock's outcome.
type Evidence struct {
	Intent string   `json:"intent"`
	Pulsed bool     `json:"pulsed"`
	Waited int64    `json:"waited"` // microseconds until the frame was written
	Took   int64    `json:"took"`   // microseconds from the frame to the verdict
	Frames []string `json:"frames,omitempty"`
}

// LockPulse is the data of lock.opening.
type LockPulse struct {
	Intent string `json:"intent"`
}

// LockOutcome is the data of lock.pulsed.
type LockOutcome struct {
	Intent string   `json:"intent"`
	Pulsed bool     `json:"pulsed"`          // the frame may have left
	Seen   string   `json:"seen"`            // opened, still, several, crossed (another lock's bit), silent, refused (not sent), restart (nobody saw it)
	Moved  []int    `json:"moved,omitempty"` // locks whose latch bit changed
	Frames []string `json:"frames,omitempty"`
}

// Commissioned is the data of bank.commissioned.
type Commissioned struct {
	Closed  int  `json:"closed_bit"`
	Doors   int  `json:"doors"`   // how many were opened and named
	Kept    int  `json:"kept"`    // how many were left shut, since there is something inside
	Changed bool `json:"changed"` // the configuration said otherwise before
}

// Cause is the data of any other move.
type Cause struct {
	Why    string `json:"why"`              // a code: sensor, user, assumed, restart, session_ended, …
	By     string `json:"by,omitempty"`     // courier, guard or household id
	Reason string `json:"reason,omitempty"` // a guard's reason code
}

// Compartment is a compartment's state on the wire.
type Compartment struct {
	Bank    string `json:"bank"`
	Number  int    `json:"number"`
	Content string `json:"content"`           // vacant, reserved, opening, open, closed_unconfirmed, occupied, needs_check
	Purpose string `json:"purpose,omitempty"` // deposit, collection, audit, while it is being used
	Parcel  string `json:"parcel,omitempty"`
	Service string `json:"service"` // in, or why it is out
	Door    string `json:"door"`    // closed, open, unknown
	Item    string `json:"item"`    // empty, present, no_sensor
	Verify  bool   `json:"verify,omitempty"`
	Why     string `json:"why,omitempty"` // of needs_check
}

// Parcel is a parcel's state on the wire.
type Parcel struct {
	State       string  `json:"state"`
	Household   string  `json:"household"`
	Unit        string  `json:"unit"` // the unit's id
	Compartment string  `json:"compartment,omitempty"`
	Shelf       string  `json:"shelf,omitempty"`
	Courier     string  `json:"courier,omitempty"`
	Size        string  `json:"size,omitempty"`
	PIN         *Sealed `json:"pin,omitempty"`
	StoredAt    Micros  `json:"stored_at,omitempty"`
	SettledAt   Micros  `json:"settled_at,omitempty"`
	EndedAt     Micros  `json:"ended_at,omitempty"`
	How         string  `json:"how,omitempty"` // of the end: sensor, user, assumed, door_open, guard
}
