package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Reading is one reading of a gas meter.
type Reading struct {
	Meter       string     `json:"meter"`
	Gateway     string     `json:"gateway"`
	Unit        string     `json:"unit,omitempty" doc:"as on the door; absent: the meter is on no list"`
	Litres      *int64     `json:"litres,omitempty" doc:"the total as it was seen; of a bad reading the last good one, absent when there was none"`
	CubicMetres *int64     `json:"cubic_metres,omitempty" doc:"the same in 度: whole cubic metres, rounded down"`
	Quality     string     `json:"quality" enum:"good,bad,identity_mismatch,backwards,jump" doc:"only good ones count"`
	Code        string     `json:"code,omitempty" doc:"of a bad one: silent, gone, busy, refused, value, failed"`
	Source      string     `json:"source" enum:"meter"`
	Rollover    bool       `json:"rollover,omitempty" doc:"the counter has passed its end and begun again"`
	Flags       []string   `json:"flags,omitempty" doc:"status bits of the meter, by name"`
	Observed    time.Time  `json:"observed" doc:"when it was seen, by the gateway's clock: as of"`
	Between     *Between   `json:"between,omitempty" doc:"the gateway's clock was uncertain: it was seen between these two, and observed is a guess"`
	Received    time.Time  `json:"received" doc:"by the cloud's clock"`
	LastGood    *GoodTotal `json:"last_good,omitempty" doc:"before this one"`
}

// Between is the time within which something was seen.
type Between struct {
	From  *time.Time `json:"from,omitempty" doc:"absent: nothing is known"`
	Until time.Time  `json:"until"`
}

// GoodTotal is a total that counts.
type GoodTotal struct {
	Litres      int64     `json:"litres"`
	CubicMetres int64     `json:"cubic_metres" doc:"度"`
	Observed    time.Time `json:"observed"`
}

// Meter is a gas meter on the site's list, as it stands.
type Meter struct {
	ID       string     `json:"id"`
	Gateway  string     `json:"gateway"`
	Unit     string     `json:"unit" doc:"as on the door"`
	Serial   string     `json:"serial" doc:"as on its plate"`
	Newest   *Reading   `json:"newest,omitempty" doc:"absent: never read"`
	LastGood *GoodTotal `json:"last_good,omitempty" doc:"the newest that counts"`
	Stale    bool       `json:"stale" doc:"the gateway has not spoken lately: nothing newer is known"`
}

type readingQuery struct {
	AtSite
	Household string `query:"household" maxLength:"80" doc:"of this one alone; absent: of all of one's own, or of every meter of the site for its manager"`
	Cursor    string `query:"cursor" maxLength:"300"`
	Limit     int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (a *API) gas() {
	handle(a, huma.Operation{OperationID: "list-readings", Method: http.MethodGet, Path: "/v1/readings", Summary: "Readings of gas meters, newest first: of one's own households, or of a site for its manager"},
		func(ctx context.Context, in *readingQuery) (out *listed[Reading], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out, err = a.listReadings(ctx, tx, in)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "list-meters", Method: http.MethodGet, Path: "/v1/meters", Summary: "The gas meters of a site as they stand", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (out *listed[Meter], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out, err = a.listMeters(ctx, tx, in.Site)
				return err
			})
			return out, err
		})
}

func (a *API) listReadings(ctx context.Context, tx *store.Tx, in *readingQuery) (*listed[Reading], error) {
	stays, err := a.staysFor(ctx, tx, in.Site, in.Household)
	if err != nil {
		return nil, err
	}
	bound := []string{"readings", caller(ctx).ID, in.Site, in.Household}
	from, err := parseCursor(in.Cursor, bound...)
	if err != nil {
		return nil, err
	}
	f := gas.Filter{Site: in.Site, Stays: stays, Before: wire.Micros(from.At), Limit: in.Limit + 1}
	if from.At > 0 {
		if f.Pos, err = strconv.ParseInt(from.ID, 10, 64); err != nil {
			return nil, errCursor
		}
	}
	all, err := gas.List(ctx, tx, f)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		last := all[len(all)-1]
		next = cursor{At: int64(last.Observed), ID: strconv.FormatInt(last.Pos, 10)}.encode(bound...)
	}
	units, err := a.units(ctx, tx, in.Site)
	if err != nil {
		return nil, err
	}
	var items []Reading
	for _, r := range all {
		items = append(items, showReading(r, units[r.Unit].Label))
	}
	return listOf(items, next), nil
}

// staysFor gives the stays whose readings the caller may have: of one household, of all of the caller's own, or nil for the
// whole site. Somebody else's household does not exist for the caller.
func (a *API) staysFor(ctx context.Context, tx *store.Tx, site, household string) ([]identity.Stay, error) {
	if err := a.site(ctx, tx, site, append(staff(), identity.Resident)...); err != nil {
		return nil, err
	}
	manages := false
	for _, role := range managing() {
		can, err := a.Identity.Can(ctx, tx, caller(ctx).ID, site, role)
		if err != nil {
			return nil, err
		}
		manages = manages || can
	}
	if manages && household == "" {
		return nil, nil
	}
	ids := []string{household}
	if household == "" {
		mine, err := a.Identity.HouseholdsOf(ctx, tx, caller(ctx).ID, site)
		if err != nil {
			return nil, err
		}
		ids = idsOf(mine)
	} else if !manages {
		if _, err := a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, site, household); err != nil {
			return nil, err
		}
	}
	stays := []identity.Stay{}
	for _, id := range ids {
		s, err := a.Identity.Stay(ctx, tx, site, id)
		if err != nil {
			return nil, err
		}
		stays = append(stays, s)
	}
	return stays, nil
}

func (a *API) listMeters(ctx context.Context, tx *store.Tx, site string) (*listed[Meter], error) {
	healths, err := a.healths(ctx, tx, site) // for its staff alone
	if err != nil {
		return nil, err
	}
	stale := map[string]bool{}
	for _, h := range healths {
		stale[h.Gateway] = a.stale(h)
	}
	units, err := a.units(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	all, err := gas.States(ctx, tx, site, a.Now())
	if err != nil {
		return nil, err
	}
	var items []Meter
	for _, s := range all {
		m := Meter{ID: s.ID, Gateway: s.Gateway, Unit: units[s.Unit].Label, Serial: s.Serial, LastGood: total(s.Good), Stale: stale[s.Gateway]}
		if s.Newest != nil {
			newest := showReading(*s.Newest, m.Unit)
			m.Newest = &newest
		}
		items = append(items, m)
	}
	return listOf(items, ""), nil
}

func showReading(r gas.Reading, unit string) Reading {
	out := Reading{
		Meter: r.Meter, Gateway: r.Gateway, Unit: unit, Quality: r.Quality, Code: r.Code, Source: "meter", Rollover: r.Rollover, Flags: r.Flags,
		Observed: local(r.Observed), Received: local(r.Received), LastGood: total(r.Last),
	}
	if r.Quality != wire.ReadingBad || r.Last != nil {
		cubic := gas.CubicMetres(r.Litres)
		out.Litres, out.CubicMetres = &r.Litres, &cubic
	}
	if !r.Certain() {
		out.Between = &Between{From: maybe(r.Earliest), Until: local(r.Latest)}
	}
	return out
}

func total(g *wire.Good) *GoodTotal {
	if g == nil {
		return nil
	}
	return &GoodTotal{Litres: g.Litres, CubicMetres: gas.CubicMetres(g.Litres), Observed: local(g.At)}
}
