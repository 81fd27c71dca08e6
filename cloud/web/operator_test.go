package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const answer = "bank A: board 1: no answer in 300ms: check 12 V"

// row is what the page says of one gateway.
func row(t *testing.T, page, gateway string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, `<tbody sse-swap="gw-`+gateway+`">`)
	if !found {
		t.Fatalf("no row of %s: %s", gateway, page)
	}
	is, _, _ := strings.Cut(rest, "</tbody>")
	return html.UnescapeString(is)
}

func TestOperatorStates(t *testing.T) {
	tests := []struct {
		name       string
		live       func(b *bench, box *fleettest.Box)
		has, lacks []string
		english    string
	}{
		{"never seen", func(*bench, *fleettest.Box) {}, []string{"badge-ended", "未開通", "還沒有回報過", "沒有任何資料"}, []string{"正常", "在線"}, "It has never reported"},
		{"online", func(b *bench, box *fleettest.Box) {
			b.beat(box)
			b.Now = b.Now.Add(time.Minute)
		}, []string{"badge-ok", "在線", "正常", "有回應", "locker/A/board/1", "12:00:00", "1 分鐘", "雲端校時", "已套用", "+0 ms"}, []string{"狀態不明", "is-stale"}, "Online"},
		{"a silent device", func(b *bench, box *fleettest.Box) {
			box.Health.Devices[1] = silent(box.Health.Devices[1], answer)
			b.beat(box)
		}, []string{"badge-warn", "降級", "1 個裝置沒有回應", "badge-bad", answer, `data-device="locker/A/board/1" data-state="silent"`, `data-device="locker/A/board/2" data-state="online"`, "櫃門控制板"}, []string{"正常<"}, "1 device is silent"},
		{"a device that was not asked yet", func(b *bench, box *fleettest.Box) {
			box.Health.Devices[1] = wire.DeviceHealth{ID: "locker/A/board/1", Kind: "locker_board", Code: wire.DeviceUnasked}
			b.beat(box)
		}, []string{"在線", "還沒問到", "從來沒有"}, []string{"沒有回應", "狀態不明"}, "Not asked yet"},
		{"a backlog", func(b *bench, box *fleettest.Box) {
			box.Health.Undelivered, box.Health.OldestWall = 1214, wire.At(b.Now.Add(-16*time.Minute))
			b.beat(box)
		}, []string{"降級", "待送事件最舊的已等 16 分鐘", "1214"}, nil, "the oldest event has waited 16 min"},
		{"a bad configuration", func(b *bench, box *fleettest.Box) {
			box.Health.Config = "partly"
			b.beat(box)
		}, []string{"設定檔部分有錯"}, nil, "entries with a fault are left out"},
		{"little disk", func(b *bench, box *fleettest.Box) {
			box.Health.DiskFree = 99 << 20
			b.beat(box)
		}, []string{"磁碟只剩 99 MB"}, nil, "99 MB"},
		{"an alarm", func(b *bench, box *fleettest.Box) {
			b.beat(box)
			b.Write(func(tx *store.Tx) error { return b.Fleet.Raise(b.T.Context(), tx, box.ID, "clone", "1", b.Now) })
		}, []string{"兩台機器用同一個身分", "1 個警報", "#alarms"}, nil, "1 alarm"},
		{"settings not applied", func(b *bench, box *fleettest.Box) {
			b.beat(box)
			box.State = wire.StateVersion{}
			b.Now = b.Now.Add(11 * time.Minute)
			b.beat(box)
			box.State = wire.StateVersion{}
			b.pulse(box, box.Pulse())
		}, []string{"雲端設定超過 10 分鐘沒有套用", "還沒套用"}, nil, "may be held back"},
		{"stale", func(b *bench, box *fleettest.Box) {
			b.beat(box)
			b.Now = b.Now.Add(3 * time.Minute)
		}, []string{"badge-stale", "遲未回報", "沒有消息 3 分鐘", "狀態不明", "當時：", "12:00:00"}, []string{"badge-ok", "正常"}, "No word for 3 min"},
		{"offline, whatever was wrong before", func(b *bench, box *fleettest.Box) {
			box.Health.Devices[1] = silent(box.Health.Devices[1], answer)
			b.beat(box)
			b.Now = b.Now.Add(14*time.Minute + 30*time.Second)
		}, []string{"離線", "沒有消息 14 分鐘", "狀態不明"}, []string{"badge-ok", "badge-bad", "badge-warn", "個裝置沒有回應"}, "unknown"},
		{"its will came", func(b *bench, box *fleettest.Box) {
			b.beat(box)
			b.Now = b.Now.Add(time.Minute)
			b.pulse(box, box.Will(1))
		}, []string{"離線", "沒有消息 1 分鐘", "連線斷在 12:01:00"}, []string{"badge-ok"}, "its connection ended at 12:01:00"},
		{"more devices than a report holds", func(b *bench, box *fleettest.Box) {
			box.Health.More = 30
			b.beat(box)
		}, []string{"另有 30 個裝置這次沒有列出"}, nil, "30 more devices are not in this report"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			box := b.register("tower", "高樓社區", "gw-tower")[0]
			box.Health.Devices = b.boards(3)
			tt.live(b, box)
			code, h, page := b.get(cloudtest.Ops, "/operator?lang=zh")
			if csp := h.Get("Content-Security-Policy"); code != 200 || !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%d, header %v", code, h)
			}
			check(t, tt.name, row(t, page, "gw-tower"), append(tt.has, "高樓社區"), tt.lacks)
			check(t, tt.name, page, []string{`data-theme="dark"`, "/operator/live?lang=zh"}, []string{" style=", "javascript:", "://"})
			_, _, page = b.get(cloudtest.Ops, "/operator?lang=en")
			check(t, tt.name, row(t, page, "gw-tower"), []string{tt.english}, nil)
			if code, _, page = b.get(cloudtest.Ops, "/operator?lang=zh&gateway=gw-tower"); code != 200 || !strings.Contains(page, "gw-tower") {
				t.Errorf("closely: %d %s", code, page)
			}
			if stale := strings.Contains(row(t, firstPage(b), "gw-tower"), "沒有消息"); stale && (!strings.Contains(page, "大樓現場可能照常服務") || strings.Contains(page, "badge-ok") || strings.Contains(page, "badge-bad")) {
				t.Errorf("closely, a silent gateway is shown as if it spoke: %s", page)
			}
		})
	}
}

