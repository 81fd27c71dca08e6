package doors

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/devices"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestPassageByTicket(t *testing.T) {
	bubble(t, "with a contact", func(b *building) {
		since := len(b.events())
		v := b.present("ktv", b.ticket(nil))
		if d := b.door("ktv"); v.Intent == "" || v.Reason != "" || d.Intent != v.Intent || d.Outcome != Opening || d.State != Secured {
			b.t.Errorf("Present = %s; shown %+v", describe(v), d)
		}
		b.pass(time.Second)
		if d := b.door("ktv"); d.Outcome != Opening || d.State != Released {
			b.t.Errorf("to be pushed: shown %+v", d)
		}
		b.through()
		if d := b.door("ktv"); d.State != Secured || d.Outcome != Opened || d.Contact != "closed" || !d.Online || d.English != "KTV room" {
			b.t.Errorf("shown %+v", d)
		}
		b.says(since, wire.DoorOpening, wire.DoorOpened, wire.DoorChanged)
		v = b.present("ktv", b.ticket(nil))
		b.pass(10 * time.Second)
		if d := b.door("ktv"); d.Outcome != Unopened || d.Intent != v.Intent {
			b.t.Errorf("nobody pushed: shown %+v", d)
		}
		b.says(since+3, wire.DoorOpening, wire.DoorUnopened)
		if b.ktv.count() != 2 { // invariant 5
			b.t.Errorf("%d releases; want 2", b.ktv.count())
		}
	})
	bubble(t, "without", func(b *building) {
		since := len(b.events())
		v := b.present("gym", b.ticket(func(t *wire.Ticket) { t.Door, t.Uses = "gym", 1 }))
		b.pass(time.Second)
		if d := b.door("gym"); d.Outcome != Opening || d.State != Released || d.Intent != v.Intent || d.Contact != "unknown" || d.English != "健身房" {
			b.t.Errorf("to be pushed: shown %+v", d)
		}
		b.pass(10 * time.Second)
		if d := b.door("gym"); d.Outcome != Opened || d.State != Secured {
			b.t.Errorf("afterwards: shown %+v", d)
		}
		b.says(since, wire.DoorOpening, wire.DoorOpened+" no_contact", wire.DoorChanged)
		if v := b.present("gym", b.ticket(func(t *wire.Ticket) { t.Door, t.Uses = "gym", 1 })); v.Reason != Used {
			b.t.Errorf("a second time: %s", describe(v))
		}
	})
}

// invariant 5: a one-time ticket lets in once, also after a restart; a try that opened nothing costs nothing
func TestTicketOnce(t *testing.T) {
	bubble(t, "", func(b *building) {
		text := b.ticket(once)
		b.present("ktv", text)
		b.pass(10 * time.Second) // nobody pushed
		b.ktv.with(func() { b.ktv.late = 6 * time.Second })
		b.present("ktv", text)
		b.pass(10 * time.Second) // the frame was never written
		if d := b.door("ktv"); d.Outcome != Refused {
			b.t.Errorf("late: %+v", d)
		}
		b.ktv.with(func() { b.ktv.late = 0 })
		b.present("ktv", text)
		b.through()
		for range 2 {
			if v := b.present("ktv", text); v.Reason != Used {
				b.t.Errorf("a second time: %s", describe(v))
			}
			if v := b.present("ktv", b.ticket(func(t *wire.Ticket) { t.Uses = 1; t.Issued++ })); v.Reason != Used {
				b.t.Errorf("the same grant in another ticket: %s", describe(v))
			}
			b.stop()
			b.start()
		}
		b.stop()
		b.pass(24 * time.Hour) // its count is kept a day after its end
		b.start()
		if n, err := b.service.used("b1"); n != 1 || err != nil {
			b.t.Errorf("used %d times, %v", n, err)
		}
		b.stop()
		b.pass(26 * time.Hour)
		b.start()
		if n, err := b.service.used("b1"); n != 0 || err != nil {
			b.t.Errorf("kept for ever: %d, %v", n, err)
		}
		if b.ktv.count() != 2 {
			b.t.Errorf("%d releases; want 2", b.ktv.count())
		}
	})
}

