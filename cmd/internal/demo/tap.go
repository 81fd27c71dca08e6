package demo

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
)

// Tap listens on the link like an owner of the broker would: it ends TLS with the demo's own authority on both sides and
// keeps the payload of every message, decompressed, so that the tour can look for what must not be in it.
type Tap struct {
	server, client *tls.Config

	mu       sync.Mutex
	payloads bytes.Buffer
	messages int
}

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

// copy forwards one direction and keeps the payloads of its PUBLISH packets.
func (t *Tap) copy(to io.Writer, from io.Reader) error {
	buffer := make([]byte, 32<<10)
	var pending []byte
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			pending = t.take(append(pending, buffer[:n]...))
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// take reads the whole packets at the front of b and returns what is left.
func (t *Tap) take(b []byte) []byte {
	for len(b) >= 2 {
		length, used, err := packets.DecodeLength(bytes.NewReader(b[1:]))
		if err != nil || len(b) < 1+used+length {
			return b
		}
		if b[0]>>4 == packets.Publish {
			t.keep(b[1+used : 1+used+length])
		}
		b = b[1+used+length:]
	}
	return b
}

func (t *Tap) keep(publish []byte) {
	if len(publish) < 2 {
		return
	}
	topic := int(publish[0])<<8 | int(publish[1])
	if len(publish) < 2+topic+2 {
		return
	}
	payload := publish[2+topic+2:] // QoS 1: two bytes of packet id
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(4<<20))
	if err != nil {
		return
	}
	defer d.Close()
	if plain, err := d.DecodeAll(payload, nil); err == nil {
		payload = plain
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages++
	t.payloads.Write(payload)
	t.payloads.WriteByte('\n')
}
