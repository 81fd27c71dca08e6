package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// texts say where the time goes, a paragraph each.
func (r results) texts() (all []string) {
	all = append(all, appendsText(r.appends))
	for _, o := range r.doors {
		all = append(all, o.text())
	}
	all = append(all, r.drains.text(r.machine.cores), r.rounds.text(), r.remotes.text(), r.pace.text())
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

// appendsText says what an append waits for.
func appendsText(of []appends) string {
	var all []string
	for _, a := range of {
		if a.real.n == 0 || a.bare.n == 0 {
			continue
		}
		syncs := float64(a.syncs) / a.real.took.Seconds()
		all = append(all, fmt.Sprintf("%s, %s ms a commit of %.1f events, against %s ms for bbolt's",
			meanwhile(fmt.Sprintf("with %d at once", a.writers), a.meters), figure(1000/syncs), a.batch(), figure(1000*a.batch()/a.bare.rate())))
	}
	if len(all) == 0 {
		return ""
	}
	return "**Appends** wait for the disk: " + strings.Join(all, "; ") +
		". What is above bbolt's is the chain hash, the checksum of every value, the state beside the event (the ceiling puts one value, the store three), and the way to the committer and back."
}

// meanwhile adds that n meters are read.
func meanwhile(what string, n int) string {
	if n == 0 {
		return what
	}
	return fmt.Sprintf("%s while %d meters are read", what, n)
}

// p50 writes the median in milliseconds.
func p50(d []time.Duration) string { return figure(millis(percentile(d, 50))) }

// text says what an opening waits for.
func (o openings) text() string {
	if len(o.real) == 0 {
		return ""
	}
	return fmt.Sprintf("**%s**, medians: %s ms to judge the PIN (three commits: the guess is counted, then given back, the visit begins), "+
		"%s ms to commit the intent, %s ms from there until the frame is taken: the line's silence, the reading of the lock at 19,200 baud, and a poll that may be under way. "+
		"On the bare side: %s ms for two syncs, %s ms from there until the frame. The service syncs four times where the ceiling syncs twice.",
		meanwhile("From PIN to frame", o.meters), p50(o.judged), p50(o.committed), p50(o.sent), p50(o.synced), p50(o.driven))
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

// text says what a sweep waits for.
func (r rounds) text() string {
	sum, took, least := r.line()
	if sum.requests == 0 {
		return ""
	}
	each := func(d time.Duration) string { return figure(millis(d) / float64(sum.requests)) }
	wire, turns, quiet := time.Duration(sum.characters)*character, time.Duration(sum.requests)*turnaround, time.Duration(sum.requests-len(r.all))*silence
	median := percentile(r.commits, 50)
	return fmt.Sprintf("**A sweep**: each of %d readings kept the line for %s ms, of which its characters take %s ms, the meter's turnaround %s ms and the silence %s ms. "+
		"Of the %s ms above, %s ms lie between an answer and the next request: that is Lobby's own share. Most of it is asked for: the bus counts 3.5 characters of 11 bits, as RTU does whatever the format, "+
		"since a meter that waits so long would miss the end of a frame after less; with 10 bits it is 0.36 ms less. The other %s ms lie between request and answer, where the simulator's timers and the pty are. %d of the readings were good. "+
		"The readings of a sweep, %d in one transaction, were judged and on disk %s ms after its last byte (median; at most %s ms), which is %.1f %% of its time on the line and not counted in it.",
		sum.requests, each(took), each(wire), each(turns), each(quiet),
		each(took-least), each(sum.between-quiet), each(took-least-(sum.between-quiet)), r.readings,
		r.meters, figure(millis(median)), figure(millis(percentile(r.commits, 100))), 100*ratio(millis(median), millis(took)/float64(len(r.all))))
}

// text says what a command waits for.
func (r remotes) text() string {
	if len(r.real) == 0 {
		return ""
	}
	t := r.trips
	return fmt.Sprintf("**From click to latch**, medians: %s ms until the request is at the gateway (the commands of the last minute are counted, this one is committed to SQLite, one message), "+
		"%s ms from there until the signed command is (challenge, one message; a second commit: it is signed once, whoever tries; signature, one message), "+
		"%s ms from there until the frame is taken (signature verified, intent committed, the line's silence, a poll that may be under way). "+
		"On the bare side: %s ms for the commit of SQLite, %s ms for the first round trip, %s ms for the second, %s ms for the commit of bbolt. "+
		"The real one commits three times where the ceiling commits twice, and sends three messages where it sends four: the outcome travels back after the frame.",
		p50(r.asked), p50(r.signed), p50(r.sent), p50(t.sqlite), p50(t.first), p50(t.second), p50(t.bbolt))
}
