package fleet

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// ask asks for a command as a person does, and gives what was published.
func (b *bench) ask(gateway, device string) (c Command, err error) {
	b.Helper()
	var m Message
	err = b.db.Write(b.Context(), func(tx *store.Tx) (err error) {
		c, m, err = b.fleet.Ask(b.Context(), tx, Command{Gateway: gateway, Device: device, What: "open", Who: "person/1", Why: "visitor"})
		return err
	})
	if err == nil {
		b.fleet.Publish([]Message{m})
	}
	return c, err
}

func (b *bench) asked(gateway, device string) Command {
	b.Helper()
	c, err := b.ask(gateway, device)
	b.must(err)
	return c
}

// challengeFor is what a gateway answers a request with.
func challengeFor(c Command, bend func(*wire.Challenge)) challenge {
	answer := wire.Challenge{Gateway: c.Gateway, ID: c.ID, Device: c.Device, What: c.What, Challenge: base64.RawURLEncoding.EncodeToString(make([]byte, 32))}
	if bend != nil {
		bend(&answer)
	}
	payload, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return challenge{c.Gateway, payload}
}

// orders are the signed commands among what was published, each checked.
func (b *bench) orders() (all []wire.Command) {
	b.Helper()
	var public ed25519.PublicKey
	for _, k := range b.fleet.Keys().KeySet().Keys {
		if k.Use == UseCommand {
			public = k.Public
		}
	}
	for _, m := range b.sent {
		var c wire.Command
		if wire.Open(public, wire.ContextCommand, m.Payload, &c) == nil {
			if m.Topic != wire.CommandTopic(c.Gateway) {
				b.Errorf("the command of %s goes to %s", c.Gateway, m.Topic)
			}
			all = append(all, c)
		}
	}
	return all
}

func (b *bench) command(id string) (c Command) {
	b.Helper()
	b.must(b.db.Read(b.Context(), func(tx *store.Tx) (err error) {
		c, err = b.fleet.CommandByID(b.Context(), tx, id)
		return err
	}))
	return c
}

func (b *bench) bend(column, to string, c Command) {
	b.Helper()
	b.write(func(tx *store.Tx) error {
		_, err := tx.Exec(b.Context(), `UPDATE commands SET `+column+` = `+to+` WHERE id = $1`, c.ID)
		return err
	})
}

// older lets a minute pass: there is room for more commands.
func (b *bench) older() {
	b.Helper()
	b.write(func(tx *store.Tx) error {
		_, err := tx.Exec(b.Context(), `UPDATE commands SET asked = asked - 60000000`)
		return err
	})
}

func TestCommandIsSignedOverItsChallenge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		c := b.asked("gw-1", "door/ktv")
		var request wire.CommandRequest
		if len(b.sent) != 1 || b.sent[0].Topic != wire.CommandTopic("gw-1") || json.Unmarshal(b.sent[0].Payload, &request) != nil ||
			request != (wire.CommandRequest{Doc: "request", ID: c.ID, Device: "door/ktv", What: "open"}) {
			t.Fatalf("published %d messages; want the request", len(b.sent))
		}
		if c := b.command(c.ID); c.State != CommandAsked || !c.Waits() || c.Asked == 0 {
			t.Errorf("%+v; want it asked", c)
		}
		b.must(b.fleet.signOver(t.Context(), challengeFor(c, nil), time.Now()))
		want := wire.Command{Doc: "command", Gateway: "gw-1", Key: "command-1", ID: c.ID, Device: "door/ktv", What: "open",
			Challenge: strings.Repeat("A", 43), Who: "person/1", Why: "visitor"}
		if got := b.orders(); !slices.Equal(got, []wire.Command{want}) {
			t.Errorf("signed %+v; want %+v", got, want)
		}
		if c := b.command(c.ID); c.State != CommandSigned || !c.Waits() || c.Signed < c.Asked {
			t.Errorf("%+v; want it signed", c)
		}
	})
}

