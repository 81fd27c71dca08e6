package grants

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/grants/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func signer(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
}

func fleetKeys() wire.KeySet {
	public := func(n byte) []byte { return signer(n).Public().(ed25519.PublicKey) }
	until := func(days int) wire.Micros { return wire.At(noon.AddDate(0, 0, days)) }
	return wire.KeySet{Doc: "keys", Fleet: "city", Version: 1, Keys: []wire.Key{
		{ID: "t1", Use: document.UseTicket, Public: public(1), Until: until(90)},
		{ID: "t0", Use: document.UseTicket, Public: public(2), Until: until(-1)},
		{ID: "c1", Use: document.UseCommand, Public: public(3), Until: until(90)},
		{ID: "c0", Use: document.UseCommand, Public: public(4), Until: until(-1)},
		{ID: "s1", Use: document.UseState, Public: public(5), Until: until(90)},
	}}
}

func ticket(change func(*wire.Ticket)) wire.Ticket {
	t := wire.Ticket{
		ID: "b1", Gateway: "site-1", Door: "ktv", From: wire.At(noon), Until: wire.At(noon.Add(2 * time.Hour)), Uses: 1,
		Issued: wire.At(noon.Add(-time.Hour)), Key: "t1",
	}
	if change != nil {
		change(&t)
	}
	return t
}

// invariants 5 and 11
func TestOpenTicket(t *testing.T) {
	now := rules.Moment{Now: noon, Floor: noon, Certain: true}
	old := rules.Moment{Now: noon.AddDate(0, 0, -2), Certain: true}
	lost := rules.Moment{Now: noon.AddDate(14, 0, 0), Floor: noon.AddDate(0, 0, -2)}
	tests := []struct {
		name   string
		key    byte
		now    rules.Moment
		change func(*wire.Ticket)
		want   error
	}{
		{"right", 1, now, nil, nil},
		{"another key", 2, now, nil, wire.ErrSignature},
		{"an unknown key", 1, now, func(t *wire.Ticket) { t.Key = "t9" }, document.ErrKey},
		{"the command key", 3, now, func(t *wire.Ticket) { t.Key = "c1" }, document.ErrKey},
		{"a key that has ended", 2, now, func(t *wire.Ticket) { t.Key, t.Issued = "t0", wire.At(noon.AddDate(0, 0, -2)) }, document.ErrKey},
		{"a key that ended before it was issued", 2, old, func(t *wire.Ticket) { t.Key = "t0" }, document.ErrKey},
		{"a key that lived then and lives", 2, old, func(t *wire.Ticket) { t.Key, t.Issued = "t0", wire.At(noon.AddDate(0, 0, -2)) }, nil},
		{"an uncertain clock ends no key", 1, lost, nil, nil},
		{"too long", 1, now, func(t *wire.Ticket) { t.Until = t.From + wire.MaxTicket + 1 }, wire.ErrFormat},
		{"as long as may be", 1, now, func(t *wire.Ticket) { t.Until = t.From + wire.MaxTicket }, nil},
		{"for ever", 1, now, func(t *wire.Ticket) { t.From = -1 << 63 }, wire.ErrFormat},
		{"backwards", 1, now, func(t *wire.Ticket) { t.Until = t.From }, wire.ErrFormat},
		{"issued after its end", 1, now, func(t *wire.Ticket) { t.Issued = t.Until }, wire.ErrFormat},
		{"a long name", 1, now, func(t *wire.Ticket) { t.ID = strings.Repeat("b", maxWord+1) }, wire.ErrFormat},
		{"nameless", 1, now, func(t *wire.Ticket) { t.ID = "" }, wire.ErrFormat},
		{"fewer than no uses", 1, now, func(t *wire.Ticket) { t.Uses = -1 }, wire.ErrFormat},
	}
	for _, tt := range tests {
		text, err := wire.SignTicket(signer(tt.key), ticket(tt.change))
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenTicket(fleetKeys(), text, tt.now)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: OpenTicket = %v; want %v", tt.name, err, tt.want)
		}
		if err == nil && got != ticket(tt.change) || err != nil && got != (wire.Ticket{}) {
			t.Errorf("%s: OpenTicket = %+v", tt.name, got)
		}
	}
}

