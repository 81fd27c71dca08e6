package facilities_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	qr "github.com/piglig/go-qr"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const box = "site-a-gw"

// clock is an instant of the bench's day, 15 June 2026, on which it is noon.
func clock(hour, minute int) time.Time {
	return time.Date(2026, 6, 15, hour, minute, 0, 0, fleet.Taipei())
}

func read(b *cloudtest.Bench, fn func(tx *store.Tx) error) {
	b.T.Helper()
	b.Must(b.DB.Read(b.T.Context(), fn))
}

func byID(b *cloudtest.Bench, id string) (out facilities.Booking) {
	b.T.Helper()
	read(b, func(tx *store.Tx) (err error) { out, err = facilities.BookingByID(b.T.Context(), tx, id); return err })
	return out
}

// try books and gives the refusal.
func try(b *cloudtest.Bench, facility, household string, from time.Time) (*facilities.Refusal, error) {
	b.T.Helper()
	err := b.DB.Write(b.T.Context(), func(tx *store.Tx) error {
		_, _, err := b.Facilities.Book(b.T.Context(), tx, facilities.Wanted{Site: "site-a", Facility: facility, Household: household, Person: "p", From: wire.At(from)}, b.Now)
		return err
	})
	refusal, _ := errors.AsType[*facilities.Refusal](err)
	return refusal, err
}

// granted are the grants of the box's state document.
func granted(b *cloudtest.Bench) (all []wire.Grant) {
	b.T.Helper()
	read(b, func(tx *store.Tx) error {
		rows, err := tx.Query(b.T.Context(), `SELECT packed FROM parts WHERE gateway = $1 AND name LIKE 'grants/%' ORDER BY name`, box)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var packed []byte
			if err := rows.Scan(&packed); err != nil {
				return err
			}
			raw, _, err := wire.DecodePart(packed)
			var day wire.Grants
			if err != nil || json.Unmarshal(raw, &day) != nil {
				b.T.Errorf("a day of grants: %s, %v", raw, err)
			}
			all = append(all, day.Grants...)
		}
		return rows.Err()
	})
	return all
}

func TestBookingYieldsGrantAndTicket(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		gym := b.Book("gym", "site-a-h1", clock(14, 0))
		ktv := b.Book("ktv", "site-a-h2", clock(20, 0).AddDate(0, 0, 1))
		want := []wire.Grant{
			{ID: gym.ID, Door: "gym", Household: "site-a-h1", From: wire.At(clock(13, 50)), Until: wire.At(clock(15, 10)), Uses: 1},
			{ID: ktv.ID, Door: "ktv", Household: "site-a-h2", From: wire.At(clock(19, 50).AddDate(0, 0, 1)), Until: wire.At(clock(21, 10).AddDate(0, 0, 1))},
		}
		if got := granted(b); !slices.Equal(got, want) {
			t.Errorf("grants %+v; want %+v", got, want)
		}
		text, err := b.Facilities.Ticket(byID(b, gym.ID), b.Now)
		if err != nil {
			t.Fatal(err)
		}
		var public ed25519.PublicKey
		for _, k := range b.Keys.KeySet().Keys {
			if k.Use == fleet.UseTicket {
				public = k.Public
			}
		}
		got, err := wire.OpenTicket(public, text)
		if want := (wire.Ticket{ID: gym.ID, Gateway: box, Door: "gym", From: want[0].From, Until: want[0].Until, Uses: 1, Issued: wire.At(b.Now), Key: "ticket-1"}); err != nil || got != want {
			t.Errorf("ticket %+v, %v; want %+v", got, err, want)
		}
		b.Now = clock(15, 10)
		if _, err := b.Facilities.Ticket(byID(b, gym.ID), b.Now); !errors.Is(err, facilities.ErrState) {
			t.Errorf("a ticket after its window: %v; want %v", err, facilities.ErrState)
		}
		b.Now = clock(0, 0).AddDate(0, 0, 1)
		if err := b.Fleet.Change(t.Context(), "site-a", b.Now, func(*store.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if got := granted(b); len(got) != 1 || got[0].ID != ktv.ID {
			t.Errorf("grants of the next day %+v; want that of the KTV alone", got)
		}
	})
}

