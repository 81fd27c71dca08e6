// Package broker is the embedded MQTT broker: TLS 1.3, a client certificate for each gateway, and one hook that denies
// by default.
//
// It is a pipe. It keeps no message, retains none, and is no authority: what it carries is signed at both ends. What
// gateways send is handed to one function on the connection's own goroutine, so that a slow cloud holds the sender back;
// what the cloud publishes to an absent gateway is gone.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Limits of one broker.
const (
	connectLimit   = 10 * time.Second      // from accept to a whole CONNECT
	maxPacket      = wire.MaxMessage + 512 // bytes: a message, its topic and headers
	maxPending     = 256                   // messages waiting to be written to one gateway
	maxKeepAlive   = 300                   // seconds
	defaultClients = 16_384
	defaultPatient = 5 * time.Second
)

// ErrTopic says that a topic is not one that the cloud publishes on.
var ErrTopic = errors.New("not a topic of the cloud")

// ErrSlow is the cause of a handler's context that ran out.
var ErrSlow = errors.New("the cloud did not take the message in time")

// Handler takes one message of a gateway: events, a pulse (or last will), or a challenge. It is called by the
// connection's own goroutine: one message of a gateway at a time, those of several at once. The payload is its own to
// keep. An error closes the connection; the gateway sends again.
type Handler func(ctx context.Context, gateway string, kind wire.Kind, payload []byte) error

// Config is what a broker needs.
type Config struct {
	TLS      *tls.Config   // certificate and ClientCAs; the version and the demand for a client certificate are set here
	Handler  Handler       // takes what gateways send
	Log      *slog.Logger  // never sees a payload
	Clients  int           // most connections at once; 0 means 16,384
	Patience time.Duration // for one call of Handler; 0 means 5s
}

// Broker is one embedded broker.
type Broker struct {
	config Config
	hook   *hook
	server *mqtt.Server
}

// New makes a broker that does not listen yet.
func New(c Config) (*Broker, error) {
	if c.Handler == nil || c.Log == nil || c.TLS == nil || c.TLS.ClientCAs == nil {
		return nil, errors.New("broker: needs TLS with client CAs, a handler and a log")
	}
	if c.Clients == 0 {
		c.Clients = defaultClients
	}
	if c.Patience == 0 {
		c.Patience = defaultPatient
	}
	c.TLS = c.TLS.Clone()
	c.TLS.MinVersion = tls.VersionTLS13
	c.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumClients = int64(c.Clients)
	capabilities.MaximumMessageExpiryInterval = 0
	capabilities.MaximumPacketSize = maxPacket
	capabilities.MaximumClientWritesPending = maxPending
	capabilities.MaximumInflight = maxPending
	b := &Broker{config: c, hook: &hook{log: c.Log}}
	b.server = mqtt.New(&mqtt.Options{
		Capabilities:           capabilities,
		InlineClient:           true,
		Logger:                 slog.New(quiet{inner: c.Log.Handler()}),
		SysTopicResendInterval: math.MaxInt32,
	})
	if err := b.server.AddHook(b.hook, nil); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// Serve takes connections from l until ctx ends, then closes l and every connection and waits for their goroutines.
// It may be called once.
func (b *Broker) Serve(ctx context.Context, l net.Listener) error {
	b.hook.handle = func(gateway string, kind wire.Kind, payload []byte) error {
		ctx, cancel := context.WithTimeoutCause(ctx, b.config.Patience, ErrSlow)
		defer cancel()
		return b.config.Handler(ctx, gateway, kind, payload)
	}
	gate := newGate(l, b.config, &b.hook.counts)
	if err := b.server.AddListener(gate); err != nil {
		return errors.Join(fmt.Errorf("broker: %w", err), l.Close())
	}
	if err := b.server.Serve(); err != nil {
		return errors.Join(fmt.Errorf("broker: %w", err), l.Close())
	}
	b.config.Log.Info("broker listens", "address", l.Addr().String())
	select {
	case <-ctx.Done():
	case <-gate.ended:
	}
	// The broker goes, not the gateways: their last wills are not sent.
	b.hook.closing.Store(true)
	err := gate.stop()
	return errors.Join(err, b.server.Close())
}

// Publish sends payload to the gateway of a down topic, if it is connected. A gateway that does not take what waits for
// it loses it, counted; the next pulse shows what it lacks.
func (b *Broker) Publish(topic string, payload []byte) error {
	if _, _, up, err := wire.ParseTopic(topic); err != nil || up {
		return fmt.Errorf("broker: publish: %w", errors.Join(ErrTopic, err))
	}
	if len(payload) > wire.MaxMessage {
		return fmt.Errorf("broker: publish %d bytes, at most %d: %w", len(payload), wire.MaxMessage, wire.ErrSize)
	}
	if err := b.server.Publish(topic, payload, false, 1); err != nil {
		return fmt.Errorf("broker: publish: %w", err)
	}
	return nil
}
