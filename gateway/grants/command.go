package grants

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/grants/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// ErrChallenge says that a command answers no living challenge of this box.
var ErrChallenge = errors.New("no such challenge, or its time is over")

// maxWord bounds what a command or a ticket says of itself: it stands in events.
const maxWord = 64

// OpenCommand checks a signed command: by a command key that has not ended, for this gateway. Whether it is fresh is
// Challenges' to say. Errors: wire.ErrSize, wire.ErrFormat, wire.ErrSignature, wire.ErrContext, document.ErrKey.
func OpenCommand(keys wire.KeySet, gateway string, payload []byte, now rules.Moment) (wire.Command, error) {
	var c wire.Command
	if err := wire.Peek(payload, &c); err != nil {
		return wire.Command{}, fmt.Errorf("command: %w", err)
	}
	key := livingKey(keys, c.Key, document.UseCommand, 0, now)
	if key == nil {
		return wire.Command{}, fmt.Errorf("command: %w", document.ErrKey)
	}
	c = wire.Command{}
	if err := wire.Open(key, wire.ContextCommand, payload, &c); err != nil {
		return wire.Command{}, fmt.Errorf("command: %w", err)
	}
	switch {
	case c.Gateway != gateway:
		return wire.Command{}, fmt.Errorf("command: %w", wire.ErrContext)
	case c.Doc != "command" || c.ID == "" || len(c.ID) > maxWord || len(c.Who) > maxWord || len(c.Why) > maxWord:
		return wire.Command{}, fmt.Errorf("command: %w", wire.ErrFormat)
	}
	return c, nil
}

// Challenges are the living challenges of a box: in memory only, one for a device, each for one command and 15 s of
// monotonic time. It belongs to one loop.
type Challenges struct {
	gateway string
	living  map[string]challenge // by device
}

type challenge struct {
	wire.Challenge
	until time.Duration
}

// NewChallenges makes the empty set that a box boots with.
func NewChallenges(gateway string) *Challenges {
	return &Challenges{gateway: gateway, living: map[string]challenge{}}
}

// For gives the challenge for a command. Asked again for the same one while it lives, it is the same, and lives no longer:
// a request that a broker doubles takes nothing away. Another command for the device takes its place. The caller has
// made sure that there is such a device, and that no intent of this id is held.
func (c *Challenges) For(r wire.CommandRequest, now time.Duration) wire.Challenge {
	if old, ok := c.living[r.Device]; ok && old.ID == r.ID && old.What == r.What && now < old.until {
		return old.Challenge
	}
	var chance [32]byte
	rand.Read(chance[:])
	made := wire.Challenge{
		Gateway: c.gateway, ID: r.ID, Device: r.Device, What: r.What, Challenge: base64.RawURLEncoding.EncodeToString(chance[:]),
	}
	c.living[r.Device] = challenge{made, now + wire.ChallengeSeconds*time.Second}
	return made
}

// Take takes the challenge that a verified command answers; it is gone then. It gives the monotonic time at which the
// challenge ends: nothing is released for it later. ErrChallenge when there is none, or not for just this command.
func (c *Challenges) Take(command wire.Command, now time.Duration) (until time.Duration, err error) {
	held, ok := c.living[command.Device]
	if ok && now >= held.until {
		delete(c.living, command.Device)
		ok = false
	}
	same := subtle.ConstantTimeCompare([]byte(held.Challenge.Challenge), []byte(command.Challenge)) == 1
	if !ok || !same || held.ID != command.ID || held.What != command.What {
		return 0, fmt.Errorf("command %.64q: %w", command.ID, ErrChallenge)
	}
	delete(c.living, command.Device)
	return held.until, nil
}
