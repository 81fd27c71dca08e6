package kiosk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

func TestCollectTwoParcels(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toPIN()
		for _, d := range "471903" {
			h.touch("/digits", "key", string(d))
		}
		h.want("screen", "door", "door", "18", "next", "6", "phase", "opening")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.want("screen", "door", "door", "18", "phase", "open")
		h.says("18 號門已開")
		h.says("Take everything out, then close it.")
		h.lock(parcels.DoorOpen, parcels.DoorClosed)
		h.want("screen", "taken", "door", "18")
		h.touch("/taken", "answer", "yes")
		h.want("screen", "next", "next", "6")
		h.touch("/open")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.want("screen", "door", "door", "6")
		h.lock(parcels.DoorOpen, parcels.DoorClosed)
		h.touch("/taken", "answer", "no")
		h.want("screen", "thanks")
		h.says("取件碼仍有效")
		h.touch("/finish")
		h.want("screen", "idle")
		if n := h.f.count(); n != 2 {
			t.Errorf("%d openings; want 2", n)
		}
	})
}

func TestStuckDoor(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toPIN()
		h.touch("/household")
		h.want("screen", "household")
		h.touch("/digits", "digits", "80217764")
		h.lock(parcels.DoorOpening, parcels.DoorStuck)
		h.want("screen", "door", "phase", "stuck")
		h.touch("/open")
		h.want("phase", "opening")
		h.lock(parcels.DoorOpening, parcels.DoorFault)
		h.want("phase", "fault")
		h.says("已通知管理室，取件碼仍有效")
		h.touch("/open") // the other door
		h.want("door", "6", "phase", "opening")
		h.lock(parcels.DoorOpening, parcels.DoorUnknown)
		h.want("phase", "unknown")
		h.says("It will not be sent again by itself.")
	})
}

func TestDispute(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.f.waiting["A-12-3"] = []int{18}
		h.toPIN()
		h.touch("/digits", "digits", "471903")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.touch("/dispute")
		h.want("screen", "dispute", "door", "18")
		h.touch("/back")
		h.want("screen", "door")
		h.touch("/dispute")
		h.touch("/dispute", "why", "empty")
		h.want("screen", "thanks")
		h.says("管理室會與您聯絡")
	})
}

func TestVerdicts(t *testing.T) {
	day := time.Date(2000, 1, 20, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		v      Verdict
		screen string
		says   []string
	}{
		{"wrong", Verdict{Reason: "wrong", Left: 1}, "pin", []string{"還可以試 1 次", "1 try left."}},
		{"locked", Verdict{Reason: "locked", Until: time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC)}, "locked", []string{"請等 5 分鐘再輸入", "管理室"}},
		{"closed", Verdict{Reason: "closed"}, "closed", []string{"住戶密碼"}},
		{"used", Verdict{Reason: "used", At: day}, "used", []string{"這個號碼已在 1/20（四） 用過", "This code was used on Thu 20 Jan"}},
		{"office", Verdict{Reason: "office", Shelf: "乙 14"}, "office", []string{"包裹已移到管理室 乙 14 架，取件碼不變"}},
		{"ended", Verdict{Reason: "ended"}, "ended", []string{"The parcel is no longer here."}},
		{"nothing", Verdict{Reason: "nothing"}, "nothing", []string{"目前沒有待取的包裹"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			atScreen(t, func(h *hand) {
				h.f.verdict = &c.v
				h.toPIN()
				h.touch("/digits", "digits", "000000")
				h.want("screen", c.screen)
				for _, s := range c.says {
					h.says(s)
				}
				h.touch("/back")
			})
		})
	}
}

func TestDeliver(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toCourier()
		h.touch("/building", "building", "A")
		h.touch("/unit", "unit", "99-9")
		h.want("screen", "unit", "error", "no_unit")
		h.touch("/unit", "unit", "12-3")
		h.want("screen", "size")
		h.touch("/size", "size", "L")
		h.want("screen", "size", "error", "full")
		h.touch("/size", "size", "S")
		h.touch("/open")
		h.want("screen", "door", "door", "3", "phase", "opening")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.says("請放入包裹，然後關上櫃門")
		h.lock(parcels.DoorOpen, parcels.DoorClosed)
		h.want("screen", "inside")
		h.touch("/inside", "answer", "too_small")
		h.want("screen", "door", "door", "5")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.lock(parcels.DoorOpen, parcels.DoorClosed)
		h.touch("/inside", "answer", "inside")
		h.want("screen", "building")
		h.touch("/building", "building", "B")
		h.says("05 號門 → A-12-3")
		h.touch("/undo")
		h.want("screen", "door", "phase", "opening")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.says("再輸入正確的戶別")
		h.lock(parcels.DoorOpen, parcels.DoorClosed)
		h.touch("/inside", "answer", "took_back")
		h.want("screen", "building")
		h.touch("/finish")
		h.want("screen", "handed")
		h.says("謝謝，本次投 0 件")
	})
}

