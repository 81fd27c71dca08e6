package web

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// bookingView is the page of one booking: the ticket.
type bookingView struct {
	frame
	W                                   bookingWords
	ID, Home, Name, When, State         string
	Door, Window, CheckedIn, CancelHint string
	Once                                bool
	Over                                string        // what to do when the ticket is used up
	Ticket                              string        // empty: it opens nothing any more
	QR                                  template.HTML // drawn here
	Tag                                 string        // empty: it cannot be cancelled
	AsOf                                string
	Said                                *said
}

func (w *web) booking(rw http.ResponseWriter, r *http.Request) {
	who, err := w.Identity.Session(r)
	var v bookingView
	if err == nil {
		err = w.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
			v, err = w.bookingView(r, tx, who)
			return err
		})
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.showPage(rw, http.StatusOK, "booking", v, wordsIn(v.Lang).Trouble)
}

func (w *web) bookingView(r *http.Request, tx *store.Tx, who identity.Person) (v bookingView, err error) {
	ctx, lang, now := r.Context(), tongue(r), w.Now()
	b, err := facilities.BookingByID(ctx, tx, r.PathValue("id"))
	if err != nil {
		return v, err
	}
	home, err := w.Identity.HouseholdOf(ctx, tx, who.ID, b.Site, b.Household)
	if err != nil {
		return v, err
	}
	site, err := w.Fleet.Site(ctx, tx, b.Site)
	if err != nil {
		return v, err
	}
	all, err := facilities.List(ctx, tx, b.Site)
	if err != nil {
		return v, err
	}
	h, err := w.Fleet.Health(ctx, tx, b.Gateway)
	if err != nil {
		return v, err
	}
	name := facilityName(all, b.Facility, lang)
	v = bookingView{
		frame: w.frame(r, in(lang, "票券", "Ticket"), "/bookings?"+url.Values{"household": {b.Household}, "facility": {b.Facility}, "lang": {lang}}.Encode()),
		W:     bookingWordsIn(lang), ID: b.ID, Home: site.Name + " · " + home.Label, Name: name, When: span(b.Slot, lang), Door: name, Window: span(b.Slot.Window(), lang), Once: b.Once,
	}
	v.State, _, _ = w.stateOf(b, lang)
	if b.CheckedIn > 0 {
		v.CheckedIn = day(b.CheckedIn.Time(), lang)
	}
	if to, ok := b.State.Cancel(b.Slot, wire.At(now)); ok {
		v.Tag = b.Tag()
		v.CancelHint = in(lang, "時段會釋出給其他住戶。", "The slot goes to other households.")
		if to == rules.CancelledLate {
			v.CancelHint += in(lang, "距開始不到 2 小時，會記為逾時取消。", " It begins in less than 2 hours: this counts as a late cancellation.")
		}
	}
	if b.Pending(h, now) {
		until := b.Slot.Window().To.Time().In(fleet.Taipei()).Format("15:04")
		v.Said = &said{"stale", "cloud-off", in(lang, "取消尚未在門口生效，最晚 "+until+"。", "Cancelled, but not yet effective at the door; at worst until "+until+".")}
		if h.AsOf > 0 {
			v.AsOf = in(lang, "資料回報於 ", "As of ") + day(h.AsOf.Time(), lang)
		}
	}
	if !b.Admits(now) {
		if b.Once && b.CheckedIn > 0 {
			v.State, v.Over = in(lang, "已使用", "Used"), in(lang, "這張票券可用 1 次，已經用過。需要再進入請洽管理室。", "This ticket opens the door once, and has. To get in again, please ask the guard.")
		}
		return v, nil
	}
	if v.Ticket, err = w.Facilities.Ticket(b, now); err != nil {
		return v, err
	}
	svg, err := facilities.QR(v.Ticket)
	v.QR = template.HTML(svg) // digits and fixed words: facilities draws it
	w.Log.Info("ticket shown", "person", who.ID, "booking", b.ID)
	return v, err
}

func (w *web) cancel(rw http.ResponseWriter, r *http.Request) {
	who, err := w.Identity.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	id := r.PathValue("id")
	var out []fleet.Message
	err = w.DB.Write(r.Context(), func(tx *store.Tx) error {
		b, err := facilities.BookingByID(r.Context(), tx, id)
		if err != nil {
			return err
		}
		if _, err := w.Identity.HouseholdOf(r.Context(), tx, who.ID, b.Site, b.Household); err != nil {
			return err
		}
		_, out, err = w.Facilities.Cancel(r.Context(), tx, id, r.PostFormValue("tag"), w.Now())
		return err
	})
	// Changed or over meanwhile: the page says what it is now.
	if err != nil && !errors.Is(err, facilities.ErrChanged) && !errors.Is(err, facilities.ErrState) {
		w.fail(rw, r, err)
		return
	}
	if err == nil {
		w.Fleet.Publish(out)
		w.Log.Info("booking cancelled", "person", who.ID, "booking", id)
	}
	http.Redirect(rw, r, "/bookings/"+url.PathEscape(id)+"?lang="+tongue(r), http.StatusSeeOther)
}
