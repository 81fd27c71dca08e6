package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, c := range []struct {
		name    string
		samples []time.Duration
		p       float64
		want    time.Duration
	}{
		{"none", nil, 50, 0},
		{"one", []time.Duration{7}, 99, 7},
		{"lowest", hundred, 0, 1},
		{"median of many, unsorted", hundred, 50, 50},
		{"p99 of a hundred is not the slowest", hundred, 99, 99},
		{"p99 of fewer is the slowest", hundred[:60], 99, 100},
		{"between two ranks the higher counts", []time.Duration{3, 1, 2}, 50, 2},
		{"all", hundred, 100, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percentile(c.samples, c.p); got != c.want {
				t.Errorf("percentile(%v) = %d; want %d", c.p, got, c.want)
			}
		})
	}
	if hundred[0] != 100 {
		t.Error("percentile has sorted its caller's samples")
	}
}

func TestRatioAndRate(t *testing.T) {
	for _, c := range []struct{ value, ceiling, want float64 }{{50, 100, 0.5}, {30, 20, 1.5}, {5, 0, 0}} {
		if got := ratio(c.value, c.ceiling); got != c.want {
			t.Errorf("ratio(%v, %v) = %v; want %v", c.value, c.ceiling, got, c.want)
		}
	}
	var all tally
	if got := all.rate(); got != 0 {
		t.Errorf("rate of nothing = %v; want 0", got)
	}
	all.add(10, time.Second)
	all.add(50, 2*time.Second)
	if got := all.rate(); got != 20 {
		t.Errorf("rate = %v; want 20: all by all, not the mean of two rates", got)
	}
}

// made is a run whose figures are easy to see.
func made() results {
	o := openings{real: []time.Duration{40 * time.Millisecond, 30 * time.Millisecond}, bare: []time.Duration{20 * time.Millisecond, 15 * time.Millisecond}}
	a := appends{writers: 64, real: tally{4800, time.Second}, bare: tally{9600, time.Second}, syncs: 100}
	d := drains{real: tally{1000, time.Second}, bare: tally{4000, time.Second}, realCPU: time.Second, bareCPU: 500 * time.Millisecond, events: 1000, blocks: 5}
	r := results{machine: machine{cores: 2, platform: "linux/amd64", version: "go1.26", load: "0.10", at: time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)}}
	began := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	w := rounds{meters: 2, readings: 4, commits: []time.Duration{5 * time.Millisecond}}
	for range 2 {
		w.all = append(w.all, sweep{began: began, ended: began.Add(100 * time.Millisecond), requests: 2, characters: 48, between: 10 * time.Millisecond})
	}
	c := remotes{gateways: 2, real: o.real, bare: o.bare}
	r.appends, r.doors, r.drains, r.rounds, r.remotes = []appends{a}, []openings{o}, d, w, c
	r.figures = slices.Concat([]Figure{a.figure()}, o.figures(), []Figure{d.figure(), w.figure()}, c.figures())
	return r
}

