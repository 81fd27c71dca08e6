package facilities

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// No lock of this package is taken here: the database itself lets nobody have what somebody has. Slots need not be equal to
// overlap, and those that touch do not.
func TestNoDoubleBookingByTheDatabaseItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		replicas := []*store.DB{open(), open()}
		if err := Migrate(t.Context(), replicas[0]); err != nil {
			t.Fatal(err)
		}
		put := func(db *store.DB, id, site, facility string, from, to wire.Micros) (free bool) {
			err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
				free, err = keep(t.Context(), tx, Booking{ID: id, Site: site, Facility: facility, State: rules.Confirmed, Slot: rules.Slot{From: from, To: to}})
				return err
			})
			if err != nil {
				t.Error(err)
			}
			return free
		}
		for round := range 8 {
			var won atomic.Int64
			var wg sync.WaitGroup
			at := wire.Micros(1000 * round)
			for n := range 3 {
				wg.Go(func() {
					if put(replicas[n%2], fmt.Sprint(round, "-", n), "s", "ktv", at+wire.Micros(n), at+100+wire.Micros(n)) {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("round %d: %d of three overlapping bookings; want one", round, won.Load())
			}
		}
		if !put(replicas[0], "after", "s", "ktv", 105, 200) || !put(replicas[0], "gym", "s", "gym", 0, 100) || !put(replicas[0], "other site", "t", "ktv", 0, 100) {
			t.Error("a slot that touches, another facility, or another site is taken for the same")
		}
		if err := replicas[0].Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE bookings SET state = 'cancelled' WHERE id = 'gym'`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !put(replicas[1], "gym again", "s", "gym", 0, 100) {
			t.Error("what was cancelled holds its slot")
		}
	})
}
