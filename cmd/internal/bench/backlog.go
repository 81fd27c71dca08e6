package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// backlog is a gateway's store that holds events which no cloud has, and the same events by blocks.
type backlog struct {
	path   string
	key    ed25519.PrivateKey
	events int // with those that the store itself adds
	blocks [][][]byte
}

// parcelStored is the event of a parcel that was put behind a door.
func parcelStored(id string, version uint64, pin *wire.Sealed) wire.Event {
	return wire.Event{
		Type: wire.ParcelStored, Subject: "parcel/" + id, Version: version, Wall: wire.At(time.Now()), Clock: wire.FromAnswer, Boot: 1,
		State: wire.Raw(wire.Parcel{
			State: "stored", Household: "0198c0de-0000-7000-8000-00000000a123", Unit: "0198c0de-0000-7000-8000-00000000b123",
			Compartment: "A-18", Courier: "black-cat", Size: "M", PIN: pin, StoredAt: wire.At(time.Now()),
		}),
	}
}

// life is what happens around one parcel: its door opens for the courier, it is stored, and it is collected.
func life(n int, seal wire.Key) ([]wire.Event, error) {
	id := fmt.Sprintf("0198c0de-0000-7000-8000-%012x", n)
	pin, err := wire.Seal(seal, gatewayID, "parcel/"+id, fmt.Appendf(nil, "%06d", n))
	if err != nil {
		return nil, err
	}
	number := n%24 + 1
	door := func(kind, content string, version int, data any) wire.Event {
		return wire.Event{
			Type: kind, Subject: fmt.Sprintf("compartment/A-%d", number), Version: uint64(2*(n/24) + version),
			State: wire.Raw(wire.Compartment{Bank: "A", Number: number, Content: content, Purpose: "deposit", Parcel: id, Service: "in", Door: "closed", Item: "empty"}),
			Wall:  wire.At(time.Now()), Clock: wire.FromAnswer, Boot: 1, Data: wire.Raw(data),
		}
	}
	stored := parcelStored(id, 1, pin)
	collected := parcelStored(id, 2, nil)
	collected.Type, collected.Data = wire.ParcelCollected, wire.Raw(wire.Cause{Why: "sensor"})
	return []wire.Event{
		door(wire.UnlockIntended, "opening", 1, wire.Intent{ID: id, Purpose: "deposit", Grant: "courier", Holder: "black-cat", Try: 1}),
		door(wire.UnlockOpened, "open", 2, wire.Evidence{Intent: id, Pulsed: true, Waited: 21_000, Took: 603_000, Frames: []string{
			"> 0.011 02 00 30 03 35", "< 0.019 02 00 35 ff ff 00 00 03 38", "> 0.021 02 01 31 03 37", "> 0.624 02 00 30 03 35", "< 0.632 02 00 35 fd ff 00 00 03 36",
		}}),
		stored, collected,
	}, nil
}

// makeBacklog fills a store with at least so many events.
func makeBacklog(ctx context.Context, dir string, events int) (b backlog, err error) {
	b = backlog{path: filepath.Join(dir, "backlog.db"), key: newKey()}
	people, err := newCommunity(0)
	if err != nil {
		return b, err
	}
	st, err := store.Open(b.path, store.Options{Gateway: gatewayID, Key: b.key})
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	var all []wire.Event
	for n := 0; len(all) < events; n++ {
		some, err := life(n, people.seal)
		if err != nil {
			return b, err
		}
		all = append(all, some...)
	}
	for len(all) > 0 {
		some := all[:min(len(all), 1000)]
		all = all[len(some):]
		if err := st.Update(ctx, func(tx *store.Tx) error { return appendAll(tx, some) }); err != nil {
			return b, err
		}
	}
	err = eachBlock(st, wire.Audit, func(block wire.Block) error {
		b.blocks, b.events = append(b.blocks, block.Events), b.events+len(block.Events)
		return nil
	})
	return b, err
}

func appendAll(tx *store.Tx, events []wire.Event) error {
	for _, ev := range events {
		if _, err := tx.Append(wire.Audit, ev); err != nil {
			return err
		}
	}
	return nil
}
