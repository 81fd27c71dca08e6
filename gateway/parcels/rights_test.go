package parcels

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/parcels/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestHours(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 5, 4, hour, minute, 0, 0, rules.Taipei()) }
	for _, c := range []struct {
		name     string
		from, to int
		at       time.Time
		want     bool
	}{
		{"always", 0, 0, at(3, 0), true},
		{"by day, inside", 8 * 60, 20 * 60, at(8, 0), true},
		{"by day, at the end", 8 * 60, 20 * 60, at(20, 0), false},
		{"by night, before midnight", 22 * 60, 6 * 60, at(23, 0), true},
		{"by night, after midnight", 22 * 60, 6 * 60, at(5, 59), true},
		{"by night, by day", 22 * 60, 6 * 60, at(12, 0), false},
	} {
		if got := within(wire.Courier{From: c.from, To: c.to}, c.at); got != c.want {
			t.Errorf("%s: within = %v; want %v", c.name, got, c.want)
		}
	}
}

// invariant 5: a code is worth what the state document says of its holder now.
func TestRightsEndWithTheirHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		now := time.Now().In(rules.Taipei())
		minute := now.Hour()*60 + now.Minute()
		b.content.couriers[0].From, b.content.couriers[0].To = (minute+60)%1440, (minute+120)%1440
		b.apply()
		if v, err := b.service.Deliver(t.Context(), b.codes["c1"]); err != nil || v.Reason != "hours" {
			t.Errorf("outside the hours: %+v, %v", v, err)
		}
		b.content.couriers, b.content.guards = nil, nil
		b.content.units[0].Household = "h9"
		b.apply()
		if v, err := b.service.Deliver(t.Context(), b.codes["c1"]); err != nil || v.Reason != "ended" {
			t.Errorf("a carrier that is gone: %+v, %v", v, err)
		}
		if v, err := b.service.SignIn(t.Context(), b.codes["g1"]); err != nil || v.Reason != "ended" {
			t.Errorf("a guard who is gone: %+v, %v", v, err)
		}
		if v := b.collect("A-12-3", "household", b.codes["h1"]); v.Reason != "wrong" {
			t.Errorf("the household that moved out: %+v", v)
		}
	})
}

func TestGuardVouchesForTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		g := b.signIn()
		if err := b.service.ConfirmClock(t.Context(), g, time.Now().AddDate(1, 0, 0), "watch"); !errors.Is(err, ErrBad) {
			t.Errorf("a time of 2001: %v; want ErrBad", err) // the bubble's clock begins in 2000
		}
		b.ok(b.service.ConfirmClock(t.Context(), g, time.Now().AddDate(26, 0, 0), "watch"))
		kinds := b.read()
		if kinds[len(kinds)-1] != wire.ClockConfirmed {
			t.Errorf("the last event is %s", kinds[len(kinds)-1])
		}
	})
}

func TestNoSealingKeyNoCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t, false)
		v, g := b.deliver(), b.signIn()
		b.pass(366 * 24 * time.Hour / 8760)                                                   // an hour: the courier's visit has ended
		b.clock.Answered(time.Now().AddDate(2, 0, 0), b.clock.Now().Mono, b.clock.Now().Mono) // the key has ended
		if _, err := b.service.NextCode(t.Context(), g, "A-12-3", "id_seen"); !errors.Is(err, ErrNoSeal) {
			t.Errorf("NextCode = %v; want ErrNoSeal", err)
		}
		if !b.service.Visit(v).Ended {
			t.Error("a courier who went away is still there")
		}
	})
}
