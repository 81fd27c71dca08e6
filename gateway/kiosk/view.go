package kiosk

import (
	"bytes"
	"embed"
	"html/template"
	"io"

	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/page/pad"
)

//go:embed templates
var templates embed.FS

// parse reads the templates, which are compiled in.
func parse() *template.Template {
	return template.Must(template.ParseFS(templates, "templates/*.html"))
}

// view is one screen, ready to be drawn. It holds no secret: of a code only how many digits were typed.
type view struct {
	words   *page.Words
	pages   *template.Template
	Version uint64
	Step    uint64
	Screen  string
	Refused int    // the HTTP status of a touch that changed nothing; 0: it was taken
	Role    string // collect, deliver; empty on the idle screen

	Lang                 page.Lang
	Large, Contrast, Low bool

	Site, Hall, Phone string
	Day               page.Text
	Clock             string
	Refresh           int    // seconds until a browser without scripts asks again
	Wait              int    // seconds until the person is asked; 0: not said
	WaitFor           string // message that says what then happens

	Unit     string
	Who      string // beside the role: the unit, the carrier
	Progress page.Text
	At       int
	Steps    int

	Title, Sub page.Text
	Problem    string // code of what is wrong with the last input
	Error      page.Text
	Mild       bool // the problem is a hint, no refusal

	CanBack, CanChange, CanFinish bool

	Buildings  []string
	Building   string
	Typed      string
	Keys       []string
	Boxes      []pad.Box
	TypedCount int

	Sizes       []sizeRow
	Pick        *page.Text
	DepositsOff bool
	Notice      *page.Text
	Online      bool
	Network     page.Text
	ClockState  page.Text
	Trouble     page.Text
	Last        *lastDrop

	Door, Next         int
	DoorName, NextName string
	Also               page.Text // what is to be done besides
	Phase              string
	Trail              []stop
	Bank               [][]drawn
	FootDoors          []answer
	Answers            []answer
	Face, FaceClass    string
}

// sizeRow is one size of compartment with how many are free.
type sizeRow struct {
	Size   string
	Name   page.Text
	Inside page.Text
	Free   int
	Picked bool
}

// lastDrop is the courier's last parcel while it can be undone.
type lastDrop struct {
	Door, Unit string
	Left       string
	Seconds    int
}

// stop is one of the three steps of a door.
type stop struct {
	Name      page.Text
	Icon      string
	Done, Now bool
	Reached   bool // the line that leads here is passed
}

// answer is a button with its form.
type answer struct {
	Action, Name, Value, ID string
	Icon                    string
	Text                    page.Text
	Filled                  bool
}

// Say returns a message in both languages, the chosen one first.
func (v view) Say(id string, args ...any) page.Text { return v.words.Both(v.Lang, id, args...) }

// Body draws what stands between the status line and the foot.
func (v view) Body() (template.HTML, error) {
	name := "body-ask"
	switch v.Screen {
	case "idle", "building", "unit", "size":
		name = "body-" + v.Screen
	case "pin", "household", "courier":
		name = "body-code"
	case "door":
		name = "body-door"
	}
	var b bytes.Buffer
	err := v.pages.ExecuteTemplate(&b, name, v)
	return template.HTML(b.String()), err //nolint:gosec // it comes out of html/template
}

func (v view) problem(code, message string, args ...any) view {
	v.Problem, v.Error = code, v.Say(message, args...)
	return v
}

// draw writes the whole page, or only the screen for a script that swaps it.
func (v view) draw(w io.Writer, whole bool) error {
	name := "screen"
	if whole {
		name = "page"
	}
	return v.pages.ExecuteTemplate(w, name, v)
}
