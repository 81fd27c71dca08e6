package ingest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/fleet/fleettest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// backup copies a SQLite database while nothing writes to it.
func backup(t *testing.T, db *store.DB, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "backup.db")
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + suffix)
			if err == nil {
				err = os.WriteFile(copied+suffix, b, 0o600)
			}
			if err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return "file:" + copied
}

// A cloud restored from before asks again: the answer moves the positions back, the gateway still holds what it had
// marked delivered, and in the end all is as if nothing had happened, and nobody is told twice. // invariant 3, invariant 4
func TestRestoredDatabase(t *testing.T) {
	dsn := storetest.SQLite(t)
	w := newWorld(t, storetest.Open(t, dsn))
	b := w.box("gw-1")
	lived(b)
	w.drain(b, 5)
	copied := backup(t, w.db, strings.TrimPrefix(dsn, "file:"))
	for n := range 10 {
		b.Append(wire.Audit, step("compartment/A-1", 9+n))
		if n == 4 {
			b.Seal(wire.Audit)
		}
	}
	w.drain(b, 3)
	w.now = w.now.Add(time.Hour)
	w.pulse(b)
	want := w.digest("positions", "states", "subjects")
	echo := b.Echo

	restored := newWorldWith(t, storetest.Open(t, copied), w.keys, w.set)
	restored.now = w.now.Add(time.Minute)
	a := restored.pulse(b)
	if a.Serial <= echo {
		t.Errorf("serial %s after the restore, %s before it", a.Serial, echo)
	}
	if got := len(b.Backlog(1)); got != 10 {
		t.Errorf("the answer asks for %d events again, want 10", got)
	}
	restored.drain(b, 4)
	restored.once(b)
	if got := restored.digest("positions", "states", "subjects"); got != want {
		t.Errorf("after the restore:\n%s\nwant\n%s", got, want)
	}
	if got := strings.Count(restored.digest("effects"), "true"); got != 10 {
		t.Errorf("%d events count as told, want the 10 sent again", got)
	}
	if b.Forks != 0 || strings.Contains(restored.digest("alarms"), "gw-1") {
		t.Errorf("%d forks, %s", b.Forks, restored.digest("alarms"))
	}
}

// What was marked delivered a moment ago may not have been told before the restore: it is told again.
func TestTellAgain(t *testing.T) {
	dsn := storetest.SQLite(t)
	w := newWorld(t, storetest.Open(t, dsn))
	b := w.box("gw-1")
	copied := backup(t, w.db, strings.TrimPrefix(dsn, "file:"))
	b.Append(wire.Audit, step("compartment/A-1", 1))
	w.drain(b, 3)
	w.pulse(b)
	restored := newWorldWith(t, storetest.Open(t, copied), w.keys, w.set)
	restored.now = start.Add(9 * time.Minute)
	restored.drain(b, 3)
	if got := restored.digest("effects"); strings.Contains(got, "true") || !strings.Contains(got, "false") {
		t.Errorf("in effect after nine minutes:\n%s", got)
	}
}

// A box whose disk went back finds its fork by the answer, starts a new epoch and appends there again what it holds; what
// the cloud had under its first name is logged and not projected, and nothing that happened is missing. // invariant 4
func TestRolledBackDisk(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		old := b.Copy()
		b.Append(wire.Audit, step("compartment/A-1", 9))
		w.drain(b, 5)
		held := w.effects(b.ID)

		old.Append(wire.Audit, step("compartment/A-2", 9))
		w.take(old.ID, old.Block(old.Segments[len(old.Segments)-1], 1, 1))
		w.drain(old, 5)
		if old.Forks != 1 || old.Epoch != 2 {
			t.Fatalf("%d forks, epoch %d; want one fork and epoch 2", old.Forks, old.Epoch)
		}
		if got, more := w.effects(b.ID), 2; len(got) != len(held)+more { // its own event, and the epoch's first
			t.Errorf("%d events in effect, want %d:\n%s", len(got), len(held)+more, strings.Join(got, "\n"))
		}
		for _, e := range w.effects(b.ID) {
			if !strings.HasSuffix(e, " x1") {
				t.Errorf("in effect: %s", e)
			}
		}
		if got := w.digest("alarms"); !strings.Contains(got, "gw-1 fork 1/audit/4/0") || strings.Contains(got, "clone") {
			t.Errorf("want a fork and no clone:\n%s", got)
		}
		if a := w.pulse(old); a.Epoch != 2 {
			t.Errorf("answer names epoch %d, want 2", a.Epoch)
		}
	})
}

