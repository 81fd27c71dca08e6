package terminal

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

	"github.com/ntpc-smart-community/lobby/gateway/doors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hand is a person at a door's screen: it looks at the page, and touches what the page offers.
type hand struct {
	t     *testing.T
	x     *Terminal
	f     *fake
	door  string
	log   *bytes.Buffer
	pages strings.Builder // everything that was ever sent
	main  map[string]string
	body  string
	code  int
	wait  func() // until the loops are quiet
}

// atScreen runs a test in a bubble, at the pool's door.
func atScreen(t *testing.T, test func(h *hand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.x.Run(ctx) }()
		h.wait = synctest.Wait
		h.look()
		test(h)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
		if len(h.f.watchers) != 0 {
			t.Errorf("%d watch the service after the end", len(h.f.watchers))
		}
	})
}

func newHand(t *testing.T) *hand {
	h := &hand{t: t, f: newFake(), door: "pool", log: new(bytes.Buffer)}
	h.x = New(h.f, os.DirFS("../../cmd/internal/look/files"), Options{
		Site: "江翠河岸社區", Phone: "分機 100", Doors: []string{"pool", "ktv"}, Blocks: func() []string { return []string{"A", "B"} },
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	return h
}

func (h *hand) send(r *http.Request) {
	h.t.Helper()
	r.Host = "127.0.0.1:8080"
	w := httptest.NewRecorder()
	h.x.ServeHTTP(w, r)
	h.code = w.Code
	h.pages.WriteString(w.Header().Get("Location") + w.Body.String())
	if w.Code == http.StatusSeeOther {
		if to := w.Header().Get("Location"); to != "/door/"+h.door {
			h.t.Errorf("sent to %s; want the door's screen", to)
		}
		h.look()
		h.code = http.StatusSeeOther
		return
	}
	doc, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		h.t.Fatalf("page: %v", err)
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == "main" {
			h.body, h.main = w.Body.String(), map[string]string{}
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
	h.send(httptest.NewRequest(http.MethodGet, "/door/"+h.door, nil))
}

// touch posts a form with the step that the screen showed. fields are names and values in turn.
func (h *hand) touch(what string, fields ...string) {
	h.t.Helper()
	form := url.Values{"step": {h.main["step"]}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	h.post(what, form)
}

func (h *hand) post(what string, form url.Values) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/door/"+h.door+"/"+what, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h.send(r)
}

func (h *hand) scan(text string) {
	h.t.Helper()
	h.touch("ticket", "ticket", text)
}

// moves changes the door and looks at what the screen makes of it.
func (h *hand) moves(change func(*doors.Door)) {
	h.t.Helper()
	h.f.hand(h.door, change)
	h.look()
}

func (h *hand) comes(outcome string) {
	h.t.Helper()
	h.moves(func(d *doors.Door) { d.Outcome = outcome })
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

func (h *hand) says(texts ...string) {
	h.t.Helper()
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(h.body), text) {
			h.t.Errorf("screen %s does not say %q", h.main["screen"], text)
		}
	}
}

// toCode goes from the idle screen to the pad for the code of A-12-3.
func (h *hand) toCode() {
	h.t.Helper()
	h.touch("household")
	h.want("screen", "building")
	h.touch("building", "building", "A")
	h.want("screen", "unit")
	for _, key := range []string{"1", "2", "dash", "3", "enter"} {
		h.touch("unit", "key", key)
	}
	h.want("screen", "code")
	h.says("A-12-3")
}
