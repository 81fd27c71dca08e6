package doors

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func entryOf(t *testing.T, ev wire.Event) (e wire.Entry) {
	t.Helper()
	if err := json.Unmarshal(ev.Data, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestCommand(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.warm()
		ch, ok := b.ask("o1", "door/ktv")
		if !ok || ch.ID != "o1" || ch.Device != "door/ktv" || ch.What != "open" || len(ch.Challenge) != 43 {
			b.t.Fatalf("challenge %+v", ch)
		}
		since := len(b.events())
		b.order(b.signed(ch, nil))
		b.through()
		b.says(since, wire.DoorOpening, wire.DoorOpened, wire.CommandOpened, wire.DoorChanged)
		events := b.events()[since:]
		var said wire.CommandOutcome
		b.ok(json.Unmarshal(events[2].Data, &said))
		e := entryOf(b.t, events[0])
		if e.Right != "command" || e.Command != "o1" || e.Who != "m1" || e.Why != "delivery" || said.Intent != e.ID || said.Device != "door/ktv" ||
			events[2].Subject != "command/o1" || events[1].Wall != events[2].Wall {
			b.t.Errorf("%+v, %+v", e, said)
		}
		for want, set := range map[string]func(){
			wire.CommandPulsed:              func() {},
			wire.CommandUnknown:             func() { b.ktv.deaf = true },
			wire.CommandRefused + " late":   func() { b.ktv.deaf, b.ktv.late = false, 16*time.Second },
			wire.CommandRefused + " silent": func() { b.ktv.late, b.ktv.silent = 0, true },
		} {
			b.ktv.with(func() { b.ktv.deaf, b.ktv.late, b.ktv.silent = false, 0, false })
			b.pass(time.Minute)
			ch, _ := b.ask("o-"+want, "door/ktv")
			b.ktv.with(set)
			since := len(b.events())
			b.order(b.signed(ch, nil))
			b.pass(30 * time.Second)
			if got := b.kinds(since); !slices.Contains(got, want) {
				b.t.Errorf("events %q; want %q", got, want)
			}
		}
		b.ktv.with(func() { b.ktv.deaf, b.ktv.late, b.ktv.silent = false, 0, false })
		b.pass(time.Minute)
		since = len(b.events())
		ch, _ = b.ask("o9", "door/gym")
		b.order(b.signed(ch, nil))
		b.pass(10 * time.Second)
		b.says(since, wire.DoorOpening, wire.DoorOpened+" no_contact", wire.CommandPulsed, wire.DoorChanged)
	})
}

// The challenge's end goes with the job: a frame whose turn comes later is not written. // invariant 5
func TestCommandIsNeverLate(t *testing.T) {
	for name, c := range map[string]struct {
		asked, line time.Duration
		releases    int
	}{
		"in time":                {0, 14 * time.Second, 1},
		"the line was busy":      {0, 15*time.Second + 1, 0},
		"late, and a busy line":  {14 * time.Second, 2 * time.Second, 0},
		"late, and a quick line": {14 * time.Second, 900 * time.Millisecond, 1},
	} {
		bubble(t, name, func(b *building) {
			b.warm()
			ch, _ := b.ask("o1", "door/ktv")
			b.ktv.with(func() { b.ktv.late = c.line })
			b.pass(c.asked)
			b.order(b.signed(ch, nil))
			b.pass(time.Minute)
			if b.ktv.count() != c.releases {
				b.t.Errorf("%d releases; want %d: %q", b.ktv.count(), c.releases, b.kinds(0))
			}
		})
	}
}

