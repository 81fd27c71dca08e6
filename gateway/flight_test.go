package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/health"
)

// configured is hardware with the file of these tests; none of its ports is there.
func configured(t *testing.T, log *slog.Logger) *hardware {
	t.Helper()
	c, faults, err := config.Parse("gateway.yaml", []byte(file))
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	h := newHardware(log)
	t.Cleanup(h.close)
	if _, err := h.apply(c); err != nil {
		t.Fatal(err)
	}
	return h
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Recordings on disk are bounded: so many of a line, so many bytes in all, and nothing half written stays. // invariant 13
func TestRecordingsAreBounded(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, size int64, hours int) {
		path := filepath.Join(dir, name)
		write(t, path, "")
		if err := errors.Join(os.Truncate(path, size), os.Chtimes(path, time.Time{}, time.Now().Add(-time.Duration(hours)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		put(fmt.Sprintf("a-20260101T1200%02dZ.rec", i), 100, 20-i)
	}
	put("a-b-20260101T120000Z.rec", 100, 99) // another line's, whose name begins alike
	put(".a-20260101T120000Z.rec-123", 100, 1)
	f := &flight{dir: dir}
	path, err := f.keep("a", []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	got := names(t, dir)
	if len(got) != recordFiles+1 || !slices.Contains(got, filepath.Base(path)) || !slices.Contains(got, "a-b-20260101T120000Z.rec") || slices.Contains(got, "a-20260101T120002Z.rec") || !slices.Contains(got, "a-20260101T120003Z.rec") {
		t.Errorf("kept %v; want the new one, seven more of its line, and the other line's", got)
	}
	for i := range 4 {
		put(fmt.Sprintf("c-20260101T1200%02dZ.rec", i), recordBytes/3, -i)
	}
	if _, err := f.keep("../d", []byte("new")); err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, name := range names(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if got := names(t, dir); size > recordBytes || !slices.ContainsFunc(got, func(n string) bool { return strings.HasPrefix(n, "..%2Fd-") }) || !slices.Contains(got, "c-20260101T120003Z.rec") {
		t.Errorf("%d bytes in %v; want at most %d, and the newest", size, got, recordBytes)
	}
}

// A line's recording is kept once in ten minutes, whatever goes wrong on it; one that cannot be written is said and harms
// nothing.
func TestAnAlarmKeepsARecording(t *testing.T) {
	var log bytes.Buffer
	h := configured(t, slog.New(slog.NewTextHandler(&log, nil)))
	dir := filepath.Join(t.TempDir(), "recordings")
	f := &flight{dir: dir, last: map[string]time.Time{}}
	for _, a := range []alarm{{line: "a", why: "x"}, {line: "a", why: "y"}, {subject: "door/ktv", why: "forced"}, {subject: "compartment/A-1", why: "forced"}, {subject: "compartment/B-1", why: "forced"}} {
		h.record(f, a)
	}
	got := names(t, dir)
	if len(got) != 3 || !strings.HasPrefix(got[0], "a-") || !strings.HasPrefix(got[1], "b-") || !strings.HasPrefix(got[2], "m-") {
		t.Errorf("kept %v; want one of a, of b and of m", got)
	}
	if n := strings.Count(log.String(), "recording kept"); n != 3 {
		t.Errorf("%d recordings were kept; want 3:\n%s", n, &log)
	}
	text, err := os.ReadFile(filepath.Join(dir, got[2]))
	if err != nil || strings.Contains(string(text), "kiosk") || strings.Contains(string(text), "id: m-2") {
		t.Errorf("the recording of m holds %s, %v", text, err)
	}
	if said, err := Replay("m.rec", text); err != nil || len(said.Concluded) != 0 {
		t.Errorf("Replay = %+v, %v; want nothing: nothing was said", said, err)
	}
	blocked := &flight{dir: filepath.Join(dir, got[0]), last: map[string]time.Time{}}
	h.record(blocked, alarm{line: "a", why: "z"})
	h.record(blocked, alarm{line: "gone", why: "z"})
	if n := strings.Count(log.String(), "recording not kept"); n != 2 {
		t.Errorf("said %d times that nothing could be kept; want 2:\n%s", n, &log)
	}
}

func TestWhatGoesWrongOnALine(t *testing.T) {
	on := drivers.Health{Device: "d", Online: true}
	off := drivers.Health{Device: "d", Error: "no answer"}
	see := func(losses uint64, d drivers.Health) sight {
		return sight{map[string]bus.Stats{"a": {Losses: losses, Error: "gone"}}, map[string][]drivers.Health{"a": {d}}}
	}
	for _, test := range []struct {
		name        string
		before, now sight
		want        string
	}{
		{"nothing", see(0, on), see(0, on), ""},
		{"silent", see(0, on), see(0, off), "d fell silent: no answer"},
		{"still silent", see(0, off), see(0, off), ""},
		{"back", see(0, off), see(0, on), ""},
		{"port lost", see(1, on), see(2, on), "port lost: gone"},
		{"line exchanged", see(2, on), see(0, on), ""},
		{"a new line", sight{}, see(0, off), ""},
	} {
		var got []string
		for _, a := range test.before.wrongSince(test.now) {
			got = append(got, a.why)
			if a.line != "a" {
				t.Errorf("%s: line %q", test.name, a.line)
			}
		}
		if all := strings.Join(got, "; "); all != test.want {
			t.Errorf("%s: %q; want %q", test.name, all, test.want)
		}
	}
}

// ended is a bank and a door on which every opening ends so.
type ended struct {
	outcome drivers.Outcome
	known   bool
}

func (ended) Locks() int                                               { return 1 }
func (ended) Status(context.Context) (s drivers.BankStatus, err error) { return s, nil }
func (ended) Secure(context.Context) error                             { return nil }
func (e ended) Unlock(context.Context, int, time.Time) (drivers.Unlock, error) {
	return drivers.Unlock{Outcome: e.outcome, Pulsed: true, Waited: 30 * time.Millisecond}, nil
}

type endedDoor struct{ ended }

func (endedDoor) Status(context.Context) (s drivers.DoorStatus, err error) { return s, nil }
func (e endedDoor) Release(context.Context, time.Duration, time.Time) (drivers.Release, error) {
	return drivers.Release{Known: e.known, Waited: 70 * time.Millisecond}, nil
}

// An opening that ends stuck or unknown is an alarm of its line; each is counted with its wait.
func TestOpeningsThatEndWrong(t *testing.T) {
	h := newHardware(slog.New(slog.DiscardHandler))
	bank := &slot[config.Locker, drivers.LockBank]{}
	door := &slot[config.Door, drivers.Door]{}
	for _, end := range []struct {
		ended
		want []string
	}{
		{ended{drivers.Opened, true}, nil},
		{ended{drivers.Stuck, true}, []string{"bank A: lock 1 is stuck"}},
		{ended{drivers.Unknown, false}, []string{"bank A: what became of lock 1 is not known", "door ktv: its release was not confirmed"}},
	} {
		bank.exchange(config.Locker{Bank: "A", Line: "a"}, end.ended, true)
		door.exchange(config.Door{ID: "ktv", Line: "a"}, endedDoor{end.ended}, true)
		if _, err := (lockBank{bank, h}).Unlock(t.Context(), 1, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := (facilityDoor{door, h}).Release(t.Context(), time.Second, time.Time{}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for len(h.alarms) > 0 {
			got = append(got, (<-h.alarms).why)
		}
		if !slices.Equal(got, end.want) {
			t.Errorf("after %+v: %q; want %q", end.ended, got, end.want)
		}
	}
	if o := h.waits.all()["a"]; o.Count != 6 || o.Worst != 70*time.Millisecond || o.Usual < 30*time.Millisecond || o.Usual > 70*time.Millisecond {
		t.Errorf("openings on a: %+v; want 6, of 30ms and 70ms", o)
	}
	for range 2 * alarmsWaiting { // nobody takes them, and nobody waits: invariant 13
		h.forced("door/ktv")
	}
	if len(h.alarms) != alarmsWaiting {
		t.Errorf("%d alarms wait; want %d", len(h.alarms), alarmsWaiting)
	}
}

func TestTheWorstWaitIsOfTheLastHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w waits
		w.took("a", 90*time.Millisecond)
		time.Sleep(30 * time.Minute)
		w.took("a", 50*time.Millisecond)
		if o := w.all()["a"]; o.Worst != 90*time.Millisecond {
			t.Errorf("after half an hour: %+v", o)
		}
		time.Sleep(31 * time.Minute)
		if o := w.all()["a"]; o.Worst != 50*time.Millisecond {
			t.Errorf("after an hour: %+v", o)
		}
		time.Sleep(100 * time.Hour)
		if o := w.all()["a"]; o != (health.Openings{Count: 2, Usual: 85 * time.Millisecond}) {
			t.Errorf("after days: %+v", o)
		}
	})
}

// A meter is asked once an hour. When its port goes, nothing of it is shown fresh until then.
func TestADeviceWhosePortIsGoneIsNotOnline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	device := &peer{}
	device.serial.Store(1)
	conns := make(chan net.Conn, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		conns <- c
		_ = meter(c, device) // until it is closed
	}()
	c, _, err := config.Parse("gateway.yaml", fmt.Appendf(nil, "gateway: gw-1\nlines: [{name: n, ports: ['tcp://%s']}]\nmeters: [{id: m-1, line: n, protocol: modbus-tcp, address: 1, profile: g4, serial: '1'}]\n", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	h := newHardware(slog.New(slog.DiscardHandler))
	defer h.close()
	if _, err := h.apply(c); err != nil {
		t.Fatal(err)
	}
	if err := whenOpen(t.Context(), func(ctx context.Context) error {
		_, err := held(h, &h.meters)["m-1"].Read(ctx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if d := h.devices(); len(d) != 1 || !d[0].Online {
		t.Fatalf("devices %+v; want the meter online", d)
	}
	l.Close()
	(<-conns).Close()
	<-done
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for h.stats()["n"].Open {
		<-tick.C
	}
	d := h.devices()[0]
	if d.Online || d.Error == "" || d.LastOK.IsZero() {
		t.Errorf("with its port gone: %+v; want it offline, with why and as of when", d)
	}
	s := health.Snapshot{Devices: h.devices(), Meters: []health.Meter{{ID: "m-1", Quality: "good", Litres: 7, GoodAt: d.LastOK}}}
	if w := s.Wire().Devices[0]; w.Online || w.Error == "" || w.At == 0 {
		t.Errorf("the pulse says %+v", w)
	}
}
