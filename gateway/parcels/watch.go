package parcels

import "sync"

// watchers are told that something shown has changed. A token that waits already is enough: who takes it looks at all.
type watchers struct {
	kiosk chan struct{}

	mu     sync.Mutex // guards what follows
	serial int
	others map[int]chan struct{}
}

func newWatchers() *watchers {
	return &watchers{kiosk: make(chan struct{}, 1), others: map[int]chan struct{}{}}
}

func (w *watchers) add() (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	id, c := w.serial, make(chan struct{}, 1)
	w.others[id] = c
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.others, id)
	}
}

func (w *watchers) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	token(w.kiosk)
	for _, c := range w.others {
		token(c)
	}
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
