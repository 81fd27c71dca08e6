package uplink

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// message sorts what came by its topic. Whatever is not for this box, retained or too large is counted and dropped.
func (u *Uplink) message(ctx context.Context, m Message) error {
	gateway, kind, up, err := wire.ParseTopic(m.Topic)
	switch {
	case m.Retained: // some brokers cannot refuse to retain; what is old must not be taken for new
		u.status.count("retained_dropped")
	case err != nil || up || gateway != u.config.Gateway:
		u.status.count("topics_dropped")
	case len(m.Payload) > wire.MaxMessage:
		u.status.count("oversized_dropped")
	case kind == wire.KindAnswer:
		return u.answer(ctx, m.Payload)
	case kind == wire.KindPosition:
		return u.hint(ctx, m.Payload)
	case kind == wire.KindState:
		return u.state(ctx, m.Payload)
	case u.deps.Command == nil:
		u.status.count("commands_dropped")
	default:
		u.deps.Command(m.Payload)
	}
	return nil
}

// answer takes one page of an answer.
func (u *Uplink) answer(ctx context.Context, payload []byte) error {
	page, err := u.openAnswer(payload)
	if err != nil {
		return u.refuse(err)
	}
	sent, received := u.asked.Sent, u.deps.Clock.Now().Mono
	a, whole, err := u.asked.Take(page, received)
	if err != nil {
		return u.refuse(err)
	}
	if !whole {
		return nil
	}
	u.deps.Clock.Answered(a.Time.Time(), sent, received)
	v, err := u.settle(ctx, a)
	if err != nil {
		return err
	}
	if v.Epoch > 0 {
		u.status.count("forks")
		u.log.Error("log has forked: this disk was put back or runs twice", "gateway", u.config.Gateway, "epoch", v.Epoch)
		u.pulseDue = received // so that the cloud does not take the box for gone: what it counts began anew with its disk
	}
	u.fresh, u.serial, u.named, u.keys = false, a.Serial, a.State, a.KeySet
	if u.refused == u.told {
		u.refused = ""
	}
	u.status.answered(u.deps.Clock.Now().Time)
	var all []rules.Unsent
	if err := u.deps.Store.View(func(tx *store.Tx) (err error) { all, err = unsent(tx); return err }); err != nil {
		return err
	}
	u.sender.Answered(all, sent, received, u.deps.Jitter)
	if err := u.lacking(); err != nil {
		return err
	}
	return u.pump(ctx)
}

// openAnswer verifies one page: by an answer key that had not ended at the answer's own time, for this box.
func (u *Uplink) openAnswer(payload []byte) (page wire.Answer, err error) {
	if err := wire.Peek(payload, &page); err != nil {
		return page, err
	}
	var keys wire.KeySet
	if err := u.deps.Store.View(func(tx *store.Tx) (err error) { keys, err = document.Keys(tx); return err }); err != nil {
		return page, err
	}
	key := document.SigningKey(keys, page.Key, document.UseAnswer, page.Time)
	if key == nil {
		return page, document.ErrKey
	}
	page = wire.Answer{}
	if err := wire.Open(key, wire.ContextAnswer, payload, &page); err != nil {
		return page, err
	}
	if page.Gateway != u.config.Gateway {
		return page, wire.ErrContext
	}
	return page, nil
}

// refuse counts an answer that changes nothing (invariant 9).
func (u *Uplink) refuse(err error) error {
	if errors.Is(err, store.ErrBroken) || errors.Is(err, store.ErrClosed) {
		return err
	}
	reason := "format"
	for _, r := range []struct {
		err  error
		name string
	}{
		{document.ErrKey, "key"}, {wire.ErrSignature, "signature"}, {wire.ErrContext, "gateway"}, {wire.ErrSize, "size"},
		{rules.ErrNonce, "nonce"}, {rules.ErrLate, "late"}, {rules.ErrPage, "page"}, {store.ErrDamaged, "damaged"},
	} {
		if errors.Is(err, r.err) {
			reason = r.name
		}
	}
	u.status.count("answers_refused_" + reason)
	u.log.Debug("answer refused", "gateway", u.config.Gateway, "reason", reason)
	return nil
}