// Each refusal says why, and releases nothing. // invariants 5 and 9
func TestTicketsRefused(t *testing.T) {
	now := func(d time.Duration) wire.Micros { return wire.At(time.Now().Add(d)) }
	tests := []struct {
		reason, door string
		change       func(*wire.Ticket)
		check        func(Verdict) bool
	}{
		{Elsewhere, "ktv", func(t *wire.Ticket) { t.Gateway = "gw-other" }, nil},
		{WrongDoor, "gym", nil, func(v Verdict) bool { return v.Door == "ktv" }},
		{WrongDoor, "gym", func(t *wire.Ticket) { t.Door = "attic" }, func(v Verdict) bool { return v.Door == "" }},
		{TooEarly, "ktv", func(t *wire.Ticket) { t.From = now(time.Minute) }, func(v Verdict) bool { return time.Until(v.From) <= time.Minute }},
		{TooLate, "ktv", func(t *wire.Ticket) { t.From, t.Until = now(-2*time.Hour), now(-time.Minute) }, func(v Verdict) bool { return !v.Until.IsZero() }},
		{NoTicket, "ktv", func(t *wire.Ticket) { t.Until = t.From + wire.MaxTicket + 1 }, nil},
		{NoTicket, "ktv", func(t *wire.Ticket) { t.Key = "c1" }, nil},
		{Revoked, "ktv", func(t *wire.Ticket) { t.ID = "r1" }, nil},
	}
	bubble(t, "", func(b *building) {
		b.revoked = []wire.Revocation{{ID: "r1", Until: now(time.Hour)}}
		b.apply()
		for _, tt := range tests {
			v := b.present(tt.door, b.ticket(tt.change))
			if v.Reason != tt.reason || v.Intent != "" || tt.check != nil && !tt.check(v) {
				b.t.Errorf("want %s: %s", tt.reason, describe(v))
			}
		}
		if v := b.present("ktv", "https://example.org"); v.Reason != NoTicket {
			b.t.Errorf("no ticket: %s", describe(v))
		}
		if b.counted("tickets_refused") != 3 {
			b.t.Errorf("%d counted as wrong; want 3", b.counted("tickets_refused"))
		}
		if _, err := b.service.Present(b.t.Context(), "attic", b.ticket(nil)); !errors.Is(err, ErrUnknown) {
			b.t.Errorf("Present at no door = %v", err)
		}
		if n := b.ktv.count() + b.gym.count(); n != 0 {
			b.t.Errorf("%d releases", n)
		}
	})
}

// invariants 5 and 11: every byte of a ticket, flipped, opens nothing
func TestAlteredTickets(t *testing.T) {
	bubble(t, "", func(b *building) {
		text := []byte(b.ticket(nil))
		for i := range text {
			for _, flip := range []byte{1, 2, 0x20, 0x80} {
				bad := slices.Clone(text)
				bad[i] ^= flip
				if v := b.present("ktv", string(bad)); v.Reason != NoTicket {
					b.t.Fatalf("byte %d: %s", i, describe(v))
				}
			}
		}
		for _, bad := range []string{"", string(text[:len(text)-1]), string(text) + "A", string(text[6:]), string(text) + string(text)} {
			if v := b.present("ktv", bad); v.Reason != NoTicket {
				b.t.Errorf("%.20q: %s", bad, describe(v))
			}
		}
		if b.ktv.count() != 0 {
			b.t.Errorf("%d releases", b.ktv.count())
		}
		recorded := 0
		for _, k := range b.kinds(0) {
			if k == wire.GrantRefused {
				recorded++
			}
		}
		if recorded != 20 { // invariant 13
			b.t.Errorf("%d recorded; want 20", recorded)
		}
		if v := b.present("ktv", string(text)); v.Intent == "" { // wrong ones hold no right one up
			b.t.Errorf("the ticket itself: %s", describe(v))
		}
	})
}

