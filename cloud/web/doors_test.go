package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func opens(site, door, why, key string) url.Values {
	return url.Values{"site": {site}, "door": {door}, "why": {why}, "key": {key}}
}

func TestDoorsPage(t *testing.T) {
	b := newBench(t)
	b.Pulse("site-a-gw", 1)
	b.Door(wire.DoorForced, "gym", 1, wire.Door{State: "forced", Device: "online"}, nil)
	b.Door(wire.DoorClosedDown, "ktv", 1, wire.Door{State: "secured", Closed: true, Device: "silent"}, wire.Cause{})
	for _, who := range []string{cloudtest.ResA1, cloudtest.GuardA, cloudtest.Ops, cloudtest.Nobody} {
		if code, _, _ := b.get(who, "/doors"); code != 404 {
			t.Errorf("%s sees the doors: %d", who, code)
		}
	}
	_, _, page := b.get(cloudtest.BossA, "/doors")
	check(t, "doors", page, []string{"健身房", "被強行打開", "KTV", "已鎖好", "警衛已關閉", "設備沒有回應", "資料回報於 12:00", "再登入一次", "/auth/login?next=%2Fdoors%3Flang%3Dzh&amp;step_up=1", "disabled"},
		[]string{"<script", "style=", "https://", "沒有回報", "site-b"})
	b.Prove(cloudtest.BossA)
	_, _, page = b.get(cloudtest.BossA, "/doors?lang=en")
	check(t, "signed in anew", page, []string{"Forced", "Closed by a guard", "Device silent", "Open KTV room"}, []string{"Sign in once more", "disabled"})
	b.Now = b.Now.Add(time.Hour)
	_, _, page = b.get(cloudtest.BossA, "/doors")
	check(t, "a silent building", page, []string{"大樓沒有回報，以下是 12:00 的資料", "badge-stale"}, []string{"badge-ok", "badge-bad"})
	check(t, "a manager's tabs", page, []string{`<a href="/doors?lang=zh" aria-current="page">`, "登出"}, []string{"/bookings", "/gas"})
	for _, path := range []string{"/", "/bookings", "/gas"} {
		_, _, page = b.get(cloudtest.ResA1, path)
		check(t, "a resident's tabs", page, []string{`href="/?lang=zh"`, `href="/bookings?lang=zh"`, `href="/gas?lang=zh"`, "登出"}, []string{"/doors"})
	}
	_, _, page = b.get(cloudtest.ResA1, "/doors")
	check(t, "not a manager", page, []string{"這裡沒有您要找的資料", "回到首頁", `href="/?lang=zh"`}, []string{"健身房"})
}

