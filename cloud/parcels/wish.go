package parcels

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Kinds of wishes.
const (
	WishMint     = "mint_code"
	WishReassign = "reassign_parcel"
)

// Reassignment is the data of a wish to give a parcel to another household.
type Reassignment struct {
	Unit      string `json:"unit"` // the unit's id
	Household string `json:"household"`
}

// Mint asks every gateway of a site for the next code of a holder. To ask again while a wish still waits for the building
// returns that wish. The holder's existence is the caller's to have checked.
func (p *Parcels) Mint(ctx context.Context, site string, purpose Purpose, holder string, now time.Time) ([]fleet.Wish, error) {
	var out []fleet.Wish
	err := p.fleet.Change(ctx, site, now, func(tx *store.Tx) error {
		out = nil
		gateways, err := p.fleet.GatewayIDs(ctx, tx, site)
		if err != nil {
			return err
		}
		for _, g := range gateways {
			w, err := p.fleet.Wish(ctx, tx, fleet.Wish{Gateway: g, Kind: WishMint, Subject: string(purpose) + "/" + holder}, now)
			if err != nil {
				return err
			}
			out = append(out, w)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("mint a code for %s/%.40s: %w", purpose, holder, err)
	}
	return out, nil
}

// Reassign asks the gateway to give a parcel to another household. tag is the state that the asker saw (Parcel.Tag):
// ErrChanged when the parcel has moved on since, ErrState when it is no longer there to be reassigned.
func (p *Parcels) Reassign(ctx context.Context, of Parcel, tag string, to Reassignment, now time.Time) (fleet.Wish, error) {
	data, err := json.Marshal(to)
	if err != nil {
		return fleet.Wish{}, err
	}
	var w fleet.Wish
	err = p.fleet.Change(ctx, of.Site, now, func(tx *store.Tx) error {
		current, err := p.ByID(ctx, tx, of.Gateway, of.ID)
		switch {
		case err != nil:
			return err
		case current.Tag() != tag:
			return ErrChanged
		case !slices.Contains([]string{Stored, Overdue, MovedToOffice}, current.State):
			return ErrState
		}
		w, err = p.fleet.Wish(ctx, tx, fleet.Wish{
			Gateway: of.Gateway, Kind: WishReassign, Subject: "parcel/" + of.ID, Version: current.Version, Data: data,
		}, now)
		return err
	})
	if err != nil {
		return fleet.Wish{}, fmt.Errorf("reassign parcel %.80s: %w", of.ID, err)
	}
	return w, nil
}
