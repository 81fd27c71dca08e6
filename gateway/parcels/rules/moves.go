package rules

// Kind is what can happen to a compartment or a parcel.
type Kind string

// What can happen to a compartment.
const (
	KReserve       Kind = "reserve"
	KOpen          Kind = "open"            // an intent is committed, a pulse follows
	KOpened        Kind = "feedback open"   // of that pulse
	KNoFeedback    Kind = "no feedback"     // the latch stayed closed, or no pulse was given
	KForced        Kind = "forced"          // open without an intent
	KShut          Kind = "feedback closed" // by hand
	KConfirmed     Kind = "deposit confirmed"
	KTaken         Kind = "taken" // collected: said, seen by the sensor, or assumed
	KKept          Kind = "not taken"
	KLost          Kind = "session lost"
	KGiveBack      Kind = "given back"        // a deposit that did not happen: empty
	KStrange       Kind = "something inside"  // that is not the courier's
	KDispute       Kind = "disputed"          // not mine, or empty
	KFoundVacant   Kind = "guard: vacant"     // what a guard says
	KFoundOccupied Kind = "guard: occupied"   //
	KAudited       Kind = "audit left open"   // closed before the guard said what is inside
	KRestartOpen   Kind = "restart: open"     // how the door was found after a restart
	KRestartIdle   Kind = "restart: closed"   // nothing was going on
	KRestartDep    Kind = "restart: deposit"  // closed, in a deposit
	KRestartGone   Kind = "restart: empty"    // closed, in a collection, and the sensor sees nothing
	KRestartKept   Kind = "restart: occupied" // closed, in a collection, otherwise
	KRestartAudit  Kind = "restart: audit"    // closed, in an audit
)

var contents = []Content{Vacant, Reserved, Opening, Open, Closed, Occupied, NeedsCheck}

var compartmentKinds = []Kind{KReserve, KOpen, KOpened, KNoFeedback, KForced, KShut, KConfirmed, KTaken, KKept, KLost, KGiveBack, KStrange, KDispute,
	KFoundVacant, KFoundOccupied, KAudited, KRestartOpen, KRestartIdle, KRestartDep, KRestartGone, KRestartKept, KRestartAudit}

// before stands for "as it was before the opening".
const before Content = "as before"

// compartmentMoves are the moves of a compartment.
var compartmentMoves = map[Content]map[Kind]Content{
	Vacant: {
		KReserve: Reserved, KOpen: Opening, KForced: NeedsCheck,
		KFoundOccupied: Occupied, KRestartOpen: NeedsCheck, KRestartIdle: Vacant,
	},
	Reserved: {
		KOpen: Opening, KGiveBack: Vacant, KStrange: NeedsCheck, KForced: NeedsCheck,
		KRestartOpen: NeedsCheck, KRestartIdle: Vacant,
	},
	Opening: {
		KOpened: Open, KNoFeedback: before,
		KRestartOpen: Open, KRestartDep: NeedsCheck, KRestartGone: Vacant, KRestartKept: Occupied, KRestartAudit: NeedsCheck,
	},
	Open: {
		KShut: Closed, KAudited: NeedsCheck, KFoundVacant: Vacant, KFoundOccupied: Occupied, KDispute: NeedsCheck,
		KRestartOpen: Open, KRestartDep: NeedsCheck, KRestartGone: Vacant, KRestartKept: Occupied, KRestartAudit: NeedsCheck,
	},
	Closed: {
		KConfirmed: Occupied, KTaken: Vacant, KKept: Occupied, KLost: NeedsCheck, KGiveBack: Vacant, KStrange: NeedsCheck, KDispute: NeedsCheck,
		KOpen: Opening, KForced: Open,
		KRestartOpen: Open, KRestartDep: NeedsCheck, KRestartGone: Vacant, KRestartKept: Occupied, KRestartAudit: NeedsCheck,
	},
	Occupied: {
		KOpen: Opening, KForced: NeedsCheck, KFoundVacant: Vacant,
		KRestartOpen: NeedsCheck, KRestartIdle: Occupied,
	},
	NeedsCheck: {
		KOpen: Opening, KFoundVacant: Vacant, KFoundOccupied: Occupied, KForced: NeedsCheck,
		KRestartOpen: NeedsCheck, KRestartIdle: NeedsCheck,
	},
}

// What can happen to a parcel.
const (
	PStored     Kind = "confirmed inside"
	PVoid       Kind = "void"
	PWalkedOff  Kind = "walked away, closed"
	PLeftOpen   Kind = "walked away, open"
	PUndo       Kind = "undo"
	PCollecting Kind = "door opens"
	PCollected  Kind = "collected"
	PKept       Kind = "still inside"
	PDispute    Kind = "not mine, or empty"
	POverdue    Kind = "deadline"
	POffice     Kind = "moved to the office"
	PReturned   Kind = "returned"
	PReassigned Kind = "reassigned"
	PFoundIn    Kind = "guard: inside"
	PFoundGone  Kind = "guard: not there"
)

var parcelStates = []string{Intake, IntakeOpen, Stored, StoredUnconfirmed, Collecting, Overdue, Office, Disputed, Collected, Returned, Void}

var parcelKinds = []Kind{PStored, PVoid, PWalkedOff, PLeftOpen, PUndo, PCollecting, PCollected, PKept, PDispute, POverdue, POffice, PReturned, PReassigned, PFoundIn, PFoundGone}

// parcelMoves are the moves of a parcel.
var parcelMoves = map[string]map[Kind]string{
	Intake:            {PStored: Stored, PVoid: Void, PWalkedOff: StoredUnconfirmed, PLeftOpen: IntakeOpen},
	IntakeOpen:        {PStored: Stored, PVoid: Void, PWalkedOff: StoredUnconfirmed, PFoundIn: Stored, PFoundGone: Void, POffice: Office},
	Stored:            {PUndo: Intake, PCollecting: Collecting, POverdue: Overdue, POffice: Office, PReassigned: Stored, PFoundIn: Stored, PFoundGone: Disputed, PKept: Stored},
	StoredUnconfirmed: {PCollecting: Collecting, PFoundIn: Stored, PFoundGone: Void, POffice: Office, PVoid: Void, PStored: Stored},
	Collecting:        {PCollected: Collected, PKept: Stored, PDispute: Disputed},
	Overdue:           {PCollecting: Collecting, POffice: Office, PReassigned: Stored, PFoundIn: Overdue, PFoundGone: Disputed, PKept: Overdue},
	Office:            {PCollected: Collected, PReturned: Returned},
	Disputed:          {PFoundIn: Stored, POffice: Office, PCollected: Collected, PReturned: Returned},
	Collected:         {},
	Returned:          {},
	Void:              {},
}
