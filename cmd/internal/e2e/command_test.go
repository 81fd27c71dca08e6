package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/ntpc-smart-community/lobby/cloud"
	"github.com/ntpc-smart-community/lobby/cmd/internal/issuer"
	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
	contract "github.com/ntpc-smart-community/lobby/gateway/wire"
)

// patience is how long a test waits for what crosses a network.
const patience = 10 * time.Second

// town is a running cloud with an issuer, a gateway's connection to its broker, and a manager's browser.
type town struct {
	api     string
	browser *http.Client
	box     mqtt.Client
	sent    chan mqtt.Message
	command ed25519.PublicKey
}

const townFile = `site: {id: demo, name: 示範社區}
issuer: ISSUER
gateways:
  - {id: gw-demo, event_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}
facilities:
  - {id: ktv, gateway: gw-demo, door: ktv, name: KTV, english: KTV, slot: 60}
roles:
  - {subject: manager, name: 王經理, role: manager}
`

func newTown(t *testing.T) *town {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var signIn http.Handler
	people := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { signIn.ServeHTTP(w, r) }))
	t.Cleanup(people.Close)
	dir := t.TempDir()
	ca, err := pki.Open(filepath.Join(dir, "pki"), time.Now)
	must(err)
	server, err := ca.Server("broker")
	must(err)
	client, err := ca.Client("gw-demo")
	must(err)
	ready := make(chan cloud.Addresses, 1)
	o := cloud.Options{
		Data: dir, Listen: "127.0.0.1:0", BrokerListen: "127.0.0.1:0", MetricsListen: "127.0.0.1:0", BrokerCert: server.Cert, BrokerKey: server.Key, ClientCA: ca.File(),
		Issuer: people.URL, ClientID: "lobby", Look: look.FS(), Log: slog.New(slog.DiscardHandler), Ready: func(a cloud.Addresses) { ready <- a },
	}
	root, err := cloud.MakeKeys(o, filepath.Join(dir, "root.key"), "test", false, time.Now())
	must(err)
	community, err := cloud.ReadCommunity("c.yaml", []byte(strings.Replace(townFile, "ISSUER", people.URL, 1)))
	must(err)
	must(cloud.Import(t.Context(), o, community, time.Now()))

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cloud.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	at := <-ready
	w := &town{api: "http://" + at.API, sent: make(chan mqtt.Message, 10)}
	signIn, err = issuer.New(issuer.Config{URL: people.URL, Now: time.Now, Accounts: []issuer.Account{{Subject: "manager", Name: "王經理"}},
		Clients: []issuer.Client{{ID: "lobby", Redirect: w.api + "/auth/callback"}}})
	must(err)
	var keys contract.KeySet
	signed, err := os.ReadFile(filepath.Join(o.KeysDir(), "keyset"))
	must(err)
	must(contract.Open(root, contract.ContextKeys, signed, &keys))
	for _, k := range keys.Keys {
		if k.Use == "command" {
			w.command = k.Public
		}
	}

	pair, err := tls.LoadX509KeyPair(client.Cert, client.Key)
	must(err)
	w.box = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("ssl://" + at.Broker).SetClientID("gw-demo").SetProtocolVersion(4).SetAutoReconnect(false).
		SetTLSConfig(&tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{pair}}).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			if m.Topic() == contract.CommandTopic("gw-demo") {
				w.sent <- m
			}
		}))
	await(t, w.box.Connect())
	await(t, w.box.Subscribe(contract.DownFilter("gw-demo"), 1, nil))
	t.Cleanup(func() { w.box.Disconnect(0) })
	jar, err := cookiejar.New(nil)
	must(err)
	w.browser = &http.Client{Jar: jar, Timeout: patience}
	t.Cleanup(w.browser.CloseIdleConnections)
	return w
}

func await(t *testing.T, token mqtt.Token) {
	t.Helper()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
}

// signIn signs the manager in at the page that login leads to.
func (w *town) signIn(t *testing.T, login string) {
	t.Helper()
	page := w.ask(t, http.MethodGet, w.api+login, "", "")
	w.answer(t, w.post(t, page.Request.URL.String(), url.Values{"account": {"manager"}}), http.StatusOK)
}

