package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Codes are the living codes of a holder, and what was asked of the buildings about them.
type Codes struct {
	Codes   []OpenCode `json:"codes" nullable:"false" doc:"one for each gateway that has minted one"`
	Waiting []Wish     `json:"waiting" nullable:"false" doc:"asked and not answered: until then the old code works at the building"`
}

// OpenCode is a code in clear.
type OpenCode struct {
	Gateway string     `json:"gateway"`
	Code    string     `json:"code,omitempty" doc:"absent: it can no longer be opened here; ask for the next one"`
	Minted  time.Time  `json:"minted_at"`
	Until   *time.Time `json:"until,omitempty"`
}

// Courier is a carrier at a site.
type Courier struct {
	ID    string     `json:"id"`
	Name  string     `json:"name" doc:"the carrier's"`
	From  int        `json:"from" doc:"minutes after midnight, Asia/Taipei"`
	To    int        `json:"to"`
	Until *time.Time `json:"until,omitempty"`
}

// Guard is a guard, masked.
type Guard struct {
	ID     string     `json:"id"`
	Masked string     `json:"masked"`
	Until  *time.Time `json:"until,omitempty"`
}

type householdQuery struct {
	AtSite
	Household string `query:"household" required:"true" minLength:"1" maxLength:"80" doc:"id of a household of the person who asks"`
}

// HouseholdMint is the body that asks for the next household code.
type HouseholdMint struct {
	Site      string `json:"site" pattern:"^[a-z0-9-]{1,40}$"`
	Household string `json:"household" minLength:"1" maxLength:"80"`
}

// Mint is the body that asks for the next code of a courier or guard.
type Mint struct {
	Site string `json:"site" pattern:"^[a-z0-9-]{1,40}$"`
}

type holderQuery struct {
	AtSite
	ID string `path:"id" maxLength:"80"`
}

type mintQuery struct {
	ID   string `path:"id" maxLength:"80"`
	Body Mint
}

type codesAnswer struct{ Body Codes }

