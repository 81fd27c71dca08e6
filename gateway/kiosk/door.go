package kiosk

import (
	"context"
	"errors"

	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/page/pad"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// length is how many digits the code asked for has; 0 where none is asked.
func length(place string) int {
	switch place {
	case "pin":
		return pinLen
	case "household":
		return householdLen
	case "courier":
		return courierLen
	}
	return 0
}

// digits takes one key of the pad or the whole code. A code that is complete is judged and forgotten at once.
func (k *Kiosk) digits(ctx context.Context, s *state, in *input) error {
	n := length(s.place)
	key, whole := in.form.Get("key"), in.form.Get("digits")
	switch {
	case n == 0:
		return parcels.ErrNotNow
	case whole != "" && key == "":
		if len(whole) != n || !page.Digits(whole, n) {
			return errBad
		}
		s.code = secret(whole)
	case whole != "" || !pad.IsKey(key):
		return errBad
	default:
		s.code = secret(pad.Press(s.code.Reveal(), key, n, false))
	}
	if len(s.code) < n {
		return nil
	}
	code := s.code.Reveal()
	s.code = ""
	if s.place == "courier" {
		return k.signIn(ctx, s, code)
	}
	return k.judge(ctx, s, code)
}

func (k *Kiosk) signIn(ctx context.Context, s *state, code string) error {
	v, err := k.parcels.Deliver(ctx, code)
	if err != nil {
		return err
	}
	if v.Visit == "" {
		return k.refuse(s, v)
	}
	s.visit, s.verdict = v.Visit, Verdict{}
	s.seen = k.parcels.Visit(v.Visit)
	if len(s.seen.Doors) > 0 { // the courier's own unfinished deposit is asked for first
		k.to(s, "visit")
		return nil
	}
	k.to(s, k.firstPlace(s))
	return nil
}

func (k *Kiosk) judge(ctx context.Context, s *state, code string) error {
	v, err := k.parcels.Collect(ctx, s.unit, s.place, code)
	if err != nil {
		return err
	}
	if v.Visit == "" {
		return k.refuse(s, v)
	}
	s.visit, s.verdict = v.Visit, Verdict{}
	s.seen = k.parcels.Visit(v.Visit)
	if len(s.seen.Doors) == 0 {
		k.to(s, "nothing")
		return nil
	}
	k.to(s, "visit")
	if door, next := atHand(s.seen); door == nil && next != nil {
		return k.parcels.Open(ctx, s.visit, next.Compartment)
	}
	return nil
}

// refuse shows why a code did not open anything: on the pad itself while another try makes sense, else on its own screen.
func (k *Kiosk) refuse(s *state, v Verdict) error {
	s.verdict = v
	if s.place == "courier" {
		s.problem = problem{code: "wrong", message: "code.wrong_courier"}
		switch v.Reason {
		case "locked":
			k.to(s, "locked")
		case "hours":
			s.problem = problem{code: "hours", message: "code.hours"}
		case "ended":
			s.problem = problem{code: "ended", message: "code.ended"}
		}
		return nil
	}
	switch v.Reason {
	case "locked", "closed", "used", "ended", "office", "nothing":
		k.to(s, v.Reason)
	default:
		s.problem = problem{code: "wrong", message: "code.wrong", args: []any{"Count", v.Left}}
	}
	return nil
}

// atHand returns the door that the screen is about, and the next one still to be opened. A door that moves or waits for an
// answer comes before one that cannot be helped at the screen.
func atHand(v Visit) (door, next *Door) {
	var helpless *Door
	for i := range v.Doors {
		d := &v.Doors[i]
		switch d.State {
		case parcels.DoorOpening, parcels.DoorOpen, parcels.DoorClosed, parcels.DoorStuck:
			if door == nil {
				door = d
			}
		case parcels.DoorUnknown, parcels.DoorFault:
			helpless = d
		case parcels.DoorWaiting:
			if next == nil {
				next = d
			}
		}
	}
	if door == nil {
		door = helpless
	}
	return door, next
}

// atDoor takes what can be touched while doors are at hand.
func (k *Kiosk) atDoor(ctx context.Context, s *state, in *input) error {
	door, next := atHand(s.seen)
	switch {
	case s.visit == "":
		return parcels.ErrNotNow
	case in.do == "/open" && s.place == "size":
		return k.reserve(ctx, s)
	case in.do == "/undo" && (s.place == "unit" || s.place == "building" || s.place == "size"):
		if s.seen.Last == nil {
			s.problem = problem{code: "late", message: "undo.late"}
			return nil
		}
		return k.parcels.Undo(ctx, s.visit)
	case s.place != "visit" && s.place != "dispute":
		return parcels.ErrNotNow
	case in.do == "/open":
		return k.open(ctx, s, door, next)
	case door == nil:
		return parcels.ErrNotNow
	case in.do == "/taken" && s.role == collect:
		return k.taken(ctx, s, door, in.form.Get("answer"))
	case in.do == "/dispute" && s.role == collect:
		return k.disputed(ctx, s, door, in.form.Get("why"))
	case in.do == "/empty" && s.role == deliver:
		return k.empty(ctx, s, door, in.form.Get("answer"))
	case in.do == "/inside" && s.role == deliver:
		return k.inside(ctx, s, door, in.form.Get("answer"))
	}
	return parcels.ErrNotNow
}

// open tries the stuck door again, or opens the next one. A door at hand is never opened a second time by it.
func (k *Kiosk) open(ctx context.Context, s *state, door, next *Door) error {
	switch {
	case door != nil && door.State == parcels.DoorStuck:
		return k.parcels.Open(ctx, s.visit, door.Compartment)
	case door != nil && door.State != parcels.DoorFault && door.State != parcels.DoorUnknown && door.State != parcels.DoorOpen:
		return parcels.ErrNotNow
	case next != nil && s.role == collect:
		return k.parcels.Open(ctx, s.visit, next.Compartment)
	}
	return parcels.ErrNotNow
}

func (k *Kiosk) taken(ctx context.Context, s *state, door *Door, answer string) error {
	switch {
	case answer != "yes" && answer != "no":
		return errBad
	case door.State != parcels.DoorClosed:
		return parcels.ErrNotNow
	}
	return k.parcels.Taken(ctx, s.visit, door.Compartment, answer == "yes")
}

// disputed first asks what is wrong, then records it.
func (k *Kiosk) disputed(ctx context.Context, s *state, door *Door, why string) error {
	switch {
	case door.State != parcels.DoorOpen && door.State != parcels.DoorClosed:
		return parcels.ErrNotNow
	case why == "" && s.place == "visit":
		s.dispute = door.Compartment
		k.to(s, "dispute")
		return nil
	case why != "not_mine" && why != "empty":
		return errBad
	}
	if err := k.parcels.Dispute(ctx, s.visit, door.Compartment, why); err != nil {
		return err
	}
	k.to(s, "visit")
	return nil
}

func (k *Kiosk) empty(ctx context.Context, s *state, door *Door, answer string) error {
	switch {
	case answer != "yes" && answer != "no":
		return errBad
	case !door.Verify || door.State != parcels.DoorOpen || s.emptyFor == door.Compartment:
		return parcels.ErrNotNow
	case answer == "yes":
		s.emptyFor = door.Compartment
		s.step++
		return nil
	}
	return k.settleDeposit(ctx, s, "occupied")
}

func (k *Kiosk) inside(ctx context.Context, s *state, door *Door, how string) error {
	switch how {
	case "too_small", "occupied", "took_back":
	case "inside":
		if door.State != parcels.DoorClosed {
			return parcels.ErrNotNow
		}
	default:
		return errBad
	}
	return k.settleDeposit(ctx, s, how)
}

func (k *Kiosk) settleDeposit(ctx context.Context, s *state, how string) error {
	s.shut = 0
	if door, _ := atHand(s.seen); door != nil && door.State == parcels.DoorOpen {
		s.shut = door.Number
	}
	err := k.parcels.Settle(ctx, s.visit, how)
	if errors.Is(err, parcels.ErrFull) {
		s.seen = k.parcels.Visit(s.visit)
		k.to(s, "full")
		return nil
	}
	return err
}

func (k *Kiosk) reserve(ctx context.Context, s *state) error {
	if s.pick == "" {
		return parcels.ErrNotNow
	}
	err := k.parcels.Reserve(ctx, s.visit, s.unit, s.pick)
	switch {
	case errors.Is(err, parcels.ErrNoUnit):
		s.unit = ""
		k.to(s, "unit")
		s.problem = problem{code: "no_unit", message: "unit.none"}
		return nil
	case errors.Is(err, parcels.ErrFull):
		s.problem = problem{code: "full", message: "size.gone", args: []any{"Size", k.words.Both(page.Chinese, "size."+s.pick)}}
		s.pick = ""
		return nil
	case err != nil:
		return err
	}
	s.emptyFor, s.shut = "", 0
	k.to(s, "visit")
	return nil
}
