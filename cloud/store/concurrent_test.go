package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

// Two replicas lock the same rows in opposite order of naming and read them after the lock: no count is lost.
func TestLockedRowsAreReadAfterTheirLock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		a, b := migrated(t, open), open()
		if err := add(t, a, "other", 0); err != nil {
			t.Fatal(err)
		}
		const rounds = 40
		bump := func(db *store.DB, names ...string) error {
			return db.Write(t.Context(), func(tx *store.Tx) error {
				got, err := tx.LockRows(t.Context(), "things", "id", append(names, "missing")...)
				if err != nil || !slices.Equal(got, []string{"other", "seed"}) {
					return errors.Join(err, errors.New("locked the wrong rows"))
				}
				for _, id := range got {
					var size int64
					if err := tx.QueryRow(t.Context(), "SELECT size FROM things WHERE id = $1", id).Scan(&size); err != nil {
						return err
					}
					if _, err := tx.Exec(t.Context(), "UPDATE things SET size = $1 WHERE id = $2", size+1, id); err != nil {
						return err
					}
				}
				return nil
			})
		}
		var wg sync.WaitGroup
		for range rounds {
			wg.Go(func() {
				if err := bump(a, "seed", "other"); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := bump(b, "other", "seed"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var total int64
		err := a.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT SUM(size) FROM things").Scan(&total)
		})
		if want := int64(7 + 4*rounds); err != nil || total != want {
			t.Errorf("sum %d, %v; want %d", total, err, want)
		}
	})
}

// On PostgreSQL a later id can commit first; a reader that went past it would never see the earlier one.
func TestSettledNeverSkips(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := migrated(t, open), t.Context()
		write := func(during func()) error {
			return db.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO log (thing) VALUES ('seed')")
				during()
				return err
			})
		}
		count := func() (n int) {
			err := db.Read(ctx, func(tx *store.Tx) error {
				return tx.QueryRow(ctx, "SELECT COUNT(*) FROM log WHERE "+tx.Settled("xid")).Scan(&n)
			})
			if err != nil {
				t.Error(err)
			}
			return n
		}
		inside, let := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := write(func() { close(inside); <-let }); err != nil {
				t.Error(err)
			}
		})
		<-inside
		var second sync.WaitGroup
		started := make(chan struct{})
		second.Go(func() {
			close(started)
			if err := write(func() {}); err != nil {
				t.Error(err)
			}
		})
		<-started
		if t.Name() == "TestSettledNeverSkips/postgres" {
			second.Wait() // the later id is committed, the earlier one is not
		}
		if n := count(); n != 0 {
			t.Errorf("%d rows are settled while an earlier one may still come", n)
		}
		close(let)
		wg.Wait()
		second.Wait()
		if n := count(); n != 2 {
			t.Errorf("%d rows are settled in the end; want 2", n)
		}
	})
}

// Each of two transactions holds what the other asks for next: PostgreSQL ends one of them, which runs again.
func TestDeadlockIsRunAgain(t *testing.T) {
	db := migrated(t, func() *store.DB { return storetest.Open(t, storetest.Postgres(t)) })
	if err := add(t, db, "other", 0); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	var both sync.WaitGroup
	both.Add(2)
	touch := func(first, second string) error {
		met := sync.OnceFunc(func() { both.Done(); both.Wait() })
		return db.Write(t.Context(), func(tx *store.Tx) error {
			runs.Add(1)
			const bump = "UPDATE things SET size = size + 1 WHERE id = $1"
			if _, err := tx.Exec(t.Context(), bump, first); err != nil {
				return err
			}
			met()
			_, err := tx.Exec(t.Context(), bump, second)
			return err
		})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := touch("seed", "other"); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := touch("other", "seed"); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if n := runs.Load(); n < 3 {
		t.Errorf("%d runs: there was no deadlock", n)
	}
}

func TestCancelledWaitSaysSo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, other := migrated(t, open), open()
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.LockRows(t.Context(), "things", "id", "seed"); err != nil {
				return err
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			errStop := errors.New("stop")
			blocked := make(chan error, 1)
			go func() {
				blocked <- other.Write(ctx, func(tx *store.Tx) error {
					_, err := tx.Exec(ctx, "UPDATE things SET size = 0 WHERE id = 'seed'")
					return err
				})
			}()
			cancel(errStop)
			if err := <-blocked; !errors.Is(err, errStop) {
				t.Errorf("a cancelled Write = %v; want its cause", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