// invariant 5: a recorded command opens nothing, whenever and however it comes again (the uplink drops what is retained or
// came on another topic)
func TestReplay(t *testing.T) {
	modes := map[string]func(b *building, recorded []byte, image []byte) (more int){
		"at once": func(b *building, recorded, _ []byte) int { b.order(recorded); return 0 },
		"after the deadline": func(b *building, recorded, _ []byte) int {
			b.pass(20 * time.Second)
			b.order(recorded)
			return 0
		},
		"after it was asked again": func(b *building, recorded, _ []byte) int {
			if _, ok := b.ask("o1", "door/ktv"); ok { // its intent is held
				b.t.Error("a second challenge for a command that was taken")
			}
			b.order(recorded)
			return 0
		},
		"beside another command": func(b *building, recorded, _ []byte) int {
			ch, _ := b.ask("o2", "door/ktv")
			b.order(recorded)
			b.order(b.signed(ch, nil))
			b.order(recorded)
			return 1
		},
		"for another door": func(b *building, recorded, _ []byte) int {
			b.ask("o1", "door/gym")
			b.order(recorded)
			return 0
		},
		"after a restart": func(b *building, recorded, _ []byte) int {
			b.stop()
			b.start()
			b.warm()
			b.order(recorded)
			if _, ok := b.ask("o1", "door/ktv"); ok {
				b.t.Error("a second challenge after a restart")
			}
			b.order(recorded)
			return 0
		},
		"on a disk that was put back": func(b *building, recorded, image []byte) int {
			b.stop()
			b.putBack(image)
			b.start()
			b.warm()
			b.order(recorded)
			if _, ok := b.ask("o1", "door/ktv"); !ok { // it knows nothing of the command, and asks for a fresh one
				b.t.Error("no challenge")
			}
			b.order(recorded)
			return 0
		},
		"at another gateway": func(b *building, _, _ []byte) int {
			b.t.Helper()
			ch, _ := b.ask("o3", "door/ktv")
			b.order(b.signed(ch, func(c *wire.Command) { c.Gateway = "gw-other" }))
			return 0
		},
	}
	for name, mode := range modes {
		bubble(t, name, func(b *building) {
			b.stop()
			image := b.image()
			b.start()
			b.warm()
			ch, _ := b.ask("o1", "door/ktv")
			recorded := b.signed(ch, nil)
			b.order(recorded)
			b.through()
			if b.ktv.count() != 1 {
				b.t.Fatalf("%d releases; want 1", b.ktv.count())
			}
			more := mode(b, recorded, image)
			b.pass(10 * time.Second)
			if n := b.ktv.count() + b.gym.count(); n != 1+more {
				b.t.Errorf("%d releases; want %d", n, 1+more)
			}
		})
	}
}

// A challenge for a command that was never taken opens nothing after its time, a restart, or beside another. // invariant 5
func TestChallengeIsFresh(t *testing.T) {
	modes := map[string]func(b *building){
		"too late":  func(b *building) { b.pass(15 * time.Second) },
		"restarted": func(b *building) { b.stop(); b.start(); b.warm() },
		"displaced": func(b *building) { b.ask("o2", "door/ktv") },
		"another's challenge for the same command": func(b *building) {
			b.pass(16 * time.Second)
			b.ask("o1", "door/ktv")
		},
	}
	for name, mode := range modes {
		bubble(t, name, func(b *building) {
			b.warm()
			ch, _ := b.ask("o1", "door/ktv")
			mode(b)
			b.order(b.signed(ch, nil))
			b.pass(10 * time.Second)
			if b.ktv.count() != 0 || b.counted("commands_refused_challenge") != 1 {
				b.t.Errorf("%d releases, counters %v", b.ktv.count(), b.counters)
			}
		})
	}
}

// invariant 11: every byte of a command, flipped, every field changed, and every other signer opens nothing and is counted
func TestForgedCommands(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.warm()
		asked := 0
		refused := func(name, counter string, payload func(wire.Challenge) []byte) {
			b.t.Helper()
			if b.pass(time.Millisecond); asked%100 == 0 {
				b.warm()
			}
			asked++
			ch, ok := b.ask(fmt.Sprint("o", asked), "door/ktv")
			if !ok {
				b.t.Fatalf("%s: no challenge", name)
			}
			n, since := b.counted(counter), len(b.raw())
			b.order(payload(ch))
			if b.counted(counter) != n+1 && counter != "" {
				b.t.Errorf("%s: %s not counted: %v", name, counter, b.counters)
			}
			if b.ktv.count() != 0 || len(b.raw()) != since { // invariant 9
				b.t.Fatalf("%s: %d releases, %q", name, b.ktv.count(), b.kinds(since))
			}
		}
		for field, change := range map[string]func(*wire.Command){
			"id": func(c *wire.Command) { c.ID = "other" }, "device": func(c *wire.Command) { c.Device = "door/gym" },
			"what": func(c *wire.Command) { c.What = "shut" }, "challenge": func(c *wire.Command) { c.Challenge = "x" },
		} {
			refused(field, "commands_refused_challenge", func(ch wire.Challenge) []byte { return b.signed(ch, change) })
		}
		refused("gateway", "commands_refused_gateway", func(ch wire.Challenge) []byte {
			return b.signed(ch, func(c *wire.Command) { c.Gateway = "gw-other" })
		})
		refused("doc", "commands_refused_format", func(ch wire.Challenge) []byte {
			return b.signed(ch, func(c *wire.Command) { c.Doc = "root" })
		})
		refused("key", "commands_refused_key", func(ch wire.Challenge) []byte {
			return b.signed(ch, func(c *wire.Command) { c.Key = "t1" })
		})
		for name, sign := range map[string]func(c wire.Command) []byte{
			"ticket key": func(c wire.Command) []byte { return b.sign(ticketKey, wire.ContextCommand, c) },
			"context":    func(c wire.Command) []byte { return b.sign(commandKey, wire.ContextState, c) },
		} {
			refused(name, "commands_refused_signature", func(ch wire.Challenge) []byte {
				return sign(wire.Command{Doc: "command", Gateway: gatewayID, Key: "c1", ID: ch.ID, Device: ch.Device, What: ch.What, Challenge: ch.Challenge})
			})
		}
		refused("unsigned", "commands_refused_format", func(ch wire.Challenge) []byte {
			line, _, _ := cutLine(b.signed(ch, nil))
			return line
		})
		refused("oversized", "commands_refused_size", func(wire.Challenge) []byte { return make([]byte, wire.MaxMessage+1) })
		length := len(b.signed(wire.Challenge{ID: "o100", Device: "door/ktv", What: "open", Challenge: string(make([]byte, 43))}, nil))
		for i := range length {
			refused(fmt.Sprint("byte ", i), "", func(ch wire.Challenge) []byte {
				payload := b.signed(ch, nil)
				if i < len(payload) {
					payload[i] ^= 1 << (i % 7)
				} else {
					payload = append(payload, 'x')
				}
				return payload
			})
		}
	})
}

