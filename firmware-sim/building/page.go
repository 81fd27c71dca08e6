package building

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxViewers = 32 // pages kept live at once
	liveEvery  = 250 * time.Millisecond
	slow       = 4                // so many ticks of it for what need not be quick
	liveAlive  = 15 * time.Second // a comment keeps an idle stream open

	// Nothing from elsewhere, no script in the page itself.
	policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

//go:embed *.html
var pageHTML embed.FS

//go:embed sim.css
var simCSS []byte

// pages holds the page's templates, one set for each language.
type pages map[string]*template.Template

func newPages() pages {
	p := pages{}
	for _, lang := range []string{"zh", "en"} {
		p[lang] = template.Must(template.New("").Funcs(template.FuncMap{"t": choice{Lang: lang}.word}).ParseFS(pageHTML, "*.html"))
	}
	return p
}

// Handler serves the page at / and the API below /api/. look holds the shared files of all pages: look.css, icons.svg,
// htmx.min.js and sse.js. Requests that another site's page makes are refused.
func (b *Building) Handler(look fs.FS) http.Handler {
	p, g := newPages(), &glimpse{}
	mux := http.NewServeMux()
	b.apiRoutes(mux)
	mux.Handle("GET /look/", http.StripPrefix("/look/", http.FileServerFS(look)))
	mux.HandleFunc("GET /sim.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(simCSS)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		p.write(w, http.StatusOK, "page", b.view(choose(w, r), b.glance(), time.Now()))
	})
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) { b.live(w, r, p, g) })
	touchRoutes(mux, "/touch/", b.pageTouch(p))
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		guarded.ServeHTTP(w, r)
	})
}

func (p pages) render(name, lang string, data any) []byte {
	var out bytes.Buffer
	if err := p[lang].ExecuteTemplate(&out, name, data); err != nil {
		panic(fmt.Sprintf("building: page %s: %v", name, err)) // the template is compiled in
	}
	return out.Bytes()
}

func (p pages) write(w http.ResponseWriter, status int, name string, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(p.render(name, v.Lang, v))
}

// pageTouch does what a form asks for. A script gets the notice alone and the live stream shows the change; without
// one the browser is sent back to the page.
func (b *Building) pageTouch(p pages) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		c := choose(w, r)
		o, err := formOptions(r)
		if err == nil {
			err = b.touch(r, o)
		}
		script := r.Header.Get("HX-Request") == "true"
		if err == nil && !script {
			http.Redirect(w, r, "/"+c.query(), http.StatusSeeOther)
			return
		}
		v := b.view(c, b.glance(), time.Now())
		status, name := http.StatusOK, "notice"
		if err != nil {
			v.Problem = err.Error()
		}
		if !script {
			status, name = statusOf(err), "page"
		}
		p.write(w, status, name, v)
	}
}

func formOptions(r *http.Request) (Options, error) {
	var o Options
	if err := r.ParseForm(); err != nil {
		return o, fmt.Errorf("%w: %w: send the page's own form", ErrOptions, err)
	}
	form := r.PostForm
	o.Link, o.Serial, o.Contact, o.Parity = form.Get("link"), form.Get("serial"), form.Get("contact"), form.Get("parity")
	var errs [6]error
	o.Rate, errs[0] = field(form.Get("rate"), func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	o.On, errs[1] = field(form.Get("on"), strconv.ParseBool)
	whole := func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }
	o.MS, errs[2] = field(form.Get("ms"), whole)
	o.Litres, errs[3] = field(form.Get("litres"), whole)
	o.Add, errs[4] = field(form.Get("add"), whole)
	o.Baud, errs[5] = field(form.Get("baud"), strconv.Atoi)
	if err := errors.Join(errs[:]...); err != nil {
		return o, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return o, nil
}

// field reads one field of a form; an empty one is nil.
func field[T any](s string, parse func(string) (T, error)) (*T, error) {
	if s == "" {
		return nil, nil
	}
	v, err := parse(s)
	return &v, err
}

// part is a piece of the page that is sent again when still, which is the piece without what runs on by itself in it, has
// changed, and no more often than every so many ticks.
type part struct {
	name  string
	every int
	html  func(running bool) string
	still bool // it has nothing that runs on by itself, or is sent as it stands
}

// parts are the pieces of the page in the order in which they are sent. What runs on by itself inside another piece is a
// piece of its own: a person's finger must not lose a button four times a second.
func (p pages) parts(v view) (out []part) {
	add := func(name string, every int, still bool, template string, data func(running bool) any) {
		out = append(out, part{name, every, func(running bool) string {
			return strings.TrimSpace(string(p.render(template, v.Lang, data(running))))
		}, still})
	}
	whole := func(running bool) any { v.Running = running; return v }
	add("top", 1, true, "top", whole)
	add("on", 1, true, "on", whole)
	if len(v.Banks) > 0 {
		add("banks", 1, true, "banks", whole)
	}
	if len(v.Doors) > 0 {
		add("doors", 1, true, "doors", whole)
	}
	if v.Meters.All > 0 {
		add("meters", slow, false, "meters", whole)
	}
	each := slow
	if v.Meters.Shown > wholeList {
		each = 2 * slow
	}
	for _, m := range v.Meters.shown() {
		add("meter-"+m.ID, each, true, "reading", func(bool) any { return m })
	}
	add("panel", 1, false, "panel", whole)
	add("facts", slow, true, "facts", func(bool) any { return v.Panel })
	add("lines", slow, true, "lines", whole)
	if !v.Hold {
		add("wire", 2, true, "entries", whole)
	}
	return out
}

// glimpse is the building as it stood a moment ago, which all live pages share.
type glimpse struct {
	mu    sync.Mutex
	at    time.Time
	state State
}

func (g *glimpse) of(b *Building, now time.Time) State {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.at) >= liveEvery/2 {
		g.at, g.state = now, b.glance()
	}
	return g.state
}

// live sends each part of the page again when it has changed, until the browser leaves.
func (b *Building) live(w http.ResponseWriter, r *http.Request, p pages, g *glimpse) {
	select {
	case b.viewers <- struct{}{}:
		defer func() { <-b.viewers }()
	default:
		http.Error(w, fmt.Sprintf("%d pages are live already: close one", maxViewers), http.StatusServiceUnavailable)
		return
	}
	c := choose(w, r)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	last, sent := map[string]string{}, time.Now()
	for n := 0; ; n++ {
		now := time.Now()
		events := changed(p.parts(b.view(c, g.of(b, now), now)), n, last)
		if events == "" && now.Sub(sent) > liveAlive {
			events = ": still here\n\n"
		}
		if events != "" {
			if _, err := w.Write([]byte(events)); err != nil || out.Flush() != nil {
				return
			}
			sent = now
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// changed writes the events of the parts that are due at tick n and differ from last, which it keeps.
func changed(parts []part, n int, last map[string]string) string {
	var events strings.Builder
	for _, part := range parts {
		if n%part.every != 0 {
			continue
		}
		html := part.html(part.still)
		if old, ok := last[part.name]; ok && html == old || !ok && html == "" {
			continue
		}
		last[part.name] = html
		if !part.still {
			html = part.html(true)
		}
		fmt.Fprintf(&events, "event: %s\ndata: %s\n\n", part.name, strings.ReplaceAll(html, "\n", "\ndata: "))
	}
	return events.String()
}
