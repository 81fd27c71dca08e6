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

// frame is what all pages have around them.
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

type frameWords struct{ HTML, Back, OtherName, SignOut string }

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
	f.T = frameWords{HTML: in(lang, "zh-TW", "en"), Back: in(lang, "返回", "Back"), OtherName: in(lang, "English", "中文"), SignOut: in(lang, "登出", "Sign out")}
	q := url.Values{}
	if r.Method == http.MethodGet {
		q = r.URL.Query()
	}
	q.Set("lang", f.Other)
	f.OtherHref = r.URL.Path + "?" + q.Encode()
	return f
}

// navOf gives the tabs that a person has: those of a household, and those of who manages a site. Trouble with it costs the
// tabs, not the page.
func (w *web) navOf(ctx context.Context, who identity.Person, here, lang string) nav {
	q := "?lang=" + lang
	var n nav
	add := func(path, icon, zh, en string) {
		n.Links = append(n.Links, link{Href: path + q, Icon: icon, Name: in(lang, zh, en), Here: here == path})
	}
	var homes []livesAt
	err := w.DB.Read(ctx, func(tx *store.Tx) (err error) {
		homes, err = w.livesAt(ctx, tx, who)
		return err
	})
	managed, notManaged := w.managed(ctx, who)
	if err := errors.Join(err, notManaged); err != nil {
		w.Log.Error("tabs not made", "err", err)
	}
	if len(homes) > 0 || len(managed) == 0 {
		add("/", "package", "包裹", "Parcels")
	}
	if len(homes) > 0 {
		add("/bookings", "calendar", "預約", "Bookings")
		add("/gas", "flame", "瓦斯", "Gas")
	}
	if len(managed) > 0 {
		add("/doors", "door-open", "門", "Doors")
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
		w.stop(rw, r, http.StatusNotFound, said{"info", "question", in(lang, "這裡沒有您要找的資料。", "There is no such thing here for you.")})
	case errors.Is(err, once.ErrMissing), errors.Is(err, once.ErrOther), errors.Is(err, once.ErrRunning):
		w.stop(rw, r, http.StatusConflict, said{"info", "minus", in(lang, "這個頁面已經送出過。請回到首頁再看結果。", "This page was sent already. Go to the start to see what came of it.")})
	default:
		w.Log.Error("page not made", "err", err)
		w.stop(rw, r, http.StatusServiceUnavailable, said{"bad", "octagon-x", wordsIn(lang).Trouble})
	}
}

// stop shows one sentence instead of what was asked for, and the way back.
func (w *web) stop(rw http.ResponseWriter, r *http.Request, status int, s said) {
	v := struct {
		frame
		Said said
		Home string
	}{frame: w.frame(r, in(tongue(r), "無法顯示", "Not shown"), ""), Said: s, Home: in(tongue(r), "回到首頁", "To the start")}
	if r.Method != http.MethodGet {
		v.OtherHref = "/?lang=" + v.Other
	}
	w.showPage(rw, status, "stop", v, s.Text)
}
