package kiosk

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/page/pad"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

const (
	collect = "collect"
	deliver = "deliver"
)

// routes are the forms and their fields; every form also brings the step it was shown for.
func routes() map[string][]string {
	return map[string][]string{
		"/collect": nil, "/deliver": nil, "/back": nil, "/change": nil, "/finish": nil, "/stay": nil,
		"/settings": {"set"}, "/building": {"building"}, "/unit": {"key", "unit"}, "/digits": {"key", "digits"},
		"/pin": nil, "/household": nil, "/size": {"size"}, "/open": nil, "/taken": {"answer"}, "/dispute": {"why"},
		"/empty": {"answer"}, "/inside": {"answer"}, "/undo": nil,
	}
}

// take applies one touch and returns the screen after it. A form of an earlier screen (a second tap, another browser)
// changes nothing.
func (k *Kiosk) take(ctx context.Context, s *state, in *input) view {
	if in == nil {
		k.look(s)
		return k.view(s)
	}
	if in.do == "refused" {
		v := k.view(s).problem("form", "bad.form")
		v.Refused = http.StatusBadRequest
		return v
	}
	if in.step != s.step && in.do != "/settings" {
		v := k.view(s)
		v.Refused = http.StatusConflict
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	s.touched = time.Now()
	if in.do != "/settings" { // who changes the language wants to read what was wrong
		s.problem = problem{}
	}
	err := k.do(ctx, s, in)
	k.look(s)
	refused := 0
	switch {
	case errors.Is(err, errBad):
		s.problem, refused = problem{code: "form", message: "bad.form"}, http.StatusBadRequest
	case errors.Is(err, errUnit):
		s.problem, refused = problem{code: "unit", message: "unit.bad"}, http.StatusBadRequest
	case errors.Is(err, parcels.ErrNotNow):
		s.problem, refused = problem{code: "moved", message: "bad.moved"}, http.StatusConflict
	case errors.Is(err, parcels.ErrCap):
		s.problem, refused = problem{code: "cap", message: "bad.cap"}, http.StatusTooManyRequests
	case errors.Is(err, parcels.ErrSession), errors.Is(err, parcels.ErrUnknown):
		k.reset(s) // the service has ended the visit
		s.problem, refused = problem{code: "moved", message: "bad.moved"}, http.StatusConflict
	case err != nil:
		k.o.Log.Error("touch failed", "what", in.do, "err", err)
		k.to(s, "trouble")
	}
	k.announce(s)
	v := k.view(s)
	v.Refused = refused
	return v
}

var (
	errBad  = errors.New("bad input")
	errUnit = errors.New("no unit's label")
)

// do is the table of what can be touched where. What is not in it is refused.
func (k *Kiosk) do(ctx context.Context, s *state, in *input) error {
	if s.still {
		return k.wake(ctx, s, in)
	}
	switch in.do {
	case "/collect", "/deliver":
		return k.begin(s, in.do[1:])
	case "/settings":
		return k.set(s, in.form.Get("set"))
	case "/back":
		return k.back(ctx, s)
	case "/finish":
		return k.finish(ctx, s)
	case "/stay":
		return nil
	case "/change":
		return k.change(s)
	case "/building":
		return k.building(s, in.form.Get("building"))
	case "/unit":
		return k.unitKey(ctx, s, in)
	case "/digits":
		return k.digits(ctx, s, in)
	case "/pin", "/household":
		return k.other(s, in.do[1:])
	case "/size":
		return k.size(s, in.form.Get("size"))
	}
	return k.atDoor(ctx, s, in)
}

// wake takes the answer to "still there?". Whoever changes the language is there, and is asked in it.
func (k *Kiosk) wake(ctx context.Context, s *state, in *input) error {
	switch in.do {
	case "/settings":
		return k.set(s, in.form.Get("set"))
	case "/stay":
		s.still = false
		s.step++
		return nil
	case "/finish":
		s.still = false
		return k.finish(ctx, s)
	}
	return parcels.ErrNotNow
}

func (k *Kiosk) begin(s *state, role string) error {
	if s.place != "" || (role == deliver && !s.front.Deposits) {
		return parcels.ErrNotNow
	}
	s.role = role
	if role == deliver {
		k.to(s, "courier")
		return nil
	}
	k.to(s, k.firstPlace(s))
	return nil
}

// firstPlace is where a unit's label is begun: with the building, unless there is only one.
func (k *Kiosk) firstPlace(s *state) string {
	if len(s.front.Blocks) == 1 {
		s.block = s.front.Blocks[0]
		return "unit"
	}
	return "building"
}

func (k *Kiosk) set(s *state, what string) error {
	switch what {
	case "language":
		s.lang = s.lang.Other()
	case "large":
		s.large = !s.large
	case "contrast":
		s.contrast = !s.contrast
	case "low":
		s.low = !s.low
	default:
		return errBad
	}
	return nil
}

// back goes one question back; from the first one to the idle screen. A visit is left by finishing it.
func (k *Kiosk) back(ctx context.Context, s *state) error {
	switch s.place {
	case "unit":
		if len(s.front.Blocks) > 1 {
			s.typed = ""
			k.to(s, "building")
			return nil
		}
		return k.home(ctx, s)
	case "pin", "household":
		s.unit = ""
		k.to(s, "unit")
	case "size":
		s.unit, s.pick = "", ""
		k.to(s, "unit")
	case "locked", "closed", "used", "ended", "office", "nothing":
		s.verdict = Verdict{}
		k.to(s, "pin")
	case "dispute":
		k.to(s, "visit")
	case "full":
		s.unit, s.typed = "", ""
		k.to(s, k.firstPlace(s))
	case "building", "courier", "trouble", "refused", "hours":
		return k.home(ctx, s)
	default:
		return parcels.ErrNotNow
	}
	return nil
}

// home goes to the idle screen; a courier who is signed in is not signed out by a step back.
func (k *Kiosk) home(ctx context.Context, s *state) error {
	if s.visit != "" {
		return k.finish(ctx, s)
	}
	keep := s.settings
	k.reset(s)
	s.settings = keep
	return nil
}

func (k *Kiosk) change(s *state) error {
	switch s.place {
	case "unit", "pin", "household", "size":
		s.unit, s.typed, s.pick, s.verdict = "", "", "", Verdict{}
		k.to(s, k.firstPlace(s))
		return nil
	}
	return parcels.ErrNotNow
}

// finish ends the visit: with a word of thanks where somebody did something, else on the idle screen.
func (k *Kiosk) finish(ctx context.Context, s *state) error {
	if s.visit == "" {
		keep := s.settings
		k.reset(s)
		s.settings = keep
		return nil
	}
	if s.place == "visit" && s.role == deliver {
		return parcels.ErrNotNow // a parcel is at hand: say first what became of it
	}
	if err := k.parcels.Leave(ctx, s.visit); err != nil {
		return err
	}
	s.visit = ""
	s.seen.Ended = true
	if s.role == deliver {
		k.to(s, "handed")
		return nil
	}
	keep := s.settings
	k.reset(s)
	s.settings = keep
	return nil
}

func (k *Kiosk) building(s *state, block string) error {
	switch {
	case s.place != "building":
		return parcels.ErrNotNow
	case !slices.Contains(s.front.Blocks, block):
		return errBad
	}
	s.block, s.typed = block, ""
	k.to(s, "unit")
	return nil
}

// unitKey takes one key of the pad, or the whole of what stands behind the building.
func (k *Kiosk) unitKey(ctx context.Context, s *state, in *input) error {
	if s.place != "unit" {
		return parcels.ErrNotNow
	}
	key, whole := in.form.Get("key"), in.form.Get("unit")
	switch {
	case whole != "" && key == "":
		if !pad.IsUnit(whole) {
			return errUnit
		}
		s.typed = whole
	case whole != "" || !pad.IsKey(key):
		return errBad
	case key != "enter":
		s.typed = pad.Press(s.typed, key, pad.UnitLen, true)
		return nil
	}
	if !pad.IsUnit(s.typed) {
		return errUnit
	}
	return k.unitEntered(ctx, s)
}

func (k *Kiosk) unitEntered(ctx context.Context, s *state) error {
	unit := s.block + "-" + s.typed
	if s.role == collect {
		// Whether the unit exists is not said here: the answer to a wrong code is the same for all.
		s.unit = unit
		k.to(s, "pin")
		return nil
	}
	known, err := k.parcels.HasUnit(ctx, s.visit, unit)
	switch {
	case err != nil:
		return err
	case !known:
		s.problem = problem{code: "no_unit", message: "unit.none"}
		return nil
	}
	s.unit, s.pick = unit, ""
	for _, size := range s.front.Sizes {
		if s.front.Free[size] > 0 {
			s.pick = size
			break
		}
	}
	k.to(s, "size")
	return nil
}

func (k *Kiosk) other(s *state, to string) error {
	if s.role != collect || s.unit == "" || s.visit != "" {
		return parcels.ErrNotNow
	}
	k.to(s, to)
	return nil
}

func (k *Kiosk) size(s *state, size string) error {
	switch {
	case s.place != "size":
		return parcels.ErrNotNow
	case !slices.Contains(s.front.Sizes, size):
		return errBad
	case s.front.Free[size] == 0:
		s.problem = problem{code: "full", message: "size.gone", args: []any{"Size", k.words.Both(page.Chinese, "size."+size)}}
		return nil
	}
	s.pick = size
	return nil
}
