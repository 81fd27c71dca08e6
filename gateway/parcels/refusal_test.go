package parcels

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v := b.deliver()
		parcel, _ := b.drop(v, "A-12-3")
		b.ok(b.service.Leave(t.Context(), v))
		wrong := "000000"
		if wrong == b.codes[parcel] {
			wrong = "000001"
		}
		for _, unit := range []string{"A-12-3", "B-7-1", "C-99-9"} { // a parcel, none, no such unit: the same words
			for left := 4; left >= 0; left-- {
				if got := b.collect(unit, "pin", wrong); got.Reason != "wrong" || got.Left != left {
					t.Errorf("%s: %+v; want wrong, %d left", unit, got, left)
				}
			}
			if got := b.collect(unit, "pin", wrong); got.Reason != "locked" {
				t.Errorf("%s: %+v; want locked", unit, got)
			}
		}
		if got := b.collect("A-12-3", "pin", b.codes[parcel]); got.Reason != "locked" {
			t.Errorf("the right PIN while locked: %+v", got)
		}
		b.crash()
		b.start() // pulling the plug buys nothing
		if got := b.collect("A-12-3", "pin", b.codes[parcel]); got.Reason != "locked" {
			t.Errorf("the right PIN after pulling the plug: %+v", got)
		}
		if got := b.collect("A-12-3", "household", b.codes["h1"]); got.Visit == "" {
			t.Errorf("the household's code has counters of its own: %+v", got)
		}
		g := b.signIn()
		b.ok(b.service.UnlockUnit(t.Context(), g, "A-12-3", "id_seen"))
		if got := b.collect("A-12-3", "pin", b.codes[parcel]); got.Visit == "" {
			t.Errorf("after the guard has unlocked it: %+v", got)
		}
	})
}

// invariant 10
func TestNoSecretInClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v := b.deliver()
		b.drop(v, "A-12-3")
		b.drop(v, "B-7-1")
		b.ok(b.service.Leave(t.Context(), v))
		g := b.signIn()
		code, err := b.service.NextCode(t.Context(), g, "A-12-3", "id_seen")
		b.ok(err)
		b.collect("A-12-3", "pin", "123498")
		b.read()
		if b.codes["h1"] != code.Reveal() || fmt.Sprintf("%v %+v %#v %s", code, code, code, code) != strings.TrimSpace(strings.Repeat("[secret] ", 4)) {
			t.Error("the code is not the one sealed, or prints itself")
		}
		if len(b.codes) != 5 {
			t.Fatalf("codes of %d holders; want 5", len(b.codes))
		}
		file, events := b.file(), bytes.Join(b.events(), nil)
		for holder, digits := range b.codes {
			if bytes.Contains(file, []byte(digits)) || bytes.Contains(events, []byte(digits)) {
				t.Errorf("the code of %s stands in clear", holder)
			}
		}
		for _, word := range []string{"A-12-3", "陳", "迅達", "123498"} {
			if bytes.Contains(events, []byte(word)) {
				t.Errorf("events name %q", word)
			}
		}
	})
}

// invariant 9
func TestBadInputChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v, g := b.deliver(), b.signIn()
		before := len(b.events())
		ctx := t.Context()
		for name, err := range map[string]error{
			"label":        ignore(b.service.Collect(ctx, "a'; --", "pin", "123456")),
			"kind":         ignore(b.service.Collect(ctx, "A-12-3", "card", "123456")),
			"PIN":          ignore(b.service.Collect(ctx, "A-12-3", "pin", "12345x")),
			"code":         ignore(b.service.Deliver(ctx, "1234567")),
			"size":         b.service.Reserve(ctx, v, "A-12-3", "XXL"),
			"how":          b.service.Settle(ctx, v, "eaten"),
			"dispute":      b.service.Dispute(ctx, v, "A-1", "ugly"),
			"reason":       b.service.OpenDoor(ctx, g, "A-1", "Mr. Chen asked"),
			"empty reason": b.service.OpenDoor(ctx, g, "A-1", ""),
			"shelf":        b.service.ToOffice(ctx, g, "p", "shelf of Mr. Chen", "overdue"),
			"found":        b.service.Inspect(ctx, g, "A-1", "gold", "check"),
			"clock":        b.service.ConfirmClock(ctx, g, time.Time{}, "watch"),
			"id":           b.service.Leave(ctx, strings.Repeat("x", 100)),
		} {
			if !errors.Is(err, ErrBad) {
				t.Errorf("%s: %v; want ErrBad", name, err)
			}
		}
		for name, c := range map[string]struct{ got, want error }{
			"no unit":        {b.service.Reserve(ctx, v, "B-8-1", "S"), ErrNoUnit},
			"no session":     {b.service.OpenDoor(ctx, "nobody", "A-1", "test"), ErrSession},
			"no compartment": {b.service.OpenDoor(ctx, g, "Z-9", "test"), ErrUnknown},
			"no deposit":     {b.service.Settle(ctx, v, "inside"), ErrNotNow},
		} {
			if !errors.Is(c.got, c.want) {
				t.Errorf("%s: %v; want %v", name, c.got, c.want)
			}
		}
		if after := len(b.events()); after != before || b.bank.asked != 0 {
			t.Errorf("%d events more, %d pulses", after-before, b.bank.asked)
		}
	})
}

func ignore[T any](_ T, err error) error { return err }
