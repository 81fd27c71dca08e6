package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Door is one door as its building last said. When the building is not online that is what was last known: stale says so
// and wins.
type Door struct {
	ID         string     `json:"id"`
	Gateway    string     `json:"gateway"`
	Name       string     `json:"name,omitempty" doc:"of the facility behind it"`
	English    string     `json:"english,omitempty"`
	State      string     `json:"state,omitempty" enum:"secured,released,open,held,left_open,forced" doc:"absent: the building has not spoken of it yet"`
	ClosedDown bool       `json:"closed_down" doc:"a guard closed it: it opens to nobody"`
	Online     bool       `json:"online" doc:"its device answers"`
	Stale      bool       `json:"stale" doc:"the building has not spoken lately: nothing newer is known"`
	Changed    *time.Time `json:"changed,omitempty" doc:"its newest event, by the building's clock"`
	AsOf       *time.Time `json:"as_of,omitempty" doc:"when the building last spoke"`
}

// Command is what somebody asked a door to do, and what came of it. It is never sent again.
type Command struct {
	ID      string             `json:"id"`
	Gateway string             `json:"gateway"`
	Device  string             `json:"device" example:"door/ktv"`
	What    string             `json:"what" example:"open"`
	Who     string             `json:"who,omitempty" doc:"person/id; absent: only the outcome is known here"`
	Why     string             `json:"why,omitempty"`
	State   fleet.CommandState `json:"state" enum:"asked,signed,refused,pulsed,opened,unknown,lapsed" doc:"pulsed: released, and not seen to open; unknown: nobody knows, look on site; lapsed: the building did not answer within 15 s, nothing was opened"`
	Asked   *time.Time         `json:"asked,omitempty"`
	Ended   *time.Time         `json:"ended,omitempty" doc:"the outcome, by the building's clock"`
	Code    string             `json:"code,omitempty" doc:"of the outcome"`
	Waits   bool               `json:"waits" doc:"an outcome may still come about; afterwards it may only still be told"`
	AsOf    *time.Time         `json:"as_of,omitempty" doc:"when the building last spoke"`
}

// OpenBody says why a door is opened.
type OpenBody struct {
	Site string `json:"site" pattern:"^[a-z0-9-]{1,40}$"`
	Why  string `json:"why" pattern:"^[a-z][a-z0-9_]{0,39}$" doc:"a code: visitor, lost_ticket, maintenance, emergency, …"`
}

type openQuery struct {
	Keyed
	ID   string `path:"id" maxLength:"40"`
	Body OpenBody
}

type commandAnswer struct {
	Location string `header:"Location"`
	Body     Command
}

func (a *API) doors() {
	handle(a, huma.Operation{OperationID: "list-doors", Method: http.MethodGet, Path: "/v1/doors", Summary: "The doors of a site", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (out *listed[Door], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out, err = a.listDoors(ctx, tx, in.Site)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{
		OperationID: "open-door", Method: http.MethodPost, Path: "/v1/doors/{id}/open", DefaultStatus: http.StatusAccepted,
		Summary:     "Open a door, now or never",
		Description: "For the manager of the site, who has signed in anew within the last 5 minutes: `/auth/login?step_up=1&next=…`. From the request to the strike at most 30 s pass; nothing is sent again.",
		Errors:      []int{400, 403, 409, 429},
	}, a.openDoor)
	handle(a, huma.Operation{OperationID: "list-commands", Method: http.MethodGet, Path: "/v1/commands", Summary: "The newest commands of a site", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (out *listed[Command], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				if err := a.site(ctx, tx, in.Site, managing()...); err != nil {
					return err
				}
				all, err := a.Fleet.Commands(ctx, tx, in.Site)
				if err != nil {
					return err
				}
				var items []Command
				known := map[string]fleet.Health{}
				for _, c := range all {
					h, err := a.healthOf(ctx, tx, known, c.Gateway)
					if err != nil {
						return err
					}
					items = append(items, shownCommand(c, h))
				}
				out = listOf(items, "")
				return nil
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "get-command", Method: http.MethodGet, Path: "/v1/commands/{id}", Summary: "What became of a command", Errors: []int{403}},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"80"`
		}) (*struct{ Body Command }, error) {
			out := &struct{ Body Command }{}
			err := a.DB.Read(ctx, func(tx *store.Tx) error {
				c, err := a.Fleet.CommandByID(ctx, tx, in.ID)
				if err != nil {
					return err
				}
				g, err := a.Fleet.Gateway(ctx, tx, c.Gateway)
				if err != nil {
					return err
				}
				if err := a.site(ctx, tx, g.Site, managing()...); err != nil {
					return err
				}
				out.Body, err = a.showCommand(ctx, tx, c)
				return err
			})
			return out, err
		})
}

func (a *API) listDoors(ctx context.Context, tx *store.Tx, site string) (*listed[Door], error) {
	healths, err := a.healths(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	all, err := facilities.Doors(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	by := map[string]fleet.Health{}
	for _, h := range healths {
		by[h.Gateway] = h
	}
	var items []Door
	for _, d := range all {
		stale := a.stale(by[d.Gateway])
		items = append(items, Door{
			ID: d.ID, Gateway: d.Gateway, Name: d.Name, English: d.English, State: d.State, ClosedDown: d.ClosedDown, Online: d.Online && !stale, Stale: stale,
			Changed: maybe(d.Said), AsOf: maybe(by[d.Gateway].AsOf),
		})
	}
	return listOf(items, ""), nil
}

func (a *API) openDoor(ctx context.Context, in *openQuery) (*commandAnswer, error) {
	shown, err := doOnce(ctx, a, in.Keyed, []any{"open-door", in.ID, in.Body}, func(tx *store.Tx) (shown Command, out []fleet.Message, err error) {
		if err := a.site(ctx, tx, in.Body.Site, identity.Manager); err != nil {
			return shown, nil, err
		}
		if !a.Identity.Fresh(session(ctx)) {
			return shown, nil, errStepUp
		}
		d, err := facilities.DoorByID(ctx, tx, in.Body.Site, in.ID)
		if err != nil {
			return shown, nil, err
		}
		c, request, err := a.Fleet.Ask(ctx, tx, fleet.Command{Gateway: d.Gateway, Device: "door/" + d.ID, What: "open", Who: "person/" + caller(ctx).ID, Why: in.Body.Why})
		if err != nil {
			return shown, nil, err
		}
		shown, err = a.showCommand(ctx, tx, c)
		return shown, []fleet.Message{request}, err
	})
	if err != nil {
		a.Log.Warn("door not opened", "person", caller(ctx).ID, "site", in.Body.Site, "why", in.Body.Why, "code", string(codeOf(err)))
		return nil, err
	}
	return &commandAnswer{Location: "/v1/commands/" + shown.ID, Body: shown}, nil
}

// showCommand makes a command fit to be seen.
func (a *API) showCommand(ctx context.Context, tx *store.Tx, c fleet.Command) (Command, error) {
	h, err := a.Fleet.Health(ctx, tx, c.Gateway)
	return shownCommand(c, h), err
}

func shownCommand(c fleet.Command, h fleet.Health) Command {
	return Command{
		ID: c.ID, Gateway: c.Gateway, Device: c.Device, What: c.What, Who: c.Who, Why: c.Why, State: c.State, Asked: maybe(c.Asked),
		Ended: maybe(c.Ended), Code: c.Code, Waits: c.Waits(), AsOf: maybe(h.AsOf),
	}
}
