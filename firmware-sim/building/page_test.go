package building

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// ready opens a ready building without running it.
func ready(t testing.TB, name string) *Building {
	t.Helper()
	cfg, err := Load("../../configs/building-" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range cfg.Lines {
		if cfg.Lines[i].TCP != "" {
			cfg.Lines[i].TCP = "127.0.0.1:0" // other tests run it at the same time
		}
	}
	b, err := Open(cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// page gets a page of a building that does not run.
func page(t testing.TB, b *Building, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	b.Handler(fstest.MapFS{}).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s = %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func TestTowerIsShownInPart(t *testing.T) {
	b := ready(t, "tower")
	dials := func(path string) int { return strings.Count(page(t, b, path), `class="sim-meter"`) }
	tests := []struct {
		path string
		want int
	}{{"/", 18}, {"/?meters=gas-1", 80 + 5*3}, {"/?meters=all", 400}, {"/?q=flowsic", 1}, {"/?q=100001", shownFound}, {"/?q=nobody", 0}, {"/?trouble=1", 0}}
	for _, tt := range tests {
		if got := dials(tt.path); got != tt.want {
			t.Errorf("GET %s shows %d meters; want %d", tt.path, got, tt.want)
		}
	}
	if body := page(t, b, "/?q=100001"); !strings.Contains(body, "找到 100 只，顯示 60 只") {
		t.Error("it does not say that more were found than are shown")
	}
	body := page(t, b, "/?pick=meters/m-326")
	for _, want := range []string{`id="door-A-48"`, `id="door-C-1"`, `id="board-C-8"`, `id="line-gas-6"`, `id="facility-roof"`, "看全部 80 只", "pcd7-h104d", "gas-5 2.2"} {
		if !strings.Contains(body, want) {
			t.Errorf("the tower's page lacks %q", want)
		}
	}
}

// A page is sent what changed and nothing else.
func TestLiveSendsWhatChanged(t *testing.T) {
	b := ready(t, "demo")
	p, c, last, now := newPages(), choice{Lang: "en", Pick: "meters/m-106"}, map[string]string{}, time.Now()
	tick := func(n int) (names []string) {
		for _, line := range strings.Split(changed(p.parts(b.view(c, b.glance(), now)), n, last), "\n") {
			if name, ok := strings.CutPrefix(line, "event: "); ok && !strings.HasPrefix(name, "meter-") && name != "facts" {
				names = append(names, name)
			}
		}
		return names
	}
	if got := fmt.Sprint(tick(0)); got != "[top on banks doors meters panel lines wire]" {
		t.Errorf("at first %s", got)
	}
	if got := tick(slow); len(got) > 0 {
		t.Errorf("with nothing changed %v", got)
	}
	if err := b.TouchLock("A", 5, "stick", Options{}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tick(1)); got != "[top on banks]" {
		t.Errorf("with a stuck latch %s", got)
	}
	if err := b.TouchMeter("m-106", "stuck", Options{}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tick(1)); got != "[top on panel]" {
		t.Errorf("a tick before the meters are due %s", got)
	}
	if got := fmt.Sprint(tick(slow)); got != "[meters]" {
		t.Errorf("when the meters are due %s", got)
	}
	if c.Hold = true; strings.Contains(changed(p.parts(b.view(c, b.glance(), now)), 0, map[string]string{}), "event: wire") {
		t.Error("a wire log that is held is sent")
	}
}

// The wire log narrows to a line, to what is picked, and to damaged frames.
func TestWireLogIsNarrowed(t *testing.T) {
	r := start(t, everything())
	meters, doors := r.open("meters-1"), r.open("doors")
	exchange(t, meters, "01 03 00 00 00 02 C4 0B", 9)
	exchange(t, meters, "02 03 00 00 00 02 C4 38", 9)
	exchange(t, meters, "01 03 00 00 00 02 C4 0C", 0)
	exchange(t, doors, "01 02 00 00 00 02 F9 CB", 6)
	exchange(t, r.open("meters-2"), "00 07 00 00 00 06 01 04 00 00 00 02", 13)
	say(t, r.open("rs485-a"), "\x02\x30\x30\x03\x65", 9)
	r.until("eleven frames are logged", func(State) bool { return len(r.Wire().After("", 0, 0)) == 11 })
	tests := []struct {
		path string
		want int
	}{
		{"/", 11}, {"/?wire=meters-1", 5}, {"/?bad=1", 1}, {"/?pick=meters/m-1&only=1", 3}, {"/?pick=meters/m-2&only=1", 2}, {"/?pick=meters/m-1&only=1&bad=1", 1},
		{"/?pick=meters/m-3&only=1", 2}, {"/?pick=doors/gym&only=1", 2}, {"/?pick=locks/A/3&only=1", 2}, {"/?pick=locks/A/1&only=1", 0}, {"/?pick=boards/A/3&only=1", 2},
		{"/?pick=banks/A&only=1", 2}, {"/?pick=lines/doors&only=1", 2}, {"/?pick=locks/A/99&only=1", 0},
	}
	for _, tt := range tests {
		_, body := r.do("GET", tt.path, "")
		if got := strings.Count(body, "sim-hex"); got != tt.want {
			t.Errorf("GET %s shows %d frames; want %d", tt.path, got, tt.want)
		}
	}
	if l := r.Wire().Counts("meters-1"); l.Sent != 3 || l.Received != 2 || l.Bad != 1 {
		t.Errorf("counts of meters-1 = %+v", l)
	}
}

// What an address may say, whoever wrote it.
func FuzzPageAddress(f *testing.F) {
	for _, q := range []string{"pick=locks/A/18&only=1", "pick=boards/A/-1", "pick=meters/&meters=all", "q=%00&trouble=1", "pick=doors/ktv/1&wire=x&bad=1&hold=1", "lang=en"} {
		f.Add(q)
	}
	b := ready(f, "demo")
	h := b.Handler(fstest.MapFS{})
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "ZgotmplZ") {
			t.Errorf("GET /?%s = %d", query, w.Code)
		}
	})
}

func BenchmarkTowerPage(b *testing.B) {
	tower := ready(b, "tower")
	for b.Loop() {
		page(b, tower, "/")
	}
}

func BenchmarkTowerTick(b *testing.B) {
	tower := ready(b, "tower")
	p, last, g, n := newPages(), map[string]string{}, &glimpse{}, 0
	for b.Loop() {
		now := time.Now()
		changed(p.parts(tower.view(choice{Lang: "zh"}, g.of(tower, now), now)), n, last)
		n++
	}
}