// What is on the screen is what the door's reader types.
func TestQRHoldsTheTicket(t *testing.T) {
	b := cloudtest.New(t, storetest.SQLite(t))
	text, err := b.Facilities.Ticket(b.Book("gym", "site-a-h1", clock(14, 0)), b.Now)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := facilities.QR(text)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(svg, "style=") || strings.Contains(svg, "<script") || !strings.Contains(svg, `fill="#fff"`) {
		t.Errorf("the drawing breaks the page's policy: %s", svg)
	}
	found, err := qr.DecodeDetailed(drawn(t, svg))
	if err != nil || found.Text != text {
		t.Fatalf("the code reads %v, %v; want %s", found, err, text)
	}
	for _, s := range found.Segments {
		if s.Mode != 2 { // ISO/IEC 18004, table 2: alphanumeric
			t.Errorf("a segment of mode %d; want alphanumeric alone", s.Mode)
		}
	}
	if _, err := facilities.QR(strings.Repeat("A", 10_000)); err == nil {
		t.Error("more than a QR code holds was drawn")
	}
}

// drawn paints the black runs of a drawing, four dots for each unit.
func drawn(t *testing.T, svg string) image.Image {
	t.Helper()
	const dots = 4
	var side int
	at := strings.Index(svg, `viewBox="0 0 `)
	if _, err := fmt.Sscanf(svg[at:], `viewBox="0 0 %d`, &side); err != nil || at < 0 {
		t.Fatal(err)
	}
	img := image.NewGray(image.Rect(0, 0, side*dots, side*dots))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	_, black, _ := strings.Cut(svg, `fill="#000" d="`)
	for _, run := range strings.Split(black[1:strings.IndexByte(black, '"')], "M") {
		var x, y, w int
		if _, err := fmt.Sscanf(run, "%d %dh%dv1", &x, &y, &w); err != nil {
			t.Fatalf("%q: %v", run, err)
		}
		draw.Draw(img, image.Rect(x*dots, y*dots, (x+w)*dots, (y+1)*dots), image.Black, image.Point{}, draw.Src)
	}
	return img
}

func TestRefusalsNameRuleAndNextSlot(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Book("ktv", "site-a-h1", clock(14, 0))
		b.Book("ktv", "site-a-h1", clock(16, 0))
		for _, tt := range []struct {
			name, household string
			from            time.Time
			rule            rules.Rule
			next            time.Time
			zh, en          string
		}{
			{"taken", "site-a-h2", clock(14, 0), rules.Taken, clock(15, 0), "規則 5：這個時段已被預約。最近可預約 6/15（一）15:00。", "Rule 5: This slot is taken. Next free: Mon 15 Jun, 15:00."},
			{"two already", "site-a-h1", clock(18, 0), rules.Limit, clock(18, 0), "規則 4：每戶最多 2 筆還沒結束的預約，結束或取消一筆後可再預約。屆時最近可預約 6/15（一）18:00。", "Rule 4: A household has 2 bookings at most that are not over; use or cancel one first. Next free then: Mon 15 Jun, 18:00."},
			{"two already, and early", "site-a-h1", clock(12, 0), rules.Limit, clock(15, 0), "", ""},
			{"over", "site-a-h2", clock(11, 0), rules.Over, clock(12, 0), "規則 2：這個時段已經結束。最近可預約 6/15（一）12:00。", ""},
			{"no slot", "site-a-h2", clock(13, 30), rules.NoSlot, clock(15, 0), "規則 1：", ""},
			{"too far", "site-a-h2", clock(20, 0).AddDate(0, 0, 40), rules.TooFar, clock(12, 0), "規則 3：只能預約 30 天內的時段。", "Rule 3: Bookings open 30 days ahead."},
		} {
			r, err := try(b, "ktv", tt.household, tt.from)
			if r == nil || r.Rule != tt.rule || r.Next == nil || r.Next.From != wire.At(tt.next) {
				t.Errorf("%s: %+v, %v; want %s and %s next", tt.name, r, err, tt.rule, tt.next)
				continue
			}
			if !strings.HasPrefix(r.Say(false), tt.zh) || !strings.HasPrefix(r.Say(true), tt.en) {
				t.Errorf("%s: says %q and %q; want %q and %q", tt.name, r.Say(false), r.Say(true), tt.zh, tt.en)
			}
		}
		if _, err := try(b, "pool", "site-a-h2", clock(14, 0)); !errors.Is(err, facilities.ErrUnknown) {
			t.Errorf("no such facility: %v", err)
		}
	})
}

