package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// everyone is who asks in the matrix.
func everyone() []string {
	return []string{resA1, resA2, resB1, guardA, bossA, bossB, ops, nobody, nobodys}
}

// may says which status each person gets; who is not named gets other, who is not signed in 401.
func may(other int, these map[string]int) map[string]int {
	all := map[string]int{}
	for _, who := range everyone() {
		all[who] = other
	}
	maps.Copy(all, these)
	all[nobodys] = http.StatusUnauthorized
	return all
}

type route struct {
	operation, method, target, body string
	want                            map[string]int
}

// routes is every operation, asked for things of site-a, and who may have them.
func routes(householdWish, courierWish string) []route {
	const mint = `{"site":"site-a"}`
	const household = `{"site":"site-a","household":"site-a-h1"}`
	all := may(200, nil)
	belongs := may(404, map[string]int{resA1: 200, resA2: 200, guardA: 200, bossA: 200, ops: 200})
	boxes := may(404, map[string]int{resA1: 403, resA2: 403, guardA: 200, bossA: 200, ops: 200})
	manage := may(404, map[string]int{resA1: 403, resA2: 403, guardA: 403, bossA: 200, ops: 200})
	order := may(404, map[string]int{resA1: 403, resA2: 403, guardA: 403, bossA: 202, ops: 202})
	own := may(404, map[string]int{resA1: 200})
	return []route{
		{"get-me", "GET", "/v1/me", "", all},
		{"list-sites", "GET", "/v1/sites", "", all},
		{"list-gateways", "GET", "/v1/gateways?site=site-a", "", boxes},
		{"get-gateway", "GET", "/v1/gateways/site-a-gw", "", boxes},
		{"list-devices", "GET", "/v1/devices?site=site-a", "", boxes},
		{"list-parcels", "GET", "/v1/parcels?site=site-a", "", belongs},
		{"list-parcels", "GET", "/v1/parcels?site=site-a&state=ended", "", belongs},
		{"list-parcels", "GET", "/v1/parcels?site=site-a&scope=site", "", boxes},
		{"get-parcel", "GET", "/v1/parcels/p-a1", "", may(404, map[string]int{resA1: 200, guardA: 200, bossA: 200, ops: 200})},
		{"get-parcel", "GET", "/v1/parcels/p-undo", "", may(404, map[string]int{guardA: 200, bossA: 200, ops: 200})},
		{"reassign-parcel", "POST", "/v1/parcels/p-a1/reassignment", `{"unit":"A-2"}`, may(404, map[string]int{resA1: 403, guardA: 403, bossA: 202, ops: 202})},
		{"get-household-code", "GET", "/v1/household-code?site=site-a&household=site-a-h1", "", own},
		{"get-household-code", "GET", "/v1/household-code?site=site-b&household=site-a-h1", "", may(404, nil)},
		{"mint-household-code", "POST", "/v1/household-code", household, may(404, map[string]int{resA1: 202})},
		{"list-couriers", "GET", "/v1/couriers?site=site-a", "", manage},
		{"get-courier-code", "GET", "/v1/couriers/black/code?site=site-a", "", manage},
		{"mint-courier-code", "POST", "/v1/couriers/black/code", mint, order},
		{"mint-courier-code", "POST", "/v1/couriers/unknown/code", mint, may(404, map[string]int{resA1: 403, resA2: 403, guardA: 403})},
		{"list-guards", "GET", "/v1/guards?site=site-a", "", manage},
		{"get-guard-code", "GET", "/v1/guards/chen/code?site=site-a", "", manage},
		{"mint-guard-code", "POST", "/v1/guards/chen/code", mint, order},
		{"list-events", "GET", "/v1/events?site=site-a", "", manage},
		{"list-wishes", "GET", "/v1/wishes?site=site-a", "", manage},
		{"get-wish", "GET", "/v1/wishes/" + householdWish, "", may(404, map[string]int{resA1: 200, bossA: 200, ops: 200})},
		{"get-wish", "GET", "/v1/wishes/" + courierWish, "", may(404, map[string]int{bossA: 200, ops: 200})},
		{"list-notices-sent", "GET", "/v1/notices-sent?site=site-a", "", belongs},
		{"list-notices-sent", "GET", "/v1/notices-sent?site=site-a&scope=site", "", manage},
	}
}

// known are the secrets that a person may be shown.
func known(who string) []string {
	switch who {
	case resA1:
		return []string{pinA1, codeA1}
	case resA2:
		return []string{pinA2}
	case resB1:
		return []string{pinB1, codeB1}
	case bossA, ops:
		return []string{codeBlack, codeChen}
	}
	return nil
}

