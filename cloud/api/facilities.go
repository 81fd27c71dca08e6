package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// pastBookings is how long a booking that is over stays in lists.
const pastBookings = 30 * 24 * time.Hour

// Facility is what can be booked at a site.
type Facility struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	English string `json:"english" doc:"its name in English"`
	Door    string `json:"door" doc:"id of the door that a booking opens"`
	Slot    int    `json:"slot" doc:"minutes of one slot"`
	From    int    `json:"from" doc:"minutes after midnight, Asia/Taipei"`
	To      int    `json:"to" doc:"the same; the last slot ends then at the latest"`
	Once    bool   `json:"once" doc:"a booking opens the door once"`
}

// Slot is a stretch of time that can be booked, or why it cannot.
type Slot struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	State   string    `json:"state" enum:"free,over,too_far,taken"`
	Booking string    `json:"booking,omitempty" doc:"id of the asker's own booking of this slot"`
}

// Free is the next slot that can be booked.
type Free struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Booking is a household's slot.
type Booking struct {
	ID        string      `json:"id"`
	Site      string      `json:"site"`
	Facility  string      `json:"facility"`
	Door      string      `json:"door"`
	Household string      `json:"household"`
	State     rules.State `json:"state" enum:"confirmed,checked_in,cancelled,cancelled_late,completed"`
	From      time.Time   `json:"from"`
	To        time.Time   `json:"to"`
	Opens     time.Time   `json:"opens" doc:"from then on the ticket opens the door"`
	Closes    time.Time   `json:"closes"`
	Once      bool        `json:"once" doc:"the door opens once"`
	CheckedIn *time.Time  `json:"checked_in,omitempty" doc:"when the door first opened with it, by the building's clock; absent: not yet, as far as is known"`
	Pending   bool        `json:"pending,omitempty" doc:"it is cancelled, and the door may not have heard of it: at worst its ticket opens until closes"`
	AsOf      *time.Time  `json:"as_of,omitempty" doc:"when the building last spoke"`
}

// Ticket opens the door of a booking, with or without the internet.
type Ticket struct {
	Text   string    `json:"ticket" doc:"what the QR code holds"`
	SVG    string    `json:"svg" doc:"the QR code: black on white, with its quiet zone"`
	Door   string    `json:"door"`
	Opens  time.Time `json:"opens"`
	Closes time.Time `json:"closes"`
	Once   bool      `json:"once"`
}

// BookingBody asks for a slot.
type BookingBody struct {
	Site      string    `json:"site" pattern:"^[a-z0-9-]{1,40}$"`
	Facility  string    `json:"facility" pattern:"^[a-z0-9-]{1,40}$"`
	Household string    `json:"household" minLength:"1" maxLength:"80" doc:"id of a household of the person who asks"`
	From      time.Time `json:"from" doc:"when the slot begins"`
}

type slotQuery struct {
	AtSite
	ID  string `path:"id" maxLength:"40"`
	Day string `query:"day" required:"true" format:"date" doc:"in Asia/Taipei, 2026-11-25"`
}

type bookQuery struct {
	Keyed
	Body BookingBody
}

type bookingsQuery struct {
	AtSite
	Household string `query:"household" maxLength:"80" doc:"one's own; without it all of the site, for its staff"`
	Cursor    string `query:"cursor" maxLength:"300"`
	Limit     int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type bookingQuery struct {
	ID string `path:"id" maxLength:"80"`
}

type cancelQuery struct {
	ID      string `path:"id" maxLength:"80"`
	IfMatch string `header:"If-Match" maxLength:"80" doc:"ETag of the state that was seen"`
}

type bookingAnswer struct {
	Location string `header:"Location"`
	Body     Booking
}

type bookingShown struct {
	ETag string `header:"ETag"`
	Body Booking
}

func (a *API) facilities() {
	handle(a, huma.Operation{OperationID: "list-facilities", Method: http.MethodGet, Path: "/v1/facilities", Summary: "What can be booked at a site", Errors: []int{403}},
		func(ctx context.Context, in *AtSite) (out *listed[Facility], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				if err := a.site(ctx, tx, in.Site, append(staff(), identity.Resident)...); err != nil {
					return err
				}
				all, err := facilities.List(ctx, tx, in.Site)
				var items []Facility
				for _, f := range all {
					items = append(items, Facility{ID: f.ID, Name: f.Name, English: f.English, Door: f.Door, Slot: f.Slot, From: f.From, To: f.To, Once: f.Once})
				}
				out = listOf(items, "")
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "list-slots", Method: http.MethodGet, Path: "/v1/facilities/{id}/slots", Summary: "The slots of one day", Errors: []int{403}},
		func(ctx context.Context, in *slotQuery) (out *listed[Slot], err error) {
			day, err := time.ParseInLocation(time.DateOnly, in.Day, fleet.Taipei())
			if err != nil {
				return nil, errDay
			}
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out, err = a.listSlots(ctx, tx, in, day)
				return err
			})
			return out, err
		})
	a.bookings()
}

