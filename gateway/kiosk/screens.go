package kiosk

import (
	"cmp"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/page/pad"
)

// view builds the screen of s. It reads nothing but s and the options.
func (k *Kiosk) view(s *state) view {
	v := view{
		words: k.words, pages: k.pages, Version: s.version, Step: s.step, Role: s.role,
		Lang: s.lang, Large: s.large, Contrast: s.contrast, Low: s.low,
		Site: k.o.Site, Hall: k.o.Hall, Phone: page.Phone(s.lang, cmp.Or(s.front.Phone, k.o.Phone)),
		Day: page.BothDays(s.lang, s.front.Now), Clock: page.Clock(s.front.Now),
		Refresh: page.Seconds(k.o.Idle) + 1, Unit: s.unit, Keys: pad.Digits(), Last: last(s),
	}
	if s.place != "" {
		v.Wait, v.WaitFor = page.Seconds(time.Until(s.touched.Add(k.o.Idle))), "wait.ask"
	}
	if s.over() {
		v.Wait, v.WaitFor = page.Seconds(time.Until(s.touched.Add(farewell))), "wait.home"
		v.Refresh = page.Seconds(farewell) + 1
	}
	if s.shut != 0 {
		v.Also = v.Say("door.also_shut", "Door", doorName(s.shut))
	}
	if s.role == deliver && s.visit != "" {
		v.Who, v.CanFinish = s.seen.Who, true
		v.Progress = v.Say("courier.count", "Count", s.seen.Drops)
	}
	switch {
	case s.still:
		v = k.viewStill(v)
	case s.place == "":
		v = k.viewIdle(v, s)
	case length(s.place) > 0:
		v = v.viewCode(s)
	case s.place == "building" || s.place == "unit":
		v = v.viewUnit(s)
	case s.place == "size":
		v = v.viewSize(s)
	case s.place == "visit":
		v = k.viewVisit(v, s)
	default:
		v = v.viewWord(s)
	}
	if s.problem.code != "" {
		v = v.problem(s.problem.code, s.problem.message, s.problem.args...)
	}
	return v
}

func last(s *state) *lastDrop {
	d := s.seen.Last
	if d == nil || s.visit == "" || len(s.seen.Doors) > 0 || !s.front.Now.Before(d.Until) {
		return nil
	}
	left := d.Until.Sub(s.front.Now)
	return &lastDrop{Door: doorName(d.Number), Unit: d.Unit, Left: page.Span(left), Seconds: page.Seconds(left)}
}

func (k *Kiosk) viewStill(v view) view {
	v.Screen, v.Refresh = "still", 5
	v.Wait, v.CanFinish, v.Last, v.Unit = 0, false, nil, ""
	v.Face, v.FaceClass = "clock", ""
	v.Title, v.Sub = v.Say("still.title"), v.Say("still.say", "Left", page.Seconds(k.o.Grace))
	v.Answers = []answer{
		{Action: "/stay", ID: "stay", Text: v.Say("still.stay"), Filled: true},
		{Action: "/finish", ID: "finish", Text: v.Say("still.end")},
	}
	return v
}

func (k *Kiosk) viewIdle(v view, s *state) view {
	f := s.front
	v.Screen, v.Refresh, v.DepositsOff, v.Online = "idle", 30, !f.Deposits, f.Online
	v.Title = v.Say("idle.title")
	v.Sizes = v.sizes(s)
	switch k.o.Trouble() {
	case "partly":
		v.Trouble = v.Say("idle.config_partly")
	case "last_good":
		v.Trouble = v.Say("idle.config_stale")
	}
	v.Network, v.ClockState = v.Say("idle.offline"), v.Say("idle.clock_"+f.Clock)
	if f.Online {
		v.Network = v.Say("idle.online")
	}
	if f.Notice.ZH != "" && f.Deposits { // one thing to read at a time
		n := page.Text{Lang: s.lang, Main: f.Notice.ZH, Under: f.Notice.EN}
		if s.lang == page.English {
			n.Main, n.Under = n.Under, n.Main
		}
		v.Notice = &n
	}
	return v
}

func (v view) sizes(s *state) []sizeRow {
	var rows []sizeRow
	for _, size := range s.front.Sizes {
		rows = append(rows, sizeRow{Size: size, Name: v.Say("size." + size), Free: s.front.Free[size], Picked: s.pick == size})
	}
	return rows
}

