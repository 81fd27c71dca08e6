package issuer_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/cmd/internal/issuer"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// town is an issuer and a cloud that trusts it, each behind a real server on loopback.
type town struct {
	cloud, issuer string
	people        *identity.Identity
	now           time.Time
	behind        time.Duration // the issuer's clock
	log           *strings.Builder
}

func newTown(t *testing.T, db *store.DB) *town {
	t.Helper()
	w := &town{now: time.Now(), log: new(strings.Builder)}
	now := func() time.Time { return w.now }
	var signIn http.Handler
	a := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { signIn.ServeHTTP(rw, r) }))
	t.Cleanup(a.Close)
	mux := http.NewServeMux()
	b := httptest.NewServer(mux)
	t.Cleanup(b.Close)
	w.issuer, w.cloud = a.URL, b.URL
	i, err := issuer.New(issuer.Config{URL: a.URL, Now: func() time.Time { return w.now.Add(-w.behind) }, Accounts: []issuer.Account{{Subject: "p1", Name: "陳大明"}, {Subject: "p2", Name: "林美"}},
		Clients: []issuer.Client{{ID: "lobby", Redirect: b.URL + "/auth/callback"}}})
	if err != nil {
		t.Fatal(err)
	}
	signIn = i
	if err := identity.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	w.people = identity.New(db, identity.Config{Issuer: a.URL, ClientID: "lobby", Public: b.URL, Now: now,
		Log: slog.New(slog.NewTextHandler(w.log, nil))})
	mux.Handle("/auth/", w.people.Handler())
	mux.HandleFunc("GET /me", func(rw http.ResponseWriter, r *http.Request) {
		p, err := w.people.Session(r)
		if errors.Is(err, identity.ErrNoSession) {
			http.Error(rw, "nobody", http.StatusUnauthorized)
			return
		}
		io.WriteString(rw, p.Name)
	})
	mux.HandleFunc("GET /fresh", func(rw http.ResponseWriter, r *http.Request) {
		s, err := w.people.SignedIn(r)
		if err == nil && w.people.Fresh(s) {
			io.WriteString(rw, s.Name)
			return
		}
		http.Error(rw, "not fresh", http.StatusForbidden)
	})
	return w
}

// browser is a client with a cookie jar.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second}
}

func body(t *testing.T, answer *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// page opens the sign-in and gives the address that the page's form is posted to.
func (w *town) page(t *testing.T, c *http.Client, next string) string {
	t.Helper()
	return w.pageOf(t, c, "/auth/login?next="+url.QueryEscape(next))
}

func (w *town) pageOf(t *testing.T, c *http.Client, login string) string {
	t.Helper()
	answer, err := c.Get(w.cloud + login)
	text := body(t, answer, err)
	if answer.Request.URL.Path != "/authorize" || !strings.Contains(text, "陳大明") {
		t.Fatalf("sign-in leads to %s: %s", answer.Request.URL, text)
	}
	return answer.Request.URL.String()
}

func (w *town) me(t *testing.T, c *http.Client) string {
	t.Helper()
	answer, err := c.Get(w.cloud + "/me")
	return strings.TrimSpace(body(t, answer, err))
}

func TestSignInToTheCloud(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w, c := newTown(t, open()), browser(t)
		if got := w.me(t, c); got != "nobody" {
			t.Errorf("before: %s", got)
		}
		answer, err := c.PostForm(w.page(t, c, "/me"), url.Values{"account": {"p1"}})
		if got := body(t, answer, err); got != "陳大明" || answer.Request.URL.String() != w.cloud+"/me" {
			t.Errorf("signed in at %s as %s; want /me and 陳大明", answer.Request.URL, got)
		}
		if got := w.me(t, browser(t)); got != "nobody" {
			t.Errorf("another browser: %s", got)
		}
		answer, err = c.Post(w.cloud+"/auth/token", "", nil)
		var given struct{ Token string }
		if err := json.Unmarshal([]byte(body(t, answer, err)), &given); err != nil {
			t.Fatal(err)
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.cloud+"/me", nil)
		r.Header.Set("Authorization", "Bearer "+given.Token)
		answer, err = http.DefaultClient.Do(r)
		if got := body(t, answer, err); got != "陳大明" {
			t.Errorf("by token: %s", got)
		}
		answer, err = c.Get(w.cloud + "/auth/logout")
		if body(t, answer, err); answer.StatusCode != http.StatusMethodNotAllowed || w.me(t, c) != "陳大明" {
			t.Errorf("a mere link signs out: %s", answer.Status)
		}
		answer, err = c.Post(w.cloud+"/auth/logout", "", nil)
		if body(t, answer, err); w.me(t, c) != "nobody" {
			t.Error("signed out, and still somebody")
		}
	})
}

