package broker

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

var update = flag.Bool("update", false, "write golden files")

// topics are what a hostile gateway might try, for the gateways named.
func topics(gateways ...string) []string {
	all := []string{"", "#", "+", "+/+", "lobby/#", "lobby/v1/#", "lobby/v1/up/#", "lobby/v1/down/#", "lobby/v1/down/+/+",
		"lobby/v1/down/+/command", "lobby/v1/up/+/+/+", "$SYS/#", "$SYS/broker/version", "$share/x/lobby/v1/down/#", "$share/x/#",
		"$queue/lobby/v1/down/#", "/", "lobby", "lobby/v1/down//answer", "lobby/v1/up/00//events", "other/topic"}
	for _, g := range gateways {
		all = append(all, wire.EventsTopic(g), wire.PulseTopic(g), wire.ChallengeTopic(g), wire.AnswerTopic(g), wire.PositionTopic(g),
			wire.StateTopic(g), wire.CommandTopic(g), wire.DownFilter(g), "lobby/v1/down/"+g+"/#", "lobby/v1/down/"+g,
			"lobby/v1/down/"+g+"/answer/", "lobby/v1/down/"+g+"/+/+", "$share/x/"+wire.DownFilter(g), "/"+wire.EventsTopic(g),
			strings.Replace(wire.EventsTopic(g), "/up/", "/up/0", 1), "lobby/v1/up/64/"+g+"/events", "lobby/v1/up/+/"+g+"/events",
			strings.Replace(wire.EventsTopic(g), "events", "answer", 1), strings.Replace(wire.EventsTopic(g), "events", "+", 1),
			strings.ToUpper(wire.PulseTopic(g)), wire.EventsTopic(g)+"/x", wire.PulseTopic(g+"x"), "lobby/v2/down/"+g+"/answer")
	}
	return all
}

// may is the expectation, written down apart from the rules.
func may(gateway, topic string, publish bool) bool {
	if publish {
		return topic == wire.EventsTopic(gateway) || topic == wire.PulseTopic(gateway) || topic == wire.ChallengeTopic(gateway)
	}
	rest, own := strings.CutPrefix(topic, "lobby/v1/down/"+gateway+"/")
	return own && strings.Contains("|+|answer|position|state|command|", "|"+rest+"|") && rest != ""
}

// invariant 11
func TestRulesMatrix(t *testing.T) {
	identities := []string{"site-a", "site-b", "a", "site", "0", "-", strings.Repeat("z", 40), "", "#", "+", "A", "site-a/x", strings.Repeat("z", 41)}
	n := 0
	for _, id := range identities {
		for _, topic := range topics("site-a", "site-b", "a") {
			for _, publish := range []bool{true, false} {
				n++
				want := wire.ValidGateway(id) && may(id, topic, publish)
				if got := allowed(id, topic, publish); got != want {
					t.Errorf("allowed(%q, %q, publish %t) = %t; want %t", id, topic, publish, got, want)
				}
			}
			if got, want := willAllowed(id, topic), wire.ValidGateway(id) && topic == wire.PulseTopic(id); got != want {
				t.Errorf("willAllowed(%q, %q) = %t; want %t", id, topic, got, want)
			}
		}
	}
	t.Logf("%d cases", n)
}

// invariant 11: the same matrix through a real client and a real broker.
func TestTopicsMatrix(t *testing.T) {
	b := serve(t, nil, nil)
	cert := b.ca.leaf(t, "site-a", nil)
	var c *client
	fresh := func() {
		var err error
		if c, err = connect(t, b.options(cert, "site-a")); err != nil {
			t.Fatal(err)
		}
	}
	fresh()
	for _, topic := range topics("site-a", "site-b") {
		if topic == "" {
			continue // the client refuses it itself
		}
		c.Publish(topic, 1, false, "payload of "+topic)
		if may("site-a", topic, true) {
			if m := receive(t, b.got, topic); m.gateway != "site-a" || m.payload != "payload of "+topic {
				t.Errorf("publish on %s: handler was handed %+v", topic, m)
			}
		} else if !b.sync(t, c, "site-a") {
			fresh()
		} else if !strings.ContainsAny(topic, "+#$") { // names that MQTT itself takes for nothing
			t.Errorf("publish on %s: the connection goes on", topic)
		}
		token := c.Subscribe(topic, 1, nil)
		if !token.WaitTimeout(patience) {
			t.Fatalf("subscribe to %s: no answer", topic)
		}
		granted := false
		for _, code := range token.(*mqtt.SubscribeToken).Result() { // under a name of the client's own making
			granted = token.Error() == nil && code <= 2
		}
		if want := may("site-a", topic, false); granted != want {
			t.Errorf("subscribe to %s: granted %t; want %t", topic, granted, want)
		}
		if !c.IsConnectionOpen() {
			fresh()
		}
	}
	select {
	case m := <-b.got:
		t.Errorf("the handler was handed %+v", m)
	default:
	}
}

