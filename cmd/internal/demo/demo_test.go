package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// good is a ledger of one segment of three events.
func good(t *testing.T) ledger {
	t.Helper()
	name := wire.Name{Epoch: 1, Stream: wire.Audit, Segment: 1}
	h := wire.Hash{7}
	l := ledger{positions: []position{{Name: name, before: h}}}
	for seq := range uint64(3) {
		b, err := wire.EncodeEvent(wire.Event{Type: "parcel.stored", Subject: "parcel/1", Version: seq + 1})
		if err != nil {
			t.Fatal(err)
		}
		h = wire.Next(h, b)
		e := logged{Name: name, hash: h, bytes: b}
		e.Seq = seq + 1
		l.events = append(l.events, e)
	}
	l.positions[0].Seq, l.positions[0].hash = 3, h
	return l
}

// The tour's own audit catches what it is there to catch.
func TestLedgerCheckCatches(t *testing.T) {
	tests := []struct {
		name   string
		change func(*ledger)
		want   string
	}{
		{"nothing", func(*ledger) {}, ""},
		{"a hole", func(l *ledger) { l.events = append(l.events[:1], l.events[2]) }, "stands where seq 2 should"},
		{"an event twice", func(l *ledger) { l.events = append(l.events[:2], l.events[1], l.events[2]) }, "stands where seq 3 should"},
		{"a missing end", func(l *ledger) { l.events = l.events[:2] }, "the log has 2 events"},
		{"changed bytes", func(l *ledger) { l.events[1].bytes = []byte("{}") }, "another hash than its bytes give"},
		{"a changed head", func(l *ledger) { l.positions[0].hash = wire.Hash{1} }, "the log has 3 events and head"},
		{"events without a position", func(l *ledger) { l.positions = nil }, "has events and no position"},
		{"a joint that does not fit", func(l *ledger) {
			l.positions[0].end = 3
			next := position{Name: wire.Name{Epoch: 1, Stream: wire.Audit, Segment: 2}, before: wire.Hash{9}, hash: wire.Hash{9}}
			l.positions = append(l.positions, next)
		}, "does not join"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := good(t)
			test.change(&l)
			err := l.check()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("check() = %v, want %q", err, test.want)
			}
		})
	}
}

func TestStandsIn(t *testing.T) {
	for text, want := range map[string]bool{
		"the code is 314159.":    true,
		"314159":                 true,
		`{"pin":"314159"}`:       true,
		"1780000314159000":       false,
		"ab314159cd":             false,
		"31415 9":                false,
		"unit A-12-3, 3141590 µ": false,
	} {
		if got := standsIn("314159", []byte(text)); got != want {
			t.Errorf("standsIn(%q) = %t, want %t", text, got, want)
		}
	}
}

func TestLinkIsCutAndMended(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	defer echo.Close()
	l, err := Listen(echo.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	say := func() (string, error) {
		c, err := net.Dial("tcp", l.Addr())
		if err != nil {
			return "", err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return "", err
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			return "", err
		}
		b := make([]byte, 5)
		_, err = io.ReadFull(c, b)
		return string(b), err
	}
	if got, err := say(); err != nil || got != "hello" {
		t.Errorf("through the link: %q, %v", got, err)
	}
	l.Cut()
	if got, err := say(); err == nil {
		t.Errorf("through a link that is cut: %q", got)
	}
	l.Mend()
	if got, err := say(); err != nil || got != "hello" {
		t.Errorf("through the link again: %q, %v", got, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// publish is a QoS 1 packet as a broker sends it.
func publish(topic, payload string) []byte {
	body := append([]byte{0, byte(len(topic))}, topic...)
	body = append(append(body, 0, 1), payload...)
	return append([]byte{0x32, byte(len(body))}, body...)
}

func TestTapReadsPublishPackets(t *testing.T) {
	stream := bytes.Join([][]byte{{0xc0, 0}, publish("a/b", "first"), publish("a/b", "second")}, nil)
	for size := 1; size < len(stream); size++ { // however the bytes are cut
		tap := &Tap{}
		var through bytes.Buffer
		err := tap.up(&through, &pieces{stream, size})
		if all, n := tap.Payloads(); !errors.Is(err, io.EOF) || n != 2 || string(all) != "first\nsecond\n" || !bytes.Equal(through.Bytes(), stream) {
			t.Fatalf("in pieces of %d: %d messages, %q, %v; through went % x", size, n, all, err, through.Bytes())
		}
	}
}

// pieces gives its bytes so many at a time.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.size, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func TestTapHoldsCommandsAndSendsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tap := &Tap{}
		topic := wire.CommandTopic("gw-demo")
		if err := tap.Send(topic, []byte("x"), false); !errors.Is(err, ErrNoGateway) {
			t.Errorf("Send without a gateway: %v", err)
		}
		broker, toTap := io.Pipe()
		fromTap, gateway := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- tap.back(gateway, broker) }()
		got := make(chan string)
		go func() {
			defer close(got)
			_ = each(fromTap, func(packet []byte) error {
				got <- string(packet)
				return nil
			})
		}()
		began := time.Now()
		tap.Hold(func(Command) time.Duration { return 20 * time.Second })
		for _, packet := range [][]byte{publish(topic, "held"), publish("lobby/v1/down/gw-demo/state", "now")} {
			if _, err := toTap.Write(packet); err != nil {
				t.Fatal(err)
			}
		}
		if first := <-got; !strings.HasSuffix(first, "now") || time.Since(began) > 0 {
			t.Errorf("first came %q after %v", first, time.Since(began))
		}
		if err := tap.Send(topic, []byte("own"), true); err != nil {
			t.Error(err)
		}
		if own := <-got; !strings.HasSuffix(own, "own") || own[0]&1 == 0 {
			t.Errorf("what the tap sends comes as %q", own)
		}
		if held := <-got; !strings.HasSuffix(held, "held") || time.Since(began) != 20*time.Second {
			t.Errorf("%q came after %v", held, time.Since(began))
		}
		if all := tap.Commands(); len(all) != 1 || all[0].Topic != topic || string(all[0].Payload) != "held" {
			t.Errorf("Commands = %+v", all)
		}
		toTap.Close()
		<-done
		gateway.Close()
		<-got
	})
}

