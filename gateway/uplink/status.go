package uplink

import (
	"maps"
	"sync"
	"time"
)

// Status is how the link is at one moment.
type Status struct {
	Connected bool
	Answered  time.Time // when the last answer was accepted, judged time; zero: never since boot
	// Counters since boot, by name: pulses, blocks, blocks_again, timeouts, forks, answers, answers_refused_REASON,
	// hints_refused, retained_dropped, oversized_dropped, topics_dropped, commands_dropped, messages_dropped,
	// publish_dropped, state_refused_CODE, state_unasked, states_applied, keysets_taken, dials, dials_failed,
	// store_errors, and what others Count. One that was never counted is absent.
	Counters map[string]uint64
}

// Status may be called from any goroutine.
func (u *Uplink) Status() Status {
	u.status.mu.Lock()
	defer u.status.mu.Unlock()
	s := u.status.now
	s.Counters = maps.Clone(s.Counters)
	return s
}

type status struct {
	mu  sync.Mutex // guards now
	now Status
}

// Count adds one to a counter of somebody whose figures travel with the link's.
func (u *Uplink) Count(name string) { u.status.count(name) }

func (s *status) count(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Counters[name]++
}

func (s *status) connect(up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Connected = up
}

func (s *status) answered(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Answered = at
	s.now.Counters["answers"]++
}
