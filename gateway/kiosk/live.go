package kiosk

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	maxLive   = 8                // streams open at once; there is one screen, and a technician's beside it
	beat      = 20 * time.Second // between comments that keep a stream alive
	liveRetry = 1000             // milliseconds until a browser asks again
)

// live tells every open page the version of the screen as it now is.
type live struct {
	mu      sync.Mutex
	version uint64
	changed chan struct{} // closed at the next change
	streams int
}

func newLive() *live { return &live{changed: make(chan struct{})} }

func (l *live) set(version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if version == l.version {
		return
	}
	l.version = version
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *live) get() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version, l.changed
}

func (l *live) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams == maxLive {
		return false
	}
	l.streams++
	return true
}

func (l *live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams--
}

// serve is a stream of server-sent events named "changed", whose data is the version. It ends with the request or
// when stopped is closed.
func (l *live) serve(w http.ResponseWriter, r *http.Request, stopped <-chan struct{}) {
	if !l.enter() {
		http.Error(w, "too many screens are watching; close one", http.StatusServiceUnavailable)
		return
	}
	defer l.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	pulse := time.NewTicker(beat)
	defer pulse.Stop()
	fmt.Fprintf(w, "retry: %d\n\n", liveRetry)
	for {
		version, changed := l.get()
		fmt.Fprintf(w, "event: changed\ndata: %d\n\n", version)
		if rc.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-pulse.C: // says the version again: a lost event heals
		case <-stopped:
			return
		case <-r.Context().Done():
			return
		}
	}
}
