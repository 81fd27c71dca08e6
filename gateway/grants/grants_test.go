package grants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/grants/rules"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 5, 4, 4, 0, 0, 0, time.UTC)

type desk struct {
	t       *testing.T
	store   *store.Store
	book    *Book
	now     time.Time
	private []byte
	key     wire.Key
	serial  int
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "gateway.db"), store.Options{Gateway: "gw", NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	private, public, err := wire.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	return &desk{
		t: t, store: s, book: NewBook("gw", bytes.Repeat([]byte{7}, 32)), now: noon, private: private,
		key: wire.Key{ID: "e1", Use: "seal", Public: public, Until: wire.At(noon.AddDate(1, 0, 0))},
	}
}

func (d *desk) update(fn func(*store.Tx) error) {
	d.t.Helper()
	if err := d.store.Update(context.Background(), fn); err != nil {
		d.t.Fatal(err)
	}
}

// pin mints a PIN and opens it as the cloud does.
func (d *desk) pin(unit, parcel string) Secret {
	d.t.Helper()
	var sealed *wire.Sealed
	d.update(func(tx *store.Tx) (err error) {
		sealed, err = d.book.MintPIN(tx, unit, parcel, d.now, d.key, true)
		return err
	})
	digits, err := sealed.Open(d.private, "gw", "parcel/"+parcel)
	if err != nil {
		d.t.Fatal(err)
	}
	return Secret(digits)
}

func (d *desk) code(h Holder) Minted {
	d.t.Helper()
	var m Minted
	d.serial++
	d.update(func(tx *store.Tx) (err error) {
		m, err = d.book.MintCode(tx, h, fmt.Sprintf("id-%d", d.serial), d.now, d.key)
		return err
	})
	return m
}

// guess counts, commits, judges.
func (d *desk) guess(g Guess, of Subject) (v Verdict, r Refusal) {
	d.t.Helper()
	var before Counted
	d.update(func(tx *store.Tx) (err error) {
		before, r, err = d.book.Count(tx, g, d.now)
		return err
	})
	if r.Reason != "" {
		return v, r
	}
	d.update(func(tx *store.Tx) (err error) {
		v, err = d.book.Judge(tx, g, before, of, d.now)
		return err
	})
	return v, r
}

var (
	home = Subject{Unit: "u1", Household: "h1"}
	none = Subject{}
)

// A right code at one screen gives back its own count alone: what another screen has counted meanwhile stays.
func TestTwoScreensCount(t *testing.T) {
	d := newDesk(t)
	right := d.code(Holder{Purpose: Household, ID: "h1", Unit: "u1"}).Digits
	wrong := 0
	for range rules.Limit(Household) / 5 { // an attacker at a door, in step with an accomplice at the kiosk who knows a code
		var before Counted
		d.update(func(tx *store.Tx) (err error) {
			before, _, err = d.book.Count(tx, Guess{Purpose: Household, Label: "A-1", Digits: right}, d.now)
			return err
		})
		if _, r := d.guess(Guess{Purpose: Household, Label: fmt.Sprint("B-", wrong), Digits: "00000000"}, none); r.Reason == "" {
			wrong++
		}
		d.update(func(tx *store.Tx) error {
			v, err := d.book.Judge(tx, Guess{Purpose: Household, Label: "A-1", Digits: right}, before, home, d.now)
			if !v.Right {
				t.Errorf("the right code: %+v", v)
			}
			return err
		})
	}
	d.update(func(tx *store.Tx) error {
		s, err := readScreen(tx, Household, d.now)
		if s.Wrong != wrong || wrong == 0 {
			t.Errorf("%d counted; want %d", s.Wrong, wrong)
		}
		return err
	})
}