// invariant 5
func TestOpenFromThePage(t *testing.T) {
	b := newBench(t)
	b.Pulse("site-a-gw", 1)
	requests := func() int { return len(b.Sent(wire.CommandTopic("site-a-gw"))) }
	open := func(who string, form url.Values, header ...string) (int, string, string) {
		t.Helper()
		code, h, body := b.send(who, "/doors/open", form, header...)
		return code, h.Get("Location"), body
	}
	if code, to, _ := open(cloudtest.BossA, opens("site-a", "ktv", "visitor", "1")); code != 303 || !strings.HasPrefix(to, "/auth/login?") || !strings.Contains(to, "step_up=1") {
		t.Errorf("not signed in anew = %d, to %s; want to sign in", code, to)
	}
	for _, who := range []string{cloudtest.BossA, cloudtest.BossB, cloudtest.ResA1, cloudtest.GuardA, cloudtest.Ops} {
		b.Prove(who)
	}
	for _, tt := range []struct {
		name, who string
		form      url.Values
		header    []string
		want      int
	}{
		{"another site's manager", cloudtest.BossB, opens("site-a", "ktv", "visitor", "x"), nil, 404},
		{"a resident", cloudtest.ResA1, opens("site-a", "ktv", "visitor", "x"), nil, 404},
		{"a guard", cloudtest.GuardA, opens("site-a", "ktv", "visitor", "x"), nil, 404},
		{"an operator", cloudtest.Ops, opens("site-a", "ktv", "visitor", "x"), nil, 404},
		{"no such door", cloudtest.BossA, opens("site-a", "lift", "visitor", "x"), nil, 404},
		{"no reason", cloudtest.BossA, opens("site-a", "ktv", "", "x"), nil, 422},
		{"free text", cloudtest.BossA, opens("site-a", "ktv", "For Mr Chen", "x"), nil, 422},
		{"no key", cloudtest.BossA, opens("site-a", "ktv", "visitor", ""), nil, 409},
		{"a page of another site", cloudtest.BossA, opens("site-a", "ktv", "visitor", "x"), []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if code, _, body := open(tt.who, tt.form, tt.header...); code != tt.want || requests() != 0 {
			t.Errorf("%s = %d %s, %d requests; want %d and none", tt.name, code, body, requests(), tt.want)
		}
	}
	code, at, _ := open(cloudtest.BossA, opens("site-a", "ktv", "visitor", "1"))
	if code != 303 || !strings.HasPrefix(at, "/doors/commands/") || requests() != 1 {
		t.Fatalf("open = %d, to %s, %d requests", code, at, requests())
	}
	if code, again, _ := open(cloudtest.BossA, opens("site-a", "ktv", "visitor", "1")); code != 303 || again != at || requests() != 1 {
		t.Errorf("a second tap = %d, to %s, %d requests; want the same command", code, again, requests())
	}
	_, _, page := b.get(cloudtest.BossA, at)
	check(t, "asked", page, []string{`http-equiv="refresh" content="1"`, "正在等大樓回應", "訪客", "總幹事", "KTV"}, []string{"<script", "style="})
	for _, who := range []string{cloudtest.BossB, cloudtest.ResA1, cloudtest.GuardA} {
		if code, _, _ := b.get(who, at); code != 404 {
			t.Errorf("%s sees the command: %d", who, code)
		}
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(at, "/doors/commands/"), "?")
	set := func(column, to string) {
		b.Write(func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE commands SET `+column+` = `+to+` WHERE id = $1`, id)
			return err
		})
	}
	set("asked", "asked - 15000000")
	_, _, page = b.get(cloudtest.BossA, at)
	check(t, "lapsed", page, []string{"大樓沒有在 15 秒內回應，門沒有打開"}, []string{"http-equiv"})
	set("state", "'signed'")
	_, _, page = b.get(cloudtest.BossA, at)
	check(t, "signed", page, []string{"已送出，等大樓回報結果", "http-equiv"}, nil)
	set("asked", "asked - 15000000")
	_, _, page = b.get(cloudtest.BossA, at)
	check(t, "signed, and no outcome", page, []string{"大樓還沒有回報結果", "不會自動重送。請現場查看"}, []string{"http-equiv"})
	for version, tt := range []struct{ kind, code, want string }{
		{wire.CommandUnknown, "", "結果不明，不會自動重送。請現場查看"}, {wire.CommandPulsed, "", "沒有看到門被推開"}, {wire.CommandOpened, "", "門已打開。"},
		{wire.CommandRefused, "closed_down", "警衛已關閉這個門"}, {wire.CommandRefused, "late", "命令到得太晚"}, {wire.CommandRefused, "cap", "一分鐘內開門太多次"},
		{wire.CommandRefused, "silent", "門的設備沒有回應"}, {wire.CommandRefused, "already_open", "門已經開著"}, {wire.CommandRefused, "odd", "現在不行（odd）"},
	} {
		b.Send("site-a-gw", wire.Event{Type: tt.kind, Subject: "command/" + id, Version: uint64(version) + 1, Data: cloudtest.Raw(wire.CommandOutcome{Device: "door/ktv", What: "open", Code: tt.code})})
		_, _, page = b.get(cloudtest.BossA, at)
		check(t, tt.kind+" "+tt.code, page, []string{tt.want}, []string{"http-equiv"})
	}
	for n := range 4 {
		open(cloudtest.BossA, opens("site-a", "ktv", "visitor", string(rune('a'+n))))
	}
	if code, _, page := open(cloudtest.BossA, opens("site-a", "ktv", "visitor", "z")); code != 429 || !strings.Contains(page, "這次沒有開") {
		t.Errorf("the sixth within a minute = %d", code)
	}
}
