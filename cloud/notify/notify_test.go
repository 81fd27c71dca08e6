package notify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ntpc-smart-community/lobby/cloud"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/notify"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

const box = "site-a-gw"

// inbox takes webhooks, checks their signatures, and answers as it is told.
type inbox struct {
	t      *testing.T
	status int
	ids    []string
	bodies []string
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		i.t.Error(err)
	}
	verify, err := webhooks.NewWebhook(secret)
	if err == nil {
		err = verify.VerifyIgnoringTimestamp(body, r.Header) // the bench has a clock of its own
	}
	if err != nil {
		i.t.Errorf("webhook: %v", err)
	}
	i.ids, i.bodies = append(i.ids, r.Header.Get("webhook-id")), append(i.bodies, string(body))
	w.WriteHeader(i.status)
}

type bench struct {
	*cloudtest.Bench
	*inbox
	notifier *notify.Notifier
}

func each(t *testing.T, fn func(t *testing.T, b *bench)) {
	t.Helper()
	cloudtest.Each(t, func(t *testing.T, c *cloudtest.Bench) {
		in := &inbox{t: t, status: http.StatusNoContent}
		server := httptest.NewServer(in)
		t.Cleanup(server.Close)
		fn(t, &bench{c, in, notifier(t, c, notify.Options{URL: server.URL, Secret: secret, Client: server.Client()})})
	})
}

func notifier(t *testing.T, c *cloudtest.Bench, o notify.Options) *notify.Notifier {
	t.Helper()
	o.Now = func() time.Time { return c.Now }
	o.Jitter = func(wait time.Duration) time.Duration { return wait }
	n, err := notify.New(c.DB, c.Fleet, c.Identity, cloud.Matters{Parcels: c.Parcels}, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *bench) step(t *testing.T) time.Duration {
	t.Helper()
	next, err := b.notifier.Step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func (b *bench) told(t *testing.T, want int, when string) {
	t.Helper()
	if len(b.ids) != want {
		t.Fatalf("%s: told %d times; want %d: %v", when, len(b.ids), want, b.bodies)
	}
}

func TestOncePerPersonAndMatter(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.Story()
		b.step(t)
		b.told(t, 3, "three parcels")
		stored, settled, _ := b.Events("p-a1")
		for n, e := range []wire.Event{settled, stored, settled} {
			e.Version = uint64(10 + n)
			b.Send(box, e)
			b.step(t)
		}
		b.told(t, 3, "settled again")
		if b.ids[0] == b.ids[1] || b.ids[1] == b.ids[2] || b.ids[0] == b.ids[2] {
			t.Errorf("ids %v; want three", b.ids)
		}
		var m struct {
			Type string
			Data struct {
				Door int
				Text map[string]string
			}
		}
		if err := json.Unmarshal([]byte(b.bodies[0]), &m); err != nil || m.Type != "parcel.waiting" || m.Data.Door != 18 {
			t.Errorf("body %s, %v", b.bodies[0], err)
		}
		if zh, en := m.Data.Text["zh-TW"], m.Data.Text["en"]; !strings.Contains(zh, "18 號門，請在 6/18（四）12:00 前領取") || !strings.Contains(en, "door 18. Please collect it by Thu 18 Jun, 12:00") {
			t.Errorf("text %q, %q", zh, en)
		}
		for _, s := range append(cloudtest.Secrets(), "陳大明", "林小美") {
			if strings.Contains(strings.Join(b.bodies, ""), s) {
				t.Errorf("a notice holds %s", s)
			}
		}
	})
}

func TestNobodyIsToldBeforeTheUndoEnds(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		stored, settled, _ := b.Events("p1")
		b.Send(box, stored)
		b.step(t)
		b.told(t, 0, "stored")
		b.Send(box, settled)
		b.step(t)
		b.told(t, 1, "settled")
	})
}

func TestNobodyIsToldOfWhatIsCollected(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		stored, settled, collected := b.Events("p1")
		b.Send(box, stored, settled, collected)
		b.step(t)
		b.told(t, 0, "collected")
		if n := b.notifier.Counts().Made; n != 0 {
			t.Errorf("%d notices made of a collected parcel; want none", n)
		}
	})
}

// The next household of a reassigned parcel is told, each person by a message of their own.
func TestTheNextHouseholdIsTold(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		stored, settled, _ := b.Events("p1")
		b.Send(box, stored, settled)
		b.step(t)
		s := wire.Parcel{State: "stored", Household: "site-a-h2", Unit: "site-a-u2", PIN: b.Sealed(box, "parcel/p1", cloudtest.PINA2),
			StoredAt: wire.At(b.Now), SettledAt: wire.At(b.Now)}
		b.Send(box, wire.Event{Type: wire.ParcelChanged, Subject: "parcel/p1", Version: 4, State: cloudtest.Raw(s)})
		b.step(t)
		b.told(t, 2, "reassigned")
		if b.ids[0] == b.ids[1] {
			t.Error("two people got one message")
		}
	})
}

