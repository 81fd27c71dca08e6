package building

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tarm/serial"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a building that runs on real ptys behind a real HTTP server.
type rig struct {
	*Building
	t   *testing.T
	url string
}

func start(t *testing.T, text string) rig {
	t.Helper()
	cfg, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	srv := httptest.NewServer(b.Handler(fstest.MapFS{"look.css": {Data: []byte("body{}")}}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v; want nil", err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return rig{b, t, srv.URL}
}

// do sends a request and returns status and body. Redirects are not followed.
func (r rig) do(method, path, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(b)
}

// state asks the API for the building.
func (r rig) state() (s State) {
	r.t.Helper()
	_, body := r.do("GET", "/api/state", "")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		r.t.Fatalf("%v in %s", err, body)
	}
	return s
}

// until waits until the building is as wanted.
func (r rig) until(what string, ok func(State) bool) {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); <-tick.C {
		if ok(r.state()) {
			return
		}
	}
	r.t.Fatalf("after five seconds not yet: %s", what)
}

// port opens a line as a gateway does; say writes a request and reads n bytes of answer.
func (r rig) port() *serial.Port {
	r.t.Helper()
	p, err := serial.OpenPort(&serial.Config{Name: r.Ports()[0].Path, Baud: 115200, ReadTimeout: 100 * time.Millisecond})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = p.Close() })
	return p
}

func say(t *testing.T, p io.ReadWriter, request string, n int) string {
	t.Helper()
	if _, err := p.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for end := time.Now().Add(2 * time.Second); len(got) < n && time.Now().Before(end); {
		buf := make([]byte, n)
		m, _ := p.Read(buf)
		got = append(got, buf[:m]...)
	}
	return string(got)
}

// invariant 5: the counts that tests ask for over HTTP.
func TestUnlockOverTheWire(t *testing.T) {
	r := start(t, small)
	p := r.port()
	if got, want := say(t, p, "\x02\x30\x30\x03\x65", 9), "\x02\x30\x35\xff\xff\x00\x00\x03\x68"; got != want {
		t.Errorf("status of board 3 = % x; want % x", got, want)
	}
	say(t, p, "\x02\x30\x31\x03\x66", 0)
	r.until("door 3 is open", func(s State) bool { return s.Banks[0].Locks[2].Latch == "open" })
	if got, want := say(t, p, "\x02\x30\x30\x03\x65", 9), "\x02\x30\x35\xfe\xff\x00\x00\x03\x67"; got != want {
		t.Errorf("status of board 3 = % x; want % x", got, want)
	}
	if s := r.state(); s.Openings != 1 || s.Pulses != 1 || s.Banks[0].Locks[2].Openings != 1 || s.KeyOpenings != 0 {
		t.Errorf("counts = %+v; want one pulse and one opening", s.Counts)
	}

	var wire struct{ Entries []WireEntry }
	r.until("five frames are logged", func(State) bool {
		_, body := r.do("GET", "/api/wire?line=rs485-a", "")
		if err := json.Unmarshal([]byte(body), &wire); err != nil {
			t.Fatal(err)
		}
		return len(wire.Entries) == 5
	})
	if e := wire.Entries[2]; e.Hex != "02 30 31 03 66" || e.Direction != "sent" || !e.Marked || e.Meaning != "open door 03 (board 3, lock 1)" {
		t.Errorf("the unlock is logged as %+v", e)
	}
	if e := wire.Entries[4]; e.Direction != "received" || e.MeaningZH != "3 號板：03 號打開，其餘鎖上" {
		t.Errorf("the answer is logged as %+v", e)
	}
	if _, body := r.do("GET", "/api/wire?after=3&limit=1", ""); strings.Count(body, `"id"`) != 1 || !strings.Contains(body, `"id":5`) {
		t.Errorf("the newest after 3 = %s; want number 5 alone", body)
	}
}

