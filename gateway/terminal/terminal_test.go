package terminal

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/doors"
)

var _ Doors = (*fake)(nil)

func TestTicketOpens(t *testing.T) {
	for _, text := range []string{"LOBBY1GOOD", " lobby1good\r\n"} { // with the keyboard's lock on
		atScreen(t, func(h *hand) {
			h.want("screen", "idle", "door", "pool", "state", "secured", "contact", "closed")
			h.says("游泳池", "Swimming pool", "請將票券對準讀取器", "Hold your ticket to the reader", "autofocus")
			h.scan(text)
			h.want("screen", "door", "outcome", "opening")
			h.moves(func(d *doors.Door) { d.State = doors.Released })
			h.want("screen", "door", "outcome", "opening", "state", "released")
			h.says("請開門", "Open the door now")
			h.moves(func(d *doors.Door) { d.State, d.Outcome, d.Contact = doors.Open, doors.Opened, "open" })
			h.want("screen", "door", "outcome", "opened", "contact", "open")
			h.says("門已開，請進", "The door is open")
			time.Sleep(welcome)
			h.look()
			h.want("screen", "idle", "outcome", "")
			if n := h.f.count(); n != 1 {
				t.Errorf("%d releases; want 1", n)
			}
		})
	}
}

func TestCodeOpens(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toCode()
		for _, d := range "80217764" {
			h.touch("digits", "key", string(d))
		}
		h.want("screen", "door", "outcome", "opening")
		if got := h.f.asked(); !slices.Equal(got, []string{"code of A-12-3 at pool"}) {
			t.Errorf("the service was asked %q", got)
		}
	})
}

func TestOutcomes(t *testing.T) {
	for outcome, says := range map[string][]string{
		doors.Unopened: {"門沒有被打開", "票券仍可使用", "Your ticket still works.", "分機 100"},
		doors.Unknown:  {"結果不明", "It will not be sent again by itself.", "分機 100"},
		doors.Refused:  {"門鎖沒有打開", "票券仍可使用", "分機 100"},
	} {
		atScreen(t, func(h *hand) {
			h.scan("LOBBY1GOOD")
			h.comes(outcome)
			h.want("screen", "door", "outcome", outcome)
			h.says(says...)
			time.Sleep(reading - time.Second)
			h.look()
			h.want("screen", "door")
			h.scan("LOBBY1GOOD") // the next try needs no touch
			h.want("screen", "door", "outcome", "opening")
			h.comes(doors.Opened)
			h.touch("back")
			h.want("screen", "idle")
			if n := h.f.count(); n != 2 {
				t.Errorf("%d releases; want 2", n)
			}
		})
	}
}

// Every refusal has its screen: which door or when instead, and what to do.
func TestVerdicts(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 26, h, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		v    doors.Verdict
		says []string
	}{
		{doors.Verdict{Reason: doors.NoTicket}, []string{"讀不到有效的票券", "That could not be read as a ticket"}},
		{doors.Verdict{Reason: doors.Elsewhere}, []string{"這張票券是別棟大樓的"}},
		{doors.Verdict{Reason: doors.WrongDoor, Door: "ktv"}, []string{"請到「視聽室」使用這張票券", "KTV room"}},
		{doors.Verdict{Reason: doors.WrongDoor, Door: "gym"}, []string{"請看票券上的地點"}},
		{doors.Verdict{Reason: doors.TooEarly, From: at(12)}, []string{"11/26（四）20:00 起可以開門", "from Thu 26 Nov, 20:00"}},
		{doors.Verdict{Reason: doors.TooLate, Until: at(14)}, []string{"可用到 11/26（四）22:00", "until Thu 26 Nov, 22:00"}},
		{doors.Verdict{Reason: doors.Used}, []string{"這張票券已經用過"}},
		{doors.Verdict{Reason: doors.Revoked}, []string{"這張票券已取消"}},
		{doors.Verdict{Reason: doors.ClosedDown}, []string{"這道門暫停使用"}},
		{doors.Verdict{Reason: doors.Silent}, []string{"這道門暫時沒有回應", "票券仍可使用"}},
		{doors.Verdict{Reason: doors.Crowded}, []string{"請稍等一分鐘", "票券仍可使用"}},
		{doors.Verdict{Reason: doors.NoGrant}, []string{"現在沒有這道門的預約"}},
		{doors.Verdict{Reason: doors.Locked, Until: time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC)}, []string{"請等 5 分鐘", "Please wait 5 minutes"}},
		{doors.Verdict{Reason: doors.AlreadyOpen}, []string{"門開著，請進", "票券沒有用掉"}},
		{doors.Verdict{Reason: "invented"}, []string{"門沒有打開", "請洽管理室"}},
	} {
		t.Run(c.v.Reason, func(t *testing.T) {
			atScreen(t, func(h *hand) {
				h.f.with(func() { h.f.says = &c.v })
				h.scan("LOBBY1GOOD")
				h.want("screen", "refused", "reason", c.v.Reason)
				h.says(c.says...)
				if c.v.Reason != doors.AlreadyOpen {
					h.says("管理室 分機 100")
				}
				h.touch("language")
				h.want("screen", "refused", "reason", c.v.Reason, "lang", "en")
				if c.v.Reason != doors.AlreadyOpen {
					h.says("Guard ext. 100")
				}
				time.Sleep(reading)
				h.look()
				h.want("screen", "idle", "reason", "", "lang", "zh-TW")
				if n := h.f.count(); n != 0 {
					t.Errorf("%d releases; want 0", n)
				}
			})
		})
	}
}

