package parcels

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Config is the building's banks as they are built.
type Config struct {
	Gateway string // id
	Banks   []Bank
}

// Bank is one locker bank.
type Bank struct {
	ID      string // A, B …
	Sensors bool   // item sensors are fitted
	Doors   []BankDoor
}

// BankDoor is one compartment of a bank. Its id is bank and number: A-18.
type BankDoor struct {
	Number int    // as painted on the door
	Size   string // S, M, L, XL
	Lock   int    // along the chain, from 1
	Low    bool   // can be reached from a wheelchair
}

// Deps is what the service works with.
type Deps struct {
	Store     *store.Store
	Clock     *clock.Clock
	Key       []byte                      // 32 bytes: what PINs and codes are kept under
	Banks     map[string]drivers.LockBank // by id; one that offers Health() []drivers.Health has its boards watched
	Delivered func(wire.Name) bool        // the cloud has committed the event: the stay of its parcel begins
	Online    func() bool                 // the cloud answers; only shown
	Full      func() bool                 // the log has no room left for more deposits; nil: it has. All else goes on
	Forced    func(subject string)        // hears of a door that was forced, compartment/BANK-NUMBER; must not block; nil: nobody does
	Log       *slog.Logger
}

// full tells whether deposits are refused, so that what is inside can still be collected and recorded.
func (d Deps) full() bool { return d.Full != nil && d.Full() }

// ErrConfig says that the banks cannot be so.
var ErrConfig = errors.New("impossible bank")

func (c Config) check(d Deps) error {
	if !wire.ValidGateway(c.Gateway) {
		return fmt.Errorf("gateway id %q: %w", c.Gateway, ErrConfig)
	}
	if len(d.Key) != 32 {
		return fmt.Errorf("key of %d bytes, want 32: %w", len(d.Key), ErrConfig)
	}
	seen := map[string]bool{}
	for _, b := range c.Banks {
		if d.Banks[b.ID] == nil {
			return fmt.Errorf("bank %s: no driver: %w", b.ID, ErrConfig)
		}
		locks := map[int]bool{}
		for _, door := range b.Doors {
			id := compartmentID(b.ID, door.Number)
			switch {
			case sizeRank(door.Size) == 0:
				return fmt.Errorf("compartment %s: size %q; use S, M, L or XL: %w", id, door.Size, ErrConfig)
			case door.Lock < 1 || locks[door.Lock] || seen[id]:
				return fmt.Errorf("compartment %s: lock %d: named twice, or none: %w", id, door.Lock, ErrConfig)
			}
			seen[id], locks[door.Lock] = true, true
		}
	}
	return nil
}

func compartmentID(bank string, number int) string { return fmt.Sprintf("%s-%d", bank, number) }
