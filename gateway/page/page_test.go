package page

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// invariant 9
func TestForm(t *testing.T) {
	for _, c := range []struct {
		name, target, body string
		ok                 bool
	}{
		{"whole", "/", "a=1&b=2", true},
		{"nothing", "/", "", true},
		{"unknown", "/", "a=1&c=2", false},
		{"twice", "/", "a=1&a=2", false},
		{"long", "/", "a=" + strings.Repeat("x", MaxField+1), false},
		{"no text", "/", "a=%ff", false},
		{"escape", "/", "a=%zz", false},
		{"query", "/?a=1", "b=2", false},
	} {
		r := httptest.NewRequest(http.MethodPost, c.target, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, err := Form(r, "a", "b")
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrForm) {
			t.Errorf("%s: Form = %v; want ok %v", c.name, err, c.ok)
		}
		if err != nil && strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: the error quotes what was typed", c.name)
		}
	}
}

// invariant 9
func TestFormWithin(t *testing.T) {
	for length, ok := range map[int]bool{0: true, 1000: true, 1001: false} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("long="+strings.Repeat("x", length)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if _, err := FormWithin(r, map[string]int{"long": 1000}); (err == nil) != ok {
			t.Errorf("%d bytes within 1000: %v; want ok %v", length, err, ok)
		}
	}
}

func TestGuard(t *testing.T) {
	h := Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), Loopback)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 204, "localhost": 204, "[::1]:8080": 204, "127.9.9.9": 204,
		"gateway.local": 421, "10.0.0.1:8080": 421, "": 421, "localhost.evil.example": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q answers %d; want %d", host, w.Code, want)
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("Host %q: no policy", host)
		}
	}
}

func TestFilesListNoFolder(t *testing.T) {
	h := Files("/look/", fstest.MapFS{"a.css": {Data: []byte("x")}, "b/c.css": {Data: []byte("y")}})
	for path, want := range map[string]int{"/look/a.css": 200, "/look/b/c.css": 200, "/look/": 404, "/look/b/": 404, "/look/d": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s answers %d; want %d", path, w.Code, want)
		}
	}
}

func TestDatesAndSpans(t *testing.T) {
	at := time.Date(2026, 11, 24, 16, 30, 0, 0, time.UTC) // half past midnight in Taipei
	if got := Day(Chinese, at); got != "11/25（三）" {
		t.Errorf("Day = %q", got)
	}
	if got := Day(English, at); got != "Wed 25 Nov" {
		t.Errorf("Day = %q", got)
	}
	if got := BothTimes(English, at); got != (Text{English, "Wed 25 Nov, 00:30", "11/25（三）00:30"}) {
		t.Errorf("BothTimes = %+v", got)
	}
	if got := Clock(at); got != "00:30" {
		t.Errorf("Clock = %q", got)
	}
	for d, want := range map[time.Duration]string{0: "0:00", 1: "0:01", 92 * time.Second: "1:32", -time.Hour: "0:00", 5 * time.Minute: "5:00"} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q; want %q", d, got, want)
		}
	}
}

func TestCountsAndNumbers(t *testing.T) {
	for d, want := range map[time.Duration][2]int{0: {0, 1}, 1: {1, 1}, time.Minute: {60, 1}, 61 * time.Second: {61, 2}, -time.Hour: {0, 1}} {
		if got := [2]int{Seconds(d), Minutes(d)}; got != want {
			t.Errorf("Seconds, Minutes of %v = %v; want %v", d, got, want)
		}
	}
	if zh, en := Phone(Chinese, "分機 100"), Phone(English, "分機 100"); zh != "分機 100" || en != "ext. 100" {
		t.Errorf("Phone = %q and %q", zh, en)
	}
}

func TestBothSpeaksEachLanguage(t *testing.T) {
	w, err := LoadWords(fstest.MapFS{
		"zh-TW.json": {Data: []byte(`{"left": {"other": "剩 {{.Count}} 次"}, "on": "在 {{.Day}}"}`)},
		"en.json":    {Data: []byte(`{"left": {"one": "{{.Count}} try", "other": "{{.Count}} tries"}, "on": "on {{.Day}}"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Both(Chinese, "left", "Count", 1); got != (Text{Chinese, "剩 1 次", "1 try"}) {
		t.Errorf("Both = %+v", got)
	}
	day := BothDays(English, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	if got := w.Both(English, "on", "Day", day); got != (Text{English, "on Fri 20 Nov", "在 11/20（五）"}) {
		t.Errorf("Both = %+v", got)
	}
	if got := w.Say(English, "missing"); got != "missing" {
		t.Errorf("Say(missing) = %q; want its id", got)
	}
}