func (a *API) listSlots(ctx context.Context, tx *store.Tx, in *slotQuery, day time.Time) (*listed[Slot], error) {
	if err := a.site(ctx, tx, in.Site, append(staff(), identity.Resident)...); err != nil {
		return nil, err
	}
	f, err := facilities.ByID(ctx, tx, in.Site, in.ID)
	if err != nil {
		return nil, err
	}
	mine, err := a.Identity.HouseholdsOf(ctx, tx, caller(ctx).ID, in.Site)
	if err != nil {
		return nil, err
	}
	all, err := facilities.Calendar(ctx, tx, in.Site, f, idsOf(mine), day, 1, a.Now())
	if err != nil {
		return nil, err
	}
	var items []Slot
	for _, s := range all[0] {
		items = append(items, Slot{From: local(s.From), To: local(s.To), State: s.Rule.String(), Booking: s.Booking})
	}
	return listOf(items, ""), nil
}

func (a *API) bookings() {
	handle(a, huma.Operation{
		OperationID: "create-booking", Method: http.MethodPost, Path: "/v1/bookings", DefaultStatus: http.StatusCreated,
		Summary: "Book a slot for one's own household", Errors: []int{400, 409},
	}, a.book)
	handle(a, huma.Operation{OperationID: "list-bookings", Method: http.MethodGet, Path: "/v1/bookings", Summary: "The bookings of one's own household, or of a site for its staff: those of the last 30 days and all to come", Errors: []int{403}},
		func(ctx context.Context, in *bookingsQuery) (out *listed[Booking], err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				out, err = a.listBookings(ctx, tx, in)
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{OperationID: "get-booking", Method: http.MethodGet, Path: "/v1/bookings/{id}", Summary: "One booking"},
		func(ctx context.Context, in *bookingQuery) (out *bookingShown, err error) {
			err = a.DB.Read(ctx, func(tx *store.Tx) error {
				b, err := a.bookingFor(ctx, tx, in.ID, staff()...)
				if err != nil {
					return err
				}
				shown, err := a.showBooking(ctx, tx, b)
				out = &bookingShown{ETag: quote(b.Tag()), Body: shown}
				return err
			})
			return out, err
		})
	handle(a, huma.Operation{
		OperationID: "cancel-booking", Method: http.MethodDelete, Path: "/v1/bookings/{id}", DefaultStatus: http.StatusOK,
		Summary: "Cancel a booking of one's own household; it stays in lists", Errors: []int{409, 412, 428},
	}, a.cancel)
	handle(a, huma.Operation{OperationID: "get-ticket", Method: http.MethodGet, Path: "/v1/bookings/{id}/ticket", Summary: "The ticket of a booking, signed now, for its household alone", Errors: []int{409}},
		func(ctx context.Context, in *bookingQuery) (*struct{ Body Ticket }, error) {
			var b facilities.Booking
			err := a.DB.Read(ctx, func(tx *store.Tx) (err error) {
				b, err = a.bookingFor(ctx, tx, in.ID)
				return err
			})
			if err != nil {
				return nil, err
			}
			text, err := a.Facilities.Ticket(b, a.Now())
			if err != nil {
				return nil, err
			}
			svg, err := facilities.QR(text)
			a.Log.Info("ticket shown", "person", caller(ctx).ID, "booking", b.ID)
			w := b.Slot.Window()
			return &struct{ Body Ticket }{Ticket{Text: text, SVG: svg, Door: b.Door, Opens: local(w.From), Closes: local(w.To), Once: b.Once}}, err
		})
}

func (a *API) book(ctx context.Context, in *bookQuery) (*bookingAnswer, error) {
	shown, err := doOnce(ctx, a, in.Keyed, []any{"create-booking", in.Body}, func(tx *store.Tx) (shown Booking, out []fleet.Message, err error) {
		if _, err := a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, in.Body.Site, in.Body.Household); err != nil {
			return shown, nil, err
		}
		b, out, err := a.Facilities.Book(ctx, tx, facilities.Wanted{
			Site: in.Body.Site, Facility: in.Body.Facility, Household: in.Body.Household, Person: caller(ctx).ID, From: wire.At(in.Body.From),
		}, a.Now())
		if err != nil {
			return shown, nil, err
		}
		shown, err = a.showBooking(ctx, tx, b)
		return shown, out, err
	})
	if err != nil {
		return nil, err
	}
	a.Log.Info("slot booked", "person", caller(ctx).ID, "booking", shown.ID)
	return &bookingAnswer{Location: "/v1/bookings/" + shown.ID, Body: shown}, nil
}

