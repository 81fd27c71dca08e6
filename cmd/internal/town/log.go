package town

import (
	"encoding/json"
	"strings"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// position is how far the audit stream was read.
type position struct{ segment, seq uint64 }

// each gives the events of a stream after a position, oldest first, and where it stands then.
func each(tx *store.Tx, stream wire.Stream, from position, do func(wire.Event) error) (position, error) {
	segments, err := tx.Segments(tx.Epoch(), stream)
	if err != nil {
		return from, err
	}
	for _, s := range segments {
		if s.Number < from.segment {
			continue
		}
		if s.Number > from.segment {
			from = position{s.Number, 0}
		}
		for from.seq < s.Last {
			block, err := tx.Block(tx.Epoch(), stream, s.Number, from.seq+1, wire.BlockEvents, wire.MaxMessage)
			if err != nil {
				return from, err
			}
			for _, raw := range block.Events {
				event, err := wire.DecodeEvent(raw)
				if err == nil {
					err = do(event)
				}
				if err != nil {
					return from, err
				}
			}
			from.seq = block.Last()
		}
	}
	return from, nil
}

// Each gives every event of a stream, oldest first.
func (t *Town) Each(stream wire.Stream, do func(wire.Event) error) error {
	return t.Store.View(func(tx *store.Tx) error {
		_, err := each(tx, stream, position{}, do)
		return err
	})
}

// readLog takes in what has come to the audit stream: codes and PINs, which only the cloud can open, and how many events
// there are of each type.
func (t *Town) readLog() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Store.View(func(tx *store.Tx) (err error) {
		t.read, err = each(tx, wire.Audit, t.read, t.take)
		return err
	})
}

func (t *Town) take(event wire.Event) error {
	t.types[event.Type]++
	var state struct {
		Holder string       `json:"holder"`
		Sealed *wire.Sealed `json:"sealed"`
		PIN    *wire.Sealed `json:"pin"`
	}
	if len(event.State) == 0 || json.Unmarshal(event.State, &state) != nil {
		return nil
	}
	open := func(into map[string]string, whose string, sealed *wire.Sealed) error {
		if sealed == nil {
			return nil
		}
		digits, err := sealed.Open(t.cloud.open, t.id, event.Subject)
		into[whose] = string(digits)
		return err
	}
	if err := open(t.codes, state.Holder, state.Sealed); err != nil {
		return err
	}
	return open(t.pins, strings.TrimPrefix(event.Subject, "parcel/"), state.PIN)
}

// Events is how many audit events of a type there are.
func (t *Town) Events(kind string) (int, error) {
	err := t.readLog()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.types[kind], err
}

func (t *Town) code(holder string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.codes[holder]
}
