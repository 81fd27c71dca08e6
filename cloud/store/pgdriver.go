package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The driver below puts pgx under database/sql and nothing more: arguments go through database/sql's own conversion, so
// that both engines are handed the same few types.

// endLimit bounds what has no context of its own: the end of a transaction and of a connection.
const endLimit = 30 * time.Second

// idleCheck is how long a connection may rest before it is tried again ahead of use.
const idleCheck = time.Second

// pgConnector makes connections to one PostgreSQL.
type pgConnector struct{ config *pgx.ConnConfig }

func (c pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, c.config)
	if err != nil {
		return nil, err
	}
	return &pgConn{inner: conn, used: time.Now()}, nil
}

func (c pgConnector) Driver() driver.Driver { return c }

func (c pgConnector) Open(string) (driver.Conn, error) { return c.Connect(context.Background()) }

// pgConn is one connection.
type pgConn struct {
	inner *pgx.Conn
	used  time.Time // last time it was handed out
}

var (
	_ driver.ExecerContext   = (*pgConn)(nil)
	_ driver.QueryerContext  = (*pgConn)(nil)
	_ driver.ConnBeginTx     = (*pgConn)(nil)
	_ driver.Pinger          = (*pgConn)(nil)
	_ driver.SessionResetter = (*pgConn)(nil)
	_ driver.Validator       = (*pgConn)(nil)
)

func (c *pgConn) Prepare(query string) (driver.Stmt, error) {
	return pgStmt{conn: c, query: query}, nil
}

func (c *pgConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *pgConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var options pgx.TxOptions
	switch sql.IsolationLevel(o.Isolation) {
	case sql.LevelDefault, sql.LevelReadCommitted:
		options.IsoLevel = pgx.ReadCommitted
	case sql.LevelRepeatableRead:
		options.IsoLevel = pgx.RepeatableRead
	case sql.LevelSerializable:
		options.IsoLevel = pgx.Serializable
	default:
		return nil, fmt.Errorf("isolation %s is not used here", sql.IsolationLevel(o.Isolation))
	}
	if o.ReadOnly {
		options.AccessMode = pgx.ReadOnly
	}
	tx, err := c.inner.BeginTx(ctx, options)
	if err != nil {
		return nil, unsent(err)
	}
	return pgTx{inner: tx}, nil
}

func (c *pgConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	tag, err := c.inner.Exec(ctx, query, plain(args)...)
	if err != nil {
		return nil, unsent(err)
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

func (c *pgConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.inner.Query(ctx, query, plain(args)...)
	if err != nil {
		return nil, unsent(err)
	}
	// The columns are known only after the first row was asked for.
	first := rows.Next()
	if err := rows.Err(); err != nil {
		rows.Close()
		return nil, unsent(err)
	}
	return &pgRows{inner: rows, ahead: true, first: first}, nil
}

func (c *pgConn) Ping(ctx context.Context) error {
	if err := c.inner.Ping(ctx); err != nil {
		return errors.Join(driver.ErrBadConn, err)
	}
	return nil
}

// ResetSession refuses a connection that broke while it rested, or whose transaction never ended.
func (c *pgConn) ResetSession(ctx context.Context) error {
	const idle = 'I' // transaction status of the protocol
	if c.inner.IsClosed() || c.inner.PgConn().TxStatus() != idle {
		return driver.ErrBadConn
	}
	if now := time.Now(); now.Sub(c.used) > idleCheck {
		if err := c.inner.Ping(ctx); err != nil {
			return driver.ErrBadConn
		}
		c.used = now
	}
	return nil
}

func (c *pgConn) IsValid() bool { return !c.inner.IsClosed() }

func (c *pgConn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	return c.inner.Close(ctx)
}

// unsent lets database/sql take another connection when the statement never left this one.
func unsent(err error) error {
	if pgconn.SafeToRetry(err) {
		return driver.ErrBadConn
	}
	return err
}

func plain(args []driver.NamedValue) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a.Value
	}
	return out
}

type pgTx struct{ inner pgx.Tx }

func (t pgTx) Commit() error   { return t.end(t.inner.Commit) }
func (t pgTx) Rollback() error { return t.end(t.inner.Rollback) }

func (pgTx) end(how func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), endLimit, errors.New("no end of the transaction in 30s"))
	defer cancel()
	return how(ctx)
}

// pgStmt is a statement for those who insist on one; pgx itself keeps what it has prepared.
type pgStmt struct {
	conn  *pgConn
	query string
}

func (s pgStmt) Close() error  { return nil }
func (s pgStmt) NumInput() int { return -1 }

func (s pgStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s pgStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (s pgStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s pgStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

// pgRows hands out rows in database/sql's few types.
type pgRows struct {
	inner pgx.Rows
	ahead bool // the first row was asked for already
	first bool // and was there
}

func (r *pgRows) Columns() []string {
	fields := r.inner.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

func (r *pgRows) Close() error {
	r.inner.Close()
	return r.inner.Err()
}

func (r *pgRows) Next(dest []driver.Value) error {
	more := r.first
	if !r.ahead {
		more = r.inner.Next()
	}
	r.ahead = false
	if !more {
		if err := r.inner.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	values, err := r.inner.Values()
	if err != nil {
		return err
	}
	for i, v := range values {
		if dest[i], err = driverValue(v); err != nil {
			return fmt.Errorf("column %s: %w", r.inner.FieldDescriptions()[i].Name, err)
		}
	}
	return nil
}

// driverValue turns what pgx decoded into one of database/sql's types.
func driverValue(v any) (driver.Value, error) {
	switch v := v.(type) {
	case driver.Valuer: // numeric, for one, which SUM gives
		return v.Value()
	case float32:
		return float64(v), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}
