package terminal

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/gateway/page"
)

//go:embed words/*.json files templates
var own embed.FS

// ticketLen bounds a ticket's text, in bytes. Whatever is longer is no ticket.
const ticketLen = 1000

// Options say where the screens stand and how they behave.
type Options struct {
	Site   string          // the community's name
	Doors  []string        // ids of the doors that have a screen
	Phone  string          // the guard's number
	Blocks func() []string // the buildings whose units have household codes, sorted; nil: none
	Idle   time.Duration   // without a touch until what was typed is forgotten; 0 means 45 s
	Log    *slog.Logger    // nil discards
}

func (o Options) withDefaults() Options {
	if o.Blocks == nil {
		o.Blocks = func() []string { return nil }
	}
	if o.Idle == 0 {
		o.Idle = 45 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Terminal serves the screens of all doors of a building. Run must be running for them to answer.
type Terminal struct {
	doors   Doors
	o       Options
	words   *page.Words
	pages   *template.Template
	screens map[string]*screen // by door
	handler http.Handler
}

// New returns the screens of doors over service. look holds the shared style sheets, icons and scripts, and is
// served below /look/.
func New(service Doors, look fs.FS, o Options) *Terminal {
	words, files := page.Compiled(own)
	t := &Terminal{
		doors: service, o: o.withDefaults(), words: words, screens: map[string]*screen{},
		pages: template.Must(template.ParseFS(own, "templates/*.html")),
	}
	for _, door := range o.Doors {
		t.screens[door] = &screen{Terminal: t, door: door, loop: page.NewLoop[*input, view]()}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /look/", page.Files("/look/", look))
	mux.Handle("GET /terminal/", page.Files("/terminal/", files))
	mux.HandleFunc("GET /door/{$}", t.index)
	mux.HandleFunc("GET /door/{door}", t.at((*screen).show))
	mux.HandleFunc("GET /door/{door}/live", t.at((*screen).live))
	for what, limits := range forms() {
		mux.HandleFunc("POST /door/{door}/"+what, t.at(func(s *screen, w http.ResponseWriter, r *http.Request) {
			s.touch(w, r, what, limits)
		}))
	}
	t.handler = page.Guard(mux, page.Loopback)
	return t
}

// ServeHTTP answers on loopback only: any other Host is refused.
func (t *Terminal) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.handler.ServeHTTP(w, r) }

// Run keeps every screen until ctx ends. It may be called once.
func (t *Terminal) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range t.screens {
		group.Go(func() error {
			s.run(ctx)
			return nil
		})
	}
	return group.Wait()
}

// at returns the handler of something at one door.
func (t *Terminal) at(do func(*screen, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, ok := t.screens[r.PathValue("door")]
		if !ok {
			http.Error(w, "there is no such door here; /door/ lists them", http.StatusNotFound)
			return
		}
		do(s, w, r)
	}
}

// index lists the screens, for who sets them up.
func (t *Terminal) index(w http.ResponseWriter, _ *http.Request) {
	t.write(w, "index", view{words: t.words, Lang: page.Chinese, Site: t.o.Site, Doors: t.doors.View().Doors}, http.StatusOK)
}

func (s *screen) show(w http.ResponseWriter, r *http.Request) {
	if v, ok := s.ask(w, r, nil); ok {
		s.write(w, whole(r), v, http.StatusOK)
	}
}

func (s *screen) live(w http.ResponseWriter, r *http.Request) { s.loop.Live(w, r) }

// touch takes one form. What is wrong with it is said on the screen as it stands, and nothing changes.
func (s *screen) touch(w http.ResponseWriter, r *http.Request, do string, limits map[string]int) {
	form, err := page.FormWithin(r, limits)
	in := &input{do: do, form: form}
	if err == nil {
		in.step, err = strconv.ParseUint(form.Get("step"), 10, 64)
	}
	if err != nil {
		in.do = malformed
	}
	v, ok := s.ask(w, r, in)
	switch {
	case !ok:
	case v.Refused != 0:
		s.write(w, whole(r), v, v.Refused)
	case r.Header.Get("HX-Request") != "":
		s.write(w, whole(r), v, http.StatusOK)
	default:
		http.Redirect(w, r, "/door/"+url.PathEscape(s.door), http.StatusSeeOther)
	}
}

// ask puts in to the screen's loop; false when it does not answer, which is said already.
func (s *screen) ask(w http.ResponseWriter, r *http.Request, in *input) (view, bool) {
	v, ok := s.loop.Ask(r.Context(), in)
	if !ok {
		http.Error(w, "the screen is being started or stopped; it comes back by itself", http.StatusServiceUnavailable)
	}
	return v, ok
}

// whole names the template that a request asks for: the page, or only the screen for a script that swaps it.
func whole(r *http.Request) string {
	if r.Header.Get("HX-Request") != "" {
		return "screen"
	}
	return "page"
}

func (t *Terminal) write(w http.ResponseWriter, name string, v view, code int) {
	var b bytes.Buffer
	if err := t.pages.ExecuteTemplate(&b, name, v); err != nil {
		t.o.Log.Error("screen not drawn", "screen", v.Screen, "err", err)
		http.Error(w, "this screen cannot be drawn; please ask the guard", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	b.WriteTo(w)
}
