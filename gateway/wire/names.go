package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Limits of what may travel (docs/wire.md 1).
const (
	MaxMessage       = 64 << 10 // bytes of one MQTT payload
	MaxDecompressed  = 1 << 20  // bytes of a block or part after decompression
	MaxEvent         = 16 << 10 // bytes of one encoded event
	MaxRoot          = 8 << 10  // bytes of a state document's root
	MaxPart          = 32 << 10 // bytes of one part before compression
	SegmentEvents    = 10_000   // a segment is sealed at so many events
	SegmentBytes     = 1 << 20  // or so many bytes of events
	BlockEvents      = 200      // most events of one block
	Partitions       = 64       // MQTT partitions by CRC-32 of the gateway id
	HouseholdShards  = 64       // parts of households by CRC-32 of the unit id
	ChallengeSeconds = 15       // life of a challenge on the gateway's monotonic clock
	AnswerSeconds    = 60       // an answer counts so long after its pulse was made
)

// Errors of decoding and checking. Each is wrapped with the place and what was wrong.
var (
	ErrSize      = errors.New("too large")
	ErrFormat    = errors.New("malformed")
	ErrSignature = errors.New("signature does not verify")
	ErrContext   = errors.New("signed for another purpose or gateway")
	ErrChain     = errors.New("hash chain does not match")
)

// Hash is a SHA-256, hexadecimal in JSON.
type Hash [sha256.Size]byte

// String gives the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero tells whether the hash was never set.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText encodes the hash in hexadecimal; a zero hash is the empty string.
func (h Hash) MarshalText() ([]byte, error) {
	if h.IsZero() {
		return nil, nil
	}
	return hex.AppendEncode(nil, h[:]), nil
}

// UnmarshalText takes 64 lower-case hexadecimal digits, or nothing for the zero hash.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*h = Hash{}
		return nil
	}
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(h) {
		return fmt.Errorf("hash of %d characters: %w", len(b), ErrFormat)
	}
	copy(h[:], raw)
	return nil
}

// Micros is an instant in microseconds since 1970-01-01 UTC.
type Micros int64

// At converts an instant.
func At(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time converts back, in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Stream is one of the two streams of events.
type Stream string

// The streams.
const (
	Audit     Stream = "audit"     // access, parcels, tamper, commands: never dropped undelivered
	Telemetry Stream = "telemetry" // readings and measurements: dropped oldest first
)

// Valid tells whether s is one of the two.
func (s Stream) Valid() bool { return s == Audit || s == Telemetry }

// Name names one event of a gateway for ever.
type Name struct {
	Epoch   uint64 `json:"epoch"`
	Stream  Stream `json:"stream"`
	Segment uint64 `json:"segment"`
	Seq     uint64 `json:"seq"`
}

// String gives epoch/stream/segment/seq.
func (n Name) String() string {
	return fmt.Sprintf("%d/%s/%d/%d", n.Epoch, n.Stream, n.Segment, n.Seq)
}

// Quality is how far a clock can be believed, best first.
type Quality string

// The qualities of a clock.
const (
	FromAnswer Quality = "answer"    // set by the cloud's signed answer
	FromNTP    Quality = "ntp"       // the system says that NTP keeps it
	FromRTC    Quality = "rtc"       // a hardware clock within bounds of the floor
	Holdover   Quality = "holdover"  // once good, running on since
	Uncertain  Quality = "uncertain" // nothing vouches for it
)
