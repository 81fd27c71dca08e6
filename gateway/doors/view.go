package doors

import (
	"cmp"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
)

// view is what screens see. It is made by the loop after a commit, and nobody changes it.
type view struct{ doors []Door }

func (v *view) at(now clock.Reading) View {
	return View{Now: now.Time, Clock: clockWord(now.Quality), Doors: slices.Clone(v.doors)}
}

// publish shows the doors as they are now, and tells those who watch if that is news.
func (s *Service) publish() {
	v := &view{}
	for i, d := range s.state.Doors {
		c := s.config.Doors[i]
		state, outcome := d.Shown()
		shown := Door{
			ID: d.ID, Name: c.Name, English: cmp.Or(c.English, c.Name), State: string(state), Since: d.Since, ClosedDown: d.Closed, Reason: d.Reason,
			Online: d.Online(), AsOf: d.AsOf, Contact: "unknown", Intent: d.Newest, Outcome: outcome,
		}
		switch d.Contact {
		case drivers.ContactClosed:
			shown.Contact = "closed"
		case drivers.ContactOpen:
			shown.Contact = "open"
		}
		v.doors = append(v.doors, shown)
	}
	if old := s.view.Swap(v); !reflect.DeepEqual(timeless(old), timeless(v)) {
		s.watchers.tell()
	}
}

// timeless is what is shown without the time of the newest reading.
func timeless(v *view) []Door {
	doors := slices.Clone(v.doors)
	for i := range doors {
		doors[i].AsOf = time.Time{}
	}
	return doors
}

// watchers are told that something shown has changed. A token that waits already is enough: who takes it looks at all.
type watchers struct {
	mu  sync.Mutex // guards all
	all map[chan struct{}]bool
}

func newWatchers() *watchers { return &watchers{all: map[chan struct{}]bool{}} }

func (w *watchers) add() (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan struct{}, 1)
	w.all[c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, c)
	}
}

func (w *watchers) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all {
		token(c)
	}
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
