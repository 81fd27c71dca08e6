package uplink

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// The uplink's own space in the store.
const (
	space    = "uplink"
	keyFloor = "floor" // of the clock, microseconds
	prefLost = "lost/" // ranges named lost, by segment
)

// Will is the signed last will of the connection about to be made: it counts until a pulse of a later connection.
func (u *Uplink) Will() ([]byte, error) {
	now := u.deps.Clock.Now()
	return wire.Sign(u.config.Key, wire.ContextPulse, wire.Pulse{
		Gateway: u.config.Gateway, Will: true, Nonce: rand.Text(), Boot: now.Boot, Counter: u.counter.Load() + 1,
		Version: u.config.Version, Held: []wire.Head{}, Wall: wire.At(now.Time), Clock: now.Quality,
	})
}

// pulse says where this box stands and waits for the answer; an older pulse's answer counts no more.
func (u *Uplink) pulse() error {
	if u.link == nil {
		return nil
	}
	now := u.deps.Clock.Now()
	u.pulseDue = now.Mono + pulseEvery + u.deps.Jitter(pulseJitter)
	p := wire.Pulse{
		Gateway: u.config.Gateway, Nonce: rand.Text(), Boot: now.Boot, Counter: u.counter.Add(1), Connection: u.first,
		Answer: u.serial, Version: u.config.Version, Wall: wire.At(now.Time), Clock: now.Quality, RefusedDoc: u.refused,
	}
	if err := u.deps.Store.View(func(tx *store.Tx) error { return stand(tx, &p) }); err != nil {
		return fmt.Errorf("pulse: %w", err) // without its heads a pulse would call everything lost
	}
	if u.deps.Health != nil {
		p.Health = u.deps.Health() // after the heads: of a device it knows more than any event up to there (docs/wire.md 4)
	}
	payload, err := u.sign(p)
	if err != nil {
		return fmt.Errorf("pulse: %w", err)
	}
	u.told = p.RefusedDoc
	u.asked = rules.Asked{Nonce: p.Nonce, Sent: now.Mono}
	u.status.count("pulses")
	u.publish(wire.PulseTopic(u.config.Gateway), payload)
	unasked := func(d wire.DeviceHealth) bool { return d.Code == wire.DeviceUnasked }
	if slices.ContainsFunc(p.Health.Devices, unasked) || p.KeySet == 0 || len(p.Missing) > 0 || p.State != u.named && u.named.Version > 0 || p.KeySet < u.keys {
		u.hurry()
	} else {
		u.hurried = 0
	}
	return nil
}

// sign signs a pulse with as many of its devices as the message has room for.
func (u *Uplink) sign(p wire.Pulse) ([]byte, error) {
	all := p.Health
	p.Health.Devices = nil
	bare, err := wire.Sign(u.config.Key, wire.ContextPulse, p)
	if err != nil {
		return nil, err
	}
	p.Health = all.Fit(wire.MaxMessage - len(bare))
	payload, err := wire.Sign(u.config.Key, wire.ContextPulse, p)
	if err == nil && len(payload) > wire.MaxMessage {
		err = fmt.Errorf("%d bytes: %w", len(payload), wire.ErrSize)
	}
	return payload, err
}

// hurry asks again soon: something is missing that the cloud sends when a pulse lacks it, or devices have not been asked
// since the start and are about to be.
func (u *Uplink) hurry() {
	wait := hurryFirst << min(u.hurried, hurryShift)
	u.hurried++
	u.pulseDue = min(u.pulseDue, u.deps.Clock.Now().Mono+wait+u.deps.Jitter(wait))
}

// stand fills in what the store says.
func stand(tx *store.Tx, p *wire.Pulse) (err error) {
	if p.Held, err = tx.Heads(); err != nil {
		return err
	}
	delivered, err := tx.Delivered()
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	p.Delivered = newest(delivered)
	if p.State, err = document.Applied(tx); err != nil {
		return err
	}
	missing, err := document.Missing(tx)
	if err != nil {
		return err
	}
	p.Missing = missing[:min(len(missing), maxMissing)]
	keys, err := document.Keys(tx)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	p.KeySet = keys.Version
	return nil
}

// newest bounds what a pulse tells of what is delivered: rows of the newest epochs, whole rows only. What is left out
// is told to people once more after the cloud was restored, and nothing else.
func newest(rows []wire.Row) (out []wire.Row) {
	n := 0
	for i := len(rows) - 1; i >= 0; i-- {
		if n += len(rows[i].Whole) + len(rows[i].Partial); n > maxTold {
			break
		}
		out = append(out, rows[i])
	}
	return out
}

// Floor reads the clock's floor as last kept; zero: none. The composition hands it to clock.New.
func Floor(tx *store.Tx) (time.Time, error) {
	b, err := tx.Get(space, keyFloor)
	if err != nil || len(b) != 8 {
		return time.Time{}, err
	}
	return wire.Micros(binary.BigEndian.Uint64(b)).Time(), nil
}

// KeepFloor stores the clock's floor as it is now, so that the next boot begins with it: after an answer and every ten
// minutes here, and by whoever else has raised it.
func KeepFloor(tx *store.Tx, c *clock.Clock) error {
	floor := c.Floor()
	if floor.IsZero() {
		return nil
	}
	return tx.Put(space, keyFloor, binary.BigEndian.AppendUint64(nil, uint64(wire.At(floor))))
}

// Publish hands a message to the loop and returns at once. It is sent if the link is up, and forgotten otherwise.
func (u *Uplink) Publish(topic string, payload []byte) {
	select {
	case u.outbox <- Outgoing{topic, payload}:
	default:
		u.status.count("publish_dropped")
	}
}

func (u *Uplink) publish(topic string, payload []byte) {
	if u.link == nil || !u.link.Publish(topic, payload) {
		u.status.count("publish_dropped")
	}
}