// Whoever clicks at once: one household has a slot, and no household has more than its two.
func TestBookersRace(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		var slot, limit atomic.Int64
		var wg sync.WaitGroup
		for n := range 6 {
			household := []string{"site-a-h1", "site-a-h2"}[n%2]
			wg.Go(func() {
				if r, err := try(b, "ktv", household, clock(14, 0)); err == nil {
					slot.Add(1)
				} else if r == nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if r, err := try(b, "gym", "site-a-h3", clock(13+n, 0)); err == nil {
					limit.Add(1)
				} else if r == nil || r.Rule != rules.Limit {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if slot.Load() != 1 || limit.Load() != rules.MaxLiving {
			t.Errorf("one slot was booked %d times, and one household has %d bookings; want 1 and %d", slot.Load(), limit.Load(), rules.MaxLiving)
		}
	})
}

// invariant 5: what is cancelled is revoked until its end, and the cloud says how long the door may not have heard of it.
func TestCancelRevokes(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		soon, late := b.Book("ktv", "site-a-h1", clock(14, 0)), b.Book("ktv", "site-a-h2", clock(13, 0))
		cancel := func(id, tag string) (out facilities.Booking, err error) {
			err = b.DB.Write(t.Context(), func(tx *store.Tx) (err error) {
				out, _, err = b.Facilities.Cancel(t.Context(), tx, id, tag, b.Now)
				return err
			})
			return out, err
		}
		if _, err := cancel(soon.ID, "7"); !errors.Is(err, facilities.ErrChanged) {
			t.Errorf("cancel a state that nobody saw = %v", err)
		}
		if _, err := cancel("no-such", "1"); !errors.Is(err, facilities.ErrUnknown) {
			t.Errorf("cancel nothing = %v", err)
		}
		got, err := cancel(soon.ID, soon.Tag())
		if err != nil || got.State != rules.Cancelled || got.Revoked == 0 || got != byID(b, soon.ID) {
			t.Fatalf("%+v, %v; want it cancelled and revoked", got, err)
		}
		if other, err := cancel(late.ID, late.Tag()); err != nil || other.State != rules.CancelledLate {
			t.Errorf("%+v, %v; want it cancelled late", other, err)
		}
		if all := granted(b); len(all) != 0 {
			t.Errorf("grants %+v after all was cancelled", all)
		}
		var revoked wire.Revocations
		read(b, func(tx *store.Tx) error {
			var packed []byte
			err := tx.QueryRow(t.Context(), `SELECT packed FROM parts WHERE gateway = $1 AND name = 'revocations'`, box).Scan(&packed)
			if err != nil {
				return err
			}
			raw, _, err := wire.DecodePart(packed)
			return errors.Join(err, json.Unmarshal(raw, &revoked))
		})
		if !slices.Contains(revoked.Revoked, wire.Revocation{ID: soon.ID, Until: wire.At(clock(15, 10))}) || len(revoked.Revoked) != 2 {
			t.Errorf("revoked %+v; want the booking until its window's end", revoked)
		}
		if _, err := cancel(soon.ID, got.Tag()); !errors.Is(err, facilities.ErrState) {
			t.Errorf("cancel again = %v", err)
		}
		if _, err := b.Facilities.Ticket(got, b.Now); !errors.Is(err, facilities.ErrState) {
			t.Errorf("a ticket of what was cancelled: %v", err)
		}
		for _, tt := range []struct {
			applied uint64
			now     time.Time
			want    bool
		}{{0, b.Now, true}, {got.Revoked - 1, b.Now, true}, {got.Revoked, b.Now, false}, {got.Revoked + 9, b.Now, false}, {0, clock(15, 9), true}, {0, clock(15, 10), false}} {
			if is := got.Pending(fleet.Health{Applied: wire.StateVersion{Version: tt.applied}}, tt.now); is != tt.want {
				t.Errorf("applied %d at %s: pending %t; want %t", tt.applied, tt.now, is, tt.want)
			}
		}
		b.Book("ktv", "site-a-h1", clock(13, 0))
	})
}

