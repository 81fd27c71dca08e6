package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Limits of one connection.
const (
	keepAlive    = 30 * time.Second
	pingTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second // also of bytes that the other end does not acknowledge
	dialTimeout  = 30 * time.Second
	outbox       = 128 // messages waiting to be written: more than the sender lets fly
	quiesce      = 250 // milliseconds for the last messages at Close
	refusedByte  = 128 // in a SUBACK: paho reports no error for it
)

// Broker is the broker as MQTT 3.1.1 over TLS 1.3.
type Broker struct {
	Address string      // host:port
	TLS     *tls.Config // with the box's certificate; version 1.3 is demanded whatever it says
	Gateway string      // client id
}

// Dial opens a connection: a new client with a clean session each time, since whatever paho would send again by itself
// comes out of order, and what the broker keeps proves nothing.
func (b Broker) Dial(ctx context.Context, will []byte, deliver func(Message)) (Connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, fmt.Errorf("no connection in %s", dialTimeout))
	defer cancel()
	c := &connection{lost: make(chan struct{}), out: make(chan outgoing, outbox), quit: make(chan struct{})}
	c.client = mqtt.NewClient(b.options(will, deliver, c.end))
	if err := wait(ctx, c.client.Connect()); err != nil {
		c.client.Disconnect(0)
		return nil, fmt.Errorf("broker %s: %w", b.Address, err)
	}
	filter := wire.DownFilter(b.Gateway)
	token := c.client.Subscribe(filter, 1, nil)
	err := wait(ctx, token)
	if s, ok := token.(*mqtt.SubscribeToken); err == nil && (!ok || s.Result()[filter] == refusedByte) {
		err = errors.New("refused: does the certificate name this gateway?")
	}
	if err != nil {
		c.client.Disconnect(0)
		return nil, fmt.Errorf("broker %s: subscribe %s: %w", b.Address, filter, err)
	}
	c.writing.Add(1)
	go c.write()
	return c, nil
}

func (b Broker) options(will []byte, deliver func(Message), lost func()) *mqtt.ClientOptions {
	config := b.TLS.Clone()
	config.MinVersion = tls.VersionTLS13
	return mqtt.NewClientOptions().
		AddBroker("ssl://"+b.Address).
		SetTLSConfig(config).
		SetDialer(&net.Dialer{Timeout: dialTimeout, Control: userTimeout}).
		SetClientID(b.Gateway).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(dialTimeout).
		SetKeepAlive(keepAlive).
		SetPingTimeout(pingTimeout).
		SetWriteTimeout(writeTimeout).
		SetOrderMatters(true).
		SetBinaryWill(wire.PulseTopic(b.Gateway), will, 1, false).
		SetConnectionLostHandler(func(mqtt.Client, error) { lost() }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { // on the reading goroutine: never waits
			message := Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained()}
			if len(message.Payload) > wire.MaxMessage {
				message.Payload = message.Payload[: wire.MaxMessage+1 : wire.MaxMessage+1] // enough to be refused
			}
			deliver(message)
		})
}

// wait waits for a token, never in a handler.
func wait(ctx context.Context, t mqtt.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// connection is one client of paho with a queue before it: paho's Publish waits for a slow network.
type connection struct {
	client  mqtt.Client
	lost    chan struct{}
	out     chan outgoing
	quit    chan struct{}
	ended   sync.Once
	writing sync.WaitGroup
}

type outgoing struct {
	topic   string
	payload []byte
}

func (c *connection) end() { c.ended.Do(func() { close(c.lost) }) }

// Publish queues a message for QoS 1. Its token is not looked at: it proves nothing (invariant 3).
func (c *connection) Publish(topic string, payload []byte) bool {
	select {
	case c.out <- outgoing{topic, payload}:
		return true
	default:
		return false
	}
}

func (c *connection) Lost() <-chan struct{} { return c.lost }

func (c *connection) Close() {
	close(c.quit)
	c.writing.Wait()
	c.client.Disconnect(quiesce)
}

func (c *connection) write() {
	defer c.writing.Done()
	for {
		select {
		case m := <-c.out:
			c.client.Publish(m.topic, 1, false, m.payload)
		case <-c.lost:
			return
		case <-c.quit:
			return
		}
	}
}
