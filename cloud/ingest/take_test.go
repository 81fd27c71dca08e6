package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// lived gives a box three segments of audit and one of telemetry.
func lived(b *fleettest.Box) {
	for n := range 30 {
		b.Append(wire.Audit, step(fmt.Sprintf("compartment/A-%d", n%4), n/4+1))
		if n%10 == 9 {
			b.Seal(wire.Audit)
		}
		if n%3 == 0 {
			b.Append(wire.Telemetry, wire.Event{Type: "meter.read", Subject: fmt.Sprintf("meter/%d", n)})
		}
	}
}

// However often and in whatever order blocks come, in whatever sizes, each event takes effect once. // invariant 4
func TestOnceInEffect(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		for seed := range uint64(4) {
			b := w.box(fmt.Sprint("gw-", seed))
			lived(b)
			r := rand.New(rand.NewPCG(seed, 1))
			var blocks [][]byte
			for range 3 {
				blocks = append(blocks, b.Backlog(1+r.IntN(7))...)
			}
			for range 4 {
				r.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
				for rest := blocks; len(rest) > 0; {
					n := min(1+r.IntN(9), len(rest))
					w.take(b.ID, rest[:n]...)
					rest = rest[n:]
				}
			}
			w.drain(b, 5)
			w.once(b)
			if got := w.digest("states"); !strings.Contains(got, b.ID+` compartment/A-1 {"v":8}`) || !strings.Contains(got, b.ID+` compartment/A-3 {"v":7}`) {
				t.Errorf("not the newest states:\n%s", got)
			}
		}
	})
}

// A block that begins beyond the position is refused, and the answer says so. // invariant 4
func TestHoleIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		s := b.Segments[0]
		w.take(b.ID, b.Block(s, 1, 2))
		taken := w.take(b.ID, b.Block(s, 4, 6))
		if taken.Events != 0 || taken.Counts["hole"] != 1 || len(taken.Hints) != 0 {
			t.Errorf("a block beyond a hole: %+v", taken)
		}
		a := w.pulse(b)
		if len(a.Refusals) != 1 || a.Refusals[0].Reason != "hole" || a.Refusals[0].Seq != 4 {
			t.Errorf("refusals %+v, want the hole at 4", a.Refusals)
		}
		w.drain(b, 3)
		w.once(b)
		if a := w.pulse(b); len(a.Refusals) != 0 {
			t.Errorf("refusals %+v after all was taken", a.Refusals)
		}
	})
}

func pack(t *testing.T, raw []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(raw, nil)
}

func unpack(t *testing.T, packed []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	raw, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What is damaged, unsigned, too large, meant for another purpose or from a stranger changes nothing and is counted.
// // invariant 9, invariant 11, invariant 13
func TestBadInputChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b, other := w.box("gw-1"), w.box("gw-2")
		stranger := fleettest.New(t, "gw-9")
		lived(b)
		w.take(b.ID, b.Block(b.Segments[0], 1, 3))
		good := b.Block(b.Segments[0], 4, 6)
		raw := unpack(t, good)
		forged := *b
		forged.Key = other.Key
		huge := wire.Block{Gateway: b.ID, Epoch: 1 << 63, Stream: wire.Audit, Segment: 1, First: 1, Events: [][]byte{[]byte(`{}`)}}
		tests := []struct {
			name, gateway string
			body          []byte
			want          string
		}{
			{"nothing", b.ID, nil, "format"},
			{"noise", b.ID, []byte("noise"), "format"},
			{"a cut block", b.ID, good[:len(good)-3], "format"},
			{"a changed event", b.ID, pack(t, bytes.Replace(raw, []byte(`"v":1`), []byte(`"v":9`), 1)), "signature"},
			{"no signature", b.ID, pack(t, raw[:bytes.LastIndexByte(raw[:len(raw)-1], '\n')+1]), "format"},
			{"another's key", b.ID, forged.Block(b.Segments[0], 4, 6), "signature"},
			{"on another's topic", other.ID, good, "context"},
			{"a stranger", stranger.ID, stranger.Block(stranger.Segments[0], 1, 1), "unknown"},
			{"a bomb", b.ID, pack(t, make([]byte, 64<<20)), "size"},
			{"oversized", b.ID, make([]byte, wire.MaxMessage+1), "size"},
			{"a pulse", b.ID, b.Pulse(), "format"},
			{"numbers beyond all bounds", b.ID, b.Sign(huge), "format"},
		}
		before := w.all()
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				taken := w.take(test.gateway, test.body)
				if taken.Events != 0 || taken.Counts[test.want] != 1 || len(taken.Hints) != 0 {
					t.Errorf("taken %+v, want one %s", taken, test.want)
				}
				if after := w.all(); after != before {
					t.Errorf("changed to\n%s\nfrom\n%s", after, before)
				}
			})
		}
		// Among bad ones the good one is still taken.
		if taken := w.take(b.ID, tests[1].body, good, tests[3].body); taken.Events != 3 {
			t.Errorf("among bad ones %d events are taken, want 3", taken.Events)
		}
	})
}

