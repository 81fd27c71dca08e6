package desk

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/html"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// browser is a guard's browser: it keeps cookies and follows to the next page.
type browser struct {
	t       *testing.T
	d       *Desk
	f       *fake
	doors   *entrances
	log     bytes.Buffer
	cookies map[string]*http.Cookie
	code    int
	main    map[string]string
	body    string
	all     strings.Builder
}

func open(t *testing.T) *browser {
	now := time.Date(2026, 11, 24, 10, 42, 0, 0, time.UTC)
	b := &browser{t: t, f: newFake(now), doors: newEntrances(now), cookies: map[string]*http.Cookie{}}
	b.d = New(b.f, b.doors, os.DirFS("."), Options{
		Site: "江翠河岸社區", Hosts: []string{"desk.example"},
		Log: slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return b
}

func (b *browser) send(r *http.Request) {
	b.t.Helper()
	if r.Host == "example.com" {
		r.Host = "desk.example"
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.d.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	b.code, b.body, b.main = w.Code, w.Body.String(), map[string]string{}
	b.all.WriteString(b.body)
	doc, err := html.Parse(strings.NewReader(b.body))
	if err != nil {
		b.t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "main" {
			for _, a := range n.Attr {
				b.main[strings.TrimPrefix(a.Key, "data-")] = a.Val
			}
		}
	}
	if to := w.Header().Get("Location"); to != "" {
		b.get(to)
		b.code = http.StatusSeeOther
	}
}

func (b *browser) get(path string) {
	b.t.Helper()
	b.send(httptest.NewRequest(http.MethodGet, path, nil))
}

// post sends a form; fields are names and values in turn.
func (b *browser) post(path string, fields ...string) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.send(r)
}

func (b *browser) want(code int, attrs ...string) {
	b.t.Helper()
	if b.code != code {
		b.t.Errorf("answered %d; want %d (page %s, error %s)", b.code, code, b.main["page"], b.main["error"])
	}
	for i := 0; i < len(attrs); i += 2 {
		if got := b.main[attrs[i]]; got != attrs[i+1] {
			b.t.Errorf("main data-%s = %q; want %q", attrs[i], got, attrs[i+1])
		}
	}
}

func (b *browser) did(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.f.calls, want) {
		b.t.Errorf("the service was asked %q; want %q", b.f.calls, want)
	}
}

func (b *browser) signIn() {
	b.t.Helper()
	b.post("/signin", "code", "11112222")
	b.want(http.StatusSeeOther, "page", "list")
}

func TestClearADoor(t *testing.T) {
	b := open(t)
	b.signIn()
	b.get("/door/A-6")
	b.want(200, "page", "door", "door", "closed", "content", "occupied")
	b.post("/door/A-6/open", "reason", "clearing", "code", "11112222")
	b.want(303, "door", "opening")
	b.f.set("A-6", func(c *parcels.Compartment) { c.Content, c.Purpose, c.Door = "open", "audit", "open" })
	b.get("/door/A-6")
	b.want(200, "door", "open")
	b.post("/door/A-6/inside", "what", "office", "shelf", "b-14", "reason", "clearing")
	b.want(303)
	b.post("/door/A-3/inside", "what", "vacant", "shelf", "", "reason", "check")
	b.post("/door/A-21/service", "set", "in", "reason", "fault")
	b.post("/door/A-18/service", "set", "out", "reason", "fault")
	b.post("/shelf/p-9", "what", "handed", "pin", "", "reason", "resident")
	b.post("/shelf/p-9", "what", "returned", "reason", "clearing")
	b.did("g-1 open A-6 clearing", "g-1 office p-6 B-14 clearing", "g-1 inspect A-3 empty check", `g-1 put out A-21 ""`,
		`g-1 put out A-18 "fault"`, "g-1 hand p-9 resident", "g-1 back p-9 clearing")
}

func TestCodesAndClock(t *testing.T) {
	b := open(t)
	b.signIn()
	b.post("/households/unlock", "unit", "c-4-2", "reason", "resident", "code", "11112222")
	b.want(200, "page", "households")
	b.post("/households/code", "unit", "A-12-3", "reason", "resident", "code", "11112222")
	if !strings.Contains(b.body, "8021 7764") {
		t.Error("the new code is not shown")
	}
	b.get("/households")
	if strings.Contains(b.body, "8021") {
		t.Error("the new code is shown twice")
	}
	b.post("/households/code", "unit", "Z-1-1", "reason", "resident", "code", "11112222")
	b.want(404, "error", "no_unit")
	b.post("/time", "time", "2026-11-24T18:42", "reason", "check", "code", "11112222")
	b.want(200)
	b.did("g-1 unlock C-4-2 resident", "g-1 mint A-12-3 resident", "g-1 clock 2026-11-24T10:42:00Z check")
}

// invariant 5: an override needs the guard's own code, once more.
func TestOverrideNeedsTheGuardsOwnCode(t *testing.T) {
	for _, c := range []struct {
		name, code, problem string
		status              int
	}{
		{"none", "", "form", 400}, {"wrong", "99999999", "wrong", 403}, {"another guard's", "33334444", "other", 403},
		{"too long", "111122223", "form", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range []string{"/door/A-6/open", "/households/unlock", "/households/code", "/time", "/doors/pool/open"} {
				b := open(t)
				b.signIn()
				fields := []string{"reason", "check", "code", c.code}
				switch {
				case strings.HasPrefix(path, "/doors/"):
					fields[1] = "resident"
				case strings.HasPrefix(path, "/households"):
					fields = append(fields, "unit", "A-12-3")
				case path == "/time":
					fields = append(fields, "time", "2026-11-24T18:42")
				}
				b.post(path, fields...)
				b.want(c.status, "error", c.problem)
				b.did()
				b.atDoors()
			}
		})
	}
}

