package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var first = fstest.MapFS{"migrations/00001_things.sql": {Data: []byte(`-- +goose Up
CREATE TABLE things (id TEXT PRIMARY KEY, size BIGINT NOT NULL, body {{blob}}, low BOOLEAN NOT NULL DEFAULT FALSE);
CREATE TABLE log (pos {{identity}}, xid {{xid}}, thing TEXT NOT NULL REFERENCES things (id));
INSERT INTO things (id, size) VALUES ('seed', 7);
`)}}

var spans = fstest.MapFS{"00001_spans.sql": {Data: []byte(`-- +goose Up
CREATE TABLE spans (from_at BIGINT NOT NULL, to_at BIGINT NOT NULL);
{{postgres}} ALTER TABLE spans ADD EXCLUDE USING gist (int8range(from_at, to_at) WITH &&);
`)}}

func migrated(t *testing.T, open func() *store.DB) *store.DB {
	t.Helper()
	db := open()
	if err := db.Migrate(t.Context(), "things", first); err != nil {
		t.Fatal(err)
	}
	return db
}

func add(t *testing.T, db *store.DB, id string, size int64) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO things (id, size) VALUES ($1, $2)", id, size)
		return err
	})
}

func ids(t *testing.T, db *store.DB) string {
	t.Helper()
	var all []string
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT id FROM things ORDER BY id")
		if err != nil {
			return err
		}
		all, err = store.Texts(rows)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestPlaceholdersKeepTheirNumbers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := migrated(t, open)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			var id, literal string
			var size int64
			// $2 appears before $1: an engine that counts by appearance swaps them.
			row := tx.QueryRow(t.Context(), `SELECT id, size, '$1 ''$2' /* $9 */ -- $9
				FROM things WHERE id = $2 AND size = $1`, int64(7), "seed")
			if err := row.Scan(&id, &size, &literal); err != nil {
				return err
			}
			if id != "seed" || size != 7 || literal != "$1 '$2" {
				t.Errorf("got %q %d %q; want seed 7 and the literal untouched", id, size, literal)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestTypesComeBackAsTheyWent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := migrated(t, open), t.Context()
		body := []byte{0, 0xff, '$', '\'', 0x80}
		err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO things (id, size, body, low) VALUES ($1, $2, $3, $4)", "戶", int64(-1<<63), body, true)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(ctx, func(tx *store.Tx) error {
			var size, total, n int64
			var got, none []byte
			var low bool
			row := tx.QueryRow(ctx, "SELECT size, body, low FROM things WHERE id = $1 AND low", "戶")
			if err := row.Scan(&size, &got, &low); err != nil {
				return err
			}
			if size != -1<<63 || string(got) != string(body) || !low {
				t.Errorf("got %d % x %t", size, got, low)
			}
			row = tx.QueryRow(ctx, "SELECT SUM(size), COUNT(*), body FROM things WHERE id = $1 GROUP BY body", "seed")
			if err := row.Scan(&total, &n, &none); err != nil {
				return err
			}
			if total != 7 || n != 1 || none != nil {
				t.Errorf("sum %d, count %d, body % x; want 7, 1 and none", total, n, none)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestWriteUndoesWhatFails(t *testing.T) {
	errNo := errors.New("no")
	tests := map[string]struct {
		fn   func(ctx context.Context, tx *store.Tx) error
		want error // nil: any error will do
	}{
		"error of fn": {func(ctx context.Context, tx *store.Tx) error { return errNo }, errNo},
		"failed statement, said": {func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO things (id, size) VALUES ('seed', 1)")
			return err
		}, nil},
		"failed statement, not said": {func(ctx context.Context, tx *store.Tx) error {
			tx.Exec(ctx, "INSERT INTO things (id, size) VALUES ('seed', 1)")
			return nil
		}, nil},
		"failed row, not said": {func(ctx context.Context, tx *store.Tx) error {
			var id string
			tx.QueryRow(ctx, "INSERT INTO things (id, size) VALUES ('seed', 1) RETURNING id").Scan(&id)
			return nil
		}, nil},
		"foreign key": {func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO log (thing) VALUES ('nothing')")
			return err
		}, nil},
	}
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := migrated(t, open)
		for name, tt := range tests {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Exec(t.Context(), "INSERT INTO things (id, size) VALUES ('lost', 1)"); err != nil {
					return err
				}
				return tt.fn(t.Context(), tx)
			})
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: %v; want an error", name, err)
			}
			if got := ids(t, db); got != "seed" {
				t.Errorf("%s: things are %q; want seed alone", name, got)
			}
		}
	})
}

func TestPanicUndoesAndFreesTheWriter(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := migrated(t, open)
		func() {
			defer func() { recover() }()
			db.Write(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Exec(t.Context(), "INSERT INTO things (id, size) VALUES ('lost', 1)"); err != nil {
					return err
				}
				panic("a mistake")
			})
		}()
		if err := add(t, db, "kept", 1); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, db); got != "kept seed" {
			t.Errorf("things are %q; want kept seed", got)
		}
	})
}