func TestEnterByCode(t *testing.T) {
	bubble(t, "", func(b *building) {
		at := func(d time.Duration) wire.Micros { return wire.At(time.Now().Add(d)) }
		b.grants = []wire.Grant{
			{ID: "b0", Door: "ktv", Household: "h1", From: at(-3 * time.Hour), Until: at(-2 * time.Hour)},
			{ID: "b1", Door: "ktv", Household: "h1", From: at(-time.Hour), Until: at(time.Hour), Uses: 1},
			{ID: "b2", Door: "ktv", Household: "h2", From: at(-time.Hour), Until: at(time.Hour)},
			{ID: "b3", Door: "gym", Household: "h1", From: at(30 * time.Hour), Until: at(31 * time.Hour)},
			{ID: "b4", Door: "gym", Household: "h1", From: at(20 * time.Hour), Until: at(21 * time.Hour)},
		}
		b.apply()
		wrong := Code("00000000")
		if wrong == b.code {
			wrong = "00000001"
		}
		if v := b.byCode("ktv", "A-12-3", wrong); v.Reason != Wrong || v.Left != 4 {
			b.t.Errorf("wrong code: %s", describe(v))
		}
		if v := b.byCode("ktv", "Z-1", b.code); v.Reason != Wrong || v.Left != 4 {
			b.t.Errorf("no such unit: %s", describe(v))
		}
		if v := b.byCode("gym", "A-12-3", b.code); v.Reason != TooEarly || time.Until(v.From).Round(time.Hour) != 20*time.Hour {
			b.t.Errorf("tomorrow: %s", describe(v))
		}
		since := len(b.events())
		if v := b.byCode("ktv", "A-12-3", b.code); v.Intent == "" {
			b.t.Errorf("right code: %s", describe(v))
		}
		b.through()
		b.says(since, wire.DoorOpening, wire.DoorOpened, wire.DoorChanged)
		if v := b.byCode("ktv", "A-12-3", b.code); v.Reason != Used {
			b.t.Errorf("a second time: %s", describe(v))
		}
		if v := b.present("ktv", b.ticket(once)); v.Reason != Used { // the ticket of the same grant
			b.t.Errorf("by its ticket: %s", describe(v))
		}
		b.pass(2 * time.Hour)
		if v := b.byCode("ktv", "A-12-3", b.code); v.Reason != NoGrant {
			b.t.Errorf("later: %s", describe(v))
		}
		b.revoked = []wire.Revocation{{ID: "b3", Until: at(40 * time.Hour)}, {ID: "b4", Until: at(40 * time.Hour)}}
		b.apply()
		if v := b.byCode("gym", "A-12-3", b.code); v.Reason != NoGrant {
			b.t.Errorf("revoked: %s", describe(v))
		}
		for range 5 {
			b.byCode("ktv", "A-12-3", wrong)
		}
		if v := b.byCode("ktv", "A-12-3", b.code); v.Reason != Locked || v.Until.IsZero() {
			b.t.Errorf("after five wrong codes: %s", describe(v))
		}
		b.stop() // pulling the plug buys nothing
		b.start()
		if v := b.byCode("ktv", "A-12-3", b.code); v.Reason != Locked {
			b.t.Errorf("after a restart: %s", describe(v))
		}
		if n := b.ktv.count() + b.gym.count(); n != 1 {
			b.t.Errorf("%d releases; want 1", n)
		}
	})
}

// invariant 9
func TestBadInput(t *testing.T) {
	bubble(t, "", func(b *building) {
		s, ctx, since := b.service, b.t.Context(), len(b.raw())
		first := func(_ Verdict, err error) error { return err }
		for name, err := range map[string]error{
			"short code":   first(s.EnterByCode(ctx, "ktv", "A-12-3", "1234567")),
			"letters":      first(s.EnterByCode(ctx, "ktv", "A-12-3", "1234567x")),
			"no unit":      first(s.EnterByCode(ctx, "ktv", "", "12345678")),
			"a long unit":  first(s.EnterByCode(ctx, "ktv", "A-12345678901234567", "12345678")),
			"a bad unit":   first(s.EnterByCode(ctx, "ktv", "a-1", "12345678")),
			"no reason":    s.CloseDown(ctx, "ktv", "g1", ""),
			"free text":    s.Reopen(ctx, "ktv", "g1", "Mr Chen"),
			"no guard":     s.Clear(ctx, "ktv", "", "looked"),
			"a long guard": first(s.OpenFor(ctx, "ktv", string(make([]byte, 65)), "looked")),
		} {
			if !errors.Is(err, ErrBad) {
				b.t.Errorf("%s: %v; want %v", name, err, ErrBad)
			}
		}
		for name, err := range map[string]error{
			"not closed": s.Reopen(ctx, "ktv", "g1", "open"), "not forced": s.Clear(ctx, "ktv", "g1", "looked"),
		} {
			if !errors.Is(err, ErrNotNow) {
				b.t.Errorf("%s: %v; want %v", name, err, ErrNotNow)
			}
		}
		if err := s.CloseDown(ctx, "attic", "g1", "x"); !errors.Is(err, ErrUnknown) {
			b.t.Errorf("no door: %v", err)
		}
		if n := len(b.raw()); n != since {
			b.t.Errorf("%d events of what was refused", n-since)
		}
	})
}

