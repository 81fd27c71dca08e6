package desk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

const (
	codeLen  = 8
	pinLen   = 6
	shelfMax = 12 // bytes of a shelf's name: B-14
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	unitMax  = 20
	callTime = 10 * time.Second // for one call of the service: it waits for a commit, never for a door
)

// override says under whose right and why something is done.
type override struct{ session, reason string }

// form is one thing a guard may do.
type form struct {
	fields  []string
	reasons []string // the codes it takes; nil: reasons()
	coded   bool     // overrides a lock or mints a code: the guard's own code is asked again
	back    string   // where it leads when done; here: the door it is about; empty: the page is drawn at once
	said    string   // what the page it leads to says was done: one of done()
	show    func(*view, *http.Request) int
	do      func(ctx context.Context, o override, v *view, r *http.Request, in url.Values) error
}

// errInput says that a field is not what it should be.
var errInput = errors.New("bad input")

func (d *Desk) forms() map[string]form {
	return map[string]form{
		"/signout": {back: "/", show: showList, do: d.signOut},
		"/door/{compartment}/open": {
			coded: true, back: "here", show: showDoor,
			do: func(ctx context.Context, o override, _ *view, r *http.Request, _ url.Values) error {
				return d.parcels.OpenDoor(ctx, o.session, r.PathValue("compartment"), o.reason)
			},
		},
		"/door/{compartment}/inside":  {fields: []string{"what", "shelf"}, back: "here", said: "inside", show: showDoor, do: d.inside},
		"/door/{compartment}/service": {fields: []string{"set"}, back: "here", said: "service", show: showDoor, do: d.service},
		"/shelf/{parcel}":             {fields: []string{"what", "pin"}, back: "/shelf", said: "shelf", show: showShelf, do: d.shelf},
		"/households/unlock":          {fields: []string{"unit"}, coded: true, show: showPlain("households"), do: d.unlock},
		"/households/code":            {fields: []string{"unit"}, coded: true, show: showPlain("households"), do: d.nextCode},
		"/time":                       {fields: []string{"time"}, coded: true, show: showPlain("time"), do: d.confirmClock},
	}
}

// post returns the handler of a form: signed in, well-formed, with a reason, and where it overrides something with the
// guard's code once more. Only then is anything asked of the service.
func (d *Desk) post(f form) http.HandlerFunc {
	fields := append([]string{"reason", "code"}, f.fields...)
	return func(w http.ResponseWriter, r *http.Request) {
		key, s, ok := d.signedIn(r)
		v := d.view(r, s)
		if !ok {
			v.Page = "signin"
			d.write(w, v, http.StatusUnauthorized)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), callTime)
		defer cancel()
		in, err := page.Form(r, fields...)
		if err == nil {
			err = d.run(ctx, f, key, s, v, r, in)
		}
		if r.URL.Path == "/signout" {
			d.sessions.end(key)
			http.SetCookie(w, cookie("", 0))
		}
		if err == nil && f.back != "" {
			to := f.back
			if to == "here" {
				to = path.Dir(r.URL.EscapedPath())
			}
			if f.said != "" {
				to += "?done=" + f.said
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		code := d.judge(v, err)
		if shown := f.show(v, r); code == http.StatusOK {
			code = shown
		}
		d.write(w, v, code)
	}
}

// errCode says that the code asked again was not right; the page tells already.
var errCode = errors.New("code refused")

func (d *Desk) run(ctx context.Context, f form, key string, s session, v *view, r *http.Request, in url.Values) error {
	o := override{session: s.token, reason: in.Get("reason")}
	v.Unit = in.Get("unit")
	allowed := f.reasons
	if allowed == nil {
		allowed = reasons()
	}
	if r.URL.Path != "/signout" && !slices.Contains(allowed, o.reason) {
		return errInput
	}
	if f.coded {
		var err error
		code := in.Get("code")
		if len(code) != codeLen || !page.Digits(code, codeLen) {
			return errInput
		}
		if o.session, err = d.again(ctx, key, s, v, code); err != nil {
			return err
		}
	}
	return f.do(ctx, o, v, r, in)
}

// again judges the guard's code anew. Another guard's code is no confirmation, however right it is.
func (d *Desk) again(ctx context.Context, key string, s session, v *view, code string) (string, error) {
	before, _ := d.parcels.Guard(s.token)
	got, err := d.parcels.SignIn(ctx, code)
	switch {
	case err != nil:
		return "", err
	case got.Visit == "":
		v.refuseCode(got)
		return "", errCode
	}
	if now, _ := d.parcels.Guard(got.Visit); now.ID != before.ID {
		v.refuse("other", "code.other")
		return "", errors.Join(errCode, d.parcels.SignOut(ctx, got.Visit))
	}
	old := s.token
	s.token = got.Visit
	d.sessions.change(key, s)
	if old == got.Visit {
		return old, nil
	}
	if err := d.parcels.SignOut(ctx, old); err != nil && !errors.Is(err, parcels.ErrSession) {
		return "", err
	}
	return got.Visit, nil
}

// judge puts an error into words and returns the status it is answered with.
func (d *Desk) judge(v *view, err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, errCode):
		return http.StatusForbidden
	case errors.Is(err, errRefused):
		return http.StatusConflict
	case errors.Is(err, errInput), errors.Is(err, page.ErrForm), errors.Is(err, parcels.ErrBad), errors.Is(err, doors.ErrBad):
		v.refuse("form", "bad.form")
		return http.StatusBadRequest
	case errors.Is(err, parcels.ErrNoUnit):
		v.refuse("no_unit", "bad.unit")
		return http.StatusNotFound
	case errors.Is(err, parcels.ErrNotNow), errors.Is(err, parcels.ErrUnknown), errors.Is(err, doors.ErrNotNow), errors.Is(err, doors.ErrUnknown):
		v.refuse("moved", "bad.moved")
		return http.StatusConflict
	case errors.Is(err, parcels.ErrCap):
		v.refuse("cap", "bad.cap")
		return http.StatusTooManyRequests
	case errors.Is(err, parcels.ErrNoSeal):
		v.refuse("no_seal", "bad.no_seal")
		return http.StatusConflict
	case errors.Is(err, parcels.ErrSession):
		v.refuse("denied", "bad.denied")
		return http.StatusForbidden
	}
	d.o.Log.Error("desk: not done", "page", v.Page, "err", err)
	v.refuse("trouble", "trouble.say")
	return http.StatusServiceUnavailable
}

