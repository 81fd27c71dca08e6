package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/notify"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// SentNotice is one notice of a parcel to one person.
type SentNotice struct {
	ID     string       `json:"id"`
	Person string       `json:"person" doc:"id"`
	Parcel string       `json:"parcel"`
	Made   time.Time    `json:"made"`
	State  notify.State `json:"state" enum:"waiting,sent,kept,withdrawn,given_up"`
	Tries  int64        `json:"tries"`
	Ended  *time.Time   `json:"ended,omitempty"`
}

type noticeQuery struct {
	AtSite
	Scope string `query:"scope" enum:"mine,site" default:"mine"`
}

func (a *API) notices() {
	handle(a, huma.Operation{OperationID: "list-notices-sent", Method: http.MethodGet, Path: "/v1/notices-sent", Summary: "The newest notices to oneself, or to all at a site for who decides there", Errors: []int{403}},
		func(ctx context.Context, in *noticeQuery) (out *listed[SentNotice], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				all, err := a.listNotices(ctx, tx, in)
				var items []SentNotice
				for _, n := range all {
					items = append(items, SentNotice{ID: n.ID, Person: n.Person, Parcel: n.Parcel, Made: local(n.Made), State: n.State, Tries: n.Tries, Ended: maybe(n.Ended)})
				}
				out = listOf(items, "")
				return err
			})
			return out, err
		})
}

func (a *API) listNotices(ctx context.Context, tx *store.Tx, in *noticeQuery) ([]notify.Notice, error) {
	if in.Scope == "site" {
		if err := a.site(ctx, tx, in.Site, managing()...); err != nil {
			return nil, err
		}
		return notify.OfSite(ctx, tx, in.Site)
	}
	if err := a.site(ctx, tx, in.Site, append(staff(), identity.Resident)...); err != nil {
		return nil, err
	}
	return notify.OfPerson(ctx, tx, caller(ctx).ID, in.Site)
}
