package kiosk

import (
	"cmp"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

const remind = 30 * time.Second // a door open for so long is asked to be closed

// viewVisit shows where a visit stands: a door, a question about it, the next door, or the thanks.
func (k *Kiosk) viewVisit(v view, s *state) view {
	door, next := atHand(s.seen)
	v.Unit, v.CanFinish = cmp.Or(s.seen.Unit, s.unit), false
	if s.role == collect {
		v.Who, v.Progress = v.Unit, v.nth(s.seen)
	}
	if next != nil {
		v.Next, v.NextName = next.Number, doorName(next.Number)
	}
	if door == nil {
		if next != nil {
			return v.viewNext(s, next)
		}
		return v.viewThanks(s)
	}
	v.Door, v.DoorName = door.Number, doorName(door.Number)
	switch {
	case door.State == parcels.DoorClosed && s.role == collect:
		return v.viewTaken()
	case door.State == parcels.DoorClosed:
		return v.viewInside()
	case door.State == parcels.DoorOpen && door.Verify && s.emptyFor != door.Compartment:
		return v.viewVerify()
	}
	return k.viewDoor(v, s, door)
}

// nth says which of several parcels is at hand; of a single one nothing is said.
func (v view) nth(seen Visit) (t page.Text) {
	at := 0
	for _, d := range seen.Doors {
		if d.State != parcels.DoorWaiting {
			at++
		}
	}
	if len(seen.Doors) < 2 {
		return t
	}
	return v.Say("door.nth", "At", max(at, 1), "Of", len(seen.Doors))
}

func (v view) viewNext(s *state, next *Door) view {
	waiting := 0
	for _, d := range s.seen.Doors {
		if d.State == parcels.DoorWaiting {
			waiting++
		}
	}
	v.Screen, v.Face = "next", "package"
	v.Title = v.Say("next.title", "Count", waiting)
	v.Sub = v.warnings(s)
	v.Answers = []answer{
		{Action: "/open", ID: "open", Icon: "unlock", Text: v.Say("next.open", "Door", doorName(next.Number)), Filled: true},
		{Action: "/finish", ID: "finish", Text: v.Say("next.end")},
	}
	return v
}

// warnings says what is left behind: a parcel not taken, or a case for the guard.
func (v view) warnings(s *state) page.Text {
	for i := len(s.seen.Doors) - 1; i >= 0; i-- {
		d := s.seen.Doors[i]
		switch d.State {
		case parcels.DoorKept:
			return v.Say("thanks.kept", "Door", doorName(d.Number))
		case parcels.DoorDisputed:
			return v.Say("dispute.thanks_say")
		case parcels.DoorFault:
			return v.Say("door.fault_sub")
		}
	}
	return page.Text{}
}

func (v view) viewThanks(s *state) view {
	v.Screen, v.Face, v.FaceClass = "thanks", "check", "is-ok"
	v.Title, v.Sub = v.Say("thanks.title"), v.warnings(s)
	for _, d := range s.seen.Doors {
		if d.State == parcels.DoorDisputed {
			v.Title = v.Say("dispute.thanks")
		}
	}
	v.Answers = []answer{{Action: "/finish", ID: "finish", Icon: "check", Text: v.Say("thanks.end"), Filled: true}}
	return v
}

func (v view) viewTaken() view {
	v.Screen, v.Face, v.Phase = "taken", "package", "closed"
	v.Title = v.Say("taken.title", "Door", v.DoorName)
	v.Answers = []answer{
		{Action: "/taken", Name: "answer", Value: "yes", ID: "yes", Icon: "check", Text: v.Say("taken.yes"), Filled: true},
		{Action: "/taken", Name: "answer", Value: "no", ID: "no", Icon: "package", Text: v.Say("taken.no")},
		{Action: "/dispute", ID: "dispute", Icon: "x", Text: v.Say("door.dispute")},
	}
	return v
}

func (v view) viewInside() view {
	v.Screen, v.Face, v.Phase = "inside", "package", "closed"
	v.Title = v.Say("inside.title", "Door", v.DoorName)
	v.Answers = append([]answer{
		{Action: "/inside", Name: "answer", Value: "inside", ID: "inside", Icon: "check", Text: v.Say("inside.yes"), Filled: true},
	}, v.notInside()...)
	return v
}

func (v view) notInside() []answer {
	return []answer{
		{Action: "/inside", Name: "answer", Value: "too_small", ID: "too_small", Icon: "package", Text: v.Say("inside.small")},
		{Action: "/inside", Name: "answer", Value: "occupied", ID: "occupied", Icon: "x", Text: v.Say("inside.occupied")},
		{Action: "/inside", Name: "answer", Value: "took_back", ID: "took_back", Icon: "undo", Text: v.Say("inside.took")},
	}
}

func (v view) viewVerify() view {
	v.Screen, v.Face, v.FaceClass, v.Phase = "verify", "question", "is-warn", "open"
	v.Title, v.Sub = v.Say("verify.title", "Door", v.DoorName), v.Say("verify.say")
	v.Answers = []answer{
		{Action: "/empty", Name: "answer", Value: "yes", ID: "yes", Icon: "check", Text: v.Say("verify.yes"), Filled: true},
		{Action: "/empty", Name: "answer", Value: "no", ID: "no", Icon: "package", Text: v.Say("verify.no")},
	}
	return v
}

// viewDoor is the screen with the bank's drawing. What it says of the door comes from the lock's feedback alone.
func (k *Kiosk) viewDoor(v view, s *state, door *Door) view {
	v.Screen, v.Phase, v.Refresh = "door", door.State, 2
	n := v.DoorName
	class, word := "is-open", ""
	switch door.State {
	case parcels.DoorOpening:
		v.Title, v.Sub = v.Say("door.opening", "Door", n), v.Say("door.opening_sub")
		class = "is-next"
	case parcels.DoorOpen:
		v.Title, v.Sub = v.Say("door.open", "Door", n), v.Say("door.take", "Door", n)
		if s.role == deliver {
			v.Sub = v.Say("door.put", "Door", n)
		}
		if s.seen.Undo {
			v.Sub = v.Say("undo.done")
		}
		if s.front.Now.Sub(door.Since) >= remind {
			v.Sub = v.Say("door.close", "Door", n)
		}
		word = v.Say("door.word_open").Main
	case parcels.DoorStuck:
		v.Title, v.Sub = v.Say("door.stuck", "Door", n), v.Say("door.stuck_sub")
		class = "is-bad"
	case parcels.DoorFault:
		v.Title, v.Sub = v.Say("door.fault", "Door", n), v.Say("door.fault_sub")
		if s.role == deliver {
			v.Sub = v.Say("door.fault_deposit")
		}
		v.Phase, class = "fault", "is-bad"
	default:
		v.Title, v.Sub = v.Say("door.unknown", "Door", n), v.Say("door.unknown_sub")
		class = "is-unknown"
	}
	v.Trail = v.trail(door.State)
	v.Bank = k.o.Bank.draw(door.Number, class, word, v.Next)
	v.FootDoors = v.doorFoot(s, door)
	return v
}

// trail are the three steps of a door, as far as the lock reports them.
func (v view) trail(state string) []stop {
	sent, open := state != parcels.DoorOpening, state == parcels.DoorOpen
	t := []stop{
		{Name: v.Say("door.step_sent"), Icon: "check", Done: sent, Now: !sent},
		{Name: v.Say("door.step_open"), Icon: "unlock", Now: open, Reached: open},
		{Name: v.Say("door.step_close"), Icon: "lock"},
	}
	return t
}

func (v view) doorFoot(s *state, door *Door) []answer {
	again := answer{Action: "/open", ID: "open", Icon: "refresh", Text: v.Say("door.again"), Filled: true}
	finish := answer{Action: "/finish", ID: "finish", Icon: "home", Text: v.Say("finish.collect")}
	switch {
	case s.role == deliver && door.State == parcels.DoorOpen:
		return v.notInside()
	case s.role == deliver && door.State == parcels.DoorStuck:
		return []answer{again, v.notInside()[2]}
	case s.role == deliver:
		return []answer{v.notInside()[2]}
	case door.State == parcels.DoorOpen:
		return []answer{{Action: "/dispute", ID: "dispute", Icon: "x", Text: v.Say("door.dispute")}, finish}
	case door.State == parcels.DoorStuck:
		return []answer{again, finish}
	case v.Next != 0:
		return []answer{{Action: "/open", ID: "open", Icon: "unlock", Text: v.Say("door.next_one"), Filled: true}, finish}
	}
	return []answer{finish}
}