func TestCookiesAreKeptFromScripts(t *testing.T) {
	w, c := newTown(t, storetest.Open(t, storetest.SQLite(t))), browser(t)
	var cookies []*http.Cookie
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.Response != nil {
			cookies = append(cookies, r.Response.Cookies()...)
		}
		return nil
	}
	answer, err := c.PostForm(w.page(t, c, "/me"), url.Values{"account": {"p1"}})
	body(t, answer, err)
	if len(cookies) < 2 {
		t.Fatalf("%d cookies", len(cookies))
	}
	for _, k := range cookies {
		if !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Secure {
			t.Errorf("cookie %s: HttpOnly %t, SameSite %d, Secure %t; want true, Lax, false on plain HTTP", k.Name, k.HttpOnly, k.SameSite, k.Secure)
		}
		if k.MaxAge > 0 && strings.Contains(w.log.String(), k.Value) {
			t.Errorf("cookie %s stands in the log", k.Name)
		}
	}
}

// What comes back must come from the browser that was sent out, unchanged and once.
func TestForgedCallbacks(t *testing.T) {
	w := newTown(t, storetest.Open(t, storetest.SQLite(t)))
	// back signs in as p1 but keeps the way back for itself.
	back := func(c *http.Client) *url.URL {
		page := w.page(t, c, "/me")
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		answer, err := c.PostForm(page, url.Values{"account": {"p1"}})
		body(t, answer, err)
		c.CheckRedirect = nil
		to, err := answer.Location()
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	refused := func(name string, c *http.Client, to *url.URL) {
		t.Helper()
		answer, err := c.Get(to.String())
		if text := body(t, answer, err); answer.StatusCode != http.StatusBadRequest || !strings.Contains(text, "請再試一次") {
			t.Errorf("%s: %s %s; want 400", name, answer.Status, text)
		}
		if got := w.me(t, c); got != "nobody" {
			t.Errorf("%s: signed in as %s", name, got)
		}
	}
	with := func(to *url.URL, key, value string) *url.URL {
		out, q := *to, to.Query()
		q.Set(key, value)
		out.RawQuery = q.Encode()
		return &out
	}
	refused("another browser", browser(t), back(browser(t)))
	c := browser(t)
	refused("another state", c, with(back(c), "state", "x"))
	refused("no state", c, with(back(c), "state", ""))
	refused("made-up code", c, with(back(c), "code", "x"))
	victim, attacker := browser(t), browser(t)
	own, foreign := back(victim), back(attacker)
	refused("another's code", victim, with(own, "code", foreign.Query().Get("code")))
	// bent changes one value of what the browser keeps meanwhile.
	bent := func(c *http.Client, key, value string) {
		t.Helper()
		at, _ := url.Parse(w.cloud + "/auth/callback")
		for _, k := range c.Jar.Cookies(at) {
			kept := map[string]string{}
			b, err := base64.RawURLEncoding.DecodeString(k.Value)
			if err != nil || json.Unmarshal(b, &kept) != nil || kept[key] == "" {
				t.Fatalf("cookie %s: no %s in %s", k.Name, key, b)
			}
			kept[key] = value
			if b, err = json.Marshal(kept); err != nil {
				t.Fatal(err)
			}
			c.Jar.SetCookies(at, []*http.Cookie{{Name: k.Name, Value: base64.RawURLEncoding.EncodeToString(b), Path: "/auth"}})
		}
	}
	for key, name := range map[string]string{"n": "another nonce", "v": "another verifier", "s": "another state kept"} {
		c = browser(t)
		to := back(c)
		bent(c, key, "x")
		refused(name, c, to)
	}
	c = browser(t)
	to := with(back(c), "state", "")
	bent(c, "s", "")
	refused("no state on either side", c, to)
	c = browser(t)
	to = back(c)
	answer, err := c.Get(to.String())
	if got := body(t, answer, err); got != "陳大明" {
		t.Fatalf("the true way back: %s", got)
	}
	again := browser(t)
	again.Jar = c.Jar
	answer, err = again.Get(to.String())
	if body(t, answer, err); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("the same way back twice: %s", answer.Status)
	}
}

