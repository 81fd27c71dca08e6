package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Gateway is one box. All but id and site is what its newest pulse said, as of as_of.
type Gateway struct {
	ID          string       `json:"id"`
	Site        string       `json:"site"`
	State       fleet.State  `json:"state" enum:"never_seen,online,degraded,stale,offline"`
	Reasons     []string     `json:"reasons,omitempty" doc:"why it is degraded, as codes"`
	AsOf        *time.Time   `json:"as_of,omitempty" doc:"when its newest pulse came; absent: never"`
	Epoch       uint64       `json:"epoch"`
	Boot        uint64       `json:"boot"`
	Version     string       `json:"version"`
	Clock       wire.Quality `json:"clock" doc:"how far its clock can be believed"`
	ClockOff    *int64       `json:"clock_off_ms,omitempty" doc:"milliseconds by which its clock was ahead when the pulse came, the way included"`
	Backlog     uint64       `json:"backlog" doc:"events that the cloud does not have yet"`
	OldestEvent *time.Time   `json:"oldest_event,omitempty" doc:"of the backlog"`
	DiskFree    uint64       `json:"disk_free" doc:"bytes"`
	StoreSize   uint64       `json:"store_size" doc:"bytes"`
	Config      string       `json:"config"`
	Devices     int          `json:"devices" doc:"that it has"`
	Unlisted    int          `json:"unlisted" doc:"of them, those that its newest pulse had no room for: at /v1/devices they are missing, or as they were"`
	Applied     bool         `json:"applied" doc:"it has applied what the cloud wants"`
	Alarms      []Alarm      `json:"alarms" nullable:"false"`
}

// Alarm is one condition that a person must look at.
type Alarm struct {
	Kind    string    `json:"kind"`
	Subject string    `json:"subject"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Times   int64     `json:"times"`
}

// Device is one device. When its gateway is not online, its state is what was last known: stale says so and wins.
type Device struct {
	ID      string     `json:"id"`
	Gateway string     `json:"gateway"`
	Kind    string     `json:"kind"`
	Online  bool       `json:"online"`
	Stale   bool       `json:"stale" doc:"the gateway has not spoken lately, or not of this device: nothing newer is known"`
	AsOf    *time.Time `json:"as_of,omitempty" doc:"its last good answer, by the gateway's clock; absent: never"`
	Code    string     `json:"code,omitempty" doc:"what is wrong"`
	Error   string     `json:"error,omitempty" doc:"what is wrong and the remedy, in the driver's words"`
}

func (a *API) boxes() {
	handle(a, huma.Operation{OperationID: "list-gateways", Method: http.MethodGet, Path: "/v1/gateways", Summary: "The gateways of a site", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (out *listed[Gateway], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				all, err := a.healths(ctx, tx, in.Site)
				if err != nil {
					return err
				}
				items := []Gateway{}
				for _, h := range all {
					items = append(items, a.gateway(in.Site, h))
				}
				out = listOf(items, "")
				return nil
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "get-gateway", Method: http.MethodGet, Path: "/v1/gateways/{id}", Summary: "One gateway", Errors: []int{403}},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"40"`
		}) (*struct{ Body Gateway }, error) {
			out := &struct{ Body Gateway }{}
			err := a.DB.Read(ctx, func(tx *store.Tx) error {
				g, err := a.Fleet.Gateway(ctx, tx, in.ID)
				if err != nil {
					return err
				}
				if err := a.site(ctx, tx, g.Site, staff()...); err != nil {
					return err
				}
				h, err := a.Fleet.Health(ctx, tx, g.ID)
				out.Body = a.gateway(g.Site, h)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "list-devices", Method: http.MethodGet, Path: "/v1/devices", Summary: "The devices of a site's gateways", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (out *listed[Device], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				all, err := a.healths(ctx, tx, in.Site)
				if err != nil {
					return err
				}
				items := []Device{}
				for _, h := range all {
					for _, d := range h.Devices {
						stale := a.stale(h) || !h.Listed(d)
						items = append(items, Device{ID: d.ID, Gateway: h.Gateway, Kind: d.Kind, Online: d.Online && !stale, Stale: stale, AsOf: maybe(d.At), Code: d.Code, Error: d.Error})
					}
				}
				out = listOf(items, "")
				return nil
			})
			return out, err
		})
}

// healths reads how the gateways of a site are, for its staff.
func (a *API) healths(ctx context.Context, tx *store.Tx, site string) ([]fleet.Health, error) {
	if err := a.site(ctx, tx, site, staff()...); err != nil {
		return nil, err
	}
	ids, err := a.Fleet.GatewayIDs(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	var all []fleet.Health
	for _, id := range ids {
		h, err := a.Fleet.Health(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// healthOf reads how a gateway is, once for all rows of an answer.
func (a *API) healthOf(ctx context.Context, tx *store.Tx, known map[string]fleet.Health, gateway string) (fleet.Health, error) {
	h, ok := known[gateway]
	if ok {
		return h, nil
	}
	h, err := a.Fleet.Health(ctx, tx, gateway)
	known[gateway] = h
	return h, err
}

// stale tells whether what a gateway said last may no longer be so.
func (a *API) stale(h fleet.Health) bool {
	state, _ := h.State(a.Now())
	return !state.Fresh()
}

func (a *API) gateway(site string, h fleet.Health) Gateway {
	state, reasons := h.State(a.Now())
	g := Gateway{
		ID: h.Gateway, Site: site, State: state, Reasons: reasons, AsOf: maybe(h.AsOf), Epoch: h.Epoch, Boot: h.Boot, Version: h.Version,
		Clock: h.Clock, Backlog: h.Undelivered, OldestEvent: maybe(h.OldestWall), DiskFree: h.DiskFree, StoreSize: h.StoreSize,
		Config: h.Config, Devices: h.Count, Unlisted: h.More, Applied: h.Wanted.Version > 0 && h.Applied == h.Wanted, Alarms: []Alarm{},
	}
	if h.AsOf != 0 {
		off := int64(h.Wall-h.AsOf) / 1000
		g.ClockOff = &off
	}
	for _, m := range h.Alarms {
		g.Alarms = append(g.Alarms, Alarm{Kind: m.Kind, Subject: m.Subject, First: local(m.First), Last: local(m.Last), Times: m.Times})
	}
	return g
}
