package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const openBody = `{"site":"site-a","why":"visitor"}`

func commandState(b *cloudtest.Bench, id string) (state string, waits bool) {
	b.T.Helper()
	var c struct {
		State string
		Waits bool
	}
	status, _, body := b.Ask(cloudtest.BossA, "GET", "/v1/commands/"+id, "")
	if err := json.Unmarshal([]byte(body), &c); err != nil || status != http.StatusOK {
		b.T.Fatalf("GET command = %d %s", status, body)
	}
	return c.State, c.Waits
}

// invariant 5: a session alone opens no door, one request opens it once however often it is sent, and nobody else's words
// open it.
func TestOpenADoor(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		ask := func(body, key string, header ...string) (int, http.Header, string) {
			t.Helper()
			if key != "" {
				header = append(header, "Idempotency-Key", key)
			}
			return b.Ask(cloudtest.BossA, "POST", "/v1/doors/ktv/open", body, header...)
		}
		requests := func() int { return len(b.Sent(wire.CommandTopic("site-a-gw"))) }
		for language, want := range map[string]string{"en": "/auth/login?step_up=1; that counts for 5 minutes", "zh-TW": "開門前請再登入一次"} {
			if status, _, body := ask(openBody, "k", "Accept-Language", language); status != 403 || !strings.Contains(body, `"code":"step_up"`) || !strings.Contains(body, want) {
				t.Errorf("not signed in anew = %d %s; want 403 step_up and %s", status, body, want)
			}
		}
		b.Prove(cloudtest.BossA)
		if status, _, body := ask(openBody, ""); status != 400 || !strings.Contains(body, "idempotency_key_needed") {
			t.Errorf("without a key = %d %s; want 400", status, body)
		}
		status, h, first := ask(openBody, "k")
		id, _ := strings.CutPrefix(h.Get("Location"), "/v1/commands/")
		if status != 202 || !strings.Contains(first, `"state":"asked"`) || requests() != 1 {
			t.Fatalf("open = %d %s, %d requests to the building; want 202 and one", status, first, requests())
		}
		if status, h2, again := ask(openBody, "k"); status != 202 || again != first || h2.Get("Location") != h.Get("Location") || requests() != 1 {
			t.Errorf("the same again = %d %s, %d requests; want the same answer and no second request", status, again, requests())
		}
		if status, _, body := ask(strings.Replace(openBody, "visitor", "emergency", 1), "k"); status != 422 || !strings.Contains(body, "idempotency_key_used") {
			t.Errorf("the key for another reason = %d %s; want 422", status, body)
		}
		if status, _, body := b.Ask(cloudtest.BossA, "POST", "/v1/doors/gym/open", openBody, "Idempotency-Key", "k"); status != 422 {
			t.Errorf("the key for another door = %d %s; want 422", status, body)
		}
		if state, waits := commandState(b, id); state != "asked" || !waits {
			t.Errorf("command is %s, waits %t", state, waits)
		}

		ctx, cancel := context.WithCancel(t.Context())
		var signing sync.WaitGroup
		signing.Go(func() {
			if err := b.Fleet.SignCommands(ctx); err != nil {
				t.Error(err)
			}
		})
		challenge, err := json.Marshal(wire.Challenge{Gateway: "site-a-gw", ID: id, Device: "door/ktv", What: "open", Challenge: base64.RawURLEncoding.EncodeToString(make([]byte, 32))})
		b.Must(err)
		b.Fleet.Challenged("site-b-gw", challenge)
		b.Fleet.Challenged("site-a-gw", challenge)
		b.Fleet.Challenged("site-a-gw", challenge)
		for deadline := time.Now().Add(10 * time.Second); requests() < 2 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		cancel()
		signing.Wait()
		if requests() != 2 || len(b.Sent(wire.CommandTopic("site-b-gw"))) != 0 {
			t.Fatalf("%d messages; want the request and one signed command", requests())
		}
		if state, waits := commandState(b, id); state != "signed" || !waits {
			t.Errorf("command is %s, waits %t", state, waits)
		}
		b.Send("site-a-gw", wire.Event{Type: wire.CommandOpened, Subject: "command/" + id, Version: 1, Data: cloudtest.Raw(wire.CommandOutcome{Device: "door/ktv", What: "open", Intent: "i"})})
		if state, waits := commandState(b, id); state != "opened" || waits {
			t.Errorf("command is %s, waits %t", state, waits)
		}
		if _, _, body := b.Ask(cloudtest.BossA, "GET", "/v1/commands?site=site-a", ""); !strings.Contains(body, id) || !strings.Contains(body, `"why":"visitor"`) {
			t.Errorf("the list of commands: %s", body)
		}
		b.Now = b.Now.Add(5 * time.Minute)
		if status, _, body := ask(openBody, "k2"); status != 403 || !strings.Contains(body, "step_up") {
			t.Errorf("five minutes later = %d %s; want 403", status, body)
		}
		for _, want := range []string{`"msg":"command asked"`, `"msg":"command signed"`, `"msg":"command ended"`, `"why":"visitor"`, `"msg":"door not opened"`} {
			if !strings.Contains(b.Log.String(), want) {
				t.Errorf("no %s in the log", want)
			}
		}
	})
}

// invariant 13
func TestOpeningsAMinute(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		for _, key := range []string{"1", "2", "3", "4", "5"} {
			open(b, key)
		}
		status, _, body := b.Ask(cloudtest.BossA, "POST", "/v1/doors/ktv/open", openBody, "Idempotency-Key", "6", "Accept-Language", "en")
		if status != 429 || !strings.Contains(body, "this one was not") {
			t.Errorf("the sixth within a minute = %d %s; want 429", status, body)
		}
	})
}

func TestDoorsAreStaleWithTheirBuilding(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Pulse("site-a-gw", 1)
		b.Door(wire.DoorChanged, "ktv", 1, wire.Door{State: "open", Device: "online"}, wire.Cause{Why: "exit"})
		ktv := func() string {
			_, _, body := b.Ask(cloudtest.GuardA, "GET", "/v1/doors?site=site-a", "")
			_, rest, _ := strings.Cut(body, `"id":"ktv"`)
			return rest
		}
		if got := ktv(); !strings.Contains(got, `"state":"open"`) || !strings.Contains(got, `"stale":false`) || !strings.Contains(got, `"online":true`) {
			t.Errorf("the door of a building that speaks: %s", got)
		}
		b.Now = b.Now.Add(time.Hour)
		if got := ktv(); !strings.Contains(got, `"stale":true`) || !strings.Contains(got, `"online":false`) || !strings.Contains(got, `"as_of":"2026-06-15T12:00`) {
			t.Errorf("the door of a silent building: %s", got)
		}
	})
}