func (w *town) post(t *testing.T, target string, form url.Values) *http.Response {
	t.Helper()
	answer, err := w.browser.PostForm(target, form)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (w *town) ask(t *testing.T, method, target, body, key string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	answer, err := w.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func (w *town) answer(t *testing.T, answer *http.Response, want int) string {
	t.Helper()
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		t.Fatalf("%s = %s %s, %v; want %d", answer.Request.URL, answer.Status, b, err, want)
	}
	return string(b)
}

func (w *town) receive(t *testing.T) []byte {
	t.Helper()
	select {
	case m := <-w.sent:
		return m.Payload()
	case <-time.After(patience):
		t.Fatal("nothing came from the cloud")
		return nil
	}
}

// challenge answers a request as a gateway does.
func (w *town) challenge(t *testing.T, of contract.CommandRequest, chance string) {
	t.Helper()
	payload, err := json.Marshal(contract.Challenge{Gateway: "gw-demo", ID: of.ID, Device: of.Device, What: of.What, Challenge: chance})
	if err != nil {
		t.Fatal(err)
	}
	await(t, w.box.Publish(contract.ChallengeTopic("gw-demo"), 1, false, payload))
}

// invariant 5: from a manager's click over a real broker to a command that is signed over the gateway's own challenge, once.
func TestACommandGoesAllTheWayOnce(t *testing.T) {
	w := newTown(t)
	const open, body = "/v1/doors/ktv/open", `{"site":"demo","why":"maintenance"}`
	w.signIn(t, "/auth/login?next=/v1/me")
	if text := w.answer(t, w.ask(t, http.MethodPost, w.api+open, body, "1"), http.StatusForbidden); !strings.Contains(text, "step_up") {
		t.Errorf("a mere session: %s; want it to ask for signing in anew", text)
	}
	w.signIn(t, "/auth/login?step_up=1&next=/v1/me")
	asked := w.ask(t, http.MethodPost, w.api+open, body, "1")
	w.answer(t, asked, http.StatusAccepted)
	w.answer(t, w.ask(t, http.MethodPost, w.api+open, body, "1"), http.StatusAccepted)

	var request contract.CommandRequest
	if err := json.Unmarshal(w.receive(t), &request); err != nil || request.Device != "door/ktv" || asked.Header.Get("Location") != "/v1/commands/"+request.ID {
		t.Fatalf("request %+v, %v; want that of %s", request, err, asked.Header.Get("Location"))
	}
	chance := base64.RawURLEncoding.EncodeToString([]byte("thirty-two bytes of great chance"))
	for range 2 {
		w.challenge(t, request, chance)
	}
	var order contract.Command
	if err := contract.Open(w.command, contract.ContextCommand, w.receive(t), &order); err != nil {
		t.Fatal(err)
	}
	if order.Gateway != "gw-demo" || order.ID != request.ID || order.Device != "door/ktv" || order.What != "open" || order.Challenge != chance || order.Why != "maintenance" || !strings.HasPrefix(order.Who, "person/") {
		t.Errorf("signed %+v", order)
	}
	if text := w.answer(t, w.ask(t, http.MethodGet, w.api+"/v1/commands/"+request.ID, "", ""), http.StatusOK); !strings.Contains(text, `"state":"signed"`) {
		t.Errorf("command %s; want it signed", text)
	}
	// Challenges are answered in their order: before the next command is signed, the second one has given nothing.
	w.answer(t, w.ask(t, http.MethodPost, w.api+open, body, "2"), http.StatusAccepted)
	var next contract.CommandRequest
	if err := json.Unmarshal(w.receive(t), &next); err != nil || next.Doc != "request" || next.ID == request.ID {
		t.Errorf("then came %+v, %v; want the next request", next, err)
	}
	w.challenge(t, next, chance)
	if err := contract.Open(w.command, contract.ContextCommand, w.receive(t), &order); err != nil || order.ID != next.ID {
		t.Errorf("then was signed %+v, %v; want the next command", order, err)
	}
	for _, page := range []string{"/doors", "/doors/commands/" + request.ID, "/bookings"} {
		if text := w.answer(t, w.ask(t, http.MethodGet, w.api+page, "", ""), http.StatusOK); !strings.Contains(text, "<!doctype html>") {
			t.Errorf("%s: %s", page, text)
		}
	}
}
