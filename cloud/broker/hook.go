package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// protocol is MQTT 3.1.1, the only version taken: version 5 has topic aliases and delayed wills, which no rule sees.
const protocol = 4

var (
	errIdentity = errors.New("certificate names no gateway, or another than the client id")
	errWill     = errors.New("last will is not the gateway's own pulse")
	errProtocol = errors.New("not a clean session of MQTT 3.1.1 with a keep-alive of at most 300s")
)

// hook is the only hook of the broker: the answers of several would be OR-ed.
type hook struct {
	mqtt.HookBase
	log     *slog.Logger
	counts  counters
	closing atomic.Bool
	handle  func(gateway string, kind wire.Kind, payload []byte) error // set before the broker serves
}

func (h *hook) ID() string { return "lobby" }

func (h *hook) Provides(b byte) bool {
	return slices.Contains([]byte{mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnPublish,
		mqtt.OnWillSent, mqtt.OnSessionEstablished, mqtt.OnDisconnect, mqtt.OnPublishDropped}, b)
}

// identity is the gateway that the verified client certificate names, once as CN and once as its only DNS name.
func identity(c net.Conn) (string, error) {
	conn, ok := c.(*tls.Conn)
	if !ok {
		return "", fmt.Errorf("connection without TLS: %w", errIdentity)
	}
	chain := conn.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return "", fmt.Errorf("no certificate: %w", errIdentity)
	}
	name := chain[0].Subject.CommonName
	if !wire.ValidGateway(name) || !slices.Equal(chain[0].DNSNames, []string{name}) {
		return "", fmt.Errorf("certificate of %.40q: %w", name, errIdentity)
	}
	return name, nil
}

// OnConnectAuthenticate decides over a CONNECT. The last will is judged here: it never comes to OnACLCheck.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	gateway, err := identity(cl.Net.Conn)
	if err == nil {
		err = judge(gateway, pk)
	}
	if err != nil {
		h.counts.refused.Add(1)
		h.log.Warn("connection refused", "gateway", gateway, "remote", cl.Net.Remote, "err", err)
	}
	return err == nil
}

func judge(gateway string, pk packets.Packet) error {
	switch c := pk.Connect; {
	case c.ClientIdentifier != gateway:
		return fmt.Errorf("client id %.40q: %w", c.ClientIdentifier, errIdentity)
	case pk.ProtocolVersion != protocol, !c.Clean, c.Keepalive == 0, c.Keepalive > maxKeepAlive:
		return errProtocol
	case c.WillFlag && (c.WillRetain || c.WillQos > 1 || !willAllowed(gateway, c.WillTopic)):
		return errWill
	}
	return nil
}

// OnACLCheck denies what the rules do not allow.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	gateway, err := identity(cl.Net.Conn)
	if err == nil && gateway == cl.ID && allowed(gateway, topic, write) {
		return true
	}
	h.counts.denied.Add(1)
	h.log.Warn("topic denied", "gateway", gateway, "topic", fmt.Sprintf("%.120q", topic), "publish", write)
	return false
}

// OnPacketRead ends connections that send what nobody may: something retained, or QoS 2. Only this error ends one.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	retained := pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Retain ||
		pk.FixedHeader.Type == packets.Connect && pk.Connect.WillFlag && pk.Connect.WillRetain
	if retained {
		h.counts.retained.Add(1)
		h.log.Warn("connection ended", "gateway", cl.ID, "err", "retained message")
		return pk, packets.ErrRejectPacket
	}
	if pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Qos > 1 {
		h.counts.denied.Add(1)
		return pk, packets.ErrRejectPacket
	}
	return pk, nil
}

// OnPublish hands a message over before it is acknowledged. Nobody subscribes to what gateways send.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil
	}
	if err := h.hand(cl, pk); err != nil {
		cl.Stop(err)
		return pk, packets.ErrRejectPacket
	}
	return pk, packets.CodeSuccessIgnore
}

// OnWillSent hands over the last will of a gateway that left without a word.
func (h *hook) OnWillSent(cl *mqtt.Client, pk packets.Packet) {
	if h.closing.Load() {
		return
	}
	// Its connection has ended already: there is nothing left to close.
	_ = h.hand(cl, pk)
}

func (h *hook) hand(cl *mqtt.Client, pk packets.Packet) error {
	gateway, kind, up, err := wire.ParseTopic(pk.TopicName)
	if err == nil && (!up || gateway != cl.ID) {
		err = ErrTopic
	}
	if err == nil {
		h.counts.received.Add(1)
		err = h.handle(gateway, kind, pk.Payload)
	}
	if err != nil {
		h.counts.failed.Add(1)
		h.log.Warn("message not taken", "gateway", cl.ID, "kind", string(kind), "err", err)
	}
	return err
}

// OnSessionEstablished counts.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	h.counts.sessions.Add(1)
	h.log.Info("gateway connected", "gateway", cl.ID, "remote", cl.Net.Remote)
}

// OnDisconnect counts connections taken over.
func (h *hook) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	if errors.Is(cl.StopCause(), packets.ErrSessionTakenOver) {
		h.counts.takenOver.Add(1)
	}
	h.log.Info("gateway disconnected", "gateway", cl.ID, "err", err)
}

// OnPublishDropped counts what a gateway did not take.
func (h *hook) OnPublishDropped(*mqtt.Client, packets.Packet) { h.counts.dropped.Add(1) }
