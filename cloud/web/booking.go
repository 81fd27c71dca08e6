package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const (
	stripDays = 14             // of the strip of dates
	ownPast   = 24 * time.Hour // how long a booking that is over stays on the page
	freeWidth = 28             // of a day on which everything is free
)

func (w *web) bookingRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /bookings", w.bookings)
	mux.HandleFunc("POST /bookings", w.book)
	mux.HandleFunc("GET /bookings/{id}", w.booking)
	mux.HandleFunc("POST /bookings/{id}/cancel", w.cancel)
}

// bookingWords are the sentences of these pages in one language.
type bookingWords struct {
	NoHome, NoHomeHint, Nothing, Days, Mine, Free, Own, NoOwn, Rules                   string
	Offline, Door, Window, Uses, Once, CheckedIn, Text, Cancel, Taken, AllOver, TooFar string
}

func bookingWordsIn(lang string) bookingWords {
	w := wordsIn(lang)
	if lang == "en" {
		return bookingWords{
			NoHome: w.NoHome, NoHomeHint: w.NoHomeHint, Nothing: "Nothing can be booked here yet", Days: "Days", Mine: "Yours: show the ticket", Free: "Book",
			Own: "Your bookings", NoOwn: "None yet. Tap a free slot.", Taken: "Taken", AllOver: "Nothing is left of this day. Choose another.", TooFar: "Not open yet",
			Rules:   fmt.Sprintf("A household has %d bookings at most that are not over. Bookings open %d days ahead. Cancel %d hours ahead.", rules.MaxLiving, rules.Horizon/rules.Day, rules.CancelBefore/time.Hour),
			Offline: "Works without the internet: keep this page open, or take a picture of it. Turn the brightness up.", Door: "Door", Window: "Opens the door",
			Uses: "Uses", Once: "once", CheckedIn: "First opened", Text: "No code reader at hand? One click selects the text below: copy it, paste it at the door's screen, and press Enter.", Cancel: "Cancel this booking",
		}
	}
	return bookingWords{
		NoHome: w.NoHome, NoHomeHint: w.NoHomeHint, Nothing: "這裡還沒有可預約的公設", Days: "日期", Mine: "您的預約，看票券", Free: "可預約",
		Own: "我的預約", NoOwn: "還沒有預約。請點選可預約的時段。", Taken: "已被預約", AllOver: "這一天的時段都已結束，請選其他日期。", TooFar: "尚未開放",
		Rules:   fmt.Sprintf("每戶最多 %d 筆還沒結束的預約；可預約 %d 天內的時段；%d 小時前可取消。", rules.MaxLiving, rules.Horizon/rules.Day, rules.CancelBefore/time.Hour),
		Offline: "沒有網路也能用：請保留這一頁或截圖，並調高亮度。", Door: "門", Window: "可開門的時間",
		Uses: "使用次數", Once: "1 次", CheckedIn: "第一次開門", Text: "手邊沒有讀取器？點一下會選取下面整串文字：複製後貼到門口螢幕，再按 Enter。", Cancel: "取消這筆預約",
	}
}

// bookingsView is the page of days and slots.
type bookingsView struct {
	frame
	W          bookingWords
	Household  string
	Facility   string
	Homes      []choice
	Facilities []choice
	Dates      []date
	Day        string
	Slots      []slot
	Own        []ownBooking
	Refused    *refused
}

type choice struct {
	Name, Href string
	Here       bool
}

type date struct {
	choice
	Weekday, Number, Said string
	At, Free              int // of the bar that shows how much is free
}

type slot struct {
	From    string
	Micros  int64  // of a free one
	Key     string // of its form
	Rule    string
	Why     string
	Booking string // address of one's own
}

type ownBooking struct {
	Name, When, State, Kind, Icon, Href string
	Admits                              bool // its ticket still opens the door
}

type refused struct {
	Title, Text, Next, Key string
	From                   wire.Micros
}

// livesAt is a household of a person, with its site.
type livesAt struct {
	identity.Household
	site fleet.Site
}