// Another try makes sense after a wrong code: the pad stays, the digits are gone, and a second tap is no second guess.
func TestWrongCode(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toCode()
		form := url.Values{"step": {h.main["step"]}, "digits": {"11111111"}}
		h.post("digits", form)
		h.want("screen", "code", "reason", "wrong")
		h.says("戶別或密碼不對，還可以試 4 次", "4 tries left", `data-typed-count="0"`)
		h.post("digits", form)
		if h.code != http.StatusConflict || len(h.f.asked()) != 1 {
			t.Errorf("the second tap answers %d after %q; want 409 and one guess", h.code, h.f.asked())
		}
		h.touch("digits", "key", "8")
		h.want("screen", "code", "reason", "")
		h.touch("back")
		h.want("screen", "unit")
		h.touch("unit", "key", "enter")
		h.says(`data-typed-count="0"`) // digits do not outlive their pad
		h.touch("back")
		h.touch("back")
		h.want("screen", "building")
		h.touch("back")
		h.want("screen", "idle")
	})
}

// The last wrong code locks the unit: the pad gives way to how long.
func TestLastWrongCode(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toCode()
		h.f.with(func() { h.f.says = &doors.Verdict{Reason: doors.Wrong, Until: h.f.now().Add(5 * time.Minute)} })
		h.touch("digits", "digits", "11111111")
		h.want("screen", "refused", "reason", "wrong")
		h.says("請稍候再試", "請等 5 分鐘", "Please wait 5 minutes", "分機 100")
	})
}

// What no ticket helps against is said before one is held up.
func TestIdleSaysWhatIsAmiss(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*doors.Door)
		attr   string
		says   []string
	}{
		{"closed down", func(d *doors.Door) { d.ClosedDown, d.Reason = true, "cleaning" }, "closed", []string{"這道門暫停使用", "原因：清潔保養", "Reason: cleaning.", "分機 100"}},
		{"closed down, a private reason", func(d *doors.Door) { d.ClosedDown, d.Reason = true, "resident" }, "closed", []string{"這道門暫停使用", "管理室關閉了這道門"}},
		{"silent", func(d *doors.Door) { d.Online = false }, "silent", []string{"這道門暫時沒有回應", "票券仍可使用", "分機 100"}},
		{"left open", func(d *doors.Door) { d.State = doors.LeftOpen }, "", []string{"門開了很久，請關上"}},
		{"held", func(d *doors.Door) { d.State = doors.Held }, "", []string{"Please close it."}},
		{"forced", func(d *doors.Door) { d.State = doors.Forced }, "", []string{"已通知管理室"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			atScreen(t, func(h *hand) {
				h.moves(c.change)
				h.want("screen", "idle")
				h.says(c.says...)
				if _, there := h.main[c.attr]; c.attr != "" && !there {
					t.Errorf("main has no data-%s", c.attr)
				}
			})
		})
	}
}