// invariant 4: the first opening counts, in whatever order and however late the events come.
func TestCheckInByTheDoor(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		k := b.Book("ktv", "site-a-h1", clock(14, 0))
		open := func(at time.Time, grant, door string, version uint64) {
			t.Helper()
			b.Send(box, wire.Event{Type: wire.DoorOpened, Subject: "door/" + door, Version: version, Wall: wire.At(at),
				State: cloudtest.Raw(wire.Door{State: "open", Device: "online"}), Data: cloudtest.Raw(wire.Passage{Intent: "i", Grant: grant, Used: 1})})
		}
		open(clock(14, 0), "", "ktv", 1)
		open(clock(14, 0), "another", "ktv", 2)
		open(clock(14, 0), k.ID, "gym", 1)
		if got := byID(b, k.ID); got.State != rules.Confirmed || got.CheckedIn != 0 {
			t.Errorf("%+v; want nobody there", got)
		}
		open(clock(14, 30), k.ID, "ktv", 5)
		open(clock(14, 2), k.ID, "ktv", 3)
		open(clock(14, 40), k.ID, "ktv", 6)
		got := byID(b, k.ID)
		if got.State != rules.CheckedIn || got.CheckedIn != wire.At(clock(14, 2)) {
			t.Errorf("%+v; want it checked in at 14:02", got)
		}
		if s := got.State.At(got.Slot, wire.At(clock(15, 0))); s != rules.Completed {
			t.Errorf("after its end it is %s", s)
		}
		if err := b.Ingest.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again := byID(b, k.ID); again.State != got.State || again.CheckedIn != got.CheckedIn {
			t.Errorf("after a rebuild %+v; want %+v", again, got)
		}
	})
}

func TestOnceIsUsedUp(t *testing.T) {
	b := cloudtest.New(t, storetest.SQLite(t))
	gym, ktv := b.Book("gym", "site-a-h1", clock(14, 0)), b.Book("ktv", "site-a-h1", clock(14, 0))
	for version, one := range []facilities.Booking{gym, ktv} {
		b.Door(wire.DoorOpened, one.Door, uint64(version)+1, wire.Door{State: "open"}, wire.Passage{Grant: one.ID})
	}
	if byID(b, gym.ID).Admits(b.Now) || !byID(b, ktv.ID).Admits(b.Now) {
		t.Error("a ticket for one use admits again, or one for many does not")
	}
}

func TestDoorsAndTheirAlarms(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		doors := func() (all []facilities.Door) {
			read(b, func(tx *store.Tx) (err error) { all, err = facilities.Doors(t.Context(), tx, "site-a"); return err })
			return all
		}
		alarms := func() (all []string) {
			read(b, func(tx *store.Tx) error {
				found, err := b.Fleet.Alarms(t.Context(), tx, box)
				for _, a := range found {
					all = append(all, a.Kind+" "+a.Subject)
				}
				return err
			})
			return all
		}
		if all := doors(); len(all) != 2 || all[0].ID != "gym" || all[0].State != "" || all[1].Name != "KTV" {
			t.Errorf("doors %+v before any event; want those of the facilities", all)
		}
		b.Door(wire.DoorForced, "ktv", 1, wire.Door{State: "forced", Device: "online"}, nil)
		b.Door(wire.DoorClosedDown, "ktv", 2, wire.Door{State: "forced", Closed: true, Device: "online"}, wire.Cause{})
		b.Door(wire.DoorLeftOpen, "garage", 7, wire.Door{State: "left_open", Device: "online"}, nil)
		b.Door(wire.DoorChanged, "garage", 6, wire.Door{State: "secured", Device: "online"}, wire.Cause{}) // older, and later
		if got := alarms(); !slices.Equal(got, []string{"door_forced ktv", "door_left_open garage"}) {
			t.Errorf("alarms %v", got)
		}
		all := doors()
		if len(all) != 3 || all[0].ID != "garage" || all[0].State != "left_open" || all[2] != (facilities.Door{Gateway: box, ID: "ktv", Name: "KTV", English: "KTV room", State: "forced", ClosedDown: true, Online: true, Said: wire.At(b.Now)}) {
			t.Errorf("doors %+v", all)
		}
		b.Door(wire.DoorChanged, "garage", 8, wire.Door{State: "secured", Device: "silent"}, wire.Cause{})
		b.Door(wire.DoorReopened, "ktv", 3, wire.Door{State: "secured", Device: "online"}, wire.Cause{})
		if got := alarms(); len(got) != 0 || doors()[0].Online {
			t.Errorf("alarms %v after both doors are secured; %+v", got, doors()[0])
		}
		b.Send("site-b-gw", wire.Event{Type: wire.DoorChanged, Subject: "door/lift", Version: 1, State: cloudtest.Raw(wire.Door{State: "secured"})})
		if all := doors(); len(all) != 3 {
			t.Errorf("another site's door is among %+v", all)
		}
		read(b, func(tx *store.Tx) error {
			if _, err := facilities.DoorByID(t.Context(), tx, "site-a", "lift"); !errors.Is(err, facilities.ErrUnknown) {
				t.Errorf("another site's door = %v", err)
			}
			return nil
		})
	})
}