func TestNothingWithoutSignIn(t *testing.T) {
	b := open(t)
	for _, path := range []string{"/", "/door/A-6", "/shelf", "/households", "/time", "/doors", "/doors/pool"} {
		b.get(path)
		b.want(401, "page", "signin")
		if strings.Contains(b.body, "B-7-1") || strings.Contains(b.body, "A-12-3") {
			t.Errorf("%s shows a unit to nobody", path)
		}
	}
	b.post("/door/A-6/open", "reason", "check", "code", "11112222")
	b.want(401)
	b.post("/doors/pool/open", "reason", "resident", "code", "11112222")
	b.want(401)
	b.did()
	b.atDoors()
	b.post("/signin", "code", "00000000")
	b.want(403, "error", "wrong")
	if len(b.cookies) != 0 {
		t.Error("a refused guard has a cookie")
	}
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		b.signIn()
		c := b.cookies[cookieName]
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %v; want Secure, HttpOnly, SameSite=Strict, for this host", c)
		}
		time.Sleep(sessionLife - time.Second)
		b.get("/")
		b.want(200)
		time.Sleep(time.Second)
		b.get("/")
		b.want(401)

		b.signIn()
		kept := *b.cookies[cookieName]
		b.post("/signout")
		b.want(303, "page", "signin")
		b.cookies[cookieName] = &kept
		b.get("/")
		b.want(401)

		b.signIn() // the service ends the guard's right
		b.f.guards = map[string]parcels.Guard{}
		b.get("/")
		b.want(401)
	})
}

// invariant 13
func TestSessionsAreBounded(t *testing.T) {
	ss, now := newSessions(), time.Now()
	first := ss.start(session{token: "first"}, now)
	for i := range maxSessions {
		ss.start(session{}, now.Add(time.Duration(i+1)*time.Second))
	}
	if len(ss.held) != maxSessions {
		t.Errorf("%d sessions held; want %d", len(ss.held), maxSessions)
	}
	if _, ok := ss.held[first]; ok {
		t.Error("the oldest session did not give way")
	}
}

// invariant 9
func TestBadInputChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name, path string
		fields     []string
		code       int
	}{
		{"no reason", "/door/A-6/open", []string{"code", "11112222"}, 400},
		{"invented reason", "/door/A-6/open", []string{"reason", "because", "code", "11112222"}, 400},
		{"unknown field", "/door/A-6/service", []string{"reason", "fault", "set", "out", "door", "7"}, 400},
		{"field twice", "/door/A-6/service", []string{"reason", "fault", "set", "in", "set", "out"}, 400},
		{"query", "/door/A-6/service?set=out", []string{"reason", "fault"}, 400},
		{"unknown answer", "/door/A-6/inside", []string{"reason", "check", "what", "bomb"}, 400},
		{"office without shelf", "/door/A-6/inside", []string{"reason", "check", "what", "office"}, 400},
		{"shelf of words", "/door/A-6/inside", []string{"reason", "check", "what", "office", "shelf", "架子<b>"}, 400},
		{"office of nothing", "/door/A-18/inside", []string{"reason", "check", "what", "office", "shelf", "B-1"}, 409},
		{"unit of words", "/households/unlock", []string{"reason", "check", "unit", "A 12; 3", "code", "11112222"}, 400},
		{"long PIN", "/shelf/p-9", []string{"reason", "check", "what", "handed", "pin", "4719031"}, 400},
		{"wrong PIN", "/shelf/p-9", []string{"reason", "check", "what", "handed", "pin", "000000"}, 403},
		{"close without a reason", "/doors/pool/close", nil, 400},
		{"close for a locker's reason", "/doors/pool/close", []string{"reason", "clearing"}, 400},
		{"open a locker for a door's reason", "/door/A-6/open", []string{"reason", "visitor", "code", "11112222"}, 400},
		{"reopen twice", "/doors/pool/reopen", []string{"reason", "looked"}, 409},
		{"clear what was not forced", "/doors/pool/clear", []string{"reason", "looked"}, 409},
		{"unknown field at a door", "/doors/pool/close", []string{"reason", "fault", "door", "ktv"}, 400},
		{"no such door", "/doors/q/close", []string{"reason", "fault"}, 409},
		{"open by the address", "/doors/pool/open?code=11112222", []string{"reason", "resident"}, 400},
		{"no time", "/time", []string{"reason", "check", "time", "noon", "code", "11112222"}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			b.signIn()
			b.post(c.path, c.fields...)
			b.want(c.code)
			if b.main["error"] == "" {
				t.Error("nothing is said")
			}
			b.did()
			b.atDoors()
		})
	}
}