// invariant 5: a command is signed once, whatever of its messages is repeated, changed, somebody else's, late, or answered
// by a database that was put back.
func TestNothingElseIsSigned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		b.write(func(tx *store.Tx) error { return b.fleet.RegisterGateway(t.Context(), tx, gateway("gw-2"), b.now) })
		second := func(us string) func(Command) { return func(c Command) { b.bend("asked", "asked - ("+us+")", c) } }
		for _, tt := range []struct {
			name   string
			before func(Command)
			bend   func(*wire.Challenge)
			from   string
			signs  bool
		}{
			{name: "as it should be", signs: true},
			{name: "14 s later", before: second("14000000"), signs: true},
			{name: "15 s later", before: second("15000000")},
			{name: "an hour later", before: second("3600000000")},
			{name: "asked in the future", before: second("-2000000")},
			{name: "another life of the database", before: func(c Command) { b.bend("timeline", "'x' || timeline", c) }},
			{name: "signed already", before: func(c Command) { b.must(b.fleet.signOver(t.Context(), challengeFor(c, nil), time.Now())); b.sent = nil }},
			{name: "refused already", before: func(c Command) { b.bend("state", "'refused'", c) }},
			{name: "another command", bend: func(c *wire.Challenge) { c.ID += "0" }},
			{name: "another device", bend: func(c *wire.Challenge) { c.Device = "door/gym" }},
			{name: "another deed", bend: func(c *wire.Challenge) { c.What = "unlock" }},
			{name: "another gateway named", bend: func(c *wire.Challenge) { c.Gateway = "gw-2" }},
			{name: "another gateway", from: "gw-2", bend: func(c *wire.Challenge) { c.Gateway = "gw-2" }},
			{name: "no chance", bend: func(c *wire.Challenge) { c.Challenge = "" }},
			{name: "little chance", bend: func(c *wire.Challenge) { c.Challenge = c.Challenge[:40] }},
			{name: "padded", bend: func(c *wire.Challenge) { c.Challenge += "=" }},
			{name: "broken over lines", bend: func(c *wire.Challenge) { c.Challenge = c.Challenge[:20] + "\n" + c.Challenge[20:] }},
		} {
			b.older()
			c := b.asked("gw-1", "door/ktv")
			if tt.before != nil {
				tt.before(c)
			}
			b.sent = nil
			of := challengeFor(c, tt.bend)
			if tt.from != "" {
				of.gateway = tt.from
			}
			err := b.fleet.signOver(t.Context(), of, time.Now())
			if got := b.orders(); (len(got) == 1) != tt.signs || (err == nil) != tt.signs {
				t.Errorf("%s: signed %v, %v; want signed %t", tt.name, got, err, tt.signs)
			}
		}
		if err := b.fleet.signOver(t.Context(), challenge{"gw-1", []byte("{")}, time.Now()); !errors.Is(err, wire.ErrFormat) {
			t.Errorf("no challenge at all = %v", err)
		}
	})
}

// invariant 5: two replicas that both hear a challenge sign one command between them.
func TestReplicasSignOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		b := newBench(t, db)
		if strings.HasSuffix(t.Name(), "/postgres") {
			db = open() // SQLite has one process, and one life for each time that the file is opened
		}
		var mu sync.Mutex
		signed := 0
		count := func(_ string, payload []byte) error {
			mu.Lock()
			defer mu.Unlock()
			signed++
			return nil
		}
		replicas := []*Fleet{New(b.db, b.fleet.keys, Options{Publish: count}), New(db, b.fleet.keys, Options{Publish: count})}
		c := b.asked("gw-1", "door/ktv")
		var wg sync.WaitGroup
		for n := range 8 {
			of := challengeFor(c, func(c *wire.Challenge) { c.Challenge = string(rune('A'+n)) + c.Challenge[1:] })
			wg.Go(func() {
				if err := replicas[n%2].signOver(t.Context(), of, time.Now()); err != nil && !errors.Is(err, errNotAsked) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if signed != 1 {
			t.Errorf("signed %d times; want once", signed)
		}
	})
}

// invariant 5: a file that was put back within the 15 s signs nothing that was asked of it before.
func TestFilePutBackSignsNothing(t *testing.T) {
	dsn := storetest.SQLite(t)
	db, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, db)
	c := b.asked("gw-1", "door/ktv")
	b.must(db.Close()) // leaves all in the one file
	text, err := os.ReadFile(strings.TrimPrefix(dsn, "file:"))
	b.must(err)
	back := filepath.Join(t.TempDir(), "back.db")
	b.must(os.WriteFile(back, text, 0o600))
	b.db = storetest.Open(t, "file:"+back)
	b.fleet = New(b.db, b.fleet.keys, Options{Publish: b.fleet.publish})
	if err := b.fleet.signOver(t.Context(), challengeFor(c, nil), time.Now()); !errors.Is(err, errNotAsked) || len(b.orders()) != 0 {
		t.Errorf("signed %v, %v", b.orders(), err)
	}
	if c := b.command(c.ID); c.State != CommandLapsed || c.Waits() {
		t.Errorf("%+v; want it lapsed", c)
	}
	again := b.asked("gw-1", "door/ktv")
	b.must(b.fleet.signOver(t.Context(), challengeFor(again, nil), time.Now()))
}