// Two banks on one chain: each hears what is meant for it and nothing else.
// invariant 5
func TestBanksOfOneChain(t *testing.T) {
	second := "  - {name: B, line: rs485-a, closed_bit: 0, boards: [{address: 1, locks: 2}], columns: [[2 S, 1 S]]}\n"
	r := start(t, small+second)
	p := r.port()
	if got, want := say(t, p, "\x02\x10\x30\x03\x45", 9), "\x02\x10\x35\xfc\xff\x00\x00\x03\x45"; got != want {
		t.Errorf("status of B's board = % x; want % x", got, want)
	}
	say(t, p, "\x02\x11\x31\x03\x47", 0)
	r.until("door 2 of B is open", func(s State) bool { return s.Banks[1].Locks[1].Latch == "open" })
	if got, want := say(t, p, "\x02\x30\x30\x03\x65", 9), "\x02\x30\x35\xff\xff\x00\x00\x03\x68"; got != want {
		t.Errorf("status of A's board = % x; want % x", got, want)
	}
	s := r.state()
	if s.Openings != 1 || s.Banks[0].Pulses != 0 || s.Banks[1].Locks[1].Openings != 1 {
		t.Errorf("counts = %+v, of A %+v; want one opening, of B", s.Counts, s.Banks[0].Counts)
	}
	var said []string
	for _, e := range r.Wire().After("", 0, 0) {
		said = append(said, e.Meaning.EN)
	}
	want := "B: ask board 1 for its status|B: board 1: all latched|B: open door 02 (board 1, lock 2)|A: ask board 3 for its status|A: board 3: all latched"
	if got := strings.Join(said, "|"); got != want {
		t.Errorf("the wire says %s; want %s", got, want)
	}
}

// invariant 9
func TestAPI(t *testing.T) {
	r := start(t, small)
	tests := []struct {
		name, path, body string
		want             int
		detail           string
	}{
		{"put into a closed one", "/api/locks/A/1/put", "", 409, "bank A: lock 1: the door is closed"},
		{"close a closed one", "/api/locks/A/1/close", "", 409, "the door is closed"},
		{"open by key", "/api/locks/A/1/open-by-key", "", 200, ""},
		{"open by key again", "/api/locks/A/1/open-by-key", "{}", 409, "the door is open"},
		{"take nothing", "/api/locks/A/1/take", "", 409, "the compartment is empty"},
		{"put", "/api/locks/A/1/put", "", 200, ""},
		{"close", "/api/locks/A/1/close", "", 200, ""},
		{"stick", "/api/locks/A/2/stick", "", 200, ""},
		{"slow", "/api/locks/A/2/slow", `{"ms":900}`, 200, ""},
		{"slow without ms", "/api/locks/A/2/slow", "", 400, "give ms, 0 to 60000"},
		{"no such lock", "/api/locks/A/4/put", "", 404, "lock 4 of 3: no such lock"},
		{"no such bank", "/api/locks/B/1/put", "", 404, `bank "B": not in this building`},
		{"no such action", "/api/locks/A/1/kick", "", 404, "use open-by-key"},
		{"no number", "/api/locks/A/one/put", "", 400, "use a whole number"},
		{"mute", "/api/boards/A/3/mute", "", 200, ""},
		{"no such board", "/api/boards/A/1/mute", "", 404, "board 1: no such board"},
		{"noise", "/api/lines/rs485-a/noise", `{"rate":0.01}`, 200, ""},
		{"noise of nothing", "/api/lines/rs485-a/noise", "", 400, "give rate"},
		{"too much noise", "/api/lines/rs485-a/noise", `{"rate":0.6}`, 400, "give rate, 0 to 0.5"},
		{"late", "/api/lines/rs485-a/late", `{"ms":200}`, 200, ""},
		{"silence", "/api/lines/rs485-a/silence", "", 200, ""},
		{"cut", "/api/lines/rs485-a/cut", `{"on":true}`, 200, ""},
		{"replug while plugged", "/api/lines/rs485-a/replug", "", 409, "plugged in already: unplug it first"},
		{"unplug", "/api/lines/rs485-a/unplug", "", 200, ""},
		{"replug out of the folder", "/api/lines/rs485-a/replug", `{"link":"../x"}`, 400, "no usable link name"},
		{"no such line", "/api/lines/b/cut", "", 404, `line "b": not in this building`},
		{"unknown option", "/api/lines/rs485-a/cut", `{"onn":true}`, 400, "onn"},
		{"two objects", "/api/lines/rs485-a/cut", `{}{}`, 400, "one JSON object"},
		{"too long", "/api/lines/rs485-a/cut", `{"link":"` + strings.Repeat("x", maxBody) + `"}`, 400, "too large"},
		{"nowhere", "/api/nothing", "", 404, "not in this building"},
	}
	for _, tt := range tests {
		res, body := r.do("POST", tt.path, tt.body)
		if res.StatusCode != tt.want || !strings.Contains(body, strings.ReplaceAll(tt.detail, `"`, `\"`)) {
			t.Errorf("%s: POST %s = %d %s; want %d %s", tt.name, tt.path, res.StatusCode, body, tt.want, tt.detail)
		}
		if mime := res.Header.Get("Content-Type"); tt.want >= 400 && mime != "application/problem+json" {
			t.Errorf("%s: an error of type %s", tt.name, mime)
		}
	}
	s := r.state()
	if f := s.Lines[0].Faults; f != (LineFaults{Noise: 0.01, Silence: true, Cut: true, Late: 200}) || s.Lines[0].Plugged || s.FaultsOn() != 8 {
		t.Errorf("line = %+v, %d faults; want noise, silence, cut, late, unplugged, and three at the boards", s.Lines[0], s.FaultsOn())
	}
	if l := s.Banks[0].Locks[0]; !l.Item || l.Door != "closed" || l.Latch != "closed" || l.KeyOpenings != 1 || l.Size != Small {
		t.Errorf("lock 1 = %+v; want it closed, filled and opened once by key", l)
	}
	if r.do("POST", "/api/lines/rs485-a/clear", ""); r.state().Lines[0].Faults != (LineFaults{}) {
		t.Error("clear left a fault")
	}
	for _, path := range []string{"/api/wire?line=b", "/api/wire?after=-1", "/api/wire?limit=x"} {
		if res, body := r.do("GET", path, ""); res.StatusCode < 400 {
			t.Errorf("GET %s = %d %s; want it refused", path, res.StatusCode, body)
		}
	}
}

