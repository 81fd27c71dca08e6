package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestScreensShareAnAddress(t *testing.T) {
	says := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name+" "+r.URL.Path) })
	}
	var f floor
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		f.screens().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := ask("/door/"); code != http.StatusNotFound {
		t.Errorf("without doors, /door/ answers %d; want 404", code)
	}
	setHandler(&f.kiosk, says("kiosk"))
	setHandler(&f.terminal, says("terminal"))
	for path, want := range map[string]string{
		"/": "kiosk /", "/live": "kiosk /live", "/look/look.css": "kiosk /look/look.css", "/kiosk/kiosk.css": "kiosk /kiosk/kiosk.css",
		"/door/": "terminal /door/", "/door/pool/live": "terminal /door/pool/live", "/terminal/terminal.css": "terminal /terminal/terminal.css",
	} {
		if code, got := ask(path); code != http.StatusOK || got != want {
			t.Errorf("%s is served by %q (%d); want %q", path, got, code, want)
		}
	}
}
