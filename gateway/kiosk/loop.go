package kiosk

import (
	"context"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

const (
	callLimit = 10 * time.Second // for one call of the service: it waits for a commit, never for a door
	farewell  = 15 * time.Second // for a word of thanks: the next person waits behind it
)

// state is the screen as it stands. The loop alone touches it.
type state struct {
	version uint64 // changes with anything shown
	step    uint64 // changes with the question asked
	place   string // what is asked; empty: idle
	settings

	role, block, typed, unit string
	code                     secret // digits, until judged or timed out
	visit                    string
	seen                     Visit // the visit as last read
	front                    Front
	pick                     string // size chosen
	emptyFor                 string // compartment that the courier has found empty
	shut                     int    // door that the courier had no use for and left open; 0: none
	dispute                  string // compartment in question
	verdict                  Verdict
	problem                  problem

	touched time.Time // by the process's own clock: only distances are used
	still   bool      // "still there?" is shown
}

// settings are the person's own, until the screen is idle again.
type settings struct {
	lang                 page.Lang
	large, contrast, low bool
}

// problem is what was wrong with the last input.
type problem struct {
	code, message string
	args          []any
}

// Run takes one input at a time until ctx ends: a touch, a change of the service, or time that has passed.
// It may be called once.
func (k *Kiosk) Run(ctx context.Context) error {
	defer k.loop.Stop()
	start := uint64(time.Now().UnixMicro()) // versions of an earlier run are not taken for this one's
	s := &state{version: start, step: start, settings: settings{lang: page.Chinese}, touched: time.Now()}
	s.front = k.parcels.Front()
	k.loop.Show(s.version)
	for {
		timer := time.NewTimer(time.Until(k.next(s)))
		select {
		case <-ctx.Done():
			timer.Stop()
			k.leave(context.WithoutCancel(ctx), s)
			return nil
		case a := <-k.loop.Asks():
			a.Answer(k.take(ctx, s, a.In))
		case <-k.parcels.Changed():
			k.look(s)
			k.announce(s)
		case <-timer.C:
			k.pass(ctx, s, time.Now())
		}
		timer.Stop()
	}
}

// next returns when time alone changes something: the question, the end, or the clock on the idle screen.
func (k *Kiosk) next(s *state) time.Time {
	switch {
	case s.still:
		return s.touched.Add(k.o.Idle + k.o.Grace)
	case s.resting():
		return time.Now().Truncate(time.Minute).Add(time.Minute)
	case s.over():
		return s.touched.Add(farewell)
	}
	return s.touched.Add(k.o.Idle)
}

// resting tells whether nobody is at the screen, as far as can be known.
func (s *state) resting() bool { return s.place == "" && s.settings == (settings{lang: page.Chinese}) }

// over tells whether the visit is done and only thanks are said: nobody is asked whether he is still there.
func (s *state) over() bool {
	if s.place != "visit" || s.role != collect {
		return s.place == "handed"
	}
	door, next := atHand(s.seen)
	return door == nil && next == nil
}

// pass lets time have its effect. Nothing physical hangs on it: a door that is open stays open.
func (k *Kiosk) pass(ctx context.Context, s *state, now time.Time) {
	waited := now.Sub(s.touched)
	switch {
	case s.resting():
		k.look(s)
	case waited >= k.o.Idle+k.o.Grace || (s.place == "" && waited >= k.o.Idle) || (s.over() && waited >= farewell):
		k.leave(ctx, s)
		k.reset(s)
	case waited >= k.o.Idle && !s.still:
		s.code, s.still, s.problem = "", true, problem{}
		s.step++
	}
	k.announce(s)
}

// reset returns to the idle screen and forgets the person.
func (k *Kiosk) reset(s *state) {
	*s = state{version: s.version, step: s.step + 1, settings: settings{lang: page.Chinese}, touched: time.Now(), front: k.parcels.Front()}
}

// leave ends a visit. A courier who was only away too long keeps his: the service ends it, and his code goes on with it.
func (k *Kiosk) leave(ctx context.Context, s *state) {
	if s.visit == "" || (s.seen.Role == deliver && s.still) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if err := k.parcels.Leave(ctx, s.visit); err != nil {
		k.o.Log.Warn("visit not ended", "err", err)
	}
}

// look reads what the service shows now. What a door does is as good as a touch: the person is there.
func (k *Kiosk) look(s *state) {
	s.front = k.parcels.Front()
	if s.visit == "" {
		return
	}
	seen := k.parcels.Visit(s.visit)
	if seen.Ended {
		k.ended(s)
		return
	}
	if moved(s.seen, seen) {
		s.step++
		s.touched, s.still = time.Now(), false
	}
	s.seen = seen
	switch s.place {
	case "", "visit", "size", "unit", "building":
		k.settle(s)
	}
}

// ended shows that the service has ended the visit: of what it held, only what was seen before is known.
func (k *Kiosk) ended(s *state) {
	s.visit, s.still, s.touched = "", false, time.Now()
	s.seen.Ended, s.seen.Last = true, nil
	s.step++
	if s.role == deliver {
		k.to(s, "handed")
		return
	}
	var doors []Door
	for _, d := range s.seen.Doors {
		switch d.State {
		case parcels.DoorOpening, parcels.DoorOpen, parcels.DoorStuck:
			keep := s.settings
			k.reset(s) // a thank-you for a closed door would be a guess
			s.settings = keep
			return
		case parcels.DoorClosed:
			d.State = parcels.DoorDone
		case parcels.DoorWaiting:
			continue
		}
		doors = append(doors, d)
	}
	s.seen.Doors = doors
	k.to(s, "visit")
}

// settle puts the screen where the visit stands.
func (k *Kiosk) settle(s *state) {
	switch {
	case s.role == deliver && len(s.seen.Doors) > 0:
		k.to(s, "visit")
	case s.role == deliver && s.place == "visit":
		s.unit, s.typed, s.pick, s.emptyFor = "", "", "", ""
		k.to(s, k.firstPlace(s))
	}
}

// moved tells whether a door of the visit did anything.
func moved(a, b Visit) bool {
	if len(a.Doors) != len(b.Doors) || a.Ended != b.Ended || a.Drops != b.Drops {
		return true
	}
	for i := range a.Doors {
		if a.Doors[i].State != b.Doors[i].State || a.Doors[i].Compartment != b.Doors[i].Compartment {
			return true
		}
	}
	return false
}

// announce gives the screen a new version and tells the pages.
func (k *Kiosk) announce(s *state) {
	s.version++
	k.loop.Show(s.version)
}

// to asks another question.
func (k *Kiosk) to(s *state, place string) {
	if s.place != place {
		s.place, s.code, s.problem = place, "", problem{}
		s.step++
	}
}
