package commission

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// spaceIntents holds the intents without an outcome: bank -> intent. A bank has at most one.
const spaceIntents = "commission.intents"

// intent is a pulse that was committed to.
type intent struct {
	ID   string `json:"id"`
	Lock int    `json:"lock"`
}

// journal keeps what a walk does to latches: durable before, and what was seen after.
type journal struct {
	store *store.Store
	clock *clock.Clock
	bank  string
}

// intend makes a pulse's intent durable. Only after that may it be given (invariant 2).
func (j journal) intend(ctx context.Context, lock int) (intent, error) {
	in := intent{uuid.NewString(), lock}
	err := j.commit(ctx, wire.LockOpening, j.subject(lock), wire.LockPulse{Intent: in.ID}, func(tx *store.Tx) error {
		return tx.Put(spaceIntents, j.bank, wire.Raw(in))
	})
	return in, err
}

// outcome makes what came of an intent durable.
func (j journal) outcome(ctx context.Context, in intent, o wire.LockOutcome) error {
	o.Intent = in.ID
	return j.commit(ctx, wire.LockPulsed, j.subject(in.Lock), o, func(tx *store.Tx) error {
		return tx.Delete(spaceIntents, j.bank)
	})
}

// pending is the intent of an earlier run that ended before its outcome was known.
func (j journal) pending() (in intent, ok bool, err error) {
	err = j.store.View(func(tx *store.Tx) error {
		raw, err := tx.Get(spaceIntents, j.bank)
		if err != nil && !errors.Is(err, store.ErrDamaged) || raw == nil {
			return err
		}
		ok = json.Unmarshal(raw, &in) == nil
		return nil
	})
	return in, ok, err
}

// commissioned records that the configuration now says what was learnt.
func (j journal) commissioned(ctx context.Context, c wire.Commissioned) error {
	return j.commit(ctx, wire.BankCommissioned, "bank/"+j.bank, c, func(*store.Tx) error { return nil })
}

func (j journal) subject(lock int) string { return fmt.Sprintf("lock/%s-%d", j.bank, lock) }

func (j journal) commit(ctx context.Context, kind, subject string, data any, with func(*store.Tx) error) error {
	now := j.clock.Now()
	return j.store.Update(ctx, func(tx *store.Tx) error {
		ev := wire.Event{Type: kind, Subject: subject, Data: wire.Raw(data)}
		now.Stamp(&ev)
		if _, err := tx.Append(wire.Audit, ev); err != nil {
			return err
		}
		return with(tx)
	})
}

// frames are what went over the line, as events carry it.
func frames(all []drivers.Frame) (hexed []string) {
	for _, f := range all {
		sent := "<"
		if f.Sent {
			sent = ">"
		}
		hexed = append(hexed, sent+hex.EncodeToString(f.Bytes))
	}
	return hexed
}