func TestSessionEnds(t *testing.T) {
	w, c := newTown(t, storetest.Open(t, storetest.SQLite(t))), browser(t)
	answer, err := c.PostForm(w.page(t, c, "/me"), url.Values{"account": {"p2"}})
	if got := body(t, answer, err); got != "林美" {
		t.Fatalf("signed in as %s", got)
	}
	w.now = w.now.Add(12 * time.Hour)
	if got := w.me(t, c); got != "nobody" {
		t.Errorf("after 12 hours: %s", got)
	}
}

// What opens doors asks who it is once more, of the same person, just now; a mere session is not enough.
func TestSigningInAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w, c := newTown(t, open()), browser(t)
		get := func(path string) string {
			t.Helper()
			answer, err := c.Get(w.cloud + path)
			return strings.TrimSpace(body(t, answer, err))
		}
		pick := func(page, account string) (int, string) {
			t.Helper()
			answer, err := c.PostForm(page, url.Values{"account": {account}})
			text := strings.TrimSpace(body(t, answer, err))
			return answer.StatusCode, text
		}
		const anew = "/auth/login?step_up=1&next=%2Ffresh"
		pick(w.page(t, c, "/me"), "p1")
		if got := get("/fresh"); got != "not fresh" {
			t.Errorf("after a plain sign-in: %s", got)
		}
		old := c.Jar.Cookies(mustURL(t, w.cloud))
		page := w.pageOf(t, c, anew)
		if q := mustURL(t, page).Query(); q.Get("prompt") != "login" || q.Get("max_age") != "0" {
			t.Errorf("the issuer is asked %s; want prompt=login and max_age=0", q)
		}
		if status, text := pick(page, "p2"); status != http.StatusForbidden || !strings.Contains(text, "另一個人") {
			t.Errorf("as somebody else = %d %s; want 403", status, text)
		}
		if me, fresh := get("/me"), get("/fresh"); me != "陳大明" || fresh != "not fresh" {
			t.Errorf("after that: %s, %s; want the session as it was", me, fresh)
		}
		for _, behind := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
			w.behind = behind
			if status, text := pick(w.pageOf(t, c, anew), "p1"); status != http.StatusBadRequest {
				t.Errorf("signed in %s ago = %d %s; want 400", behind, status, text)
			}
		}
		w.behind = 0
		if status, text := pick(w.pageOf(t, c, anew), "p1"); status != http.StatusOK || text != "陳大明" {
			t.Errorf("signed in anew = %d %s", status, text)
		}
		thief := browser(t)
		thief.Jar.SetCookies(mustURL(t, w.cloud), old)
		if got := w.me(t, thief); got != "nobody" {
			t.Errorf("the session before it lives on: %s", got)
		}
		w.now = w.now.Add(4*time.Minute + 50*time.Second)
		answer, err := c.Post(w.cloud+"/auth/token", "", nil)
		var given struct{ Token string }
		if err := json.Unmarshal([]byte(body(t, answer, err)), &given); err != nil {
			t.Fatal(err)
		}
		program := func() string {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.cloud+"/fresh", nil)
			r.Header.Set("Authorization", "Bearer "+given.Token)
			answer, err := http.DefaultClient.Do(r)
			return strings.TrimSpace(body(t, answer, err))
		}
		if own, its := get("/fresh"), program(); own != "陳大明" || its != "陳大明" {
			t.Errorf("almost five minutes later: %s, a program %s", own, its)
		}
		w.now = w.now.Add(20 * time.Second)
		if own, its, me := get("/fresh"), program(), get("/me"); own != "not fresh" || its != "not fresh" || me != "陳大明" {
			t.Errorf("five minutes later: %s, a program %s, signed in as %s", own, its, me)
		}
	})
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAbsentIssuerIsSaid(t *testing.T) {
	w := newTown(t, storetest.Open(t, storetest.SQLite(t)))
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	lonely := identity.New(storetest.Open(t, storetest.SQLite(t)), identity.Config{Issuer: dead.URL, ClientID: "lobby", Public: w.cloud,
		Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	got := httptest.NewRecorder()
	lonely.Handler().ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/login", nil))
	if got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "請稍後再試") {
		t.Errorf("%d %s; want 503", got.Code, got.Body)
	}
}
