package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// ErrMigration says that a module's migrations cannot be used as they are.
var ErrMigration = errors.New("bad migrations")

// dialect is what migrations need to know of an engine.
type dialect struct {
	goose  goose.Dialect
	words  map[string]string // what stands for a {{word}}
	locked bool              // several replicas may migrate at once
}

func (sqliteEngine) migrating() dialect {
	return dialect{goose: goose.DialectSQLite3, words: map[string]string{
		"blob":     "BLOB",
		"postgres": "--",
		"identity": "INTEGER PRIMARY KEY AUTOINCREMENT",
		"xid":      "BIGINT NOT NULL DEFAULT 0",
	}}
}

func (postgresEngine) migrating() dialect {
	return dialect{goose: goose.DialectPostgres, locked: true, words: map[string]string{
		"blob":     "BYTEA",
		"postgres": "",
		"identity": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		"xid":      "xid8 NOT NULL DEFAULT pg_current_xact_id()",
	}}
}

var moduleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// Migrate brings the tables of module up to its newest migration. The files NNNNN_name.sql (goose's form) stand at the
// root of migrations or in its folder "migrations"; they may use these words: {{blob}} (a bytes type), {{identity}} (type
// and primary key of a growing id), {{xid}} (a column for Tx.Settled), {{postgres}} (at the beginning of a line that is for
// PostgreSQL alone). Each module has a version table of its own. A failed migration leaves nothing behind; several
// replicas take turns.
func (db *DB) Migrate(ctx context.Context, module string, migrations fs.FS) error {
	if !moduleName.MatchString(module) {
		return fmt.Errorf("migrations of %q: not a module's name: %w", module, ErrMigration)
	}
	if sub, err := fs.Stat(migrations, "migrations"); err == nil && sub.IsDir() {
		if migrations, err = fs.Sub(migrations, "migrations"); err != nil {
			return fmt.Errorf("migrations of %s: %w", module, err)
		}
	}
	d := db.engine.migrating()
	options := []goose.ProviderOption{goose.WithTableName("migrations_" + module), goose.WithDisableGlobalRegistry(true)}
	if d.locked {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return fmt.Errorf("migrations of %s: %w", module, err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(d.goose, db.writer, worded{inner: migrations, words: d.words}, options...)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w: %w", module, ErrMigration, err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrations of %s: %w", module, err)
	}
	return nil
}

// worded is a file system whose .sql files have the engine's words in place of {{word}}.
type worded struct {
	inner fs.FS
	words map[string]string
}

func (w worded) Open(name string) (fs.File, error) {
	if path.Ext(name) != ".sql" {
		return w.inner.Open(name)
	}
	b, err := fs.ReadFile(w.inner, name)
	if err != nil {
		return nil, err
	}
	text := string(b)
	for word, is := range w.words {
		text = strings.ReplaceAll(text, "{{"+word+"}}", is)
	}
	if at := strings.Index(text, "{{"); at >= 0 {
		line := 1 + strings.Count(text[:at], "\n")
		return nil, fmt.Errorf("%s:%d: unknown word, use {{blob}}, {{identity}}, {{xid}} or {{postgres}}: %w", name, line, ErrMigration)
	}
	return &sqlFile{Reader: bytes.NewReader([]byte(text)), name: path.Base(name)}, nil
}

// sqlFile is one rewritten file, and its own description.
type sqlFile struct {
	*bytes.Reader
	name string
}

func (f *sqlFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *sqlFile) Close() error               { return nil }
func (f *sqlFile) Name() string               { return f.name }
func (f *sqlFile) Mode() fs.FileMode          { return 0o444 }
func (f *sqlFile) ModTime() time.Time         { return time.Time{} }
func (f *sqlFile) IsDir() bool                { return false }
func (f *sqlFile) Sys() any                   { return nil }
