package parcels_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const box = "site-a-gw"

func read(t *testing.T, b *cloudtest.Bench, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := b.DB.Read(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func byID(t *testing.T, b *cloudtest.Bench, id string) (p parcels.Parcel, pin parcels.Secret) {
	t.Helper()
	read(t, b, func(tx *store.Tx) (err error) {
		if p, err = b.Parcels.ByID(t.Context(), tx, box, id); err != nil {
			return err
		}
		pin, err = b.Parcels.PIN(t.Context(), tx, p)
		return err
	})
	return p, pin
}

// invariant 4
func TestEveryOrderOfSegmentsEndsTheSame(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		var all []parcels.Parcel
		for n, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
			id := string(rune('a' + n))
			stored, settled, collected := b.Events(id)
			events := [3]wire.Event{stored, settled, collected}
			for _, i := range order {
				b.Block(box, uint64(3*n+i+1), 1, wire.Hash{1}, 0, events[i])
			}
			p, pin := byID(t, b, id)
			if p.State != "collected" || p.Version != 4 || p.EndedAt == 0 || pin != "" {
				t.Errorf("order %v: %+v; want collected", order, p)
			}
			p.ID = ""
			all = append(all, p)
		}
		for _, p := range all[1:] {
			if !reflect.DeepEqual(p, all[0]) {
				t.Errorf("%+v and %+v; want the same", p, all[0])
			}
		}
	})
}

// invariant 4
func TestABlockSentTwiceAndARebuildChangeNothing(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		stored, settled, _ := b.Events("p1")
		b.Block(box, 1, 1, wire.Hash{}, 0, stored, settled)
		before, pin := byID(t, b, "p1")
		b.Block(box, 1, 1, wire.Hash{}, 0, stored, settled)
		b.Write(func(tx *store.Tx) error { // what the log does not know
			_, err := tx.Exec(t.Context(), `UPDATE parcels SET id = 'ghost'`)
			return err
		})
		if err := b.Ingest.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after, again := byID(t, b, "p1"); !reflect.DeepEqual(before, after) || pin != again || pin.Reveal() != cloudtest.PINA1 {
			t.Errorf("%+v, then %+v; want no change", before, after)
		}
		read(t, b, func(tx *store.Tx) error {
			if _, err := b.Parcels.ByID(t.Context(), tx, box, "ghost"); !errors.Is(err, parcels.ErrUnknown) {
				t.Errorf("a parcel that the log does not know: %v; want it gone", err)
			}
			return nil
		})
	})
}

// The PIN comes in an event that may arrive after those that no longer repeat it.
func TestThePINMayComeLate(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		stored, settled, _ := b.Events("p1")
		b.Block(box, 2, 1, wire.Hash{1}, 0, settled)
		if p, pin := byID(t, b, "p1"); !p.Waiting() || pin != "" {
			t.Errorf("%+v; want it waiting without a PIN", p)
		}
		b.Block(box, 1, 1, wire.Hash{}, 1, stored)
		if p, pin := byID(t, b, "p1"); !p.Waiting() || pin.Reveal() != cloudtest.PINA1 {
			t.Errorf("%+v; want it waiting with its PIN", p)
		}
	})
}

// A PIN that belongs to another household than the parcel is not shown, and one sealed for another subject cannot be.
func TestAForeignPINIsNotShown(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		b.Parcel(box, "p1", "site-a-h1", "site-a-u1", cloudtest.PINA1, true)
		s := wire.Parcel{State: "stored", Household: "site-a-h2", Unit: "site-a-u2", StoredAt: wire.At(b.Now), SettledAt: wire.At(b.Now)}
		b.Send(box, wire.Event{Type: wire.ParcelChanged, Subject: "parcel/p1", Version: 9, State: cloudtest.Raw(s)})
		if _, pin := byID(t, b, "p1"); pin != "" {
			t.Error("the PIN of the household before is shown to the next")
		}
		s.PIN = b.Sealed(box, "parcel/p2", cloudtest.PINA2)
		b.Send(box, wire.Event{Type: wire.ParcelChanged, Subject: "parcel/p1", Version: 10, State: cloudtest.Raw(s)})
		read(t, b, func(tx *store.Tx) error {
			p, err := b.Parcels.ByID(t.Context(), tx, box, "p1")
			if err == nil {
				if _, err := b.Parcels.PIN(t.Context(), tx, p); err == nil {
					t.Error("a PIN sealed for another parcel is shown")
				}
			}
			return err
		})
	})
}

