package api_test

import (
	"encoding/json"
	"fmt"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

// canary is what somebody mistyped; it must not come back.
const canary = "739154"

// invariant 9
func TestRefusedChangesNothingAndIsNotEchoed(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Story()
		_, h, _ := b.Ask(cloudtest.BossA, "GET", "/v1/parcels/p-a1", "")
		before := b.Digest()
		posts := map[string]struct{ who, good string }{
			"/v1/household-code":            {cloudtest.ResA1, `{"site":"site-a","household":"site-a-h1"}`},
			"/v1/couriers/black/code":       {cloudtest.BossA, `{"site":"site-a"}`},
			"/v1/guards/chen/code":          {cloudtest.BossA, `{"site":"site-a"}`},
			"/v1/parcels/p-a1/reassignment": {cloudtest.BossA, `{"unit":"A-2"}`},
			"/v1/bookings":                  {cloudtest.ResA1, `{"site":"site-a","household":"site-a-h1","facility":"ktv","from":"2026-06-15T20:00:00+08:00"}`},
			"/v1/doors/ktv/open":            {cloudtest.BossA, `{"site":"site-a","why":"visitor"}`},
		}
		for target, p := range posts {
			inner := strings.TrimSuffix(p.good, "}")
			for name, tt := range map[string]struct {
				body string
				want int
			}{
				"none":             {"", 400},
				"cut":              {inner, 400},
				"not JSON":         {canary + " " + canary, 400},
				"a list":           {`["` + canary + `"]`, 422},
				"a number":         {canary, 422},
				"unknown field":    {inner + `,"` + canary + `":1}`, 422},
				"unknown value":    {inner + `,"pin":"` + canary + `"}`, 422},
				"wrong type":       {`{"site":` + canary + `,"unit":` + canary + `}`, 422},
				"bad value":        {`{"site":"` + canary + `!","unit":"` + strings.Repeat(canary, 20) + `"}`, 422},
				"oversized":        {inner + `,"x":"` + strings.Repeat(canary, 4000) + `"}`, 413},
				"two documents":    {p.good + p.good, 400},
				"not UTF-8 in key": {"{\"\xff" + canary + "\":1}", 422},
			} {
				status, header, body := b.Ask(p.who, "POST", target, tt.body, "If-Match", h.Get("ETag"), "Idempotency-Key", canary)
				if status != tt.want {
					t.Errorf("%s, %s = %d %s; want %d", target, name, status, body, tt.want)
				}
				checkProblem(t, target+", "+name, status, header, body)
			}
			if status, _, _ := b.Ask(p.who, "POST", target, p.good, "If-Match", h.Get("ETag"), "Content-Type", "text/plain"); status != 415 {
				t.Errorf("%s as text/plain = %d; want 415", target, status)
			}
			if status, _, _ := b.Ask(p.who, "POST", target, p.good, "If-Match", h.Get("ETag"), "Sec-Fetch-Site", "cross-site"); status != 403 {
				t.Errorf("%s from a page of another site = %d; want 403", target, status)
			}
		}
		for _, target := range []string{
			"/v1/parcels?site=" + canary + "!", "/v1/parcels?site=site-a&" + canary + "=1", "/v1/parcels?site=site-a&pin=" + canary,
			"/v1/parcels?site=site-a&limit=" + canary, "/v1/parcels?site=site-a&limit=x" + canary, "/v1/parcels?site=site-a&cursor=" + canary,
			"/v1/parcels?site=site-a&scope=" + canary, "/v1/parcels", "/v1/parcels/" + canary, "/v1/wishes/" + canary, "/v1/" + canary, "/" + canary,
			"/v1/household-code?site=site-a&household=" + canary, "/v1/bookings/" + canary, "/v1/bookings?site=site-a&household=" + canary, "/v1/commands/" + canary,
			"/v1/facilities/" + canary + "/slots?site=site-a&day=2026-06-15", "/v1/facilities/ktv/slots?site=site-a&day=" + canary, "/v1/parcels/" + strings.Repeat(canary, 20),
		} {
			status, header, body := b.Ask(cloudtest.ResA1, "GET", target, "")
			if status < 400 || status > 499 {
				t.Errorf("GET %s = %d; want it refused", target, status)
			}
			checkProblem(t, target, status, header, body)
		}
		if after := b.Digest(); after != before {
			t.Errorf("refused requests changed something: %s, then %s", before, after)
		}
		booking := b.Book("gym", "site-a-h1", b.Now.Add(time.Hour))
		before = b.Digest()
		for _, r := range routes(made{"x", "x", booking.ID, "x"}) {
			for _, who := range everyone() {
				if r.method != "GET" && r.want[who] >= 400 {
					b.Ask(who, r.method, r.target, r.body, "If-Match", `"1"`, "Idempotency-Key", "k")
				}
			}
		}
		if after := b.Digest(); after != before {
			t.Errorf("refused requests changed something: %s, then %s", before, after)
		}
		if strings.Contains(b.Log.String(), canary) {
			t.Error("a refused value stands in the log")
		}
	})
}

