package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Tx is one transaction. It belongs to the function that Write or Read calls, and to one goroutine.
type Tx struct {
	inner  *sql.Tx
	engine engine
	depth  int   // of savepoints
	failed error // first failed statement not undone by a savepoint
}

// Exec runs a statement and tells what it did. Without arguments it may hold several statements.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r, err := tx.inner.ExecContext(ctx, tx.engine.bind(query), args...)
	return r, tx.note(err)
}

// Query runs a query. The rows must be closed, or read to their end, before the transaction's next statement.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := tx.inner.QueryContext(ctx, tx.engine.bind(query), args...)
	return rows, tx.note(err)
}

// QueryRow runs a query of at most one row, read by Scan, which returns sql.ErrNoRows when there is none.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) Row {
	return Row{inner: tx.inner.QueryRowContext(ctx, tx.engine.bind(query), args...), tx: tx}
}

// Row is the result of QueryRow.
type Row struct {
	inner *sql.Row
	tx    *Tx
}

// Scan copies the row's columns.
func (r Row) Scan(dest ...any) error {
	err := r.inner.Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return r.tx.note(err)
}

// note remembers the first failure, so that SQLite ends the transaction as PostgreSQL does.
func (tx *Tx) note(err error) error {
	if err != nil && tx.failed == nil {
		tx.failed = err
	}
	return err
}

// Savepoint runs fn, whose error undoes what fn did and nothing else; the error is returned. Savepoints nest.
func (tx *Tx) Savepoint(ctx context.Context, fn func() error) error {
	before := tx.failed
	tx.depth++
	defer func() { tx.depth-- }()
	name := "lobby_" + strconv.Itoa(tx.depth)
	if _, err := tx.Exec(ctx, "SAVEPOINT "+name); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	err := fn()
	if err == nil && tx.failed != before {
		err = fmt.Errorf("%w: %w", errAborted, tx.failed)
	}
	if err == nil {
		_, err = tx.Exec(ctx, "RELEASE SAVEPOINT "+name)
		return err
	}
	if _, undo := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT "+name); undo != nil {
		return errors.Join(err, fmt.Errorf("undo: %w", undo))
	}
	if _, undo := tx.Exec(ctx, "RELEASE SAVEPOINT "+name); undo != nil {
		return errors.Join(err, fmt.Errorf("undo: %w", undo))
	}
	tx.failed = before
	return err
}

// LockRows locks the rows of table whose text column is one of ids, in the column's order, until the transaction ends,
// and returns the ids that exist, in that order. Whatever is read of these rows afterwards is what the last holder of
// the lock left. SQLite's one writer holds every row already. table and column are the caller's own words.
func (tx *Tx) LockRows(ctx context.Context, table, column string, ids ...string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var q strings.Builder
	fmt.Fprintf(&q, "SELECT %s FROM %s WHERE %s IN (", column, table, column)
	args := make([]any, len(ids))
	for i, id := range ids {
		if i > 0 {
			q.WriteByte(',')
		}
		fmt.Fprintf(&q, "$%d", i+1)
		args[i] = id
	}
	fmt.Fprintf(&q, ") ORDER BY %s", column)
	rows, err := tx.QueryForUpdate(ctx, q.String(), args...)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", table, err)
	}
	return Texts(rows)
}

// QueryForUpdate runs a query of one table and locks the rows that it finds (FOR UPDATE on PostgreSQL).
func (tx *Tx) QueryForUpdate(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return tx.Query(ctx, query+tx.engine.forUpdate(), args...)
}

// Settled is a condition for readers of a log with a {{xid}} column: it holds for rows below the oldest transaction that
// still runs, so that no row can appear before one that was read. Ids alone do not say that on PostgreSQL, where they
// commit out of order.
func (tx *Tx) Settled(column string) string { return tx.engine.settled(column) }

// Clock is an expression for the database's own time, in microseconds: the one clock that all replicas share. It is read
// when a row is judged, after any wait for its lock.
func (tx *Tx) Clock() string { return tx.engine.clock() }

// Timeline is an expression for a text that names this life of the database. It is another one after the server has been
// restarted or promoted, and after the database was restored into another server; on SQLite, each time the file is opened.
func (tx *Tx) Timeline() string { return tx.engine.timeline() }

// Collect reads rows to their end, each by scan, and closes them.
func Collect[T any](rows *sql.Rows, scan func(*sql.Rows) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// Texts is Collect of one text column.
func Texts(rows *sql.Rows) ([]string, error) {
	return Collect(rows, func(r *sql.Rows) (s string, err error) { return s, r.Scan(&s) })
}
