package grants

import (
	"crypto/ed25519"
	"fmt"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/grants/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Moment is what a clock is believed to say now.
func Moment(c *clock.Clock) rules.Moment {
	r := c.Now()
	return rules.Moment{Now: r.Time, Floor: c.Floor(), Certain: r.Quality != wire.Uncertain}
}

// OpenTicket checks a ticket's text: signed by a ticket key that lived when the ticket was issued and has not ended, and of
// a form that one can have. For which gateway, door and time it is, is the caller's to judge. Errors: wire.ErrFormat,
// wire.ErrSignature, document.ErrKey; all of them count as a wrong guess.
func OpenTicket(keys wire.KeySet, text string, now rules.Moment) (wire.Ticket, error) {
	claimed, err := wire.PeekTicket(text)
	if err != nil {
		return wire.Ticket{}, err
	}
	key := livingKey(keys, claimed.Key, document.UseTicket, claimed.Issued, now)
	if key == nil {
		return wire.Ticket{}, fmt.Errorf("ticket: %w", document.ErrKey)
	}
	t, err := wire.OpenTicket(key, text)
	switch {
	case err != nil:
		return wire.Ticket{}, err
	case t.ID == "" || len(t.ID) > maxWord || t.From < 0 || t.Until <= t.From || t.Until-t.From > wire.MaxTicket || t.Issued >= t.Until || t.Uses < 0:
		return wire.Ticket{}, fmt.Errorf("ticket %.64q: %w", t.ID, wire.ErrFormat)
	}
	return t, nil
}

// livingKey finds a key that lived at a time of its own document and has not ended since; nil: none.
func livingKey(keys wire.KeySet, id, use string, then wire.Micros, now rules.Moment) ed25519.PublicKey {
	if past := now.Past(); !past.IsZero() {
		then = max(then, wire.At(past))
	}
	return document.SigningKey(keys, id, use, then)
}
