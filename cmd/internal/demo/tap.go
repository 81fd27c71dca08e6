package demo

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Tap sits on the link like an owner of the broker would: it ends TLS with the demo's own authority on both sides. It keeps
// the payload of every message, decompressed, so that the tour can look for what must not be in it, and the commands as
// they came; it can hold back what goes down, and send something of its own.
type Tap struct {
	server, client *tls.Config

	mu       sync.Mutex
	payloads bytes.Buffer
	messages int
	commands []Command
	hold     func(Command) time.Duration // how much later a message on the command topic comes; nil: at once
	down     *downward                   // the connection to the gateway; nil: none
}

// Command is one message that came down on the command topic.
type Command struct {
	Topic   string
	Payload []byte
}

// ErrNoGateway says that the gateway is not connected.
var ErrNoGateway = errors.New("the gateway is not connected")

// NewTap makes a tap that is the broker to the gateway and the gateway to the broker.
func NewTap(ca *pki.CA, gateway string) (*Tap, error) {
	as := func(f pki.Files, err error) (tls.Certificate, error) {
		if err != nil {
			return tls.Certificate{}, err
		}
		return tls.LoadX509KeyPair(f.Cert, f.Key)
	}
	broker, err := as(ca.Server("broker"))
	if err != nil {
		return nil, err
	}
	box, err := as(ca.Client(gateway))
	if err != nil {
		return nil, err
	}
	pool := ca.Pool()
	return &Tap{
		server: &tls.Config{Certificates: []tls.Certificate{broker}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13},
		client: &tls.Config{Certificates: []tls.Certificate{box}, RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS13},
	}, nil
}

// Payloads returns all that has passed so far, and how many messages that was.
func (t *Tap) Payloads() (all []byte, messages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.payloads.Bytes()), t.messages
}

// near and far wrap the two sides of a forwarded connection.
func (t *Tap) near(c net.Conn) net.Conn { return tls.Server(c, t.server) }
func (t *Tap) far(c net.Conn) net.Conn  { return tls.Client(c, t.client) }

// Commands returns what came down on the command topic so far.
func (t *Tap) Commands() []Command {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Command{}, t.commands...)
}

// Hold makes messages on the command topic come so much later as late says, from the next one on; nil ends that.
func (t *Tap) Hold(late func(Command) time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hold = late
}

// Send sends the gateway a message that its broker never had.
func (t *Tap) Send(topic string, payload []byte, retained bool) error {
	t.mu.Lock()
	down := t.down
	t.mu.Unlock()
	if down == nil {
		return ErrNoGateway
	}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: retained}, ProtocolVersion: 4, TopicName: topic, Payload: payload}
	var b bytes.Buffer
	if err := pk.PublishEncode(&b); err != nil {
		return err
	}
	return down.write(b.Bytes())
}

// downward is a connection to the gateway. What is held back is written later, whole packets at a time.
type downward struct {
	mu sync.Mutex
	to io.Writer
}

func (d *downward) write(packet []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.to.Write(packet)
	return err
}

// up forwards what the gateway sends and keeps the payloads of its PUBLISH packets.
func (t *Tap) up(to io.Writer, from io.Reader) error {
	return each(from, func(packet []byte) error {
		t.keep(packet)
		_, err := to.Write(packet)
		return err
	})
}

// back forwards what the broker sends.
func (t *Tap) back(to io.Writer, from io.Reader) error {
	d := &downward{to: to}
	t.mu.Lock()
	t.down = d
	t.mu.Unlock()
	var held []*time.Timer
	defer func() {
		for _, timer := range held {
			timer.Stop()
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.down == d {
			t.down = nil
		}
	}()
	return each(from, func(packet []byte) error {
		if late := t.keep(packet); late > 0 {
			packet = bytes.Clone(packet)
			held = append(held, time.AfterFunc(late, func() { _ = d.write(packet) })) // the gateway may have left
			return nil
		}
		return d.write(packet)
	})
}

// each reads whole MQTT packets and hands them on until the connection ends.
func each(from io.Reader, packet func([]byte) error) error {
	buffer := make([]byte, 32<<10)
	var pending []byte
	for {
		n, err := from.Read(buffer)
		pending = append(pending, buffer[:n]...)
		for {
			size := packetSize(pending)
			if size == 0 {
				break
			}
			if err := packet(pending[:size]); err != nil {
				return err
			}
			pending = pending[size:]
		}
		if err != nil {
			return err
		}
	}
}

// packetSize is the length of the packet at the front of b; 0 while it is not whole.
func packetSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	length, used, err := packets.DecodeLength(bytes.NewReader(b[1:]))
	if err != nil || len(b) < 1+used+length {
		return 0
	}
	return 1 + used + length
}

// keep keeps what a PUBLISH packet carries, and says how long it is to be held back.
func (t *Tap) keep(packet []byte) (late time.Duration) {
	if packet[0]>>4 != packets.Publish {
		return 0
	}
	_, used, err := packets.DecodeLength(bytes.NewReader(packet[1:]))
	if err != nil {
		return 0
	}
	publish := packet[1+used:]
	if len(publish) < 2 {
		return 0
	}
	length := int(publish[0])<<8 | int(publish[1])
	if len(publish) < 2+length+2 {
		return 0
	}
	topic, raw := string(publish[2:2+length]), publish[2+length+2:] // QoS 1: two bytes of packet id
	plain := raw
	if d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(4<<20)); err == nil {
		if unpacked, err := d.DecodeAll(raw, nil); err == nil {
			plain = unpacked
		}
		d.Close()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages++
	t.payloads.Write(plain)
	t.payloads.WriteByte('\n')
	if _, kind, _, err := wire.ParseTopic(topic); err == nil && kind == wire.KindCommand {
		c := Command{topic, bytes.Clone(raw)}
		t.commands = append(t.commands, c)
		if t.hold != nil {
			return t.hold(c)
		}
	}
	return 0
}