// Whatever the machine's clock does between any two steps, a right that has ended by the floor is never good again until
// an answer of the cloud lowers it, and one that is good by a certain clock is inside its window. // invariant 5
func TestClockSteps(t *testing.T) {
	for seed := range uint64(10_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		truth, wall, mono := noon, noon, time.Duration(0)
		c := clock.New(1, noon.Add(-time.Hour), func() (time.Time, time.Duration) { return wall, mono })
		ended := map[int]bool{}
		for range 30 {
			step := time.Duration(r.Int64N(int64(40 * time.Minute)))
			truth, wall, mono = truth.Add(step), wall.Add(step), mono+step
			switch r.IntN(6) {
			case 0, 1:
				wall = wall.Add(time.Duration(r.Int64N(int64(20*365*24*time.Hour))) - 10*365*24*time.Hour)
			case 2:
				wall = truth
			case 3:
				c.Issued(truth.Add(-time.Duration(r.Int64N(int64(time.Hour)))))
			case 4:
				c.Answered(truth, mono, mono)
				clear(ended)
			}
			m := Moment(c)
			for n := range 8 {
				from := noon.Add(time.Duration(n-3) * 90 * time.Minute)
				until := from.Add(2 * time.Hour)
				standing, marked := m.Window(from, until)
				switch {
				case standing != rules.Living:
					ended[n] = ended[n] || !m.Floor.Before(until)
				case ended[n]:
					t.Fatalf("seed %d: window %d revived at %+v", seed, n, m)
				case marked == m.Certain, m.Certain && (m.Now.Before(from) || !m.Now.Before(until)):
					t.Fatalf("seed %d: window %d is living at %+v, marked %t", seed, n, m, marked)
				}
			}
		}
	}
}

// What opens is what was signed, to the letter. // invariant 11
func FuzzOpen(f *testing.F) {
	text, err := wire.SignTicket(signer(1), ticket(nil))
	if err != nil {
		f.Fatal(err)
	}
	signed, err := wire.Sign(signer(3), wire.ContextCommand, command(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(text))
	f.Add(signed)
	f.Add([]byte(text + "A"))
	f.Add([]byte("{}\n\n"))
	now := rules.Moment{Now: noon, Floor: noon, Certain: true}
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, err := OpenTicket(fleetKeys(), string(in), now); err == nil && (string(in) != text || got != ticket(nil)) {
			t.Errorf("OpenTicket(%q) = %+v", in, got)
		}
		if got, err := OpenCommand(fleetKeys(), "site-1", in, now); err == nil && (string(in) != string(signed) || got != command(nil)) {
			t.Errorf("OpenCommand(%q) = %+v", in, got)
		}
	})
}

func command(change func(*wire.Command)) wire.Command {
	c := wire.Command{
		Doc: "command", Gateway: "site-1", Key: "c1", ID: "o1", Device: "door/ktv", What: "open", Challenge: "x", Who: "m1", Why: "forgot_key",
	}
	if change != nil {
		change(&c)
	}
	return c
}

