package page

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

func TestLoopAnswersUntilItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop[int, int]()
		go func() {
			a := <-l.Asks()
			a.Answer(a.In * 2)
			<-l.Asks() // taken, and never answered
			l.Stop()
		}()
		if out, ok := l.Ask(t.Context(), 21); out != 42 || !ok {
			t.Errorf("Ask(21) = %d, %v; want 42, true", out, ok)
		}
		if _, ok := l.Ask(t.Context(), 1); ok {
			t.Error("an owner that stopped has answered")
		}
		if _, ok := l.Ask(t.Context(), 1); ok {
			t.Error("a stopped loop takes questions")
		}
	})
}

func TestLoopLetsAnAskerGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop[int, int]()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		go func() { _, ok := l.Ask(ctx, 1); done <- ok }()
		a := <-l.Asks()
		cancel()
		if <-done {
			t.Error("an asker that left has an answer")
		}
		a.Answer(1) // holds nobody up
	})
}

func TestLiveSaysEveryVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w, done := NewLoop[int, int](), httptest.NewRecorder(), make(chan struct{})
		l.Show(7)
		go func() {
			defer close(done)
			l.Live(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live", nil))
		}()
		synctest.Wait()
		l.Show(8)
		l.Show(8)
		synctest.Wait()
		l.Stop()
		<-done
		const want = "retry: 1000\n\nevent: changed\ndata: 7\n\nevent: changed\ndata: 8\n\n"
		if got := w.Body.String(); got != want || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
			t.Errorf("the stream is %q; want %q", got, want)
		}
	})
}

// invariant 13
func TestLiveIsBounded(t *testing.T) {
	l := NewLoop[int, int]()
	for range maxLive {
		if !l.enter() {
			t.Fatal("refused below the bound")
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel() // a stream that is taken all the same ends at once
	w := httptest.NewRecorder()
	l.Live(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/live", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("stream %d answers %d; want 503", maxLive+1, w.Code)
	}
	l.leave()
	if !l.enter() {
		t.Error("a stream that left keeps its place")
	}
}
