package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// How busy the day is.
const (
	dropsAVisit  = 3
	guardEvery   = 9 * time.Second
	enterEvery   = 12 * time.Second // each door: at most six a minute are let in
	nextPerson   = 2 * time.Second  // until somebody else stands at the kiosk
	lingerAtDoor = 8 * time.Second  // for a door that should open, then a person leaves
)

// atKiosk lets couriers deliver and residents collect, one after the other, until the day is over. busy is what an errand
// under way goes on in.
func (s *soak) atKiosk(day, busy context.Context) error {
	for n := 0; day.Err() == nil; n++ {
		var units []string
		for range dropsAVisit {
			units = append(units, s.homes[s.intn(len(s.homes))].home.Unit)
		}
		if err := s.errand(busy, errand{units: units}); err != nil {
			return err
		}
		for range 2 {
			if day.Err() != nil {
				return nil
			}
			e, err := s.collects(busy, s.homes[s.intn(len(s.homes))], n%2 == 0)
			if err != nil {
				return err
			}
			if e.code == "" {
				continue
			}
			if err := s.errand(busy, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// collects is the errand of a household: by the PIN of one parcel, or by its code for all of them.
func (s *soak) collects(ctx context.Context, h home, byPIN bool) (errand, error) {
	if !byPIN {
		return errand{unit: h.home.Unit, kind: "household", code: h.code}, nil
	}
	waiting, err := h.who.parcels(ctx, s.site, "waiting")
	for _, p := range waiting {
		if p.PIN != "" {
			return errand{unit: h.home.Unit, kind: "pin", code: p.PIN}, err
		}
	}
	return errand{}, err
}

func (s *soak) errand(ctx context.Context, e errand) error {
	if err := pause(ctx, nextPerson); err != nil {
		return err
	}
	v := &visitor{soak: s, errand: e, opened: map[spot]bool{}}
	err := v.run(ctx)
	switch {
	case errors.Is(err, errGaveUp):
		v.spoil(err.Error())
	case err != nil:
		return fmt.Errorf("at the kiosk: %w", err)
	}
	who, what := "resident", "collected"
	if e.delivers() {
		who, what = "courier", "delivered"
	}
	s.did(who+" visits", 1)
	s.did(what, v.done)
	for _, one := range v.spoilt {
		s.spoilt(who, one)
	}
	return nil
}

// atDesk lets the guard look into vacant compartments, and after those that need it.
func (s *soak) atDesk(day, busy context.Context) error {
	all := s.compartments()
	for n := 0; pause(day, guardEvery) == nil; n++ {
		if err := s.inspect(busy, all[s.intn(len(all))]); err != nil {
			return fmt.Errorf("at the desk: %w", err)
		}
	}
	return nil
}

// inspect opens a compartment that nobody uses, looks, closes it and says what was inside.
func (s *soak) inspect(ctx context.Context, c compartment) error {
	s.deskMu.Lock()
	defer s.deskMu.Unlock()
	path := "/door/" + c.String()
	now, err := s.desk.see(ctx, path)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"vacant", "needs_check"}, now["content"]) || now["door"] != "closed" {
		return nil
	}
	b, _ := s.watch.state()
	at, before := s.locks[c], b.openLocks()
	if now, err = s.desk.send(ctx, path+"/open", "reason", "check", "code", s.desk.code); err != nil {
		return err
	}
	if now["error"] != "" { // a courier was faster, or its board is silent
		s.did("guard refused: "+now["error"], 1)
		return nil
	}
	s.mu.Lock()
	s.byGuard[c]++
	s.people["guard openings"]++
	s.mu.Unlock()
	err = s.watch.until(ctx, lingerAtDoor, "compartment "+c.String()+" open", func(b buildingState) bool { return b.openLocks()[at] && !before[at] })
	if err != nil {
		return s.tolerate("guard", err)
	}
	return s.lookInto(ctx, path, at)
}

// lookInto closes an open compartment and says what was inside.
func (s *soak) lookInto(ctx context.Context, path string, at spot) error {
	// closed before the desk has seen it open, it would count as never opened
	if !s.deskShows(ctx, path, "door", "open") {
		s.spoilt("guard", "the desk does not show an open door")
	}
	b, _ := s.watch.state()
	what := "vacant"
	if b.inside(at) {
		what = "occupied"
	}
	if err := s.hand.close(ctx, s.watch, at); err != nil {
		return s.tolerate("guard", err)
	}
	if !s.deskShows(ctx, path, "content", "needs_check") {
		s.spoilt("guard", "the desk does not ask what was inside")
		return nil
	}
	now, err := s.desk.send(ctx, path+"/inside", "reason", "check", "what", what)
	if err == nil && now["error"] != "" {
		s.spoilt("guard", "not taken: "+now["error"])
	}
	return err
}

// tolerate takes what was not seen in time as something left undone; all else is an error.
func (s *soak) tolerate(who string, err error) error {
	if err == nil || !errors.Is(err, errNotSeen) {
		return err
	}
	s.spoilt(who, err.Error())
	return nil
}

// bothered takes what cannot be done to a door as something left undone: in a nightmare it may be held, or have moved by itself.
func (s *soak) bothered(who string, err error) error {
	if s.d.Faults == "" {
		return err
	}
	s.did(who+": a door that is held, or moved by itself", 1)
	return nil
}

// deskShows waits until the desk shows something of a door.
func (s *soak) deskShows(ctx context.Context, path, what, want string) bool {
	for began := time.Now(); time.Since(began) < lingerAtDoor; {
		now, err := s.desk.see(ctx, path)
		if err == nil && now[what] == want {
			return true
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return false
		}
	}
	return false
}

// atDoor lets a household go through the door of a facility with its ticket, again and again; every fifth time the guard
// lets somebody in.
func (s *soak) atDoor(day, busy context.Context, door string, h home) error {
	keeps := &tour{d: s.d, site: s.site, secrets: map[string]string{}}
	_, ticket, err := keeps.book(busy, h.who, h.home, door, time.Now())
	if err != nil {
		return err
	}
	for n := 0; pause(day, enterEvery) == nil; n++ {
		var why string
		if n%5 == 4 {
			why, err = s.letIn(busy, door)
		} else {
			why, err = s.present(busy, door, ticket)
		}
		if err != nil {
			return fmt.Errorf("at door %s: %w", door, err)
		}
		switch why {
		case "":
			err = s.passThrough(busy, door)
		case "too_late": // the next slot has begun
			_, ticket, err = keeps.book(busy, h.who, h.home, door, time.Now())
		case "used": // a booking that opens once
			return nil
		default:
			s.spoilt("door", "refused: "+why)
		}
		if err != nil {
			return fmt.Errorf("at door %s: %w", door, err)
		}
	}
	return nil
}

// present holds a ticket to the reader of a door; why is empty when it is being released.
func (s *soak) present(ctx context.Context, door, ticket string) (why string, err error) {
	now, err := s.terminal.present(ctx, door, ticket)
	if err == nil && now["reason"] == "" {
		s.released(door)
	}
	return now["reason"], err
}

// letIn has the guard open a door from the desk.
func (s *soak) letIn(ctx context.Context, door string) (why string, err error) {
	s.deskMu.Lock()
	defer s.deskMu.Unlock()
	if _, err := s.desk.see(ctx, "/doors/"+door); err != nil {
		return "", err
	}
	now, err := s.desk.send(ctx, "/doors/"+door+"/open", "reason", "visitor", "code", s.desk.code)
	if err == nil && now["error"] == "" {
		s.released(door)
	}
	return now["error"], err
}

func (s *soak) released(door string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entrance[door]++
	s.people["let in"]++
}

// passThrough waits until a door is released, pushes it open, and shuts it once its screen has seen that.
func (s *soak) passThrough(ctx context.Context, door string) error {
	if err := s.watch.until(ctx, lingerAtDoor, "door "+door+" released", func(b buildingState) bool { return b.door(door).OutputOn }); err != nil {
		return s.tolerate("door", err)
	}
	if err := s.hand.touch(ctx, "doors/"+door+"/push", struct{}{}); err != nil {
		return s.bothered("door", err)
	}
	if !s.screenShows(ctx, door, "open") {
		s.spoilt("door", "the screen of "+door+" does not show that it is open")
	}
	if err := s.hand.touch(ctx, "doors/"+door+"/shut", struct{}{}); err != nil {
		return s.bothered("door", err)
	}
	if !s.screenShows(ctx, door, "secured") {
		s.spoilt("door", "the screen of "+door+" does not show that it is secured")
	}
	return nil
}

func (s *soak) screenShows(ctx context.Context, door, state string) bool {
	for began := time.Now(); time.Since(began) < lingerAtDoor; {
		now, err := s.terminal.look(ctx, door)
		if err == nil && now["state"] == state {
			return true
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return false
		}
	}
	return false
}
