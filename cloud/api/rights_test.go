package api_test

import (
	"encoding/json"
	"fmt"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// everyone is who asks in the matrix.
func everyone() []string {
	return []string{cloudtest.ResA1, cloudtest.ResA2, cloudtest.ResB1, cloudtest.GuardA, cloudtest.BossA, cloudtest.BossB, cloudtest.Ops, cloudtest.Nobody, cloudtest.Unsigned}
}

// may says which status each person gets; who is not named gets other, who is not signed in 401.
func may(other int, these map[string]int) map[string]int {
	all := map[string]int{}
	for _, who := range everyone() {
		all[who] = other
	}
	maps.Copy(all, these)
	all[cloudtest.Unsigned] = http.StatusUnauthorized
	return all
}

type route struct {
	operation, method, target, body string
	want                            map[string]int
}

// made are the ids of what was made before the matrix is asked.
type made struct{ householdWish, courierWish, booking, command string }

// routes is every operation, asked for things of site-a, and who may have them.
func routes(m made) []route {
	const mint = `{"site":"site-a"}`
	const household = `{"site":"site-a","household":"site-a-h1"}`
	all := may(200, nil)
	belongs := may(404, map[string]int{cloudtest.ResA1: 200, cloudtest.ResA2: 200, cloudtest.GuardA: 200, cloudtest.BossA: 200, cloudtest.Ops: 200})
	boxes := may(404, map[string]int{cloudtest.ResA1: 403, cloudtest.ResA2: 403, cloudtest.GuardA: 200, cloudtest.BossA: 200, cloudtest.Ops: 200})
	manage := may(404, map[string]int{cloudtest.ResA1: 403, cloudtest.ResA2: 403, cloudtest.GuardA: 403, cloudtest.BossA: 200, cloudtest.Ops: 200})
	order := may(404, map[string]int{cloudtest.ResA1: 403, cloudtest.ResA2: 403, cloudtest.GuardA: 403, cloudtest.BossA: 202, cloudtest.Ops: 202})
	own := may(404, map[string]int{cloudtest.ResA1: 200})
	return []route{
		{"get-me", "GET", "/v1/me", "", all},
		{"list-sites", "GET", "/v1/sites", "", all},
		{"list-gateways", "GET", "/v1/gateways?site=site-a", "", boxes},
		{"get-gateway", "GET", "/v1/gateways/site-a-gw", "", boxes},
		{"list-devices", "GET", "/v1/devices?site=site-a", "", boxes},
		{"list-parcels", "GET", "/v1/parcels?site=site-a", "", belongs},
		{"list-parcels", "GET", "/v1/parcels?site=site-a&state=ended", "", belongs},
		{"list-parcels", "GET", "/v1/parcels?site=site-a&scope=site", "", boxes},
		{"get-parcel", "GET", "/v1/parcels/p-a1", "", may(404, map[string]int{cloudtest.ResA1: 200, cloudtest.GuardA: 200, cloudtest.BossA: 200, cloudtest.Ops: 200})},
		{"get-parcel", "GET", "/v1/parcels/p-undo", "", may(404, map[string]int{cloudtest.GuardA: 200, cloudtest.BossA: 200, cloudtest.Ops: 200})},
		{"reassign-parcel", "POST", "/v1/parcels/p-a1/reassignment", `{"unit":"A-2"}`, may(404, map[string]int{cloudtest.ResA1: 403, cloudtest.GuardA: 403, cloudtest.BossA: 202, cloudtest.Ops: 202})},
		{"get-household-code", "GET", "/v1/household-code?site=site-a&household=site-a-h1", "", own},
		{"get-household-code", "GET", "/v1/household-code?site=site-b&household=site-a-h1", "", may(404, nil)},
		{"mint-household-code", "POST", "/v1/household-code", household, may(404, map[string]int{cloudtest.ResA1: 202})},
		{"list-readings", "GET", "/v1/readings?site=site-a", "", belongs},
		{"list-readings", "GET", "/v1/readings?site=site-a&household=site-a-h1", "", may(404, map[string]int{cloudtest.ResA1: 200, cloudtest.BossA: 200, cloudtest.Ops: 200})},
		{"list-readings", "GET", "/v1/readings?site=site-a&household=site-b-h1", "", may(404, nil)},
		{"list-readings", "GET", "/v1/readings?site=site-a&household=site-a-h9", "", may(404, nil)},
		{"list-meters", "GET", "/v1/meters?site=site-a", "", boxes},
		{"list-couriers", "GET", "/v1/couriers?site=site-a", "", manage},
		{"get-courier-code", "GET", "/v1/couriers/black/code?site=site-a", "", manage},
		{"mint-courier-code", "POST", "/v1/couriers/black/code", mint, order},
		{"mint-courier-code", "POST", "/v1/couriers/unknown/code", mint, may(404, map[string]int{cloudtest.ResA1: 403, cloudtest.ResA2: 403, cloudtest.GuardA: 403})},
		{"list-guards", "GET", "/v1/guards?site=site-a", "", manage},
		{"get-guard-code", "GET", "/v1/guards/chen/code?site=site-a", "", manage},
		{"mint-guard-code", "POST", "/v1/guards/chen/code", mint, order},
		{"list-events", "GET", "/v1/events?site=site-a", "", manage},
		{"list-wishes", "GET", "/v1/wishes?site=site-a", "", manage},
		{"get-wish", "GET", "/v1/wishes/" + m.householdWish, "", may(404, map[string]int{cloudtest.ResA1: 200, cloudtest.BossA: 200, cloudtest.Ops: 200})},
		{"get-wish", "GET", "/v1/wishes/" + m.courierWish, "", may(404, map[string]int{cloudtest.BossA: 200, cloudtest.Ops: 200})},
		{"list-notices-sent", "GET", "/v1/notices-sent?site=site-a", "", belongs},
		{"list-notices-sent", "GET", "/v1/notices-sent?site=site-a&scope=site", "", manage},
		{"list-facilities", "GET", "/v1/facilities?site=site-a", "", belongs},
		{"list-slots", "GET", "/v1/facilities/ktv/slots?site=site-a&day=2026-06-15", "", belongs},
		{"create-booking", "POST", "/v1/bookings", `{"site":"site-a","household":"site-a-h1","facility":"ktv","from":"2026-06-15T20:00:00+08:00"}`, may(404, map[string]int{cloudtest.ResA1: 201})},
		{"create-booking", "POST", "/v1/bookings", `{"site":"site-b","household":"site-a-h1","facility":"ktv","from":"2026-06-15T20:00:00+08:00"}`, may(404, nil)},
		{"list-bookings", "GET", "/v1/bookings?site=site-a&household=site-a-h1", "", own},
		{"list-bookings", "GET", "/v1/bookings?site=site-b&household=site-a-h1", "", may(404, nil)},
		{"list-bookings", "GET", "/v1/bookings?site=site-a", "", boxes},
		{"get-booking", "GET", "/v1/bookings/" + m.booking, "", may(404, map[string]int{cloudtest.ResA1: 200, cloudtest.GuardA: 200, cloudtest.BossA: 200, cloudtest.Ops: 200})},
		{"get-ticket", "GET", "/v1/bookings/" + m.booking + "/ticket", "", own},
		{"cancel-booking", "DELETE", "/v1/bookings/" + m.booking, "", own},
		{"list-doors", "GET", "/v1/doors?site=site-a", "", boxes},
		{"open-door", "POST", "/v1/doors/ktv/open", `{"site":"site-a","why":"visitor"}`, may(404, map[string]int{cloudtest.ResA1: 403, cloudtest.ResA2: 403, cloudtest.GuardA: 403, cloudtest.Ops: 403, cloudtest.BossA: 202})},
		{"open-door", "POST", "/v1/doors/lift/open", `{"site":"site-a","why":"visitor"}`, may(404, map[string]int{cloudtest.ResA1: 403, cloudtest.ResA2: 403, cloudtest.GuardA: 403, cloudtest.Ops: 403})},
		{"list-commands", "GET", "/v1/commands?site=site-a", "", manage},
		{"get-command", "GET", "/v1/commands/" + m.command, "", manage},
	}
}

// known are the cloudtest.Secrets that a person may be shown.
func known(who string) []string {
	switch who {
	case cloudtest.ResA1:
		return []string{cloudtest.PINA1, cloudtest.CodeA1}
	case cloudtest.ResA2:
		return []string{cloudtest.PINA2}
	case cloudtest.ResB1:
		return []string{cloudtest.PINB1, cloudtest.CodeB1}
	case cloudtest.BossA, cloudtest.Ops:
		return []string{cloudtest.CodeBlack, cloudtest.CodeChen}
	}
	return nil
}

// invariant 10
func TestEveryRouteForEveryPerson(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Story()
		b.Parcel("site-a-gw", "p-undo", "site-a-h1", "site-a-u1", "660011", false)
		householdWish := mint(b, cloudtest.ResA1, "/v1/household-code", `{"site":"site-a","household":"site-a-h1"}`)
		courierWish := mint(b, cloudtest.BossA, "/v1/couriers/black/code", `{"site":"site-a"}`)
		for _, who := range everyone()[:8] {
			b.Prove(who) // so that nobody is refused for that alone
		}
		booking := b.Book("gym", "site-a-h1", b.Now.Add(time.Hour))
		command := open(b, "matrix")
		_, h, _ := b.Ask(cloudtest.BossA, "GET", "/v1/parcels/p-a1", "")
		covered := map[string]bool{}
		for n, r := range routes(made{householdWish, courierWish, booking.ID, command}) {
			covered[r.operation] = true
			match := h.Get("ETag")
			if r.operation == "cancel-booking" {
				match = `"` + booking.Tag() + `"`
			}
			for _, who := range everyone() {
				status, _, body := b.Ask(who, r.method, r.target, r.body, "If-Match", match, "Idempotency-Key", fmt.Sprint(n))
				if status != r.want[who] {
					t.Errorf("%s: %s %s = %d; want %d", who, r.method, r.target, status, r.want[who])
				}
				for _, s := range append(cloudtest.Secrets(), "660011") {
					if strings.Contains(body, s) && !slices.Contains(known(who), s) {
						t.Errorf("%s: %s %s shows somebody else's secret", who, r.method, r.target)
					}
				}
				if strings.Contains(body, `"sealed"`) || strings.Contains(body, `"text"`) {
					t.Errorf("%s: %s %s shows a seal", who, r.method, r.target)
				}
				foreign := map[string]string{cloudtest.ResA2: "site-a-h1", cloudtest.ResB1: "site-a", cloudtest.BossB: "site-a", cloudtest.Nobody: "site-", cloudtest.Unsigned: "site-"}[who]
				if foreign != "" && strings.Contains(body, foreign) {
					t.Errorf("%s: %s %s tells of %s: %s", who, r.method, r.target, foreign, body)
				}
			}
		}
		for _, op := range operations(t, b) {
			if !covered[op] {
				t.Errorf("operation %s is not in the matrix", op)
			}
		}
	})
}

