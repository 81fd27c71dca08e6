package look

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"html/template"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := fs.ReadFile(FS(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// theme returns the colours of the first block of look.css that opens with selector.
func theme(t *testing.T, css, selector string) map[string]string {
	t.Helper()
	_, rest, found := strings.Cut(css, selector+" {")
	if !found {
		t.Fatalf("look.css has no %s", selector)
	}
	body, _, _ := strings.Cut(rest, "}")
	colours := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): (#[0-9A-F]{6});`).FindAllStringSubmatch(body, -1) {
		colours[m[1]] = m[2]
	}
	return colours
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		t.Fatalf("%q is no colour: %v", hex, err)
	}
	lin := func(c uint64) float64 {
		s := float64(c&0xff) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(v>>16) + 0.7152*lin(v>>8) + 0.0722*lin(v)
}

func TestTextIsLegible(t *testing.T) {
	css := read(t, "look.css")
	light := theme(t, css, ":root")
	dark := theme(t, css, `:root[data-theme="dark"]`)
	auto := theme(t, css, `:root[data-theme="auto"]`)
	contrast := theme(t, css, `:root[data-theme="contrast"]`)
	for name, value := range light {
		if _, own := contrast[name]; !own {
			contrast[name] = value
		}
	}
	pairs := []struct {
		fore, back string
		least      float64
	}{
		{"ink", "bg", 7}, {"ink", "surface", 7}, {"ink", "sunken", 7}, {"ink-2", "bg", 7}, {"ink-2", "sunken", 7},
		{"ink-3", "bg", 4.5}, {"ink-3", "surface", 4.5}, {"ink-3", "sunken", 4.5}, {"accent", "bg", 4.5},
		{"accent", "surface", 4.5}, {"on-accent", "accent", 4.5}, {"accent-ink", "accent-soft", 4.5},
		{"ok", "ok-soft", 4.5}, {"warn", "warn-soft", 4.5}, {"bad", "bad-soft", 4.5}, {"stale", "stale-soft", 4.5},
		{"on-bad", "bad", 4.5}, {"line-2", "bg", 3}, {"line-2", "surface", 3}, {"ink", "bad-soft", 7}, {"ink", "stale-soft", 7},
		{"ink-2", "surface", 4.5}, {"accent", "stale-soft", 4.5}, {"ink-2", "accent-soft", 4.5},
	}
	for name, colours := range map[string]map[string]string{"light": light, "dark": dark, "auto": auto, "contrast": contrast} {
		for _, p := range pairs {
			a, b := luminance(t, colours[p.fore]), luminance(t, colours[p.back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < p.least {
				t.Errorf("%s: %s on %s = %.2f; want %.1f or more", name, p.fore, p.back, ratio, p.least)
			}
		}
	}
}

// What the list at the top promises must be there: other pages are written from that list.
func TestListedClassesExist(t *testing.T) {
	for name, least := range map[string]int{"look.css": 90, "screen.css": 25} {
		list, rules, _ := strings.Cut(read(t, name), "*/")
		classes := regexp.MustCompile(`\.([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`).FindAllStringSubmatch(list, -1)
		if len(classes) < least {
			t.Fatalf("%s: %d classes listed; want the whole list", name, len(classes))
		}
		for _, m := range classes {
			if m[1] == "svg" || m[1] == "css" {
				continue // icons.svg, look.css
			}
			if !regexp.MustCompile(`\.` + m[1] + `[^a-z0-9-]`).MatchString(rules) {
				t.Errorf("%s: .%s is listed and has no rule", name, m[1])
			}
		}
		if strings.Contains(rules, "url(") || strings.Contains(rules, "@import") {
			t.Errorf("%s asks for another file", name)
		}
	}
}

func TestIcons(t *testing.T) {
	sprite := read(t, "icons.svg")
	ids := map[string]bool{}
	for d := xml.NewDecoder(strings.NewReader(sprite)); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		el, ok := tok.(xml.StartElement)
		if !ok || el.Name.Local != "symbol" {
			continue
		}
		for _, a := range el.Attr {
			if a.Name.Local == "id" && ids[a.Value] {
				t.Errorf("icon %s is drawn twice", a.Value)
			} else if a.Name.Local == "id" {
				ids[a.Value] = true
			}
		}
	}
	for _, want := range strings.Fields("package lock unlock x check clock octagon-x triangle question cloud-off minus globe " +
		"chevron-left chevron-right phone plug qr home trash backspace info truck inbox user list") {
		if !ids[want] {
			t.Errorf("icon %s is missing", want)
		}
	}
}

var update = flag.Bool("update", false, "write files/gallery.html anew")

// symbols are the names of the icons, in the order of the sprite.
func symbols(t *testing.T) (all []string) {
	for _, m := range regexp.MustCompile(`<symbol id="([a-z-]+)"`).FindAllStringSubmatch(read(t, "icons.svg"), -1) {
		all = append(all, m[1])
	}
	return all
}

// The page of components is made from gallery.tmpl, which says each thing once for both themes.
func TestGalleryIsCommitted(t *testing.T) {
	var got bytes.Buffer
	if err := template.Must(template.ParseFiles("gallery.tmpl")).Execute(&got, symbols(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("files/gallery.html", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if read(t, "gallery.html") != got.String() {
		t.Error("files/gallery.html is not what gallery.tmpl gives: go test ./cmd/internal/look -update")
	}
}

// unshown are classes that make a page or hang over it, and so cannot be shown beside others.
const unshown = "page-narrow head-tight page-aside aside aside-end skip dense toast kiosk k-status k-body k-low k-foot bank-tall " +
	"u1 u2 u3 u4 u5 u6 u7 u8 u9 u10 u11 u12 svg"

// The gallery shows what the list at the top of look.css has, and nothing that has no rule.
func TestGalleryShowsTheList(t *testing.T) {
	list, rules, _ := strings.Cut(read(t, "look.css"), "*/")
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile(`class="([^"]*)"`).FindAllStringSubmatch(read(t, "gallery.html"), -1) {
		for _, class := range strings.Fields(m[1]) {
			if shown[class] = true; !regexp.MustCompile(`\.` + class + `[^a-z0-9-]`).MatchString(rules) {
				t.Errorf(".%s is on the gallery and has no rule", class)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\.([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`).FindAllStringSubmatch(list, -1) {
		if !shown[m[1]] && !slices.Contains(strings.Fields(unshown), m[1]) {
			t.Errorf(".%s is listed and not on the gallery", m[1])
		}
	}
	known := symbols(t)
	for _, m := range regexp.MustCompile(`icons\.svg#([a-z-]+)`).FindAllStringSubmatch(read(t, "gallery.html"), -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("icon %s is on the gallery and is not drawn", m[1])
		}
	}
}

func TestHandler(t *testing.T) {
	h := Handler("/look/", FS())
	tests := []struct {
		name, method, path string
		want               int
		mime               string
	}{
		{"style sheet", "GET", "/look/look.css", 200, "text/css; charset=utf-8"},
		{"components", "GET", "/look/gallery.html", 200, "text/html; charset=utf-8"},
		{"icons", "GET", "/look/icons.svg", 200, "image/svg+xml"},
		{"script", "HEAD", "/look/htmx.min.js", 200, "text/javascript; charset=utf-8"},
		{"touch screens", "GET", "/look/screen.js", 200, "text/javascript; charset=utf-8"},
		{"live updates", "GET", "/look/sse.js", 200, "text/javascript; charset=utf-8"},
		{"licences", "GET", "/look/licences.txt", 200, "text/plain; charset=utf-8"},
		{"the folder", "GET", "/look/", 404, "text/plain; charset=utf-8"},
		{"way out", "GET", "/look/../look.go", 404, "text/plain; charset=utf-8"},
		{"other prefix", "GET", "/look.css", 404, "text/plain; charset=utf-8"},
		{"write", "PUT", "/look/look.css", 405, "text/plain; charset=utf-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.path, nil))
			if got := rec.Result(); got.StatusCode != tt.want || got.Header.Get("Content-Type") != tt.mime {
				t.Errorf("%s %s = %d %s; want %d %s", tt.method, tt.path, got.StatusCode, got.Header.Get("Content-Type"), tt.want, tt.mime)
			}
		})
	}
	first := httptest.NewRecorder()
	h.ServeHTTP(first, httptest.NewRequest("GET", "/look/look.css", nil))
	again := httptest.NewRequest("GET", "/look/look.css", nil)
	again.Header.Set("If-None-Match", first.Header().Get("ETag"))
	second := httptest.NewRecorder()
	if h.ServeHTTP(second, again); second.Code != http.StatusNotModified {
		t.Errorf("asked again with its ETag = %d; want 304", second.Code)
	}
}