func TestPINLife(t *testing.T) {
	d := newDesk(t)
	digits := d.pin("u1", "p1")
	if len(digits) != 6 {
		t.Fatalf("PIN of %d digits", len(digits))
	}
	g := Guess{Purpose: PIN, Label: "A-1", Digits: digits}
	if v, _ := d.guess(g, home); !v.Right || v.Parcel != "p1" || v.Holder != "h1" {
		t.Errorf("the right PIN: %+v", v)
	}
	for name, of := range map[string]Subject{"another unit": {Unit: "u2", Household: "h2"}, "no such unit": none} {
		if v, _ := d.guess(Guess{Purpose: PIN, Label: name, Digits: digits}, of); v.Right || v.PIN != "" {
			t.Errorf("at %s: %+v", name, v)
		}
	}
	d.update(func(tx *store.Tx) error { return d.book.UsePIN(tx, "u1", "p1", d.now) })
	if v, _ := d.guess(g, home); v.Right || v.PIN != Used || !v.At.Equal(d.now) {
		t.Errorf("a used PIN: %+v", v)
	}
	d.update(func(tx *store.Tx) error { return d.book.RevivePIN(tx, "u1", "p1", d.now) })
	if v, _ := d.guess(g, home); !v.Right {
		t.Errorf("a revived PIN: %+v", v)
	}
	d.update(func(tx *store.Tx) error { return d.book.EndPIN(tx, "u1", "p1", d.now) })
	if v, _ := d.guess(g, home); v.Right || v.PIN != Over {
		t.Errorf("an ended PIN: %+v", v)
	}
	d.now = d.now.Add(keepEnded + time.Second)
	d.update(func(tx *store.Tx) error { return d.book.Prune(tx, d.now) })
	if v, _ := d.guess(g, home); v.PIN != "" {
		t.Errorf("after 30 days: %+v", v)
	}
}

func TestPINAvoidsThoseOfItsUnit(t *testing.T) {
	d := newDesk(t)
	pins := map[Secret]string{}
	for _, parcel := range []string{"p1", "p2", "p3"} { // chance says the same thing each time
		t.Run(parcel, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, 1)
			digits := d.pin("u1", parcel)
			if other := pins[digits]; other != "" {
				t.Errorf("has the PIN of %s", other)
			}
			pins[digits] = parcel
			d.update(func(tx *store.Tx) error { return d.book.UsePIN(tx, "u1", parcel, d.now) })
		})
	}
	t.Run("another unit", func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, 1)
		if digits := d.pin("u2", "p4"); pins[digits] == "" {
			t.Error("chance does not repeat itself: this test shows nothing")
		}
	})
}

// A used PIN is no wrong guess, but it must not wash away those that were.
func TestUsedPINClearsNothing(t *testing.T) {
	d := newDesk(t)
	used := d.pin("u1", "p1")
	d.update(func(tx *store.Tx) error { return d.book.UsePIN(tx, "u1", "p1", d.now) })
	wrong := Guess{Purpose: PIN, Label: "A-1", Digits: "none"}
	for n := range 4 {
		if v, _ := d.guess(wrong, home); v.Left != 4-n {
			t.Errorf("wrong guess %d: %d left; want %d", n, v.Left, 4-n)
		}
		if v, r := d.guess(Guess{Purpose: PIN, Label: "A-1", Digits: used}, home); v.PIN != Used || r.Reason != "" {
			t.Errorf("used PIN: %+v, %+v", v, r)
		}
	}
	d.guess(wrong, home)
	if _, r := d.guess(wrong, home); r.Reason != "locked" {
		t.Errorf("after five wrong guesses: %+v", r)
	}
}

// Only the screen's own guess is given back by a right one.
func TestRightGuessKeepsTheScreensCount(t *testing.T) {
	d := newDesk(t)
	right := Guess{Purpose: PIN, Label: "A-1", Digits: d.pin("u1", "p1")}
	closed := 0
	for n := range 400 {
		d.now = d.now.Add(time.Minute)
		if _, r := d.guess(Guess{Purpose: PIN, Label: fmt.Sprintf("X-%d", n), Digits: "none"}, none); r.Reason == "closed" {
			closed = n
			break
		}
		d.guess(right, home)
	}
	if closed != 100 { // invariant 13
		t.Errorf("closed after %d wrong guesses; want 100", closed)
	}
	if _, r := d.guess(right, home); r.Reason != "closed" {
		t.Errorf("the pad is still open: %+v", r)
	}
}

