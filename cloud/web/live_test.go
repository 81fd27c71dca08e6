package web_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// limits are those of the server, as short as a test can bear: a stream outlives them.
const limits = time.Second

// serve serves the pages as the cloud does.
func (b *bench) serve(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(b.pages)
	s.Config.WriteTimeout, s.Config.ReadTimeout = limits, limits
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// stream is a live page as a browser hears it.
type stream struct {
	t    *testing.T
	code int
	body *http.Response
	in   *bufio.Scanner
	seen []string // names of events
}

// listen opens a stream, which ends with the test.
func listen(t *testing.T, s *httptest.Server, who, query string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/operator/live"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+who)
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	in.Split(sseLines)
	return &stream{t: t, code: resp.StatusCode, body: resp, in: in}
}

// sseLines splits where a browser does: at LF, CR LF and CR.
func sseLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := slices.IndexFunc(data, func(b byte) bool { return b == '\n' || b == '\r' }); i >= 0 {
		if data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n' {
			return i + 2, data[:i], nil
		}
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// next gives the next event; false: the stream has ended.
func (s *stream) next() (name, data string, ok bool) {
	var lines []string
	for s.in.Scan() {
		field, value, _ := strings.Cut(s.in.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "event":
			name = value
		case field == "data":
			lines = append(lines, value)
		case field == "" && value == "" && name != "":
			s.seen = append(s.seen, name)
			return name, strings.Join(lines, "\n"), true
		}
	}
	return "", "", false
}

// until waits for an event whose data hold a text.
func (s *stream) until(name, text string) string {
	s.t.Helper()
	for {
		got, data, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended before %s said %q; it had %v: %v", name, text, s.seen, s.in.Err())
		}
		if got == name && strings.Contains(data, text) {
			return data
		}
	}
}

func livingTower(t *testing.T) (*bench, *fleettest.Box, *httptest.Server) {
	b := newBench(t)
	box := b.register("tower", "高樓社區", "gw-tower")[0]
	box.Health.Devices = b.boards(2)
	b.beat(box)
	return b, box, b.serve(t)
}

func boardSays(box *fleettest.Box, online bool, version uint64) {
	kind := wire.DeviceSilent
	if online {
		kind = wire.DeviceReturned
	}
	box.Append(wire.Audit, wire.Event{Type: kind, Subject: "device/locker/A/board/1", Version: version, State: wire.Raw(wire.Device{Kind: "locker_board", Online: online})})
}

// A change shows at once and in its row alone; an age grows without any; and the server's limits do not end it.
func TestLive(t *testing.T) {
	b, box, server := livingTower(t)
	opened := time.Now()
	s := listen(t, server, cloudtest.Ops, "?lang=zh&site=tower")
	if h := s.body.Header; s.code != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", s.code, h)
	}
	if first := s.until("clock", "即時"); !strings.Contains(first, "12:00:00") {
		t.Errorf("clock %s", first)
	}
	s.until("list", "在線")
	s.seen = nil
	boardSays(box, false, 1)
	b.ship(box)
	began := time.Now()
	s.until("gw-gw-tower", "1 個裝置沒有回應")
	t.Logf("shown %v after the commit", time.Since(began).Round(time.Millisecond))
	if slices.Contains(s.seen, "list") {
		t.Errorf("the whole list was sent again: %v", s.seen)
	}
	boardSays(box, true, 2)
	b.ship(box)
	s.until("gw-gw-tower", "正常")
	b.later.Store(int64(90 * time.Second))
	s.until("gw-gw-tower", "1 分鐘")
	b.later.Store(int64(14 * time.Minute))
	s.until("list", "1 個閘道沒有消息")
	for n := range 4 {
		b.later.Store(int64(time.Duration(n) * time.Minute))
		s.until("clock", fmt.Sprintf("12:%02d:00", n))
	}
	if alive := time.Since(opened); alive < 2*limits {
		t.Errorf("only %v alive: this shows nothing of the limits", alive)
	}
}

