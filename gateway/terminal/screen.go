package terminal

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/page"
)

const (
	callLimit = 10 * time.Second // for one call of the service: it waits for a commit, never for a door
	welcome   = 8 * time.Second  // for the words at an open door: the next person waits behind them
	reading   = 20 * time.Second // for an answer with something to read
)

// screen is the one screen of a door.
type screen struct {
	*Terminal
	door string
	loop *page.Loop[*input, view]
}

// input is one form; none asks only how the screen looks.
type input struct {
	do   string
	form url.Values
	step uint64
}

// Places of a screen, as data-screen names them.
const (
	idle     = "idle"
	building = "building"
	unit     = "unit"
	code     = "code"
	atDoor   = "door"
	refused  = "refused"
	trouble  = "trouble"
)

// state is a screen as it stands. Its loop alone touches it.
type state struct {
	version uint64 // changes with anything shown
	step    uint64 // changes with the question asked
	place   string
	lang    page.Lang

	block, typed, unit string
	code               doors.Code // until it is complete or timed out
	problem            string     // what was wrong with the last form: form, unit, moved
	verdict            doors.Verdict
	intent, outcome    string // of the opening shown, as far as it was seen

	view    doors.View // as last read
	door    doors.Door // the one of this screen
	touched time.Time  // by the process's own clock: only distances are used
}

// run takes one input at a time until ctx ends: a form, a change of the service, or time that has passed.
func (s *screen) run(ctx context.Context) {
	defer s.loop.Stop()
	changed, stop := s.doors.Watch()
	defer stop()
	start := uint64(time.Now().UnixMicro()) // versions of an earlier run are not taken for this one's
	st := &state{version: start, step: start, place: idle, lang: page.Chinese, touched: time.Now()}
	s.read(st)
	s.loop.Show(st.version)
	for {
		timer := time.NewTimer(time.Until(s.next(st)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case a := <-s.loop.Asks():
			a.Answer(s.take(ctx, st, a.In))
		case <-changed:
			s.look(st)
			s.announce(st)
		case <-timer.C:
			s.pass(st)
		}
		timer.Stop()
	}
}

// next returns when time alone changes something: the answer has been read, the person has gone, or the clock moves.
func (s *screen) next(st *state) time.Time {
	if st.resting() {
		return time.Now().Truncate(time.Minute).Add(time.Minute)
	}
	return st.touched.Add(s.life(st))
}

// resting tells whether nobody is at the screen, as far as can be known.
func (st *state) resting() bool { return st.place == idle && st.lang == page.Chinese }

// life is how long a screen stands without a touch.
func (s *screen) life(st *state) time.Duration {
	switch {
	case st.place == atDoor && st.outcome == doors.Opened, st.place == refused && st.verdict.Reason == doors.AlreadyOpen:
		return welcome
	case st.place == refused, st.place == trouble, st.place == atDoor && st.outcome != doors.Opening:
		return reading
	}
	return s.o.Idle
}

// pass lets time have its effect. Nothing physical hangs on it: a door that is open stays open.
func (s *screen) pass(st *state) {
	if !st.resting() {
		st.rest()
	}
	s.look(st)
	s.announce(st)
}

// rest returns to the idle screen and forgets the person. A ticket that is being read meanwhile is still taken, so an
// answer that only goes away leaves the step as it is.
func (st *state) rest() {
	if st.asking() {
		st.step++
	}
	*st = state{
		version: st.version, step: st.step, place: idle, lang: page.Chinese,
		view: st.view, door: st.door, touched: time.Now(),
	}
}

// asking tells whether the screen has a pad on it.
func (st *state) asking() bool { return st.place == building || st.place == unit || st.place == code }

// busy tells whether the door is being opened for somebody: the next person waits for what comes of it.
func (st *state) busy() bool { return st.place == atDoor && st.outcome == doors.Opening }

// read takes what the service shows now.
func (s *screen) read(st *state) {
	st.view = s.doors.View()
	if i := slices.IndexFunc(st.view.Doors, func(d doors.Door) bool { return d.ID == s.door }); i >= 0 {
		st.door = st.view.Doors[i]
	}
}

// look reads what the service shows and follows the door. An opening by anybody else's right is shown too: whom the guard
// lets in stands here.
func (s *screen) look(st *state) {
	before := st.door.Intent
	s.read(st)
	d := st.door
	if d.Intent != before && d.Intent != st.intent && d.Outcome == doors.Opening {
		st.follow(d.Intent)
	}
	if st.place == atDoor && d.Intent == st.intent && d.Outcome != st.outcome {
		st.outcome, st.touched = d.Outcome, time.Now()
		st.step++
	}
}

// follow shows what becomes of an intent.
func (st *state) follow(intent string) {
	st.to(atDoor)
	st.intent, st.outcome, st.touched = intent, doors.Opening, time.Now()
}

// to asks something else, or answers. Digits do not outlive their pad.
func (st *state) to(place string) {
	st.place, st.code, st.problem, st.verdict = place, "", "", doors.Verdict{}
	st.step++
}

// announce gives the screen a new version and tells the pages.
func (s *screen) announce(st *state) {
	st.version++
	s.loop.Show(st.version)
}