func TestVerifyDoor(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toCourier()
		h.toDoor("S")
		h.f.with(func() { h.f.visits["visit-1"].Doors[0].Verify = true })
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.want("screen", "verify", "door", "3")
		h.touch("/empty", "answer", "yes")
		h.want("screen", "door", "phase", "open")
		h.f.with(func() { h.f.full = true })
		h.touch("/inside", "answer", "occupied")
		h.want("screen", "full")
		h.touch("/back")
		h.want("screen", "building")
	})
}

// The service may end a visit by itself: after silence, after too many misses, with the guard's help.
func TestTheServiceEndsTheVisit(t *testing.T) {
	end := func(h *hand) {
		h.f.with(func() { h.f.visits["visit-1"].Ended = true })
		h.look()
	}
	for state, screen := range map[string]string{parcels.DoorClosed: "thanks", parcels.DoorOpen: "idle"} {
		atScreen(t, func(h *hand) {
			h.toPIN()
			h.touch("/digits", "digits", "471903")
			h.lock(parcels.DoorOpening, state)
			end(h)
			h.want("screen", screen)
			if screen == "thanks" {
				h.touch("/finish")
				h.want("screen", "idle")
			}
		})
	}
	atScreen(t, func(h *hand) {
		h.toCourier()
		end(h)
		h.want("screen", "handed")
		h.touch("/finish")
		h.want("screen", "idle")
	})
}

// invariant 9
func TestBadInputChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name, path string
		form       url.Values
		code       int
	}{
		{"unknown field", "/digits", url.Values{"key": {"1"}, "open": {"18"}}, 400},
		{"field twice", "/digits", url.Values{"key": {"1", "2"}}, 400},
		{"too many digits", "/digits", url.Values{"digits": {"4719031"}}, 400},
		{"too few digits", "/digits", url.Values{"digits": {"4719"}}, 400},
		{"letters", "/digits", url.Values{"digits": {"47190x"}}, 400},
		{"unknown key", "/digits", url.Values{"key": {"11"}}, 400},
		{"both", "/digits", url.Values{"key": {"1"}, "digits": {"471903"}}, 400},
		{"query", "/digits?digits=471903", url.Values{}, 400},
		{"long", "/digits", url.Values{"digits": {strings.Repeat("4", 5000)}}, 400},
		{"no step", "/digits", url.Values{"step": {""}, "key": {"1"}}, 400},
		{"another screen's form", "/digits", url.Values{"step": {"7"}, "key": {"1"}}, 409},
		{"not now", "/taken", url.Values{"answer": {"yes"}}, 409},
		{"no setting", "/settings", url.Values{"set": {"colour"}}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			atScreen(t, func(h *hand) {
				h.toPIN()
				h.touch("/digits", "key", "4")
				before := h.main["step"]
				if c.form.Get("step") == "" && c.name != "no step" {
					c.form.Set("step", before)
				}
				h.post(c.path, c.form)
				if h.code != c.code {
					t.Errorf("%s answers %d; want %d", c.path, h.code, c.code)
				}
				if c.code == 400 {
					h.says("什麼都沒有改變")
				}
				h.look()
				h.want("screen", "pin", "step", before)
				if !strings.Contains(h.body, `data-typed-count="1"`) {
					t.Error("the digit typed before is gone")
				}
				if h.f.count() != 0 {
					t.Errorf("%d openings; want 0", h.f.count())
				}
			})
		})
	}
}

func TestBadUnit(t *testing.T) {
	for _, unit := range []string{"-1", "1-", "1--2", "1-2-3-4-5-6", "十二", "12 3", "A-12-3"} {
		atScreen(t, func(h *hand) {
			h.touch("/collect")
			h.touch("/building", "building", "C")
			h.want("screen", "building", "error", "form")
			h.touch("/building", "building", "A")
			h.touch("/unit", "unit", unit)
			if h.code != http.StatusBadRequest {
				t.Errorf("unit %q answers %d; want 400", unit, h.code)
			}
			h.want("screen", "unit", "error", "unit")
			h.says("戶別像 12-3")
		})
	}
}

