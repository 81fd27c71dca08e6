package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Parcel is one parcel as its gateway said, as of as_of.
type Parcel struct {
	ID        string     `json:"id"`
	Site      string     `json:"site"`
	Gateway   string     `json:"gateway"`
	State     string     `json:"state" example:"stored"`
	Unit      string     `json:"unit" doc:"as on the door"`
	Household string     `json:"household"`
	Door      int64      `json:"door,omitempty" doc:"number of the compartment"`
	Shelf     string     `json:"shelf,omitempty" doc:"at the guard's desk"`
	Carrier   string     `json:"carrier,omitempty"`
	Size      string     `json:"size,omitempty"`
	StoredAt  *time.Time `json:"stored_at,omitempty" doc:"by the gateway's clock, as settled_at and ended_at"`
	SettledAt *time.Time `json:"settled_at,omitempty" doc:"when the courier could no longer undo"`
	DueAt     *time.Time `json:"due_at,omitempty" doc:"until when it should be collected"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	How       string     `json:"how,omitempty" doc:"how it ended: sensor, user, assumed, door_open, guard"`
	PIN       string     `json:"pin,omitempty" doc:"six digits, shown to its household alone, while it waits"`
	PINGone   bool       `json:"pin_gone,omitempty" doc:"the PIN can no longer be opened here; the household code and the guard still work"`
	AsOf      *time.Time `json:"as_of,omitempty" doc:"when the gateway last spoke; absent: never"`
	Stale     bool       `json:"stale" doc:"the gateway has not spoken lately; collecting works all the same"`
}

type parcelQuery struct {
	AtSite
	Scope  string `query:"scope" enum:"mine,site" default:"mine" doc:"site is for its staff, and shows no PIN"`
	State  string `query:"state" enum:"waiting,ended" default:"waiting"`
	Cursor string `query:"cursor" maxLength:"300"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type parcelAnswer struct {
	ETag string `header:"ETag"`
	Body Parcel
}

// Reassign is the body of a reassignment.
type Reassign struct {
	Unit string `json:"unit" minLength:"1" maxLength:"40" doc:"label of the unit whose household gets the parcel"`
}

type reassignQuery struct {
	ID      string `path:"id" maxLength:"80"`
	IfMatch string `header:"If-Match" maxLength:"80" doc:"ETag of the parcel as it was seen"`
	Body    Reassign
}

func (a *API) parcels() {
	handle(a, huma.Operation{OperationID: "list-parcels", Method: http.MethodGet, Path: "/v1/parcels", Summary: "Parcels of one's own households, or of a site for its staff", Errors: []int{403}},
		func(ctx context.Context, in *parcelQuery) (out *listed[Parcel], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out, err = a.listParcels(ctx, tx, in)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "get-parcel", Method: http.MethodGet, Path: "/v1/parcels/{id}", Summary: "One parcel"},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"80"`
		}) (out *parcelAnswer, err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				p, mine, err := a.parcelFor(ctx, tx, in.ID, staff()...)
				if err != nil {
					return err
				}
				shown, err := a.newShower(p.Site).show(ctx, tx, p, mine)
				out = &parcelAnswer{ETag: quote(p.Tag()), Body: shown}
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{
		OperationID: "reassign-parcel", Method: http.MethodPost, Path: "/v1/parcels/{id}/reassignment", DefaultStatus: http.StatusAccepted,
		Summary: "Ask the building to give a parcel to another household", Errors: []int{403, 409, 412, 428},
	}, a.reassign)
}

func (a *API) listParcels(ctx context.Context, tx *store.Tx, in *parcelQuery) (*listed[Parcel], error) {
	f := parcels.Filter{Site: in.Site, Ended: in.State == "ended", Limit: in.Limit + 1}
	mine := in.Scope == "mine"
	if mine {
		if err := a.site(ctx, tx, in.Site, append(staff(), identity.Resident)...); err != nil {
			return nil, err
		}
		households, err := a.Identity.HouseholdsOf(ctx, tx, caller(ctx).ID, in.Site)
		if err != nil {
			return nil, err
		}
		f.Households, f.Settled = idsOf(households), true
	} else if err := a.site(ctx, tx, in.Site, staff()...); err != nil {
		return nil, err
	}
	bound := []string{"parcels", caller(ctx).ID, in.Site, in.Scope, in.State}
	from, err := parseCursor(in.Cursor, bound...)
	if err != nil {
		return nil, err
	}
	f.Before, f.BeforeID = wire.Micros(from.At), from.ID
	all, err := a.Parcels.List(ctx, tx, f)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		last := all[len(all)-1]
		next = cursor{At: int64(last.StoredAt), ID: last.ID}.encode(bound...)
	}
	var items []Parcel
	s := a.newShower(in.Site)
	for _, p := range all {
		one, err := s.show(ctx, tx, p, mine)
		if err != nil {
			return nil, err
		}
		items = append(items, one)
	}
	return listOf(items, next), nil
}

// parcelFor finds a parcel that the caller may see: of a household of theirs (mine), or by a role at its site. Household
// members see it only once the courier can no longer undo.
func (a *API) parcelFor(ctx context.Context, tx *store.Tx, id string, roles ...identity.Role) (p parcels.Parcel, mine bool, err error) {
	all, err := a.Parcels.Named(ctx, tx, id)
	if err != nil {
		return p, false, err
	}
	for _, p := range all {
		_, err := a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, p.Site, p.Household)
		if err == nil && p.SettledAt > 0 {
			return p, true, nil
		}
		if err != nil && !errors.Is(err, identity.ErrUnknown) {
			return p, false, err
		}
		for _, role := range roles {
			can, err := a.Identity.Can(ctx, tx, caller(ctx).ID, p.Site, role)
			if err != nil || can {
				return p, false, err
			}
		}
	}
	return p, false, errNotFound
}

func (a *API) reassign(ctx context.Context, in *reassignQuery) (*wishAnswer, error) {
	tag := strings.Trim(strings.TrimPrefix(in.IfMatch, "W/"), `"`)
	var p parcels.Parcel
	var to parcels.Reassignment
	err := a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if p, _, err = a.parcelFor(ctx, tx, in.ID, staff()...); err != nil {
			return err
		}
		if err := a.site(ctx, tx, p.Site, managing()...); err != nil {
			return err // also for one's own parcel: the manager decides
		}
		if tag == "" {
			return errNoCondition
		}
		to, err = a.recipient(ctx, tx, p.Site, in.Body.Unit)
		return err
	})
	if err != nil {
		return nil, err
	}
	w, err := a.Parcels.Reassign(ctx, p, tag, to, a.Now())
	if err != nil {
		return nil, err
	}
	a.Log.Info("reassignment asked", "person", caller(ctx).ID, "parcel", p.ID, "wish", w.ID)
	return accepted([]fleet.Wish{w}), nil
}

