// Package rules says when a facility can be booked, by whom, and what becomes of a booking. It is pure: (state, input, now)
// in, a verdict out. Days are those of the location of the times that are handed in; instants are wire.Micros.
package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// The numbers of the rules.
const (
	MaxLiving    = 2                    // bookings of a household that are not over
	MaxCancelled = 6                    // those that it cancelled and whose time is not over: each is a revocation until then
	Horizon      = 30 * 24 * time.Hour  // how far ahead
	Early        = 10 * time.Minute     // the door opens so long before and after
	CancelBefore = 2 * time.Hour        // later than that it is a late cancellation
	MaxSlot      = 24 * 60              // minutes: what is issued once cannot be revoked while the door is offline
	MinSlot      = 15                   // minutes
	MaxDaySlots  = 120                  // of all facilities of a site: one day's grants travel as one part of 32 KiB
	Days         = int(Horizon/Day) + 1 // that a booking can be on
	Day          = 24 * time.Hour
)

// Facility is what can be booked: slots of so many minutes from one time of the day to another.
type Facility struct {
	Slot     int // minutes
	From, To int // minutes after midnight; the last slot ends at To at the latest
}

// Slot is a stretch of time, To not included.
type Slot struct{ From, To wire.Micros }

// Overlaps tells whether two slots have a moment in common.
func (s Slot) Overlaps(o Slot) bool { return s.From < o.To && o.From < s.To }

// Window is when the door opens for a slot.
func (s Slot) Window() Slot {
	return Slot{s.From - wire.Micros(Early.Microseconds()), s.To + wire.Micros(Early.Microseconds())}
}

// Valid tells whether a facility can have slots at all, and why not.
func (f Facility) Valid() error {
	switch {
	case f.Slot < MinSlot || f.Slot > MaxSlot:
		return fmt.Errorf("slot of %d minutes; use %d to %d", f.Slot, MinSlot, MaxSlot)
	case f.From < 0 || f.To > 24*60 || f.To-f.From < f.Slot:
		return fmt.Errorf("no slot of %d minutes fits between its hours; let to be later", f.Slot)
	}
	return nil
}

// PerDay is how many slots a day has.
func (f Facility) PerDay() int { return (f.To - f.From) / f.Slot }

// OnDay are the slots of the day that at is in, in order.
func (f Facility) OnDay(at time.Time) []Slot {
	y, m, d := at.Date()
	var all []Slot
	for n := range f.PerDay() {
		from := time.Date(y, m, d, 0, f.From+n*f.Slot, 0, 0, at.Location())
		all = append(all, Slot{wire.At(from), wire.At(from.Add(time.Duration(f.Slot) * time.Minute))})
	}
	return all
}

// Rule is why a slot cannot be booked. Its number is what people are told.
type Rule int

// The rules, in the order in which they are judged.
const (
	Free   Rule = iota // it can be
	NoSlot             // no slot begins then
	Over               // it is over
	TooFar             // further ahead than Horizon
	Limit              // the household has MaxLiving already
	Taken              // somebody has it
	Often              // the household has cancelled MaxCancelled
)

// String is the rule's code.
func (r Rule) String() string {
	return [...]string{"free", "no_slot", "over", "too_far", "limit", "taken", "often"}[r]
}

// Judge finds the slot that begins at from, and the rule that forbids it. living are the household's bookings that are not
// over, and cancelled those that it cancelled; taken are those of the facility.
func (f Facility) Judge(from wire.Micros, living, cancelled int, taken []Slot, now time.Time) (Slot, Rule) {
	slots := f.OnDay(from.Time().In(now.Location()))
	at := slices.IndexFunc(slots, func(s Slot) bool { return s.From == from })
	if at < 0 {
		return Slot{}, NoSlot
	}
	s := slots[at]
	switch {
	case s.To <= wire.At(now):
		return s, Over
	case s.From > wire.At(now.Add(Horizon)):
		return s, TooFar
	case living >= MaxLiving:
		return s, Limit
	case slices.ContainsFunc(taken, s.Overlaps):
		return s, Taken
	case cancelled >= MaxCancelled:
		return s, Often
	}
	return s, Free
}

// Next is the first free slot that is not over and begins at after or later; false when there is none within Horizon.
func (f Facility) Next(after wire.Micros, taken []Slot, now time.Time) (Slot, bool) {
	day := now
	if t := after.Time().In(now.Location()); t.After(now) {
		day = t
	}
	for range Days + 1 {
		for _, s := range f.OnDay(day) {
			if s.From < after {
				continue
			}
			if _, r := f.Judge(s.From, 0, 0, taken, now); r == Free {
				return s, true
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	return Slot{}, false
}

// State is what became of a booking.
type State string

// The states of a booking. Completed is not stored: it is what a booking becomes by the time.
const (
	Confirmed     State = "confirmed"
	CheckedIn     State = "checked_in" // the door was opened with it
	Cancelled     State = "cancelled"
	CancelledLate State = "cancelled_late" // less than CancelBefore ahead, or while it ran
	Completed     State = "completed"      // it is over
)

// At is a stored state as it is now.
func (s State) At(slot Slot, now wire.Micros) State {
	if (s == Confirmed || s == CheckedIn) && slot.To <= now {
		return Completed
	}
	return s
}

// Living tells whether the booking still holds its slot.
func (s State) Living() bool { return s == Confirmed || s == CheckedIn }

// Cancel is what a living booking becomes when it is cancelled now; false when it no longer can be: it is over, was
// cancelled, or somebody is inside.
func (s State) Cancel(slot Slot, now wire.Micros) (State, bool) {
	switch {
	case s.At(slot, now) != Confirmed:
		return s, false
	case slot.From-now >= wire.Micros(CancelBefore.Microseconds()):
		return Cancelled, true
	}
	return CancelledLate, true
}

// Entered is what a booking becomes when its door was opened with it. One that was cancelled stays so: the door had not
// heard of it yet.
func (s State) Entered() State {
	if s == Confirmed {
		return CheckedIn
	}
	return s
}