func (a *API) listBookings(ctx context.Context, tx *store.Tx, in *bookingsQuery) (*listed[Booking], error) {
	f := facilities.Filter{Site: in.Site, After: wire.At(a.Now().Add(-pastBookings)), Limit: in.Limit + 1}
	if in.Household != "" {
		if _, err := a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, in.Site, in.Household); err != nil {
			return nil, err
		}
		f.Households = []string{in.Household}
	} else if err := a.site(ctx, tx, in.Site, staff()...); err != nil {
		return nil, err
	}
	bound := []string{"bookings", caller(ctx).ID, in.Site, in.Household}
	from, err := parseCursor(in.Cursor, bound...)
	if err != nil {
		return nil, err
	}
	f.From, f.FromID = wire.Micros(from.At), from.ID
	all, err := facilities.Bookings(ctx, tx, f)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		last := all[len(all)-1]
		next = cursor{At: int64(last.Slot.From), ID: last.ID}.encode(bound...)
	}
	var items []Booking
	known := map[string]fleet.Health{}
	for _, b := range all {
		h, err := a.healthOf(ctx, tx, known, b.Gateway)
		if err != nil {
			return nil, err
		}
		items = append(items, a.shownBooking(b, h))
	}
	return listOf(items, next), nil
}

// bookingFor finds a booking that the caller may see: of a household of theirs, or by a role at its site.
func (a *API) bookingFor(ctx context.Context, tx *store.Tx, id string, roles ...identity.Role) (facilities.Booking, error) {
	b, err := facilities.BookingByID(ctx, tx, id)
	if err != nil {
		return b, err
	}
	_, err = a.Identity.HouseholdOf(ctx, tx, caller(ctx).ID, b.Site, b.Household)
	if err == nil || !errors.Is(err, identity.ErrUnknown) {
		return b, err
	}
	for _, role := range roles {
		can, err := a.Identity.Can(ctx, tx, caller(ctx).ID, b.Site, role)
		if err != nil || can {
			return b, err
		}
	}
	return facilities.Booking{}, errNotFound
}

func (a *API) cancel(ctx context.Context, in *cancelQuery) (out *bookingShown, err error) {
	tag := strings.Trim(strings.TrimPrefix(in.IfMatch, "W/"), `"`)
	var messages []fleet.Message
	err = a.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := a.bookingFor(ctx, tx, in.ID); err != nil {
			return err
		}
		if tag == "" {
			return errNoCondition
		}
		b, more, err := a.Facilities.Cancel(ctx, tx, in.ID, tag, a.Now())
		if err != nil {
			return err
		}
		messages = more
		shown, err := a.showBooking(ctx, tx, b)
		out = &bookingShown{ETag: quote(b.Tag()), Body: shown}
		return err
	})
	if err != nil {
		return nil, err
	}
	a.Fleet.Publish(messages)
	a.Log.Info("booking cancelled", "person", caller(ctx).ID, "booking", in.ID)
	return out, nil
}

// showBooking makes a booking fit to be seen.
func (a *API) showBooking(ctx context.Context, tx *store.Tx, b facilities.Booking) (Booking, error) {
	h, err := a.Fleet.Health(ctx, tx, b.Gateway)
	return a.shownBooking(b, h), err
}

func (a *API) shownBooking(b facilities.Booking, h fleet.Health) Booking {
	w := b.Slot.Window()
	return Booking{
		ID: b.ID, Site: b.Site, Facility: b.Facility, Door: b.Door, Household: b.Household, State: b.State.At(b.Slot, wire.At(a.Now())),
		From: local(b.Slot.From), To: local(b.Slot.To), Opens: local(w.From), Closes: local(w.To), Once: b.Once, CheckedIn: maybe(b.CheckedIn),
		Pending: b.Pending(h, a.Now()), AsOf: maybe(h.AsOf),
	}
}
