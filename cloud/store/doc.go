// Package store holds the cloud's SQL behind one handle: SQLite for a district on one small machine, PostgreSQL for a city.
//
// One set of SQL serves both engines: the subset that both share, with $1 placeholders. Instants are BIGINT microseconds
// UTC, bytes are {{blob}} columns. What truly differs between the engines is a named method or a named placeholder of a
// migration. A failed statement outside a savepoint undoes its transaction on both engines; rows must be read to their end
// or closed before the next statement of a transaction, because PostgreSQL has one line for both.
//
// It knows no table: each module brings its own migrations and queries.
package store