// Whom the guard lets in sees at the door when to open it.
func TestOpenedByAnother(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.touch("household")
		h.f.with(func() { h.f.open("pool") })
		h.look()
		h.want("screen", "door", "outcome", "opening")
		h.comes(doors.Opened)
		h.want("screen", "door", "outcome", "opened")
		h.door = "ktv"
		h.look()
		h.want("screen", "idle", "door", "ktv")
	})
}

// What a door did before the screen began is nobody's business now, and so is a view that comes late.
func TestOldIntentIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t)
		h.f.with(func() { h.f.open("pool") })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.x.Run(ctx) }()
		h.wait = synctest.Wait
		h.look()
		h.want("screen", "idle")
		h.f.with(func() { h.f.says = &doors.Verdict{Intent: "newer"} })
		h.scan("LOBBY1GOOD")
		h.want("screen", "door", "outcome", "opening")
		h.comes(doors.Opened) // of the old one
		h.want("screen", "door", "outcome", "opening")
		h.moves(func(d *doors.Door) { d.Intent, d.Outcome = "newer", doors.Unopened })
		h.want("screen", "door", "outcome", "unopened")
		cancel()
		<-done
	})
}

// invariant 9
func TestBadInputChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name, what string
		form       url.Values
		code       int
	}{
		{"unknown field", "digits", url.Values{"key": {"1"}, "open": {"pool"}}, 400},
		{"field twice", "digits", url.Values{"key": {"1", "2"}}, 400},
		{"too many digits", "digits", url.Values{"digits": {"802177641"}}, 400},
		{"too few digits", "digits", url.Values{"digits": {"8021776"}}, 400},
		{"letters", "digits", url.Values{"digits": {"8021776x"}}, 400},
		{"unknown key", "digits", url.Values{"key": {"11"}}, 400},
		{"both", "digits", url.Values{"key": {"1"}, "digits": {"80217764"}}, 400},
		{"query", "digits?digits=80217764", url.Values{}, 400},
		{"a ticket in the address", "ticket?ticket=LOBBY1GOOD", url.Values{}, 400},
		{"no ticket", "ticket", url.Values{"ticket": {" "}}, 400},
		{"oversized ticket", "ticket", url.Values{"ticket": {"LOBBY1" + strings.Repeat("A", ticketLen)}}, 400},
		{"flood", "ticket", url.Values{"ticket": {strings.Repeat("A", 1<<20)}}, 400},
		{"no text", "ticket", url.Values{"ticket": {"LOBBY1\xff"}}, 400},
		{"no step", "digits", url.Values{"step": {""}, "key": {"1"}}, 400},
		{"another screen's ticket", "ticket", url.Values{"step": {"7"}, "ticket": {"LOBBY1GOOD"}}, 409},
		{"another screen's form", "digits", url.Values{"step": {"7"}, "key": {"1"}}, 409},
		{"not now", "building", url.Values{"building": {"A"}}, 409},
		{"not from here", "household", url.Values{}, 409},
	} {
		t.Run(c.name, func(t *testing.T) {
			atScreen(t, func(h *hand) {
				h.toCode()
				h.touch("digits", "key", "4")
				before := h.main["step"]
				if c.form.Get("step") == "" && c.name != "no step" {
					c.form.Set("step", before)
				}
				h.post(c.what, c.form)
				if h.code != c.code {
					t.Errorf("answers %d; want %d", h.code, c.code)
				}
				if c.code == 400 {
					h.says("什麼都沒有改變")
				}
				h.look()
				h.want("screen", "code", "step", before)
				if !strings.Contains(h.body, `data-typed-count="1"`) {
					t.Error("the digit typed before is gone")
				}
				if n, asked := h.f.count(), h.f.asked(); n != 0 || len(asked) != 0 {
					t.Errorf("%d releases, the service was asked %q; want nothing", n, asked)
				}
			})
		})
	}
}

