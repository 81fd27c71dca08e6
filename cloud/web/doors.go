package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

func (w *web) doorRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /doors", w.doors)
	mux.HandleFunc("POST /doors/open", w.openDoor)
	mux.HandleFunc("GET /doors/commands/{id}", w.command)
}

// doorWords are the sentences of these pages in one language.
type doorWords struct{ StepUp, SignIn, Door, State, Since, Open, Why, Closed, Silent, NoDoors, Latest, ToDoors string }

func doorWordsIn(lang string) doorWords {
	if lang == "en" {
		return doorWords{
			StepUp: "Before a door is opened from here, sign in once more: so that it is you. It counts for 5 minutes.", SignIn: "Sign in once more",
			Door: "Door", State: "State", Since: "Last change", Open: "Open", Why: "Reason", Closed: "Closed by a guard", Silent: "Device silent",
			NoDoors: "The building has no doors here yet", Latest: "Opened from here", ToDoors: "Back to the doors",
		}
	}
	return doorWords{
		StepUp: "從這裡開門前要再登入一次，以確認是您本人，5 分鐘內有效。", SignIn: "再登入一次",
		Door: "門", State: "狀態", Since: "最近變更", Open: "打開", Why: "選擇原因", Closed: "警衛已關閉", Silent: "設備沒有回應",
		NoDoors: "這裡還沒有門", Latest: "從這裡開過的門", ToDoors: "回到門的清單",
	}
}

type reason struct{ Code, Name string }

func reasons(lang string) []reason {
	return []reason{
		{"visitor", in(lang, "訪客", "Visitor")}, {"lost_ticket", in(lang, "票券開不了", "Ticket does not open")}, {"maintenance", in(lang, "維修", "Maintenance")},
		{"cleaning", in(lang, "清潔", "Cleaning")}, {"emergency", in(lang, "緊急", "Emergency")},
	}
}

// doorsView is the manager's page of doors.
type doorsView struct {
	frame
	W       doorWords
	Fresh   bool
	StepUp  string // address
	Reasons []reason
	Sites   []doorSite
	Said    *said
}

type doorSite struct {
	ID, Name, AsOf string
	Stale          *said
	Doors          []doorRow
	Commands       []commandRow
}

type doorRow struct {
	ID, Name, State, Kind, Icon, Since, Key, Button string
	Closed, Silent                                  bool
}

type commandRow struct{ Door, When, Why, Who, Short, Long, Kind, Icon, Href string }

// stepUp is where one signs in anew, and comes back to the doors.
func stepUp(lang string) string {
	return "/auth/login?" + url.Values{"step_up": {"1"}, "next": {"/doors?lang=" + lang}}.Encode()
}

