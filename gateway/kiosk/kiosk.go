package kiosk

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/page"
)

//go:embed words/*.json files
var own embed.FS

// Options say where the screen stands and how it behaves.
type Options struct {
	Site  string // the community's name
	Hall  string // where in it the screen stands; may be empty
	Phone string // the guard's number until the community's policy names one
	Bank  Bank
	Idle  time.Duration // without a touch until "still there?"; 0 means 45 s
	Grace time.Duration // after that until the end; 0 means 20 s
	Log   *slog.Logger  // nil discards
	// Trouble says what of the gateway's configuration is not in force: partly, last_good, or nothing. nil: nothing.
	Trouble func() string
}

func (o Options) withDefaults() Options {
	if o.Idle == 0 {
		o.Idle = 45 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 20 * time.Second
	}
	if o.Trouble == nil {
		o.Trouble = func() string { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Kiosk serves the one screen of a locker bank. Run must be running for it to answer.
type Kiosk struct {
	parcels Parcels
	o       Options
	words   *page.Words
	pages   *template.Template
	loop    *page.Loop[*input, view]
	handler http.Handler
}

// input is one touch; none asks only how the screen looks.
type input struct {
	do   string
	form url.Values
	step uint64
}

// New returns the screen over service. look holds the shared style sheet, icons and htmx, and is served below /look/.
func New(service Parcels, look fs.FS, o Options) *Kiosk {
	words, files := page.Compiled(own)
	k := &Kiosk{parcels: service, o: o.withDefaults(), words: words, pages: parse(), loop: page.NewLoop[*input, view]()}
	mux := http.NewServeMux()
	mux.Handle("GET /look/", page.Files("/look/", look))
	mux.Handle("GET /kiosk/", page.Files("/kiosk/", files))
	mux.HandleFunc("GET /live", k.loop.Live)
	mux.HandleFunc("GET /{$}", k.show)
	for path, fields := range routes() {
		mux.HandleFunc("POST "+path, k.touch(path, fields))
	}
	k.handler = page.Guard(mux, page.Loopback)
	return k
}

// ServeHTTP answers on loopback only: any other Host is refused.
func (k *Kiosk) ServeHTTP(w http.ResponseWriter, r *http.Request) { k.handler.ServeHTTP(w, r) }

func (k *Kiosk) show(w http.ResponseWriter, r *http.Request) {
	v, ok := k.loop.Ask(r.Context(), nil)
	if !ok {
		http.Error(w, "the screen is being started or stopped; it comes back by itself", http.StatusServiceUnavailable)
		return
	}
	k.write(w, r, v, http.StatusOK)
}

// touch returns the handler of one form. What is wrong with it is said on the screen as it stands, and nothing changes.
func (k *Kiosk) touch(path string, fields []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, err := page.Form(r, append(fields, "step")...)
		in := &input{do: path, form: form}
		if err == nil {
			in.step, err = strconv.ParseUint(form.Get("step"), 10, 64)
		}
		if err != nil {
			in.do = "refused"
		}
		v, ok := k.loop.Ask(r.Context(), in)
		switch {
		case !ok:
			http.Error(w, "the screen is being started or stopped; it comes back by itself", http.StatusServiceUnavailable)
		case v.Refused != 0:
			k.write(w, r, v, v.Refused)
		case r.Header.Get("HX-Request") != "":
			k.write(w, r, v, http.StatusOK)
		default:
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	}
}

func (k *Kiosk) write(w http.ResponseWriter, r *http.Request, v view, code int) {
	var b bytes.Buffer
	if err := v.draw(&b, r.Header.Get("HX-Request") == ""); err != nil {
		k.o.Log.Error("screen not drawn", "screen", v.Screen, "err", err)
		http.Error(w, "this screen cannot be drawn; please ask the guard", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	b.WriteTo(w)
}
