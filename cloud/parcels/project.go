package parcels

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Projection keeps the newest state of every parcel, compartment and code: the newest (epoch, version) of a subject wins,
// in whatever order the events come.
type Projection struct{}

var (
	_ ingest.Projection = Projection{}
	_ ingest.Resetter   = Projection{}
)

// Name is what alarms call it.
func (Projection) Name() string { return "parcels" }

// Reset empties the tables that the log can fill again.
func (Projection) Reset(ctx context.Context, tx *store.Tx) error {
	for _, q := range []string{`DELETE FROM parcels`, `DELETE FROM parcel_pins`, `DELETE FROM compartments`, `DELETE FROM credentials`} {
		if _, err := tx.Exec(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// Project takes in one event.
func (Projection) Project(ctx context.Context, tx *store.Tx, l ingest.Logged) error {
	kind, id, ok := strings.Cut(l.Event.Subject, "/")
	if !ok || id == "" || len(l.Event.State) == 0 {
		return nil
	}
	var err error
	switch kind {
	case "parcel":
		err = projectParcel(ctx, tx, l, id)
	case "compartment":
		err = projectCompartment(ctx, tx, l, id)
	case "credential":
		err = projectCredential(ctx, tx, l, id)
	}
	if err != nil {
		return fmt.Errorf("%s %.80s: %w", kind, id, err)
	}
	return nil
}

// decode reads a state. The text of a JSON error could echo what was sent.
func decode(raw json.RawMessage, into any) error {
	if json.Unmarshal(raw, into) != nil {
		return fmt.Errorf("state: %w", wire.ErrFormat)
	}
	return nil
}

func projectParcel(ctx context.Context, tx *store.Tx, l ingest.Logged, id string) error {
	var s wire.Parcel
	if err := decode(l.Event.State, &s); err != nil {
		return err
	}
	if l.Event.Type == wire.ParcelSettled && s.SettledAt == 0 {
		s.SettledAt = l.Event.Wall
	}
	if s.PIN != nil {
		if err := keepPIN(ctx, tx, l, id, s); err != nil {
			return err
		}
	}
	if !l.Newest {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO parcels (gateway, id, site, epoch, version, state, household, unit, compartment, shelf, courier,
		size, stored_at, settled_at, ended_at, how, known_at, pos)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
		ON CONFLICT (gateway, id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, state = excluded.state,
			household = excluded.household, unit = excluded.unit, compartment = excluded.compartment, shelf = excluded.shelf,
			courier = excluded.courier, size = excluded.size, stored_at = excluded.stored_at, settled_at = excluded.settled_at,
			ended_at = excluded.ended_at, how = excluded.how, pos = excluded.pos`,
		l.Gateway, id, l.Site, int64(l.First.Epoch), int64(l.Event.Version), s.State, s.Household, s.Unit, s.Compartment, s.Shelf, s.Courier,
		s.Size, int64(s.StoredAt), int64(s.SettledAt), int64(s.EndedAt), s.How, l.Received.UnixMicro(), l.Pos)
	return err
}

// keepPIN keeps the newest PIN: events after the one that brought it need not repeat it, and may come before it.
func keepPIN(ctx context.Context, tx *store.Tx, l ingest.Logged, id string, s wire.Parcel) error {
	_, err := tx.Exec(ctx, `INSERT INTO parcel_pins (gateway, id, epoch, version, household, seal, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (gateway, id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, household = excluded.household,
			seal = excluded.seal, sealed = excluded.sealed
		WHERE (parcel_pins.epoch, parcel_pins.version) < (excluded.epoch, excluded.version)`,
		l.Gateway, id, int64(l.First.Epoch), int64(l.Event.Version), s.Household, s.PIN.Key, s.PIN.Text)
	return err
}

func projectCompartment(ctx context.Context, tx *store.Tx, l ingest.Logged, id string) error {
	var s wire.Compartment
	if err := decode(l.Event.State, &s); err != nil || !l.Newest {
		return err
	}
	verify := 0
	if s.Verify {
		verify = 1
	}
	_, err := tx.Exec(ctx, `INSERT INTO compartments (gateway, id, site, epoch, version, bank, number, content, parcel, service, door, item, verify, why, wall)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (gateway, id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, bank = excluded.bank,
			number = excluded.number, content = excluded.content, parcel = excluded.parcel, service = excluded.service,
			door = excluded.door, item = excluded.item, verify = excluded.verify, why = excluded.why, wall = excluded.wall`,
		l.Gateway, id, l.Site, int64(l.First.Epoch), int64(l.Event.Version), s.Bank, s.Number, s.Content, s.Parcel, s.Service, s.Door,
		s.Item, verify, s.Why, int64(l.Event.Wall))
	return err
}

func projectCredential(ctx context.Context, tx *store.Tx, l ingest.Logged, id string) error {
	var s wire.Credential
	if err := decode(l.Event.State, &s); err != nil {
		return err
	}
	if s.Sealed == nil {
		s.Sealed = &wire.Sealed{}
	}
	// A later event that only ends the code may leave the seal out: the place and the seal are those of the minting.
	_, err := tx.Exec(ctx, `INSERT INTO credentials (gateway, id, site, epoch, version, segment, seq, purpose, holder, seal, sealed, minted, until, ended)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (gateway, id) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, until = excluded.until,
			ended = excluded.ended, purpose = excluded.purpose, holder = excluded.holder
		WHERE (credentials.epoch, credentials.version) < (excluded.epoch, excluded.version)`,
		l.Gateway, id, l.Site, int64(l.First.Epoch), int64(l.Event.Version), int64(l.First.Segment), int64(l.First.Seq), s.Purpose, s.Holder,
		s.Sealed.Key, orEmpty(s.Sealed.Text), int64(l.Event.Wall), int64(s.Until), s.Ended)
	if err != nil || len(s.Sealed.Text) == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE credentials SET seal = $1, sealed = $2, minted = $3, segment = $4, seq = $5 WHERE gateway = $6 AND id = $7`,
		s.Sealed.Key, s.Sealed.Text, int64(l.Event.Wall), int64(l.First.Segment), int64(l.First.Seq), l.Gateway, id)
	return err
}

func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