// open has site-a's manager open a door, and gives the command's id.
func open(b *cloudtest.Bench, key string) string {
	b.T.Helper()
	b.Prove(cloudtest.BossA)
	status, h, body := b.Ask(cloudtest.BossA, "POST", "/v1/doors/ktv/open", `{"site":"site-a","why":"visitor"}`, "Idempotency-Key", key)
	id, ok := strings.CutPrefix(h.Get("Location"), "/v1/commands/")
	if status != http.StatusAccepted || !ok {
		b.T.Fatalf("open a door = %d %s, at %q", status, body, h.Get("Location"))
	}
	return id
}

// mint asks for a code and gives the wish's id.
func mint(b *cloudtest.Bench, who, target, body string) string {
	b.T.Helper()
	status, _, answer := b.Ask(who, "POST", target, body)
	var out struct{ Wishes []struct{ ID string } }
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusAccepted || len(out.Wishes) != 1 {
		b.T.Fatalf("%s: POST %s = %d %s", who, target, status, answer)
	}
	return out.Wishes[0].ID
}

// operations are the ids of all operations of the API's own description.
func operations(t *testing.T, b *cloudtest.Bench) []string {
	t.Helper()
	text, err := b.API.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `yaml:"operationId"`
		}
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, item := range doc.Paths {
		for _, op := range item {
			all = append(all, op.OperationID)
		}
	}
	if len(all) < 31 {
		t.Fatalf("%d operations found; the reading of the description is wrong", len(all))
	}
	return all
}

