package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// One history, any history, gives the same answers, errors and tables on both engines. // invariant 4, invariant 14
func TestEnginesAgree(t *testing.T) {
	const histories, moves = 12, 60
	lite := newWorld(t, storetest.Open(t, storetest.SQLite(t)))
	post := newWorldWith(t, storetest.Open(t, storetest.Postgres(t)), lite.keys, lite.set)
	both := []*world{lite, post}
	for seed := range uint64(histories) {
		h := history{t: t, r: rand.New(rand.NewPCG(seed, 3)), clouds: both, box: lite.box(fmt.Sprint("gw-", seed))}
		post.register(h.box)
		for range moves {
			h.move()
		}
		if a, b := lite.all(), post.all(); a != b {
			t.Fatalf("seed %d: SQLite has\n%s\nPostgreSQL has\n%s", seed, a, b)
		}
	}
}

// history is one random life of a box, lived before one cloud or two.
type history struct {
	t      *testing.T
	r      *rand.Rand
	clouds []*world
	box    *fleettest.Box
	old    *fleettest.Box
	sent   [][]byte
	keeps  bool // drops nothing
	drops  int
}

func (h *history) move() {
	h.t.Helper()
	b, s := h.box, []wire.Stream{wire.Audit, wire.Telemetry}[h.r.IntN(2)]
	switch n := h.r.IntN(20); {
	case n < 7:
		for range 1 + h.r.IntN(4) {
			b.Append(s, step(fmt.Sprintf("compartment/A-%d", h.r.IntN(3)), 1+h.r.IntN(9)))
		}
	case n == 7:
		b.Seal(s)
	case n < 12:
		h.sent = append(h.sent, b.Backlog(1+h.r.IntN(5))...)
	case n == 12 && len(b.Segments) > 2 && b.Segments[0].Sealed && !h.keeps:
		h.drops++
		b.Drop(0)
	case n == 13 && h.old == nil:
		h.old = b.Copy()
	case n == 14 && h.old != nil:
		h.box, h.old = h.old, nil
	case n == 15:
		h.pulse()
	default:
		h.deliver()
	}
}

// deliver gives a few of all blocks ever sent to all clouds.
func (h *history) deliver() {
	if len(h.sent) == 0 {
		return
	}
	var some [][]byte
	for range 1 + h.r.IntN(5) {
		some = append(some, h.sent[h.r.IntN(len(h.sent))])
	}
	var all []string
	for _, w := range h.clouds {
		taken := w.take(h.box.ID, some...)
		all = append(all, fmt.Sprintf("%d %v %s", taken.Events, taken.Counts, taken.Hints))
	}
	h.agree(all)
}

// pulse has all clouds answer one pulse; the box believes the last.
func (h *history) pulse() {
	p := h.box.Pulse()
	var rows []string
	for n, w := range h.clouds {
		w.now = h.clouds[0].now.Add(1)
		out, err := w.fleet.Pulse(h.t.Context(), h.box.ID, p, w.now)
		w.check(err)
		a, ok := h.box.Open(out)
		if !ok {
			h.t.Fatal("no answer")
		}
		rows = append(rows, fmt.Sprint(a.Rows, a.Refusals, a.Epoch))
		if n == len(h.clouds)-1 {
			h.box.Take(out)
		}
	}
	h.agree(rows)
}

func (h *history) agree(all []string) {
	h.t.Helper()
	for _, s := range all[1:] {
		if s != all[0] {
			h.t.Fatalf("SQLite says %s, PostgreSQL %s", all[0], s)
		}
	}
}

// Whatever a box lives through, once it is quiet all drains: each event took effect once at most, and each that it holds
// did, unless it went back to a disk whose segments it had named lost. // invariant 4
func TestHistoriesDrain(t *testing.T) {
	const histories, moves = 60, 80
	w := newWorld(t, storetest.Open(t, storetest.SQLite(t)))
	forks, drops := 0, 0
	for seed := range uint64(histories) {
		h := history{t: t, r: rand.New(rand.NewPCG(seed, 5)), clouds: []*world{w}, box: w.box(fmt.Sprint("gw-", seed)), keeps: seed%2 == 0}
		for range moves {
			h.move()
		}
		w.drain(h.box, 7)
		effects := w.effects(h.box.ID)
		for _, e := range effects {
			if !strings.HasSuffix(e, " x1") {
				t.Errorf("seed %d: in effect: %s", seed, e)
			}
		}
		for _, e := range held(t, h.box) {
			if _, ok := slices.BinarySearch(effects, e); h.keeps && !ok {
				t.Errorf("seed %d: held and never in effect: %s", seed, e)
			}
		}
		forks, drops = forks+h.box.Forks, drops+h.drops
	}
	if forks < 5 || drops < 5 {
		t.Errorf("%d forks and %d drops: these histories show little", forks, drops)
	}
}