// invariant 10
func TestEveryRouteForEveryPerson(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.story()
		b.parcel("site-a-gw", "p-undo", "site-a-h1", "site-a-u1", "660011", false)
		householdWish := b.mint(resA1, "/v1/household-code", `{"site":"site-a","household":"site-a-h1"}`)
		courierWish := b.mint(bossA, "/v1/couriers/black/code", `{"site":"site-a"}`)
		_, h, _ := b.ask(bossA, "GET", "/v1/parcels/p-a1", "")
		covered := map[string]bool{}
		for _, r := range routes(householdWish, courierWish) {
			covered[r.operation] = true
			for _, who := range everyone() {
				status, _, body := b.ask(who, r.method, r.target, r.body, "If-Match", h.Get("ETag"))
				if status != r.want[who] {
					t.Errorf("%s: %s %s = %d; want %d", who, r.method, r.target, status, r.want[who])
				}
				for _, s := range append(secrets(), "660011") {
					if strings.Contains(body, s) && !slices.Contains(known(who), s) {
						t.Errorf("%s: %s %s shows somebody else's secret", who, r.method, r.target)
					}
				}
				foreign := map[string]string{resA2: "site-a-h1", resB1: "site-a", bossB: "site-a", nobody: "site-", nobodys: "site-"}[who]
				if foreign != "" && strings.Contains(body, foreign) {
					t.Errorf("%s: %s %s tells of %s: %s", who, r.method, r.target, foreign, body)
				}
			}
		}
		for _, op := range b.operations(t) {
			if !covered[op] {
				t.Errorf("operation %s is not in the matrix", op)
			}
		}
	})
}

// mint asks for a code and gives the wish's id.
func (b *bench) mint(who, target, body string) string {
	b.t.Helper()
	status, _, answer := b.ask(who, "POST", target, body)
	var out struct{ Wishes []struct{ ID string } }
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusAccepted || len(out.Wishes) != 1 {
		b.t.Fatalf("%s: POST %s = %d %s", who, target, status, answer)
	}
	return out.Wishes[0].ID
}

// operations are the ids of all operations of the API's own description.
func (b *bench) operations(t *testing.T) []string {
	t.Helper()
	text, err := b.api.OpenAPI()
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
	if len(all) < 19 {
		t.Fatalf("%d operations found; the reading of the description is wrong", len(all))
	}
	return all
}

func TestTheOwnSeeTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.story()
		for _, tt := range []struct{ who, target, want string }{
			{resA1, "/v1/parcels?site=site-a", pinA1},
			{resA1, "/v1/parcels/p-a1", pinA1},
			{resA2, "/v1/parcels?site=site-a", pinA2},
			{resB1, "/v1/parcels?site=site-b", pinB1},
			{resA1, "/v1/household-code?site=site-a&household=site-a-h1", codeA1},
			{bossA, "/v1/couriers/black/code?site=site-a", codeBlack},
			{bossA, "/v1/guards/chen/code?site=site-a", codeChen},
			{bossA, "/v1/sites", "site-a"},
			{ops, "/v1/sites", "site-b"},
			{bossA, "/v1/events?site=site-a&type=parcel.", "parcel.settled"},
		} {
			status, h, body := b.ask(tt.who, "GET", tt.target, "")
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
	each(t, func(t *testing.T, b *bench) {
		b.parcel("site-a-gw", "p1", "site-a-h1", "site-a-u1", pinA1, false)
		if _, _, body := b.ask(resA1, "GET", "/v1/parcels?site=site-a", ""); strings.Contains(body, "p1") {
			t.Errorf("told before the courier's undo has ended: %s", body)
		}
		b.settle("p1", 3)
		if _, _, body := b.ask(resA1, "GET", "/v1/parcels/p1", ""); !strings.Contains(body, pinA1) {
			t.Errorf("no PIN after the courier's undo has ended: %s", body)
		}
		b.collect("p1", 4)
		_, _, body := b.ask(resA1, "GET", "/v1/parcels/p1", "")
		if strings.Contains(body, pinA1) || !strings.Contains(body, `"state":"collected"`) {
			t.Errorf("after collecting: %s; want collected and no PIN", body)
		}
	})
}

func TestCursorWalksTheWholeListOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.story()
		var seqs []int
		next := ""
		for range 20 {
			status, _, body := b.ask(bossA, "GET", "/v1/events?site=site-a&limit=2"+next, "")
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
			if status, _, _ := b.ask(bossA, "GET", "/v1/events?site=site-a&type=x&limit=2"+next, ""); status != 422 {
				t.Errorf("a cursor of another list = %d; want 422", status)
			}
		}
		if want := []int{9, 8, 7, 6, 5, 4, 3, 2, 1}; !slices.Equal(seqs, want) {
			t.Errorf("walked %v; want %v", seqs, want)
		}
	})
}
