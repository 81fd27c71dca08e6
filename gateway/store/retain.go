package store

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Drop removes one whole sealed segment with its events and names it in a loss event, with the time of stamp, in the
// same transaction (invariant 7). Cause is LossAge, LossQuota or LossDamaged. ErrNotSealed and ErrNotHeld say what
// they say; ErrUndelivered refuses audit that the cloud does not have.
func (tx *Tx) Drop(s wire.Stream, epoch, segment uint64, cause string, stamp wire.Event) error {
	i := id{epoch, s, segment}
	g, err := tx.segment(i)
	if err != nil {
		return err
	}
	row, err := tx.row(epoch, s)
	if err != nil {
		return err
	}
	g.Delivered = position(row, g)
	switch {
	case !g.Sealed:
		return fmt.Errorf("segment %s: %w", i, ErrNotSealed)
	case s == wire.Audit && !g.Whole():
		return fmt.Errorf("segment %s: %w", i, ErrUndelivered)
	}
	if err := tx.discard(i); err != nil {
		return err
	}
	return tx.recordLoss(&wire.Loss{
		Epoch: epoch, Stream: s, From: segment, To: segment, First: 1, Last: g.Last,
		Before: g.Before, After: g.Head, Cause: cause,
	}, stamp)
}

// Pruned is what a call of Prune did.
type Pruned struct {
	Segments int   // dropped
	Left     int64 // bytes of events still held
	Over     bool  // still over quota with nothing left that may go: refuse new deposits
	More     bool  // the bound of one call is reached: call again
}

// Prune drops, oldest first and each with its loss event: telemetry whose newest event is more than 14 days before
// now; then, while more than Options.Quota bytes of events are held, telemetry of any age, then delivered audit older
// than 7 days. Undelivered audit never goes. With an uncertain clock in stamp no age counts, since one wrong year
// would empty the log: then telemetry goes by quota and audit waits.
func (tx *Tx) Prune(now time.Time, stamp wire.Event) (Pruned, error) {
	held, bytes, err := tx.held()
	if err != nil {
		return Pruned{}, err
	}
	p := Pruned{Left: bytes}
	older := func(h heldSegment, age time.Duration) bool {
		return stamp.Clock != wire.Uncertain && h.g.Newest < wire.At(now.Add(-age))
	}
	for _, s := range []wire.Stream{wire.Telemetry, wire.Audit} {
		for _, h := range held {
			cause := ""
			switch over := p.Left > tx.s.quota; {
			case h.id.stream != s || !h.g.Sealed:
			case s == wire.Telemetry && older(h, keepTelemetry):
				cause = LossAge
			case s == wire.Telemetry && over:
				cause = LossQuota
			case s == wire.Audit && over && h.g.Whole() && older(h, keepAudit):
				cause = LossQuota
			}
			if cause == "" {
				continue
			}
			if p.Segments == pruneSegments {
				p.More = true
				return p, nil
			}
			if err := tx.Drop(h.id.stream, h.id.epoch, h.id.number, cause, stamp); err != nil {
				return p, err
			}
			p.Segments++
			p.Left -= h.g.Bytes
		}
	}
	p.Over = p.Left > tx.s.quota
	return p, nil
}

type heldSegment struct {
	id id
	g  Segment
}

// held gives all segments, by epoch, stream and number, and the bytes of their events.
func (tx *Tx) held() (all []heldSegment, bytes int64, err error) {
	heads, err := tx.Heads()
	if err != nil {
		return nil, 0, err
	}
	for _, h := range heads {
		segments, err := tx.Segments(h.Epoch, h.Stream)
		if err != nil {
			return nil, 0, err
		}
		for _, g := range segments {
			all = append(all, heldSegment{id{h.Epoch, h.Stream, g.Number}, g})
			bytes += g.Bytes
		}
	}
	return all, bytes, nil
}
