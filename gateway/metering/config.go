package metering

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/metering/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
)

// Bounds of this package (invariant 13); those of plausibility are in gateway/metering/rules.
const (
	firstWithin = 20 * time.Second // from the start to the first sweep: a street of boxes does not begin in step
	readLimit   = 15 * time.Second // for one try: a line answers or gives up long before
	maxTries    = 3                // of a meter in a sweep
	backOff     = time.Second      // before the second try of those that failed, twice that before the third
	maxFlags    = 16               // of a reading, and bytes of each: an event has its size
	maxFlag     = 40
	maxSerial   = 40
)

// Config says what is read, and how often.
type Config struct {
	Every  time.Duration // from the begin of one sweep to that of the next; 0 means 1h
	Meters []Meter       // in the order in which those of a line are asked
}

// Meter is one gas meter.
type Meter struct {
	ID     string
	Line   string // those of one line are never asked at once
	Serial string // as on its plate: a reading counts only from this meter
	Begin  int64  // litres that a person read off its dial after its readings were in doubt; 0: never
}

// Deps is what the service works with.
type Deps struct {
	Store  *store.Store
	Clock  *clock.Clock
	Meters map[string]drivers.Meter               // by id; one that offers Health() []drivers.Health is watched
	Jitter func(most time.Duration) time.Duration // a wait in [0, most); nil: none
	Log    *slog.Logger
}

// ErrConfig says that the meters cannot be so.
var ErrConfig = errors.New("impossible meter")

func (c Config) check(d Deps) error {
	if c.Every < 0 {
		return fmt.Errorf("every %s: %w", c.Every, ErrConfig)
	}
	seen := map[string]bool{}
	for _, m := range c.Meters {
		switch {
		case d.Meters[m.ID] == nil:
			return fmt.Errorf("meter %q: no driver: %w", m.ID, ErrConfig)
		case seen[m.ID]:
			return fmt.Errorf("meter %q: named twice: %w", m.ID, ErrConfig)
		}
		seen[m.ID] = true
	}
	return nil
}

func (m Meter) rule() rules.Meter { return rules.Meter{Serial: m.Serial, Begin: m.Begin} }