// A copy takes effect once, under its first name, and the original that comes after it does not. // invariant 4
func TestFirstNames(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		late := b.Backlog(4)
		s := b.Segments[1] // audit and telemetry of an epoch begin together
		for _, s = range b.Segments {
			if s.Stream == wire.Audit && s.Number == 2 {
				break
			}
		}
		again := func(hash byte) fleettest.Again {
			e, err := wire.DecodeEvent(s.Events[3])
			if err != nil {
				t.Fatal(err)
			}
			e.First = &wire.First{Name: wire.Name{Epoch: 1, Stream: wire.Audit, Segment: 2, Seq: 4}, Hash: s.Hashes[3]}
			e.First.Hash[0] ^= hash
			return fleettest.Again{Stream: wire.Audit, Event: e}
		}
		fork := b.Copy()
		fork.Start(2, "fork", []fleettest.Again{again(0), again(0), again(1)})
		newest := fork.Segments[len(fork.Segments)-2]
		w.take(b.ID, fork.Block(newest, 1, newest.Head()))
		w.take(b.ID, late...)
		w.drain(b, 5)
		same := 0
		for _, e := range w.effects(b.ID) {
			if !strings.HasSuffix(e, " x1") {
				t.Errorf("in effect: %s", e)
			}
			same += strings.Count(e, "1/audit/2/4#")
		}
		if same != 2 { // with another hash it is another event of that name
			t.Errorf("%d events in effect under one name and two hashes", same)
		}
		if got := w.digest("log"); strings.Count(got, " 2 0\n")+strings.Count(got, " 2 1\n") != 2 {
			t.Errorf("want the second copy and the late original logged and not projected:\n%s", got)
		}
		// The newest event of the subject is of epoch 1 still: a copy counts under its first epoch and version.
		if got := w.digest("subjects"); !strings.Contains(got, " 1 ") || strings.Contains(got, " 2 ") {
			t.Errorf("a copy counts under its new epoch:\n%s", got)
		}
	})
}

// A box that was rolled back appends again what the cloud holds already: logged, and in effect under its first name only.
// // invariant 4
func TestCopiesOfWhatIsHeld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		for n := range 3 {
			b.Append(wire.Audit, step("compartment/A-1", 9+n))
		}
		w.drain(b, 5)
		old := b.Copy()
		b.Append(wire.Audit, step("compartment/A-1", 12))
		w.drain(b, 5)
		held := w.effects(b.ID)
		w.drain(old, 5)
		if got := w.effects(b.ID); old.Forks != 1 || len(got) != len(held)+1 { // the epoch's first event
			t.Errorf("%d forks, %d events in effect, want one fork and %d", old.Forks, len(got), len(held)+1)
		}
		for _, e := range w.effects(b.ID) {
			if !strings.HasSuffix(e, " x1") {
				t.Errorf("in effect: %s", e)
			}
		}
		if got := w.digest("log"); strings.Count(got, "gw-1 2audit") != 4 || strings.Count(got, " 2 0\n") != 3 {
			t.Errorf("want the epoch's first event and three copies without effect:\n%s", got)
		}
	})
}

// Two boxes with one disk: the one that lives in the older epoch though it has heard of the newer is a clone, and its
// events are logged and not projected until an operator says that it is the true one. // invariant 4
func TestClone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		a := w.box("gw-1")
		lived(a)
		w.drain(a, 5)
		b := a.Copy()
		w.pulse(b) // both run on in epoch 1
		a.Append(wire.Audit, step("compartment/A-1", 20))
		b.Append(wire.Audit, step("compartment/A-1", 30))
		w.drain(a, 5)
		w.drain(b, 5) // finds the other's position, and leaves for epoch 2
		if b.Epoch != 2 || a.Epoch != 1 {
			t.Fatalf("epochs %d and %d, want 1 and 2", a.Epoch, b.Epoch)
		}
		w.pulse(a) // echoes an answer from before epoch 2
		if got := w.digest("alarms"); strings.Contains(got, "clone") {
			t.Fatalf("alarmed too early:\n%s", got)
		}
		w.pulse(a) // echoes one from after it
		if got := w.digest("alarms"); !strings.Contains(got, "gw-1 clone 1 1") {
			t.Fatalf("no clone alarmed:\n%s", got)
		}
		before := w.effects(a.ID)
		w.now = w.now.Add(time.Second)
		name := a.Append(wire.Audit, step("compartment/A-1", 40))
		s := a.Segments[len(a.Segments)-1]
		if taken := w.take(a.ID, a.Block(s, name.Seq, name.Seq)); taken.Events != 1 {
			t.Fatalf("taken %+v, want it logged", taken)
		}
		if got := w.effects(a.ID); len(got) != len(before) {
			t.Errorf("an event of the clone is in effect: %v", got)
		}
		w.check(w.ingest.Rebuild(t.Context()))
		if got := w.effects(a.ID); len(got) != len(before) {
			t.Errorf("rebuilt while muted: %d in effect, want %d", len(got), len(before))
		}
		w.write(func(tx *store.Tx) error { return w.fleet.Unmute(t.Context(), tx, a.ID, 1, w.now) })
		w.check(w.ingest.Rebuild(t.Context()))
		if got := w.effects(a.ID); len(got) != len(before)+1 {
			t.Errorf("rebuilt after unmuting: %d in effect, want %d", len(got), len(before)+1)
		}
	})
}