func firstPage(b *bench) string {
	_, _, page := b.get(cloudtest.Ops, "/operator?lang=zh")
	return page
}

func TestOperatorCloseUp(t *testing.T) {
	b := newBench(t)
	b.Story()
	box := b.register("tower", "高樓社區", "gw-tower")[0]
	box.Health.Devices = b.boards(2)
	box.Wall = wire.At(b.Now.Add(-time.Hour))
	for n := range 40 {
		box.Append(wire.Audit, wire.Event{Type: wire.CompartmentMoved, Subject: fmt.Sprintf("compartment/A-%d", n), Version: 1, State: wire.Raw(wire.Compartment{Content: "occupied", Why: "s3cret"})})
	}
	box.Append(wire.Audit, wire.Event{Type: wire.DeviceSilent, Subject: "device/locker/A/board/1", Version: 1, State: wire.Raw(wire.Device{Kind: "locker_board", Code: "silent"})})
	b.beat(box)
	b.ship(box)
	b.Write(func(tx *store.Tx) error {
		_, _, err := b.Fleet.Ask(t.Context(), tx, fleet.Command{Gateway: "gw-tower", Device: "door/ktv", What: "open", Who: "person/boss-7", Why: "left_behind"})
		return err
	})
	_, _, page := b.get(cloudtest.Ops, "/operator?lang=zh&gateway=gw-tower&state=online")
	check(t, "close up", page, []string{"door/ktv", "等待大樓", "left_behind", "2 / 2", "裝置沒有回應", "櫃門狀態改變", "compartment/A-39", "1/audit/1/42", "晚到", "沒有警報", "/operator?lang=zh&amp;state=online"},
		[]string{"compartment/A-9<", "s3cret", "occupied", "boss-7"})
	if n := strings.Count(page, "/audit/1/"); n != 30 {
		t.Errorf("%d events; want the last 30", n)
	}
	_, _, page = b.get(cloudtest.Ops, "/operator?lang=zh&gateway=site-a-gw")
	check(t, "a site where much happened", page, []string{"包裹存好", "產生新的號碼", "parcel/p-a1"}, append(cloudtest.Secrets(), "陳大明", "林小美", "王警衛", "陳○明", "A-1<"))
	if code, _, page := b.get(cloudtest.Ops, "/operator?gateway=gw-none&lang=zh"); code != http.StatusNotFound || !strings.Contains(page, "沒有這個閘道") {
		t.Errorf("an unknown gateway = %d %s", code, page)
	}
}

