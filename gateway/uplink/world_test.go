package uplink

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// happened is the type of the events whose effect the tests count.
const happened = "thing.happened"

// packet is a message in the broker.
type packet struct {
	topic   string
	payload []byte
}

// world is one box, one cloud and a broker between them that may do anything. It hands in one input at a time; all
// chance comes from its seed.
type world struct {
	t     testing.TB
	rng   *rand.Rand
	mono  time.Duration
	path  string
	store *store.Store
	clock *clock.Clock
	up    *Uplink
	cloud *cloud
	pipe  []packet // both ways, in the order they were sent
	late  []packet // delayed for ever, or so it seems
	fault float64  // chance that a message is lost, and that it is doubled, and that it is reordered
	link  bool
	ids   int
	gone  map[int]bool // went with a disk that was put back
	sent  hash.Hash    // trace of all that was published
	lost  int
	most  int // bytes in flight beyond the window
	apply int // documents that came into force
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), path: filepath.Join(t.TempDir(), "gateway.db"), cloud: newCloud(t),
		gone: map[int]bool{}, sent: sha256.New(),
	}
	w.boot()
	t.Cleanup(func() { w.halt() })
	return w
}

func (w *world) system() (time.Time, time.Duration) { return time.Unix(1, 0).Add(w.mono), w.mono }

func (w *world) now() time.Time { return epochOfTime.Add(w.mono) }

func (w *world) jitter(d time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(int64(max(d, 1))))
}

func (w *world) boot() {
	s, err := store.Open(w.path, store.Options{Gateway: site, Key: boxKey, NoSync: true, Stamp: func(ev *wire.Event) { ev.Wall = wire.At(epochOfTime) }})
	if err != nil {
		w.t.Fatal(err)
	}
	var floor time.Time
	if err := s.View(func(tx *store.Tx) (err error) { floor, err = Floor(tx); return err }); err != nil {
		w.t.Fatal(err)
	}
	w.store, w.clock = s, clock.New(s.Boot(), floor, w.system)
	w.up = New(Config{Gateway: site, Version: "test", Key: boxKey, RootKey: public(offline)}, Deps{
		Store: s, Clock: w.clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Jitter: w.jitter,
		Applied: func() { w.apply++ },
	})
	w.link = false
}

func (w *world) halt() {
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) restart() {
	w.halt()
	w.boot()
}

// snapshot copies the disk; putBack puts the copy in its place.
func (w *world) snapshot() (image []byte, ids int) {
	image, err := os.ReadFile(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	return image, w.ids
}

func (w *world) putBack(image []byte, ids int) {
	w.halt()
	if err := os.WriteFile(w.path, image, 0o600); err != nil {
		w.t.Fatal(err)
	}
	for id := ids + 1; id <= w.ids; id++ {
		w.gone[id] = true
	}
	w.boot()
}

// Publish is the link's: nothing is promised.
func (w *world) Publish(topic string, payload []byte) bool {
	fmt.Fprintf(w.sent, "%s %x\n", topic, payload)
	w.send(packet{topic, payload})
	return true
}

func (w *world) send(p packet) {
	switch {
	case w.rng.Float64() < w.fault:
		w.lost++
		return
	case w.rng.Float64() < w.fault:
		w.late = append(w.late, p)
	}
	w.pipe = append(w.pipe, p)
}

func (w *world) handle(in Input) {
	w.t.Helper()
	if err := w.up.Handle(context.Background(), in); err != nil {
		w.t.Fatal(err)
	}
	bytes, window := w.up.sender.InFlight()
	w.most = max(w.most, bytes-window)
}

func (w *world) connect() {
	w.link = true
	w.handle(Connected{w})
}

// cut ends the connection, and the broker forgets what it holds.
func (w *world) cut() {
	w.link, w.pipe = false, nil
	w.handle(Disconnected{})
}

// append lets things happen in a stream.
func (w *world) append(s wire.Stream, n int) {
	w.t.Helper()
	err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		for i := range n {
			ev := wire.Event{Type: happened, Subject: "thing/1", Data: wire.Raw(map[string]int{"ID": w.ids + 1 + i})}
			w.clock.Now().Stamp(&ev)
			if _, err := tx.Append(s, ev); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.ids += n
	w.handle(Appended{})
}

// deliver takes one message from the broker to where it goes.
func (w *world) deliver(p packet) {
	if _, _, up, err := wire.ParseTopic(p.topic); err != nil {
		w.t.Fatal(err)
	} else if up {
		for _, q := range w.cloud.take(p, w.now()) {
			w.send(q)
		}
	} else if w.link {
		w.handle(Message{Topic: p.topic, Payload: p.payload})
	}
}

// step delivers one message, or lets time pass to the next thing that is due.
func (w *world) step() {
	if len(w.pipe) > 0 {
		i := 0
		if w.rng.Float64() < w.fault {
			i = w.rng.IntN(len(w.pipe))
		}
		p := w.pipe[i]
		w.pipe = slices.Delete(w.pipe, i, i+1)
		w.mono += time.Duration(w.rng.Int64N(int64(20 * time.Millisecond)))
		w.deliver(p)
		return
	}
	if len(w.late) > 0 && w.rng.Float64() < w.fault {
		p := w.late[0]
		w.late = w.late[1:]
		w.deliver(p)
		return
	}
	w.mono = max(w.mono, w.up.Due())
	w.handle(Tick{})
}

func (w *world) run(d time.Duration) {
	for end := w.mono + d; w.mono < end; {
		w.step()
	}
}

// settle ends the faults and lets everything come to rest.
func (w *world) settle() {
	w.t.Helper()
	w.fault = 0
	if !w.link {
		w.connect()
	}
	w.run(10 * time.Minute)
	for _, p := range w.late { // what the broker had held back comes after all
		w.deliver(p)
	}
	w.late = nil
	w.run(10 * time.Minute)
	w.check()
}

// check says whether everything has arrived: each event in effect once, heads agree, no holes, all marked delivered.
func (w *world) check() { // invariants 3 and 4
	w.t.Helper()
	for id := 1; id <= w.ids; id++ {
		if n := w.cloud.effects[id]; n > 1 || n == 0 && !w.gone[id] {
			w.t.Errorf("event %d is in effect %d times", id, n)
		}
	}
	w.view(func(tx *store.Tx) error {
		left, _, err := tx.Undelivered()
		if left > 0 {
			w.t.Errorf("%d events are not marked delivered", left)
		}
		heads, _ := tx.Heads()
		for _, h := range heads {
			segments, err := tx.Segments(h.Epoch, h.Stream)
			if err != nil {
				return err
			}
			for _, g := range segments {
				r := w.cloud.rows[segmentOf(h, g.Number)]
				if r.seq() != g.Last || g.Last > 0 && r.hash() != g.Head || g.Sealed && r.end != g.Last {
					w.t.Errorf("segment %d/%s/%d: cloud at %d of %d, end %d, sealed %t", h.Epoch, h.Stream, g.Number, r.seq(), g.Last, r.end, g.Sealed)
				}
			}
		}
		return err
	})
}

func (w *world) view(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.store.View(fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) epoch() (n uint64) {
	w.view(func(tx *store.Tx) error { n = tx.Epoch(); return nil })
	return n
}

func (w *world) undelivered() (n uint64) {
	w.view(func(tx *store.Tx) (err error) { n, _, err = tx.Undelivered(); return err })
	return n
}

func (w *world) count(name string) uint64 { return w.up.Status().Counters[name] }
