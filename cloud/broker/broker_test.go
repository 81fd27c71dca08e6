package broker

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second // of the tests, for what should come at once

// authority signs certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// leaf signs a certificate; change may bend it.
func (a authority) leaf(t *testing.T, name string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// message is what a handler was handed.
type message struct {
	gateway string
	kind    wire.Kind
	payload string
}

// bench is a broker under test.
type bench struct {
	*Broker
	ca   authority
	addr string
	got  chan message
	log  *lines
	end  func() // ends Serve and waits for it
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// serve starts a broker whose handler notes what it is handed and then asks answer, which may be nil.
func serve(t *testing.T, change func(*Config), answer func(context.Context, message) error) *bench {
	t.Helper()
	b := &bench{ca: newAuthority(t), got: make(chan message, 1000), log: &lines{}}
	c := Config{
		TLS: &tls.Config{ClientCAs: b.ca.pool(), Certificates: []tls.Certificate{b.ca.leaf(t, "localhost", nil)}},
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Handler: func(ctx context.Context, gateway string, kind wire.Kind, payload []byte) error {
			m := message{gateway, kind, string(payload)}
			b.got <- m
			if answer == nil {
				return nil
			}
			return answer(ctx, m)
		},
	}
	if change != nil {
		change(&c)
	}
	var err error
	if b.Broker, err = New(c); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, l) }()
	b.end = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(patience):
			t.Error("Serve does not end")
		}
	})
	t.Cleanup(b.end)
	return b
}

// client is a real paho client and what it saw.
type client struct {
	mqtt.Client
	lost chan error
	sent chan mqtt.Message // what the broker sent
}

func (b *bench) options(cert tls.Certificate, id string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker("ssl://" + b.addr).SetClientID(id).SetProtocolVersion(4).
		SetCleanSession(true).SetAutoReconnect(false).SetConnectTimeout(patience).
		SetTLSConfig(&tls.Config{RootCAs: b.ca.pool(), ServerName: "localhost", Certificates: []tls.Certificate{cert}})
}

func connect(t *testing.T, o *mqtt.ClientOptions) (*client, error) {
	t.Helper()
	c := &client{lost: make(chan error, 1), sent: make(chan mqtt.Message, 100)}
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.lost <- err })
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.sent <- m })
	c.Client = mqtt.NewClient(o)
	token := c.Connect()
	if !token.WaitTimeout(patience) {
		t.Fatal("no end of a CONNECT")
	}
	t.Cleanup(func() { c.Disconnect(0) })
	return c, token.Error()
}

// gateway connects as a gateway should.
func (b *bench) gateway(t *testing.T, id string) *client {
	t.Helper()
	c, err := connect(t, b.options(b.ca.leaf(t, id, nil), id))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// receive takes one value of a channel, or fails.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// sync proves that all that c sent before has been judged: a broker reads a connection in order. It tells whether the
// connection still stands.
func (b *bench) sync(t *testing.T, c *client, id string) bool {
	t.Helper()
	mark := fmt.Sprintf("mark %d", time.Now().UnixNano())
	c.Publish(wire.PulseTopic(id), 1, false, mark)
	for {
		select {
		case <-c.lost:
			return false
		case m := <-b.got:
			if m.payload == mark {
				return true
			}
			t.Errorf("the handler was handed %+v", m)
		case <-time.After(patience):
			t.Fatal("neither a mark nor an end")
		}
	}
}
