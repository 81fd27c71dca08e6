package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMessagesPassUnchanged(t *testing.T) {
	b := serve(t, nil, nil)
	c := b.gateway(t, "site-a")
	whole := string(bytes.Repeat([]byte{0, 0xff, 'x', '\n'}, wire.MaxMessage/4))
	for kind, topic := range map[wire.Kind]string{wire.KindEvents: wire.EventsTopic("site-a"), wire.KindPulse: wire.PulseTopic("site-a"), wire.KindChallenge: wire.ChallengeTopic("site-a")} {
		c.Publish(topic, 1, false, whole)
		if m := receive(t, b.got, "message"); m.gateway != "site-a" || m.kind != kind || m.payload != whole {
			t.Errorf("%s: handed %s %s of %d bytes", topic, m.gateway, m.kind, len(m.payload))
		}
	}
	if token := c.Subscribe(wire.DownFilter("site-a"), 1, nil); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	if err := b.Publish(wire.StateTopic("site-a"), []byte(whole)); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, c.sent, "state"); m.Topic() != wire.StateTopic("site-a") || string(m.Payload()) != whole || m.Qos() != 1 || m.Retained() {
		t.Errorf("got %s of %d bytes, QoS %d, retained %t", m.Topic(), len(m.Payload()), m.Qos(), m.Retained())
	}
	c.Publish(wire.EventsTopic("site-a"), 1, false, whole+strings.Repeat("x", 600))
	receive(t, c.lost, "end after an oversized message")
}

func TestPublishRefusesWhatIsNotDown(t *testing.T) {
	b := serve(t, nil, nil)
	for _, topic := range []string{"", "#", "$SYS/x", wire.EventsTopic("site-a"), wire.DownFilter("site-a")} {
		if err := b.Publish(topic, nil); !errors.Is(err, ErrTopic) {
			t.Errorf("Publish(%q) = %v; want ErrTopic", topic, err)
		}
	}
	if err := b.Publish(wire.StateTopic("site-a"), make([]byte, wire.MaxMessage+1)); !errors.Is(err, wire.ErrSize) {
		t.Errorf("Publish of too much = %v; want ErrSize", err)
	}
}

func TestNothingIsKept(t *testing.T) {
	b := serve(t, nil, nil)
	if err := b.Publish(wire.CommandTopic("site-a"), []byte("before")); err != nil {
		t.Fatal(err)
	}
	c := b.gateway(t, "site-a")
	if token := c.Subscribe(wire.DownFilter("site-a"), 1, nil); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	if err := b.Publish(wire.CommandTopic("site-a"), []byte("after")); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, c.sent, "command"); string(m.Payload()) != "after" {
		t.Errorf("got %q; want what was sent after the subscription", m.Payload())
	}
}

func TestRetainedEndsTheConnection(t *testing.T) {
	b := serve(t, nil, nil)
	c := b.gateway(t, "site-a")
	c.Publish(wire.PulseTopic("site-a"), 1, true, "retained")
	receive(t, c.lost, "end after a retained publish")
	c = b.gateway(t, "site-a")
	b.sync(t, c, "site-a")
	if n := b.Counts(); n.Retained != 1 || n.Received != 1 {
		t.Errorf("counts %+v; want 1 retained and only the mark received", n)
	}
}

func TestRefusedMessageEndsTheConnection(t *testing.T) {
	errNo := errors.New("no")
	b := serve(t, nil, func(_ context.Context, m message) error {
		if m.kind == wire.KindEvents {
			return errNo
		}
		return nil
	})
	c := b.gateway(t, "site-a")
	token := c.Publish(wire.EventsTopic("site-a"), 1, false, "events")
	receive(t, c.lost, "end after a refused message")
	if token.WaitTimeout(patience); token.Error() == nil {
		t.Error("a refused message was acknowledged")
	}
	if n := b.Counts(); n.Failed != 1 {
		t.Errorf("counts %+v; want 1 failed", n)
	}
}

func TestLastWill(t *testing.T) {
	b := serve(t, nil, nil)
	cert := b.ca.leaf(t, "site-a", nil)
	o := b.options(cert, "site-a").SetBinaryWill(wire.PulseTopic("site-a"), []byte("will"), 1, false)
	first, err := connect(t, o)
	if err != nil {
		t.Fatal(err)
	}
	// A second connection of the same certificate takes over: the first one ends without a word.
	second, err := connect(t, b.options(cert, "site-a"))
	if err != nil {
		t.Fatal(err)
	}
	receive(t, first.lost, "end of the first connection")
	if m := receive(t, b.got, "will"); m != (message{"site-a", wire.KindPulse, "will"}) {
		t.Errorf("handed %+v; want the will", m)
	}
	b.sync(t, second, "site-a")
	second.Disconnect(250)
	b.end()
	select {
	case m := <-b.got:
		t.Errorf("after a clean end the handler was handed %+v", m)
	default:
	}
	if n := b.Counts(); n.TakenOver != 1 {
		t.Errorf("counts %+v; want 1 taken over", n)
	}
}