// What the rest of a backlog's own segment has undone is not told either.
func TestTheRestOfTheSegmentComesFirst(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		stored, settled, collected := b.Events("p1")
		b.Pulse(box, 2)
		head := b.Block(box, 1, 1, wire.Hash{}, 0, stored, settled)
		b.step(t)
		b.told(t, 0, "its segment is not whole")
		b.Block(box, 1, 3, head, 3, collected)
		b.step(t)
		b.told(t, 0, "collected in its segment")
	})
}

// A month of outage comes newest first: what a later segment has undone is not told.
func TestLaterSegmentsComeFirst(t *testing.T) {
	for _, collects := range []bool{true, false} {
		each(t, func(t *testing.T, b *bench) {
			stored, settled, collected := b.Events("p1")
			b.Pulse(box, 3)
			head := b.Block(box, 1, 1, wire.Hash{}, 2, stored, settled)
			b.step(t)
			b.told(t, 0, "segment 2 is not in")
			last := wire.Event{Type: wire.GatewayStarted, Subject: "gateway/" + box, Data: cloudtest.Raw(wire.Start{Boot: 2})}
			if collects {
				last = collected
			}
			b.Block(box, 2, 1, head, 1, last)
			b.step(t)
			b.told(t, map[bool]int{true: 0, false: 1}[collects], "all later segments are in")
		})
	}
}

// A cloud restored from before the notice gets the events again; the gateway says that they were answered before.
func TestARestoredDatabaseTellsNobodyAgain(t *testing.T) {
	for _, answered := range []bool{true, false} {
		each(t, func(t *testing.T, b *bench) {
			stored, settled, _ := b.Events("p1")
			stored.Wall, settled.Wall = wire.At(b.Now), wire.At(b.Now)
			b.Now = b.Now.Add(time.Hour)
			var rows []wire.Row
			if answered {
				rows = []wire.Row{{Epoch: 1, Stream: wire.Audit, Partial: []wire.Position{{Segment: 1, Seq: 2}}}}
			}
			b.Pulse(box, 1, rows...)
			b.Block(box, 1, 1, wire.Hash{}, 0, stored, settled)
			b.step(t)
			b.told(t, map[bool]int{true: 0, false: 1}[answered], "restored")
			if err := b.Ingest.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.step(t)
			b.told(t, map[bool]int{true: 0, false: 1}[answered], "rebuilt")
			if _, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/parcels/p1", ""); !strings.Contains(body, cloudtest.PINA1) {
				t.Errorf("told events are projected all the same; got %s", body)
			}
		})
	}
}

func TestTriesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.status = http.StatusInternalServerError
		stored, settled, _ := b.Events("p1")
		b.Send(box, stored, settled)
		var waits []time.Duration
		for range 20 {
			next := b.step(t)
			waits = append(waits, next)
			b.Now = b.Now.Add(next)
		}
		b.told(t, 12, "a webhook that refuses")
		for n, id := range b.ids {
			if id != b.ids[0] {
				t.Errorf("try %d has another id", n+1)
			}
		}
		if waits[0] != 10*time.Second || waits[1] != 20*time.Second || waits[10] != 2*time.Hour {
			t.Errorf("waits %v; want 10s, doubling, at most 2h", waits)
		}
		b.state(t, notify.GivenUp)
	})
}

func (b *bench) state(t *testing.T, want notify.State) {
	t.Helper()
	var all []notify.Notice
	err := b.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = notify.OfSite(t.Context(), tx, "site-a")
		return err
	})
	if err != nil || len(all) != 1 || all[0].State != want {
		t.Errorf("notices %+v, %v; want one %s", all, err, want)
	}
}

func TestWithdrawnWhenCollectedBeforeTheTry(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.status = http.StatusBadGateway
		stored, settled, collected := b.Events("p1")
		b.Send(box, stored, settled)
		wait := b.step(t)
		b.Send(box, collected)
		b.status, b.Now = http.StatusNoContent, b.Now.Add(wait)
		b.step(t)
		b.told(t, 1, "collected before the second try")
		b.state(t, notify.Withdrawn)
	})
}

func TestKeptWithoutAWebhook(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.notifier = notifier(t, b.Bench, notify.Options{})
		stored, settled, _ := b.Events("p1")
		b.Send(box, stored, settled)
		b.step(t)
		b.told(t, 0, "no webhook")
		if _, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/notices-sent?site=site-a", ""); !strings.Contains(body, `"parcel":"p1"`) || !strings.Contains(body, `"state":"kept"`) {
			t.Errorf("the API shows %s; want the notice kept", body)
		}
	})
}

func TestABadSecretIsRefusedUnsaid(t *testing.T) {
	for _, bad := range []string{"", "whsec_!", "hunter2!"} {
		if _, err := notify.New(nil, nil, nil, nil, notify.Options{URL: "http://x", Secret: bad}); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("New(%q) = %v; want it refused and not repeated", bad, err)
		}
	}
}
