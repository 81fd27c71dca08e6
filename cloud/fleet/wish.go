package fleet

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// WishState says what became of a wish.
type WishState string

// The states of a wish.
const (
	WishAsked   WishState = "asked"   // in the state document: waiting for the building
	WishDone    WishState = "done"    // the gateway did it
	WishRefused WishState = "refused" // the gateway said why not
)

// ErrWishLiving says that another wish of this kind for this subject still waits for the building.
var ErrWishLiving = errors.New("another wish waits for the building")

// Wish is what the cloud wants of something that a gateway owns. It stands in the gateway's state document until the
// gateway's event with its id answers it.
type Wish struct {
	ID       string // given by Ask
	Gateway  string
	Kind     string // mint_code, reassign_parcel
	Subject  string
	Version  uint64 // of the subject, as the asker saw it; 0: any
	Data     json.RawMessage
	State    WishState
	Reason   string // of the refusal: the gateway's code
	Asked    wire.Micros
	Answered wire.Micros // 0: not yet
}

// Wish asks. One wish of a kind and subject lives at a time: to ask the same again returns the living one, to ask with
// other data or version is ErrWishLiving. It must run in Change, or be followed by Refresh, to reach the gateway.
func (f *Fleet) Wish(ctx context.Context, tx *store.Tx, w Wish, now time.Time) (Wish, error) {
	if w.Kind == "" || w.Subject == "" || len(w.Data) > 0 && !json.Valid(w.Data) {
		return Wish{}, fmt.Errorf("wish %s of %s: kind, subject and data in JSON: %w", w.Kind, w.Subject, ErrInput)
	}
	if _, err := f.Lock(ctx, tx, []string{w.Gateway}); err != nil {
		return Wish{}, err
	}
	if _, err := f.Gateway(ctx, tx, w.Gateway); err != nil {
		return Wish{}, err
	}
	living, err := wishes(ctx, tx, `gateway = $1 AND kind = $2 AND subject = $3 AND state = 'asked'`, w.Gateway, w.Kind, w.Subject)
	if err != nil {
		return Wish{}, err
	}
	if len(living) > 0 {
		if string(living[0].Data) != string(w.Data) || living[0].Version != w.Version {
			return living[0], fmt.Errorf("wish %s of %s: %w", w.Kind, w.Subject, ErrWishLiving)
		}
		return living[0], nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Wish{}, err
	}
	w.ID, w.State, w.Asked, w.Answered, w.Reason = id.String(), WishAsked, wire.At(now), 0, ""
	_, err = tx.Exec(ctx, `INSERT INTO wishes (id, gateway, kind, subject, version, data, state, reason, asked, answered)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, 0)`,
		w.ID, w.Gateway, w.Kind, w.Subject, int64(w.Version), string(w.Data), string(w.State), int64(w.Asked))
	if err != nil {
		return Wish{}, fmt.Errorf("wish %s of %s: %w", w.Kind, w.Subject, err)
	}
	return w, f.touch(ctx, tx, w.Gateway)
}

// WishByID finds a wish; ErrUnknown when there is none.
func (f *Fleet) WishByID(ctx context.Context, tx *store.Tx, id string) (Wish, error) {
	return one(wishes(ctx, tx, `id = $1`, id))
}

// NewestWish finds the newest wish of a kind for a subject; ErrUnknown when nobody asked.
func (f *Fleet) NewestWish(ctx context.Context, tx *store.Tx, gateway, kind, subject string) (Wish, error) {
	return one(wishes(ctx, tx, `gateway = $1 AND kind = $2 AND subject = $3`, gateway, kind, subject))
}

// WishAnswered takes in the gateway's answer to a wish. An answer to a wish that is not living changes nothing: it was
// answered before, or a restored database has not heard of it.
func (f *Fleet) WishAnswered(ctx context.Context, tx *store.Tx, gateway, id string, state WishState, reason string, now time.Time) error {
	r, err := tx.Exec(ctx, `UPDATE wishes SET state = $1, reason = $2, answered = $3 WHERE id = $4 AND gateway = $5 AND state = 'asked'`,
		string(state), reason, now.UnixMicro(), id, gateway)
	if err != nil {
		return fmt.Errorf("wish %s: %w", id, err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return f.touch(ctx, tx, gateway)
}

func one(all []Wish, err error) (Wish, error) {
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("wish: %w", ErrUnknown)
	}
	if err != nil {
		return Wish{}, err
	}
	return all[0], nil
}

// wishes reads the wishes that a condition holds for, newest first.
func wishes(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Wish, error) {
	rows, err := tx.Query(ctx, `SELECT id, gateway, kind, subject, version, data, state, reason, asked, answered
		FROM wishes WHERE `+where+` ORDER BY asked DESC, id DESC`, args...)
	if err != nil {
		return nil, fmt.Errorf("wishes: %w", err)
	}
	return store.Collect(rows, func(r *sql.Rows) (w Wish, err error) {
		var data string
		err = r.Scan(&w.ID, &w.Gateway, &w.Kind, &w.Subject, &w.Version, &data, &w.State, &w.Reason, &w.Asked, &w.Answered)
		if data != "" {
			w.Data = json.RawMessage(data)
		}
		return w, err
	})
}
