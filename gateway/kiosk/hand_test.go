package kiosk

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"golang.org/x/net/html"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bank is a front like the ones that are built: four columns of twelve units.
func bank() Bank {
	col := func(sizes ...any) []Cell {
		var out []Cell
		for i := 0; i < len(sizes); i += 2 {
			out = append(out, Cell{Number: sizes[i].(int), Size: sizes[i+1].(string)})
		}
		return out
	}
	return Bank{ID: "A", Columns: [][]Cell{
		col(1, "S", 2, "S", 3, "S", 4, "S", 5, "M", 6, "M", 7, "M", 8, "M"),
		col(9, "S", 10, "S", 0, "screen", 11, "M", 12, "M"),
		col(13, "S", 14, "S", 15, "S", 16, "S", 17, "M", 18, "M", 19, "M", 20, "M"),
		col(21, "L", 22, "L", 23, "L", 24, "L"),
	}}
}

// hand is a person at the screen: it looks at the page, and touches what the page offers.
type hand struct {
	t     *testing.T
	k     *Kiosk
	f     *fake
	log   *bytes.Buffer
	pages strings.Builder // everything that was ever sent
	main  map[string]string
	body  string
	code  int
	wait  func() // until the loop is quiet
}

// atScreen runs a test in a bubble with a running kiosk over a fake service.
func atScreen(t *testing.T, test func(h *hand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.k.Run(ctx) }()
		h.wait = synctest.Wait
		h.look()
		test(h)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

func newHand(t *testing.T) *hand {
	h := &hand{t: t, f: newFake(), log: new(bytes.Buffer)}
	h.k = New(h.f, os.DirFS("../../cmd/internal/look/files"), Options{
		Site: "江翠河岸社區", Hall: "A 棟大廳", Phone: "分機 100", Bank: bank(),
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return h
}

func (h *hand) send(r *http.Request) {
	h.t.Helper()
	r.Host = "127.0.0.1:8080"
	w := httptest.NewRecorder()
	h.k.ServeHTTP(w, r)
	h.code = w.Code
	if w.Code == http.StatusSeeOther {
		if to := w.Header().Get("Location"); to != "/" {
			h.t.Errorf("sent to %s; want /", to)
		}
		h.look()
		h.code = http.StatusSeeOther
		return
	}
	h.read(w.Body.String())
}

// read takes the attributes of main out of a page.
func (h *hand) read(page string) {
	h.t.Helper()
	h.pages.WriteString(page)
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		h.t.Fatalf("page: %v", err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "main" {
			h.body, h.main = page, map[string]string{}
			for _, a := range n.Attr {
				h.main[strings.TrimPrefix(a.Key, "data-")] = a.Val
			}
		}
	}
}

func (h *hand) look() {
	h.t.Helper()
	if h.wait != nil {
		h.wait()
	}
	h.send(httptest.NewRequest(http.MethodGet, "/", nil))
}

// touch posts a form with the step that the screen showed. fields are names and values in turn.
func (h *hand) touch(path string, fields ...string) {
	h.t.Helper()
	form := url.Values{"step": {h.main["step"]}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	h.post(path, form)
}

func (h *hand) post(path string, form url.Values) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h.send(r)
}

// lock moves a door and looks at what the screen makes of it.
func (h *hand) lock(from, to string) {
	h.t.Helper()
	h.f.lock("visit-1", from, to)
	h.look()
}

// want checks attributes of main: names and values in turn.
func (h *hand) want(attrs ...string) {
	h.t.Helper()
	for i := 0; i < len(attrs); i += 2 {
		if got := h.main[attrs[i]]; got != attrs[i+1] {
			h.t.Fatalf("main data-%s = %q; want %q (screen %s, error %q)", attrs[i], got, attrs[i+1], h.main["screen"], h.main["error"])
		}
	}
}

func (h *hand) says(text string) {
	h.t.Helper()
	if !strings.Contains(html.UnescapeString(h.body), text) {
		h.t.Errorf("screen %s does not say %q", h.main["screen"], text)
	}
}

// toPIN goes from the idle screen to the pad for A-12-3.
func (h *hand) toPIN() {
	h.t.Helper()
	h.touch("/collect")
	h.want("screen", "building")
	h.touch("/building", "building", "A")
	h.want("screen", "unit")
	for _, key := range []string{"1", "2", "dash", "3"} {
		h.touch("/unit", "key", key)
	}
	h.touch("/unit", "key", "enter")
	h.want("screen", "pin", "unit", "A-12-3")
}

// toCourier signs a courier in.
func (h *hand) toCourier() {
	h.t.Helper()
	h.touch("/deliver")
	h.touch("/digits", "digits", "55501234")
	h.want("screen", "building", "role", "deliver")
}

// toDoor lets a courier choose A-12-3 and a size.
func (h *hand) toDoor(size string) {
	h.t.Helper()
	h.touch("/building", "building", "A")
	h.touch("/unit", "unit", "12-3")
	h.want("screen", "size")
	h.touch("/size", "size", size)
	h.touch("/open")
	h.want("screen", "door")
}