// invariant 11
func TestOpenCommand(t *testing.T) {
	now := rules.Moment{Now: noon, Floor: noon, Certain: true}
	long := string(make([]byte, maxWord+1))
	tests := []struct {
		name    string
		key     byte
		context wire.Context
		change  func(*wire.Command)
		want    error
	}{
		{"right", 3, wire.ContextCommand, nil, nil},
		{"another key", 1, wire.ContextCommand, nil, wire.ErrSignature},
		{"the state key", 5, wire.ContextCommand, func(c *wire.Command) { c.Key = "s1" }, document.ErrKey},
		{"a key that has ended", 4, wire.ContextCommand, func(c *wire.Command) { c.Key = "c0" }, document.ErrKey},
		{"another context", 3, wire.ContextState, nil, wire.ErrSignature},
		{"another gateway", 3, wire.ContextCommand, func(c *wire.Command) { c.Gateway = "site-2" }, wire.ErrContext},
		{"no command", 3, wire.ContextCommand, func(c *wire.Command) { c.Doc = "request" }, wire.ErrFormat},
		{"nameless", 3, wire.ContextCommand, func(c *wire.Command) { c.ID = "" }, wire.ErrFormat},
		{"a long name", 3, wire.ContextCommand, func(c *wire.Command) { c.ID = long }, wire.ErrFormat},
		{"a long reason", 3, wire.ContextCommand, func(c *wire.Command) { c.Why = long }, wire.ErrFormat},
	}
	for _, tt := range tests {
		payload, err := wire.Sign(signer(tt.key), tt.context, command(tt.change))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenCommand(fleetKeys(), "site-1", payload, now); !errors.Is(err, tt.want) || err != nil && got != (wire.Command{}) {
			t.Errorf("%s: OpenCommand = %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
	if _, err := OpenCommand(fleetKeys(), "site-1", make([]byte, wire.MaxMessage+1), now); !errors.Is(err, wire.ErrSize) {
		t.Errorf("OpenCommand of too much = %v", err)
	}
}

// invariant 5
func TestChallenges(t *testing.T) {
	const life = wire.ChallengeSeconds * time.Second
	ask := wire.CommandRequest{ID: "o1", Device: "door/ktv", What: "open"}
	answer := func(ch wire.Challenge) wire.Command {
		return wire.Command{ID: ch.ID, Device: ch.Device, What: ch.What, Challenge: ch.Challenge}
	}
	c := NewChallenges("site-1")
	first := c.For(ask, 0)
	if again := c.For(ask, life-1); again != first || len(first.Challenge) != 43 || first.Gateway != "site-1" {
		t.Errorf("asked again: %+v; want %+v", again, first)
	}
	for name, change := range map[string]func(*wire.Command){
		"id":        func(c *wire.Command) { c.ID = "o2" },
		"device":    func(c *wire.Command) { c.Device = "door/gym" },
		"what":      func(c *wire.Command) { c.What = "shut" },
		"challenge": func(c *wire.Command) { c.Challenge = "A" + c.Challenge[1:] + "A" },
		"none":      func(c *wire.Command) { c.Challenge = "" },
	} {
		wrong := answer(first)
		change(&wrong)
		if _, err := c.Take(wrong, 1); !errors.Is(err, ErrChallenge) {
			t.Errorf("Take with another %s = %v", name, err)
		}
	}
	if until, err := c.Take(answer(first), life-1); err != nil || until != life {
		t.Errorf("Take = %v, %v; want %v", until, err, life)
	}
	if _, err := c.Take(answer(first), life-1); !errors.Is(err, ErrChallenge) {
		t.Errorf("Take for the second time = %v", err)
	}
	second := c.For(ask, life)
	if second.Challenge == first.Challenge {
		t.Error("the same challenge twice")
	}
	if _, err := c.Take(answer(second), 2*life); !errors.Is(err, ErrChallenge) {
		t.Errorf("Take at its end = %v", err)
	}
	third := c.For(ask, 2*life)
	other := c.For(wire.CommandRequest{ID: "o2", Device: "door/ktv", What: "open"}, 2*life)
	if _, err := c.Take(answer(third), 2*life); !errors.Is(err, ErrChallenge) { // one living per device
		t.Errorf("Take of one that was displaced = %v", err)
	}
	if _, err := c.Take(answer(other), 2*life); err != nil {
		t.Errorf("Take = %v", err)
	}
	if _, err := c.Take(wire.Command{}, 0); !errors.Is(err, ErrChallenge) {
		t.Errorf("Take of nothing = %v", err)
	}
}