// Only operators see it. What the page says to others names nothing of the fleet.
func TestOperatorRights(t *testing.T) {
	b := newBench(t)
	b.Story()
	b.Pulse("site-a-gw", 1)
	for who, want := range map[string]int{
		cloudtest.Unsigned: 401, cloudtest.Nobody: 403, cloudtest.ResA1: 403, cloudtest.GuardA: 403, cloudtest.BossA: 403, cloudtest.BossB: 403, cloudtest.Ops: 200,
	} {
		for _, target := range []string{"/operator", "/operator?gateway=site-a-gw", "/operator?gateway=none", "/operator/live"} {
			if who == cloudtest.Ops && target != "/operator" {
				continue
			}
			code, _, page := b.get(who, target)
			if code != want {
				t.Errorf("%s: GET %s = %d; want %d", who, target, code, want)
			}
			if who != cloudtest.Ops && (strings.Contains(page, "社區 site") || strings.Contains(page, "sse-connect") || strings.Contains(page, "<table")) {
				t.Errorf("%s: GET %s tells of the fleet: %s", who, target, page)
			}
		}
	}
	_, _, page := b.get(cloudtest.Unsigned, "/operator?lang=zh&state=offline")
	check(t, "not signed in", page, []string{"/auth/login?next=%2Foperator%3Flang%3Dzh%26state%3Doffline", "請先登入"}, []string{"登出"})
	_, _, page = b.get(cloudtest.BossA, "/operator?lang=en")
	check(t, "a manager", page, []string{"operators alone", "/?lang=en"}, []string{"/auth/login"})
	for who, link := range map[string]bool{cloudtest.Ops: true, cloudtest.BossA: false, cloudtest.ResA1: false, cloudtest.Unsigned: false} {
		if _, _, page := b.get(who, "/bookings"); strings.Contains(page, `href="/operator`) != link {
			t.Errorf("%s: a tab leads to the operators' page: %t", who, !link)
		}
	}
	if code, _, _ := b.do(cloudtest.Ops, httptest.NewRequest("POST", "/operator", nil)); code != http.StatusMethodNotAllowed {
		t.Errorf("POST /operator = %d", code)
	}
}

// Filters stand in the address; every count leads to as many rows; a page leads to the next and back.
func TestOperatorFilters(t *testing.T) {
	b := newBench(t)
	b.city(120)
	shown := func(page string) (from, to, found int) {
		t.Helper()
		m := regexp.MustCompile(`<span class="muted">(\d+)–(\d+) / (\d+)</span>`).FindStringSubmatch(page)
		if m == nil {
			return 0, 0, 0
		}
		fmt.Sscan(strings.Join(m[1:], " "), &from, &to, &found)
		return from, to, found
	}
	page := firstPage(b)
	choices := regexp.MustCompile(`id="state-(\w*)" href="([^"]+)"[^>]*>.*?<span>(\d+)</span>`).FindAllStringSubmatch(page, -1)
	if len(choices) != 7 {
		t.Fatalf("%d choices: %v", len(choices), choices)
	}
	for _, c := range choices {
		var want int
		fmt.Sscan(c[3], &want)
		_, _, page := b.get(cloudtest.Ops, html.UnescapeString(c[2]))
		if from, to, found := shown(page); found != want || from != 1 || to != min(want, 50) || want == 0 {
			t.Errorf("%s says %d and leads to %d–%d of %d", c[1], want, from, to, found)
		}
	}
	if page := firstPage(b); strings.Index(page, "gw-0007") > strings.Index(page, "gw-0003") {
		t.Error("an offline gateway comes after a degraded one")
	}
	var seen []string
	for target, n := "/operator?lang=zh", 0; target != "" && n < 5; n++ {
		_, _, page := b.get(cloudtest.Ops, target)
		for _, m := range regexp.MustCompile(`<tbody sse-swap="gw-([^"]+)"`).FindAllStringSubmatch(page, -1) {
			seen = append(seen, m[1])
		}
		next := regexp.MustCompile(`id="page-next" href="([^"]+)"`).FindStringSubmatch(page)
		if prev := strings.Contains(page, `id="page-prev"`); prev != (n > 0) {
			t.Errorf("page %d leads back: %t", n+1, prev)
		}
		if target = ""; next != nil {
			target = html.UnescapeString(next[1])
		}
	}
	known := map[string]bool{}
	for _, id := range seen {
		known[id] = true
	}
	if len(seen) != 122 || len(known) != 122 {
		t.Errorf("the pages show %d rows of %d gateways; want 122", len(seen), len(known))
	}
	for target, want := range map[string]string{
		"?site=site-0012": "gw-0012", "?q=0012+%E8%99%9F": "gw-0012", "?q=GW-0011": "gw-0011", "?q=board+2+on&after=2gw-0003": "gw-0043",
		"?q=board/2&state=degraded&site=site-0083": "gw-0083",
	} {
		_, _, page := b.get(cloudtest.Ops, "/operator"+target)
		first := regexp.MustCompile(`<tbody sse-swap="gw-([^"]+)"`).FindStringSubmatch(page)
		if first == nil || first[1] != want {
			t.Errorf("%s shows %v first; want %s", target, first, want)
		}
	}
	for target, want := range map[string]string{
		"?q=nothing-like-it": "沒有符合的閘道", "?after=9": "這一頁之後沒有了", "?state=<b>&lang=zh": "沒有符合的閘道", "?site=none": "沒有符合的閘道", "?after=%00%ff&q=%ff": "gw-0007",
	} {
		code, _, page := b.get(cloudtest.Ops, "/operator"+strings.ReplaceAll(target, "<b>", "%3Cb%3E"))
		if code != 200 || !strings.Contains(page, want) || strings.Contains(page, "<b>") {
			t.Errorf("%s = %d without %q: %s", target, code, want, page)
		}
	}
}

