// Package once does what a request asks for once for its Idempotency-Key: to ask the same again gives the same answer and
// does nothing.
//
// The key, what was done and the answer are one transaction, so that no crash and no second replica can part them. What is
// refused leaves no key behind: it may be asked for again.
package once

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of a key.
var (
	ErrMissing = errors.New("no Idempotency-Key")
	ErrOther   = errors.New("this Idempotency-Key was used for another request")
	ErrRunning = errors.New("a request with this Idempotency-Key is under way")
)

const (
	keep   = 24 * time.Hour // how long a key is known
	maxKey = 255            // bytes
)

// Keys knows which keys were used.
type Keys struct {
	db *store.DB

	mu      sync.Mutex
	running map[[sha256.Size]byte]bool // in this process; another one waits for the row
}

// Request is what is asked for.
type Request struct {
	Who  string // the person's id: keys of two people are two keys
	Key  string
	What any // all that makes it another request when it differs; encoded as JSON
}

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error { return db.Migrate(ctx, "once", migrations) }

// New makes Keys over a database whose tables Migrate has made.
func New(db *store.DB) *Keys { return &Keys{db: db, running: map[[sha256.Size]byte]bool{}} }

// Do runs fn in a transaction and keeps its answer, or gives the answer that was kept. fn may be run again, as
// store.DB.Write says. Errors of the key: ErrMissing, ErrOther, ErrRunning.
func Do[T any](ctx context.Context, k *Keys, r Request, now time.Time, fn func(*store.Tx) (T, error)) (answer T, err error) {
	if r.Key == "" || len(r.Key) > maxKey {
		return answer, ErrMissing
	}
	what, err := json.Marshal(r.What)
	if err != nil {
		return answer, fmt.Errorf("once: %w", err)
	}
	key, request := sha256.Sum256([]byte(r.Who+"\x00"+r.Key)), sha256.Sum256(what)
	if !k.begin(key) {
		return answer, ErrRunning
	}
	defer k.end(key)
	err = k.db.Write(ctx, func(tx *store.Tx) error {
		kept, err := claim(ctx, tx, key, request, now)
		if err != nil {
			return err
		}
		if kept != "" {
			return json.Unmarshal([]byte(kept), &answer)
		}
		if answer, err = fn(tx); err != nil {
			return err
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE once SET answer = $1 WHERE hash = $2`, string(text), key[:])
		return err
	})
	return answer, err
}

// claim makes the key this transaction's own, or gives the answer that was kept for it. It waits for a transaction that
// has the key.
func claim(ctx context.Context, tx *store.Tx, key, request [sha256.Size]byte, now time.Time) (kept string, err error) {
	if _, err := tx.Exec(ctx, `DELETE FROM once WHERE made <= $1`, now.Add(-keep).UnixMicro()); err != nil {
		return "", fmt.Errorf("once: %w", err)
	}
	r, err := tx.Exec(ctx, `INSERT INTO once (hash, request, answer, made) VALUES ($1, $2, '', $3) ON CONFLICT DO NOTHING`, key[:], request[:], now.UnixMicro())
	if err != nil {
		return "", fmt.Errorf("once: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return "", err
	}
	var was []byte
	err = tx.QueryRow(ctx, `SELECT request, answer FROM once WHERE hash = $1`, key[:]).Scan(&was, &kept)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrRunning // it was given up this moment: the asker tries again
	}
	if err != nil {
		return "", fmt.Errorf("once: %w", err)
	}
	if [sha256.Size]byte(was) != request {
		return "", ErrOther
	}
	return kept, nil
}

func (k *Keys) begin(key [sha256.Size]byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running[key] {
		return false
	}
	k.running[key] = true
	return true
}

func (k *Keys) end(key [sha256.Size]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, key)
}
