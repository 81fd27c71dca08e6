package building

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxViewers = 32 // pages kept live at once
	liveEvery  = 250 * time.Millisecond
	liveAlive  = 15 * time.Second // a comment keeps an idle stream open

	// Nothing from elsewhere, no script in the page itself.
	policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

//go:embed page.html
var pageHTML string

//go:embed sim.css
var simCSS []byte

// pages holds the page's templates, one set for each language.
type pages map[string]*template.Template

func newPages() pages {
	p := pages{}
	for _, lang := range []string{"zh", "en"} {
		p[lang] = template.Must(template.New("").Funcs(template.FuncMap{"t": choice{Lang: lang}.word}).Parse(pageHTML))
	}
	return p
}

// Handler serves the page at / and the API below /api/. look holds the shared files of all pages: look.css, icons.svg,
// htmx.min.js and sse.js. Requests that another site's page makes are refused.
func (b *Building) Handler(look fs.FS) http.Handler {
	p := newPages()
	mux := http.NewServeMux()
	b.apiRoutes(mux)
	mux.Handle("GET /look/", http.StripPrefix("/look/", http.FileServerFS(look)))
	mux.HandleFunc("GET /sim.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(simCSS)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		c := choose(w, r)
		p.write(w, http.StatusOK, "page", b.view(c, time.Now()))
	})
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) { b.live(w, r, p) })
	mux.HandleFunc("POST /touch/locks/{bank}/{number}/{action}", b.pageTouch(p, b.touchLock))
	mux.HandleFunc("POST /touch/boards/{bank}/{number}/{action}", b.pageTouch(p, b.touchBoard))
	mux.HandleFunc("POST /touch/lines/{line}/{action}", b.pageTouch(p, b.touchLine))
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		guarded.ServeHTTP(w, r)
	})
}

// choose reads how the page is looked at: the language stays in a cookie, the rest in the address.
func choose(w http.ResponseWriter, r *http.Request) choice {
	q := r.URL.Query()
	c := choice{Lang: "zh", Door: q.Get("door"), Line: q.Get("line")}
	if k, err := r.Cookie("lang"); err == nil && k.Value == "en" {
		c.Lang = "en"
	}
	if lang := q.Get("lang"); lang == "en" || lang == "zh" {
		c.Lang = lang
		http.SetCookie(w, &http.Cookie{Name: "lang", Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	return c
}

func (p pages) render(name string, v view) []byte {
	var out bytes.Buffer
	if err := p[v.Lang].ExecuteTemplate(&out, name, v); err != nil {
		panic(fmt.Sprintf("building: page %s: %v", name, err)) // the template is compiled in
	}
	return out.Bytes()
}

func (p pages) write(w http.ResponseWriter, status int, name string, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(p.render(name, v))
}

// pageTouch does what a form asks for. A script gets the notice alone and the live stream shows the change; without
// one the browser is sent back to the page.
func (b *Building) pageTouch(p pages, do touchFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		c := choose(w, r)
		o, err := formOptions(r)
		if err == nil {
			err = do(r, o)
		}
		script := r.Header.Get("HX-Request") == "true"
		if err == nil && !script {
			http.Redirect(w, r, "/"+c.query(), http.StatusSeeOther)
			return
		}
		v := b.view(c, time.Now())
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
	o.Link = r.PostForm.Get("link")
	var errs []error
	if s := r.PostForm.Get("rate"); s != "" {
		rate, err := strconv.ParseFloat(s, 64)
		o.Rate, errs = &rate, append(errs, err)
	}
	if s := r.PostForm.Get("on"); s != "" {
		on, err := strconv.ParseBool(s)
		o.On, errs = &on, append(errs, err)
	}
	if s := r.PostForm.Get("ms"); s != "" {
		ms, err := strconv.ParseInt(s, 10, 64)
		o.MS, errs = &ms, append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return o, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return o, nil
}

// live sends each part of the page again when it has changed, until the browser leaves.
func (b *Building) live(w http.ResponseWriter, r *http.Request, p pages) {
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
	for {
		v := b.view(c, time.Now())
		var events strings.Builder
		for _, part := range []string{"top", "banks", "faults", "wire"} {
			html := string(p.render(part, v))
			if html == last[part] {
				continue
			}
			last[part] = html
			fmt.Fprintf(&events, "event: %s\ndata: %s\n\n", part, strings.ReplaceAll(strings.TrimSpace(html), "\n", "\ndata: "))
		}
		if events.Len() == 0 && time.Since(sent) > liveAlive {
			events.WriteString(": still here\n\n")
		}
		if events.Len() > 0 {
			if _, err := w.Write([]byte(events.String())); err != nil || out.Flush() != nil {
				return
			}
			sent = time.Now()
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
