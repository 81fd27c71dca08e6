package line

import (
	"slices"
	"sync"
	"time"
)

// Entry is one frame as it went over a wire.
type Entry struct {
	ID      uint64 // 1 for the first of a log, never reused
	At      time.Time
	Line    string
	ToHost  bool // from a device to the host
	Bytes   []byte
	Meaning Meaning
}

// Counts are the frames of a line since the log began.
type Counts struct {
	Sent, Received uint64 // by the host
	Bad            uint64 // of both: damaged
}

// Log keeps the last entries of any number of lines. It is safe for concurrent use.
type Log struct {
	keep int

	mu      sync.Mutex
	last    uint64
	entries []Entry
	counts  map[string]Counts // by line
	subs    map[chan struct{}]struct{}
}

// NewLog returns a log of at most keep entries; under 1 means 1000.
func NewLog(keep int) *Log {
	if keep < 1 {
		keep = 1000
	}
	return &Log{keep: keep, subs: map[chan struct{}]struct{}{}, counts: map[string]Counts{}}
}

// Append numbers e, keeps it and wakes the subscribers. The oldest entry goes when the log is full.
func (l *Log) Append(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.ID = l.last
	c := l.counts[e.Line]
	c.add(e)
	l.counts[e.Line] = c
	if len(l.entries) >= 2*l.keep { // move rarely, never hold more than twice what is asked for
		l.entries = append(l.entries[:0], l.entries[len(l.entries)-l.keep+1:]...)
	}
	l.entries = append(l.entries, e)
	for c := range l.subs {
		select {
		case c <- struct{}{}:
		default: // it has not yet looked since the last time
		}
	}
}

func (c *Counts) add(e Entry) {
	if e.ToHost {
		c.Received++
	} else {
		c.Sent++
	}
	if e.Meaning.Bad {
		c.Bad++
	}
}

// Counts returns how many frames of a line the log has seen.
func (l *Log) Counts(line string) Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[line]
}

// After returns the newest entries of a line with an ID above after, oldest first, at most limit of them (under 1
// means all that are kept). An empty line means every line.
func (l *Log) After(line string, after uint64, limit int) []Entry {
	return l.Newest(after, limit, func(e Entry) bool { return line == "" || e.Line == line })
}

// Newest returns the newest entries that match, with an ID above after, oldest first, at most limit of them (under 1 means
// all that are kept).
func (l *Log) Newest(after uint64, limit int, match func(Entry) bool) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit < 1 || limit > l.keep {
		limit = l.keep
	}
	kept := l.entries[max(0, len(l.entries)-l.keep):]
	var out []Entry
	for i := len(kept) - 1; i >= 0 && len(out) < limit && kept[i].ID > after; i-- {
		if match(kept[i]) {
			out = append(out, kept[i])
		}
	}
	slices.Reverse(out)
	return out
}

// Subscribe returns a channel that gets a value after entries were added, and a function that ends it.
func (l *Log) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs[c] = struct{}{}
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.subs, c)
	}
}