// What a pulse no longer names and the cloud has not whole is lost, with an alarm; what comes late is ignored, without.
func TestLostRows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		first, second := b.Segments[0], b.Segments[2]
		w.take(b.ID, b.Block(first, 1, 3))
		late := b.Block(first, 4, first.Head())
		unheard := b.Block(second, 1, second.Head())
		// Both are gone and so is the event that would have named them: only the pulse tells.
		b.Segments = append(b.Segments[1:2:2], b.Segments[3:]...)
		w.drain(b, 5)
		if got := w.digest("alarms"); !strings.Contains(got, "gw-1 lost 1/audit 1") {
			t.Errorf("no alarm of lost rows:\n%s", got)
		}
		before := w.all()
		if taken := w.take(b.ID, late, unheard); taken.Events != 0 || taken.Counts["lost"] != 2 {
			t.Errorf("late blocks of lost rows: %+v", taken)
		}
		if after := w.all(); after != before {
			t.Errorf("late blocks of lost rows changed\n%s\nto\n%s", before, after)
		}
		a := w.pulse(b)
		for _, r := range a.Rows {
			if r.Stream == wire.Audit && (len(r.Whole) != 1 || r.Whole[0].From != 1) {
				t.Errorf("lost rows do not count as settled: %+v", r)
			}
		}
	})
}

// A loss event names what is gone: delivered segments are no loss, others are. // invariant 7
func TestLossEvent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		lived(b)
		w.drain(b, 5)
		b.Drop(0)
		w.drain(b, 5)
		if got := w.digest("alarms"); strings.Contains(got, "lost") {
			t.Errorf("a delivered segment is alarmed as lost:\n%s", got)
		}
		c := w.box("gw-2")
		lived(c)
		gone := c.Segments[2]
		w.take(c.ID, c.Block(gone, 1, 4))
		c.Drop(2)
		newest := c.Segments[len(c.Segments)-1]
		w.take(c.ID, c.Block(newest, 1, newest.Head()))
		if got := w.digest("alarms"); !strings.Contains(got, "gw-2 lost 1/audit 1") {
			t.Errorf("an undelivered segment is not alarmed as lost:\n%s", got)
		}
		if taken := w.take(c.ID, c.Block(gone, 5, gone.Head())); taken.Counts["lost"] != 1 {
			t.Errorf("a late block of it: %+v", taken)
		}
		w.drain(c, 5)
		for _, r := range w.pulse(c).Rows {
			if r.Stream == wire.Audit && (len(r.Whole) != 1 || r.Whole[0].From != 1 || r.Whole[0].To != 3) {
				t.Errorf("rows around a loss: %+v", r)
			}
		}
	})
}

// Two histories under one name are told apart wherever they part, whatever was delivered first.
func TestForkIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		w := newWorld(t, open())
		b := w.box("gw-1")
		for n := range 5 {
			b.Append(wire.Audit, step("compartment/A-1", n+1))
		}
		c := b.Copy()
		c.Segments[0].Events, c.Segments[0].Hashes = c.Segments[0].Events[:3], c.Segments[0].Hashes[:3]
		for n := range 4 {
			c.Append(wire.Audit, step("compartment/A-2", n+1))
		}
		w.take(b.ID, b.Block(b.Segments[0], 1, 5))
		sealed := b.Copy()
		sealed.Seal(wire.Audit)
		tests := map[string][]byte{
			"overlapping from the start":  c.Block(c.Segments[0], 1, 7),
			"overlapping at the position": c.Block(c.Segments[0], 5, 7),
			"going on from the position":  c.Block(c.Segments[0], 6, 7),
		}
		for name, block := range tests {
			if taken := w.take(b.ID, block); taken.Counts["fork"] != 1 || taken.Events != 0 {
				t.Errorf("%s: %+v", name, taken)
			}
		}
		w.take(b.ID, sealed.Block(sealed.Segments[0], 1, 6))
		b.Append(wire.Audit, step("compartment/A-1", 6))
		if taken := w.take(b.ID, b.Block(b.Segments[0], 7, 7)); taken.Counts["fork"] != 1 {
			t.Errorf("beyond a sealed end: %+v", taken)
		}
		a := w.pulse(b)
		if len(a.Refusals) != 1 || a.Refusals[0].Reason != "fork" {
			t.Errorf("refusals %+v", a.Refusals)
		}
		if got := w.digest("alarms"); !strings.Contains(got, "gw-1 "+fleet.AlarmFork) {
			t.Errorf("no alarm:\n%s", got)
		}
	})
}
