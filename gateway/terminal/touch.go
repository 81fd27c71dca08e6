package terminal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/page/pad"
)

const (
	codeLen   = 8
	malformed = "malformed" // stands for every form that could not be read
)

var (
	errBad  = errors.New("bad input")
	errUnit = errors.New("no unit's label")
)

// forms are the forms and what their fields may hold; every form also brings the step it was shown for.
func forms() map[string]map[string]int {
	const few = 20 // bytes; a key, a unit, a code
	return map[string]map[string]int{
		"ticket": {"step": few, "ticket": ticketLen}, "household": {"step": few}, "building": {"step": few, "building": few},
		"unit": {"step": few, "key": few, "unit": few}, "digits": {"step": few, "key": few, "digits": few},
		"back": {"step": few}, "language": {"step": few},
	}
}

// take applies one form and returns the screen after it. A form of an earlier screen (a second tap, another browser)
// changes nothing.
func (s *screen) take(ctx context.Context, st *state, in *input) view {
	switch {
	case in == nil:
		s.look(st)
		return s.draw(st, 0)
	case in.do == malformed:
		v := s.draw(st, http.StatusBadRequest)
		v.problem("form")
		return v
	case in.do == "language":
		st.lang, st.touched = st.lang.Other(), time.Now() // who changes it wants to read what stands there
		s.announce(st)
		return s.draw(st, 0)
	case in.step != st.step:
		return s.draw(st, http.StatusConflict)
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	st.touched, st.problem = time.Now(), ""
	if st.place == code {
		st.verdict = doors.Verdict{}
	}
	status := s.judge(st, in.do, s.do(ctx, st, in))
	s.look(st)
	s.announce(st)
	return s.draw(st, status)
}

// judge puts an error on the screen and returns the status it is answered with; 0 when the form was taken.
func (s *screen) judge(st *state, what string, err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errBad):
		st.problem = "form"
		return http.StatusBadRequest
	case errors.Is(err, errUnit):
		st.problem = "unit"
		return http.StatusBadRequest
	case errors.Is(err, doors.ErrNotNow):
		st.problem = "moved"
		return http.StatusConflict
	}
	s.o.Log.Error("door's screen: not done", "door", s.door, "what", what, "err", err)
	st.to(trouble)
	return 0
}

// do is the table of what can be done where. What is not in it is refused.
func (s *screen) do(ctx context.Context, st *state, in *input) error {
	switch {
	case in.do == "ticket" && !st.busy():
		return s.present(ctx, st, in.form.Get("ticket"))
	case in.do == "household" && st.place == idle:
		return s.begin(st)
	case in.do == "building" && st.place == building:
		return s.building(st, in.form.Get("building"))
	case in.do == "unit" && st.place == unit:
		return st.unitKey(in.form.Get("key"), in.form.Get("unit"))
	case in.do == "digits" && st.place == code:
		return s.digits(ctx, st, in.form.Get("key"), in.form.Get("digits"))
	case in.do == "back" && !st.busy():
		return s.back(st)
	}
	return doors.ErrNotNow
}

// present judges what a reader read. Readers type in capitals or, with the lock of a keyboard on, in small letters.
func (s *screen) present(ctx context.Context, st *state, text string) error {
	text = strings.ToUpper(strings.TrimSpace(text))
	if text == "" {
		return errBad
	}
	v, err := s.doors.Present(ctx, s.door, text)
	if err != nil {
		return err
	}
	st.answer(v)
	return nil
}

// answer shows what a verdict says: on the pad itself while another try makes sense, else on a screen of its own.
func (st *state) answer(v doors.Verdict) {
	switch {
	case v.Intent != "":
		st.follow(v.Intent)
	case v.Reason == doors.Wrong && v.Left > 0 && st.place == code:
		st.verdict = v
		st.step++ // a second tap is not another try
	default:
		st.to(refused)
		st.verdict = v
	}
}

// begin asks for the unit, first of all for its building unless there is only one.
func (s *screen) begin(st *state) error {
	switch blocks := s.o.Blocks(); len(blocks) {
	case 0:
		return doors.ErrNotNow
	case 1:
		st.block = blocks[0]
		st.to(unit)
	default:
		st.to(building)
	}
	return nil
}

func (s *screen) building(st *state, block string) error {
	if !slices.Contains(s.o.Blocks(), block) {
		return errBad
	}
	st.block, st.typed = block, ""
	st.to(unit)
	return nil
}

// unitKey takes one key of the pad, or the whole of what stands behind the building.
func (st *state) unitKey(key, whole string) error {
	switch {
	case whole != "" && key == "":
		if !pad.IsUnit(whole) {
			return errUnit
		}
		st.typed = whole
	case whole != "" || !pad.IsKey(key):
		return errBad
	case key != "enter":
		st.typed = pad.Press(st.typed, key, pad.UnitLen, true)
		return nil
	}
	if !pad.IsUnit(st.typed) {
		return errUnit
	}
	// Whether the unit exists is not said here: the answer to a wrong code is the same for all.
	st.unit = st.block + "-" + st.typed
	st.to(code)
	return nil
}

// digits takes one key of the pad or the whole code. A code that is complete is judged and forgotten at once.
func (s *screen) digits(ctx context.Context, st *state, key, whole string) error {
	switch {
	case whole != "" && key == "":
		if len(whole) != codeLen || !page.Digits(whole, codeLen) {
			return errBad
		}
		st.code = doors.Code(whole)
	case whole != "" || !pad.IsKey(key):
		return errBad
	default:
		st.code = doors.Code(pad.Press(st.code.Reveal(), key, codeLen, false))
	}
	if len(st.code) < codeLen {
		return nil
	}
	typed := st.code
	st.code = ""
	v, err := s.doors.EnterByCode(ctx, s.door, st.unit, typed)
	if err != nil {
		return err
	}
	st.answer(v)
	return nil
}

// back goes one question back; from the first one, and from an answer, to the idle screen.
func (s *screen) back(st *state) error {
	lang := st.lang
	switch {
	case st.place == idle:
		return doors.ErrNotNow
	case st.place == code:
		st.unit = ""
		st.to(unit)
	case st.place == unit && len(s.o.Blocks()) > 1:
		st.typed = ""
		st.to(building)
	default:
		st.rest()
		st.step++
		st.lang = lang
	}
	return nil
}
