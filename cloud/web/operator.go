package web

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Bounds of the operators' page.
const (
	maxViewers   = 64               // pages kept live at once, by this process
	pageRows     = 50               // gateways of one page
	showAll      = 40               // devices of one page; if there are more, only those that need a look are listed
	lastEvents   = 30               // of one gateway
	lastCommands = 10               // likewise
	readLimit    = 10 * time.Second // for reading how the fleet is
)

// operatorPage is its template, apart from those of the other pages: its functions speak one language each.
//
//go:embed operator.tmpl
var operatorPage string

// livePolicy is policy and the two scripts of this address that keep a page live.
const livePolicy = policy + "; script-src 'self'; connect-src 'self'"

// operator serves the operators' page: how every gateway and device is, kept live. It is theirs alone.
type operator struct {
	*web
	pages   map[string]*template.Template // by language
	viewers chan struct{}

	reading singleflight.Group
	newest  atomic.Pointer[survey]
}

// survey is how the fleet was when its reading began. Viewers share it.
type survey struct {
	began time.Time
	took  time.Duration
	all   []fleet.Health
}

func (w *web) operator() http.Handler {
	o := &operator{web: w, pages: map[string]*template.Template{}, viewers: make(chan struct{}, maxViewers)}
	for _, lang := range []string{"zh", "en"} {
		o.pages[lang] = template.Must(template.New("operator").Funcs(template.FuncMap{"t": tongued(lang).t, "n": number}).Parse(operatorPage))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /operator", o.page)
	mux.HandleFunc("GET /operator/live", o.live)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Security-Policy", livePolicy)
		mux.ServeHTTP(rw, r)
	})
}

// Why the page is not shown.
var (
	errNotOperator = errors.New("not an operator")
	errNoGateway   = errors.New("no such gateway")
)

// allowed sees that the asker is an operator everywhere, and that for now the session lives.
func (o *operator) allowed(r *http.Request) error {
	who, err := o.Identity.Session(r)
	if err != nil {
		return err
	}
	return o.operates(r.Context(), who)
}

// operates gives errNotOperator unless somebody is an operator everywhere.
func (w *web) operates(ctx context.Context, who identity.Person) error {
	return w.DB.Read(ctx, func(tx *store.Tx) error {
		can, err := w.Identity.Can(ctx, tx, who.ID, identity.Everywhere, identity.Operator)
		if err == nil && !can {
			err = errNotOperator
		}
		return err
	})
}

// page serves the page as it is now. It needs no script.
func (o *operator) page(rw http.ResponseWriter, r *http.Request) {
	l := lensOf(r)
	err := o.allowed(r)
	var v *scene
	if err == nil {
		v, err = o.scene(r.Context(), l, time.Now())
	}
	status := http.StatusOK
	if err != nil {
		v, status = o.refusal(l, err)
	}
	if status == http.StatusServiceUnavailable {
		o.Log.Error("page not made", "err", err)
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	html := o.render("page", l.Lang, v)
	rw.WriteHeader(status)
	_, _ = rw.Write(html) // a failed write means that the reader has left
}

// refusal is what is shown instead of the page, and its status.
func (o *operator) refusal(l lens, err error) (*scene, int) {
	v := &scene{Lens: l, Now: o.Now(), lang: tongued(l.Lang), Refused: true}
	switch {
	case errors.Is(err, identity.ErrNoSession):
		v.SignIn = "/auth/login?next=" + url.QueryEscape(l.Here())
		return v, http.StatusUnauthorized
	case errors.Is(err, errNotOperator):
		v.Forbidden = true
		return v, http.StatusForbidden
	case errors.Is(err, errNoGateway):
		v.Nowhere = true
		return v, http.StatusNotFound
	}
	return v, http.StatusServiceUnavailable
}

func (o *operator) render(name, lang string, data any) []byte {
	var out bytes.Buffer
	if err := o.pages[lang].ExecuteTemplate(&out, name, data); err != nil {
		panic(fmt.Sprintf("web: operators' page: %s: %v", name, err)) // the template is compiled in
	}
	return out.Bytes()
}

// scene reads what a lens shows, as it was at since or later.
func (o *operator) scene(ctx context.Context, l lens, since time.Time) (*scene, error) {
	v := &scene{Lens: l, lang: tongued(l.Lang)}
	if l.Gateway != "" {
		began := time.Now()
		err := o.closely(ctx, v)
		v.took = time.Since(began)
		return v, err
	}
	s, err := o.survey(ctx, since)
	if err != nil {
		return v, err
	}
	v.Now, v.took = o.Now(), s.took
	shown := v.look(s.all)
	devices := map[string][]fleet.Device{}
	if v.Devices <= showAll {
		err = o.DB.Read(ctx, func(tx *store.Tx) (err error) {
			devices, err = o.Fleet.Devices(ctx, tx, shown...)
			return err
		})
	}
	v.fill(devices)
	return v, err
}

// survey gives a reading of the fleet that began at since or later. Those who ask at the same time share one.
func (o *operator) survey(ctx context.Context, since time.Time) (*survey, error) {
	for {
		if s := o.newest.Load(); s != nil && !s.began.Before(since) {
			return s, nil
		}
		// Others wait for it too, so it does not end when this asker leaves.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readLimit)
		_, err, _ := o.reading.Do("", func() (any, error) {
			s := &survey{began: time.Now()}
			err := o.DB.Read(ctx, func(tx *store.Tx) (err error) {
				s.all, err = o.Fleet.Survey(ctx, tx)
				return err
			})
			if err == nil {
				s.took = time.Since(s.began)
				o.newest.Store(s)
			}
			return nil, err
		})
		cancel()
		if err != nil {
			return nil, err
		}
	}
}

// closely reads one gateway with its devices, alarms, last commands and last events.
func (o *operator) closely(ctx context.Context, v *scene) error {
	return o.DB.Read(ctx, func(tx *store.Tx) error {
		h, err := o.Fleet.Health(ctx, tx, v.Lens.Gateway)
		if errors.Is(err, fleet.ErrUnknown) {
			err = errNoGateway
		}
		if err != nil {
			return err
		}
		var events []ingest.Logged
		if events, err = o.Ingest.Recent(ctx, tx, h.Gateway, lastEvents); err != nil {
			return err
		}
		commands, err := o.Fleet.CommandsTo(ctx, tx, h.Gateway)
		if err != nil {
			return err
		}
		v.Now = o.Now()
		v.closeUp(h, commands[:min(len(commands), lastCommands)], events)
		return nil
	})
}
