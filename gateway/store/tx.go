package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"
)

// The store's own buckets; other spaces must not begin like them.
const (
	reserved       = "store."
	spaceMeta      = "store.meta"
	spaceSegments  = "store.segments"
	spaceNewest    = "store.newest" // number of the newest segment of each (epoch, stream)
	spaceDelivered = "store.delivered"
	bucketLog      = "store.log" // one bucket of events for each segment
)

// Keys of spaceMeta.
const (
	keyFormat  = "format"
	keyGateway = "gateway"
	keyBoot    = "boot"
	keyEpoch   = "epoch"
)

// Tx is a transaction, valid until the function it was handed to returns. Slices it gives belong to the caller.
type Tx struct {
	s        *Store
	b        *bbolt.Tx
	writes   int // changes so far
	appended bool
}

// Get gives the value of a key; nil and no error when there is none. ErrDamaged names space and key.
func (tx *Tx) Get(space, key string) ([]byte, error) {
	if err := free(space); err != nil {
		return nil, err
	}
	return tx.get(space, key)
}

// Put stores a value, which may be empty but is then given back as empty, not as nil.
func (tx *Tx) Put(space, key string, value []byte) error {
	if err := free(space); err != nil {
		return err
	}
	return tx.put(space, key, value)
}

// Delete removes a key; one that is not there is no error.
func (tx *Tx) Delete(space, key string) error {
	if err := free(space); err != nil {
		return err
	}
	return tx.remove(space, key)
}

// Each calls fn for every key of a space that begins with prefix, in ascending order of bytes. Fn may put and delete;
// its error ends the walk and is returned. Damaged values are left out and come back joined as ErrDamaged after the
// good ones.
func (tx *Tx) Each(space, prefix string, fn func(key string, value []byte) error) error {
	if err := free(space); err != nil {
		return err
	}
	return tx.each(space, prefix, fn)
}

func free(space string) error {
	if strings.HasPrefix(space, reserved) {
		return fmt.Errorf("%s: %w", space, ErrReserved)
	}
	return nil
}

func (tx *Tx) get(space, key string) ([]byte, error) {
	b := tx.b.Bucket([]byte(space))
	if b == nil {
		return nil, nil
	}
	stored := b.Get([]byte(key))
	if stored == nil {
		return nil, nil
	}
	value, err := unseal(space, key, stored)
	if err != nil {
		return nil, err
	}
	return append([]byte{}, value...), nil
}

func (tx *Tx) put(space, key string, value []byte) error {
	if err := tx.writing(space); err != nil {
		return err
	}
	b, err := tx.b.CreateBucketIfNotExists([]byte(space))
	if err != nil {
		return fmt.Errorf("%s: %w", space, err)
	}
	if err := b.Put([]byte(key), seal(space, key, value)); err != nil {
		return fmt.Errorf("%s %q: %w", space, key, err)
	}
	return nil
}

func (tx *Tx) remove(space, key string) error {
	if err := tx.writing(space); err != nil {
		return err
	}
	b := tx.b.Bucket([]byte(space))
	if b == nil {
		return nil
	}
	if err := b.Delete([]byte(key)); err != nil {
		return fmt.Errorf("%s %q: %w", space, key, err)
	}
	return nil
}

func (tx *Tx) each(space, prefix string, fn func(key string, value []byte) error) error {
	b := tx.b.Bucket([]byte(space))
	if b == nil {
		return nil
	}
	var damaged []error
	c := b.Cursor()
	k, stored := c.Seek([]byte(prefix))
	for k != nil && bytes.HasPrefix(k, []byte(prefix)) {
		key := string(k)
		if value, err := unseal(space, key, stored); err != nil {
			damaged = append(damaged, err)
		} else if err := fn(key, append([]byte{}, value...)); err != nil {
			return err
		}
		if k, stored = c.Seek([]byte(key)); string(k) == key { // fn may have moved what the cursor stood on
			k, stored = c.Next()
		}
	}
	return errors.Join(damaged...)
}

// writing counts a change; the committer rolls back only what changed something.
func (tx *Tx) writing(place string) error {
	if !tx.b.Writable() {
		return fmt.Errorf("%s: %w", place, ErrReadOnly)
	}
	tx.writes++
	return nil
}

func (tx *Tx) number(key string) (uint64, error) {
	v, err := tx.get(spaceMeta, key)
	if err != nil || v == nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("%s %q: %w", spaceMeta, key, ErrDamaged)
	}
	return binary.BigEndian.Uint64(v), nil
}

func (tx *Tx) putNumber(key string, n uint64) error {
	return tx.put(spaceMeta, key, binary.BigEndian.AppendUint64(nil, n))
}
