package page

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	maxLive   = 8                // streams open at once; there is one screen, and a technician's beside it
	beat      = 20 * time.Second // between repetitions on a stream, which keep it alive
	liveRetry = 1000             // milliseconds until a browser asks again
)

// Loop ties the requests of one screen to the goroutine that owns what it shows: a request asks and waits for the
// answer, and pages that watch are told when there is something new to see. Asks, Show and Stop are for the owner.
type Loop[In, Out any] struct {
	asks    chan Ask[In, Out]
	stopped chan struct{}

	mu      sync.Mutex // guards what follows
	version uint64
	changed chan struct{} // closed at the next change
	streams int
}

// Ask is one input, on its way to the owner.
type Ask[In, Out any] struct {
	In     In
	answer chan Out // capacity 1: an asker that left holds nobody up
}

// Answer gives the asker what it waits for. It never blocks, and is called once.
func (a Ask[In, Out]) Answer(out Out) { a.answer <- out }

// NewLoop returns a loop that nobody owns yet: asking waits for the owner.
func NewLoop[In, Out any]() *Loop[In, Out] {
	return &Loop[In, Out]{asks: make(chan Ask[In, Out]), stopped: make(chan struct{}), changed: make(chan struct{})}
}

// Ask puts in to the owner and returns the answer; false when the owner has stopped or ctx has ended.
func (l *Loop[In, Out]) Ask(ctx context.Context, in In) (out Out, ok bool) {
	a := Ask[In, Out]{In: in, answer: make(chan Out, 1)}
	select {
	case l.asks <- a:
	case <-l.stopped:
		return out, false
	case <-ctx.Done():
		return out, false
	}
	select {
	case out = <-a.answer:
		return out, true
	case <-l.stopped:
		return out, false
	case <-ctx.Done():
		return out, false
	}
}

// Asks is where the owner takes what was asked.
func (l *Loop[In, Out]) Asks() <-chan Ask[In, Out] { return l.asks }

// Stop says that the owner answers no more. It is called once.
func (l *Loop[In, Out]) Stop() { close(l.stopped) }

// Show tells the pages that watch which version of the screen is in force.
func (l *Loop[In, Out]) Show(version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if version == l.version {
		return
	}
	l.version = version
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Loop[In, Out]) shown() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version, l.changed
}

func (l *Loop[In, Out]) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams == maxLive {
		return false
	}
	l.streams++
	return true
}

func (l *Loop[In, Out]) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams--
}

// Live answers with a stream of server-sent events named "changed", whose data is the version. It ends with the request
// or with the owner.
func (l *Loop[In, Out]) Live(w http.ResponseWriter, r *http.Request) {
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
		version, changed := l.shown()
		fmt.Fprintf(w, "event: changed\ndata: %d\n\n", version)
		if rc.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-pulse.C: // says the version again: a lost event heals
		case <-l.stopped:
			return
		case <-r.Context().Done():
			return
		}
	}
}
