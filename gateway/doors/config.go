package doors

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Config is the building's doors as they are built.
type Config struct {
	Gateway string // id
	Doors   []DoorConfig
}

// DoorConfig is one door.
type DoorConfig struct {
	ID         string // [a-z0-9-]{1,40}
	Name       string // as people call it
	English    string // the same in English; empty: Name
	HasContact bool   // a contact says whether it is open
	Strike     time.Duration
}

// Bounds of a strike's time.
const (
	defaultStrike = 5 * time.Second
	longestStrike = 30 * time.Second
)

// Deps is what the service works with. Publish, Count, Forced and KeepFloor may be nil.
type Deps struct {
	Store   *store.Store
	Clock   *clock.Clock
	Key     []byte                             // 32 bytes: what codes are kept under
	Doors   map[string]drivers.Door            // by id; one that offers Health() []drivers.Health has its device watched
	Publish func(topic string, payload []byte) // to the cloud, now or never; must not block
	Count   func(name string)                  // counts what was dropped or refused, by name; must not block
	Forced  func(subject string)               // hears of a door that was forced, door/ID; must not block
	// KeepFloor stores the clock's floor: the issue time of a ticket has raised it.
	KeepFloor func(*store.Tx) error
	Log       *slog.Logger
}

// ErrConfig says that the doors cannot be so.
var ErrConfig = errors.New("impossible door")

var doorID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func (c Config) check(d Deps) error {
	if !wire.ValidGateway(c.Gateway) {
		return fmt.Errorf("gateway id %q: %w", c.Gateway, ErrConfig)
	}
	if len(d.Key) != 32 {
		return fmt.Errorf("key of %d bytes, want 32: %w", len(d.Key), ErrConfig)
	}
	seen := map[string]bool{}
	for _, door := range c.Doors {
		switch {
		case !doorID.MatchString(door.ID) || seen[door.ID]:
			return fmt.Errorf("door %q: named twice, or no id: %w", door.ID, ErrConfig)
		case d.Doors[door.ID] == nil:
			return fmt.Errorf("door %s: no driver: %w", door.ID, ErrConfig)
		case door.Strike < 0 || door.Strike > longestStrike:
			return fmt.Errorf("door %s: strike of %s, at most %s: %w", door.ID, door.Strike, longestStrike, ErrConfig)
		}
		seen[door.ID] = true
	}
	return nil
}