// The guess is on disk before it is judged: whoever pulls the plug in between has spent it.
func TestPlugPulledBetweenCountAndJudge(t *testing.T) {
	d := newDesk(t)
	right := Guess{Purpose: PIN, Label: "A-1", Digits: d.pin("u1", "p1")}
	for range 5 {
		d.update(func(tx *store.Tx) error {
			_, _, err := d.book.Count(tx, right, d.now)
			return err
		})
	}
	if _, r := d.guess(right, home); r.Reason != "locked" || r.Until.Sub(d.now) != 5*time.Minute {
		t.Errorf("after five unplugged guesses: %+v", r)
	}
}

func TestCodes(t *testing.T) {
	d := newDesk(t)
	for _, h := range []Holder{
		{Purpose: Household, ID: "h1", Unit: "u1"}, {Purpose: Courier, ID: "c1"}, {Purpose: Guard, ID: "g1", Until: wire.At(noon.Add(time.Hour))},
	} {
		first := d.code(h)
		second := d.code(h)
		if len(second.Digits) != 8 || len(first.Events) != 1 || len(second.Events) != 2 || second.Events[0].Type != wire.CredentialEnded {
			t.Fatalf("%s: minted %+v, then %+v", h.Purpose, first, second)
		}
		guess := func(s Secret, of Subject) bool {
			v, _ := d.guess(Guess{Purpose: h.Purpose, Label: "A-1", Digits: s}, of)
			return v.Right && v.Holder == h.ID
		}
		revoked := home
		revoked.Revoked = map[string]bool{second.ID: true}
		if guess(first.Digits, home) || !guess(second.Digits, home) || guess(second.Digits, revoked) {
			t.Errorf("%s: the replaced or the revoked code is right, or the living one is not", h.Purpose)
		}
		if h.Purpose == Household && (guess(second.Digits, Subject{Unit: "u1", Household: "h9"}) || guess(second.Digits, Subject{Unit: "u2", Household: "h1"})) {
			t.Error("the code is right for the next tenant, or at another unit")
		}
		d.now = d.now.AddDate(1, 0, 1)
		if guess(second.Digits, home) {
			t.Errorf("%s: right after its end", h.Purpose)
		}
		d.now = noon
	}
}

func TestUnlock(t *testing.T) {
	d := newDesk(t)
	g := Guess{Purpose: PIN, Label: "A-1", Digits: "none"}
	for range 5 {
		d.guess(g, home)
	}
	var locked []LockedUnit
	look := func() {
		if err := d.store.View(func(tx *store.Tx) (err error) {
			locked, err = d.book.Locked(tx, d.now)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if look(); len(locked) != 1 || locked[0].Label != "A-1" {
		t.Errorf("locked %+v", locked)
	}
	for _, want := range []bool{true, false} {
		d.update(func(tx *store.Tx) error {
			was, err := d.book.Unlock(tx, "A-1", d.now)
			if was != want {
				t.Errorf("Unlock = %v; want %v", was, want)
			}
			return err
		})
	}
	if look(); len(locked) != 0 {
		t.Errorf("still locked: %+v", locked)
	}
}

// A parcel can be without a PIN: its household's code opens it.
func TestNoSealingKey(t *testing.T) {
	d := newDesk(t)
	d.update(func(tx *store.Tx) error {
		sealed, err := d.book.MintPIN(tx, "u1", "p1", d.now, wire.Key{}, false)
		if sealed != nil {
			t.Error("sealed to nobody")
		}
		return err
	})
	err := d.store.Update(context.Background(), func(tx *store.Tx) error {
		_, err := d.book.MintCode(tx, Holder{Purpose: Courier, ID: "c1"}, "id", d.now, wire.Key{ID: "bad", Public: []byte{1}})
		return err
	})
	if err == nil || errors.Is(err, ErrCrowded) {
		t.Errorf("a code for a broken key: %v", err)
	}
}

// invariant 10
func TestSecretHidesItself(t *testing.T) {
	s := Secret("471903")
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %v %s %v", s, s, s, s, s, Guess{Digits: s}, text, s.LogValue())
	if strings.Contains(all, "471903") {
		t.Errorf("printed: %s", all)
	}
}