// invariant 5: a closure holds everybody but the guard, and cuts off who is being let in
func TestClosure(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.grants = []wire.Grant{{ID: "b2", Door: "ktv", Household: "h1", From: 1, Until: wire.At(time.Now().Add(time.Hour))}}
		b.apply()
		b.warm()
		held := make(chan struct{})
		b.ktv.with(func() { b.ktv.before = held })
		b.present("ktv", b.ticket(nil))
		b.pass(time.Millisecond)
		since := len(b.events())
		b.ok(b.service.CloseDown(b.t.Context(), "ktv", "g1", "fire_drill"))
		b.pass(time.Second)
		close(held)
		b.ktv.with(func() { b.ktv.before = nil })
		b.pass(10 * time.Second)
		b.says(since, wire.DoorClosedDown, wire.DoorRefused+" closed_down")
		b.stop()
		b.start()
		b.warm()
		if d := b.door("ktv"); !d.ClosedDown || d.Reason != "fire_drill" {
			b.t.Errorf("after a restart: %+v", d)
		}
		if v := b.present("ktv", b.ticket(nil)); v.Reason != ClosedDown {
			b.t.Errorf("ticket: %s", describe(v))
		}
		if v := b.byCode("ktv", "A-12-3", b.code); v.Reason != ClosedDown {
			b.t.Errorf("code: %s", describe(v))
		}
		ch, _ := b.ask("o1", "door/ktv")
		since = len(b.events())
		b.order(b.signed(ch, nil))
		b.says(since, wire.CommandRefused+" closed_down")
		if b.ktv.count() != 0 {
			b.t.Errorf("%d releases of a closed door", b.ktv.count())
		}
		v, err := b.service.OpenFor(b.t.Context(), "ktv", "g1", "look")
		b.ok(err)
		b.through()
		if v.Intent == "" || b.ktv.count() != 1 {
			b.t.Errorf("guard: %s, %d releases", describe(v), b.ktv.count())
		}
		b.ok(b.service.Reopen(b.t.Context(), "ktv", "g1", "over"))
		b.present("ktv", b.ticket(nil))
		b.pass(time.Second) // released by now
		b.ok(b.service.CloseDown(b.t.Context(), "ktv", "g1", "fight"))
		b.pass(time.Millisecond)
		if b.ktv.push() {
			b.t.Error("a door that was closed down opens")
		}
	})
}

// invariant 15: a closure is not taken for answered by an off that was sent before somebody was let in.
func TestCloseDownWhileAnotherOffIsUnderWay(t *testing.T) {
	bubble(t, "", func(b *building) {
		held := make(chan struct{})
		b.ktv.with(func() { b.ktv.secured, b.ktv.until = held, time.Now().Add(1500*time.Millisecond) }) // nobody was let in
		b.pass(2 * time.Second)                                                                         // it was turned off, and the answer is on its way
		b.present("ktv", b.ticket(nil))
		b.pass(time.Second)
		b.ok(b.service.CloseDown(b.t.Context(), "ktv", "g1", "fight"))
		close(held)
		b.pass(time.Millisecond)
		if b.ktv.count() != 1 || b.ktv.push() {
			b.t.Errorf("%d releases, and a door that was closed down opens", b.ktv.count())
		}
	})
}