// settle judges the log by an answer and commits what follows: one transaction.
func (u *Uplink) settle(ctx context.Context, a wire.Answer) (v rules.Verdict, err error) {
	var stamp wire.Event
	u.deps.Clock.Now().Stamp(&stamp)
	err = u.deps.Store.Update(ctx, func(tx *store.Tx) error {
		logs, err := logs(tx)
		if err != nil {
			return err
		}
		v = rules.Judge(tx.Epoch(), logs, a.Rows, u.fresh, a.Epoch, func(n wire.Name) (wire.Hash, bool) {
			h, err := tx.HashAt(n.Epoch, n.Stream, n.Segment, n.Seq)
			return h, err == nil
		})
		switch {
		case v.Epoch > 0:
			err = tx.StartEpoch(v.Epoch, store.CauseFork, v.Again, stamp)
		case len(v.Again) > 0:
			err = tx.AppendAgain(v.Again, stamp)
		}
		if err != nil {
			return err
		}
		for _, s := range v.Seal {
			if err := tx.Seal(s); err != nil {
				return err
			}
		}
		if err := tx.MarkDelivered(v.Delivered); err != nil {
			return err
		}
		return u.afterwards(tx, a)
	})
	if err != nil {
		return v, fmt.Errorf("answer %s: %w", a.Serial, err)
	}
	if n := len(v.Again); n > 0 {
		u.log.Warn("segments are appended again", "gateway", u.config.Gateway, "segments", n)
	}
	return v, nil
}

// afterwards does what else an answer brings: time, refusals, and the end of what waited for it.
func (u *Uplink) afterwards(tx *store.Tx, a wire.Answer) error {
	if err := KeepFloor(tx, u.deps.Clock); err != nil {
		return err
	}
	if err := document.Prune(tx, a.Time.Time()); err != nil {
		return err
	}
	for _, r := range a.Refusals {
		// A refusal alone starts nothing: only what cannot be read here any more is named lost.
		_, err := u.nameLost(tx, rules.Segment{Epoch: r.Epoch, Stream: r.Stream, Number: r.Segment}, max(r.Seq, 1))
		if err != nil && !errors.Is(err, store.ErrNotHeld) {
			return err
		}
	}
	return forgetLost(tx)
}

// forgetLost drops the notes of ranges whose segments are gone: AppendAgain or retention took them.
func forgetLost(tx *store.Tx) error {
	var gone []string
	err := tx.Each(space, prefLost, func(key string, _ []byte) error {
		var epoch, segment uint64
		var stream wire.Stream
		if _, err := fmt.Sscanf(strings.ReplaceAll(strings.TrimPrefix(key, prefLost), "/", " "), "%d %s %d", &epoch, &stream, &segment); err != nil {
			gone = append(gone, key)
			return nil
		}
		if _, err := tx.HashAt(epoch, stream, segment, 0); errors.Is(err, store.ErrNotHeld) {
			gone = append(gone, key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	for _, key := range gone {
		if err := tx.Delete(space, key); err != nil {
			return err
		}
	}
	return nil
}

func logs(tx *store.Tx) (all []rules.Log, err error) {
	heads, err := tx.Heads()
	if err != nil {
		return nil, err
	}
	for _, h := range heads {
		segments, err := tx.Segments(h.Epoch, h.Stream)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return nil, err
		}
		if len(segments) == 0 {
			continue
		}
		l := rules.Log{Epoch: h.Epoch, Stream: h.Stream}
		for _, g := range segments {
			l.Segments = append(l.Segments, rules.Held{Number: g.Number, Last: g.Last, Before: g.Before, Head: g.Head, Sealed: g.Sealed})
		}
		all = append(all, l)
	}
	return all, nil
}

// lacking makes the next pulse come soon when the answer names a key set or a state that this box does not have.
func (u *Uplink) lacking() error {
	return u.deps.Store.View(func(tx *store.Tx) error {
		applied, err := document.Applied(tx)
		if err != nil {
			return err
		}
		keys, err := document.Keys(tx)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		if u.named.Version > 0 && applied != u.named || keys.Version < u.keys {
			u.hurry()
		}
		return nil
	})
}

// state hands what came to gateway/document. A refusal is reported in the next pulse.
func (u *Uplink) state(ctx context.Context, payload []byte) error {
	in := document.Intake{Gateway: u.config.Gateway, RootKey: u.config.RootKey, Named: u.named}
	u.deps.Clock.Now().Stamp(&in.Stamp)
	var out document.Outcome
	var refusal error
	err := u.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		out, err = document.Take(tx, in, payload)
		refusal = err
		return err
	})
	switch code := document.Code(refusal); {
	case err == nil:
	case errors.Is(refusal, document.ErrUnasked):
		u.status.count("state_unasked")
		return nil
	case code == "" || errors.Is(err, store.ErrBroken) || errors.Is(err, store.ErrClosed):
		return err
	default:
		u.status.count("state_refused_" + code)
		u.log.Warn("state document refused", "gateway", u.config.Gateway, "reason", code)
		u.refused = code
		return nil
	}
	switch {
	case out.Applied:
		u.refused, u.hurried = "", 0
		u.status.count("states_applied")
		if u.deps.Applied != nil {
			u.deps.Applied()
		}
		return u.pulse()
	case out.Keys:
		u.hurried = 0
		u.status.count("keysets_taken")
		return u.pulse() // the answer to the last one could not be checked
	case out.Pending && !out.Part:
		u.hurry()
	}
	return nil
}