func TestBadUnit(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.touch("household")
		h.touch("building", "building", "C")
		h.want("screen", "building", "error", "form")
		h.touch("building", "building", "A")
		for _, unit := range []string{"-1", "1--2", "十二", "A-12-3"} {
			h.touch("unit", "unit", unit)
			h.want("screen", "unit", "error", "unit")
			h.says("戶別像 12-3")
		}
		h.touch("unit", "key", "enter")
		h.want("screen", "unit", "error", "unit")
	})
}

// One visitor at a time: while a door is being opened for one, another's ticket waits, and a second tap opens nothing.
func TestOneVisitorAtATime(t *testing.T) {
	atScreen(t, func(h *hand) {
		form := url.Values{"step": {h.main["step"]}, "ticket": {"LOBBY1GOOD"}}
		h.post("ticket", form)
		h.post("ticket", form)
		if h.code != http.StatusConflict {
			t.Errorf("the second tap answers %d; want 409", h.code)
		}
		h.want("screen", "door", "outcome", "opening")
		if strings.Contains(h.body, "data-scan") {
			t.Error("the screen asks for a ticket while the door opens")
		}
		h.scan("LOBBY1GOOD")
		if h.code != http.StatusConflict || h.f.count() != 1 {
			t.Errorf("another's ticket answers %d, %d releases; want 409 and 1", h.code, h.f.count())
		}
		h.want("error", "moved")
	})
}

// A ticket that is being read while an answer goes away is still good.
func TestTicketAcrossTheTimeOut(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.scan("RUBBISH")
		h.want("screen", "refused", "reason", "no_ticket")
		form := url.Values{"step": {h.main["step"]}, "ticket": {"LOBBY1GOOD"}}
		time.Sleep(reading)
		h.look()
		h.want("screen", "idle")
		h.post("ticket", form)
		h.want("screen", "door", "outcome", "opening")
	})
}

// invariant 10
func TestNoSecretIsShownOrLogged(t *testing.T) {
	const canary = "LOBBY1CANARYCANARY234567"
	atScreen(t, func(h *hand) {
		h.f.with(func() { h.f.tickets[canary] = "pool" })
		h.scan("LOBBY1OTHER" + canary)
		h.scan(canary)
		h.comes(doors.Unopened)
		h.touch("back")
		h.touch("ticket", "ticket", canary, "more", canary)
		h.touch("ticket", "ticket", canary+strings.Repeat("A", ticketLen))
		h.post("ticket", url.Values{"step": {"1"}, "ticket": {canary}})
		h.toCode()
		for _, d := range "8021776" {
			h.touch("digits", "key", string(d))
		}
		h.touch("digits", "digits", "13579246")
		h.f.with(func() { h.f.err = errors.New("disk is full") })
		h.touch("digits", "digits", "80217764")
		h.want("screen", "trouble")
		h.says("票券仍可使用")
		h.scan(canary)
		for _, secret := range []string{canary, "8021776", "13579246"} {
			for place, text := range map[string]string{"page": h.pages.String(), "log": h.log.String(), "call": strings.Join(h.f.asked(), "\n")} {
				if strings.Contains(text, secret) {
					t.Errorf("a %s holds a secret", place)
				}
			}
		}
		if !strings.Contains(h.log.String(), "disk is full") {
			t.Error("the log does not say what went wrong")
		}
	})
}

// Digits do not outlive a time-out, and nothing physical hangs on one.
func TestTimeOuts(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toCode()
		h.touch("digits", "key", "4")
		old := url.Values{"step": {h.main["step"]}, "key": {"4"}}
		time.Sleep(44 * time.Second)
		h.look()
		h.want("screen", "code")
		h.says("1</span> 秒後回到首頁")
		time.Sleep(time.Second)
		h.look()
		h.want("screen", "idle")
		h.post("digits", old)
		if h.code != http.StatusConflict {
			t.Errorf("a key of a pad that has gone answers %d; want 409", h.code)
		}
		h.toCode()
		h.says(`data-typed-count="0"`)
	})
	atScreen(t, func(h *hand) { // a door that says nothing more
		h.scan("LOBBY1GOOD")
		time.Sleep(45 * time.Second)
		h.look()
		h.want("screen", "idle")
		h.comes(doors.Opened)
		h.want("screen", "idle")
		if n := h.f.count(); n != 1 {
			t.Errorf("%d releases; want 1", n)
		}
	})
}

