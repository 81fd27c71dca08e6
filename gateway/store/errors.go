package store

import "errors"

// Errors of opening.
var (
	ErrInUse   = errors.New("in use by another process")
	ErrForeign = errors.New("file is not this gateway's")
)

// Errors of every call.
var (
	ErrBroken = errors.New("store is broken: a commit failed") // wraps the cause; only a new process may go on
	ErrClosed = errors.New("store is closed")

	errEnded = errors.New("an update ended the committer's goroutine")
)

// Errors inside a transaction. Each is wrapped with the place.
var (
	ErrDamaged     = errors.New("damaged: checksum does not match")
	ErrReadOnly    = errors.New("written in a view")
	ErrReserved    = errors.New("space belongs to the store")
	ErrNotHeld     = errors.New("not held")
	ErrNotSealed   = errors.New("segment is not sealed")
	ErrUndelivered = errors.New("undelivered audit is never dropped")
	ErrPartial     = errors.New("a segment is appended again whole or not at all")
	ErrEpoch       = errors.New("epoch does not grow")
)
