package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of looking through the log.
const (
	scanRows = 500  // read at a time
	scanMost = 5000 // looked at for one page; then the page ends early, with a cursor
)

// Event is one event of the log, without the state that it left: states may hold sealed codes.
type Event struct {
	Pos      int64           `json:"pos" doc:"grows through the whole log"`
	Gateway  string          `json:"gateway"`
	Epoch    uint64          `json:"epoch"`
	Stream   wire.Stream     `json:"stream"`
	Segment  uint64          `json:"segment"`
	Seq      uint64          `json:"seq"`
	Type     string          `json:"type" example:"parcel.stored"`
	Subject  string          `json:"subject"`
	Version  uint64          `json:"version,omitempty"`
	Wall     time.Time       `json:"wall" doc:"the gateway's judged time"`
	Clock    wire.Quality    `json:"clock" doc:"how far that can be believed"`
	Received time.Time       `json:"received" doc:"the cloud's time"`
	Data     json.RawMessage `json:"data,omitempty" doc:"ids and codes, by type"`
}

type eventQuery struct {
	AtSite
	Gateway string `query:"gateway" pattern:"^[a-z0-9-]{0,40}$" doc:"of this gateway alone"`
	Type    string `query:"type" maxLength:"64" doc:"of this type, or beginning with it when it ends in a dot"`
	Subject string `query:"subject" maxLength:"256"`
	Cursor  string `query:"cursor" maxLength:"300"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (q *eventQuery) wants(l ingest.Logged) bool {
	if q.Subject != "" && l.Event.Subject != q.Subject {
		return false
	}
	return q.Type == "" || l.Event.Type == q.Type || strings.HasSuffix(q.Type, ".") && strings.HasPrefix(l.Event.Type, q.Type)
}

func (a *API) events() {
	handle(a, huma.Operation{OperationID: "list-events", Method: http.MethodGet, Path: "/v1/events", Summary: "What happened at a site, newest first", Errors: []int{403}},
		func(ctx context.Context, in *eventQuery) (out *listed[Event], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				if err := a.site(ctx, tx, in.Site, managing()...); err != nil {
					return err
				}
				out, err = a.listEvents(ctx, tx, in)
				return err
			})
			return out, err
		})
}

func (a *API) listEvents(ctx context.Context, tx *store.Tx, in *eventQuery) (*listed[Event], error) {
	bound := []string{"events", caller(ctx).ID, in.Site, in.Gateway, in.Type, in.Subject}
	from, err := parseCursor(in.Cursor, bound...)
	if err != nil {
		return nil, err
	}
	at, looked := from.At, 0
	var items []Event
	for looked < scanMost {
		all, err := a.Ingest.Before(ctx, tx, in.Site, in.Gateway, at, scanRows)
		if err != nil {
			return nil, err
		}
		for _, l := range all {
			if in.wants(l) {
				if len(items) == in.Limit {
					return listOf(items, cursor{At: at}.encode(bound...)), nil
				}
				items = append(items, shownEvent(l))
			}
			at = l.Pos
		}
		looked += len(all)
		if len(all) < scanRows {
			return listOf(items, ""), nil
		}
	}
	return listOf(items, cursor{At: at}.encode(bound...)), nil
}

func shownEvent(l ingest.Logged) Event {
	return Event{
		Pos: l.Pos, Gateway: l.Gateway, Epoch: l.Name.Epoch, Stream: l.Name.Stream, Segment: l.Name.Segment, Seq: l.Name.Seq,
		Type: l.Event.Type, Subject: l.Event.Subject, Version: l.Event.Version, Wall: local(l.Event.Wall), Clock: l.Event.Clock,
		Received: l.Received, Data: l.Event.Data,
	}
}