func TestForcedUntilAGuardHasLooked(t *testing.T) {
	bubble(t, "", func(b *building) {
		since := len(b.events())
		b.ktv.with(func() { b.ktv.open = true })
		b.pass(2 * time.Second)
		b.ktv.shut()
		b.pass(2 * time.Second)
		if d := b.door("ktv"); d.State != Forced || d.Contact != "closed" {
			b.t.Errorf("%+v", d)
		}
		b.stop()
		b.start()
		if d := b.door("ktv"); d.State != Forced {
			b.t.Errorf("after a restart: %+v", d)
		}
		b.ok(b.service.Clear(b.t.Context(), "ktv", "g1", "mechanical_key"))
		if d := b.door("ktv"); d.State != Secured {
			b.t.Errorf("cleared: %+v", d)
		}
		b.ktv.with(func() { b.ktv.exit, b.ktv.open = true, true }) // opening from inside is not forced
		b.pass(time.Second)
		b.ktv.with(func() { b.ktv.exit = false })
		b.pass(2 * time.Minute)
		b.says(since, wire.DoorForced, wire.DoorChanged, wire.DoorChanged, wire.DoorHeld, wire.DoorLeftOpen)
		if n := b.counted("forced door/ktv"); n != 1 {
			b.t.Errorf("told %d times that it was forced; want 1", n)
		}
		if d := b.door("ktv"); d.State != LeftOpen {
			b.t.Errorf("left open: %+v", d)
		}
	})
}

// invariant 2: power goes at each point of a passage; nothing is released by a start, and the intent gets its outcome
func TestCrash(t *testing.T) {
	cases := []struct {
		name     string
		hold     func(*building)
		push     bool
		releases int
		want     string
	}{
		{"after intent, before release", func(b *building) { b.ktv.before = make(chan struct{}) }, false, 0, Secured},
		{"after release, before the outcome; closed", func(b *building) { b.ktv.after = make(chan struct{}) }, false, 1, Secured},
		{"after release, before the outcome; open", func(b *building) { b.ktv.after = make(chan struct{}) }, true, 1, Open},
		{"released; closed", func(*building) {}, false, 1, Secured},
		{"released; open", func(*building) {}, true, 1, Open},
	}
	for _, c := range cases {
		bubble(t, c.name, func(b *building) {
			b.ktv.with(func() { c.hold(b) })
			text := b.ticket(once)
			since := len(b.events())
			b.present("ktv", text)
			b.pass(50 * time.Millisecond)
			b.says(since, wire.DoorOpening)
			b.crash()
			if c.push {
				b.ktv.with(func() { b.ktv.open = true })
			}
			b.start()
			b.pass(time.Minute)
			if b.ktv.count() != c.releases {
				b.t.Errorf("%d releases; want %d", b.ktv.count(), c.releases)
			}
			if d := b.door("ktv"); d.State != c.want && !(c.push && d.State == LeftOpen) {
				b.t.Errorf("%+v; want %s", d, c.want)
			}
			if got := b.kinds(since); len(got) < 2 || !strings.HasPrefix(got[1], wire.DoorUnknown) {
				b.t.Errorf("events %q; want the intent's outcome", got)
			}
			b.ktv.shut()
			b.pass(2 * time.Second)
			if v := b.present("ktv", text); v.Reason != Used { // somebody may have gone in
				b.t.Errorf("again: %s", describe(v))
			}
		})
	}
}

// What the device does not say, the contact may.
func TestOutcomeLost(t *testing.T) {
	bubble(t, "", func(b *building) {
		since := len(b.events())
		b.ktv.with(func() { b.ktv.mute = true })
		b.present("ktv", b.ticket(nil))
		b.through()
		b.says(since, wire.DoorOpening, wire.DoorOpened, wire.DoorChanged)
		b.ktv.with(func() { b.ktv.mute, b.ktv.deaf = false, true })
		since, secures := len(b.events()), b.ktv.secures
		b.present("ktv", b.ticket(nil))
		b.pass(10 * time.Second)
		b.says(since, wire.DoorOpening, wire.DoorUnknown+" silent")
		if b.ktv.secures != secures+1 { // invariant 15
			b.t.Errorf("turned off %d times after it", b.ktv.secures-secures)
		}
		if b.ktv.count() != 1 {
			b.t.Errorf("%d releases; want 1", b.ktv.count())
		}
	})
}