func TestMarkdown(t *testing.T) {
	text := markdown(made())
	for _, want := range []string{
		"Machine: 2 cores, linux/amd64, go1.26; load 0.10 when the run began; 2026-05-01 08:00 UTC.",
		"| `append/64` | 4800 events/s | 9600 events/s | 0.50 | none | ",
		"by 64 at once, each on disk when its call returns; 48.0 to a sync",
		"| `pin-to-frame` | 30.0 ms | 15.0 ms | 2.00 | none | ",
		"| `pin-to-frame/p50` | 30.0 ms | 15.0 ms | 2.00 | none | ",
		"| `pin-to-frame/p99` | 40.0 ms | 20.0 ms | 2.00 | none | ",
		"| `drain` | 1000 events/s | 4000 events/s | 0.25 | at least 40.0 events/s | ",
		"with 64 at once, 10.0 ms a commit of 48.0 events, against 5.00 ms for bbolt's",
		"| `sweep` | 1200 readings/min | 1885 readings/min | 0.64 | none | 2 meters (g4) on one line of 9600 baud, ",
		"2 sweeps, each from the first byte out to the last byte in",
		"arithmetic over the 96 characters that passed: 1.041666ms each, 5ms turnaround for each of 4 requests, and 3.645831ms silence before each but the first of a sweep",
		"each of 4 readings kept the line for 50.0 ms, of which its characters take 25.0 ms, the meter's turnaround 5.00 ms and the silence 1.82 ms. Of the 18.2 ms above, 3.18 ms lie between",
		"The other 15.0 ms lie between request and answer", "4 of the readings were good. The readings of a sweep, 2 in one transaction, were judged and on disk 5.00 ms after its last byte (median; at most 5.00 ms), which is 5.0 % of",
		"| `remote-open/p99` | 40.0 ms | 20.0 ms | 2.00 | none | 2 commands to 2 gateways: ",
		"costs 1000 µs of processor an event on both ends together, 125 µs bare, and kept 1.0 of 2 cores busy, 0.5 bare",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("page lacks %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 8 {
			t.Errorf("%d bars in a row of seven columns: %s", strings.Count(line, "|"), line)
		}
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	lines, page := filepath.Join(dir, "bench.jsonl"), filepath.Join(dir, "page.md")
	if err := save(made(), lines, page); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		var f map[string]any
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		names = append(names, f["name"].(string))
		if _, has := f["target"]; has != (f["name"] == "drain") {
			t.Errorf("%s has a target: %t", f["name"], has)
		}
	}
	if got, want := strings.Join(names, " "), "append/64 pin-to-frame pin-to-frame/p50 pin-to-frame/p99 drain sweep remote-open remote-open/p50 remote-open/p99"; got != want {
		t.Errorf("figures %s; want %s", got, want)
	}
}

// A small run of everything, on real files, a real pty and real sockets.
func TestMeasure(t *testing.T) {
	small := sizes{
		turns: 2, turn: 20 * time.Millisecond, doors: 9, openings: 2, pause: time.Millisecond, events: 600, drains: 2,
		meters: 3, sweeps: 2, every: 500 * time.Millisecond, gateways: 2, commands: 2,
		rounds: 1, busyLines: 1, busyRounds: 2, busyOpenings: 1, plugs: 1, replugs: 2,
	}
	r, err := measure(t.Context(), t.TempDir(), small, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.figures {
		if f.Value <= 0 || f.Ceiling <= 0 || f.Ratio <= 0 {
			t.Errorf("%s = %v of %v, ratio %v; want all above 0", f.Name, f.Value, f.Ceiling, f.Ratio)
		}
	}
	if len(r.doors) != 2 || r.doors[0].meters != 0 || r.doors[1].meters != 3 {
		t.Errorf("openings %+v; want them alone and with meters", r.doors)
	}
	for _, o := range r.doors {
		if len(o.real) != 2 || len(o.bare) != 2 {
			t.Errorf("%d and %d openings; want 2 each", len(o.real), len(o.bare))
		}
	}
	sum, took, least := r.rounds.line()
	if sum.requests != 6 || sum.characters != 6*(8+17) || r.rounds.readings != 6 || len(r.rounds.commits) != 2 {
		t.Errorf("%+v in %d sweeps, %d good, %d commits; want 6 readings of 8 and 17 characters in 2", sum, len(r.rounds.all), r.rounds.readings, len(r.rounds.commits))
	}
	if took < least {
		t.Errorf("sweeps took %v; a line needs %v", took, least)
	}
	if c := r.remotes; len(c.real) != 2 || len(c.bare) != 2 || len(c.sent) != 2 || len(c.trips.bbolt) != 2 {
		t.Errorf("%d and %d commands, %d and %d parts; want 2 each", len(c.real), len(c.bare), len(c.sent), len(c.trips.bbolt))
	}
	if d := r.drains; d.real.n < 2*d.events || d.bare.n != 2*d.events || d.events < 600 {
		t.Errorf("%d and %d events drained; want twice %d", d.real.n, d.bare.n, d.events)
	}
	if a := r.appends[1]; a.batch() <= 1 {
		t.Errorf("%.1f of 64 writers share a sync; want more than one", a.batch())
	}
}
