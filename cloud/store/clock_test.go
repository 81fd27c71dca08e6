package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

// life reads the database's clock and its timeline, by Write and by Read.
func life(t *testing.T, db *store.DB) (micros int64, timeline string) {
	t.Helper()
	for _, run := range []func(context.Context, func(*store.Tx) error) error{db.Write, db.Read} {
		var got string
		err := run(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT "+tx.Clock()+", "+tx.Timeline()).Scan(&micros, &got)
		})
		if err != nil || got == "" || timeline != "" && got != timeline {
			t.Fatalf("timeline %q, then %q, %v", timeline, got, err)
		}
		timeline = got
	}
	return micros, timeline
}

func TestClockIsTheDatabasesOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		before := time.Now().Add(-2 * time.Millisecond) // SQLite counts milliseconds
		micros, _ := life(t, open())
		if got := time.UnixMicro(micros); got.Before(before) || got.After(time.Now().Add(time.Millisecond)) {
			t.Errorf("clock %v; want now, on this machine", got)
		}
	})
}

// Replicas of one server share its life; a file is opened by one process, and restored by opening it anew.
func TestTimelineIsOneLifeOfTheDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		_, a := life(t, open())
		_, b := life(t, open())
		if server := strings.HasSuffix(t.Name(), "/postgres"); (a == b) != server {
			t.Errorf("opened twice: %q and %q", a, b)
		}
	})
}

// A role that is no superuser can read them: cloud databases give no other.
func TestTimelineNeedsNoSuperuser(t *testing.T) {
	dsn := storetest.Postgres(t)
	root := storetest.Open(t, dsn)
	err := root.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "CREATE ROLE plain_one LOGIN")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	life(t, storetest.Open(t, strings.Replace(dsn, "user=lobby", "user=plain_one", 1)))
}

func TestLinesForPostgresAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := open(), t.Context()
		if err := db.Migrate(ctx, "spans", spans); err != nil {
			t.Fatal(err)
		}
		put := func(from, to int) (overlaps bool, err error) {
			err = db.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO spans (from_at, to_at) VALUES ($1, $2)", from, to)
				overlaps = tx.Overlaps(err)
				return err
			})
			return overlaps, err
		}
		if _, err := put(1, 3); err != nil {
			t.Fatal(err)
		}
		overlaps, err := put(2, 4)
		if server := strings.HasSuffix(t.Name(), "/postgres"); overlaps != server || (err != nil) != server {
			t.Errorf("an overlapping row = %v, Overlaps %t", err, overlaps)
		}
		if overlaps, err := put(3, 4); err != nil || overlaps {
			t.Errorf("a row that follows = %v", err)
		}
	})
}
