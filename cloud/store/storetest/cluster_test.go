package storetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

func TestMain(m *testing.M) { Main(m) }

func TestMissingPostgresNamesTheRemedy(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := binaries(filepath.Join(t.TempDir(), "*", "initdb"))
	if err == nil || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("%v; want the remedy", err)
	}
}

func TestClusterEndsWithoutATrace(t *testing.T) {
	c, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.create(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	// A client that stays does not hold up the end.
	db, err := store.Open(t.Context(), c.dsn("a"))
	if err != nil {
		t.Error(err)
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if db != nil {
		_ = db.Close() // its server is gone
	}
	if _, err := os.Stat(c.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder stays: %v", err)
	}
}

func TestEachGivesEmptyDatabases(t *testing.T) {
	for range 2 {
		Each(t, func(t *testing.T, open func() *store.DB) {
			a, b := open(), open()
			err := a.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), "CREATE TABLE mine (id BIGINT)")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			err = b.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), "INSERT INTO mine VALUES (1)")
				return err
			})
			if err != nil {
				t.Errorf("open gave another database: %v", err)
			}
		})
	}
}