func TestReplugUnderAnotherName(t *testing.T) {
	text := strings.Replace(small, "lines: [", "lines: [{name: rs485-b}, ", 1)
	text += strings.NewReplacer("name: A", "name: B", "rs485-a", "rs485-b").Replace(small[strings.Index(small, "  - name"):])
	r := start(t, strings.Replace(text, "{name: rs485-b}, {name: rs485-a, baud: 115200}", "{name: rs485-a, baud: 115200}, {name: rs485-b}", 1))
	before := r.state().Lines[0]
	r.do("POST", "/api/lines/rs485-a/unplug", "")
	if res, body := r.do("POST", "/api/lines/rs485-a/replug", `{"link":"rs485-b"}`); res.StatusCode != 409 {
		t.Errorf("taking the other line's link = %d %s; want 409", res.StatusCode, body)
	}
	r.do("POST", "/api/lines/rs485-a/replug", `{"link":"rs485-a-1"}`)
	after := r.state().Lines[0]
	if after.Link != "rs485-a-1" || after.Device == before.Device || !after.Plugged {
		t.Errorf("line = %+v; want rs485-a-1 and another device than %s", after, before.Device)
	}
	if _, err := os.Lstat(before.Path); !os.IsNotExist(err) {
		t.Errorf("the old link is still there: %v", err)
	}
	if got := say(t, r.port(), "\x02\x30\x30\x03\x65", 9); len(got) != 9 {
		t.Errorf("answer after replugging = % x", got)
	}
}

