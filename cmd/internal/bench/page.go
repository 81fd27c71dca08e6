package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine is where a run took place.
type machine struct {
	cores    int
	platform string
	version  string // of Go
	load     string // of the last minute when the run began: what others had the machine do
	at       time.Time
}

func thisMachine(now time.Time) machine {
	m := machine{cores: runtime.NumCPU(), platform: runtime.GOOS + "/" + runtime.GOARCH, version: runtime.Version(), load: "unknown", at: now}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load, _, _ = strings.Cut(string(b), " ")
	}
	return m
}

// markdown is the page for people.
func markdown(r results) string {
	var b strings.Builder
	b.WriteString("# Performance\n\nWritten by `make bench`; every run replaces it. `build/bench.jsonl` has the same figures for programs.\n\n")
	fmt.Fprintf(&b, "Machine: %d cores, %s, %s; load %s when the run began; %s.\n\n",
		r.machine.cores, r.machine.platform, r.machine.version, r.machine.load, r.machine.at.UTC().Format("2006-01-02 15:04 UTC"))
	b.WriteString("| figure | value | ceiling | ratio | target | how it was measured | what the ceiling is |\n|---|--:|--:|--:|--:|---|---|\n")
	for _, f := range r.figures {
		b.WriteString(row(f))
	}
	b.WriteString(reading)
	b.WriteString("\n## Where the time goes\n\n")
	for _, text := range r.texts() {
		b.WriteString(text + "\n\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func row(f Figure) string {
	target := "none"
	switch {
	case f.Target != 0:
		target = fmt.Sprintf("at least %s %s", figure(f.Target), f.Unit)
	case f.Most != 0:
		target = fmt.Sprintf("at most %s %s", figure(f.Most), f.Unit)
	}
	return fmt.Sprintf("| `%s` | %s %s | %s %s | %.2f | %s | %s | %s |\n",
		f.Name, figure(f.Value), f.Unit, figure(f.Ceiling), f.Unit, f.Ratio, target, f.How, f.Bare)
}

// figure writes a number with three digits that count, and no more.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// reading says how the table is to be read.
const reading = `
## How to read it

A number alone says more about the machine than about the program. So each stands beside a ceiling: the same work by the
bare libraries, on the same disk, line and loopback, in the same run. The two take turns, and who came last comes first in
the next turn, so that whatever else the machine does falls on both. The ratio is value divided by ceiling. Of events a
second or readings a minute 1.00 is the best and less is worse; of milliseconds 1.00 is the best and more is worse. Ratios
can be compared between machines, values cannot. The ceilings are strict: they hash, sign, judge, index and remember nothing.

A percentile is a sample that was measured (nearest rank): with fewer than a hundred samples p99 is the slowest one.
The latch, which takes 0.6 s, comes after the frame and is in neither side of ` + "`pin-to-frame`" + `, and both sides are polled each
second meanwhile. The slowest opening of either side probably met a poll on the line, or somebody else's sync on the disk:
the ratio of p99 moves with that chance (from 0.45 to 4.5 in runs on a shared machine, with metering and without); that of
p50 stays. The same goes for ` + "`remote-open`" + `.

What ends in ` + "`+metering`" + ` is the figure before it once more, while the sweeps of a line of meters follow each other
without a pause and are committed to the same store. In a building they come once an hour. The bare side has the same
machine beside it, but a file of its own.

The ceiling of ` + "`sweep`" + ` is no other program but arithmetic, from the frames that passed: nothing can be faster on such a
line. Only what lies between the first byte out and the last byte in of each sweep counts: the schedule's pause between two
sweeps does not, nor does the commit, which comes in it.

` + "`remote-open`" + ` begins where the API has judged that somebody may: before lies one request over HTTP, on which no gateway
waits. It ends before the strike's coil draws current, which is the frame's time on the wire (8 ms) and the module's. Each
gateway takes five commands a minute, so several are asked in turn, one each second or two; none waits for another.

Where a target stands, the value must keep it. That of ` + "`drain`" + `: after a week without the cloud, in which a large
building makes 2 events a second, the gateway tells them at least twenty times as fast as they came.
`
