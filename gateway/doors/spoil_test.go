package doors

import (
	"testing"

	"go.etcd.io/bbolt"
)

// spoil flips a bit of a stored value behind the store's back.
func spoil(t *testing.T, path, space, key string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(space))
		v := append([]byte{}, b.Get([]byte(key))...)
		if len(v) == 0 {
			t.Fatalf("%s has no %s", space, key)
		}
		v[len(v)/2] ^= 1
		return b.Put([]byte(key), v)
	})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