func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := slices.Index(b, '\n')
	return b[:max(i, 0)], b[i+1:], i >= 0
}

// invariant 13: commands have a cap of their own, and none is done right after a boot
func TestCommandCap(t *testing.T) {
	bubble(t, "", func(b *building) {
		n := 0
		order := func() string {
			n++
			door := []string{"door/ktv", "door/gym"}[n%2]
			ch, _ := b.ask(fmt.Sprint("o", n), door)
			since := len(b.events())
			b.order(b.signed(ch, nil))
			b.pass(50 * time.Millisecond)
			return b.kinds(since)[0]
		}
		b.stop()
		b.start()
		if got := order(); got != wire.CommandRefused+" cap" {
			b.t.Errorf("right after a boot: %s", got)
		}
		b.warm()
		done := 0
		for range 12 {
			if order() == wire.DoorOpening {
				done++
			}
			b.pass(4 * time.Second) // the strike's time, and its grace
		}
		if done > 5+5 {
			b.t.Errorf("%d commands in a minute", done)
		}
	})
}

func TestRequests(t *testing.T) {
	bubble(t, "", func(b *building) {
		for _, r := range []wire.CommandRequest{
			{ID: "", Device: "door/ktv", What: "open"}, {ID: "o1", Device: "door/attic", What: "open"}, {ID: "o1", Device: "ktv", What: "open"},
			{ID: "o1", Device: "door/ktv", What: "shut"}, {ID: string(make([]byte, 65)), Device: "door/ktv", What: "open"}, {ID: "o1", Device: "locker/A-1", What: "open"},
		} {
			r.Doc = "request"
			b.order(wire.Raw(r))
		}
		if b.counted("commands_refused_unknown") != 6 || len(b.sent) != 0 {
			b.t.Errorf("%d challenges, counters %v", len(b.sent), b.counters)
		}
		first, _ := b.ask("o1", "door/ktv")
		b.pass(5 * time.Second)
		if again, _ := b.ask("o1", "door/ktv"); again != first { // a broker that doubles a request takes nothing away
			b.t.Errorf("asked twice: %+v, %+v", first, again)
		}
		b.order([]byte("junk"))
		b.order(nil)
		if b.counted("commands_refused_format") != 2 {
			b.t.Errorf("counters %v", b.counters)
		}
	})
}

// A note of a command that cannot be read is one. // invariants 5 and 12
func TestDamagedNoteOfACommand(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.warm()
		ch, _ := b.ask("o1", "door/ktv")
		b.order(b.signed(ch, nil))
		b.through()
		b.spoil(spaceCommands, "o1")
		if _, ok := b.ask("o1", "door/ktv"); ok || b.counted("commands_refused_held") != 1 {
			b.t.Errorf("a challenge for a command that was taken; counters %v", b.counters)
		}
	})
}

// Ids of commands are kept for 30 days of time that has certainly passed.
func TestCommandsAreForgotten(t *testing.T) {
	bubble(t, "", func(b *building) {
		b.warm()
		ch, _ := b.ask("o1", "door/ktv")
		b.order(b.signed(ch, nil))
		held := func() (n int) {
			b.ok(b.store.View(func(tx *store.Tx) error {
				return tx.Each(spaceCommands, "", func(string, []byte) error { n++; return nil })
			}))
			return n
		}
		b.stop()
		b.pass(29 * 24 * time.Hour)
		b.start()
		if held() != 1 {
			b.t.Error("forgotten too early")
		}
		b.stop()
		b.pass(25 * time.Hour)
		b.start()
		if held() != 0 {
			b.t.Error("kept for ever")
		}
	})
}

// The uplink is never held up, whatever the loop does. // invariant 13
func TestCommandNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuilding(t)
		b.stop() // nobody takes anything any more
		for range inboxLength + 10 {
			b.service.Command([]byte("x"))
		}
		if got := b.counted("commands_dropped"); got < 10 {
			t.Errorf("%d dropped", got)
		}
		b.start()
	})
}
