package desk

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// view is one page, ready to be drawn.
type view struct {
	parcels.Office
	words *page.Words
	Lang  page.Lang
	Page  string // signin, list, door, shelf, households, time, doors, entrance
	Site  string
	Guard string // masked; empty: nobody is signed in

	Problem string // code of what was refused
	Error   string
	Said    string // what was done

	Door  parcels.Compartment
	Inner parcels.Parcel // what is behind Door, as far as is known
	Unit  string         // typed before, kept

	Entrances []doors.Door // of facilities; none without doors
	Entrance  doors.Door   // the one shown

	Code string // a new household code: the one page that ever shows it
}

func (d *Desk) view(r *http.Request, s session) *view {
	lang := page.Chinese
	if c, err := r.Cookie(languageCookie); err == nil {
		lang = page.ParseLang(c.Value)
	}
	v := &view{words: d.words, Lang: lang, Site: d.o.Site}
	if did := r.URL.Query().Get("done"); s.token != "" && slices.Contains(done(), did) {
		const said = "said."
		v.Said = v.T(said + did)
	}
	if s.token != "" {
		guard, _ := d.parcels.Guard(s.token)
		v.Guard, v.Office = guard.Masked, d.parcels.Office()
		if d.entrances != nil {
			v.Entrances = d.entrances.View().Doors
		}
	}
	return v
}

// T returns a message in the page's language.
func (v *view) T(id string, args ...any) string { return v.words.Say(v.Lang, id, args...) }

// At writes a time as people read it: the time of day today, else the day before it.
func (v *view) At(t time.Time) string {
	if page.Day(page.English, t) == page.Day(page.English, v.Now) {
		return page.Clock(t)
	}
	return page.Day(v.Lang, t) + " " + page.Clock(t)
}

// Other is the language to switch to.
func (v *view) Other() page.Lang { return v.Lang.Other() }

// Reasons are the codes that a guard may give on the page shown.
func (v *view) Reasons() []string {
	if v.Page == "entrance" {
		return entranceReasons()
	}
	return reasons()
}

func reasons() []string { return []string{"check", "resident", "fault", "clearing", "emergency"} }

// done are the things that a page may say were done.
func done() []string { return []string{"inside", "service", "shelf", "closed", "reopened", "cleared"} }

// Name writes a compartment as it stands on the door: A-2 is A-02.
func (v *view) Name(id string) string {
	i := strings.LastIndexByte(id, '-') + 1
	if i > 0 && len(id)-i == 1 {
		return id[:i] + "0" + id[i:]
	}
	return id
}

// Tabs are the pages there are.
func (v *view) Tabs() []tab {
	tabs := []tab{{"/", "list", "list", v.Page == "list" || v.Page == "door", v.Waiting()}}
	if len(v.Entrances) > 0 {
		tabs = append(tabs, tab{"/doors", "doors", "door-open", v.Page == "doors" || v.Page == "entrance", 0})
	}
	return append(tabs, []tab{
		{"/shelf", "shelf", "inbox", v.Page == "shelf", len(v.Shelved())},
		{"/households", "households", "key", v.Page == "households", 0},
		{"/time", "time", "clock", v.Page == "time", 0},
	}...)
}

// Waiting is how many things wait for a guard.
func (v *view) Waiting() int { return len(v.Tasks) + len(v.EntranceTasks()) }

type tab struct {
	Path, Name, Icon string
	Now              bool
	Count            int
}

func (v *view) refuse(code, message string, args ...any) {
	v.Problem, v.Error = code, v.T(message, args...)
}

func (v *view) refuseCode(got parcels.Verdict) {
	switch got.Reason {
	case "locked":
		v.refuse("locked", "code.locked", "Until", page.Clock(got.Until))
	case "ended":
		v.refuse("ended", "code.ended")
	default:
		v.refuse("wrong", "code.wrong", "Count", got.Left)
	}
}

func showList(v *view, _ *http.Request) int {
	v.Page = "list"
	return http.StatusOK
}

func showShelf(v *view, _ *http.Request) int {
	v.Page = "shelf"
	return http.StatusOK
}

func showPlain(name string) func(*view, *http.Request) int {
	return func(v *view, _ *http.Request) int {
		v.Page = name
		return http.StatusOK
	}
}

func showDoor(v *view, r *http.Request) int {
	i := slices.IndexFunc(v.Compartments, func(c parcels.Compartment) bool { return c.ID == r.PathValue("compartment") })
	if i < 0 {
		v.Page = "list"
		v.refuse("no_door", "door.none")
		return http.StatusNotFound
	}
	v.Page, v.Door = "door", v.Compartments[i]
	for _, p := range v.Parcels {
		if p.ID == v.Door.Parcel {
			v.Inner = p
		}
	}
	return http.StatusOK
}

// Why returns the tasks at the door shown.
func (v *view) Why() []parcels.Task {
	var out []parcels.Task
	for _, t := range v.Tasks {
		if t.Compartment == v.Door.ID {
			out = append(out, t)
		}
	}
	return out
}

// Shelved are the parcels at the office.
func (v *view) Shelved() []parcels.Parcel {
	var out []parcels.Parcel
	for _, p := range v.Parcels {
		if p.State == "moved_to_office" || p.State == "return_pending" {
			out = append(out, p)
		}
	}
	return out
}

// Grave tells whether a task is wrong now, not only due.
func (v *view) Grave(task string) bool {
	switch task {
	case parcels.TaskForced, parcels.TaskIntakeOpen, parcels.TaskAjar, parcels.TaskDisputed:
		return true
	}
	return false
}

// Asked tells whether the guard is to say what is inside: he has the door open, has closed it, or it needs a check.
func (v *view) Asked() bool {
	d := v.Door
	return d.Door == "open" || d.Content == "closed_unconfirmed" || d.Content == "needs_check" && d.Door != "unknown"
}

// Opening tells whether the lock has been asked and has not answered.
func (v *view) Opening() bool { return v.Door.Content == "opening" }

// Today is the local date and time as people read them.
func (v *view) Today() string { return page.Day(v.Lang, v.Now) + " " + page.Clock(v.Now) }

// Field is the local date and time as a field takes them.
func (v *view) Field() string { return page.Local(v.Now).Format(timeField) }

// Here is the address of the page shown, to come back to in the other language.
func (v *view) Here() string {
	switch v.Page {
	case "door":
		return "/door/" + url.PathEscape(v.Door.ID)
	case "entrance":
		return "/doors/" + url.PathEscape(v.Entrance.ID)
	case "doors", "shelf", "households", "time":
		return "/" + v.Page
	}
	return "/"
}

// part is what a piece of a template needs besides the view.
type part struct {
	V  *view
	T  parcels.Task
	ID string // keeps labels of several forms on one page apart
}

func both(v *view, t parcels.Task) part { return part{V: v, T: t} }

// atDoor is what a piece of a template needs to show something of one door.
type atDoor struct {
	V *view
	D any // a doors.Door, or an entranceTask
}

func at(v *view, d any) atDoor { return atDoor{V: v, D: d} }

func named(v *view, id string) part { return part{V: v, ID: id} }
