package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Input is one thing that happens. Ids of what it may begin come in with it.
type Input interface{ apply(st *step) error }

// Step applies one input. On error the building is the old one and Out is empty.
func Step(b Building, in Input, now Now) (Building, Out, error) {
	st := &step{Building: b.clone(), now: now}
	if err := in.apply(st); err != nil {
		return b, Out{}, err
	}
	slices.Sort(st.out.Doors)
	st.out.Doors = slices.Compact(st.out.Doors)
	return st.Building, st.out, nil
}

// step is one step under way.
type step struct {
	Building
	now Now
	out Out
}

// door gives a door to be changed.
func (st *step) door(id string) (*Door, error) {
	for i := range st.Doors {
		if st.Doors[i].ID == id {
			return &st.Doors[i], nil
		}
	}
	return nil, fmt.Errorf("door %.40q: %w", id, ErrUnknown)
}

// turn moves a door by the table, without recording it.
func (st *step) turn(d *Door, on Turn) error {
	next, err := Next(d.State, on, d.Alarm)
	if err != nil {
		return fmt.Errorf("door %s: %w", d.ID, err)
	}
	if next != d.State {
		d.State, d.Since = next, st.now.Wall
	}
	return nil
}

// move moves a door by the table and records it.
func (st *step) move(d *Door, on Turn, kind string, data any) error {
	if err := st.turn(d, on); err != nil {
		return err
	}
	st.record(d, kind, data)
	return nil
}

// change is move for what a contact does when people come and go. One that flaps is recorded so often and no more.
func (st *step) change(d *Door, on Turn, why string) error {
	if err := st.turn(d, on); err != nil {
		return err
	}
	d.Changes = recent(d.Changes, st.now.Mono, time.Hour)
	if len(d.Changes) >= MaxChanges {
		st.out.Unrecorded++
		return nil
	}
	d.Changes = append(d.Changes, st.now.Mono)
	st.record(d, wire.DoorChanged, wire.Cause{Why: why})
	return nil
}

// record commits a door with an event.
func (st *step) record(d *Door, kind string, data any) {
	d.Version++
	st.out.Doors = append(st.out.Doors, d.ID)
	st.out.Events = append(st.out.Events, Event{Type: kind, Subject: "door/" + d.ID, Version: d.Version, State: d.wire(), Data: data})
}

// settle commits what came of the door's intent: the door's event, and the command's if it was one.
func (st *step) settle(d *Door, on Turn, outcome, code string) error {
	e, proof := d.Entry, d.Proof
	d.Entry, d.Proof, d.Newest, d.Outcome = Entry{}, Proof{}, e.Intent, outcome
	passage := wire.Passage{
		Intent: e.Intent, Code: code, Grant: e.Grant, Waited: proof.Waited.Microseconds(), Took: proof.Took.Microseconds(), Frames: proof.Frames,
	}
	if e.Grant != "" && (outcome == OutcomeOpened || outcome == OutcomeUnknown) { // who may have gone in has used it
		passage.Used = e.Used + 1
		st.out.Uses = append(st.out.Uses, Use{Grant: e.Grant, Count: passage.Used, Until: e.Until})
	}
	kind := map[string]string{
		OutcomeOpened: wire.DoorOpened, OutcomeUnopened: wire.DoorUnopened, OutcomeUnknown: wire.DoorUnknown, OutcomeRefused: wire.DoorRefused,
	}[outcome]
	if err := st.move(d, on, kind, passage); err != nil {
		return err
	}
	if e.Command == "" {
		return nil
	}
	said := wire.CommandOutcome{Device: e.Device, What: e.What, Intent: e.Intent}
	kind = map[string]string{
		OutcomeOpened: wire.CommandOpened, OutcomeUnopened: wire.CommandPulsed, OutcomeUnknown: wire.CommandUnknown, OutcomeRefused: wire.CommandRefused,
	}[outcome]
	switch {
	case outcome == OutcomeRefused:
		said.Code = code
	case code == noContact:
		kind = wire.CommandPulsed
	}
	st.ordered(e.Command, kind, said)
	return nil
}

func (st *step) ordered(command, kind string, said wire.CommandOutcome) {
	st.out.Events = append(st.out.Events, Event{Type: kind, Subject: "command/" + command, Data: said})
}