// The stream is for what the page shows, and gives all of it to a browser that comes back.
func TestLiveOfALens(t *testing.T) {
	b, box, server := livingTower(t)
	for range 2 {
		s := listen(t, server, cloudtest.Ops, "?lang=en&gateway=gw-tower")
		s.until("one", "2 / 2")
		s.body.Body.Close()
		s = listen(t, server, cloudtest.Ops, "?lang=en&state=degraded")
		s.until("list", "No gateway is like that")
		s.body.Body.Close()
	}
	s := listen(t, server, cloudtest.Ops, "?lang=en&state=degraded")
	s.until("list", "No gateway is like that")
	boardSays(box, false, 1)
	b.ship(box)
	s.until("counts", "Degraded")
	s.until("list", "1 device is silent")
	s = listen(t, server, cloudtest.Ops, "?lang=en&gateway=none")
	s.until("main", "no such gateway")
	s.until("end", "")
}

// A stream ends with the session and with the role, and takes from the page what is no longer to be seen.
func TestLiveEnds(t *testing.T) {
	sum := sha256.Sum256([]byte(cloudtest.Ops))
	for name, tt := range map[string]struct {
		query string
		args  []any
		says  string
	}{
		"signed out":    {`DELETE FROM sessions WHERE hash = $1`, []any{sum[:]}, "請先登入"},
		"no longer one": {`DELETE FROM roles WHERE role = 'operator'`, nil, "這一頁只給市府維運人員"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, server := livingTower(t)
			s := listen(t, server, cloudtest.Ops, "?lang=zh")
			s.until("list", "gw-tower")
			b.Write(func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), tt.query, tt.args...)
				return err
			})
			if main := s.until("main", tt.says); strings.Contains(main, "gw-tower") {
				t.Errorf("the farewell tells of the fleet: %s", main)
			}
			s.until("end", "")
			if name, _, ok := s.next(); ok {
				t.Errorf("after the end comes %s", name)
			}
		})
	}
}

// So many pages are kept live and no more; one that is closed makes room. // invariant 13
func TestLiveViewersAreBounded(t *testing.T) {
	_, _, server := livingTower(t)
	const most = 64
	var all []*stream
	for range most {
		s := listen(t, server, cloudtest.Ops, "?lang=zh")
		if s.code != 200 {
			t.Fatalf("viewer %d = %d", len(all)+1, s.code)
		}
		all = append(all, s)
	}
	s := listen(t, server, cloudtest.Ops, "?lang=zh")
	if s.code != http.StatusServiceUnavailable || s.body.Header.Get("Retry-After") == "" {
		t.Errorf("one viewer more = %d", s.code)
	}
	all[0].body.Body.Close()
	for deadline := time.Now().Add(10 * time.Second); s.code != 200; s = listen(t, server, cloudtest.Ops, "?lang=zh") {
		if time.Now().After(deadline) {
			t.Fatal("no room after one has left")
		}
	}
}

// Whatever a device says, it begins no event of its own.
func TestLiveFraming(t *testing.T) {
	b, box, server := livingTower(t)
	box.Health.Devices = []wire.DeviceHealth{{ID: evil, Kind: evil, Code: evil, Error: evil}}
	b.beat(box)
	for query, wanted := range map[string][]string{"": {"clock", "late", "counts", "list", "clock"}, "?gateway=gw-tower": {"clock", "late", "one", "clock"}} {
		s := listen(t, server, cloudtest.Ops, query)
		for n := range wanted {
			name, data, _ := s.next()
			if n == 0 {
				b.later.Add(int64(time.Second)) // so that another clock comes next, and nothing between
			}
			if strings.Contains(data, "<script>") {
				t.Errorf("%s is not escaped: %s", name, data)
			}
		}
		if !slices.Equal(s.seen, wanted) {
			t.Errorf("%s: events %v; want %v", query, s.seen, wanted)
		}
	}
}