// A lost request or challenge costs nothing but the time; nothing asks or signs again by itself.
func TestLostMessagesLapse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		c := b.asked("gw-1", "door/ktv")
		b.bend("asked", "asked - 15000000", c)
		if got := b.command(c.ID); got.State != CommandLapsed || got.Waits() {
			t.Errorf("%+v after 15 s; want it lapsed", got)
		}
		signed := b.asked("gw-1", "door/ktv")
		b.must(b.fleet.signOver(t.Context(), challengeFor(signed, nil), time.Now()))
		b.bend("asked", "asked - 30000000", signed)
		if got := b.command(signed.ID); got.State != CommandSigned || got.Waits() {
			t.Errorf("%+v, signed and no outcome in 30 s; want it signed, and nothing to wait for", got)
		}
		b.sent = nil
		b.must(b.fleet.RefreshStale(t.Context(), b.now))
		if _, err := b.fleet.Pulse(t.Context(), "gw-1", nil, b.now); err == nil {
			t.Error("an empty pulse is taken")
		}
		for _, m := range b.sent {
			if m.Topic == wire.CommandTopic("gw-1") {
				t.Errorf("published %s by itself", m.Payload)
			}
		}
	})
}

func TestOutcomes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		end := func(gateway, id string, state CommandState, code string, newer bool) {
			t.Helper()
			b.write(func(tx *store.Tx) error {
				return b.fleet.Ended(t.Context(), tx, gateway, id, state, wire.CommandOutcome{Device: "door/ktv", What: "open", Code: code}, 1234, newer)
			})
		}
		c := b.asked("gw-1", "door/ktv")
		b.must(b.fleet.signOver(t.Context(), challengeFor(c, nil), time.Now()))
		end("gw-2", c.ID, CommandOpened, "", true)
		if got := b.command(c.ID); got.State != CommandSigned {
			t.Errorf("another gateway's word counts: %+v", got)
		}
		end("gw-1", c.ID, CommandUnknown, "silent", false)
		end("gw-1", c.ID, CommandOpened, "", false)
		if got := b.command(c.ID); got.State != CommandUnknown || got.Code != "silent" || got.Ended != 1234 || got.Waits() {
			t.Errorf("%+v; want the first outcome", got)
		}
		end("gw-1", c.ID, CommandRefused, "late", true)
		if got := b.command(c.ID); got.State != CommandRefused || got.Code != "late" || got.Who != "person/1" {
			t.Errorf("%+v; want the newer outcome", got)
		}
		b.sent = nil
		if err := b.fleet.signOver(t.Context(), challengeFor(c, nil), time.Now()); !errors.Is(err, errNotAsked) {
			t.Errorf("signed after its outcome: %v", err)
		}
		lost := Command{ID: "of-a-lost-life", Gateway: "gw-1", Device: "door/ktv", What: "open"}
		end("gw-1", lost.ID, CommandOpened, "", true)
		if got := b.command(lost.ID); got.State != CommandOpened || got.Who != "" || got.Device != "door/ktv" {
			t.Errorf("%+v; want the outcome of a command that this database never heard of", got)
		}
		if err := b.fleet.signOver(t.Context(), challengeFor(lost, nil), time.Now()); !errors.Is(err, errNotAsked) || len(b.orders()) != 0 {
			t.Errorf("signed a command of a lost life: %v", err)
		}
		b.must(b.db.Read(t.Context(), func(tx *store.Tx) error {
			all, err := b.fleet.Commands(t.Context(), tx, "site-1")
			if len(all) != 2 || all[0].ID != c.ID {
				t.Errorf("commands of the site: %+v", all)
			}
			return err
		}))
	})
}

