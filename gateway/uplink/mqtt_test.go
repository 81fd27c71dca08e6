package uplink

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// permit lets the tests' clients do everything but subscribe to another gateway's messages.
type permit struct {
	mochi.HookBase
	wills chan packets.ConnectParams
}

func (*permit) ID() string { return "permit" }

func (*permit) Provides(b byte) bool {
	return bytes.Contains([]byte{mochi.OnConnectAuthenticate, mochi.OnACLCheck}, []byte{b})
}

func (p *permit) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	select {
	case p.wills <- pk.Connect:
	default:
	}
	return true
}

func (*permit) OnACLCheck(_ *mochi.Client, topic string, write bool) bool {
	return write || strings.HasPrefix(topic, "lobby/v1/down/"+site+"/")
}

// broker is a real mochi behind TLS 1.3 on a local port.
func broker(t *testing.T, hook *permit) (*mochi.Server, string, *tls.Config) {
	t.Helper()
	server := tlsCertificate(t)
	roots := x509.NewCertPool()
	roots.AddCert(server.Leaf)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	m := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := m.AddHook(hook, nil); err != nil {
		t.Fatal(err)
	}
	if err := m.AddListener(listeners.NewNet("tls", l)); err != nil {
		t.Fatal(err)
	}
	m.Listeners.ClientsWg.Add(1) // mochi races between Add and Close otherwise
	if err := m.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		m.Listeners.ClientsWg.Done()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "broker"}
}

func tlsCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, DNSNames: []string{"broker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

// until polls what nothing signals.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not in 20 s", what)
		}
		<-tick.C
	}
}

func TestOverARealBroker(t *testing.T) {
	hook := &permit{wills: make(chan packets.ConnectParams, 10)}
	m, address, config := broker(t, hook)
	w := newWorld(t, 1)
	w.clock = clock.New(w.store.Boot(), time.Time{}, clock.System())
	w.up.deps.Clock = w.clock
	w.up.deps.Jitter = func(d time.Duration) time.Duration { return d / 10 }
	w.append(wire.Audit, 450)
	var effects atomic.Int64
	fromBox := make(chan packet, 1000)
	err := m.Subscribe(wire.PartitionFilter(wire.Partition(site)), 1, func(_ *mochi.Client, _ packets.Subscription, pk packets.Packet) {
		fromBox <- packet{pk.TopicName, pk.Payload}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() {
		start := time.Now()
		for {
			select {
			case p := <-fromBox:
				down := w.cloud.take(p, epochOfTime.Add(time.Since(start)))
				effects.Store(int64(len(w.cloud.effects)))
				for _, q := range down {
					if err := m.Publish(q.topic, q.payload, false, 1); err != nil {
						t.Error(err)
					}
				}
			case <-ctx.Done():
				ended <- nil
				return
			}
		}
	}()
	go func() { ended <- w.up.Run(ctx, Broker{Address: address, TLS: config, Gateway: site}.Dial) }()
	defer func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("Run = %v", err)
			}
		}
		w.check()
	}()
	will := <-hook.wills
	if will.WillTopic != wire.PulseTopic(site) || will.WillRetain || !will.Clean || will.ClientIdentifier != site || will.Keepalive != 30 {
		t.Errorf("CONNECT %+v", will)
	}
	until(t, "the backlog is in the cloud, its answer taken, the state applied", func() bool {
		return effects.Load() == 450 && w.undelivered() <= 1 && w.count("states_applied") == 1
	})
	if err := m.Publish(wire.AnswerTopic(site), []byte("old"), true, 1); err != nil {
		t.Fatal(err)
	}
	err = w.store.Update(ctx, func(tx *store.Tx) error {
		w.ids++
		_, err := tx.Append(wire.Telemetry, wire.Event{Type: happened, Subject: "thing/1", Data: wire.Raw(map[string]int{"ID": w.ids})})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "what happens now is in the cloud", func() bool { return effects.Load() == 451 })
	c, ok := m.Clients.Get(site)
	if !ok {
		t.Fatal("the broker knows no such client")
	}
	c.Stop(io.ErrUnexpectedEOF)
	until(t, "connected again, the retained message dropped, and all marked delivered", func() bool {
		return w.count("dials") == 2 && w.up.Status().Connected && w.count("retained_dropped") == 1 && w.undelivered() == 0
	})
}

func TestDialSaysWhy(t *testing.T) {
	_, address, config := broker(t, &permit{})
	ctx := t.Context()
	if c, err := (Broker{Address: address, TLS: config, Gateway: "site-2"}).Dial(ctx, []byte("will"), func(Message) {}); err == nil {
		t.Error("a refused subscription was taken for a connection")
		c.Close()
	} else if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a refused subscription: %v", err)
	}
	if _, err := (Broker{Address: address, TLS: &tls.Config{ServerName: "broker"}, Gateway: site}).Dial(ctx, []byte("will"), func(Message) {}); err == nil {
		t.Error("an unknown authority was trusted")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if _, err := (Broker{Address: l.Addr().String(), TLS: config, Gateway: site}).Dial(ctx, []byte("will"), func(Message) {}); err == nil {
		t.Error("a closed port was dialled")
	}
}