func (a *API) codes() {
	handle(a, huma.Operation{OperationID: "get-household-code", Method: http.MethodGet, Path: "/v1/household-code", Summary: "The code that opens everything of one's own household"},
		func(ctx context.Context, in *householdQuery) (out *codesAnswer, err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				if _, err := a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, in.Site, in.Household); err != nil {
					return err
				}
				out, err = a.open(ctx, tx, in.Site, parcels.ForHousehold, in.Household)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{
		OperationID: "mint-household-code", Method: http.MethodPost, Path: "/v1/household-code", DefaultStatus: http.StatusAccepted,
		Summary: "Ask the building for the next household code",
	}, func(ctx context.Context, in *struct{ Body HouseholdMint }) (*wishAnswer, error) {
		err := a.DB.Read(ctx, func(tx *store.Tx) error {
			_, err := a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, in.Body.Site, in.Body.Household)
			return err
		})
		if err != nil {
			return nil, err
		}
		return a.mint(ctx, in.Body.Site, parcels.ForHousehold, in.Body.Household)
	})
	handle(a, huma.Operation{OperationID: "list-couriers", Method: http.MethodGet, Path: "/v1/couriers", Summary: "The carriers of a site", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (*listed[Courier], error) {
			d, err := a.desk(ctx, in.Site)
			var items []Courier
			for _, c := range d.Couriers {
				items = append(items, Courier{ID: c.ID, Name: c.Name, From: c.From, To: c.To, Until: maybe(c.Until)})
			}
			return listOf(items, ""), err
		})
	handle(a, huma.Operation{OperationID: "list-guards", Method: http.MethodGet, Path: "/v1/guards", Summary: "The guards of a site", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (*listed[Guard], error) {
			d, err := a.desk(ctx, in.Site)
			var items []Guard
			for _, g := range d.Guards {
				items = append(items, Guard{ID: g.ID, Masked: g.Masked, Until: maybe(g.Until)})
			}
			return listOf(items, ""), err
		})
	a.holderCodes(parcels.ForCourier, "/v1/couriers/{id}/code")
	a.holderCodes(parcels.ForGuard, "/v1/guards/{id}/code")
}

// holderCodes adds the routes for the code of a courier or guard, for who decides at the site.
func (a *API) holderCodes(purpose parcels.Purpose, path string) {
	handle(a, huma.Operation{OperationID: "get-" + string(purpose) + "-code", Method: http.MethodGet, Path: path, Summary: "The code of a " + string(purpose), Errors: []int{403}},
		func(ctx context.Context, in *holderQuery) (out *codesAnswer, err error) {
			if err := a.holder(ctx, in.Site, purpose, in.ID); err != nil {
				return nil, err
			}
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out, err = a.open(ctx, tx, in.Site, purpose, in.ID)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{
		OperationID: "mint-" + string(purpose) + "-code", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusAccepted,
		Summary: "Ask the building for the next code of a " + string(purpose), Errors: []int{403},
	}, func(ctx context.Context, in *mintQuery) (*wishAnswer, error) {
		if err := a.holder(ctx, in.Body.Site, purpose, in.ID); err != nil {
			return nil, err
		}
		return a.mint(ctx, in.Body.Site, purpose, in.ID)
	})
}

// desk reads what a site has decided, for who decides there.
func (a *API) desk(ctx context.Context, site string) (d parcels.Desk, err error) {
	err = a.DB.Read(ctx, func(tx *store.Tx) error {
		if err := a.site(ctx, tx, site, managing()...); err != nil {
			return err
		}
		d, err = parcels.ReadDesk(ctx, tx, site)
		return err
	})
	return d, err
}

// holder sees that the caller decides at the site, and that the courier or guard is of that site.
func (a *API) holder(ctx context.Context, site string, purpose parcels.Purpose, id string) error {
	d, err := a.desk(ctx, site)
	if err != nil {
		return err
	}
	var ids []string
	for _, c := range d.Couriers {
		if purpose == parcels.ForCourier {
			ids = append(ids, c.ID)
		}
	}
	for _, g := range d.Guards {
		if purpose == parcels.ForGuard {
			ids = append(ids, g.ID)
		}
	}
	if !slices.Contains(ids, id) {
		return parcels.ErrUnknown
	}
	return nil
}

// open shows the codes of a holder whom the caller may see.
func (a *API) open(ctx context.Context, tx *store.Tx, site string, purpose parcels.Purpose, holder string) (*codesAnswer, error) {
	all, err := a.Parcels.Codes(ctx, tx, site, purpose, holder, a.Now())
	if err != nil {
		return nil, err
	}
	out := &codesAnswer{Codes{Codes: []OpenCode{}, Waiting: []Wish{}}}
	for _, c := range all {
		out.Body.Codes = append(out.Body.Codes, OpenCode{Gateway: c.Gateway, Code: c.Digits.Reveal(), Minted: local(c.Minted), Until: maybe(c.Until)})
	}
	gateways, err := a.Fleet.GatewayIDs(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	for _, g := range gateways {
		w, err := a.Fleet.NewestWish(ctx, tx, g, parcels.WishMint, string(purpose)+"/"+holder)
		if codeOf(err) == CodeNotFound && err != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		if w.State == fleet.WishAsked {
			out.Body.Waiting = append(out.Body.Waiting, shownWish(w))
		}
	}
	a.Log.Info("code shown", "person", caller(ctx).ID, "purpose", string(purpose), "holder", holder)
	return out, nil
}

func (a *API) mint(ctx context.Context, site string, purpose parcels.Purpose, holder string) (*wishAnswer, error) {
	all, err := a.Parcels.Mint(ctx, site, purpose, holder, a.Now())
	if err != nil {
		return nil, err
	}
	a.Log.Info("code asked for", "person", caller(ctx).ID, "purpose", string(purpose), "holder", holder)
	return accepted(all), nil
}