func TestOperatorOfNothing(t *testing.T) {
	b := newBench(t)
	b.Write(func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM gateways`)
		return err
	})
	check(t, "no gateways", firstPage(b), []string{"還沒有登記閘道", "lobby-cloud import"}, nil)
	b = newBench(t)
	all := b.register("tower", "高樓社區", "gw-1", "gw-2")
	b.beat(all...)
	b.Now = b.Now.Add(time.Hour)
	check(t, "all silent", firstPage(b), []string{"2 個閘道沒有消息", "先看雲端這一邊"}, nil)
	b.beat(all[0])
	check(t, "one speaks", firstPage(b), []string{"1 個閘道沒有消息"}, []string{"先看雲端這一邊"})
}

// What a device is called and says is text, in the page and in the stream.
const evil = "x</td><script>alert(1)</script>\r\revent: end\rdata: {}\r\r\n\nevent: main\ndata: \"'"

func TestOperatorEscapes(t *testing.T) {
	b := newBench(t)
	box := b.register("tower", "高樓<i>社區", "gw-tower")[0]
	box.Health.Devices = []wire.DeviceHealth{{ID: evil, Kind: evil, Code: evil, Error: evil}}
	box.Append(wire.Audit, wire.Event{Type: "x<b>y</b>", Subject: "s<script>", Version: 1})
	b.beat(box)
	b.ship(box)
	for _, target := range []string{"/operator", "/operator?gateway=gw-tower", "/operator?q=" + "%3Cscript%3E%22%27"} {
		_, _, page := b.get(cloudtest.Ops, target)
		if strings.Contains(page, "<script>") || strings.Contains(page, "<b>") || strings.Contains(page, "<i>") || strings.Contains(page, `"'`) {
			t.Errorf("%s is not escaped: %s", target, page)
		}
	}
}

func TestWordsOfEveryEvent(t *testing.T) {
	b := newBench(t)
	box := b.register("tower", "高樓社區", "gw-tower")[0]
	types := []string{
		wire.GatewayStarted, wire.StateApplied, wire.DeviceReturned, wire.ConfigRefused, wire.CredentialEnded, wire.CredentialHanded, wire.GrantUnlocked,
		wire.GrantRefused, wire.SessionStarted, wire.SessionEnded, wire.UnlockIntended, wire.UnlockOpened, wire.UnlockFailed, wire.UnlockUnknown,
		wire.CompartmentForced, wire.DoorAjar, wire.ParcelIntake, wire.ParcelChanged, wire.ClockConfirmed, wire.DoorOpening, wire.DoorOpened,
		wire.DoorRefused, wire.DoorForced, wire.DoorHeld, wire.DoorLeftOpen, wire.DoorClosedDown, wire.CommandRefused, wire.CommandUnknown,
	}
	for _, kind := range types {
		box.Append(wire.Audit, wire.Event{Type: kind, Subject: "device/x", State: wire.Raw(wire.Device{}), Data: wire.Raw(struct{}{})})
	}
	b.ship(box)
	for _, lang := range []string{"zh", "en"} {
		_, _, page := b.get(cloudtest.Ops, "/operator?gateway=gw-tower&lang="+lang)
		for _, kind := range types {
			if strings.Contains(page, ">"+kind+"<") {
				t.Errorf("%s: %s has no words", lang, kind)
			}
		}
	}
}
