package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresEngine is PostgreSQL by way of pgx.
type postgresEngine struct{}

// SQLSTATEs (PostgreSQL manual, appendix A).
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	uniqueViolation      = "23505"
	exclusionViolation   = "23P01"
)

func openPostgres(ctx context.Context, dsn string) (*DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err // pgx leaves the password out
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "lobby-cloud"
	}
	// What a server's file says otherwise would give away what was answered for (invariant 3); the name may ask for more.
	if config.RuntimeParams["synchronous_commit"] == "" {
		config.RuntimeParams["synchronous_commit"] = "on"
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(postgresOpen)
	pool.SetMaxIdleConns(postgresOpen)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &DB{engine: postgresEngine{}, writer: pool, reader: pool}, nil
}

func (postgresEngine) bind(query string) string { return query }

func (postgresEngine) again(err error) bool {
	return state(err) == serializationFailure || state(err) == deadlockDetected
}

func (postgresEngine) unique(err error) bool { return state(err) == uniqueViolation }

// One snapshot for the whole of a Read, as SQLite has it.
func (postgresEngine) reading() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

func (postgresEngine) forUpdate() string { return " FOR UPDATE" }

func (postgresEngine) settled(column string) string {
	return column + " < pg_snapshot_xmin(pg_current_snapshot())"
}

func (postgresEngine) overlaps(err error) bool { return state(err) == exclusionViolation }

func (postgresEngine) clock() string {
	return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
}

// Which cluster, which of its timelines (a promotion or a recovery to a point in time begins one), and which start.
func (postgresEngine) timeline() string {
	return "((SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)" +
		" || '/' || CAST(EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000 AS BIGINT))"
}

func state(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}
