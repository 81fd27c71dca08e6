package parcels

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// States of a parcel in which it waits for its household.
const (
	Stored            = "stored"
	StoredUnconfirmed = "stored_unconfirmed"
	Overdue           = "overdue"
	Collecting        = "collecting"
	MovedToOffice     = "moved_to_office"
	ReturnPending     = "return_pending"
)

// maxList bounds one list: a page of 200, and the row that tells that there is more.
const maxList = 200 + 1

// Parcel is one parcel as its gateway's newest event says.
type Parcel struct {
	Gateway     string
	ID          string
	Site        string
	Epoch       uint64 // with Version the order of its states
	Version     uint64
	State       string
	Household   string
	Unit        string
	Compartment string
	Door        int64 // number of its door; 0: on a shelf, or not known
	Shelf       string
	Courier     string
	Carrier     string // the courier's name; empty: not known
	Size        string
	StoredAt    wire.Micros
	SettledAt   wire.Micros // 0: the courier may still undo
	EndedAt     wire.Micros // 0: it is still there
	How         string
	KnownAt     wire.Micros
}

// Tag names this state of the parcel, for ETag and If-Match.
func (p Parcel) Tag() string { return fmt.Sprintf("%d-%d", p.Epoch, p.Version) }

// Waiting tells whether the parcel can be collected and its household be told: the courier's undo has ended.
func (p Parcel) Waiting() bool {
	return p.SettledAt > 0 && p.EndedAt == 0 && slices.Contains([]string{Stored, StoredUnconfirmed, Overdue, Collecting, MovedToOffice, ReturnPending}, p.State)
}

// Filter says which parcels are listed. Site is never empty.
type Filter struct {
	Site       string
	Households []string // nil: of the whole site
	Ended      bool     // those that are gone, instead of those that are there
	Settled    bool     // leave out those that the courier may still undo
	Before     wire.Micros
	BeforeID   string // with Before: only what comes after this place in the list
	Limit      int    // 0 means 201, which is the most
}

const parcelColumns = `p.gateway, p.id, p.site, p.epoch, p.version, p.state, p.household, p.unit, p.compartment,
	COALESCE(c.number, 0), p.shelf, p.courier, COALESCE(r.name, ''), p.size, p.stored_at, p.settled_at, p.ended_at, p.how, p.known_at`

const parcelTables = ` FROM parcels p LEFT JOIN compartments c ON c.gateway = p.gateway AND c.id = p.compartment
	LEFT JOIN couriers r ON r.site = p.site AND r.id = p.courier `

// List gives the parcels of a filter, newest first.
func (*Parcels) List(ctx context.Context, tx *store.Tx, f Filter) ([]Parcel, error) {
	if f.Households != nil && len(f.Households) == 0 {
		return nil, nil
	}
	args := []any{f.Site}
	arg := func(v any) string { args = append(args, v); return fmt.Sprintf("$%d", len(args)) }
	where := []string{"p.site = $1", "p.ended_at = 0"}
	if f.Ended {
		where[1] = "p.ended_at > 0"
	}
	if f.Settled {
		where = append(where, "p.settled_at > 0")
	}
	if f.Households != nil {
		var in []string
		for _, h := range f.Households {
			in = append(in, arg(h))
		}
		where = append(where, "p.household IN ("+strings.Join(in, ", ")+")")
	}
	if f.Before > 0 {
		where = append(where, fmt.Sprintf("(p.stored_at, p.id) < (%s, %s)", arg(int64(f.Before)), arg(f.BeforeID)))
	}
	limit := f.Limit
	if limit <= 0 || limit > maxList {
		limit = maxList
	}
	rows, err := tx.Query(ctx, `SELECT `+parcelColumns+parcelTables+`WHERE `+strings.Join(where, " AND ")+
		` ORDER BY p.stored_at DESC, p.id DESC LIMIT `+arg(limit), args...)
	if err != nil {
		return nil, fmt.Errorf("parcels of site %s: %w", f.Site, err)
	}
	return store.Collect(rows, scanParcel)
}

// Named gives every parcel with an id: ids are the gateways' own, so that two sites could use the same one.
func (*Parcels) Named(ctx context.Context, tx *store.Tx, id string) ([]Parcel, error) {
	rows, err := tx.Query(ctx, `SELECT `+parcelColumns+parcelTables+`WHERE p.id = $1 ORDER BY p.gateway LIMIT 20`, id)
	if err != nil {
		return nil, fmt.Errorf("parcel: %w", err)
	}
	return store.Collect(rows, scanParcel)
}

// ByID gives one parcel of a gateway; ErrUnknown when there is none.
func (*Parcels) ByID(ctx context.Context, tx *store.Tx, gateway, id string) (Parcel, error) {
	rows, err := tx.Query(ctx, `SELECT `+parcelColumns+parcelTables+`WHERE p.gateway = $1 AND p.id = $2`, gateway, id)
	if err != nil {
		return Parcel{}, fmt.Errorf("parcel: %w", err)
	}
	all, err := store.Collect(rows, scanParcel)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("parcel: %w", ErrUnknown)
	}
	if err != nil {
		return Parcel{}, err
	}
	return all[0], nil
}

// PIN opens a parcel's PIN from its seal. It is empty while the courier may still undo, once the parcel is gone, and when
// the PIN belongs to another household than the parcel. ErrSealed when it cannot be opened any more.
func (p *Parcels) PIN(ctx context.Context, tx *store.Tx, of Parcel) (Secret, error) {
	if !of.Waiting() {
		return "", nil
	}
	var s wire.Sealed
	err := tx.QueryRow(ctx, `SELECT seal, sealed FROM parcel_pins WHERE gateway = $1 AND id = $2 AND household = $3`,
		of.Gateway, of.ID, of.Household).Scan(&s.Key, &s.Text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("parcel %s: %w", of.ID, err)
	}
	return p.unseal(of.Gateway, "parcel/"+of.ID, s)
}

func scanParcel(r *sql.Rows) (p Parcel, err error) {
	err = r.Scan(&p.Gateway, &p.ID, &p.Site, &p.Epoch, &p.Version, &p.State, &p.Household, &p.Unit, &p.Compartment, &p.Door,
		&p.Shelf, &p.Courier, &p.Carrier, &p.Size, &p.StoredAt, &p.SettledAt, &p.EndedAt, &p.How, &p.KnownAt)
	return p, err
}
