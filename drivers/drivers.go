// Package drivers says what building hardware can do: the small interfaces that services ask and the status types
// they get back.
//
// A driver (one package per protocol below this one) turns these calls into frames and asks drivers/bus to carry them.
// Nothing here decides whether a door may open: that right is judged above, before a driver is asked.
package drivers

import (
	"context"
	"errors"
	"time"
)

// LockBank is a chain of locker boards, seen as one numbered row of locks.
type LockBank interface {
	// Locks is the number of locks of the bank; they are numbered 1 to Locks, as on the doors.
	Locks() int
	// Status reads every board of the bank once. Locks of a board that did not answer are LatchUnknown and Err says
	// why; the error is non-nil only when no board answered.
	Status(ctx context.Context) (BankStatus, error)
	// Unlock energises one latch at most once and judges the result by the latch's feedback alone. The frame is not
	// written after notAfter (the zero time means no limit). It returns an error only when no pulse can have been
	// given; once the frame may have left, the outcome is Opened, Stuck or Unknown and the error is nil.
	Unlock(ctx context.Context, lock int, notAfter time.Time) (Unlock, error)
}

// Meter is one gas meter.
type Meter interface {
	// Read reads the meter once: its own serial number and its total, in as few requests as its profile allows. An error
	// (ErrSilent, ErrGone, ErrBusy, ErrRefused, ErrValue, or ctx's cause) says that there is no reading; none is ever made
	// up, and nothing is tried again: when to try is the caller's to say.
	Read(ctx context.Context) (Reading, error)
}

// Reading is what a meter said of itself at one moment.
type Reading struct {
	At     time.Time // when the answer was whole
	Serial string    // as the meter has it, in decimal or as its profile says; empty: the profile has no such register
	Litres int64     // total, rounded down to whole litres
	Range  int64     // the total rolls over to zero at so many litres; 0: the profile does not say
	Qmax   int64     // litres an hour that the meter can measure; 0: the profile does not say
	Flags  []string  // status bits that are set, by the profile's names, in its order: low_battery, tamper, …
	Raw    []Frame   // what went over the line for it, at most 32
}

// Door is one facility door: an electric strike or magnetic lock that is released for a moment, a contact, and a button
// inside (request to exit). Leaving never depends on it: that is hardware.
type Door interface {
	// Status reads the door's inputs and its output once.
	Status(ctx context.Context) (DoorStatus, error)
	// Release lets the door be opened for hold, at most once, by the device's own timer where it has one; the output is off
	// again afterwards, whatever becomes of ctx. The frame is not written after notAfter (the zero time means no limit). It
	// returns an error only when nothing can have been released; once the frame may have left, the error is nil and Known
	// says whether the device confirmed it. Release returns when that is known, not when hold is over.
	Release(ctx context.Context, hold time.Duration, notAfter time.Time) (Release, error)
	// Secure turns the door's output off, as at start-up. It is harmless at any time that nobody is let in.
	Secure(ctx context.Context) error
}

// Contact is what a door's contact says.
type Contact uint8

// The states of a contact. The zero value claims nothing.
const (
	ContactUnknown Contact = iota // none fitted, or the device is silent
	ContactClosed
	ContactOpen
)

// DoorStatus is one reading of a door.
type DoorStatus struct {
	Contact  Contact
	Released bool // the output is on now
	Exit     bool // the button inside is pressed now
}

// Release is what became of one release, with its evidence.
type Release struct {
	Known  bool          // the device said that its output was on; false: the frame may have left, and nothing is known
	Waited time.Duration // from the call until the frame was written (the line's turn)
	Took   time.Duration // from the frame to the verdict
	Frames []Frame       // what went over the line for it, at most 32
}

// Watched is what a driver may offer beside its interface: what it knows of its devices without asking them.
type Watched interface{ Health() []Health }

// Latch is what a lock's feedback switch says.
type Latch uint8

// The states of a latch. The zero value claims nothing.
const (
	LatchUnknown Latch = iota
	LatchClosed
	LatchOpen
)

// Item is what a compartment's sensor says. It is a hint, never a proof of delivery or of emptiness.
type Item uint8

// The states of an item sensor.
const (
	ItemUnknown Item = iota // no sensor fitted, or the board is silent
	ItemEmpty
	ItemPresent
)

// LockStatus is one lock as last read.
type LockStatus struct {
	Latch Latch
	Item  Item
}

// BankStatus is one reading of a whole bank. Locks[0] is lock 1.
type BankStatus struct {
	Locks []LockStatus
	Err   error // joined errors of the boards that did not answer; nil when all did
}

// Outcome of an unlock that may have energised its latch.
type Outcome uint8

// The outcomes of an unlock.
const (
	Unknown     Outcome = iota // the board fell silent after the pulse may have been given
	Opened                     // the latch was seen to open after the pulse
	Stuck                      // the pulse was given and the latch was seen still closed when the budget ended
	AlreadyOpen                // the latch was open before; nothing was energised
)

// Unlock is the outcome of one intent, with its evidence.
type Unlock struct {
	Outcome Outcome
	Pulsed  bool          // the unlock frame was handed to the line
	Waited  time.Duration // from the call until the unlock frame was written (the line's turn)
	Took    time.Duration // from the unlock frame to the verdict
	Frames  []Frame       // what went over the line for it, at most 32
}

// Frame is one frame as it went over the line.
type Frame struct {
	Sent  bool          // true: from us to the device
	At    time.Duration // since the call
	Bytes []byte
}

// Health is what a driver knows about its line and devices without asking them now.
type Health struct {
	Device  string        // as configured, e.g. "locker/A/board/2", "meter/m-101", "door/ktv"
	Online  bool          // the last three polls were not all without an answer, nor the last two without a port
	Since   time.Time     // when Online last changed; zero: never
	LastOK  time.Time     // the last good answer; zero: none yet
	Error   string        // the last error with its remedy; empty when online
	Answers uint64        // good answers
	Errors  uint64        // time-outs and damaged or foreign answers
	Silent  int           // polls without a good answer in a row; one that found the port gone counts twice
	Turn    time.Duration // usual turnaround (request's last byte to answer's first)
}

// Errors that services tell apart. Drivers wrap them with the place.
var (
	ErrSilent = errors.New("no answer")                    // nothing came, or nothing usable, after all tries
	ErrGone   = errors.New("port is gone")                 // the adapter is unplugged or the link is cut
	ErrLate   = errors.New("too late, nothing was sent")   // notAfter had passed before the frame's turn came
	ErrBusy   = errors.New("queue is full")                // the bus has as much waiting as it may hold
	ErrNoLock = errors.New("no such lock")                 // lock number out of the bank's range
	ErrUnsure = errors.New("latch polarity is not proven") // closed_bit is not configured

	ErrUnproven = errors.New("device has not answered on this port yet") // cables may be swapped: nothing was sent

	ErrRefused = errors.New("device refused")         // it answered, and said no: an exception
	ErrValue   = errors.New("no value of this meter") // absent registers, digits that are none, a total out of its range
)