func TestLanguage(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.touch("language")
		h.want("lang", "en", "screen", "idle")
		h.says(`<html lang="en">`, `<h1 class="k-door" lang="en">Swimming pool`, "游泳池", `lang="zh-TW">請將票券對準讀取器`)
		h.toCode()
		h.want("lang", "en")
		h.touch("back")
		h.touch("back")
		h.touch("back")
		h.want("screen", "idle", "lang", "en")
		time.Sleep(45 * time.Second)
		h.look()
		h.want("lang", "zh-TW")
	})
}

func TestOneBuildingIsNotAskedFor(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.x.o.Blocks = func() []string { return []string{"A"} }
		h.touch("household")
		h.want("screen", "unit")
		h.touch("back")
		h.want("screen", "idle")
		h.x.o.Blocks = func() []string { return nil }
		h.look()
		if strings.Contains(h.body, `id="household"`) {
			t.Error("a code is asked for where nobody has one")
		}
		h.touch("household")
		h.want("screen", "idle", "error", "moved")
	})
}

// A page that watches is told of every change, by its own door alone.
func TestLive(t *testing.T) {
	atScreen(t, func(h *hand) {
		ctx, cancel := context.WithCancel(h.t.Context())
		watch := func(door string) (*httptest.ResponseRecorder, chan struct{}) {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/door/"+door+"/live", nil)
			r.Host = "localhost"
			w, done := httptest.NewRecorder(), make(chan struct{})
			go func() { defer close(done); h.x.ServeHTTP(w, r) }()
			synctest.Wait()
			return w, done
		}
		pool, poolDone := watch("pool")
		h.scan("LOBBY1GOOD")
		h.comes(doors.Opened)
		synctest.Wait()
		cancel()
		<-poolDone
		if !strings.Contains(pool.Body.String(), "event: changed\ndata: "+h.main["version"]+"\n\n") {
			t.Errorf("the stream %q does not say version %s", pool.Body.String(), h.main["version"])
		}
	})
}

func TestForeignRequestsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, host, origin string
		code               int
	}{
		{"rebound name", "evil.example:8080", "", http.StatusMisdirectedRequest},
		{"LAN address", "192.168.1.5:8080", "", http.StatusMisdirectedRequest},
		{"other origin", "127.0.0.1:8080", "http://evil.example", http.StatusForbidden},
		{"own origin", "127.0.0.1:8080", "http://127.0.0.1:8080", http.StatusSeeOther},
	} {
		t.Run(c.name, func(t *testing.T) {
			atScreen(t, func(h *hand) {
				form := url.Values{"step": {h.main["step"]}, "ticket": {"LOBBY1GOOD"}}
				r := httptest.NewRequest(http.MethodPost, "/door/pool/ticket", strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Host = c.host
				if c.origin != "" {
					r.Header.Set("Origin", c.origin)
				}
				w := httptest.NewRecorder()
				h.x.ServeHTTP(w, r)
				if released := h.f.count() == 1; w.Code != c.code || released != (c.code == http.StatusSeeOther) {
					t.Errorf("answers %d, released %v; want %d", w.Code, released, c.code)
				}
			})
		})
	}
}

func TestIndexAndUnknownDoors(t *testing.T) {
	atScreen(t, func(h *hand) {
		for path, want := range map[string]int{"/door/": 200, "/door/gym": 404, "/door/gym/live": 404, "/door/pool/more": 404, "/terminal/": 404, "/terminal/terminal.css": 200, "/look/screen.js": 200} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = "127.0.0.1"
			w := httptest.NewRecorder()
			h.x.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s answers %d; want %d", path, w.Code, want)
			}
			if body := w.Body.String(); path == "/door/" && (!strings.Contains(body, `href="/door/pool"`) || !strings.Contains(body, `href="/door/ktv"`)) {
				t.Errorf("the index does not list both doors: %s", body)
			}
		}
	})
}

