package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// unsent lists the segments of which the cloud may lack something, and the living ones.
func unsent(tx *store.Tx) (all []rules.Unsent, err error) {
	heads, err := tx.Heads()
	if err != nil {
		return nil, err
	}
	living := tx.Epoch()
	for _, h := range heads {
		segments, err := tx.Segments(h.Epoch, h.Stream)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return nil, err
		}
		for _, g := range segments {
			u := rules.Unsent{
				Segment: rules.Segment{Epoch: h.Epoch, Stream: h.Stream, Number: g.Number},
				Last:    g.Last, Sealed: g.Sealed, Living: h.Epoch == living && g.Number == h.Segment, Position: g.Delivered,
			}
			if u.Living || u.Position.Seq < u.Last || u.Sealed && u.Position.End == 0 {
				all = append(all, u)
			}
		}
	}
	return all, nil
}

// know tells the sender what there is.
func (u *Uplink) know() error {
	return u.deps.Store.View(func(tx *store.Tx) error {
		all, err := unsent(tx)
		if err == nil {
			u.sender.Know(all)
		}
		return err
	})
}

// appended looks at the living segments alone, unless one was sealed or a new epoch began.
func (u *Uplink) appended(ctx context.Context) error {
	if u.link == nil {
		return nil
	}
	known := true
	err := u.deps.Store.View(func(tx *store.Tx) error {
		heads, err := tx.Heads()
		living := tx.Epoch()
		for _, h := range heads {
			if h.Epoch == living {
				known = u.sender.Appended(rules.Segment{Epoch: h.Epoch, Stream: h.Stream, Number: h.Segment}, h.Seq) && known
			}
		}
		return err
	})
	if err == nil && !known {
		err = u.know()
	}
	if err != nil {
		return err
	}
	return u.pump(ctx)
}

// pump sends what the window allows.
func (u *Uplink) pump(ctx context.Context) error {
	for range maxPump {
		if u.link == nil {
			return nil
		}
		ask, ok := u.sender.Next()
		if !ok {
			return nil
		}
		if err := u.send(ctx, ask); err != nil {
			return err
		}
	}
	return nil
}

// send sends one block, or names the range lost that it finds damaged.
func (u *Uplink) send(ctx context.Context, ask rules.Ask) error {
	var block wire.Block
	err := u.deps.Store.View(func(tx *store.Tx) (err error) {
		block, err = tx.Block(ask.Epoch, ask.Stream, ask.Number, ask.From, wire.BlockEvents, rules.BlockBytes)
		return err
	})
	switch {
	case errors.Is(err, store.ErrDamaged):
		return u.lose(ctx, ask.Segment, ask.From)
	case errors.Is(err, store.ErrNotHeld): // dropped by age or quota since
		return u.know()
	case err != nil:
		return err
	}
	payload, err := wire.EncodeBlock(u.config.Key, block)
	if err != nil {
		return fmt.Errorf("block %d/%s/%d/%d: %w", ask.Epoch, ask.Stream, ask.Number, ask.From, err)
	}
	u.publish(wire.EventsTopic(u.config.Gateway), payload)
	u.status.count("blocks")
	if u.sender.Sent(ask.Segment, block.Last(), len(payload), u.deps.Clock.Now().Mono, u.deps.Jitter) {
		u.status.count("blocks_again")
	}
	return nil
}

// lose names a damaged range in the audit stream, once, and lets the sender wait there until the cloud steps over it.
func (u *Uplink) lose(ctx context.Context, g rules.Segment, from uint64) error {
	var lost wire.Loss
	err := u.deps.Store.Update(ctx, func(tx *store.Tx) (err error) {
		lost, err = u.nameLost(tx, g, from)
		return err
	})
	if err != nil {
		return err
	}
	if lost.First == 0 { // nothing to name: stay here until the cloud goes past it
		u.status.count("store_errors")
		lost.First, lost.Last = from, from
	}
	u.sender.Lost(g, lost.First, lost.Last)
	return nil
}

// nameLost looks for damage in a segment from a seq on and names the first range found, unless it was named before.
func (u *Uplink) nameLost(tx *store.Tx, g rules.Segment, from uint64) (wire.Loss, error) {
	key := fmt.Sprintf("%s%d/%s/%d", prefLost, g.Epoch, g.Stream, g.Number)
	var lost wire.Loss
	switch b, err := tx.Get(space, key); {
	case errors.Is(err, store.ErrDamaged): // named again at worst
	case err != nil:
		return lost, err
	case b != nil && json.Unmarshal(b, &lost) == nil && lost.First <= from && from <= lost.Last:
		return lost, nil
	}
	lost, found, err := tx.Damage(g.Epoch, g.Stream, g.Number, from)
	if err != nil || !found {
		return wire.Loss{}, err
	}
	if g.Stream == wire.Audit && g.Epoch == tx.Epoch() {
		// The loss must not lie behind the range it names: the next segment can arrive before this one.
		if err := tx.Seal(wire.Audit); err != nil {
			return lost, err
		}
	}
	ev := wire.Event{Type: wire.LossRecorded, Subject: "stream/" + string(g.Stream), Data: wire.Raw(lost)}
	u.deps.Clock.Now().Stamp(&ev)
	if _, err := tx.Append(wire.Audit, ev); err != nil {
		return lost, err
	}
	return lost, tx.Put(space, key, wire.Raw(lost))
}

// hint moves the window forward, if it says of this box's own chain what is true.
func (u *Uplink) hint(ctx context.Context, payload []byte) error {
	var h wire.Hint
	if json.Unmarshal(payload, &h) != nil || !h.Stream.Valid() || h.Seq == 0 {
		u.status.count("hints_refused")
		return nil
	}
	own := wire.Hash{}
	err := u.deps.Store.View(func(tx *store.Tx) (err error) {
		own, err = tx.HashAt(h.Epoch, h.Stream, h.Segment, h.Seq)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotHeld) && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	if err != nil || own != h.Hash {
		u.status.count("hints_refused")
		return nil
	}
	g := rules.Segment{Epoch: h.Epoch, Stream: h.Stream, Number: h.Segment}
	if !u.sender.Hint(g, h.Seq, u.deps.Clock.Now().Mono, u.deps.Jitter) {
		return nil
	}
	return u.pump(ctx)
}
