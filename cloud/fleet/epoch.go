package fleet

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Epoch is one registered epoch of a gateway.
type Epoch struct {
	Number     uint64
	Registered wire.Micros
	Previous   uint64
	Cause      string      // empty until its first event has come
	Nonce      wire.Hash   // likewise zero
	Muted      wire.Micros // since when it is taken for a clone's: logged, not projected, until an operator says which box is the true one; 0: never
	serial     string      // drawn at registration
}

// Register makes sure that an epoch stands in the registry, and returns it. The gateway's row is locked.
func (f *Fleet) Register(ctx context.Context, tx *store.Tx, gateway string, number uint64, now time.Time) (Epoch, error) {
	e, err := f.epoch(ctx, tx, gateway, number)
	if !errors.Is(err, ErrUnknown) {
		return e, err
	}
	serial, err := f.draw(ctx, tx, gateway, now)
	if err != nil {
		return Epoch{}, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO epochs (gateway, epoch, registered, serial, previous, cause, nonce, muted)
		VALUES ($1, $2, $3, $4, 0, '', $5, 0)`, gateway, int64(number), now.UnixMicro(), serial, []byte{})
	if err != nil {
		return Epoch{}, fmt.Errorf("gateway %s epoch %d: %w", gateway, number, err)
	}
	f.log.Info("epoch registered", "gateway", gateway, "epoch", number)
	return Epoch{Number: number, Registered: wire.At(now), serial: serial}, nil
}

// Started takes in what an epoch's first event says of it.
func (f *Fleet) Started(ctx context.Context, tx *store.Tx, gateway string, number uint64, s wire.EpochStart) error {
	_, err := tx.Exec(ctx, `UPDATE epochs SET previous = $1, cause = $2, nonce = $3 WHERE gateway = $4 AND epoch = $5`,
		clamp(s.Previous), s.Cause, s.Nonce[:], gateway, int64(number))
	return err
}

// Unmute lets an epoch that was taken for a clone's be projected: an operator says that its box is the true one. The
// projections must be rebuilt afterwards.
func (f *Fleet) Unmute(ctx context.Context, tx *store.Tx, gateway string, number uint64, now time.Time) error {
	if _, err := tx.Exec(ctx, `UPDATE epochs SET muted = 0 WHERE gateway = $1 AND epoch = $2`, gateway, int64(number)); err != nil {
		return err
	}
	return f.Clear(ctx, tx, gateway, AlarmClone, strconv.FormatUint(number, 10), now)
}

// Epochs are a gateway's registered epochs, oldest first.
func (f *Fleet) Epochs(ctx context.Context, tx *store.Tx, gateway string) ([]Epoch, error) {
	rows, err := tx.Query(ctx, `SELECT epoch, registered, serial, previous, cause, nonce, muted FROM epochs
		WHERE gateway = $1 ORDER BY epoch`, gateway)
	if err != nil {
		return nil, fmt.Errorf("epochs of gateway %s: %w", gateway, err)
	}
	return store.Collect(rows, func(r *sql.Rows) (e Epoch, err error) {
		err = r.Scan(&e.Number, &e.Registered, &e.serial, &e.Previous, &e.Cause, (*hash)(&e.Nonce), &e.Muted)
		return e, err
	})
}

func (f *Fleet) epoch(ctx context.Context, tx *store.Tx, gateway string, number uint64) (e Epoch, err error) {
	err = tx.QueryRow(ctx, `SELECT epoch, registered, serial, previous, cause, nonce, muted FROM epochs WHERE gateway = $1 AND epoch = $2`,
		gateway, int64(number)).Scan(&e.Number, &e.Registered, &e.serial, &e.Previous, &e.Cause, (*hash)(&e.Nonce), &e.Muted)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return Epoch{}, fmt.Errorf("gateway %s epoch %d: %w", gateway, number, err)
	}
	return e, nil
}

// clone tells whether a pulse comes from the second of two boxes: it lives in an older epoch and has heard an answer
// issued after the newer one was registered. A box whose disk went back hears the first answer and leaves that epoch.
func clone(living uint64, echo string, newest Epoch) bool {
	return living < newest.Number && echo > newest.serial
}

// judgeClone mutes the epoch of a clone and raises the alarm.
func (f *Fleet) judgeClone(ctx context.Context, tx *store.Tx, gateway string, living uint64, echo string, epochs []Epoch, now time.Time) (bool, error) {
	if len(epochs) == 0 || !clone(living, echo, epochs[len(epochs)-1]) {
		return false, nil
	}
	_, err := tx.Exec(ctx, `UPDATE epochs SET muted = $1 WHERE gateway = $2 AND epoch = $3 AND muted = 0`, now.UnixMicro(), gateway, int64(living))
	if err != nil {
		return false, err
	}
	return true, f.Raise(ctx, tx, gateway, AlarmClone, strconv.FormatUint(living, 10), now)
}

// clamp keeps a number from the wire within a BIGINT.
func clamp(n uint64) int64 { return int64(min(n, maxNumber)) }

// maxNumber bounds epochs, segments and seqs.
const maxNumber = 1 << 62
