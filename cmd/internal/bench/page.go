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
	for _, text := range []string{r.appendsText(), r.doors.text(), r.drains.text(r.machine.cores)} {
		if text != "" {
			b.WriteString(text + "\n\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func row(f Figure) string {
	target := "none"
	if f.Target != 0 {
		target = fmt.Sprintf("%s %s", figure(f.Target), f.Unit)
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
second 1.00 is the best and less is worse; of milliseconds 1.00 is the best and more is worse. Ratios can be compared
between machines, values cannot. The ceilings are strict: they hash, sign, judge, index and remember nothing.

A percentile is a sample that was measured (nearest rank): with fewer than a hundred samples p99 is the slowest one.
The latch, which takes 0.6 s, comes after the frame and is in neither side of ` + "`pin-to-frame`" + `, and both sides are polled each
second meanwhile. The slowest opening of either side probably met a poll on the line, or somebody else's sync on the disk:
the ratio of p99 moves with that chance (0.78, 1.00 and 1.40 in three runs on a shared machine); that of p50 stays.

Where a target stands, the value must not be below it. That of ` + "`drain`" + `: after a week without the cloud, in which a large
building makes 2 events a second, the gateway tells them at least twenty times as fast as they came.
`

// appendsText says what an append waits for.
func (r results) appendsText() string {
	var all []string
	for _, a := range r.appends {
		if a.real.n == 0 || a.bare.n == 0 {
			continue
		}
		syncs := float64(a.syncs) / a.real.took.Seconds()
		all = append(all, fmt.Sprintf("with %d at once, %s ms a commit of %.1f events, against %s ms for bbolt's",
			a.writers, figure(1000/syncs), a.batch(), figure(1000*a.batch()/a.bare.rate())))
	}
	if len(all) == 0 {
		return ""
	}
	return "**Appends** wait for the disk: " + strings.Join(all, "; ") +
		". What is above bbolt's is the chain hash, the checksum of every value, the state beside the event (the ceiling puts one value, the store three), and the way to the committer and back."
}

// text says what an opening waits for.
func (o openings) text() string {
	if len(o.real) == 0 {
		return ""
	}
	p50 := func(d []time.Duration) string { return figure(millis(percentile(d, 50))) }
	return fmt.Sprintf("**From PIN to frame**, medians: %s ms to judge the PIN (three commits: the guess is counted, then given back, the visit begins), "+
		"%s ms to commit the intent, %s ms from there until the frame is taken: the line's silence, the reading of the lock at 19,200 baud, and a poll that may be under way. "+
		"On the bare side: %s ms for two syncs, %s ms from there until the frame. The service syncs four times where the ceiling syncs twice.",
		p50(o.judged), p50(o.committed), p50(o.sent), p50(o.synced), p50(o.driven))
}

// text says what a drain waits for.
func (d drains) text(cores int) string {
	if d.real.n == 0 || d.bare.n == 0 {
		return ""
	}
	each := func(t time.Duration, n int) string { return figure(float64(t.Microseconds()) / float64(n)) }
	return fmt.Sprintf("**Draining** costs %s µs of processor an event on both ends together, %s µs bare, and kept %.1f of %d cores busy, %.1f bare. "+
		"An event is read from the log, packed, signed, sent, unpacked, verified, chained, logged, projected and answered for; the ceiling unpacks it and inserts one row.",
		each(d.realCPU, d.real.n), each(d.bareCPU, d.bare.n), d.realCPU.Seconds()/d.real.took.Seconds(), cores, d.bareCPU.Seconds()/d.bare.took.Seconds())
}
