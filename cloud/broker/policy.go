package broker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// rule is one line of what a gateway may do; what no line allows is denied (docs/wire.md 1).
type rule struct {
	publish bool // else subscribe and receive
	topic   func(gateway string) string
}

// rules is the one table behind the hook and the files for other brokers.
func rules() []rule {
	return []rule{
		{publish: true, topic: wire.EventsTopic},
		{publish: true, topic: wire.PulseTopic},
		{publish: true, topic: wire.ChallengeTopic},
		{topic: wire.DownFilter},
	}
}

// allowed tells whether a gateway may publish on topic, or subscribe to it as a filter, or be sent it.
func allowed(gateway, topic string, publish bool) bool {
	if !wire.ValidGateway(gateway) {
		return false
	}
	if !publish && !strings.ContainsAny(topic, "+#") {
		// What is sent to a gateway is asked about by its full topic.
		to, _, up, err := wire.ParseTopic(topic)
		return err == nil && !up && to == gateway
	}
	return slices.ContainsFunc(rules(), func(r rule) bool { return r.publish == publish && r.topic(gateway) == topic })
}

// willAllowed tells whether a gateway may leave a last will on topic: a pulse, nothing else.
func willAllowed(gateway, topic string) bool {
	return wire.ValidGateway(gateway) && topic == wire.PulseTopic(gateway)
}

// ACL writes the same rules as an acl_file of mosquitto, for these gateways and the cloud's own client. Mosquitto must run
// with use_identity_as_username true, retain_available false and allow_anonymous false; a client that the file does not
// name may do nothing.
func ACL(cloud string, gateways []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "user %s\ntopic read lobby/v1/up/#\ntopic write lobby/v1/down/#\n", cloud)
	for _, g := range slices.Sorted(slices.Values(gateways)) {
		if !wire.ValidGateway(g) {
			continue
		}
		fmt.Fprintf(&out, "\nuser %s\n", g)
		for _, r := range rules() {
			access := "read"
			if r.publish {
				access = "write"
			}
			fmt.Fprintf(&out, "topic %s %s\n", access, r.topic(g))
		}
	}
	return out.String()
}
