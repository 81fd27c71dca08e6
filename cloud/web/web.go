// Package web is the cloud's pages. Residents see what waits for their household, where, with which PIN, until when, the
// household code, and what their gas meter says; operators see how every gateway and device is, on a page that changes by
// itself while it is looked at. They are server-rendered, Chinese first, and need no script.
//
// Everything that a device said carries "as of": the gateway's last word. Staleness wins over content, and a silent
// building still serves.
package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

//go:embed *.html
var pages embed.FS

const maxForm = 4 << 10 // bytes of a posted form

// policy allows what this address serves and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Parts are what the page serves from.
type Parts struct {
	DB         *store.DB
	Fleet      *fleet.Fleet
	Identity   *identity.Identity
	Ingest     *ingest.Ingest
	Parcels    *parcels.Parcels
	Facilities *facilities.Facilities
	Once       *once.Keys
	Now        func() time.Time
	Log        *slog.Logger
}

type web struct {
	Parts
	page *template.Template
}

// New makes the handler of GET /, GET /gas, POST /household-code, and of all below /bookings, /doors and /operator.
func New(p Parts) http.Handler {
	w := &web{Parts: p, page: template.Must(template.ParseFS(pages, "*.html"))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.home)
	mux.HandleFunc("GET /gas", w.gas)
	mux.HandleFunc("POST /household-code", w.mint)
	w.bookingRoutes(mux)
	w.doorRoutes(mux)
	operators := w.operator()
	mux.Handle("/operator", operators)
	mux.Handle("/operator/", operators)
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
		guarded.ServeHTTP(rw, r)
	})
}

// Files serves the files of fsys below prefix and lists no folder.
func Files(prefix string, fsys fs.FS) http.Handler {
	files := http.StripPrefix(prefix, http.FileServerFS(fsys))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "max-age=300")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
}

// tongue is the page's language: as asked for in the address, else as the browser says, else Chinese.
func tongue(r *http.Request) string {
	switch r.FormValue("lang") {
	case "en":
		return "en"
	case "zh":
		return "zh"
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return "zh"
	}
	for _, t := range tags {
		switch base, _ := t.Base(); base.String() {
		case "zh", "en":
			return base.String()
		}
	}
	return "zh"
}

// view is one page.
type view struct {
	frame
	W        words
	SignedIn bool
	Homes    []home
	Error    string
}

func (w *web) home(rw http.ResponseWriter, r *http.Request) {
	lang := tongue(r)
	v := view{frame: w.frame(r, in(lang, "我的包裹", "My parcels"), ""), W: wordsIn(lang)}
	who, err := w.Identity.Session(r)
	if err == nil {
		v.SignedIn = true
		v.Homes, err = w.homesOf(r.Context(), who, lang)
		v.Nav = w.navOf(r.Context(), who, "/", lang)
	}
	if err == nil && !slices.ContainsFunc(v.Nav.Links, func(l link) bool { return l.Here }) { // who only manages begins there
		http.Redirect(rw, r, v.Nav.Links[0].Href, http.StatusSeeOther)
		return
	}
	status := http.StatusOK
	if err != nil && !errors.Is(err, identity.ErrNoSession) {
		w.Log.Error("page not made", "err", err)
		v.Error, status = v.W.Trouble, http.StatusServiceUnavailable
	}
	w.showPage(rw, status, "home.html", v, v.W.Trouble)
}

