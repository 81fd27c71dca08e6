package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// frame is what all pages but the first have around them.
type frame struct {
	T         frameWords
	Lang      string
	Other     string // the other language
	OtherHref string
	Title     string
	Back      string // address; empty: no way back but the tabs
	Nav       nav
	Again     int // seconds until the page asks for itself again; 0: never
}

type frameWords struct{ HTML, Back, OtherName string }

// nav are the tabs of somebody who is signed in.
type nav struct{ Links []link }

type link struct {
	Href, Icon, Name string
	Here             bool
}

// said is one banner.
type said struct{ Kind, Icon, Text string }

// in takes the words of a language.
func in(lang, zh, en string) string {
	if lang == "en" {
		return en
	}
	return zh
}

func (w *web) frame(r *http.Request, title, back string) frame {
	lang := tongue(r)
	f := frame{Lang: lang, Other: in(lang, "en", "zh"), Title: title, Back: back}
	f.T = frameWords{HTML: in(lang, "zh-TW", "en"), Back: in(lang, "返回", "Back"), OtherName: in(lang, "English", "中文")}
	q := url.Values{}
	if r.Method == http.MethodGet {
		q = r.URL.Query()
	}
	q.Set("lang", f.Other)
	f.OtherHref = r.URL.Path + "?" + q.Encode()
	return f
}

// navOf gives the tabs that a person has. Trouble with it costs the tabs, not the page.
func (w *web) navOf(ctx context.Context, who identity.Person, here, lang string) nav {
	q := "?lang=" + lang
	n := nav{Links: []link{
		{Href: "/" + q, Icon: "package", Name: in(lang, "包裹", "Parcels"), Here: here == "/"},
		{Href: "/bookings" + q, Icon: "calendar", Name: in(lang, "預約", "Bookings"), Here: here == "/bookings"},
	}}
	managed, err := w.managed(ctx, who)
	if err != nil {
		w.Log.Error("tabs not made", "err", err)
	}
	if len(managed) > 0 {
		n.Links = append(n.Links, link{Href: "/doors" + q, Icon: "door-open", Name: in(lang, "門", "Doors"), Here: here == "/doors"})
	}
	if w.operates(ctx, who) == nil {
		n.Links = append(n.Links, link{Href: "/operator" + q, Icon: "wave", Name: in(lang, "維運", "Operations")})
	}
	return n
}

// managed are the sites that a person manages.
func (w *web) managed(ctx context.Context, who identity.Person) (sites []fleet.Site, err error) {
	err = w.DB.Read(ctx, func(tx *store.Tx) error {
		sites = nil
		ids, err := w.Identity.SitesOf(ctx, tx, who.ID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			manages, err := w.Identity.Can(ctx, tx, who.ID, id, identity.Manager)
			if err != nil {
				return err
			}
			if !manages {
				continue
			}
			site, err := w.Fleet.Site(ctx, tx, id)
			if err != nil {
				return err
			}
			sites = append(sites, site)
		}
		return nil
	})
	return sites, err
}

// fail answers what no page can show: who is not signed in is sent to do so, and back to where they wanted to be.
func (w *web) fail(rw http.ResponseWriter, r *http.Request, err error) {
	lang := tongue(r)
	switch {
	case errors.Is(err, identity.ErrNoSession):
		next := "/"
		if r.Method == http.MethodGet {
			next = r.URL.RequestURI()
		}
		http.Redirect(rw, r, "/auth/login?"+url.Values{"next": {next}}.Encode(), http.StatusSeeOther)
	case errors.Is(err, identity.ErrUnknown), errors.Is(err, facilities.ErrUnknown), errors.Is(err, fleet.ErrUnknown):
		http.Error(rw, in(lang, "這裡沒有您要找的資料。", "There is no such thing here for you."), http.StatusNotFound)
	case errors.Is(err, once.ErrMissing), errors.Is(err, once.ErrOther), errors.Is(err, once.ErrRunning):
		http.Error(rw, in(lang, "這個頁面已經送出過。請返回並重新整理。", "This page was sent already. Go back and reload it."), http.StatusConflict)
	default:
		w.Log.Error("page not made", "err", err)
		http.Error(rw, wordsIn(lang).Trouble, http.StatusServiceUnavailable)
	}
}