// A pulse that is not the gateway's own, or no pulse, changes nothing. // invariant 9, invariant 11
func TestBadPulseChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b, other := w.box("gw-1"), w.box("gw-2")
		w.drain(b, 10)
		forged, stranger := *b, fleettest.New(t, "gw-9")
		forged.Key = other.Key
		foreign, err := wire.Sign(b.Key, wire.ContextEvents, wire.Pulse{Gateway: b.ID, Nonce: "x", Held: b.Heads()})
		if err != nil {
			t.Fatal(err)
		}
		good := b.Pulse()
		tests := []struct {
			name, gateway string
			body          []byte
			want          error
		}{
			{"nothing", b.ID, nil, wire.ErrFormat},
			{"another's key", b.ID, forged.Pulse(), wire.ErrSignature},
			{"on another's topic", other.ID, good, wire.ErrSignature},
			{"another's name", b.ID, b.SignPulse(wire.Pulse{Gateway: other.ID, Nonce: "x", Held: b.Heads()}), wire.ErrContext},
			{"signed as events", b.ID, foreign, wire.ErrSignature},
			{"a block", b.ID, b.Block(b.Segments[0], 1, 1), wire.ErrFormat},
			{"a stranger", stranger.ID, stranger.Pulse(), fleet.ErrUnknown},
			{"oversized", b.ID, make([]byte, wire.MaxMessage+1), wire.ErrSize},
			{"no epoch", b.ID, b.SignPulse(wire.Pulse{Gateway: b.ID, Nonce: "x"}), wire.ErrFormat},
			{"a NUL", b.ID, b.SignPulse(wire.Pulse{Gateway: b.ID, Nonce: "x", Version: "a\x00b", Held: b.Heads()}), wire.ErrFormat},
			{"numbers beyond all bounds", b.ID, b.SignPulse(wire.Pulse{Gateway: b.ID, Nonce: "x", Boot: 1 << 63, Held: b.Heads()}), wire.ErrFormat},
		}
		before := w.all() + w.health(b.ID)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				if out, err := w.fleet.Pulse(t.Context(), test.gateway, test.body, w.now.Add(time.Hour)); !errors.Is(err, test.want) || out != nil {
					t.Errorf("Pulse = %d messages, %v; want %v", len(out), err, test.want)
				}
				if after := w.all() + w.health(b.ID); after != before {
					t.Errorf("changed to\n%s\nfrom\n%s", after, before)
				}
			})
		}
	})
}

func (w *world) health(gateway string) (s string) {
	w.t.Helper()
	w.read(func(tx *store.Tx) error {
		h, err := w.fleet.Health(w.t.Context(), tx, gateway)
		s = fmt.Sprintf("%+v", h)
		return err
	})
	return s
}

// An event that is signed and yet none stops its segment there; named lost, the row steps over it.
func TestUndecodableEvent(t *testing.T) {
	bad := map[string][]byte{"not JSON": []byte("xx"), "a NUL": []byte(`{"type":"a.b","subject":"c\u0000"}`), "not UTF-8": []byte("{\"type\":\"a.b\",\"subject\":\"c\",\"data\":\"\xff\"}"),
		"a subject without end": []byte(`{"type":"a.b","subject":"` + strings.Repeat("s", 4000) + `"}`)}
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		n := 0
		for name, raw := range bad {
			t.Run(name, func(t *testing.T) {
				n++
				b := w.box(fmt.Sprint("gw-", n))
				b.Append(wire.Audit, step("compartment/A-1", 1))
				at := b.AppendRaw(wire.Audit, raw)
				b.Append(wire.Audit, step("compartment/A-1", 2))
				s := b.Segments[0]
				taken := w.take(b.ID, b.Block(s, 1, 4))
				if taken.Events != 2 || taken.Counts["decode"] != 1 {
					t.Fatalf("taken %+v, want the 2 before it", taken)
				}
				if a := w.pulse(b); len(a.Refusals) != 1 || a.Refusals[0].Reason != "decode" || a.Refusals[0].Name != at {
					t.Errorf("refusals %+v, want %s", a.Refusals, at)
				}
				b.Seal(wire.Audit)
				b.Append(wire.Audit, wire.Event{Type: wire.LossRecorded, Subject: "gateway/" + b.ID, Data: wire.Raw(wire.Loss{
					Epoch: 1, Stream: wire.Audit, From: 1, To: 1, First: at.Seq, Last: at.Seq, Before: s.At(at.Seq - 1), After: s.At(at.Seq), Cause: "damaged"})})
				w.take(b.ID, b.Block(b.Segments[2], 1, 1), b.Block(b.Segments[0], 4, 4))
				if a := w.pulse(b); len(a.Refusals) != 0 || len(a.Rows) != 1 || len(a.Rows[0].Whole) != 1 {
					t.Errorf("answer %+v, want segment 1 whole", a)
				}
			})
		}
	})
}