// invariant 1: what cannot be committed is neither shown nor done
func TestNothingBeforeTheCommit(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.warm()
		ch, _ := b.ask("o1", "door/ktv")
		before := b.door("ktv")
		b.ok(b.store.Close())
		text := b.ticket(nil)
		if v, err := b.service.Present(b.t.Context(), "ktv", text); err == nil || v.Intent != "" {
			b.t.Errorf("Present without a store = %s, %v", describe(v), err)
		}
		if v, err := b.service.OpenFor(b.t.Context(), "ktv", "g1", "look"); err == nil || v.Intent != "" {
			b.t.Errorf("OpenFor without a store = %s, %v", describe(v), err)
		}
		if err := b.service.CloseDown(b.t.Context(), "ktv", "g1", "look"); err == nil {
			b.t.Error("CloseDown without a store gives no error")
		}
		b.order(b.signed(ch, nil))
		b.pass(3 * time.Second)
		if b.ktv.count() != 0 {
			b.t.Errorf("%d releases without a committed intent", b.ktv.count())
		}
		after := b.door("ktv")
		after.AsOf = before.AsOf
		if after != before {
			b.t.Errorf("shown %+v; want %+v", after, before)
		}
	})
}

// invariant 15: outputs are turned off before anything else is asked, however long that takes; until then nobody is let in
func TestOutputsAreOffFirst(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.stop()
		for _, d := range []*door{b.ktv, b.gym} {
			d.with(func() { d.silent, d.asks, d.until = true, nil, time.Now().Add(time.Hour) }) // left on
		}
		b.start()
		if v := b.present("ktv", b.ticket(nil)); v.Reason != Silent {
			b.t.Errorf("before any answer: %s", describe(v))
		}
		b.pass(10 * time.Second)
		for _, d := range []*door{b.ktv, b.gym} {
			if slices.Contains(d.asks, "status") || slices.Contains(d.asks, "release") || len(d.asks) < 5 {
				b.t.Errorf("asked %v before it was off", d.asks)
			}
			d.with(func() { d.silent = false })
		}
		b.pass(2 * time.Second)
		if b.ktv.push() {
			b.t.Error("the output was left on")
		}
		if v := b.present("ktv", b.ticket(nil)); v.Intent == "" {
			b.t.Errorf("afterwards: %s", describe(v))
		}
		b.through()
		b.ktv.with(func() { b.ktv.until = time.Now().Add(time.Hour) }) // somebody else turned it on
		b.pass(2 * time.Second)
		if b.ktv.push() {
			b.t.Error("a stray output stays on")
		}
	})
}

// invariant 15
func TestOutputsAreOffAtTheEnd(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.present("ktv", b.ticket(nil))
		b.pass(time.Second)
		b.stop()
		if b.ktv.push() {
			b.t.Error("the output stays on after the service")
		}
		b.start()
	})
}

// invariant 12: a damaged record costs its own door, until a guard has looked; a damaged count its own grant
func TestDamage(t *testing.T) {
	bubble(t, "", func(b *building) {
		text := b.ticket(func(t *wire.Ticket) { t.Uses = 5 })
		b.present("ktv", text)
		b.through()
		b.spoil(spaceUses, "b1")
		if v := b.present("ktv", text); v.Reason != Used {
			b.t.Errorf("a damaged count: %s", describe(v))
		}
		b.spoil(spaceDoors, "ktv")
		if d := b.door("ktv"); !d.ClosedDown || d.Reason != "damaged" || b.door("gym").ClosedDown {
			b.t.Errorf("%+v, %+v", d, b.door("gym"))
		}
		other := b.ticket(func(t *wire.Ticket) { t.ID = "b2" })
		if v := b.present("ktv", other); v.Reason != ClosedDown {
			b.t.Errorf("a damaged door: %s", describe(v))
		}
		v, err := b.service.OpenFor(b.t.Context(), "ktv", "g1", "look")
		b.ok(err)
		b.through()
		b.ok(b.service.Reopen(b.t.Context(), "ktv", "g1", "looked"))
		if w := b.present("ktv", other); v.Intent == "" || w.Intent == "" {
			b.t.Errorf("guard: %s; after he has looked: %s", describe(v), describe(w))
		}
		versions := map[uint64]bool{}
		for _, ev := range b.events() {
			if ev.Subject == "door/ktv" {
				if versions[ev.Version] || ev.Version == 0 {
					b.t.Errorf("version %d twice", ev.Version)
				}
				versions[ev.Version] = true
			}
		}
	})
}