// showPage shows one of the pages; trouble is what is said when it cannot be made.
func (w *web) showPage(rw http.ResponseWriter, status int, name string, v any, trouble string) {
	var b bytes.Buffer
	if err := w.page.ExecuteTemplate(&b, name, v); err != nil {
		w.Log.Error("page not made", "err", err)
		http.Error(rw, trouble, http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(b.Bytes()) // a failed write means that the reader has left
}

// mint asks the building for the next household code.
func (w *web) mint(rw http.ResponseWriter, r *http.Request) {
	who, err := w.Identity.Session(r)
	if err == nil {
		site, household := r.PostFormValue("site"), r.PostFormValue("household")
		err = w.DB.Read(r.Context(), func(tx *store.Tx) error {
			_, err := w.Identity.HouseholdOf(r.Context(), tx, who.ID, site, household)
			return err
		})
		if err == nil {
			_, err = w.Parcels.Mint(r.Context(), site, parcels.ForHousehold, household, w.Now())
		}
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	http.Redirect(rw, r, "/?lang="+tongue(r), http.StatusSeeOther)
}

// home is one household with what waits for it.
type home struct {
	Site, SiteID string
	Unit         string
	Household    string
	Parcels      []parcel
	Codes        []code
	Waiting      bool // the next code was asked for
	Bookings     []ownBooking
	AsOf         string
	Stale        bool
}

type parcel struct {
	Door, Shelf  string
	Carrier      string
	Since, Until string
	PIN          string // 3 + 3
}

type code struct{ Digits string }

func (w *web) homesOf(ctx context.Context, who identity.Person, lang string) (all []home, err error) {
	err = w.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		return w.eachHousehold(ctx, tx, who, func(site fleet.Site, h identity.Household) error {
			one, err := w.homeOf(ctx, tx, site, h, lang)
			all = append(all, one)
			return err
		})
	})
	return all, err
}

// eachHousehold calls fn for every household of a person.
func (w *web) eachHousehold(ctx context.Context, tx *store.Tx, who identity.Person, fn func(fleet.Site, identity.Household) error) error {
	sites, err := w.Identity.SitesOf(ctx, tx, who.ID)
	if err != nil {
		return err
	}
	for _, id := range sites {
		site, err := w.Fleet.Site(ctx, tx, id)
		if err != nil {
			return err
		}
		households, err := w.Identity.HouseholdsOf(ctx, tx, who.ID, id)
		if err != nil {
			return err
		}
		for _, h := range households {
			if err := fn(site, h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *web) homeOf(ctx context.Context, tx *store.Tx, site fleet.Site, h identity.Household, lang string) (home, error) {
	out := home{Site: site.Name, SiteID: site.ID, Unit: h.Label, Household: h.ID}
	if err := w.spoken(ctx, tx, &out, lang); err != nil {
		return out, err
	}
	policy, err := parcels.ReadPolicy(ctx, tx, site.ID)
	if err != nil {
		return out, err
	}
	all, err := w.Parcels.List(ctx, tx, parcels.Filter{Site: site.ID, Households: []string{h.ID}, Settled: true})
	if err != nil {
		return out, err
	}
	for _, p := range all {
		if !p.Waiting() {
			continue
		}
		pin, err := w.Parcels.PIN(ctx, tx, p)
		if err != nil && !errors.Is(err, parcels.ErrSealed) {
			return out, err
		}
		out.Parcels = append(out.Parcels, parcel{
			Door: door(p.Door), Shelf: p.Shelf, Carrier: p.Carrier, PIN: spaced(pin.Reveal()),
			Since: day(p.StoredAt.Time(), lang), Until: day(parcels.Due(p.KnownAt, policy).Time(), lang),
		})
	}
	codes, err := w.Parcels.Codes(ctx, tx, site.ID, parcels.ForHousehold, h.ID, w.Now())
	for _, c := range codes {
		out.Codes = append(out.Codes, code{spaced(c.Digits.Reveal())})
	}
	if err != nil {
		return out, err
	}
	bookable, err := facilities.List(ctx, tx, site.ID)
	if err != nil {
		return out, err
	}
	out.Bookings, err = w.ownBookings(ctx, tx, livesAt{h, site}, bookable, lang)
	out.Bookings = slices.DeleteFunc(out.Bookings, func(b ownBooking) bool { return !b.Admits })
	return out, err
}

// spoken says when the site's gateways last spoke, the one silent longest, and whether a code is being made.
func (w *web) spoken(ctx context.Context, tx *store.Tx, out *home, lang string) error {
	ids, err := w.Fleet.GatewayIDs(ctx, tx, out.SiteID)
	if err != nil {
		return err
	}
	var oldest time.Time
	for _, id := range ids {
		h, err := w.Fleet.Health(ctx, tx, id)
		if err != nil {
			return err
		}
		state, _ := h.State(w.Now())
		out.Stale = out.Stale || state != fleet.Online && state != fleet.Degraded
		if at := h.AsOf.Time(); h.AsOf > 0 && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
		wish, err := w.Fleet.NewestWish(ctx, tx, id, parcels.WishMint, "household/"+out.Household)
		if err != nil && !errors.Is(err, fleet.ErrUnknown) {
			return err
		}
		out.Waiting = out.Waiting || err == nil && wish.State == fleet.WishAsked
	}
	if !oldest.IsZero() {
		out.AsOf = oldest.In(parcels.Taipei()).Format("15:04")
		if w.Now().Sub(oldest) > 12*time.Hour {
			out.AsOf = day(oldest, lang)
		}
	}
	return nil
}
