package wire

import (
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"
)

// Kind is the last level of a topic.
type Kind string

// The kinds of messages: the first three go up, the rest down.
const (
	KindEvents    Kind = "events"
	KindPulse     Kind = "pulse"
	KindChallenge Kind = "challenge"
	KindAnswer    Kind = "answer"
	KindPosition  Kind = "position"
	KindState     Kind = "state"
	KindCommand   Kind = "command"
)

var gatewayID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// ValidGateway tells whether id can name a gateway: it is also a topic level, a certificate's CN and a client id.
func ValidGateway(id string) bool { return gatewayID.MatchString(id) }

// Partition is the MQTT partition of a gateway.
func Partition(gateway string) int {
	return int(crc32.ChecksumIEEE([]byte(gateway)) % Partitions)
}

// EventsTopic is where a gateway sends blocks of events.
func EventsTopic(gateway string) string { return up(gateway, KindEvents) }

// PulseTopic is where a gateway sends its pulse, and its broker the last will.
func PulseTopic(gateway string) string { return up(gateway, KindPulse) }

// ChallengeTopic is where a gateway sends a challenge for one command.
func ChallengeTopic(gateway string) string { return up(gateway, KindChallenge) }

// AnswerTopic is where the cloud answers a pulse.
func AnswerTopic(gateway string) string { return down(gateway, KindAnswer) }

// PositionTopic is where the cloud hints after a commit.
func PositionTopic(gateway string) string { return down(gateway, KindPosition) }

// StateTopic is where the cloud sends the key set, a root or one part.
func StateTopic(gateway string) string { return down(gateway, KindState) }

// CommandTopic is where the cloud asks for a challenge and then sends the signed command.
func CommandTopic(gateway string) string { return down(gateway, KindCommand) }

// DownFilter is the one subscription of a gateway.
func DownFilter(gateway string) string { return "lobby/v1/down/" + gateway + "/+" }

// PartitionFilter is the subscription of a cloud replica for one partition.
func PartitionFilter(partition int) string { return fmt.Sprintf("lobby/v1/up/%02d/+/+", partition) }

func up(gateway string, k Kind) string {
	return fmt.Sprintf("lobby/v1/up/%02d/%s/%s", Partition(gateway), gateway, k)
}

func down(gateway string, k Kind) string { return "lobby/v1/down/" + gateway + "/" + string(k) }

// ParseTopic takes a topic apart. It accepts exactly what the functions above make: a gateway under another partition
// is refused.
func ParseTopic(topic string) (gateway string, kind Kind, isUp bool, err error) {
	level := strings.Split(topic, "/")
	switch {
	case len(level) == 6 && level[2] == "up":
		gateway, kind, isUp = level[4], Kind(level[5]), true
	case len(level) == 5 && level[2] == "down":
		gateway, kind = level[3], Kind(level[4])
	default:
		return "", "", false, fmt.Errorf("topic of %d levels: %w", len(level), ErrFormat)
	}
	known := map[Kind]bool{
		KindEvents: true, KindPulse: true, KindChallenge: true,
		KindAnswer: false, KindPosition: false, KindState: false, KindCommand: false,
	}
	goesUp, ok := known[kind]
	if !ok || goesUp != isUp || !ValidGateway(gateway) {
		return "", "", false, fmt.Errorf("topic kind %.20q of gateway %.40q: %w", kind, gateway, ErrFormat)
	}
	if want := up(gateway, kind); isUp && topic != want {
		return "", "", false, fmt.Errorf("topic is not %s: %w", want, ErrFormat)
	}
	if want := down(gateway, kind); !isUp && topic != want {
		return "", "", false, fmt.Errorf("topic is not %s: %w", want, ErrFormat)
	}
	return gateway, kind, isUp, nil
}