func (d *Desk) signOut(ctx context.Context, o override, _ *view, _ *http.Request, _ url.Values) error {
	return d.parcels.SignOut(ctx, o.session)
}

// inside records what was found: nothing, the parcel, or the parcel, which is then on a shelf at the office.
func (d *Desk) inside(ctx context.Context, o override, v *view, r *http.Request, in url.Values) error {
	compartment := r.PathValue("compartment")
	switch in.Get("what") {
	case "vacant":
		return d.parcels.Inspect(ctx, o.session, compartment, parcels.FoundEmpty, o.reason)
	case "occupied":
		return d.parcels.Inspect(ctx, o.session, compartment, parcels.FoundParcel, o.reason)
	case "office":
		shelf := strings.ToUpper(strings.TrimSpace(in.Get("shelf")))
		if shelf == "" || len(shelf) > shelfMax || strings.Trim(shelf, letters+"-") != "" {
			return errInput
		}
		showDoor(v, r)
		if v.Inner.ID == "" {
			return parcels.ErrNotNow
		}
		return d.parcels.ToOffice(ctx, o.session, v.Inner.ID, shelf, o.reason)
	}
	return errInput
}

func (d *Desk) service(ctx context.Context, o override, _ *view, r *http.Request, in url.Values) error {
	switch in.Get("set") {
	case "in":
		return d.parcels.PutOut(ctx, o.session, r.PathValue("compartment"), "")
	case "out":
		return d.parcels.PutOut(ctx, o.session, r.PathValue("compartment"), o.reason)
	}
	return errInput
}

// shelf hands a parcel over, by its PIN or with the reason alone, or marks it for its carrier.
func (d *Desk) shelf(ctx context.Context, o override, v *view, r *http.Request, in url.Values) error {
	pin := in.Get("pin")
	switch {
	case pin != "" && (len(pin) != pinLen || !page.Digits(pin, pinLen)):
		return errInput
	case in.Get("what") == "returned":
		return d.parcels.SendBack(ctx, o.session, r.PathValue("parcel"), o.reason)
	case in.Get("what") != "handed":
		return errInput
	}
	got, err := d.parcels.HandOver(ctx, o.session, r.PathValue("parcel"), pin, o.reason)
	if err == nil && got.Reason != "" {
		v.refuseCode(got)
		return errCode
	}
	return err
}

// label tidies a unit's label as typed: a-12-3 is A-12-3.
func label(in url.Values) (string, error) {
	unit := strings.ToUpper(strings.TrimSpace(in.Get("unit")))
	if unit == "" || len(unit) > unitMax || strings.Trim(unit, letters+"-") != "" {
		return "", errInput
	}
	return unit, nil
}

func (d *Desk) unlock(ctx context.Context, o override, v *view, _ *http.Request, in url.Values) error {
	unit, err := label(in)
	if err != nil {
		return err
	}
	if err := d.parcels.UnlockUnit(ctx, o.session, unit, o.reason); err != nil {
		return err
	}
	v.Said = v.T("unlock.done", "Unit", unit)
	return nil
}

func (d *Desk) nextCode(ctx context.Context, o override, v *view, _ *http.Request, in url.Values) error {
	unit, err := label(in)
	if err != nil {
		return err
	}
	code, err := d.parcels.NextCode(ctx, o.session, unit, o.reason)
	if err != nil {
		return err
	}
	v.Code, v.Unit = code.Reveal(), unit
	return nil
}

const timeField = "2006-01-02T15:04" // what a datetime-local field holds

func (d *Desk) confirmClock(ctx context.Context, o override, v *view, _ *http.Request, in url.Values) error {
	t, err := time.ParseInLocation(timeField, in.Get("time"), page.Local(time.Time{}).Location())
	if err != nil {
		return errInput
	}
	if err := d.parcels.ConfirmClock(ctx, o.session, t, o.reason); err != nil {
		return err
	}
	v.Said = v.T("time.done")
	return nil
}