func TestSavepointUndoesItselfAlone(t *testing.T) {
	errNo := errors.New("no")
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := migrated(t, open), t.Context()
		err := db.Write(ctx, func(tx *store.Tx) error {
			insert := func(id string) error {
				_, err := tx.Exec(ctx, "INSERT INTO things (id, size) VALUES ($1, 1)", id)
				return err
			}
			if err := insert("a"); err != nil {
				return err
			}
			if err := tx.Savepoint(ctx, func() error { insert("b"); return errNo }); !errors.Is(err, errNo) {
				t.Errorf("savepoint: %v; want fn's error", err)
			}
			err := tx.Savepoint(ctx, func() error { return insert("a") })
			if !db.Unique(err) {
				t.Errorf("savepoint: %v; want a violated key", err)
			}
			if err := tx.Savepoint(ctx, func() error { insert("a"); return nil }); err == nil {
				t.Error("savepoint with a failed statement ended well")
			}
			return tx.Savepoint(ctx, func() error {
				if err := tx.Savepoint(ctx, func() error { insert("inner"); return errNo }); err == nil {
					t.Error("inner savepoint ended well")
				}
				return insert("outer")
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(t, db); got != "a outer seed" {
			t.Errorf("things are %q; want a outer seed", got)
		}
	})
}

func TestReadIsOneSnapshotAndWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := migrated(t, open), t.Context()
		err := db.Read(ctx, func(tx *store.Tx) error {
			count := func() (n int) {
				if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM things").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			before := count()
			if err := add(t, db, "meanwhile", 1); err != nil {
				return err
			}
			if after := count(); after != before {
				t.Errorf("%d things, then %d in the same Read", before, after)
			}
			if _, err := tx.Exec(ctx, "DELETE FROM things"); err == nil {
				t.Error("a Read deleted")
			}
			return errors.New("end")
		})
		if err == nil || ids(t, db) != "meanwhile seed" {
			t.Errorf("things are %q", ids(t, db))
		}
	})
}

func TestNoRowsIsNoFailure(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := migrated(t, open), t.Context()
		err := db.Write(ctx, func(tx *store.Tx) error {
			var id string
			if err := tx.QueryRow(ctx, "SELECT id FROM things WHERE id = $1", "none").Scan(&id); !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("Scan = %v; want sql.ErrNoRows", err)
			}
			_, err := tx.Exec(ctx, "UPDATE things SET size = size + 1")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestMigrations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, ctx := migrated(t, open), t.Context()
		if err := db.Migrate(ctx, "things", first); err != nil {
			t.Errorf("again: %v", err)
		}
		other := fstest.MapFS{"00001_more.sql": {Data: []byte("-- +goose Up\nCREATE TABLE more (pos {{identity}});\n")}}
		if err := open().Migrate(ctx, "more", other); err != nil {
			t.Errorf("another module with the same number: %v", err)
		}
		bad := fstest.MapFS{"00001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE half (id TEXT);\nCREATE TABLE half (id TEXT);\n")}}
		if err := db.Migrate(ctx, "half", bad); err == nil {
			t.Error("a failing migration ended well")
		}
		good := fstest.MapFS{"00001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE half (id TEXT);\n")}}
		if err := db.Migrate(ctx, "half", good); err != nil {
			t.Errorf("a failed migration left something: %v", err)
		}
		word := fstest.MapFS{"00001_x.sql": {Data: []byte("-- +goose Up\nCREATE TABLE x (id {{serial}});\n")}}
		if err := db.Migrate(ctx, "word", word); !errors.Is(err, store.ErrMigration) || !strings.Contains(err.Error(), "00001_x.sql:2") {
			t.Errorf("unknown word: %v; want its place", err)
		}
		if err := db.Migrate(ctx, "no-name", first); !errors.Is(err, store.ErrMigration) {
			t.Errorf("bad name: %v", err)
		}
	})
}

func TestPathIsTakenAsItStands(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a#b.db", "a%23b.db", "a b.db", "a&b=c.db", "戶.db"} {
		if err := storetest.Open(t, "file:"+filepath.Join(dir, name)).Migrate(t.Context(), "things", first); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefusesAnotherKind(t *testing.T) {
	for _, dsn := range []string{"", "lobby.db", "mysql://user:hidden@host", "file:x?mode=rw"} {
		db, err := store.Open(t.Context(), dsn)
		if err == nil {
			db.Close()
			t.Fatalf("Open(%q) = nil", dsn)
		}
		if !errors.Is(err, store.ErrDSN) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("Open(%q) = %v; want ErrDSN without the password", dsn, err)
		}
	}
}

// invariant 3: a commit is on disk before anybody is told of it.
func TestCommitsAreDurable(t *testing.T) {
	want := map[string]map[string]string{
		"sqlite":   {"PRAGMA synchronous": "2", "PRAGMA journal_mode": "wal", "PRAGMA foreign_keys": "1"},
		"postgres": {"SHOW synchronous_commit": "on"}, // off in the file of the test's cluster
	}
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		_, engine, _ := strings.Cut(t.Name(), "/")
		err := open().Write(t.Context(), func(tx *store.Tx) error {
			for ask, want := range want[engine] {
				var got string
				if err := tx.QueryRow(t.Context(), ask).Scan(&got); err != nil || got != want {
					t.Errorf("%s = %s, %v; want %s", ask, got, err, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