func TestSilentDevice(t *testing.T) {
	bubble(t, "", func(b *building) {
		for range 10 {
			b.ktv.with(func() { b.ktv.silent = true })
			b.pass(5 * time.Second)
			d := b.door("ktv")
			if v := b.present("ktv", b.ticket(nil)); v.Reason != Silent || d.Online || d.Contact != "unknown" || time.Since(d.AsOf) < 4*time.Second {
				b.t.Errorf("silent: %s, %+v", describe(v), d)
			}
			b.ktv.with(func() { b.ktv.silent = false })
			b.pass(5 * time.Second)
		}
		n := 0
		for _, k := range b.kinds(0) {
			if k == wire.DeviceSilent || k == wire.DeviceReturned {
				n++
			}
		}
		if n != devices.MaxFlaps { // invariant 13
			b.t.Errorf("%d events; want %d", n, devices.MaxFlaps)
		}
	})
}

// invariants 5 and 6: a month without a cloud, with tickets and codes that are held already
func TestMonthAlone(t *testing.T) {
	bubble(t, "", func(b *building) {
		began := time.Now()
		at := func(d int) wire.Micros { return wire.At(began.AddDate(0, 0, d)) }
		var texts []string
		for day := range 30 {
			b.grants = append(b.grants, wire.Grant{ID: "g" + string(rune('a'+day)), Door: "ktv", Household: "h1", From: at(day), Until: at(day + 1)})
			texts = append(texts, b.ticket(func(t *wire.Ticket) { t.ID, t.Uses, t.From, t.Until = "t"+string(rune('a'+day)), 1, at(day), at(day+1) }))
		}
		b.apply()
		for day := range 30 {
			noon := began.AddDate(0, 0, day).Add(12 * time.Hour)
			if day != 7 { // a service that runs on is tried once
				b.stop()
				b.pass(time.Until(noon) - time.Minute)
				b.start()
			}
			b.pass(time.Until(noon))
			if v := b.byCode("ktv", "A-12-3", b.code); v.Intent == "" {
				b.t.Fatalf("day %d: %s", day, describe(v))
			}
			b.through()
			for i, text := range texts {
				v := b.present("ktv", text)
				if (v.Intent != "") != (i == day) {
					b.t.Errorf("day %d, ticket of day %d: %s", day, i, describe(v))
				}
				if v.Intent != "" {
					b.through()
				}
			}
		}
		if n := b.ktv.count(); n != 60 {
			b.t.Errorf("%d releases; want 60", n)
		}
	})
}

// invariant 5: whatever the machine's clock says, a ticket that ended before the floor, or begins long after it, is refused;
// what is let in is marked; and a ticket's issue time, which has passed, outlives a restart
func TestWrongClocks(t *testing.T) {
	for name, at := range map[string]time.Time{"1970": time.Unix(0, 0), "2040": time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)} {
		bubble(t, name, func(b *building) {
			old := b.ticket(func(t *wire.Ticket) {
				t.ID = "old"
				t.Issued -= 3_600_000_000
				t.From -= 7_200_000_000
				t.Until = t.From + 3_600_000_000
			})
			now := b.ticket(func(t *wire.Ticket) { t.Issued = t.From })
			soon := b.ticket(func(t *wire.Ticket) { t.ID, t.Issued = "soon", t.From; t.From += 14 * 60_000_000 })
			later := b.ticket(func(t *wire.Ticket) { t.ID, t.Issued = "later", t.From; t.From += 20 * 60_000_000 })
			b.stop()
			began := time.Now()
			b.system = func() (time.Time, time.Duration) { return at.Add(time.Since(began)), time.Since(began) }
			b.start()
			if c := b.service.View().Clock; c != "uncertain" {
				b.t.Errorf("clock is %s", c)
			}
			if v := b.present("ktv", now); v.Intent == "" {
				b.t.Errorf("a ticket for now: %s", describe(v))
			}
			b.through()
			b.stop() // the floor is kept
			b.start()
			if off := time.Since(b.clock.Floor()); off > time.Minute {
				b.t.Errorf("the floor is %s behind after a restart", off)
			}
			if v := b.present("ktv", old); v.Reason != TooLate {
				b.t.Errorf("one that ended before the floor: %s", describe(v))
			}
			if v := b.present("ktv", later); v.Reason != TooEarly {
				b.t.Errorf("one that begins later than 15 min: %s", describe(v))
			}
			if v := b.present("ktv", soon); v.Intent == "" {
				b.t.Errorf("one that begins within 15 min: %s", describe(v))
			}
			b.pass(time.Second)
			marked := 0
			for _, ev := range b.events() {
				if ev.Type == wire.DoorOpening && entryOf(b.t, ev).Marked {
					marked++
				}
			}
			if marked != 2 || b.ktv.count() != 2 {
				b.t.Errorf("%d marked, %d releases; want 2, 2", marked, b.ktv.count())
			}
		})
	}
}

