package modbus

import (
	"errors"
	"fmt"
	"time"
)

// None is the input of a contact or button that is not fitted.
const None = -1

// pressed is how long a person holds the button inside: long enough for a host that looks once a second.
const pressed = 1500 * time.Millisecond

// Errors of what a person tries at a door. They are wrapped with the door.
var (
	ErrDoorOpen   = errors.New("the door is open")
	ErrDoorClosed = errors.New("the door is closed")
	ErrDoorHeld   = errors.New("the strike holds the door")
	ErrNoContact  = errors.New("no contact is fitted")
)

// DoorConfig describes a door and how it is wired to its relay module.
type DoorConfig struct {
	Name    string // for explanations
	English string // the same in English
	Output  int    // of its strike, 0 to 7; two doors never share one
	Contact int    // input of its contact, 0 to 7, or None
	OpenIs  bool   // what the contact's input reads while the door is open
	Exit    int    // input of the button inside, 0 to 7, reads 1 while it is pressed; or None
}

// Stuck is what a contact says, whatever the door does.
type Stuck string

// The ways of a contact. The empty one tells the truth.
const (
	StuckNot    Stuck = ""
	StuckOpen   Stuck = "open"
	StuckClosed Stuck = "closed"
)

// DoorCounts is the oracle: what physically happened at a door since the start.
type DoorCounts struct {
	Releases uint64        // times its strike's output went on
	Longest  time.Duration // that output was on for so long without a break
	Openings uint64        // times somebody opened it while it was released
	Exits    uint64        // times somebody pressed the button inside
	Forced   uint64        // times it was forced open
}

// Door is one door of a facility: people push it, and it stays where they leave it. It is safe for concurrent use.
type Door struct {
	cfg   DoorConfig
	relay *Relay

	// All below is guarded by the relay's mutex.
	open    bool
	button  time.Time // the button inside is pressed until then
	jammed  bool
	contact Stuck
	counts  DoorCounts // Releases and Longest come from the output
}

// DoorState is a door as it stands.
type DoorState struct {
	On      bool // its strike's output
	Open    bool
	Contact string // open or closed: what the contact says; empty: none is fitted
	Pressed bool   // the button inside
	Jammed  bool   // the strike holds though its output is on
	Stuck   Stuck  // of the contact
	Counts  DoorCounts
}

// State returns the door as it stands.
func (d *Door) State() DoorState {
	d.relay.mu.Lock()
	defer d.relay.mu.Unlock()
	now := time.Now()
	out := d.relay.output(d.cfg.Output, now)
	s := DoorState{On: out.On, Open: d.open, Pressed: d.button.After(now), Jammed: d.jammed, Stuck: d.contact, Counts: d.counts}
	s.Counts.Releases, s.Counts.Longest = out.Times, out.Longest
	if d.cfg.Contact != None {
		s.Contact = string(StuckClosed)
		if d.saysOpen() {
			s.Contact = string(StuckOpen)
		}
	}
	return s
}

// Push opens the door from outside, if its strike lets go.
func (d *Door) Push() error {
	return d.touch(func(now time.Time) error {
		switch {
		case d.open:
			return ErrDoorOpen
		case d.jammed || !d.relay.output(d.cfg.Output, now).On:
			return ErrDoorHeld
		}
		d.open = true
		d.counts.Openings++
		return nil
	})
}

// Shut pushes the door shut; it falls into its strike.
func (d *Door) Shut() error {
	return d.touch(func(time.Time) error {
		if !d.open {
			return ErrDoorClosed
		}
		d.open = false
		return nil
	})
}

// Leave presses the button inside and opens the door: hardware does it, whatever the strike's output says.
func (d *Door) Leave() error {
	return d.touch(func(now time.Time) error {
		d.open, d.button = true, now.Add(pressed)
		d.counts.Exits++
		return nil
	})
}

// Force opens the door against its strike.
func (d *Door) Force() error {
	return d.touch(func(time.Time) error {
		if d.open {
			return ErrDoorOpen
		}
		d.open = true
		d.counts.Forced++
		return nil
	})
}

// Jam makes the strike hold though its output is on, or frees it.
func (d *Door) Jam(jammed bool) {
	_ = d.touch(func(time.Time) error { d.jammed = jammed; return nil })
}

// StickContact makes the contact say the same for ever, or the truth again.
func (d *Door) StickContact(s Stuck) error {
	return d.touch(func(time.Time) error {
		if d.cfg.Contact == None {
			return ErrNoContact
		}
		d.contact = s
		return nil
	})
}

// Relay is the module that the door is wired to.
func (d *Door) Relay() *Relay { return d.relay }

func (d *Door) touch(do func(now time.Time) error) error {
	d.relay.mu.Lock()
	defer d.relay.mu.Unlock()
	if err := do(time.Now()); err != nil {
		return fmt.Errorf("door %s: %w", d.cfg.English, err)
	}
	return nil
}

// saysOpen is what the contact says.
func (d *Door) saysOpen() bool {
	if d.contact != StuckNot {
		return d.contact == StuckOpen
	}
	return d.open
}

// sense sets the inputs that the door is wired to.
func (d *Door) sense(inputs []bool, now time.Time) {
	if d.cfg.Contact != None {
		inputs[d.cfg.Contact] = d.saysOpen() == d.cfg.OpenIs
	}
	if d.cfg.Exit != None {
		inputs[d.cfg.Exit] = d.button.After(now)
	}
}

// bitFunc is one bit of an answer, by the number of its output or input.
type bitFunc func(n int) (on, has bool)

func (d *Door) explainOutput(bit bitFunc, zh, en *phrase) {
	on, has := bit(d.cfg.Output)
	switch {
	case on:
		zh.add("%s 電鎖通電", d.cfg.Name)
		en.add("%s strike on", d.cfg.English)
	case has:
		zh.add("%s 電鎖沒電", d.cfg.Name)
		en.add("%s strike off", d.cfg.English)
	}
}

func (d *Door) explainInputs(bit bitFunc, zh, en *phrase) {
	if says, has := bit(d.cfg.Contact); has {
		if says == d.cfg.OpenIs {
			zh.add("%s 門開著", d.cfg.Name)
			en.add("%s open", d.cfg.English)
		} else {
			zh.add("%s 門關著", d.cfg.Name)
			en.add("%s closed", d.cfg.English)
		}
	}
	if on, _ := bit(d.cfg.Exit); on {
		zh.add("%s 有人按出門鈕", d.cfg.Name)
		en.add("%s exit button pressed", d.cfg.English)
	}
}