func checkProblem(t *testing.T, name string, status int, h http.Header, body string) {
	t.Helper()
	var p struct {
		Type, Title, Code, Detail string
		Status                    int
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil || h.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %s %q is no problem document", name, h.Get("Content-Type"), body)
		return
	}
	if p.Status != status || p.Type != "/docs#"+p.Code || p.Title == "" || p.Detail == "" {
		t.Errorf("%s: %+v; want status %d and every field", name, p, status)
	}
	if strings.Contains(body, canary) {
		t.Errorf("%s: the refused value comes back: %s", name, body)
	}
}

func TestPlacesAndLanguages(t *testing.T) {
	b := cloudtest.New(t, storetest.SQLite(t))
	b.Story()
	for _, tt := range []struct{ target, body, language, want string }{
		{"/v1/household-code", `{"site":"site-a"}`, "en-GB", `{"pointer":"/household","code":"missing","detail":"This field is missing."}`},
		{"/v1/household-code", `{"site":"Site","household":"x"}`, "zh-HK,en;q=0.5", `{"pointer":"/site","code":"invalid_value","detail":"這個值不能用。"}`},
		{"/v1/household-code", `{"site":"site-a","household":"x","y":1}`, "fr", `{"code":"unknown_field","detail":"這裡有不認識的欄位。"}`},
		{"/v1/household-code?x=1", `{"site":"site-a","household":"x"}`, "en", `{"code":"unknown_field","detail":"There is an unknown field here."}`},
	} {
		if _, _, body := b.Ask(cloudtest.ResA1, "POST", tt.target, tt.body, "Accept-Language", tt.language); !strings.Contains(body, tt.want) {
			t.Errorf("POST %s %s = %s; want %s", tt.target, tt.body, body, tt.want)
		}
	}
	if status, h, body := b.Ask(cloudtest.ResA1, "DELETE", "/v1/me", "", "Accept-Language", "en"); status != 405 || h.Get("Allow") != "GET, HEAD" || !strings.Contains(body, "does not take that method") {
		t.Errorf("DELETE /v1/me = %d, Allow %q, %s", status, h.Get("Allow"), body)
	}
}

func TestReassignNeedsTheStateThatWasSeen(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Story()
		_, h, _ := b.Ask(cloudtest.BossA, "GET", "/v1/parcels/p-a1", "")
		for _, tt := range []struct {
			tag, unit string
			want      int
		}{
			{"", "A-2", 428}, {`"1-2"`, "A-2", 412}, {h.Get("ETag"), "A-9", 422}, {h.Get("ETag"), "A-2", 202}, {h.Get("ETag"), "A-2", 202}, {h.Get("ETag"), "A-1", 409},
		} {
			if status, _, body := b.Ask(cloudtest.BossA, "POST", "/v1/parcels/p-a1/reassignment", `{"unit":"`+tt.unit+`"}`, "If-Match", tt.tag); status != tt.want {
				t.Errorf("reassign to %s with %s = %d %s; want %d", tt.unit, tt.tag, status, body, tt.want)
			}
		}
		b.Collect("p-a1", 4)
		_, h, _ = b.Ask(cloudtest.BossA, "GET", "/v1/parcels/p-a1", "")
		if status, _, _ := b.Ask(cloudtest.BossA, "POST", "/v1/parcels/p-a1/reassignment", `{"unit":"A-2"}`, "If-Match", h.Get("ETag")); status != 409 {
			t.Errorf("reassign a collected parcel = %d; want 409", status)
		}
	})
}

// invariant 10
func TestSecretsStandNowhere(t *testing.T) {
	b := cloudtest.New(t, storetest.SQLite(t))
	b.Story()
	for _, who := range everyone() {
		for _, r := range routes(made{"x", "x", "x", "x"}) {
			b.Ask(who, r.method, r.target, r.body)
		}
	}
	for _, name := range []string{"lobby.db", "lobby.db-wal"} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(strings.TrimPrefix(b.DSN, "file:")), name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range cloudtest.Secrets() {
			if strings.Contains(string(text), s) {
				t.Errorf("a PIN or code stands in clear in %s", name)
			}
		}
	}
	for _, s := range cloudtest.Secrets() {
		if strings.Contains(b.Log.String(), s) {
			t.Error("a PIN or code stands in the log")
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if strings.Contains(fmt.Sprintf(verb, parcels.Code{Digits: parcels.Secret(s)}), s) {
				t.Errorf("a code is printed by %s", verb)
			}
		}
	}
	if !strings.Contains(b.Log.String(), "code shown") {
		t.Error("nothing was logged: this test looks at nothing")
	}
}

func TestDocsAskNoOtherHost(t *testing.T) {
	b := cloudtest.New(t, storetest.SQLite(t))
	w := httptest.NewRecorder()
	b.API.ServeHTTP(w, httptest.NewRequest("GET", "/docs", nil))
	page := w.Body.String()
	if w.Code != 200 || !strings.Contains(page, "/v1/household-code") || !strings.Contains(page, `id="not_found"`) || !strings.Contains(page, `id="schema-Parcel"`) {
		t.Errorf("GET /docs = %d %s", w.Code, page)
	}
	for _, bad := range []string{"http://", "https://", "<script", "style="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page of the API has %s", bad)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
}
