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
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Wish is what was asked of a building. It stays asked until the building answers.
type Wish struct {
	ID       string          `json:"id"`
	Gateway  string          `json:"gateway"`
	Kind     string          `json:"kind" example:"mint_code"`
	Subject  string          `json:"subject" example:"household/…"`
	State    fleet.WishState `json:"state" enum:"asked,done,refused"`
	Reason   string          `json:"reason,omitempty" doc:"why the building refused, as a code"`
	Asked    time.Time       `json:"asked"`
	Answered *time.Time      `json:"answered,omitempty"`
	Href     string          `json:"href" doc:"where this wish can be looked at again"`
}

type wishAnswer struct {
	Location string `header:"Location"`
	Body     struct {
		Wishes []Wish `json:"wishes" nullable:"false" doc:"one for each gateway that was asked"`
	}
}

func shownWish(w fleet.Wish) Wish {
	return Wish{ID: w.ID, Gateway: w.Gateway, Kind: w.Kind, Subject: w.Subject, State: w.State, Reason: w.Reason,
		Asked: local(w.Asked), Answered: maybe(w.Answered), Href: "/v1/wishes/" + w.ID}
}

func accepted(all []fleet.Wish) *wishAnswer {
	out := &wishAnswer{}
	out.Body.Wishes = []Wish{}
	for _, w := range all {
		out.Body.Wishes = append(out.Body.Wishes, shownWish(w))
	}
	if len(all) > 0 {
		out.Location = out.Body.Wishes[0].Href
	}
	return out
}

func (a *API) wishes() {
	handle(a, huma.Operation{OperationID: "list-wishes", Method: http.MethodGet, Path: "/v1/wishes", Summary: "The newest wishes of a site", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (out *listed[Wish], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				if err := a.site(ctx, tx, in.Site, managing()...); err != nil {
					return err
				}
				all, err := a.Fleet.Wishes(ctx, tx, in.Site)
				var items []Wish
				for _, w := range all {
					items = append(items, shownWish(w))
				}
				out = listOf(items, "")
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "get-wish", Method: http.MethodGet, Path: "/v1/wishes/{id}", Summary: "What became of a wish"},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"80"`
		}) (*struct{ Body Wish }, error) {
			out := &struct{ Body Wish }{}
			err := a.DB.Read(ctx, func(tx *store.Tx) error {
				w, err := a.wishFor(ctx, tx, in.ID)
				out.Body = shownWish(w)
				return err
			})
			return out, err
		})
}

// wishFor finds a wish that the caller may see: of a household of theirs, or by a role at its site.
func (a *API) wishFor(ctx context.Context, tx *store.Tx, id string) (fleet.Wish, error) {
	w, err := a.Fleet.WishByID(ctx, tx, id)
	if err != nil {
		return w, err
	}
	g, err := a.Fleet.Gateway(ctx, tx, w.Gateway)
	if err != nil {
		return w, err
	}
	if household, ok := strings.CutPrefix(w.Subject, "household/"); ok {
		_, err := a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, g.Site, household)
		if err == nil || !errors.Is(err, identity.ErrUnknown) {
			return w, err
		}
	}
	if err := a.site(ctx, tx, g.Site, managing()...); err != nil {
		return fleet.Wish{}, errors.Join(errNotFound, err)
	}
	return w, nil
}
