package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Input is one thing that happened or is wanted.
type Input interface{ apply(*step) error }

// Step applies one input. On error the state is unchanged and Out is empty. It keeps nothing of s but shares what did
// not change.
func Step(s State, in Input, now time.Time) (State, Out, error) {
	w := &step{now: now, State: State{
		Compartments: maps.Clone(s.Compartments),
		Parcels:      maps.Clone(s.Parcels),
		Visits:       maps.Clone(s.Visits),
	}}
	if w.Visits == nil {
		w.Visits = map[string]Visit{}
	}
	if w.Parcels == nil {
		w.Parcels = map[string]Parcel{}
	}
	if err := in.apply(w); err != nil {
		return s, Out{}, err
	}
	return w.State, w.out, nil
}

// Minted puts a PIN that was minted in the same commit into the parcel and into the events of the step.
func Minted(s State, out Out, parcel string, pin *wire.Sealed) {
	p := s.Parcels[parcel]
	p.PIN = pin
	s.Parcels[parcel] = p
	for i, e := range out.Events {
		if state, ok := e.State.(wire.Parcel); ok && e.Subject == "parcel/"+parcel {
			state.PIN = pin
			out.Events[i].State = state
		}
	}
}

// step is a working copy.
type step struct {
	State
	now time.Time
	out Out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (w *step) changed(subject string) {
	if !slices.Contains(w.out.Changed, subject) {
		w.out.Changed = append(w.out.Changed, subject)
	}
}

// move takes a compartment along the table, or says that it cannot go there.
func (w *step) move(c *Compartment, k Kind) error {
	next, ok := compartmentMoves[c.Content][k]
	if !ok {
		return fmt.Errorf("compartment %s: %s while %s: %w", c.ID, k, c.Content, ErrNotNow)
	}
	if next == before {
		next = c.Before
	}
	if next != c.Content {
		c.Since = w.now
	}
	c.Content = next
	switch next {
	case Vacant, Occupied, NeedsCheck:
		c.Purpose, c.Before, c.After, c.Visit, c.Try, c.Ajar, c.Unsure = "", "", "", "", 0, false, false
	}
	switch next {
	case Vacant:
		c.Parcel, c.Why = "", ""
	case Occupied:
		c.Why, c.Verify = "", false
	}
	return nil
}

// put stores a compartment and, with an event type, says so.
func (w *step) put(c Compartment, event string, data any) {
	if event != "" {
		c.Version++
	}
	w.Compartments[c.ID] = c
	w.changed("compartment/" + c.ID)
	if event != "" {
		w.out.Events = append(w.out.Events, Event{event, "compartment/" + c.ID, c.Version, c.wire(), data})
	}
}

func (c Compartment) wire() wire.Compartment {
	return wire.Compartment{
		Bank: c.Bank, Number: c.Number, Content: string(c.Content), Purpose: string(c.Purpose), Parcel: c.Parcel,
		Service: c.Service, Door: string(c.Door), Item: string(c.Item), Verify: c.Verify, Why: c.Why,
	}
}

// moveParcel takes a parcel along its table.
func (w *step) moveParcel(p *Parcel, k Kind) error {
	next, ok := parcelMoves[p.State][k]
	if !ok {
		return fmt.Errorf("parcel %s: %s while %s: %w", p.ID, k, p.State, ErrNotNow)
	}
	p.State = next
	switch next {
	case Collected, Returned, Void:
		p.Ended = w.now
	}
	return nil
}

func (w *step) putParcel(p Parcel, event string, data any) {
	p.Version++
	w.Parcels[p.ID] = p
	w.changed("parcel/" + p.ID)
	w.out.Events = append(w.out.Events, Event{event, "parcel/" + p.ID, p.Version, p.wire(), data})
}

func (p Parcel) wire() wire.Parcel {
	at := func(t time.Time) wire.Micros {
		if t.IsZero() {
			return 0
		}
		return wire.At(t)
	}
	return wire.Parcel{
		State: p.State, Household: p.Household, Unit: p.Unit, Compartment: p.Compartment, Shelf: p.Shelf, Courier: p.Courier,
		Size: p.Size, PIN: p.PIN, StoredAt: at(p.StoredAt), SettledAt: at(p.Settled), EndedAt: at(p.Ended), How: p.How,
	}
}

func (w *step) visit(id string) (Visit, error) {
	v, ok := w.Visits[id]
	if !ok {
		return v, fmt.Errorf("visit %s: %w", id, ErrNoVisit)
	}
	v.Touched = w.now
	return v, nil
}

func (w *step) compartment(id string) (Compartment, error) {
	c, ok := w.Compartments[id]
	if !ok {
		return c, fmt.Errorf("compartment %s: %w", id, ErrNone)
	}
	return c, nil
}

func (w *step) parcel(id string) (Parcel, error) {
	p, ok := w.Parcels[id]
	if !ok {
		return p, fmt.Errorf("parcel %s: %w", id, ErrNone)
	}
	return p, nil
}

func cause(why, by string) wire.Cause { return wire.Cause{Why: why, By: by} }

// right is what an opening is done by.
type right struct{ grant, holder, reason string }

// open commits an intent: nothing but this makes a pulse. // invariant 2 and 5: the unlock is an action of this commit
func (w *step) open(c Compartment, p Purpose, intent string, by right, visit string) error {
	switch {
	case intent == "":
		return fmt.Errorf("compartment %s: opening without an id: %w", c.ID, ErrNotNow)
	case c.Pending || c.Door == DoorUnknown:
		return fmt.Errorf("compartment %s: its lock does not answer: %w", c.ID, ErrNotNow)
	}
	c.Pulses = slices.DeleteFunc(slices.Clone(c.Pulses), func(t time.Time) bool { return w.now.Sub(t) >= time.Minute || t.After(w.now) })
	if len(c.Pulses) >= MaxMinute {
		return fmt.Errorf("compartment %s: %w", c.ID, ErrRate)
	}
	if c.Content != Closed { // a door opened again goes back to what it was before the first time
		c.Before = c.Content
	}
	if err := w.move(&c, KOpen); err != nil {
		return err
	}
	c.Pulses = append(c.Pulses, w.now)
	c.Purpose, c.Intent, c.Visit, c.Try = p, intent, visit, c.Try+1
	w.put(c, wire.UnlockIntended, wire.Intent{ID: intent, Purpose: string(p), Grant: by.grant, Holder: by.holder, Reason: by.reason, Try: c.Try})
	w.out.Unlocks = append(w.out.Unlocks, Unlock{intent, c.ID, c.Bank, c.Lock})
	return nil
}

// sizes, smallest first.
var sizes = []string{"S", "M", "L", "XL"}

// Free are the compartments that can take a deposit, by size.
func (s State) Free(now time.Time) map[string]int {
	free := map[string]int{}
	for _, id := range sorted(s.Compartments) {
		if c := s.Compartments[id]; c.free(now) {
			free[c.Size]++
		}
	}
	return free
}

func (c Compartment) free(now time.Time) bool {
	return c.Content == Vacant && c.Service == "in" && c.Door == DoorClosed && !c.Pending && !now.Before(c.Held)
}

// choose finds the smallest free compartment of at least a size: low ones first for who needs them, those to be verified
// last, then by number.
func (w *step) choose(size string, low bool) (Compartment, error) {
	least := slices.Index(sizes, size)
	if least < 0 {
		return Compartment{}, fmt.Errorf("size %q: %w", size, ErrNone)
	}
	var found []Compartment
	for _, id := range sorted(w.Compartments) {
		if c := w.Compartments[id]; c.free(w.now) && slices.Index(sizes, c.Size) >= least {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return Compartment{}, ErrFull
	}
	rank := func(c Compartment) []int {
		r := []int{slices.Index(sizes, c.Size), 0, 0, c.Number}
		if low && !c.Low {
			r[1] = 1
		}
		if c.Verify || c.Item == ItemPresent {
			r[2] = 1
		}
		return r
	}
	slices.SortFunc(found, func(a, b Compartment) int {
		if d := slices.Compare(rank(a), rank(b)); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return found[0], nil
}