// The log, the projections and the position are one transaction: when it fails, nothing of it stays. // invariant 3
func TestTransactionIsWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		armed := false
		w := newWorld(t, open(), oracle{bad: func(l ingest.Logged) error {
			if armed && l.Name.Seq == 5 {
				cancel()
				return ctx.Err()
			}
			return nil
		}})
		b := w.box("gw-1")
		lived(b)
		before := w.all()
		armed = true
		if _, err := w.ingest.Take(ctx, []ingest.Payload{{Gateway: b.ID, Body: b.Block(b.Segments[0], 1, 4)}, {Gateway: b.ID, Body: b.Block(b.Segments[0], 5, 7)}}); !errors.Is(err, context.Canceled) {
			t.Fatalf("Take = %v, want %v", err, context.Canceled)
		}
		if after := w.all(); after != before || len(w.published) != 0 {
			t.Errorf("after a failed transaction, with %d hints:\n%s\nbefore:\n%s", len(w.published), after, before)
		}
		armed = false
		w.drain(b, 4)
		w.once(b)
	})
}

// A projection that fails or panics leaves its event logged and marked, the others in effect, and the position moved.
func TestFailingProjection(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		ill := true
		w := newWorld(t, open(), oracle{}, failing{&ill})
		b := w.box("gw-1")
		lived(b)
		w.drain(b, 5)
		w.once(b)
		if got := w.digest("alarms"); !strings.Contains(got, "projection failing 2") {
			t.Errorf("no alarm of two failures:\n%s", got)
		}
		if got := w.digest("log"); strings.Count(got, " 1 0\n") != 2 {
			t.Errorf("not two events marked:\n%s", got)
		}
		ill = false
		if err := w.ingest.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.once(b)
		if got := w.digest("log"); strings.Contains(got, " 1 0\n") {
			t.Errorf("marked after rebuilding:\n%s", got)
		}
	})
}

type failing struct{ ill *bool }

func (failing) Name() string { return "failing" }

func (f failing) Project(ctx context.Context, tx *store.Tx, l ingest.Logged) error {
	if *f.ill && l.Name.Stream == wire.Audit && l.Name.Segment == 2 {
		switch l.Name.Seq {
		case 2:
			_, err := tx.Exec(ctx, `INSERT INTO nowhere VALUES (1)`)
			return err
		case 4:
			panic("at the disco")
		}
	}
	return nil
}

// Rebuilding from the log gives what was there, and tells nobody again.
func TestRebuild(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		w.drain(b, 5)
		before := w.digest("log", "positions", "subjects", "states", "firsts", "epochs", "alarms")
		w.write(func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE states SET state = 'wrong'`)
			return err
		})
		if err := w.ingest.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := w.digest("log", "positions", "subjects", "states", "firsts", "epochs", "alarms"); after != before {
			t.Errorf("rebuilt:\n%s\nwas:\n%s", after, before)
		}
		if got := w.digest("effects"); strings.Contains(got, "false") {
			t.Errorf("told again:\n%s", got)
		}
	})
}

// Events hands the log out in order, each once, from any place.
func TestEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		changed := w.ingest.Changed()
		w.drain(b, 5)
		select {
		case <-changed:
		default:
			t.Error("a commit woke nobody")
		}
		// On PostgreSQL a vacuum of its own may hold the newest back for a moment.
		seen := make(chan int)
		go follow(t, w, 41, seen)
		<-seen
		var whole, pieces []ingest.Logged
		w.read(func(tx *store.Tx) (err error) {
			whole, err = w.ingest.Events(t.Context(), tx, 0, 1000)
			for after := int64(0); err == nil; {
				var some []ingest.Logged
				if some, err = w.ingest.Events(t.Context(), tx, after, 7); len(some) == 0 {
					break
				}
				pieces, after = append(pieces, some...), some[len(some)-1].Pos
			}
			return err
		})
		if len(whole) != 41 || !reflect.DeepEqual(whole, pieces) {
			t.Errorf("%d events at once, %d in pieces, want 41 equal ones", len(whole), len(pieces))
		}
	})
}