func (v view) viewCode(s *state) view {
	v.Screen, v.CanBack, v.CanChange, v.CanFinish = s.place, true, true, false
	v.Title = v.Say("code.title." + s.place)
	v.TypedCount = len(s.code)
	v.Boxes = pad.Boxes(length(s.place), v.TypedCount)
	v.At, v.Steps = 2, 3
	if s.place == "courier" {
		v.At, v.Steps, v.Unit, v.CanChange = 1, 4, "", false
	}
	return v
}

func (v view) viewUnit(s *state) view {
	v.Screen, v.CanBack, v.Unit = s.place, s.visit == "" || s.place == "unit" && len(s.front.Blocks) > 1, ""
	v.Buildings, v.Building, v.Typed = s.front.Blocks, s.block, s.typed
	v.Title = v.Say("unit.title." + s.role)
	if s.place == "building" {
		v.Title = v.Say("unit.which." + s.role)
	}
	v.At, v.Steps = 1, 3
	if s.role == deliver {
		v.At, v.Steps = 2, 4
	}
	return v
}

func (v view) viewSize(s *state) view {
	v.Screen, v.CanBack, v.CanChange = "size", true, true
	v.Title, v.Sizes = v.Say("size.title"), v.sizes(s)
	v.At, v.Steps = 3, 4
	if s.pick != "" {
		open := v.Say("size.open." + s.pick)
		v.Pick = &open
	} else {
		v.Problem, v.Error = "full", v.Say("full.say")
	}
	return v
}

// viewWord are the screens that say one thing, with the ways on from there.
func (v view) viewWord(s *state) view {
	v.Screen, v.CanBack, v.CanFinish, v.Unit = s.place, true, false, ""
	v.Face, v.FaceClass = "info", ""
	home := answer{Action: "/finish", ID: "finish", Icon: "home", Text: v.Say("trouble.home")}
	v.Answers = []answer{home}
	switch s.place {
	case "locked":
		v.Face, v.FaceClass = "clock", "is-warn"
		v.Title = v.Say("locked.title")
		v.Sub = v.Say("locked.wait", "Count", page.Minutes(s.verdict.Until.Sub(s.front.Now)))
	case "closed":
		v.Face, v.FaceClass = "octagon-x", "is-bad"
		v.Title, v.Sub = v.Say("closed.title"), v.Say("closed.say")
		v.Answers = []answer{{Action: "/household", ID: "household", Icon: "home", Text: v.Say("code.household"), Filled: true}, home}
	case "used":
		day := page.BothDays(v.Lang, s.verdict.At)
		v.Title, v.Sub = v.Say("used.title", "Day", day), v.Say("used.say", "Day", day, "Clock", page.Clock(s.verdict.At))
	case "ended":
		v.Title, v.Sub = v.Say("ended.title"), v.Say("ended.say")
	case "office":
		v.Title, v.Sub = v.Say("office.title"), v.Say("office.say_plain")
		if s.verdict.Shelf != "" {
			v.Sub = v.Say("office.say", "Shelf", s.verdict.Shelf)
		}
	case "nothing":
		v.Face = "package"
		v.Title, v.Sub = v.Say("nothing.title"), v.Say("nothing.say")
	case "full":
		v.Face, v.FaceClass = "package", "is-warn"
		v.Title, v.Sub = v.Say("full.title"), v.Say("full.say")
		v.Answers, v.CanFinish = nil, true
	case "handed":
		v.Face, v.FaceClass, v.CanBack = "check", "is-ok", false
		v.Title, v.Sub = v.Say("courier.thanks", "Count", s.seen.Drops), v.Say("courier.thanks_say")
		v.Answers[0].Filled = true
	case "dispute":
		return v.viewDispute(s)
	default:
		v.Face, v.FaceClass = "triangle", "is-bad"
		v.Title, v.Sub = v.Say("trouble.title"), v.Say("trouble.say")
	}
	return v
}

func (v view) viewDispute(s *state) view {
	v.Face, v.FaceClass = "question", "is-warn"
	for _, d := range s.seen.Doors {
		if d.Compartment == s.dispute {
			v.Door, v.DoorName = d.Number, doorName(d.Number)
		}
	}
	v.Title, v.Sub = v.Say("dispute.title", "Door", v.DoorName), v.Say("dispute.say")
	v.Answers = []answer{
		{Action: "/dispute", Name: "why", Value: "not_mine", ID: "not_mine", Text: v.Say("dispute.not_mine")},
		{Action: "/dispute", Name: "why", Value: "empty", ID: "empty", Text: v.Say("dispute.empty")},
	}
	return v
}
