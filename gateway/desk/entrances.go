package desk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/page"
)

// Entrances is what a guard does at the doors of facilities, and sees of them. guard is the guard's id; every method
// returns once what it asks is durable.
type Entrances interface {
	// CloseDown closes a door to every ticket and code until Reopen.
	CloseDown(ctx context.Context, door, guard, reason string) error
	Reopen(ctx context.Context, door, guard, reason string) error
	// Clear ends the alarm of a door that was forced: the guard has looked.
	Clear(ctx context.Context, door, guard, reason string) error
	// OpenFor lets somebody in. A refusal is no error and is in the verdict.
	OpenFor(ctx context.Context, door, guard, reason string) (doors.Verdict, error)
	View() doors.View
}

// entranceReasons are the codes that a guard may give at the door of a facility.
func entranceReasons() []string {
	return []string{"looked", "resident", "visitor", "fault", "cleaning", "safety", "emergency"}
}

// errRefused says that nothing was released; the page tells why already.
var errRefused = errors.New("not released")

func (d *Desk) entranceForms() map[string]form {
	simple := func(said string, do func(ctx context.Context, door, guard, reason string) error) form {
		return form{
			reasons: entranceReasons(), back: "here", said: said, show: showEntrance,
			do: func(ctx context.Context, o override, _ *view, r *http.Request, _ url.Values) error {
				return do(ctx, r.PathValue("door"), d.guardOf(o), o.reason)
			},
		}
	}
	return map[string]form{
		"/doors/{door}/open":   {reasons: entranceReasons(), coded: true, back: "here", show: showEntrance, do: d.openFor},
		"/doors/{door}/close":  simple("closed", d.entrances.CloseDown),
		"/doors/{door}/reopen": simple("reopened", d.entrances.Reopen),
		"/doors/{door}/clear":  simple("cleared", d.entrances.Clear),
	}
}

func (d *Desk) guardOf(o override) string {
	g, _ := d.parcels.Guard(o.session)
	return g.ID
}

func (d *Desk) openFor(ctx context.Context, o override, v *view, r *http.Request, _ url.Values) error {
	got, err := d.entrances.OpenFor(ctx, r.PathValue("door"), d.guardOf(o), o.reason)
	if err != nil || got.Intent != "" {
		return err
	}
	message := "released.other"
	if slices.Contains([]string{doors.ClosedDown, doors.Silent, doors.Crowded, doors.AlreadyOpen}, got.Reason) {
		message = "released." + got.Reason
	}
	v.refuse(got.Reason, message)
	return errRefused
}

func showEntrance(v *view, r *http.Request) int {
	i := slices.IndexFunc(v.Entrances, func(d doors.Door) bool { return d.ID == r.PathValue("door") })
	if i < 0 {
		v.Page = "doors"
		v.refuse("no_door", "door.none")
		return http.StatusNotFound
	}
	v.Page, v.Entrance = "entrance", v.Entrances[i]
	return http.StatusOK
}

// Called is a door's name in the page's language.
func (v *view) Called(d doors.Door) string {
	if v.Lang == page.English {
		return d.English
	}
	return d.Name
}

// Closed are the doors that a guard has closed down.
func (v *view) Closed() []doors.Door {
	var out []doors.Door
	for _, d := range v.Entrances {
		if d.ClosedDown {
			out = append(out, d)
		}
	}
	return out
}

// entranceTask is a facility's door that waits for a guard.
type entranceTask struct {
	doors.Door
	Kind string // forced, left_open, silent
}

// EntranceTasks are the doors that wait for a guard, the most urgent first.
func (v *view) EntranceTasks() []entranceTask {
	var out []entranceTask
	for _, kind := range []string{doors.Forced, doors.LeftOpen, doors.Silent} {
		for _, d := range v.Entrances {
			if d.State == kind || kind == doors.Silent && !d.Online {
				out = append(out, entranceTask{d, kind})
			}
		}
	}
	return out
}

// EntranceWhy returns the tasks at the facility's door shown.
func (v *view) EntranceWhy() []entranceTask {
	return slices.DeleteFunc(v.EntranceTasks(), func(t entranceTask) bool { return t.ID != v.Entrance.ID })
}

// WhyClosed says a closure's reason; one that was given elsewhere may be none of this desk's.
func (v *view) WhyClosed(d doors.Door) string {
	if slices.Contains(entranceReasons(), d.Reason) {
		const why = "reason."
		return v.T(why + d.Reason)
	}
	return d.Reason
}
