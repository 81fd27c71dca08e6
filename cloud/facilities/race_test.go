package facilities

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// await waits until somebody waits for a lock of PostgreSQL, or is done without one. SQLite's writers queue by themselves.
func await(t *testing.T, db *store.DB, done chan bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); strings.HasSuffix(t.Name(), "/postgres") && len(done) == 0 && time.Now().Before(deadline); {
		var waiting int
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting)
		})
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			return
		}
	}
}

// No lock of this package is taken here: the database itself lets nobody have what somebody has. Slots need not be equal to
// overlap, and those that touch do not.
func TestNoDoubleBookingByTheDatabaseItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		replicas := []*store.DB{open(), open()}
		if err := Migrate(t.Context(), replicas[0]); err != nil {
			t.Fatal(err)
		}
		put := func(db *store.DB, id, site, facility string, from, to wire.Micros, during func()) (free bool) {
			err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
				free, err = keep(t.Context(), tx, Booking{ID: id, Site: site, Facility: facility, State: rules.Confirmed, Slot: rules.Slot{From: from, To: to}})
				during()
				return err
			})
			if err != nil {
				t.Error(err)
			}
			return free
		}
		inside, let := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if !put(replicas[0], "first", "s", "ktv", 0, 100, func() { close(inside); <-let }) {
				t.Error("the first is not booked")
			}
		})
		<-inside
		second := make(chan bool, 1)
		wg.Go(func() { second <- put(replicas[1], "second", "s", "ktv", 50, 150, func() {}) })
		await(t, replicas[0], second) // it has looked, and seen nothing: the first is not committed
		close(let)
		wg.Wait()
		if <-second {
			t.Error("what overlaps is booked twice")
		}
		if !put(replicas[0], "after", "s", "ktv", 100, 200, func() {}) || !put(replicas[0], "gym", "s", "gym", 0, 100, func() {}) || !put(replicas[0], "other site", "t", "ktv", 0, 100, func() {}) {
			t.Error("a slot that touches, another facility, or another site is taken for the same")
		}
		if err := replicas[0].Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE bookings SET state = 'cancelled' WHERE id = 'gym'`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !put(replicas[1], "gym again", "s", "gym", 0, 100, func() {}) {
			t.Error("what was cancelled holds its slot")
		}
	})
}