// invariant 13
func TestCommandsAMinuteAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := newBench(t, open())
		ids := []string{"gw-1"}
		b.write(func(tx *store.Tx) error {
			for n := range 14 {
				ids = append(ids, "gw-x"+string(rune('a'+n)))
				if err := b.fleet.RegisterGateway(t.Context(), tx, gateway(ids[n+1]), b.now); err != nil {
					return err
				}
			}
			return nil
		})
		var wg sync.WaitGroup
		var mu sync.Mutex
		asked := map[string]int{}
		for _, id := range ids {
			for range 7 {
				wg.Go(func() {
					err := b.db.Write(t.Context(), func(tx *store.Tx) error {
						_, _, err := b.fleet.Ask(t.Context(), tx, Command{Gateway: id, Device: "door/ktv", What: "open", Who: "person/1", Why: "visitor"})
						return err
					})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						asked[id]++
					} else if !errors.Is(err, ErrCommands) {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		all := 0
		for id, n := range asked {
			if all += n; n > gatewayCommands {
				t.Errorf("gateway %s: %d within a minute; want %d at most", id, n, gatewayCommands)
			}
		}
		if all != fleetCommands {
			t.Errorf("%d within a minute; want %d", all, fleetCommands)
		}
		b.older()
		b.asked("gw-1", "door/ktv")
		for _, bad := range []Command{{Gateway: "gw-9", Device: "d", What: "w", Who: "p", Why: "c"}, {Gateway: "gw-1", Device: "d", What: "w", Who: "p", Why: "free text"}, {Gateway: "gw-1", What: "w", Who: "p", Why: "c"}} {
			err := b.db.Write(t.Context(), func(tx *store.Tx) error { _, _, err := b.fleet.Ask(t.Context(), tx, bad); return err })
			if !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrInput) {
				t.Errorf("Ask(%+v) = %v", bad, err)
			}
		}
	})
}

// invariant 13: a flood of one gateway neither holds the broker up nor takes the others' place.
func TestFloodOfChallengesIsDropped(t *testing.T) {
	q := newChallenges()
	for n := range 10 {
		if got := q.put(challenge{gateway: "flood"}); got != (n < waitingOfGateway) {
			t.Errorf("challenge %d of one gateway taken: %t", n, got)
		}
	}
	if !q.put(challenge{gateway: "other"}) {
		t.Error("a flood keeps another gateway out")
	}
	taken := 0
	for n := range 2 * waitingAll {
		if q.put(challenge{gateway: string(rune(n + 256))}) {
			taken++
		}
	}
	if taken != waitingAll-waitingOfGateway-1 {
		t.Errorf("%d more taken; want the queue full", taken)
	}
	for range waitingOfGateway {
		q.done((<-q.queue).gateway)
	}
	if !q.put(challenge{gateway: "flood"}) {
		t.Error("no room after all were answered")
	}
}

func FuzzParseChallenge(f *testing.F) {
	f.Add([]byte(`{"gateway":"gw-1","id":"0198","device":"door/ktv","what":"open","challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`))
	f.Add([]byte(`{"gateway":"gw-1","challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseChallenge(challenge{"gw-1", payload})
		if err == nil && (c.Gateway != "gw-1" || len(c.Challenge) != 43) {
			t.Errorf("%q is taken for the challenge %+v", payload, c)
		}
	})
}

func TestGrantsArePartedByDay(t *testing.T) {
	at := func(text string) wire.Micros {
		v, err := time.ParseInLocation("2006-01-02 15:04", text, Taipei())
		if err != nil {
			t.Fatal(err)
		}
		return wire.At(v)
	}
	all := []wire.Grant{{ID: "c", From: at("2026-11-29 00:00")}, {ID: "b", From: at("2026-11-28 23:50")}, {ID: "a", From: at("2026-11-28 07:50")}}
	parts, err := appendGrants(nil, wire.PartGrants, wire.Grants{Grants: all})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	days := map[wire.Hash]string{}
	for _, p := range parts {
		names = append(names, p.name)
		days[p.hash] = strings.TrimPrefix(p.name, wire.PartGrants+"/")
	}
	if want := []string{"grants/2026-11-28", "grants/2026-11-29", "grants"}; !slices.Equal(names, want) {
		t.Fatalf("parts %v; want %v", names, want)
	}
	raw, _, err := wire.DecodePart(parts[2].packed)
	var index wire.GrantIndex
	if err != nil || json.Unmarshal(raw, &index) != nil || len(index.Days) != 2 {
		t.Fatalf("index %s, %v", raw, err)
	}
	for _, d := range index.Days {
		if days[d.Hash] != d.Name {
			t.Errorf("day %s names the part of %q", d.Name, days[d.Hash])
		}
	}
	raw, _, err = wire.DecodePart(parts[0].packed)
	var first wire.Grants
	if err != nil || json.Unmarshal(raw, &first) != nil || len(first.Grants) != 2 || first.Grants[0].ID != "a" || first.Grants[1].ID != "b" {
		t.Errorf("first day %s, %v; want a and b", raw, err)
	}
	if parts, err = appendGrants(nil, wire.PartGrants, wire.Grants{}); err != nil || len(parts) != 1 {
		t.Errorf("no grants = %d parts, %v; want an empty index", len(parts), err)
	}
}
