package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// List is every list: its rows, and where the next page begins.
type List[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
}

type listed[T any] struct{ Body List[T] }

func listOf[T any](items []T, next string) *listed[T] {
	if items == nil {
		items = []T{}
	}
	return &listed[T]{List[T]{Items: items, Next: next}}
}

// AtSite is what every list asks for (exported: huma fills no unexported field).
type AtSite struct {
	Site string `query:"site" required:"true" pattern:"^[a-z0-9-]{1,40}$" doc:"id of the site"`
}

// Me is who is signed in.
type Me struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Sites []Site `json:"sites" nullable:"false"`
}

// Site is a community as one person stands in it.
type Site struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Roles      []identity.Role `json:"roles" nullable:"false" doc:"of the person who asks"`
	Households []Household     `json:"households" nullable:"false" doc:"of the person who asks"`
}

// Household is a household of the person who asks.
type Household struct {
	ID       string            `json:"id"`
	Unit     string            `json:"unit" doc:"as on the door"`
	Standing identity.Standing `json:"standing"`
}

func (a *API) people() {
	handle(a, huma.Operation{OperationID: "get-me", Method: http.MethodGet, Path: "/v1/me", Summary: "Who is signed in, and where"},
		func(ctx context.Context, _ *struct{}) (*struct{ Body Me }, error) {
			out := &struct{ Body Me }{}
			err := a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out.Body = Me{ID: caller(ctx).ID, Name: caller(ctx).Name}
				out.Body.Sites, err = a.sitesOf(ctx, tx)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "list-sites", Method: http.MethodGet, Path: "/v1/sites", Summary: "The sites where the person lives or has a role"},
		func(ctx context.Context, _ *struct{}) (out *listed[Site], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				all, err := a.sitesOf(ctx, tx)
				out = listOf(all, "")
				return err
			})
			return out, err
		})
}

// sitesOf are the sites that the caller may see, with the caller's standing in each.
func (a *API) sitesOf(ctx context.Context, tx *store.Tx) ([]Site, error) {
	who := caller(ctx).ID
	operator, err := a.Identity.Can(ctx, tx, who, identity.Everywhere, identity.Operator)
	if err != nil {
		return nil, err
	}
	var ids []string
	if operator {
		ids, err = a.Fleet.SiteIDs(ctx, tx)
	} else {
		ids, err = a.Identity.SitesOf(ctx, tx, who)
	}
	if err != nil {
		return nil, err
	}
	all := []Site{}
	for _, id := range ids {
		s, err := a.standing(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (a *API) standing(ctx context.Context, tx *store.Tx, id string) (Site, error) {
	found, err := a.Fleet.Site(ctx, tx, id)
	if err != nil {
		return Site{}, err
	}
	s := Site{ID: found.ID, Name: found.Name, Roles: []identity.Role{}, Households: []Household{}}
	for _, role := range []identity.Role{identity.Resident, identity.Guard, identity.Manager, identity.Committee, identity.Operator} {
		can, err := a.Identity.Can(ctx, tx, caller(ctx).ID, id, role)
		if err != nil {
			return Site{}, err
		}
		if can {
			s.Roles = append(s.Roles, role)
		}
	}
	mine, err := a.Identity.HouseholdsOf(ctx, tx, caller(ctx).ID, id)
	for _, h := range mine {
		s.Households = append(s.Households, Household{ID: h.ID, Unit: h.Label, Standing: h.Role})
	}
	return s, err
}

// units are the units of a site by their ids.
func (a *API) units(ctx context.Context, tx *store.Tx, site string) (map[string]wire.Unit, error) {
	named, err := a.Identity.Parts(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	all := map[string]wire.Unit{}
	for _, p := range named {
		if h, ok := p.Value.(wire.Households); ok {
			for _, u := range h.Units {
				all[u.ID] = u
			}
		}
	}
	return all, nil
}

// local is an instant as people read it.
func local(m wire.Micros) time.Time { return m.Time().In(parcels.Taipei()) }

// maybe is an instant that may not have come.
func maybe(m wire.Micros) *time.Time {
	if m == 0 {
		return nil
	}
	t := local(m)
	return &t
}

func idsOf(all []identity.Household) []string {
	ids := []string{}
	for _, h := range all {
		ids = append(ids, h.ID)
	}
	slices.Sort(ids)
	return ids
}
