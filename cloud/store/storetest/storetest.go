// Package storetest runs a test on both engines of the cloud's store: SQLite in a folder of the test, and PostgreSQL in a
// cluster of the test's process, started from Debian's packages and gone at the end.
package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// without is the variable that, set to 1, says that this machine may do without PostgreSQL.
const without = "LOBBY_NO_POSTGRES"

// shared is the cluster of this process: starting one takes a second, so the tests of a package use one together.
var shared struct {
	sync.Mutex
	cluster *cluster
	err     error
	count   int // of databases
}

// Main is the TestMain of a package whose tests use PostgreSQL: it runs them, stops the cluster, and fails on leaked
// goroutines.
func Main(m *testing.M) {
	code := m.Run()
	if c := shared.cluster; c != nil {
		if err := c.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "postgres:", err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// Each runs fn once for each engine. open opens the test's database, the same one each time, and closes it at the test's
// end.
func Each(t *testing.T, fn func(t *testing.T, open func() *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, opener(t, SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { fn(t, opener(t, Postgres(t))) })
}

// SQLite names a new database file of the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return "file:" + filepath.Join(t.TempDir(), "lobby.db")
}

// Postgres names a new, empty database in this process's cluster. The test fails when PostgreSQL is not installed, unless
// LOBBY_NO_POSTGRES=1 allows it to be skipped.
func Postgres(t testing.TB) string {
	t.Helper()
	if os.Getenv(without) == "1" {
		t.Skip("PostgreSQL left out: " + without + "=1")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start()
	}
	if shared.err != nil {
		t.Fatalf("postgres: %v", shared.err)
	}
	shared.count++
	name := fmt.Sprintf("lobby_%d", shared.count)
	if err := shared.cluster.create(t.Context(), name); err != nil {
		t.Fatalf("postgres: %v", err)
	}
	return shared.cluster.dsn(name)
}

// Open opens the database that dsn names and closes it at the test's end.
func Open(t testing.TB, dsn string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}

func opener(t *testing.T, dsn string) func() *store.DB {
	return func() *store.DB { t.Helper(); return Open(t, dsn) }
}