func TestInboxCountsWhatComesTwice(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	inbox, err := NewInbox(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := webhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	post := func(id, body, signature string) int {
		r := httptest.NewRequest(http.MethodPost, "/inbox", strings.NewReader(body))
		now := time.Now()
		if signature == "" {
			if signature, err = signer.Sign(id, now, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		r.Header.Set("webhook-id", id)
		r.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
		r.Header.Set("webhook-signature", signature)
		w := httptest.NewRecorder()
		inbox.ServeHTTP(w, r)
		return w.Code
	}
	if code := post("m1", `{"parcel":"1"}`, "v1,AAAA"); code != http.StatusUnauthorized {
		t.Errorf("a forged notice gets %d", code)
	}
	for range 2 {
		if code := post("m1", `{"parcel":"1"}`, ""); code != http.StatusNoContent {
			t.Errorf("a notice gets %d", code)
		}
	}
	if all := inbox.Messages(); len(all) != 1 || all[0].Times != 2 {
		t.Errorf("inbox = %+v, want one message that came twice", all)
	}
}

func TestFrontPageSwitches(t *testing.T) {
	l, err := Listen("127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.listener.Close()
	f := &front{d: &Demo{Link: l, Cloud: NewProcess(t.TempDir(), "cloud"), Gateway: NewProcess(t.TempDir(), "gateway")}}
	page := func() string {
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Body.String()
	}
	flip := func(path string, header ...string) int {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, r)
		return w.Code
	}
	if got := page(); !strings.Contains(got, `action="/switch/link/off"`) || !strings.Contains(got, `action="/switch/cloud/on"`) || !strings.Contains(got, "號碼還沒做好") {
		t.Errorf("at first: %s", got)
	}
	if code := flip("/switch/link/off", "Sec-Fetch-Site", "cross-site"); code != http.StatusForbidden || l.IsCut() {
		t.Errorf("from another site: %d, cut %t", code, l.IsCut())
	}
	if code := flip("/switch/link/off"); code != http.StatusSeeOther || !l.IsCut() {
		t.Errorf("cut: %d, cut %t", code, l.IsCut())
	}
	f.codes.Store(&Codes{Courier: "12345678", Guard: "23456789", Homes: map[string]string{"A-8-1": "34567890"}})
	if got := page(); !strings.Contains(got, `action="/switch/link/on"`) || !strings.Contains(got, "3456 7890") || !strings.Contains(got, "A-8-1") {
		t.Errorf("cut, with codes: %s", got)
	}
	if code := flip("/switch/link/on"); code != http.StatusSeeOther || l.IsCut() {
		t.Errorf("mended: %d, cut %t", code, l.IsCut())
	}
	if code := flip("/switch/sun/off"); code != http.StatusConflict {
		t.Errorf("an unknown switch: %d", code)
	}
}