func TestTheNewestCodeIsTheLivingOne(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		codes := func() (all []parcels.Code) {
			read(t, b, func(tx *store.Tx) (err error) {
				all, err = b.Parcels.Codes(t.Context(), tx, "site-a", parcels.ForHousehold, "site-a-h1", b.Now)
				return err
			})
			return all
		}
		b.Code(box, "c1", "household", "site-a-h1", "11111111")
		b.Code(box, "c2", "household", "site-a-h1", "22222222")
		ended := wire.Credential{Purpose: "household", Holder: "site-a-h1", Ended: "replaced", Until: wire.At(b.Now.AddDate(1, 0, 0))}
		b.Send(box, wire.Event{Type: wire.CredentialMinted, Subject: "credential/c1", Version: 2, State: cloudtest.Raw(ended)})
		if all := codes(); len(all) != 1 || all[0].Digits.Reveal() != "22222222" {
			t.Errorf("%d codes; want the second alone", len(all))
		}
		b.Send(box, wire.Event{Type: wire.CredentialMinted, Subject: "credential/c2", Version: 2, State: cloudtest.Raw(ended)})
		if all := codes(); len(all) != 0 {
			t.Errorf("%d codes after both have ended; want none", len(all))
		}
		b.Code(box, "c3", "household", "site-a-h1", "33333333")
		b.Now = b.Now.AddDate(2, 0, 0)
		if all := codes(); len(all) != 0 {
			t.Error("a code lives beyond its end")
		}
	})
}

func TestDue(t *testing.T) {
	at := func(s string) wire.Micros {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, parcels.Taipei())
		if err != nil {
			t.Fatal(err)
		}
		return wire.At(v)
	}
	for _, tt := range []struct {
		name, known string
		policy      wire.Policy
		want        string
	}{
		{"nothing decided", "2026-06-15 12:00", wire.Policy{}, "2026-06-18 12:00"},
		{"two days", "2026-06-15 12:00", wire.Policy{StayHours: 48}, "2026-06-17 12:00"},
		{"on a holiday", "2026-10-07 23:30", wire.Policy{Holidays: []string{"2026-10-10"}}, "2026-10-11 23:30"},
		{"on three holidays", "2026-12-29 09:00", wire.Policy{Holidays: []string{"2027-01-02", "2027-01-01", "2027-01-03"}}, "2027-01-04 09:00"},
		{"in Taipei's day, not in UTC's", "2026-10-07 01:00", wire.Policy{Holidays: []string{"2026-10-10"}}, "2026-10-11 01:00"},
	} {
		if got := parcels.Due(at(tt.known), tt.policy); got != at(tt.want) {
			t.Errorf("%s: Due(%s) = %s; want %s", tt.name, tt.known, got.Time().In(parcels.Taipei()), tt.want)
		}
	}
}

func TestAMintedWishReachesTheDocumentOnce(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		first, err := b.Parcels.Mint(t.Context(), "site-a", parcels.ForHousehold, "site-a-h1", b.Now)
		if err != nil || len(first) != 1 {
			t.Fatalf("Mint = %v, %v", first, err)
		}
		again, err := b.Parcels.Mint(t.Context(), "site-a", parcels.ForHousehold, "site-a-h1", b.Now)
		if err != nil || len(again) != 1 || again[0].ID != first[0].ID {
			t.Errorf("Mint again = %v, %v; want the same wish", again, err)
		}
		b.Send(box, wire.Event{Type: wire.WishDone, Subject: "wish/" + first[0].ID, Data: cloudtest.Raw(wire.WishOutcome{Kind: parcels.WishMint, Target: first[0].Subject})})
		next, err := b.Parcels.Mint(t.Context(), "site-a", parcels.ForHousehold, "site-a-h1", b.Now)
		if err != nil || len(next) != 1 || next[0].ID == first[0].ID {
			t.Errorf("Mint after the answer = %v, %v; want another wish", next, err)
		}
	})
}

func TestADamagedStateCostsItsOwnEvent(t *testing.T) {
	cloudtest.Each(t, func(t *testing.T, b *cloudtest.Bench) {
		stored, settled, _ := b.Events("p1")
		bad := wire.Event{Type: wire.ParcelStored, Subject: "parcel/p0", Version: 1, State: []byte(`{"stored_at":"739154"}`)}
		b.Send(box, stored, bad, settled)
		if p, pin := byID(t, b, "p1"); !p.Waiting() || pin.Reveal() != cloudtest.PINA1 {
			t.Errorf("%+v; want it untouched by its neighbour", p)
		}
		if strings.Contains(b.Log.String(), "739154") {
			t.Error("what could not be read stands in the log")
		}
	})
}
