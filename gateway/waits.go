package gateway

import (
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/health"
)

// waits are how long openings have waited for their frame, by line. The zero value is ready.
type waits struct {
	mu    sync.Mutex
	lines map[string]*lineWaits
}

// lineWaits are those on one line.
type lineWaits struct {
	count  uint64
	usual  time.Duration
	began  time.Time
	minute int64             // the newest that worst has, since began
	worst  [60]time.Duration // of each minute of the last hour
}

// took adds one opening.
func (w *waits) took(line string, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lines[line]
	if l == nil {
		l = &lineWaits{usual: wait, began: time.Now()}
		if w.lines == nil {
			w.lines = map[string]*lineWaits{}
		}
		w.lines[line] = l
	}
	l.count++
	l.usual += (wait - l.usual) / 8 // follows slowly: one slow opening is no news
	l.turn()
	at := &l.worst[l.minute%int64(len(l.worst))]
	*at = max(*at, wait)
}

// turn empties the minutes that have begun since.
func (l *lineWaits) turn() {
	now := int64(time.Since(l.began) / time.Minute)
	for m := max(l.minute+1, now-int64(len(l.worst))+1); m <= now; m++ {
		l.worst[m%int64(len(l.worst))] = 0
	}
	l.minute = now
}

func (w *waits) all() map[string]health.Openings {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]health.Openings{}
	for name, l := range w.lines {
		l.turn()
		o := health.Openings{Count: l.count, Usual: l.usual}
		for _, wait := range l.worst {
			o.Worst = max(o.Worst, wait)
		}
		all[name] = o
	}
	return all
}
