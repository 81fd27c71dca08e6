package terminal

import (
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/page/pad"
)

// view is one screen, ready to be drawn. It holds no secret: of a code only how many digits were typed, of a ticket
// nothing.
type view struct {
	words   *page.Words
	Version uint64
	Step    uint64
	Screen  string
	Refused int // the HTTP status of a form that changed nothing; 0: it was taken
	Refresh int // seconds until a browser without scripts asks again
	Wait    int // seconds until the screen is idle again; 0: not said

	Lang        page.Lang
	Site, Phone string
	Day         page.Text
	Clock       string
	ClockState  page.Text
	Door        doors.Door
	Name        page.Text

	Outcome, Reason string
	Problem         string
	Error           page.Text
	Title, Sub      page.Text
	Face, FaceClass string
	Takes           bool // a ticket may be held to the reader
	ByCode          bool // a household code may be typed

	Warning, WarningSay page.Text // what is amiss with the door; no ticket helps
	Hint                page.Text

	Buildings  []string
	Building   string
	Typed      string
	Unit       string
	Digits     []string
	Boxes      []pad.Box
	TypedCount int

	Doors []doors.Door // of the index
}

// Say returns a message in both languages, the chosen one first.
func (v view) Say(id string, args ...any) page.Text { return v.words.Both(v.Lang, id, args...) }

func (v *view) problem(code string) {
	v.Problem = code
	switch code {
	case "form":
		v.Error = v.Say("bad.form")
	case "unit":
		v.Error = v.Say("bad.unit")
	case "moved":
		v.Error = v.Say("bad.moved")
	}
}

// draw builds the screen of st, answered with status when that is not 0. It reads nothing but st and the options.
func (s *screen) draw(st *state, status int) view {
	d := st.door
	v := view{
		words: s.words, Version: st.version, Step: st.step, Screen: st.place, Refused: status,
		Lang: st.lang, Site: s.o.Site, Phone: page.Phone(st.lang, s.o.Phone),
		Day: page.BothDays(st.lang, st.view.Now), Clock: page.Clock(st.view.Now), Door: d,
		Name: page.Text{Lang: page.Chinese, Main: d.Name, Under: d.English},
	}
	if st.lang == page.English {
		v.Name = page.Text{Lang: page.English, Main: d.English, Under: d.Name}
	}
	if d.Name == d.English {
		v.Name.Under = ""
	}
	if left := s.life(st); st.place != idle && !st.busy() {
		v.Wait = page.Seconds(time.Until(st.touched.Add(left)))
		v.Refresh = v.Wait + 1
	}
	switch st.place {
	case idle:
		s.drawIdle(&v, st)
	case building, unit, code:
		s.drawPad(&v, st)
	case atDoor:
		v.drawDoor(st)
	case refused:
		s.drawRefusal(&v, st)
	default:
		v.Face, v.FaceClass, v.Takes = "triangle", "is-bad", true
		v.Title, v.Sub = v.Say("trouble.title"), v.Say("trouble.say")
	}
	if st.problem != "" {
		v.problem(st.problem)
	}
	return v
}

func (s *screen) drawIdle(v *view, st *state) {
	v.Refresh, v.Takes = 60, true
	v.Title = v.Say("idle.title")
	v.ByCode = len(s.o.Blocks()) > 0 && !st.door.ClosedDown && st.door.Online
	if c := st.view.Clock; c == "holdover" || c == "uncertain" {
		v.ClockState = v.Say("clock." + c)
	}
	switch d := st.door; {
	case d.ID == "": // the service is starting
		v.Warning, v.WarningSay, v.Takes, v.ByCode = v.Say("trouble.title"), v.Say("trouble.say"), false, false
	case d.ClosedDown:
		v.Warning, v.WarningSay = v.Say("refused.closed_down"), v.closedSay(d.Reason)
	case !d.Online:
		v.Warning, v.WarningSay = v.Say("refused.silent"), v.Say("remedy.silent")
	case d.State == doors.Forced:
		v.Hint = v.Say("idle.forced")
	case d.State == doors.Held, d.State == doors.LeftOpen:
		v.Hint = v.Say("idle.held")
	}
}

