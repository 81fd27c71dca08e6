package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"
)

// Limits of the pools and of trying again.
const (
	maxTries     = 6                     // runs of one Write's function
	firstWait    = 10 * time.Millisecond // before the second run, doubling, with full jitter
	postgresOpen = 16                    // connections to PostgreSQL
)

// ErrDSN says that a data source name is neither file: nor postgres://.
var ErrDSN = errors.New("unknown kind of database")

// errAborted is what fn's transaction ends with if it went on after a failed statement.
var errAborted = errors.New("a statement failed outside a savepoint")

// DB is a database. It may be used by several goroutines at once.
type DB struct {
	engine engine
	writer *sql.DB
	reader *sql.DB // the same as writer on PostgreSQL
}

// engine is what differs between the two.
type engine interface {
	bind(query string) string
	again(err error) bool  // the transaction may be run again
	unique(err error) bool // a unique key was violated
	reading() *sql.TxOptions
	migrating() dialect
	forUpdate() string
	settled(column string) string
	clock() string
	timeline() string
	overlaps(err error) bool
}

// Open opens the database that dsn names: "file:/path/lobby.db" is SQLite, created when it is missing (the path is taken
// as it stands, without options); "postgres://user@host/name" is PostgreSQL. The first connection is tried before Open
// returns.
func Open(ctx context.Context, dsn string) (*DB, error) {
	var db *DB
	var err error
	switch {
	case strings.HasPrefix(dsn, "file:"):
		db, err = openSQLite(ctx, dsn)
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		db, err = openPostgres(ctx, dsn)
	default:
		// The name itself may hold a password, so only its form is said.
		return nil, fmt.Errorf("database: %w: use file:/path/lobby.db or postgres://user@host/name", ErrDSN)
	}
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return db, nil
}

// Close ends all connections. Transactions under way must have ended.
func (db *DB) Close() error {
	if db.reader == db.writer {
		return db.writer.Close()
	}
	return errors.Join(db.reader.Close(), db.writer.Close())
}

// Write runs fn in a transaction that may change things, and commits it; fn's error undoes it. On SQLite it is the one
// writer (BEGIN IMMEDIATE), on PostgreSQL READ COMMITTED. A deadlock or a busy database runs fn again, a few times at
// most: fn must have no effect outside its transaction. Write must not be called inside fn.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := db.run(ctx, db.writer, nil, fn)
		if err == nil || ctx.Err() != nil || !db.engine.again(err) {
			return err
		}
		if try == maxTries {
			return fmt.Errorf("after %d tries: %w", try, err)
		}
		select {
		case <-time.After(rand.N(wait)):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
		wait *= 2
	}
}

// Read runs fn on one snapshot that cannot be written to. It never waits for a writer.
func (db *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	return db.run(ctx, db.reader, db.engine.reading(), fn)
}

// Unique tells whether err is a violated unique or primary key.
func (db *DB) Unique(err error) bool { return err != nil && db.engine.unique(err) }

func (db *DB) run(ctx context.Context, pool *sql.DB, o *sql.TxOptions, fn func(*Tx) error) error {
	inner, err := pool.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("begin: %w", because(ctx, err))
	}
	// A second end of a transaction does nothing: this is for errors and panics of fn.
	defer inner.Rollback()
	tx := &Tx{inner: inner, engine: db.engine}
	if err := fn(tx); err != nil {
		return because(ctx, err)
	}
	if tx.failed != nil {
		return fmt.Errorf("%w: %w", errAborted, because(ctx, tx.failed))
	}
	if err := inner.Commit(); err != nil {
		return fmt.Errorf("commit: %w", because(ctx, err))
	}
	return nil
}

// because adds the reason to an error of a cancelled wait: SQLite calls that one busy or interrupted.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return errors.Join(cause, err)
	}
	return err
}

func readers() int { return max(4, runtime.NumCPU()) }
