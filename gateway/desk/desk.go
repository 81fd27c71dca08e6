package desk

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/page"
)

//go:embed words/*.json files templates
var own embed.FS

// Options say where the desk stands.
type Options struct {
	Site  string       // the community's name
	Hosts []string     // names and addresses the desk is reached by; empty: any
	Log   *slog.Logger // nil discards
}

// Desk serves the guard's pages. It holds the signed-in browsers and nothing else.
type Desk struct {
	parcels   Parcels
	entrances Entrances // nil: none
	o         Options
	words     *page.Words
	pages     *template.Template
	sessions  *sessions
	handler   http.Handler
}

// New returns the desk over the parcels service, and over the doors of facilities where entrances is not nil. look holds the
// shared style sheet, icons and htmx, and is served below /look/.
func New(service Parcels, entrances Entrances, look fs.FS, o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	words, files := page.Compiled(own)
	d := &Desk{parcels: service, entrances: entrances, o: o, words: words, sessions: newSessions()}
	d.pages = template.Must(template.New("").Funcs(template.FuncMap{"both": both, "named": named, "at": at}).ParseFS(own, "templates/*.html"))
	mux := http.NewServeMux()
	mux.Handle("GET /look/", page.Files("/look/", look))
	mux.Handle("GET /desk/", page.Files("/desk/", files))
	mux.HandleFunc("POST /signin", d.signIn)
	mux.HandleFunc("POST /language", d.language)
	shown, forms := map[string]func(*view, *http.Request) int{
		"/{$}": showList, "/door/{compartment}": showDoor, "/shelf": showShelf, "/households": showPlain("households"),
		"/time": showPlain("time"),
	}, d.forms()
	if entrances != nil {
		shown["/doors"], shown["/doors/{door}"] = showPlain("doors"), showEntrance
		maps.Copy(forms, d.entranceForms())
	}
	for path, show := range shown {
		mux.HandleFunc("GET "+path, d.get(show))
	}
	for path, do := range forms {
		mux.HandleFunc("POST "+path, d.post(do))
	}
	d.handler = page.Guard(mux, func(host string) bool { return len(o.Hosts) == 0 || slices.Contains(o.Hosts, host) })
	return d
}

// ServeHTTP answers the guard's browser.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Browsers that came once over TLS never try without.
	w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	d.handler.ServeHTTP(w, r)
}

// get returns the handler of a page that only guards see.
func (d *Desk) get(show func(*view, *http.Request) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, s, ok := d.signedIn(r)
		v := d.view(r, s)
		if !ok {
			v.Page = "signin"
			d.write(w, v, http.StatusUnauthorized)
			return
		}
		d.write(w, v, show(v, r))
	}
}

// signedIn returns the session of a request while the service still knows the guard.
func (d *Desk) signedIn(r *http.Request) (string, session, bool) {
	key, s, ok := d.sessions.of(r, time.Now())
	if !ok {
		return "", session{}, false
	}
	if _, ok = d.parcels.Guard(s.token); !ok {
		d.sessions.end(key)
		return "", session{}, false
	}
	return key, s, true
}

func (d *Desk) write(w http.ResponseWriter, v *view, code int) {
	var b bytes.Buffer
	if err := d.pages.ExecuteTemplate(&b, "page", v); err != nil {
		d.o.Log.Error("page not drawn", "page", v.Page, "err", err)
		http.Error(w, "this page cannot be drawn; go back and try again", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	b.WriteTo(w)
}

const languageCookie = "__Host-lang"

func (d *Desk) language(w http.ResponseWriter, r *http.Request) {
	form, err := page.Form(r, "lang", "back")
	if err != nil {
		http.Error(w, "choose zh-TW or en", http.StatusBadRequest)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: string(page.ParseLang(form.Get("lang"))), Path: "/", MaxAge: 365 * 24 * 60 * 60,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, local(form.Get("back")), http.StatusSeeOther)
}

// local returns path where it is one of the desk's own pages, else its first page.
func local(path string) string {
	if slices.Contains([]string{"/doors", "/shelf", "/households", "/time"}, path) {
		return path
	}
	for _, folder := range []string{"/door/", "/doors/"} {
		if door, ok := strings.CutPrefix(path, folder); ok && door != "" && !strings.ContainsAny(door, "/\\.") {
			return path
		}
	}
	return "/"
}

func (d *Desk) signIn(w http.ResponseWriter, r *http.Request) {
	v := d.view(r, session{})
	v.Page = "signin"
	form, err := page.Form(r, "code")
	if err != nil || len(form.Get("code")) != codeLen || !page.Digits(form.Get("code"), codeLen) {
		v.refuse("form", "signin.form")
		d.write(w, v, http.StatusBadRequest)
		return
	}
	got, err := d.parcels.SignIn(r.Context(), form.Get("code"))
	switch {
	case err != nil:
		d.o.Log.Error("guard not signed in", "err", err)
		v.refuse("trouble", "trouble.say")
		d.write(w, v, http.StatusServiceUnavailable)
	case got.Visit == "":
		v.refuseCode(got)
		d.write(w, v, http.StatusForbidden)
	default:
		key := d.sessions.start(session{token: got.Visit}, time.Now())
		http.SetCookie(w, cookie(key, sessionLife))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}