func TestTheOwnSeeTheirOwn(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Story()
		for _, tt := range []struct{ who, target, want string }{
			{cloudtest.ResA1, "/v1/parcels?site=site-a", cloudtest.PINA1},
			{cloudtest.ResA1, "/v1/parcels/p-a1", cloudtest.PINA1},
			{cloudtest.ResA2, "/v1/parcels?site=site-a", cloudtest.PINA2},
			{cloudtest.ResB1, "/v1/parcels?site=site-b", cloudtest.PINB1},
			{cloudtest.ResA1, "/v1/household-code?site=site-a&household=site-a-h1", cloudtest.CodeA1},
			{cloudtest.BossA, "/v1/couriers/black/code?site=site-a", cloudtest.CodeBlack},
			{cloudtest.BossA, "/v1/guards/chen/code?site=site-a", cloudtest.CodeChen},
			{cloudtest.BossA, "/v1/sites", "site-a"},
			{cloudtest.Ops, "/v1/sites", "site-b"},
			{cloudtest.BossA, "/v1/events?site=site-a&type=parcel.", "parcel.settled"},
		} {
			status, h, body := b.Ask(tt.who, "GET", tt.target, "")
			if status != 200 || !strings.Contains(body, tt.want) {
				t.Errorf("%s: GET %s = %d %s; want %s in it", tt.who, tt.target, status, body, tt.want)
			}
			if h.Get("Cache-Control") != "no-store" {
				t.Errorf("GET %s may be cached", tt.target)
			}
		}
	})
}