func TestServiceErrorsAreSaid(t *testing.T) {
	for err, want := range map[error]string{
		parcels.ErrNotNow: "moved", parcels.ErrCap: "cap", parcels.ErrNoSeal: "no_seal", parcels.ErrSession: "denied",
		parcels.ErrStopped: "trouble", parcels.ErrBad: "form",
	} {
		b := open(t)
		b.signIn()
		b.f.err = err
		b.post("/door/A-6/service", "set", "out", "reason", "fault")
		if b.main["error"] != want {
			t.Errorf("%v is shown as %q; want %q", err, b.main["error"], want)
		}
	}
}

// invariant 10
func TestNoSecretIsShownOrLogged(t *testing.T) {
	b := open(t)
	b.signIn()
	b.post("/signin", "code", "99998888")
	b.post("/door/A-6/open", "reason", "check", "code", "99998888")
	b.post("/door/A-6/open", "reason", "check", "code", "11112222")
	b.f.err = parcels.ErrStopped
	b.post("/shelf/p-9", "what", "handed", "pin", "471903", "reason", "resident")
	for _, s := range []string{"11112222", "99998888", "471903"} {
		if strings.Contains(b.all.String(), s) || strings.Contains(b.log.String(), s) || strings.Contains(strings.Join(b.f.calls, " "), s) {
			t.Errorf("a page, a log or a call holds a code")
		}
	}
}

func TestForeignRequestsAreRefused(t *testing.T) {
	b := open(t)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "evil.example"
	b.send(r)
	b.want(http.StatusMisdirectedRequest)
	r = httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader("code=11112222"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	b.send(r)
	b.want(http.StatusForbidden)
}

func TestEveryPageInBothLanguages(t *testing.T) {
	missing := regexp.MustCompile(`>[a-z_]+(\.[a-zA-Z_]+)+<`)
	forbidden := regexp.MustCompile(`<script>|\son[a-z]+="|\sstyle="|javascript:|https?://|no value`)
	for _, lang := range []string{"zh-TW", "en"} {
		b := open(t)
		b.post("/language", "lang", lang)
		b.want(303, "page", "signin")
		b.signIn()
		b.f.office.Clock = "uncertain"
		states := []string{"vacant", "reserved", "opening", "open", "closed_unconfirmed", "occupied", "needs_check"}
		for _, path := range []string{"/", "/door/A-3", "/door/A-6", "/door/A-21", "/shelf", "/households", "/time", "/door/Q-9", "/doors", "/doors/pool", "/doors/ktv", "/doors/gym", "/doors/car", "/doors/q"} {
			b.get(path)
			check(t, b, lang, path, missing, forbidden)
		}
		for _, s := range states {
			b.f.set("A-6", func(c *parcels.Compartment) { c.Content = s })
			b.get("/door/A-6")
			check(t, b, lang, s, missing, forbidden)
		}
		for _, state := range []string{doors.Secured, doors.Released, doors.Open, doors.Held, doors.LeftOpen, doors.Forced} {
			for _, outcome := range []string{"", doors.Opening, doors.Opened, doors.Unopened, doors.Unknown, doors.Refused} {
				b.doors.set("pool", func(d *doors.Door) { d.State, d.Outcome, d.Contact = state, outcome, "unknown" })
				b.get("/doors/pool")
				check(t, b, lang, state+" "+outcome, missing, forbidden)
			}
			b.get("/doors")
			check(t, b, lang, state, missing, forbidden)
		}
	}
}

func check(t *testing.T, b *browser, lang, what string, missing, forbidden *regexp.Regexp) {
	t.Helper()
	if m := missing.FindString(b.body); m != "" {
		t.Errorf("%s in %s shows %s", what, lang, m)
	}
	if m := forbidden.FindString(b.body); m != "" {
		t.Errorf("%s has %q, which the page's own policy forbids", what, m)
	}
	if !strings.Contains(b.body, `<html lang="`+lang+`">`) || !strings.HasSuffix(b.body, "</html>") {
		t.Errorf("%s is no whole page in %s", what, lang)
	}
}