// invariant 9
func TestADamagedDoorCostsItsOwnEvent(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		bad := wire.Event{Type: wire.DoorChanged, Subject: "door/ktv", Version: 1, State: []byte(`{"state":739154}`)}
		odd := wire.Event{Type: wire.DoorOpened, Subject: "door/ktv", Version: 2, Data: []byte(`{"grant":739154}`)}
		good := wire.Event{Type: wire.DoorChanged, Subject: "door/ktv", Version: 3, State: cloudtest.Raw(wire.Door{State: "secured"})}
		b.Send(box, bad, odd, good)
		read(b, func(tx *store.Tx) error {
			d, err := facilities.DoorByID(t.Context(), tx, "site-a", "ktv")
			if d.State != "secured" {
				t.Errorf("%+v; want the good event in effect", d)
			}
			return err
		})
		if strings.Contains(b.Log.String(), "739154") {
			t.Error("what could not be read stands in the log")
		}
	})
}

// invariant 13: what one household books and cancels again and again costs nobody else. Each of them is revoked until its end,
// and all revocations of a site travel as one part of 32 KiB.
func TestCancellingAgainAndAgain(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		far := clock(14, 0).AddDate(0, 0, 20)
		again := func() error {
			return b.DB.Write(t.Context(), func(tx *store.Tx) error {
				w := facilities.Wanted{Site: "site-a", Facility: "gym", Household: "site-a-h1", Person: "p", From: wire.At(far)}
				one, _, err := b.Facilities.Book(t.Context(), tx, w, b.Now)
				if err == nil {
					_, _, err = b.Facilities.Cancel(t.Context(), tx, one.ID, one.Tag(), b.Now)
				}
				return err
			})
		}
		for n := range rules.MaxCancelled {
			if err := again(); err != nil {
				t.Fatalf("after %d: %v", n, err)
			}
		}
		err := again()
		refusal, _ := errors.AsType[*facilities.Refusal](err)
		if refusal == nil || refusal.Rule != rules.Often || refusal.Next == nil || refusal.Next.From != wire.At(far.Add(time.Hour)) {
			t.Fatalf("once more: %v; want %v, and next when the time of the first is over", err, rules.Often)
		}
		b.Book("gym", "site-a-h2", far)
		b.Now = far.Add(time.Hour)
		b.Book("gym", "site-a-h1", far.Add(3*time.Hour))
	})
}

// What was booked before the community's list was replaced stays, and a day that has more for that costs nothing else.
func TestFullDayOfTwoLists(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		const made = 2 * rules.MaxDaySlots
		id := strings.Repeat("x", 40)
		b.Write(func(tx *store.Tx) error {
			for n := range made {
				at := int64(wire.At(clock(14, 0).Add(time.Duration(n) * time.Minute)))
				_, err := tx.Exec(t.Context(), `INSERT INTO bookings (id, site, facility, gateway, door, once, household, person, state, starts, ends, made, checked_in, revoked, version)
					VALUES ($1, 'site-a', $2, $3, $4, 1, $4, 'p', 'confirmed', $5, $6, 1, 0, 0, 1)`,
					fmt.Sprintf("00000000-0000-0000-0000-%012d", n), fmt.Sprintf("old-%d", n), box, id, at, at+3_600_000_000)
				if err != nil {
					return err
				}
			}
			return nil
		})
		b.Must(b.Fleet.Change(t.Context(), "site-a", b.Now, func(*store.Tx) error { return nil }))
		if got := granted(b); len(got) != made {
			t.Errorf("%d grants; want %d", len(got), made)
		}
	})
}