// A service that shows nothing yet leaves a screen that says so and comes to life by itself.
func TestServiceThatStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHand(t)
		all := h.f.view.Doors
		h.f.view.Doors = nil
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.x.Run(ctx) }()
		h.wait = synctest.Wait
		h.look()
		h.want("screen", "idle")
		h.says("暫時無法使用")
		h.f.with(func() { h.f.view.Doors = all })
		h.moves(func(*doors.Door) {})
		h.says("請將票券對準讀取器")
		cancel()
		<-done
	})
}

// Many hands at one screen: the door is released once for each step that was still the newest.
func TestManyAtOnce(t *testing.T) {
	h := newHand(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.x.Run(ctx) }()
	h.look()
	step := h.main["step"]
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			form := url.Values{"step": {step}, "ticket": {"LOBBY1GOOD"}}
			if i%4 == 0 {
				form = url.Values{"step": {strconv.Itoa(i)}}
			}
			r := httptest.NewRequest(http.MethodPost, "/door/pool/"+map[bool]string{true: "language", false: "ticket"}[i%4 == 0], strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Host = "127.0.0.1"
			h.x.ServeHTTP(httptest.NewRecorder(), r)
			h.f.hand("ktv", func(d *doors.Door) { d.AsOf = time.Now() })
		})
	}
	all.Wait()
	if n := h.f.count(); n != 1 {
		t.Errorf("%d releases; want 1", n)
	}
	cancel()
	<-done
	r := httptest.NewRequest(http.MethodGet, "/door/pool", nil)
	r.Host = "127.0.0.1"
	w := httptest.NewRecorder()
	if h.x.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a stopped screen answers %d; want 503", w.Code)
	}
}

func TestEveryScreenInBothLanguages(t *testing.T) {
	missing := regexp.MustCompile(`>[a-z_]+(\.[a-zA-Z_]+)+<`) // a message that does not exist comes out as its id
	forbidden := regexp.MustCompile(`<script>|\son[a-z]+="|\sstyle="|javascript:|https?://|&lt;no value`)
	atScreen(t, func(h *hand) {
		check := func(name string) {
			t.Helper()
			for _, lang := range []string{"zh-TW", "en"} {
				if h.main["lang"] != lang {
					h.touch("language")
				}
				h.want("lang", lang)
				if m := missing.FindString(h.body); m != "" {
					t.Errorf("%s in %s shows %s", name, lang, m)
				}
				if m := forbidden.FindString(h.body); m != "" {
					t.Errorf("%s has %q, which the page's own policy forbids", name, m)
				}
				for _, l := range []string{"zh-TW", "en"} {
					if !strings.Contains(h.body, `lang="`+l+`">`) {
						t.Errorf("%s in %s has nothing in %s", name, lang, l)
					}
				}
			}
		}
		check("idle")
		h.touch("household")
		check("building")
		h.touch("building", "building", "A")
		check("unit")
		h.touch("unit", "unit", "12-3")
		check("code")
		h.touch("digits", "digits", "11111111")
		check("wrong")
		h.touch("back")
		h.touch("back")
		h.touch("back")
		for _, outcome := range []string{doors.Opening, doors.Opened, doors.Unopened, doors.Unknown, doors.Refused} {
			h.scan("LOBBY1GOOD")
			h.comes(outcome)
			check(outcome)
			h.comes(doors.Opened)
			h.touch("back")
		}
		for reason := range faces {
			h.f.with(func() { h.f.says = &doors.Verdict{Reason: reason, Door: "ktv", Left: 1} })
			h.scan("LOBBY1GOOD")
			check(reason)
		}
		for _, closed := range []string{"fault", "cleaning", "safety", "emergency", "check"} {
			h.touch("back")
			h.moves(func(d *doors.Door) { d.ClosedDown, d.Reason = true, closed })
			h.scan("LOBBY1GOOD")
			check("refused at a door closed for " + closed)
			h.touch("back")
			check("closed for " + closed)
			h.scan("LOBBY1GOOD")
		}
		h.f.with(func() { h.f.err = errors.New("broken") })
		h.scan("LOBBY1GOOD")
		check("trouble")
		h.f.with(func() { h.f.view.Clock = "uncertain" })
		h.touch("back")
		check("clock")
	})
}
