package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// measure has both sites' meters read: a total of its own for each flat.
func measure(b *cloudtest.Bench) {
	b.Measure("site-a-gw",
		cloudtest.Reading("m-1", b.Now.Add(-2*time.Hour), cloudtest.Good("10000001", 1_111_999)),
		cloudtest.Reading("m-2", b.Now.Add(-2*time.Hour), cloudtest.Good("10000002", 2_222_000)),
		cloudtest.Reading("m-1", b.Now.Add(-time.Hour), wire.Reading{Quality: wire.ReadingBad, Code: "silent", Litres: 1_111_999, Tries: 3,
			Last: &wire.Good{Litres: 1_111_999, At: wire.At(b.Now.Add(-2 * time.Hour))}}),
	)
	b.Measure("site-b-gw", cloudtest.Reading("m-1", b.Now, cloudtest.Good("10000001", 3_333_000)))
}

func readings(t *testing.T, body string) (all []map[string]any, next string) {
	t.Helper()
	var page struct {
		Items []map[string]any
		Next  string
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return page.Items, page.Next
}

// Nobody sees the gas of another household or site.
func TestReadingsAreOfTheirHousehold(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		measure(b)
		for _, tt := range []struct {
			who, target string
			want        []string // litres
		}{
			{cloudtest.ResA1, "/v1/readings?site=site-a", []string{"1111999", "1111999"}},
			{cloudtest.ResA1, "/v1/readings?site=site-a&household=site-a-h1", []string{"1111999", "1111999"}},
			{cloudtest.ResA2, "/v1/readings?site=site-a", []string{"2222000"}},
			{cloudtest.ResB1, "/v1/readings?site=site-b", []string{"3333000"}},
			{cloudtest.GuardA, "/v1/readings?site=site-a", nil},
			{cloudtest.BossA, "/v1/readings?site=site-a", []string{"1111999", "2222000", "1111999"}},
			{cloudtest.BossA, "/v1/readings?site=site-a&household=site-a-h2", []string{"2222000"}},
			{cloudtest.BossB, "/v1/readings?site=site-b", []string{"3333000"}},
		} {
			status, _, body := b.Ask(tt.who, "GET", tt.target, "")
			all, _ := readings(t, body)
			var got []string
			for _, r := range all {
				got = append(got, fmt.Sprintf("%.0f", r["litres"]))
			}
			if status != 200 || !slices.Equal(got, tt.want) {
				t.Errorf("%s: GET %s = %d %v; want %v", tt.who, tt.target, status, got, tt.want)
			}
		}
		for _, who := range everyone() {
			for _, target := range []string{"/v1/readings?site=site-a", "/v1/readings?site=site-b", "/v1/readings?site=site-a&household=site-a-h2", "/v1/meters?site=site-a", "/v1/meters?site=site-b"} {
				_, _, body := b.Ask(who, "GET", target, "")
				for total, known := range map[string][]string{
					"1111999": {cloudtest.ResA1, cloudtest.BossA, cloudtest.GuardA, cloudtest.Ops},
					"2222000": {cloudtest.ResA2, cloudtest.BossA, cloudtest.GuardA, cloudtest.Ops},
					"3333000": {cloudtest.ResB1, cloudtest.BossB, cloudtest.Ops},
				} {
					if strings.Contains(body, total) && !slices.Contains(known, who) {
						t.Errorf("%s: GET %s shows somebody else's gas: %s", who, target, body)
					}
				}
			}
		}
	})
}

func TestAReadingSaysWhatItIsWorth(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		measure(b)
		_, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/readings?site=site-a", "")
		for _, want := range []string{
			`"meter":"m-1","gateway":"site-a-gw","unit":"A-1","litres":1111999,"cubic_metres":1111,"quality":"bad","code":"silent","source":"meter","observed":"2026-06-15T11:00:00+08:00","received":"2026-06-15T12:00:00+08:00","last_good":{"litres":1111999,"cubic_metres":1111,"observed":"2026-06-15T10:00:00+08:00"}`,
			`"quality":"good","source":"meter","observed":"2026-06-15T10:00:00+08:00"`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s; want %s", body, want)
			}
		}
		unsure := cloudtest.Reading("m-2", b.Now, wire.Reading{Litres: 2_222_100, Serial: "10000002", Quality: wire.ReadingGood, Flags: []string{"tamper"}, Rollover: true,
			Last: &wire.Good{Litres: 2_222_000, At: wire.At(b.Now.Add(-2 * time.Hour))}, Until: wire.At(b.Now.AddDate(0, 0, 45))})
		unsure.Clock, unsure.Wall = wire.Uncertain, wire.At(b.Now.AddDate(-20, 0, 0))
		b.Measure("site-a-gw", unsure)
		_, _, body = b.Ask(cloudtest.ResA2, "GET", "/v1/readings?site=site-a&limit=2", "")
		if want := `"rollover":true,"flags":["tamper"],"observed":"2026-06-15T10:00:00+08:00","between":{"from":"2026-06-15T10:00:00+08:00","until":"2026-06-15T12:00:00+08:00"}`; !strings.Contains(body, want) {
			t.Errorf("%s; want %s", body, want)
		}
		_, _, body = b.Ask(cloudtest.GuardA, "GET", "/v1/meters?site=site-a", "")
		all, _ := readings(t, body)
		if len(all) != 2 || all[0]["id"] != "m-1" || all[0]["serial"] != "10000001" || all[0]["stale"] != true || all[0]["newest"].(map[string]any)["quality"] != "bad" ||
			all[0]["last_good"].(map[string]any)["cubic_metres"] != 1111.0 || all[1]["last_good"].(map[string]any)["litres"] != 2222100.0 {
			t.Errorf("meters %s", body)
		}
	})
}

// The largest page says that there is more, as any other.
func TestLargestPageOfReadings(t *testing.T) {
	b := cloudtest.New(t, storetest.SQLite(t))
	for n := range 201 {
		b.Measure("site-a-gw", cloudtest.Reading("m-1", b.Now.Add(time.Duration(n)*time.Minute), cloudtest.Good("10000001", int64(n))))
	}
	_, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/readings?site=site-a&limit=200", "")
	if all, cursor := readings(t, body); len(all) != 200 || cursor == "" {
		t.Errorf("%d readings, cursor %q; want 200 and a cursor", len(all), cursor)
	}
}

func TestCursorWalksTheReadingsOnce(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		for n := range 7 { // two at each moment
			b.Measure("site-a-gw", cloudtest.Reading("m-1", b.Now.Add(time.Duration(n/2)*time.Minute), cloudtest.Good("10000001", int64(n))))
		}
		var got []int
		next := ""
		for range 10 {
			status, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/readings?site=site-a&limit=3"+next, "")
			all, cursor := readings(t, body)
			for _, r := range all {
				got = append(got, int(r["litres"].(float64)))
			}
			if status != 200 || cursor == "" {
				break
			}
			next = "&cursor=" + cursor
			if status, _, _ := b.Ask(cloudtest.ResA1, "GET", "/v1/readings?site=site-a&household=site-a-h1&limit=3"+next, ""); status != 422 {
				t.Errorf("a cursor of another list = %d; want 422", status)
			}
		}
		if want := []int{6, 5, 4, 3, 2, 1, 0}; !slices.Equal(got, want) {
			t.Errorf("walked %v; want %v", got, want)
		}
	})
}
