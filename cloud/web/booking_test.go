package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// send posts a form as somebody.
func (b *bench) send(who, target string, form url.Values, header ...string) (int, http.Header, string) {
	r := httptest.NewRequest("POST", target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.do(who, r)
}

// clock is an hour of the bench's day, on which it is noon.
func clock(hour int) time.Time {
	return time.Date(2026, 6, 15, hour, 0, 0, 0, time.FixedZone("Asia/Taipei", 8*60*60))
}

func wants(household, facility string, at time.Time, key string) url.Values {
	return url.Values{"household": {household}, "facility": {facility}, "from": {fmt.Sprint(at.UnixMicro())}, "key": {key}}
}

func TestBookFromThePage(t *testing.T) {
	b := newBench(t)
	_, h, page := b.get(cloudtest.ResA1, "/bookings")
	check(t, "nothing booked", page, []string{`lang="zh-TW"`, "預約公設", "KTV", "健身房", "6/15（一）", "12:00", "可預約", "還沒有預約", `action="/bookings"`, `aria-current="date"`},
		[]string{"<script", "style=", "http://", "https://", "11:00", "您的預約"})
	if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	_, h, _ = b.get(cloudtest.Unsigned, "/bookings?facility=gym")
	if h.Get("Location") != "/auth/login?next=%2Fbookings%3Ffacility%3Dgym" {
		t.Errorf("not signed in leads to %s", h.Get("Location"))
	}
	_, _, page = b.get(cloudtest.BossA, "/bookings")
	check(t, "no household", page, []string{"您還沒有登記住戶"}, []string{"KTV"})

	code, h, _ := b.send(cloudtest.ResA1, "/bookings", wants("site-a-h1", "ktv", clock(14), "1"))
	ticket := h.Get("Location")
	if code != 303 || !strings.HasPrefix(ticket, "/bookings/") {
		t.Fatalf("book = %d, to %q", code, ticket)
	}
	if code, h, _ := b.send(cloudtest.ResA1, "/bookings", wants("site-a-h1", "ktv", clock(14), "1")); code != 303 || h.Get("Location") != ticket {
		t.Errorf("a second tap = %d, to %q; want the same booking", code, h.Get("Location"))
	}
	for _, tt := range []struct {
		name, who string
		form      url.Values
		header    []string
		want      int
	}{
		{"another household", cloudtest.ResA2, wants("site-a-h1", "ktv", clock(16), "x"), nil, 404},
		{"another site", cloudtest.ResB1, wants("site-a-h1", "ktv", clock(16), "x"), nil, 404},
		{"no such facility", cloudtest.ResA1, wants("site-a-h1", "pool", clock(16), "x"), nil, 404},
		{"no time", cloudtest.ResA1, url.Values{"household": {"site-a-h1"}, "facility": {"ktv"}, "key": {"x"}}, nil, 404},
		{"no key", cloudtest.ResA1, wants("site-a-h1", "ktv", clock(16), ""), nil, 409},
		{"the key again", cloudtest.ResA1, wants("site-a-h1", "ktv", clock(16), "1"), nil, 409},
		{"a page of another site", cloudtest.ResA1, wants("site-a-h1", "ktv", clock(16), "x"), []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"not signed in", cloudtest.Unsigned, wants("site-a-h1", "ktv", clock(16), "x"), nil, 303},
	} {
		if code, _, body := b.send(tt.who, "/bookings", tt.form, tt.header...); code != tt.want {
			t.Errorf("%s = %d %s; want %d", tt.name, code, body, tt.want)
		}
	}
	code, _, page = b.send(cloudtest.ResA2, "/bookings", wants("site-a-h2", "ktv", clock(14), "2"))
	check(t, "taken", page, []string{"6/15（一）14:00 不能預約", "規則 5：這個時段已被預約。最近可預約 6/15（一）15:00。", "預約 6/15（一）15:00", "已被預約"}, []string{"您的預約", "site-a-h1"})
	if code != 409 {
		t.Errorf("taken = %d; want 409", code)
	}
	b.send(cloudtest.ResA1, "/bookings", wants("site-a-h1", "gym", clock(20), "3"))
	_, _, page = b.send(cloudtest.ResA1, "/bookings?lang=en", wants("site-a-h1", "ktv", clock(18), "4"))
	check(t, "two already, in English", page, []string{"Not booked: Mon 15 Jun, 18:00", "Rule 4: A household has 2 bookings at most", "Yours: show the ticket", "Gym"}, []string{"規則", "不能預約"})
	_, _, page = b.get(cloudtest.ResA1, "/bookings?facility=ktv&day=2026-06-16")
	check(t, "tomorrow", page, []string{"6/16（二）", "08:00", "我的預約"}, []string{"您的預約，看票券"})
}

func TestTicketPage(t *testing.T) {
	b := newBench(t)
	b.Pulse("site-a-gw", 1)
	gym := b.Book("gym", "site-a-h1", clock(14))
	at := "/bookings/" + gym.ID
	_, _, page := b.get(cloudtest.ResA1, at)
	check(t, "ticket", page, []string{"健身房", "6/15（一）13:50–15:10", "1 次", "沒有網路也能用", `<svg xmlns`, `select-all">LOBBY1`, "取消這筆預約", "社區 site-a · A-1"},
		[]string{"<script", "style=", "https://", "尚未在門口生效"})
	for _, who := range []string{cloudtest.ResA2, cloudtest.ResB1, cloudtest.BossA, cloudtest.GuardA, cloudtest.Nobody} {
		if code, _, body := b.get(who, at); code != 404 || strings.Contains(body, "LOBBY1") {
			t.Errorf("%s sees the ticket: %d", who, code)
		}
		if code, _, _ := b.send(who, at+"/cancel", url.Values{"tag": {"1"}}); code != 404 {
			t.Errorf("%s cancels = %d", who, code)
		}
	}
	b.send(cloudtest.ResA1, at+"/cancel", url.Values{"tag": {"9"}})
	if _, _, page := b.get(cloudtest.ResA1, at); !strings.Contains(page, "LOBBY1") {
		t.Error("a state that nobody saw was cancelled")
	}
	if code, h, _ := b.send(cloudtest.ResA1, at+"/cancel", url.Values{"tag": {gym.Tag()}}); code != 303 || h.Get("Location") != at+"?lang=zh" {
		t.Errorf("cancel = %d, to %s", code, h.Get("Location"))
	}
	_, _, page = b.get(cloudtest.ResA1, at)
	check(t, "cancelled", page, []string{"取消尚未在門口生效，最晚 15:10", "已取消", "資料回報於"}, []string{"LOBBY1", "取消這筆預約"})
	_, _, page = b.get(cloudtest.ResA1, at+"?lang=en")
	check(t, "cancelled, in English", page, []string{"Cancelled, but not yet effective at the door; at worst until 15:10."}, []string{"取消"})
	b.Write(func(tx *store.Tx) error {
		k, err := facilities.BookingByID(t.Context(), tx, gym.ID)
		if err == nil {
			_, err = tx.Exec(t.Context(), `UPDATE pulses SET state_version = $1 WHERE gateway = 'site-a-gw'`, int64(k.Revoked))
		}
		return err
	})
	_, _, page = b.get(cloudtest.ResA1, at)
	check(t, "applied", page, []string{"已取消"}, []string{"尚未在門口生效"})
	if strings.Contains(b.Log.String(), "LOBBY1") {
		t.Error("a ticket stands in the log")
	}
}