// A handler that waits holds back the sender's next message and its acknowledgement.
func TestSlowHandlerHoldsTheSenderBack(t *testing.T) {
	let := make(chan struct{})
	b := serve(t, nil, func(ctx context.Context, m message) error {
		if m.payload != "first" {
			return nil
		}
		select {
		case <-let:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	c, other := b.gateway(t, "site-a"), b.gateway(t, "site-b")
	one := c.Publish(wire.EventsTopic("site-a"), 1, false, "first")
	receive(t, b.got, "first message")
	two := c.Publish(wire.EventsTopic("site-a"), 1, false, "second")
	b.sync(t, other, "site-b") // another gateway is not held back, and nothing of the first arrived meanwhile
	select {
	case <-one.Done():
		t.Error("acknowledged while the handler waits")
	case <-two.Done():
		t.Error("the second message passed the first")
	default:
	}
	close(let)
	if m := receive(t, b.got, "second message"); m.payload != "second" {
		t.Errorf("handed %+v; want second", m)
	}
	if !one.WaitTimeout(patience) || !two.WaitTimeout(patience) || one.Error() != nil || two.Error() != nil {
		t.Errorf("not acknowledged: %v, %v", one.Error(), two.Error())
	}
}

func TestPatienceEnds(t *testing.T) {
	causes := make(chan error, 1)
	b := serve(t, func(c *Config) { c.Patience = time.Millisecond }, func(ctx context.Context, _ message) error {
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return context.Cause(ctx)
	})
	c := b.gateway(t, "site-a")
	c.Publish(wire.EventsTopic("site-a"), 1, false, "events")
	if err := receive(t, causes, "end of patience"); !errors.Is(err, ErrSlow) {
		t.Errorf("cause %v; want ErrSlow", err)
	}
	receive(t, c.lost, "end after patience ran out")
}

// invariant 10
func TestNoPayloadInTheLog(t *testing.T) {
	const secret = "payload-271828"
	b := serve(t, nil, func(context.Context, message) error { return errors.New("no") })
	for _, topic := range []string{wire.EventsTopic("site-b"), wire.EventsTopic("site-a")} {
		c := b.gateway(t, "site-a")
		c.Publish(topic, 1, false, secret)
		receive(t, c.lost, "end")
	}
	c := b.gateway(t, "site-a")
	c.Publish(wire.PulseTopic("site-a"), 1, true, secret)
	receive(t, c.lost, "end")
	b.end()
	log := b.log.String()
	asNumbers := strings.Trim(fmt.Sprint([]byte(secret)), "[]") // as fmt prints a packet
	if strings.Contains(log, secret) || strings.Contains(log, asNumbers) {
		t.Errorf("the log holds a payload: %s", log)
	}
	if !strings.Contains(log, "topic denied") || !strings.Contains(log, "message not taken") {
		t.Errorf("the log does not say what happened: %s", log)
	}
}

func TestTooManyAreTurnedAway(t *testing.T) {
	b := serve(t, func(c *Config) { c.Clients = 1 }, nil)
	c := b.gateway(t, "site-a")
	if _, err := connect(t, b.options(b.ca.leaf(t, "site-b", nil), "site-b")); err == nil {
		t.Error("a second connection was taken")
	}
	b.sync(t, c, "site-a")
	if n := b.Counts(); n.Turned == 0 || n.Connected != 1 {
		t.Errorf("counts %+v; want some turned away, 1 connected", n)
	}
}

// Peers that say nothing do not hold up the end: serve's cleanup fails if they do.
func TestEndWithSilentPeers(t *testing.T) {
	b := serve(t, nil, nil)
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b.gateway(t, "site-a")
	b.end()
	if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("silent peer: %v; want an end", err)
	}
}

// listener hands out what a test says.
type listener struct {
	next  chan any // net.Conn or error
	ended chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case v := <-l.next:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { close(l.ended); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

func TestGateOutlivesErrorsAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{next: make(chan any), ended: make(chan struct{})}
		var n counters
		g := newGate(l, Config{Log: slog.New(slog.DiscardHandler), Clients: 1}, &n)
		silent := make(chan time.Duration, 1)
		go g.Serve(func(_ string, c net.Conn) error {
			began := time.Now()
			_, err := c.Read(make([]byte, 1))
			silent <- time.Since(began)
			return err
		})
		for range 12 {
			l.next <- errors.New("too many open files")
		}
		mine, theirs := net.Pipe()
		defer mine.Close()
		l.next <- theirs
		synctest.Wait()
		_, third := net.Pipe()
		l.next <- third
		if waited := <-silent; waited != connectLimit {
			t.Errorf("a silent peer lived %s; want %s", waited, connectLimit)
		}
		synctest.Wait()
		if n.acceptErrors.Load() != 12 || n.turned.Load() != 1 || len(g.open) != 0 {
			t.Errorf("%d accept errors, %d turned away, %d open; want 12, 1, 0", n.acceptErrors.Load(), n.turned.Load(), len(g.open))
		}
		if err := g.stop(); err != nil {
			t.Error(err)
		}
	})
}
