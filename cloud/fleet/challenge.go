package fleet

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of challenges.
const (
	maxChallenge     = 1 << 10 // bytes of one
	challengeBytes   = 32      // of chance in it
	waitingAll       = 256
	waitingOfGateway = 4
)

// errNotAsked says that no command is to be signed for a challenge: there is none, it was signed before, it is for another
// device, it is too old, or the database was put back since.
var errNotAsked = errors.New("nothing to be signed")

// challenge is one as it came from the broker.
type challenge struct {
	gateway string // by its certificate
	payload []byte
}

// challenges wait to be answered. What does not fit is dropped: its command lapses, and a person may ask again.
type challenges struct {
	queue chan challenge

	mu      sync.Mutex
	waiting map[string]int // by gateway: one that floods loses its own
}

func newChallenges() *challenges {
	return &challenges{queue: make(chan challenge, waitingAll), waiting: map[string]int{}}
}

func (c *challenges) put(one challenge) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[one.gateway] >= waitingOfGateway {
		return false
	}
	select {
	case c.queue <- one:
		c.waiting[one.gateway]++
		return true
	default:
		return false
	}
}

func (c *challenges) done(gateway string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[gateway]--; c.waiting[gateway] == 0 {
		delete(c.waiting, gateway)
	}
}

// Challenged queues a gateway's challenge for SignCommands and returns at once: the broker waits for it. The gateway is the
// one whose certificate sent it, and the payload's bytes must not change afterwards.
func (f *Fleet) Challenged(gateway string, payload []byte) {
	if len(payload) > maxChallenge || !f.challenges.put(challenge{gateway, payload}) {
		f.log.Warn("challenge dropped", "gateway", gateway, "bytes", len(payload))
	}
}

// SignCommands signs commands over the challenges that come, each command once, until ctx ends.
func (f *Fleet) SignCommands(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-f.challenges.queue:
			if err := f.signOver(ctx, c, time.Now()); err != nil && ctx.Err() == nil {
				f.log.Warn("command not signed", "gateway", c.gateway, "err", err)
			}
			f.challenges.done(c.gateway)
		}
	}
}

// signOver signs the command that a challenge is for, and publishes it. Only the one statement that finds it asked, fresh
// and for this very device lets it be signed, so that it is signed once whoever tries; after that nothing sends it again.
func (f *Fleet) signOver(ctx context.Context, of challenge, now time.Time) error {
	c, err := parseChallenge(of)
	if err != nil {
		return err
	}
	key, private, err := f.keys.Signer(UseCommand, now)
	if err != nil {
		return fmt.Errorf("command %s: %w", c.ID, err)
	}
	order := wire.Command{Doc: "command", Gateway: of.gateway, Key: key, ID: c.ID, Device: c.Device, What: c.What, Challenge: c.Challenge}
	ctx, cancel := context.WithTimeoutCause(ctx, challengeLife, errNotAsked)
	defer cancel()
	err = f.db.Write(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, `UPDATE commands SET state = 'signed', signed = `+tx.Clock()+`
			WHERE id = $1 AND gateway = $2 AND device = $3 AND what = $4 AND state = 'asked' AND `+fresh(tx)+` RETURNING who, why`,
			c.ID, of.gateway, c.Device, c.What).Scan(&order.Who, &order.Why)
		if errors.Is(err, sql.ErrNoRows) {
			return errNotAsked
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("command %.80s: %w", c.ID, err)
	}
	signed, err := wire.Sign(private, wire.ContextCommand, order)
	if err != nil {
		return fmt.Errorf("command %s: %w", c.ID, err)
	}
	f.log.Info("command signed", "command", c.ID, "gateway", of.gateway, "device", c.Device, "what", c.What, "who", order.Who, "why", order.Why)
	f.Publish([]Message{{Topic: wire.CommandTopic(of.gateway), Payload: signed}})
	return nil
}

// parseChallenge reads a challenge, which is its gateway's own.
func parseChallenge(of challenge) (c wire.Challenge, err error) {
	if json.Unmarshal(of.payload, &c) != nil {
		return c, fmt.Errorf("challenge: %w", wire.ErrFormat)
	}
	chance, err := base64.RawURLEncoding.Strict().DecodeString(c.Challenge)
	switch {
	case c.Gateway != of.gateway:
		return c, fmt.Errorf("challenge: %w", wire.ErrContext)
	case err != nil || len(chance) != challengeBytes || base64.RawURLEncoding.EncodeToString(chance) != c.Challenge:
		return c, fmt.Errorf("challenge: %w", wire.ErrFormat)
	}
	return c, nil
}