func (w *web) doors(rw http.ResponseWriter, r *http.Request) {
	s, err := w.Identity.SignedIn(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.showDoors(rw, r, s, http.StatusOK, nil)
}

func (w *web) showDoors(rw http.ResponseWriter, r *http.Request, s identity.Session, status int, note *said) {
	lang := tongue(r)
	sites, err := w.managed(r.Context(), s.Person)
	if err == nil && len(sites) == 0 {
		err = identity.ErrUnknown
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	v := doorsView{frame: w.frame(r, in(lang, "門", "Doors"), ""), W: doorWordsIn(lang), Fresh: w.Identity.Fresh(s), StepUp: stepUp(lang), Reasons: reasons(lang), Said: note}
	if r.Method != http.MethodGet {
		v.OtherHref = "/doors?lang=" + v.Other
	}
	v.Nav = w.navOf(r.Context(), s.Person, "/doors", lang)
	err = w.DB.Read(r.Context(), func(tx *store.Tx) error {
		for _, site := range sites {
			one, err := w.doorSite(r.Context(), tx, site, lang)
			if err != nil {
				return err
			}
			v.Sites = append(v.Sites, one)
		}
		return nil
	})
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.showPage(rw, status, "doors", v, wordsIn(lang).Trouble)
}

func (w *web) doorSite(ctx context.Context, tx *store.Tx, site fleet.Site, lang string) (doorSite, error) {
	out := doorSite{ID: site.ID, Name: site.Name}
	all, err := facilities.Doors(ctx, tx, site.ID)
	if err != nil {
		return out, err
	}
	heard := home{SiteID: site.ID}
	if err := w.spoken(ctx, tx, &heard, lang); err != nil {
		return out, err
	}
	if heard.AsOf != "" {
		out.AsOf = in(lang, "資料回報於 ", "As of ") + heard.AsOf
	}
	if heard.Stale {
		out.Stale = &said{"stale", "cloud-off", in(lang, "大樓沒有回報，以下是 "+heard.AsOf+" 的資料。現在從這裡可能開不了門；票券在現場照常可用。", "The building is silent; this is as of "+heard.AsOf+". Doors may not open from here now; tickets work there as ever.")}
		if heard.AsOf == "" {
			out.Stale.Text = wordsIn(lang).Never
		}
	}
	for _, d := range all {
		out.Doors = append(out.Doors, doorRowOf(d, heard.Stale, lang))
	}
	asked, err := w.Fleet.Commands(ctx, tx, site.ID)
	if err != nil {
		return out, err
	}
	for _, c := range asked[:min(len(asked), 10)] {
		row, err := w.commandRow(ctx, tx, c, all, lang)
		if err != nil {
			return out, err
		}
		out.Commands = append(out.Commands, row)
	}
	return out, nil
}

func doorRowOf(d facilities.Door, stale bool, lang string) doorRow {
	row := doorRow{ID: d.ID, Name: doorName([]facilities.Door{d}, d.ID, lang), Key: rand.Text(), Closed: d.ClosedDown, Silent: d.State != "" && !d.Online && !stale}
	row.Button = in(lang, "打開「"+row.Name+"」", "Open "+row.Name)
	if d.Said > 0 {
		row.Since = day(d.Said.Time(), lang)
	}
	row.State, row.Kind, row.Icon = doorState(d.State, lang)
	if stale { // what was last known is not what is
		row.Kind, row.Icon = "stale", "cloud-off"
	}
	return row
}

func doorState(state, lang string) (said, kind, icon string) {
	switch state {
	case "":
		return in(lang, "尚未回報", "Not reported yet"), "stale", "question"
	case "secured":
		return in(lang, "已鎖好", "Secured"), "ok", "lock"
	case "released":
		return in(lang, "可推開", "Released"), "info", "unlock"
	case "open":
		return in(lang, "開著", "Open"), "info", "door-open"
	case "held":
		return in(lang, "開著超過 30 秒", "Open for 30 s"), "warn", "clock"
	case "left_open":
		return in(lang, "一直沒關", "Left open"), "bad", "octagon-x"
	case "forced":
		return in(lang, "被強行打開", "Forced"), "bad", "octagon-x"
	}
	return in(lang, "不明", "Not known"), "stale", "question"
}

func doorName(all []facilities.Door, id, lang string) string {
	at := slices.IndexFunc(all, func(d facilities.Door) bool { return d.ID == id })
	if at < 0 || all[at].Name == "" {
		return id
	}
	return in(lang, all[at].Name, all[at].English)
}

func (w *web) commandRow(ctx context.Context, tx *store.Tx, c fleet.Command, all []facilities.Door, lang string) (commandRow, error) {
	row := commandRow{Door: doorName(all, strings.TrimPrefix(c.Device, "door/"), lang), Why: c.Why, Who: in(lang, "不明", "not known"), Href: "/doors/commands/" + url.PathEscape(c.ID) + "?lang=" + lang}
	at := max(c.Asked, c.Ended)
	if c.Asked > 0 {
		at = c.Asked
	}
	row.When = day(at.Time(), lang)
	for _, r := range reasons(lang) {
		if r.Code == c.Why {
			row.Why = r.Name
		}
	}
	if id, ok := strings.CutPrefix(c.Who, "person/"); ok {
		p, err := w.Identity.PersonByID(ctx, tx, id)
		if err != nil && !errors.Is(err, identity.ErrUnknown) {
			return row, err
		}
		row.Who = p.Name
	}
	row.Short, row.Long, row.Kind, row.Icon = commandState(c, lang)
	return row, nil
}

// commandState says what became of a command, for who must act on it.
func commandState(c fleet.Command, lang string) (short, long, kind, icon string) {
	const look, lookEN = "不會自動重送。請現場查看。", "it will not be sent again. Please look on site."
	switch {
	case c.State == fleet.CommandAsked:
		return in(lang, "等待大樓", "Waiting"), in(lang, "正在等大樓回應，最多 15 秒。", "Waiting for the building, 15 s at most."), "info", "clock"
	case c.State == fleet.CommandSigned && c.Waits():
		return in(lang, "已送出", "Sent"), in(lang, "已送出，等大樓回報結果。", "Sent; waiting for what comes of it."), "info", "clock"
	case c.State == fleet.CommandOpened:
		return in(lang, "門已打開", "Opened"), in(lang, "門已打開。", "The door was opened."), "ok", "check"
	case c.State == fleet.CommandPulsed:
		return in(lang, "已放開", "Released"), in(lang, "鎖已放開，沒有看到門被推開。", "The lock was released; nobody was seen to open the door."), "warn", "unlock"
	case c.State == fleet.CommandRefused:
		return in(lang, "沒有打開", "Not opened"), in(lang, "門沒有打開："+refusedWhy(c.Code, lang), "The door was not opened: "+refusedWhy(c.Code, lang)), "warn", "minus"
	case c.State == fleet.CommandLapsed:
		return in(lang, "大樓沒有回應", "No answer"), in(lang, "大樓沒有在 15 秒內回應，門沒有打開。可以再試一次，或請現場警衛開門。", "The building did not answer within 15 s; the door was not opened. Try again, or call the guard."), "warn", "cloud-off"
	case c.State == fleet.CommandUnknown:
		return in(lang, "結果不明", "Unknown"), in(lang, "結果不明，"+look, "Outcome unknown; "+lookEN), "stale", "question"
	}
	return in(lang, "還沒有結果", "No outcome yet"), in(lang, "已送出，大樓還沒有回報結果。"+look, "Sent, and the building has not said what came of it; "+lookEN), "stale", "question"
}

func refusedWhy(code, lang string) string {
	switch code {
	case "late":
		return in(lang, "命令到得太晚。可以再試一次。", "the command came too late. Try again.")
	case "already_open":
		return in(lang, "門已經開著。", "it is open already.")
	case "cap", "crowded":
		return in(lang, "一分鐘內開門太多次。請稍後再試。", "too many doors within a minute. Try again later.")
	case "closed_down":
		return in(lang, "警衛已關閉這個門。請洽現場警衛。", "a guard closed this door. Call the guard.")
	case "silent", "gone":
		return in(lang, "門的設備沒有回應。請現場警衛開門。", "its device does not answer. The guard lets people in.")
	}
	return in(lang, "現在不行（"+code+"）。請洽現場警衛。", "not possible now ("+code+"). Call the guard.")
}

func (w *web) openDoor(rw http.ResponseWriter, r *http.Request) {
	s, err := w.Identity.SignedIn(r)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	lang, site, door, why := tongue(r), r.PostFormValue("site"), r.PostFormValue("door"), r.PostFormValue("why")
	var out []fleet.Message
	id, err := once.Do(r.Context(), w.Once, once.Request{Who: s.ID, Key: r.PostFormValue("key"), What: []any{"page", "open", site, door, why}}, w.Now(), func(tx *store.Tx) (string, error) {
		manages, err := w.Identity.Can(r.Context(), tx, s.ID, site, identity.Manager)
		if err != nil {
			return "", err
		}
		if !manages {
			return "", identity.ErrUnknown
		}
		if !w.Identity.Fresh(s) {
			return "", errStepUp
		}
		d, err := facilities.DoorByID(r.Context(), tx, site, door)
		if err != nil {
			return "", err
		}
		c, request, err := w.Fleet.Ask(r.Context(), tx, fleet.Command{Gateway: d.Gateway, Device: "door/" + d.ID, What: "open", Who: "person/" + s.ID, Why: why})
		out = []fleet.Message{request}
		return c.ID, err
	})
	if err != nil {
		w.Log.Warn("door not opened", "person", s.ID, "err", err)
	}
	switch {
	case err == nil:
		w.Fleet.Publish(out)
		http.Redirect(rw, r, "/doors/commands/"+id+"?lang="+lang, http.StatusSeeOther)
	case errors.Is(err, errStepUp):
		http.Redirect(rw, r, stepUp(lang), http.StatusSeeOther)
	case errors.Is(err, fleet.ErrCommands):
		w.showDoors(rw, r, s, http.StatusTooManyRequests, &said{"bad", "octagon-x", in(lang, "一分鐘內開門太多次，這次沒有開。請一分鐘後再試，或洽現場警衛。", "Too many doors were opened within a minute; this one was not. Try again in a minute, or call the guard.")})
	case errors.Is(err, fleet.ErrInput):
		w.showDoors(rw, r, s, http.StatusUnprocessableEntity, &said{"bad", "octagon-x", in(lang, "請先選擇開門的原因。門沒有打開。", "Choose a reason first. The door was not opened.")})
	default:
		w.fail(rw, r, err)
	}
}

var errStepUp = errors.New("not signed in anew")

type commandView struct {
	frame
	W       doorWords
	Command commandRow
	AsOf    string
}

// command shows what becomes of a command; while that is open the page asks for itself each second.
func (w *web) command(rw http.ResponseWriter, r *http.Request) {
	lang := tongue(r)
	who, err := w.Identity.Session(r)
	v := commandView{frame: w.frame(r, in(lang, "開門", "Open a door"), "/doors?lang="+lang), W: doorWordsIn(lang)}
	if err == nil {
		err = w.DB.Read(r.Context(), func(tx *store.Tx) error { return w.fillCommand(r.Context(), tx, who, r.PathValue("id"), &v) })
	}
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	w.showPage(rw, http.StatusOK, "command", v, wordsIn(lang).Trouble)
}

func (w *web) fillCommand(ctx context.Context, tx *store.Tx, who identity.Person, id string, v *commandView) error {
	c, err := w.Fleet.CommandByID(ctx, tx, id)
	if err != nil {
		return err
	}
	g, err := w.Fleet.Gateway(ctx, tx, c.Gateway)
	if err != nil {
		return err
	}
	manages, err := w.Identity.Can(ctx, tx, who.ID, g.Site, identity.Manager)
	if err != nil {
		return err
	}
	if !manages {
		return identity.ErrUnknown
	}
	all, err := facilities.Doors(ctx, tx, g.Site)
	if err != nil {
		return err
	}
	h, err := w.Fleet.Health(ctx, tx, c.Gateway)
	if err != nil {
		return err
	}
	if v.Command, err = w.commandRow(ctx, tx, c, all, v.Lang); err != nil {
		return err
	}
	if h.AsOf > 0 {
		v.AsOf = in(v.Lang, "資料回報於 ", "As of ") + day(h.AsOf.Time(), v.Lang)
	}
	if c.Waits() {
		v.Again = 1
	}
	return nil
}