// A PIN is shown neither before the courier's undo has ended, nor after the parcel is gone.
func TestPINIsShownOnlyWhileItWaits(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Parcel("site-a-gw", "p1", "site-a-h1", "site-a-u1", cloudtest.PINA1, false)
		if _, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/parcels?site=site-a", ""); strings.Contains(body, "p1") {
			t.Errorf("told before the courier's undo has ended: %s", body)
		}
		b.Settle("p1", 3)
		if _, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/parcels/p1", ""); !strings.Contains(body, cloudtest.PINA1) {
			t.Errorf("no PIN after the courier's undo has ended: %s", body)
		}
		b.Collect("p1", 4)
		_, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/parcels/p1", "")
		if strings.Contains(body, cloudtest.PINA1) || !strings.Contains(body, `"state":"collected"`) {
			t.Errorf("after collecting: %s; want collected and no PIN", body)
		}
	})
}

func TestCursorWalksTheWholeListOnce(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Story()
		var seqs []int
		next := ""
		for range 20 {
			status, _, body := b.Ask(cloudtest.BossA, "GET", "/v1/events?site=site-a&limit=2"+next, "")
			var page struct {
				Items []struct{ Seq int }
				Next  string
			}
			if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			for _, i := range page.Items {
				seqs = append(seqs, i.Seq)
			}
			if page.Next == "" {
				break
			}
			next = "&cursor=" + page.Next
			if status, _, _ := b.Ask(cloudtest.BossA, "GET", "/v1/events?site=site-a&type=x&limit=2"+next, ""); status != 422 {
				t.Errorf("a cursor of another list = %d; want 422", status)
			}
		}
		if want := []int{9, 8, 7, 6, 5, 4, 3, 2, 1}; !slices.Equal(seqs, want) {
			t.Errorf("walked %v; want %v", seqs, want)
		}
	})
}
