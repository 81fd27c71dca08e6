package parcels

import (
	"maps"
	"testing"
	"testing/synctest"

	"github.com/ntpc-smart-community/lobby/gateway/store"
)

// What the record says of a bank's doors is known without a service, and a record that cannot be read is not vacant.
func TestHeldSaysWhatIsNotVacant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		bank := b.service.config.Banks[0]
		check := func(when string, want map[int]string) {
			t.Helper()
			if got, err := Held(b.store, bank); err != nil || !maps.Equal(got, want) {
				t.Errorf("%s: Held() = %v, %v; want %v", when, got, err, want)
			}
		}
		check("at first", map[int]string{})
		_, lock := b.drop(b.deliver(), "A-12-3")
		check("with a parcel", map[int]string{lock: "occupied"})
		err := b.store.Update(t.Context(), func(tx *store.Tx) error { return tx.Put(spaceCompartments, "A-4", []byte("{")) })
		if err != nil {
			t.Fatal(err)
		}
		check("with a damaged record", map[int]string{lock: "occupied", 4: "needs_check"})
	})
}