func TestPage(t *testing.T) {
	r := start(t, small)
	res, zh := r.do("GET", "/?pick=locks/A/2", "")
	for _, want := range []string{"模擬建築", "A 棟包裹櫃", "實體開門", "用鑰匙開", "門鎖卡住", "線上紀錄", `lang="zh-TW"`, `id="door-A-3"`, "is-picked"} {
		if !strings.Contains(zh, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy = %q", csp)
	}
	for _, never := range []string{"http://", "https://", "<script>", "style=", "onclick", "ZgotmplZ"} {
		if strings.Contains(zh, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	res, en := r.do("GET", "/?lang=en", "")
	cookie := res.Header.Get("Set-Cookie")
	if !strings.Contains(en, "Physical openings") || strings.Contains(en, "實體開門") || !strings.HasPrefix(cookie, "lang=en") {
		t.Errorf("English page, cookie %q, is not English", cookie)
	}
	if _, again := r.do("GET", "/", "", "Cookie", "lang=en"); !strings.Contains(again, "Physical openings") {
		t.Error("the language was forgotten")
	}
	if res, _ := r.do("GET", "/look/look.css", ""); res.StatusCode != 200 {
		t.Errorf("look.css = %d", res.StatusCode)
	}
}

func TestFormsWithAndWithoutScript(t *testing.T) {
	r := start(t, small)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	script := append([]string{"HX-Request", "true"}, form...)
	res, _ := r.do("POST", "/touch/locks/A/1/open-by-key?pick=locks/A/1&lang=en", "", form...)
	if to := res.Header.Get("Location"); res.StatusCode != 303 || to != "/?lang=en&pick=locks%2FA%2F1" {
		t.Errorf("without a script = %d to %q; want back to the page", res.StatusCode, to)
	}
	res, body := r.do("POST", "/touch/locks/A/1/open-by-key", "", form...)
	if res.StatusCode != 409 || !strings.Contains(body, "沒有做") || !strings.Contains(body, "<!doctype html>") {
		t.Errorf("what cannot be done = %d; want 409 and the whole page with a notice", res.StatusCode)
	}
	res, body = r.do("POST", "/touch/locks/A/1/open-by-key?lang=en", "", script...)
	if res.StatusCode != 200 || !strings.Contains(body, "Not done") || strings.Contains(body, "<html") {
		t.Errorf("with a script = %d %s; want the notice alone", res.StatusCode, body)
	}
	if res, body = r.do("POST", "/touch/lines/rs485-a/noise", "rate=0.002", script...); strings.TrimSpace(body) != "" || r.state().Lines[0].Faults.Noise != 0.002 {
		t.Errorf("noise by form = %d %q", res.StatusCode, body)
	}
	if _, body = r.do("POST", "/touch/lines/rs485-a/noise", "rate=loud", script...); !strings.Contains(body, "loud") {
		t.Errorf("a bad rate = %q; want it named", body)
	}
	if res, _ = r.do("POST", "/touch/locks/A/1/close", "", append([]string{"Origin", "http://elsewhere.example"}, form...)...); res.StatusCode != 403 {
		t.Errorf("another site's form = %d; want 403", res.StatusCode)
	}
	if res, _ = r.do("POST", "/api/locks/A/1/close", "", "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 || r.state().Banks[0].Locks[0].Door != "open" {
		t.Errorf("another site's script = %d; want 403 and the door as it was", res.StatusCode)
	}
}

// follow opens the live stream and returns a function that reads the next event's name and data.
func (r rig) follow(path string) func() (string, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return func() (event, data string) {
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case name == "event":
				event = value
			case name == "data":
				data += value + "\n"
			case event != "":
				return event, data
			}
		}
		return "", ""
	}
}

func TestLive(t *testing.T) {
	r := start(t, small)
	next := r.follow("/live?" + url.Values{"pick": {"locks/A/1"}, "lang": {"en"}}.Encode())
	for _, want := range []string{"top", "on", "banks", "panel", "facts", "lines", "wire"} {
		if got, data := next(); got != want || len(data) < 40 {
			t.Fatalf("event %q of %d bytes; want %s", got, len(data), want)
		}
	}
	r.do("POST", "/api/locks/A/1/open-by-key", "")
	for {
		event, data := next()
		if event == "" {
			t.Fatal("the stream ended")
		}
		if event == "banks" {
			if !strings.Contains(data, "is-open is-picked") {
				t.Errorf("the bank came without its open door: %s", data)
			}
			return
		}
	}
}

// invariant 13
func TestLivePagesAreBounded(t *testing.T) {
	r := start(t, small)
	for range maxViewers {
		r.follow("/live")()
	}
	if res, _ := r.do("GET", "/live", ""); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one page too many = %d; want 503", res.StatusCode)
	}
}