func (w *web) livesAt(ctx context.Context, tx *store.Tx, who identity.Person) (all []livesAt, err error) {
	sites, err := w.Identity.SitesOf(ctx, tx, who.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range sites {
		site, err := w.Fleet.Site(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		households, err := w.Identity.HouseholdsOf(ctx, tx, who.ID, id)
		if err != nil {
			return nil, err
		}
		for _, h := range households {
			all = append(all, livesAt{h, site})
		}
	}
	return all, nil
}

// asked is what the page is asked to show.
type asked struct {
	household, facility, day string
	refusal                  *facilities.Refusal
	from                     wire.Micros // of the refused slot
}

func (w *web) bookings(rw http.ResponseWriter, r *http.Request) {
	who, err := w.Identity.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	q := r.URL.Query()
	w.showBookings(rw, r, who, http.StatusOK, asked{household: q.Get("household"), facility: q.Get("facility"), day: q.Get("day")})
}

func (w *web) showBookings(rw http.ResponseWriter, r *http.Request, who identity.Person, status int, a asked) {
	lang := tongue(r)
	v := bookingsView{frame: w.frame(r, in(lang, "預約公設", "Book a facility"), ""), W: bookingWordsIn(lang)}
	v.Nav = w.navOf(r.Context(), who, "/bookings", lang)
	err := w.DB.Read(r.Context(), func(tx *store.Tx) error { return w.fillBookings(r.Context(), tx, who, a, &v) })
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.showPage(rw, status, "bookings", v, wordsIn(lang).Trouble)
}

func (w *web) fillBookings(ctx context.Context, tx *store.Tx, who identity.Person, a asked, v *bookingsView) error {
	homes, err := w.livesAt(ctx, tx, who)
	if err != nil || len(homes) == 0 {
		return err
	}
	home := homes[0]
	for _, h := range homes {
		if h.ID == a.household {
			home = h
		}
	}
	all, err := facilities.List(ctx, tx, home.site.ID)
	if err != nil {
		return err
	}
	v.Household = home.ID
	to := func(household, facility, day string) string {
		return "/bookings?" + url.Values{"household": {household}, "facility": {facility}, "day": {day}, "lang": {v.Lang}}.Encode()
	}
	for _, h := range homes {
		v.Homes = append(v.Homes, choice{h.site.Name + " · " + h.Label, to(h.ID, "", ""), h.ID == home.ID})
	}
	if len(all) == 0 {
		return nil
	}
	of := all[0]
	for _, f := range all {
		if f.ID == a.facility {
			of = f
		}
	}
	v.Facility = of.ID
	for _, f := range all {
		v.Facilities = append(v.Facilities, choice{in(v.Lang, f.Name, f.English), to(home.ID, f.ID, a.day), f.ID == of.ID})
	}
	if err := w.fillDays(ctx, tx, home, of, a, v, func(day string) string { return to(home.ID, of.ID, day) }); err != nil {
		return err
	}
	v.Own, err = w.ownBookings(ctx, tx, home, all, v.Lang)
	if r := a.refusal; r != nil {
		v.Refused = &refused{Title: in(v.Lang, day(a.from.Time(), v.Lang)+" 不能預約", "Not booked: "+day(a.from.Time(), v.Lang)), Text: r.Say(v.Lang == "en")}
		if r.Next != nil && r.Rule != rules.Limit && r.Rule != rules.Often {
			v.Refused.Next, v.Refused.From, v.Refused.Key = in(v.Lang, "預約 ", "Book ")+day(r.Next.From.Time(), v.Lang), r.Next.From, rand.Text()
		}
	}
	return err
}

// fillDays fills in the strip of dates and the slots of the day that was asked for, or else of today.
func (w *web) fillDays(ctx context.Context, tx *store.Tx, home livesAt, of facilities.Facility, a asked, v *bookingsView, to func(day string) string) error {
	now := w.Now().In(fleet.Taipei())
	days, err := facilities.Calendar(ctx, tx, home.site.ID, of, []string{home.ID}, now, stripDays, now)
	if err != nil {
		return err
	}
	here := 0
	for n := range days {
		if now.AddDate(0, 0, n).Format(time.DateOnly) == a.day {
			here = n
		}
	}
	for n, slots := range days {
		t := now.AddDate(0, 0, n)
		d := date{choice: choice{Href: to(t.Format(time.DateOnly)), Here: n == here}, Weekday: weekday(t, v.Lang), Number: strconv.Itoa(t.Day())}
		free := 0
		for _, s := range slots {
			if s.Rule == rules.Free {
				free++
			}
		}
		if free > 0 {
			d.Free = max(4, freeWidth*free/len(slots))
			d.At = (freeWidth - d.Free) / 2
		}
		d.Said = in(v.Lang, fmt.Sprintf("%d 個時段可預約", free), fmt.Sprintf("%d free", free))
		v.Dates = append(v.Dates, d)
	}
	v.Day = dateOf(now.AddDate(0, 0, here), v.Lang)
	for _, s := range days[here] {
		if s.Rule == rules.Over {
			continue
		}
		one := slot{From: s.From.Time().In(fleet.Taipei()).Format("15:04"), Rule: s.Rule.String()}
		switch {
		case s.Booking != "":
			one.Booking = "/bookings/" + s.Booking + "?lang=" + v.Lang
		case s.Rule == rules.Free:
			one.Micros, one.Key = int64(s.From), rand.Text()
		case s.Rule == rules.TooFar:
			one.Why = v.W.TooFar
		default:
			one.Why = v.W.Taken
		}
		v.Slots = append(v.Slots, one)
	}
	return nil
}

func (w *web) ownBookings(ctx context.Context, tx *store.Tx, home livesAt, all []facilities.Facility, lang string) (own []ownBooking, err error) {
	found, err := facilities.Bookings(ctx, tx, facilities.Filter{Site: home.site.ID, Households: []string{home.ID}, After: wire.At(w.Now().Add(-ownPast))})
	for _, b := range found {
		state, kind, icon := w.stateOf(b, lang)
		own = append(own, ownBooking{Name: facilityName(all, b.Facility, lang), When: span(b.Slot, lang), State: state, Kind: kind, Icon: icon, Href: "/bookings/" + b.ID + "?lang=" + lang, Admits: b.Admits(w.Now())})
	}
	return own, err
}

// stateOf says what has become of a booking, with its badge.
func (w *web) stateOf(b facilities.Booking, lang string) (said, kind, icon string) {
	switch b.State.At(b.Slot, wire.At(w.Now())) {
	case rules.Confirmed:
		return in(lang, "已預約", "Booked"), "info", "qr"
	case rules.CheckedIn:
		return in(lang, "使用中", "In use"), "ok", "check"
	case rules.Cancelled:
		return in(lang, "已取消", "Cancelled"), "ended", "minus"
	case rules.CancelledLate:
		return in(lang, "逾時取消", "Cancelled late"), "ended", "minus"
	}
	return in(lang, "已結束", "Over"), "ended", "check"
}

func facilityName(all []facilities.Facility, id, lang string) string {
	for _, f := range all {
		if f.ID == id {
			return in(lang, f.Name, f.English)
		}
	}
	return id
}

// dateOf writes a day: 11/26（四）, or Thu 26 Nov.
func dateOf(t time.Time, lang string) string {
	return in(lang, t.Format("1/2")+"（"+weekday(t, lang)+"）", t.Format("Mon 2 Jan"))
}

func weekday(t time.Time, lang string) string {
	return in(lang, string([]rune("日一二三四五六")[t.Weekday()]), t.Format("Mon"))
}

// span writes a slot: 11/26（四）20:00–21:00.
func span(s rules.Slot, lang string) string {
	return day(s.From.Time(), lang) + "–" + s.To.Time().In(fleet.Taipei()).Format("15:04")
}

func (w *web) book(rw http.ResponseWriter, r *http.Request) {
	who, err := w.Identity.Session(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	household, facility := r.PostFormValue("household"), r.PostFormValue("facility")
	micros, err := strconv.ParseInt(r.PostFormValue("from"), 10, 64)
	if err != nil {
		w.fail(rw, r, facilities.ErrUnknown)
		return
	}
	from := wire.Micros(micros)
	var out []fleet.Message
	id, err := once.Do(r.Context(), w.Once, once.Request{Who: who.ID, Key: r.PostFormValue("key"), What: []any{"page", "book", household, facility, from}}, w.Now(), func(tx *store.Tx) (string, error) {
		site, err := w.siteOf(r.Context(), tx, who, household)
		if err != nil {
			return "", err
		}
		var b facilities.Booking
		b, out, err = w.Facilities.Book(r.Context(), tx, facilities.Wanted{Site: site, Facility: facility, Household: household, Person: who.ID, From: from}, w.Now())
		return b.ID, err
	})
	if refusal, ok := errors.AsType[*facilities.Refusal](err); ok {
		day := from.Time().In(fleet.Taipei()).Format(time.DateOnly)
		w.showBookings(rw, r, who, http.StatusConflict, asked{household: household, facility: facility, day: day, refusal: refusal, from: from})
		return
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.Fleet.Publish(out)
	w.Log.Info("slot booked", "person", who.ID, "booking", id)
	http.Redirect(rw, r, "/bookings/"+id+"?lang="+tongue(r), http.StatusSeeOther)
}

// siteOf is the site of a household of a person; identity.ErrUnknown when it is none of theirs.
func (w *web) siteOf(ctx context.Context, tx *store.Tx, who identity.Person, household string) (string, error) {
	homes, err := w.livesAt(ctx, tx, who)
	if err != nil {
		return "", err
	}
	for _, h := range homes {
		if h.ID == household {
			return h.site.ID, nil
		}
	}
	return "", identity.ErrUnknown
}
