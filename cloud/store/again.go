package store

// Again tells whether Write would run its function again after err: a deadlock, say. Who handles an error inside a
// savepoint must let such a one pass.
func (tx *Tx) Again(err error) bool { return err != nil && tx.engine.again(err) }
