package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
)

// sqliteEngine is SQLite in WAL mode: one connection writes, others read.
type sqliteEngine struct {
	life string // drawn when the file was opened
}

func openSQLite(ctx context.Context, dsn string) (*DB, error) {
	if strings.Contains(dsn, "?") {
		return nil, fmt.Errorf("file: takes no options: %w", ErrDSN)
	}
	// The path is meant as it stands; to SQLite it is part of a URI, where # would cut off its end.
	name := strings.NewReplacer("%", "%25", "#", "%23").Replace(dsn)
	// A full sync at each commit: a position that was sent must survive the power cut (invariant 3). Foreign keys
	// are off in SQLite unless asked for, and on in PostgreSQL.
	const pragmas = "_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
	writer, err := driver.Open(name + "?_txlock=immediate&" + pragmas + "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	writer.SetMaxIdleConns(1)
	// The writer comes first: it creates the file that readers may only read.
	if err := writer.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dsn, err), writer.Close())
	}
	reader, err := driver.Open(name + "?mode=ro&" + pragmas)
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader.SetMaxOpenConns(readers())
	reader.SetMaxIdleConns(readers())
	return &DB{engine: sqliteEngine{life: rand.Text()}, writer: writer, reader: reader}, nil
}

func (sqliteEngine) bind(query string) string { return numbered(query) }

func (sqliteEngine) again(err error) bool { return errors.Is(err, sqlite3.BUSY) }

func (sqliteEngine) unique(err error) bool {
	return errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) || errors.Is(err, sqlite3.CONSTRAINT_PRIMARYKEY)
}

func (sqliteEngine) reading() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

func (sqliteEngine) forUpdate() string { return "" }

// What a file was restored from is not to be seen in it; whoever restores it opens it anew.
func (e sqliteEngine) timeline() string { return "'" + e.life + "'" }

func (sqliteEngine) clock() string { return "CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)" }

func (sqliteEngine) overlaps(error) bool { return false }

// One writer commits in the order of its ids.
func (sqliteEngine) settled(string) string { return "1 = 1" }