// recipient finds the household that lives in a unit.
func (a *API) recipient(ctx context.Context, tx *store.Tx, site, label string) (parcels.Reassignment, error) {
	all, err := a.units(ctx, tx, site)
	if err != nil {
		return parcels.Reassignment{}, err
	}
	for _, u := range all {
		if u.Label == label && u.Household != "" {
			return parcels.Reassignment{Unit: u.ID, Household: u.Household}, nil
		}
	}
	return parcels.Reassignment{}, errNoUnit
}

// shower shows parcels of one site and asks for what they share once.
type shower struct {
	api     *API
	site    string
	units   map[string]wire.Unit
	policy  *wire.Policy
	healths map[string]fleet.Health
}

func (a *API) newShower(site string) *shower {
	return &shower{api: a, site: site, healths: map[string]fleet.Health{}}
}

// show makes a parcel fit to be seen; its PIN is opened only when it is the asker's own.
func (s *shower) show(ctx context.Context, tx *store.Tx, p parcels.Parcel, mine bool) (Parcel, error) {
	if err := s.learn(ctx, tx, p.Gateway); err != nil {
		return Parcel{}, err
	}
	h := s.healths[p.Gateway]
	out := Parcel{
		ID: p.ID, Site: p.Site, Gateway: p.Gateway, State: p.State, Unit: s.units[p.Unit].Label, Household: p.Household, Door: p.Door,
		Shelf: p.Shelf, Carrier: p.Carrier, Size: p.Size, StoredAt: maybe(p.StoredAt), SettledAt: maybe(p.SettledAt), EndedAt: maybe(p.EndedAt),
		How: p.How, AsOf: maybe(h.AsOf), Stale: s.api.stale(h),
	}
	if p.Waiting() {
		out.DueAt = maybe(parcels.Due(p.KnownAt, *s.policy))
	}
	if !mine {
		return out, nil
	}
	pin, err := s.api.Parcels.PIN(ctx, tx, p)
	if errors.Is(err, parcels.ErrSealed) {
		out.PINGone, err = true, nil
	}
	out.PIN = pin.Reveal()
	return out, err
}

func (s *shower) learn(ctx context.Context, tx *store.Tx, gateway string) (err error) {
	if s.units == nil {
		if s.units, err = s.api.units(ctx, tx, s.site); err != nil {
			return err
		}
	}
	if s.policy == nil {
		policy, err := parcels.ReadPolicy(ctx, tx, s.site)
		if err != nil {
			return err
		}
		s.policy = &policy
	}
	_, err = s.api.healthOf(ctx, tx, s.healths, gateway)
	return err
}

func quote(tag string) string { return `"` + tag + `"` }