// closedSay says why a door is closed down, as far as that is anybody's business.
func (v *view) closedSay(reason string) page.Text {
	if slices.Contains([]string{"fault", "cleaning", "safety", "emergency"}, reason) {
		return v.Say("closed.because", "Why", v.Say("closed."+reason))
	}
	return v.Say("remedy.closed_down")
}

func (s *screen) drawPad(v *view, st *state) {
	v.Buildings, v.Building, v.Typed, v.Unit, v.Digits = s.o.Blocks(), st.block, st.typed, st.unit, pad.Digits()
	v.Title = v.Say("title." + st.place)
	v.TypedCount = len(st.code)
	v.Boxes = pad.Boxes(codeLen, v.TypedCount)
	if st.verdict.Reason == doors.Wrong {
		v.Reason, v.Problem, v.Error = doors.Wrong, doors.Wrong, v.Say("refused.wrong", "Count", st.verdict.Left)
	}
}

// drawDoor says what the door does. That comes from its device and its contact alone.
func (v *view) drawDoor(st *state) {
	v.Outcome, v.Takes = st.outcome, !st.busy()
	what := st.outcome
	switch st.outcome {
	case doors.Opening:
		v.Refresh, v.Face, v.FaceClass = 2, "lock", ""
		if st.door.State == doors.Released {
			v.Face, v.FaceClass, what = "unlock", "is-ok", doors.Released
		}
	case doors.Opened:
		v.Face, v.FaceClass = "door-open", "is-ok"
	case doors.Unopened, doors.Refused:
		v.Face, v.FaceClass = "lock", "is-warn"
	default:
		v.Face, v.FaceClass, what = "question", "is-stale", doors.Unknown
	}
	v.Title, v.Sub = v.Say("door."+what), v.Say("door.say."+what)
}

// faces are the icons of refusals.
var faces = map[string]string{
	doors.NoTicket: "qr", doors.Elsewhere: "building", doors.WrongDoor: "door-open", doors.TooEarly: "clock",
	doors.TooLate: "clock", doors.Used: "minus", doors.Revoked: "x", doors.ClosedDown: "octagon-x", doors.Silent: "plug",
	doors.Crowded: "users", doors.NoGrant: "calendar", doors.Wrong: "lock", doors.Locked: "lock", doors.AlreadyOpen: "door-open",
}

// drawRefusal says why nothing was released: which door or when instead, and what to do.
func (s *screen) drawRefusal(v *view, st *state) {
	got := st.verdict
	v.Reason, v.Takes = got.Reason, true
	v.Face, v.FaceClass = faces[got.Reason], "is-warn"
	v.Title, v.Sub = v.Say("refused."+got.Reason), v.Say("remedy."+got.Reason)
	switch got.Reason {
	case doors.WrongDoor:
		if i := slices.IndexFunc(st.view.Doors, func(d doors.Door) bool { return d.ID == got.Door }); i >= 0 {
			right := st.view.Doors[i]
			v.Sub = v.Say("remedy.right_door", "Door", page.Text{Lang: page.Chinese, Main: right.Name, Under: right.English})
		}
	case doors.TooEarly:
		v.Sub = v.Say("remedy.from", "At", page.BothTimes(v.Lang, got.From))
	case doors.TooLate:
		v.Sub = v.Say("remedy.until", "At", page.BothTimes(v.Lang, got.Until))
	case doors.Locked, doors.Wrong: // wrong for the last time
		v.Title = v.Say("refused.locked")
		v.Sub = v.Say("remedy.wait", "Count", page.Minutes(got.Until.Sub(st.view.Now)))
	case doors.ClosedDown:
		v.Sub = v.closedSay(st.door.Reason)
	case doors.AlreadyOpen:
		v.FaceClass = "is-ok"
	}
	if v.Face == "" { // a reason newer than this screen
		v.Face, v.Title, v.Sub = "info", v.Say("refused.other"), v.Say("remedy.other")
	}
}
