package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/cloud/web"
)

func TestMain(m *testing.M) { storetest.Main(m) }

type bench struct {
	*cloudtest.Bench
	pages http.Handler
	later atomic.Int64 // nanoseconds by which the pages' clock is ahead of Now
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchOn(t, storetest.SQLite(t))
}

func newBenchOn(t testing.TB, dsn string) *bench {
	t.Helper()
	b := cloudtest.New(t, dsn)
	x := &bench{Bench: b}
	now := func() time.Time { return b.Now.Add(time.Duration(x.later.Load())) }
	x.pages = web.New(web.Parts{DB: b.DB, Fleet: b.Fleet, Identity: b.Identity, Ingest: b.Ingest, Parcels: b.Parcels, Facilities: b.Facilities, Once: b.Once, Now: now, Log: b.Logger()})
	return x
}

// get asks for the page as somebody.
func (b *bench) get(who, target string) (int, http.Header, string) {
	return b.do(who, httptest.NewRequest("GET", target, nil))
}

func (b *bench) do(who string, r *http.Request) (int, http.Header, string) {
	if who != cloudtest.Unsigned {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	w := httptest.NewRecorder()
	b.pages.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

func (b *bench) post(who, site, household string, header ...string) int {
	form := url.Values{"site": {site}, "household": {household}}
	r := httptest.NewRequest("POST", "/household-code", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	code, _, _ := b.do(who, r)
	return code
}

func check(t *testing.T, name, page string, has, lacks []string) {
	t.Helper()
	for _, s := range has {
		if !strings.Contains(page, s) {
			t.Errorf("%s: no %q on the page: %s", name, s, page)
		}
	}
	for _, s := range lacks {
		if strings.Contains(page, s) {
			t.Errorf("%s: %q on the page", name, s)
		}
	}
}

func TestHome(t *testing.T) {
	b := newBench(t)
	b.Story()
	b.Pulse("site-a-gw", 1)
	_, h, page := b.get(cloudtest.ResA1, "/")
	check(t, "resident", page, []string{`lang="zh-TW"`, "18 號門", "482 913", "4071 8265", "到 6/18（四）12:00", "資料回報於 12:00", "黑貓 site-a", "A-1"},
		[]string{"175 066", "903 714", "<script", "style=", "http://", "https://", "沒有回報"})
	if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", h)
	}
	_, _, page = b.get(cloudtest.ResA1, "/?lang=en")
	check(t, "in English", page, []string{`lang="en"`, "Door 18", "until Thu 18 Jun, 12:00", "As of"}, []string{"號門", "取件碼"})
	_, _, page = b.get(cloudtest.Unsigned, "/")
	check(t, "not signed in", page, []string{"/auth/login", "登入"}, append(cloudtest.Secrets(), "482 913", "登出"))
	_, _, page = b.get(cloudtest.Nobody, "/")
	check(t, "no household", page, []string{"您還沒有登記住戶"}, []string{"482 913", "4071 8265", "/bookings", "/gas", "/doors"})
	if code, h, _ := b.get(cloudtest.BossA, "/"); code != 303 || h.Get("Location") != "/doors?lang=zh" {
		t.Errorf("a manager without a household is shown %d, %s; want the doors", code, h.Get("Location"))
	}
	b.Book("gym", "site-a-h1", b.Now)
	_, _, page = b.get(cloudtest.ResA1, "/")
	check(t, "with a ticket", page, []string{"您的票券", "健身房", "已預約", `href="/bookings/`}, nil)
	_, _, page = b.get(cloudtest.ResA2, "/")
	check(t, "a neighbour's ticket", page, nil, []string{"您的票券", "健身房"})
	b.Now = b.Now.Add(time.Hour)
	_, _, page = b.get(cloudtest.ResA1, "/")
	check(t, "a silent building", page, []string{"資料回報於 12:00。", "之後大樓沒有回報，現場取件照常", "482 913"}, nil)
	b.Collect("p-a1", 9)
	_, _, page = b.get(cloudtest.ResA1, "/")
	check(t, "collected", page, []string{"目前沒有包裹"}, []string{"482 913"})
}

func TestMintFromThePage(t *testing.T) {
	b := newBench(t)
	b.Story()
	for _, tt := range []struct {
		who, site, household string
		header               []string
		want                 int
	}{
		{cloudtest.ResA2, "site-a", "site-a-h1", nil, 404},
		{cloudtest.ResB1, "site-a", "site-b-h1", nil, 404},
		{cloudtest.BossA, "site-a", "site-a-h1", nil, 404},
		{cloudtest.Unsigned, "site-a", "site-a-h1", nil, 303},
		{cloudtest.ResA1, "site-a", "site-a-h1", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{cloudtest.ResA1, "site-a", strings.Repeat("x", 9000), nil, 404},
	} {
		if got := b.post(tt.who, tt.site, tt.household, tt.header...); got != tt.want {
			t.Errorf("%s asks for %s %.20s = %d; want %d", tt.who, tt.site, tt.household, got, tt.want)
		}
	}
	_, _, page := b.get(cloudtest.ResA1, "/")
	check(t, "refused", page, []string{"換新的住戶密碼"}, []string{"等待大樓回應中"})
	if got := b.post(cloudtest.ResA1, "site-a", "site-a-h1"); got != 303 {
		t.Errorf("mint = %d; want 303", got)
	}
	_, _, page = b.get(cloudtest.ResA1, "/")
	check(t, "asked", page, []string{"等待大樓回應中", "4071 8265"}, []string{"換新的住戶密碼"})
}