// Who may connect, and with which last will.
func TestConnectMatrix(t *testing.T) {
	b := serve(t, nil, nil)
	stranger := newAuthority(t)
	good := b.ca.leaf(t, "site-a", nil)
	tests := []struct {
		name   string
		cert   tls.Certificate
		id     string
		change func(*mqtt.ClientOptions)
		ok     bool
	}{
		{"own id", good, "site-a", nil, true},
		{"own pulse as will", good, "site-a", func(o *mqtt.ClientOptions) { o.SetBinaryWill(wire.PulseTopic("site-a"), []byte("w"), 1, false) }, true},
		{"id of another", good, "site-b", nil, false},
		{"no id", good, "", nil, false},
		{"will on another's pulse", good, "site-a", func(o *mqtt.ClientOptions) { o.SetBinaryWill(wire.PulseTopic("site-b"), []byte("w"), 1, false) }, false},
		{"will on another's command", good, "site-a", func(o *mqtt.ClientOptions) { o.SetBinaryWill(wire.CommandTopic("site-b"), []byte("w"), 1, false) }, false},
		{"will on own events", good, "site-a", func(o *mqtt.ClientOptions) { o.SetBinaryWill(wire.EventsTopic("site-a"), []byte("w"), 1, false) }, false},
		{"retained will", good, "site-a", func(o *mqtt.ClientOptions) { o.SetBinaryWill(wire.PulseTopic("site-a"), []byte("w"), 1, true) }, false},
		{"will of QoS 2", good, "site-a", func(o *mqtt.ClientOptions) { o.SetBinaryWill(wire.PulseTopic("site-a"), []byte("w"), 2, false) }, false},
		{"kept session", good, "site-a", func(o *mqtt.ClientOptions) { o.SetCleanSession(false) }, false},
		{"MQTT 3.1", good, "site-a", func(o *mqtt.ClientOptions) { o.SetProtocolVersion(3) }, false},
		{"no keep-alive", good, "site-a", func(o *mqtt.ClientOptions) { o.SetKeepAlive(0) }, false},
		{"keep-alive of hours", good, "site-a", func(o *mqtt.ClientOptions) { o.SetKeepAlive(3 * time.Hour) }, false},
		{"no certificate", tls.Certificate{}, "site-a", nil, false},
		{"certificate of another CA", stranger.leaf(t, "site-a", nil), "site-a", nil, false},
		{"expired", b.ca.leaf(t, "site-a", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "site-a", nil, false},
		{"no DNS name", b.ca.leaf(t, "site-a", func(c *x509.Certificate) { c.DNSNames = nil }), "site-a", nil, false},
		{"another DNS name", b.ca.leaf(t, "site-a", func(c *x509.Certificate) { c.DNSNames = []string{"site-b"} }), "site-a", nil, false},
		{"two DNS names", b.ca.leaf(t, "site-a", func(c *x509.Certificate) { c.DNSNames = []string{"site-a", "site-b"} }), "site-a", nil, false},
		{"a name that is none", b.ca.leaf(t, "Site_A", nil), "Site_A", nil, false},
		{"server's certificate", b.ca.leaf(t, "site-a", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "site-a", nil, false},
		{"TLS 1.2", good, "site-a", func(o *mqtt.ClientOptions) { o.TLSConfig.MaxVersion = tls.VersionTLS12 }, false},
	}
	for _, tt := range tests {
		o := b.options(tt.cert, tt.id)
		if tt.change != nil {
			tt.change(o)
		}
		c, err := connect(t, o)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v; want connected %t", tt.name, err, tt.ok)
		}
		c.Disconnect(0)
	}
	if n := b.Counts(); n.Sessions != 2 || n.Refused == 0 || n.Retained != 1 {
		t.Errorf("counts %+v; want 2 sessions, some refused, 1 retained", n)
	}
}

func TestACLFile(t *testing.T) {
	got := ACL("lobby-cloud", []string{"site-b", "site-a", "no gateway\nuser root"})
	if *update {
		if err := os.WriteFile("testdata/acl.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/acl.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("ACL = %s; want %s", got, want)
	}
}
