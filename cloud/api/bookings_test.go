package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func wanted(facility, from string) string {
	return `{"site":"site-a","household":"site-a-h1","facility":"` + facility + `","from":"` + from + `"}`
}

func TestBookAndCancel(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Pulse("site-a-gw", 1)
		book := func(body, key string, header ...string) (int, string, string) {
			t.Helper()
			status, h, out := b.Ask(cloudtest.ResA1, "POST", "/v1/bookings", body, append(header, "Idempotency-Key", key)...)
			return status, h.Get("Location"), out
		}
		const at = "2026-06-15T20:00:00+08:00"
		status, where, first := book(wanted("ktv", at), "1")
		if status != 201 || !strings.Contains(first, `"state":"confirmed"`) || !strings.Contains(first, `"opens":"2026-06-15T19:50:00+08:00"`) {
			t.Fatalf("book = %d %s", status, first)
		}
		if status, again, out := book(wanted("ktv", at), "1"); status != 201 || again != where || out != first {
			t.Errorf("the same again = %d %s; want the same answer", status, out)
		}
		if status, _, out := book(wanted("gym", at), "1"); status != 422 {
			t.Errorf("the key for another slot = %d %s; want 422", status, out)
		}
		if status, _, out := b.Ask(cloudtest.ResA1, "POST", "/v1/bookings", wanted("gym", at)); status != 400 {
			t.Errorf("without a key = %d %s; want 400", status, out)
		}
		status, _, out := book(wanted("ktv", at), "2", "Accept-Language", "en")
		var p struct {
			Code, Rule, Detail string
			Next               struct{ From time.Time }
		}
		if err := json.Unmarshal([]byte(out), &p); err != nil || status != 409 || p.Code != "slot_refused" || p.Rule != "taken" ||
			p.Detail != "Rule 5: This slot is taken. Next free: Mon 15 Jun, 21:00." || p.Next.From.Format(time.RFC3339) != "2026-06-15T21:00:00+08:00" {
			t.Errorf("a taken slot = %d %s; want the rule and the next slot", status, out)
		}
		_, _, slots := b.Ask(cloudtest.ResA2, "GET", "/v1/facilities/ktv/slots?site=site-a&day=2026-06-15", "")
		if strings.Count(slots, `"free"`) != 10 || strings.Count(slots, `"over"`) != 4 || strings.Count(slots, `"taken"`) != 1 || strings.Contains(slots, `"booking"`) {
			t.Errorf("a neighbour's view of the day: %s", slots)
		}
		if _, _, mine := b.Ask(cloudtest.ResA1, "GET", "/v1/facilities/ktv/slots?site=site-a&day=2026-06-15", ""); strings.Count(mine, `"booking"`) != 1 {
			t.Errorf("one's own view of the day: %s", mine)
		}
		_, h, _ := b.Ask(cloudtest.ResA1, "GET", where, "")
		for _, tt := range []struct {
			tag  string
			want int
		}{{"", 428}, {`"9"`, 412}, {h.Get("ETag"), 200}, {h.Get("ETag"), 412}, {`"2"`, 409}} {
			status, _, out := b.Ask(cloudtest.ResA1, "DELETE", where, "", "If-Match", tt.tag)
			if status != tt.want || status == 200 && (!strings.Contains(out, `"state":"cancelled"`) || !strings.Contains(out, `"pending":true`)) {
				t.Errorf("cancel with %s = %d %s; want %d", tt.tag, status, out, tt.want)
			}
		}
		if status, _, out := b.Ask(cloudtest.ResA1, "GET", where+"/ticket", ""); status != 409 {
			t.Errorf("the ticket of what was cancelled = %d %s; want 409", status, out)
		}
		if _, _, out := b.Ask(cloudtest.ResA1, "GET", "/v1/bookings?site=site-a&household=site-a-h1", ""); strings.Count(out, `"state":"cancelled"`) != 1 {
			t.Errorf("own bookings: %s", out)
		}
	})
}

// invariant 10: a ticket opens a door: it stands in no log, and in no answer but its own.
func TestTicketsStandInNoLog(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		k := b.Book("gym", "site-a-h1", b.Now.Add(time.Hour))
		status, _, body := b.Ask(cloudtest.ResA1, "GET", "/v1/bookings/"+k.ID+"/ticket", "")
		if status != 200 || !strings.Contains(body, `"ticket":"LOBBY1`) || !strings.Contains(body, `"once":true`) {
			t.Fatalf("ticket = %d %s", status, body)
		}
		if !strings.Contains(b.Log.String(), "ticket shown") || strings.Contains(b.Log.String(), "LOBBY1") {
			t.Error("the log has the ticket, or not that it was shown")
		}
	})
}

// Staff see all bookings of a site, not the oldest ones alone, however full its facilities are.
func TestCursorWalksTheBookingsOnce(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		const made = 205 // two begin at each moment
		b.Write(func(tx *store.Tx) error {
			for n := range made {
				at := int64(wire.At(b.Now.Add(time.Duration(n/2-100) * time.Hour)))
				_, err := tx.Exec(t.Context(), `INSERT INTO bookings (id, site, facility, gateway, door, once, household, person, state, starts, ends, made, checked_in, revoked, version)
					VALUES ($1, 'site-a', 'ktv', 'site-a-gw', 'ktv', 0, 'site-a-h1', 'p', 'cancelled', $2, $3, 1, 0, 0, 1)`,
					fmt.Sprintf("b-%03d", n), at, at+3_600_000_000)
				if err != nil {
					return err
				}
			}
			return nil
		})
		for _, limit := range []int{50, 200} {
			var got []string
			next := ""
			for range 10 {
				var page struct {
					Items []struct{ ID string }
					Next  string
				}
				_, _, out := b.Ask(cloudtest.GuardA, "GET", fmt.Sprintf("/v1/bookings?site=site-a&limit=%d%s", limit, next), "")
				if err := json.Unmarshal([]byte(out), &page); err != nil {
					t.Fatal(err, out)
				}
				for _, one := range page.Items {
					got = append(got, one.ID)
				}
				if page.Next == "" {
					break
				}
				next = "&cursor=" + page.Next
			}
			if len(got) != made || !slices.IsSorted(got) {
				t.Errorf("by %d: %d bookings %v; want %d, each once", limit, len(got), got, made)
			}
		}
	})
}