// invariant 10
func TestNoSecretIsShownOrLogged(t *testing.T) {
	secrets := []string{"47190", "80217764", "55501234", "13579246"} // the first: as far as it is typed before it is judged
	atScreen(t, func(h *hand) {
		h.toPIN()
		for _, d := range "471904" {
			h.touch("/digits", "key", string(d))
		}
		h.touch("/digits", "digits", "13579246")
		h.touch("/household")
		h.touch("/digits", "digits", "13579246")
		h.touch("/digits", "digits", "80217764")
		h.touch("/finish")
		h.f.err = http.ErrHandlerTimeout
		h.look()
		h.toCourierOrIdle()
		for _, s := range secrets {
			for place, text := range map[string]string{"page": h.pages.String(), "log": h.log.String(), "call": strings.Join(h.f.calls, "\n")} {
				if strings.Contains(text, s) {
					t.Errorf("a %s holds a secret", place)
				}
			}
		}
	})
}

// toCourierOrIdle ends what is on the screen and signs a courier in.
func (h *hand) toCourierOrIdle() {
	for range 3 {
		if h.main["screen"] == "idle" {
			break
		}
		h.touch("/finish")
	}
	h.touch("/deliver")
	h.touch("/digits", "digits", "55501234")
}

func TestTimeOuts(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toPIN()
		h.touch("/digits", "key", "4")
		time.Sleep(44 * time.Second)
		h.look()
		h.want("screen", "pin")
		time.Sleep(time.Second)
		h.look()
		h.want("screen", "still")
		h.says("20 秒後結束")
		h.touch("/stay")
		h.want("screen", "pin")
		if !strings.Contains(h.body, `data-typed-count="0"`) {
			t.Error("the digits outlived the time-out")
		}
		time.Sleep(65 * time.Second)
		h.look()
		h.want("screen", "idle")
	})
}

// Nothing physical hangs on a time-out: the door stays as it is, and the visit ends.
func TestTimeOutAtAnOpenDoor(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toPIN()
		h.touch("/digits", "digits", "471903")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		time.Sleep(35 * time.Second)
		h.look()
		h.says("Please close it.")
		time.Sleep(31 * time.Second)
		h.look()
		h.want("screen", "idle")
		if h.f.count() != 1 || len(h.f.left) != 1 {
			t.Errorf("%d openings, %d visits ended; want 1 and 1", h.f.count(), len(h.f.left))
		}
	})
}

func TestSettings(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.touch("/settings", "set", "language")
		h.touch("/settings", "set", "large")
		h.touch("/settings", "set", "contrast")
		h.touch("/settings", "set", "low")
		h.want("lang", "en", "size", "large", "theme", "contrast", "low", "true")
		for _, s := range []string{`<html lang="en" data-theme="contrast" data-size="large" data-low>`, `<h1 class="k-xl" lang="en">Welcome.`, "您好，請選擇"} {
			h.says(s)
		}
		h.touch("/collect")
		h.want("lang", "en", "low", "true")
		time.Sleep(65 * time.Second)
		h.look()
		h.want("screen", "idle", "lang", "zh-TW", "size", "", "low", "false")
	})
}

// A second tap, or a second browser, cannot act on a screen that has gone.
func TestDoubleTapOpensOnce(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toPIN()
		step := h.main["step"]
		form := url.Values{"step": {step}, "digits": {"471903"}}
		h.post("/digits", form)
		h.post("/digits", form)
		if h.code != http.StatusConflict {
			t.Errorf("second tap answers %d; want 409", h.code)
		}
		if h.f.count() != 1 {
			t.Errorf("%d openings; want 1", h.f.count())
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
				form := url.Values{"step": {h.main["step"]}}
				r := httptest.NewRequest(http.MethodPost, "/collect", strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Host = c.host
				if c.origin != "" {
					r.Header.Set("Origin", c.origin)
				}
				w := httptest.NewRecorder()
				h.k.ServeHTTP(w, r)
				if w.Code != c.code {
					t.Errorf("answers %d; want %d", w.Code, c.code)
				}
			})
		})
	}
}

// A page that watches is told of every change.
func TestLive(t *testing.T) {
	atScreen(t, func(h *hand) {
		ctx, cancel := context.WithCancel(h.t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/live", nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() { defer close(done); h.k.ServeHTTP(w, r) }()
		synctest.Wait()
		h.touch("/collect")
		version := h.main["version"]
		synctest.Wait()
		cancel()
		<-done
		if !strings.Contains(w.Body.String(), "event: changed\ndata: "+version+"\n\n") {
			t.Errorf("the stream %q does not say version %s", w.Body.String(), version)
		}
	})
}

// invariant 10
func TestSecretShowsItselfToNobody(t *testing.T) {
	s := state{code: "471903"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, s.code); strings.Contains(out, "471903") {
			t.Errorf("%s prints the digits", verb)
		}
	}
}
