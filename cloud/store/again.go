package store

// Again tells whether Write would run its function again after err: a deadlock, say. Who handles an error inside a
// savepoint must let such a one pass.
func (tx *Tx) Again(err error) bool { return err != nil && tx.engine.again(err) }

// Overlaps tells whether err is a violated exclusion constraint, which PostgreSQL alone has: on SQLite the one writer looks
// before it writes.
func (tx *Tx) Overlaps(err error) bool { return err != nil && tx.engine.overlaps(err) }