func TestCrowd(t *testing.T) {
	bubble(t, "", func(b *building) {
		text := b.ticket(func(t *wire.Ticket) { t.Door = "gym" })
		for range 6 {
			b.present("gym", text)
			b.pass(6 * time.Second)
		}
		if v := b.present("gym", text); v.Reason != Crowded || b.gym.count() != 6 { // invariant 13
			b.t.Errorf("%s, %d releases", describe(v), b.gym.count())
		}
		b.present("ktv", b.ticket(nil))
		b.pass(50 * time.Millisecond)
		if v := b.present("ktv", b.ticket(nil)); v.Reason != AlreadyOpen {
			b.t.Errorf("while it is released: %s", describe(v))
		}
		b.pass(time.Minute)
		if v := b.present("gym", text); v.Intent == "" {
			b.t.Errorf("a minute later: %s", describe(v))
		}
	})
}

func TestWatch(t *testing.T) {
	bubble(t, "", func(b *building) {
		changed, stop := b.service.Watch()
		defer stop()
		as := b.door("ktv").AsOf
		b.pass(5 * time.Second)
		select {
		case <-changed:
			b.t.Error("told of nothing")
		default:
		}
		if got := b.door("ktv").AsOf; !got.After(as) {
			b.t.Error("AsOf stands still")
		}
		b.present("ktv", b.ticket(nil))
		select {
		case <-changed:
		default:
			b.t.Error("not told of a passage")
		}
	})
}

func TestStopped(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.quit()
		b.pass(time.Second)
		if _, err := b.service.Present(b.t.Context(), "ktv", b.ticket(nil)); !errors.Is(err, ErrStopped) {
			b.t.Errorf("Present = %v; want ErrStopped", err)
		}
	})
}

// trace is one day's events of a building whose chance has a seed.
func trace(t *testing.T) (all [][]byte) {
	t.Run("day", func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, 42)
		synctest.Test(t, func(t *testing.T) {
			b := newBuilding(t)
			b.warm()
			b.present("ktv", b.ticket(once))
			b.through()
			b.present("gym", b.ticket(func(t *wire.Ticket) { t.Door = "gym" }))
			b.pass(10 * time.Second)
			ch, _ := b.ask("o1", "door/ktv")
			b.order(b.signed(ch, nil))
			b.through()
			b.ktv.with(func() { b.ktv.open = true })
			b.pass(time.Minute)
			all = b.raw()
		})
	})
	return all
}

// invariant 14
func TestSameSeedSameTrace(t *testing.T) {
	first, second := trace(t), trace(t)
	if len(first) < 10 || !slices.EqualFunc(first, second, slices.Equal[[]byte]) {
		t.Errorf("two runs of %d and %d events differ", len(first), len(second))
	}
}

func TestImpossibleDoors(t *testing.T) {
	one := map[string]drivers.Door{"ktv": &door{}}
	for name, c := range map[string]Config{
		"no gateway":    {Doors: []DoorConfig{{ID: "ktv"}}},
		"no driver":     {Gateway: gatewayID, Doors: []DoorConfig{{ID: "gym"}}},
		"named twice":   {Gateway: gatewayID, Doors: []DoorConfig{{ID: "ktv"}, {ID: "ktv"}}},
		"no id":         {Gateway: gatewayID, Doors: []DoorConfig{{ID: "KTV"}}},
		"a long strike": {Gateway: gatewayID, Doors: []DoorConfig{{ID: "ktv", Strike: time.Minute}}},
	} {
		c1 := clock.New(1, time.Time{}, clock.System())
		if _, err := New(Deps{Clock: c1, Key: make([]byte, 32), Doors: one}, c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: New = %v; want %v", name, err, ErrConfig)
		}
	}
	if _, err := New(Deps{Doors: one}, Config{Gateway: gatewayID}); !errors.Is(err, ErrConfig) {
		t.Errorf("without a key: New = %v", err)
	}
}
