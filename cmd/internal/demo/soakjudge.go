package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// openings compares what people asked for, what the gateway meant to do, and what physically happened.
type openings struct {
	Asked   int `json:"asked"`
	Intents int `json:"intents"`
	Pulses  int `json:"pulses"`
	Opened  int `json:"opened"`
}

// waits are the middle and the worst of some times, in milliseconds.
type waits struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func waitsOf(all []time.Duration) waits {
	if len(all) == 0 {
		return waits{}
	}
	slices.Sort(all)
	at := func(p int) float64 {
		return float64(all[min(len(all)-1, len(all)*p/100)].Microseconds()) / 1000
	}
	return waits{at(50), at(99), at(100)}
}

// readingsFound are those of the cloud's log.
type readingsFound struct {
	Meters    int            `json:"meters"`
	Sweeps    int            `json:"sweeps"`
	Readings  int            `json:"readings"` // sweeps times meters, exactly: a sweep is one transaction
	Good      int            `json:"good"`     // each of them compared with the registers
	Otherwise map[string]int `json:"otherwise,omitempty"`
}

// told is an event as the cloud's log has it.
type told struct {
	wire.Event
	at time.Time
}

// id is the name of what an event is about, without its kind.
func (t told) id() string {
	_, id, _ := strings.Cut(t.Subject, "/")
	return id
}

// data reads an event's data.
func data[T any](t told) (v T, err error) {
	if err = json.Unmarshal(t.Data, &v); err != nil {
		err = fmt.Errorf("%s of %s: %w", t.Type, t.Subject, err)
	}
	return v, err
}

// judge waits until the cloud knows everything and then compares.
func (s *soak) judge(ctx context.Context) (Soaked, error) {
	if _, err := s.level(ctx); err != nil {
		return Soaked{}, err
	}
	events, err := s.told(ctx)
	if err != nil {
		return Soaked{}, err
	}
	b, err := s.atRest(ctx)
	if err != nil {
		return Soaked{}, err
	}
	wrong, err := s.troubles(ctx)
	if err != nil {
		return Soaked{}, err
	}
	found := Soaked{Building: s.d.Name, Seconds: time.Since(s.began).Seconds(), Seed: s.d.Seed}
	for _, judge := range []func() error{
		func() (err error) { found.Lockers, err = s.lockers(events, b); return err },
		func() (err error) { found.Doors, err = s.entrances(events, b); return err },
		func() (err error) { found.Readings, err = s.readings(events, wrong); return err },
		func() (err error) { found.Lines, err = s.lines(ctx, events); return err },
		func() error { return s.devices(ctx, events) },
		func() (err error) {
			if s.d.Faults != "" {
				found.Nightmare, err = s.explain(ctx, events, wrong)
			}
			return err
		},
	} {
		if err := judge(); err != nil {
			return Soaked{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found.People, found.Wrong, found.OK = s.people, s.wrong, len(s.wrong) == 0
	return found, nil
}

// atRest is a look at the building once nobody is let in any more; a strike is on for 5 s.
func (s *soak) atRest(ctx context.Context) (b buildingState, err error) {
	_, changed := s.watch.state()
	<-changed // a look after the last event
	err = s.watch.until(ctx, 15*time.Second, "every door's output off", func(now buildingState) bool {
		b = now
		return !slices.ContainsFunc(now.Doors, func(d doorSeen) bool { return d.OutputOn })
	})
	if errors.Is(err, errNotSeen) {
		s.amiss("%v", err)
		err = nil
	}
	return b, err
}

// told is the cloud's log, once the last sweep in it is whole: what has been read by then is compared, and a sweep that is
// still under way is not.
func (s *soak) told(ctx context.Context) (events []told, err error) {
	err = until(ctx, "the last sweep to be whole in the cloud", func() (bool, any, error) {
		l, err := s.d.ledger(ctx)
		if err == nil {
			err = l.check()
		}
		if err != nil {
			return false, nil, err
		}
		events = events[:0]
		readings := 0
		for _, e := range l.events {
			event, err := wire.DecodeEvent(e.bytes)
			if err != nil {
				return false, nil, err
			}
			if event.Type == wire.MeterRead {
				readings++
			}
			events = append(events, told{event, event.Wall.Time()})
		}
		if len(s.config.Meters) == 0 || readings%len(s.config.Meters) == 0 {
			return true, readings, nil
		}
		return false, readings, pause(ctx, time.Second)
	})
	slices.SortStableFunc(events, func(a, b told) int { return a.at.Compare(b.at) })
	return events, err
}

// intended are the openings of compartments in the log.
type intended struct {
	at          map[compartment][]time.Time
	kiosk       map[int]int // by the door's number
	desk        map[compartment]int
	n           int
	twiceJudged []string // intents with two outcomes
}

func intentsOf(events []told) (all intended, err error) {
	all = intended{at: map[compartment][]time.Time{}, kiosk: map[int]int{}, desk: map[compartment]int{}}
	ended := map[string]bool{}
	for _, e := range events {
		switch e.Type {
		case wire.UnlockIntended:
			var at wire.Compartment
			if err := json.Unmarshal(e.State, &at); err != nil {
				return all, err
			}
			intent, err := data[wire.Intent](e)
			if err != nil {
				return all, err
			}
			c := compartment{at.Bank, at.Number}
			if all.at[c] = append(all.at[c], e.at); intent.Purpose == "audit" {
				all.desk[c]++
			} else {
				all.kiosk[c.number]++
			}
			all.n++
		case wire.UnlockOpened, wire.UnlockFailed: // after an unknown one too: the board came back and showed it
			evidence, err := data[wire.Evidence](e)
			if err != nil {
				return all, err
			}
			if ended[evidence.Intent] {
				all.twiceJudged = append(all.twiceJudged, evidence.Intent)
			}
			ended[evidence.Intent] = true
		}
	}
	return all, nil
}

// lockers compares the openings of compartments, lock by lock.
func (s *soak) lockers(events []told, b buildingState) (o openings, err error) {
	intents, err := intentsOf(events)
	if err != nil {
		return o, err
	}
	o.Intents = intents.n
	for _, id := range intents.twiceJudged {
		s.amiss("intent %s has two outcomes", id)
	}
	for n, asked := range s.kiosk {
		if o.Asked += asked; intents.kiosk[n] != asked {
			s.amiss("doors %d: %d openings asked for at the kiosk, %d intents", n, asked, intents.kiosk[n])
		}
	}
	for c, asked := range s.byGuard {
		if o.Asked += asked; intents.desk[c] != asked {
			s.amiss("compartment %s: %d openings asked for at the desk, %d intents", c, asked, intents.desk[c])
		}
	}
	if o.Asked != o.Intents {
		s.amiss("%d openings of compartments were asked for, and %d intents are in the log", o.Asked, o.Intents)
	}
	s.perLock(intents.at, b, &o)
	return o, nil
}

// perLock holds every physical pulse against the intents before it: never more pulses than intents at any time, and in a
// sound building as many in the end.
func (s *soak) perLock(intents map[compartment][]time.Time, b buildingState, o *openings) {
	of := map[spot]compartment{}
	for c, p := range s.locks {
		of[p] = c
	}
	for _, bank := range b.Banks {
		for _, l := range bank.Locks {
			p := spot{bank.Name, l.Lock}
			c := of[p]
			o.Pulses, o.Opened = o.Pulses+l.Pulses, o.Opened+l.Openings
			for n, at := range s.watch.pulses[p.String()] {
				if n >= len(intents[c]) || intents[c][n].After(at) {
					s.amiss("lock %s: pulse %d, seen at %s, was not asked for", p, n+1, at.Format(time.TimeOnly))
				}
			}
			if l.Openings > l.Pulses {
				s.amiss("lock %s: %d openings with %d pulses", p, l.Openings, l.Pulses)
			}
			if n := len(intents[c]); s.d.Faults == "" && (l.Pulses != n || l.Openings != n) {
				s.amiss("lock %s: %d intents, %d pulses, %d openings", p, n, l.Pulses, l.Openings)
			}
		}
	}
}

// entrances compares the openings of facilities' doors.
func (s *soak) entrances(events []told, b buildingState) (o openings, err error) {
	intents := map[string]int{}
	for _, e := range events {
		if e.Type == wire.DoorOpening {
			intents[e.id()]++
			o.Intents++
		}
	}
	for _, id := range s.doorIDs() {
		asked, d := s.entrance[id], b.door(id)
		o.Asked, o.Pulses, o.Opened = o.Asked+asked, o.Pulses+d.Counts.Releases, o.Opened+d.Counts.Openings
		switch {
		case asked != intents[id]:
			s.amiss("door %s: %d were let in, and %d intents are in the log", id, asked, intents[id])
		case d.Counts.Releases > intents[id]:
			s.amiss("door %s: %d intents, %d releases", id, intents[id], d.Counts.Releases)
		case s.d.Faults == "" && (d.Counts.Releases != asked || d.Counts.Openings != asked || d.Counts.Forced != 0):
			s.amiss("door %s: %d were let in; in the building %+v", id, asked, d.Counts)
		}
	}
	return o, nil
}

// readings compares every good reading with what its meter's registers showed, and counts all of them.
func (s *soak) readings(events []told, wrong []*trouble) (r readingsFound, err error) {
	const (
		earliest = 3 * time.Second // an answer may have been on its way for so long
		latest   = 300 * time.Millisecond
	)
	r.Meters, r.Otherwise = len(s.config.Meters), map[string]int{}
	sweeps, begun := map[string]int{}, []int64{}
	for _, e := range events {
		if e.Type != wire.MeterRead {
			continue
		}
		one, err := data[wire.Reading](e)
		if err != nil {
			return r, err
		}
		if sweeps[one.Sweep]++; sweeps[one.Sweep] == 1 {
			var boot, at int64
			if _, err := fmt.Sscanf(one.Sweep, "%d-%d", &boot, &at); err != nil {
				return r, fmt.Errorf("sweep %q: %w", one.Sweep, err)
			}
			begun = append(begun, at)
		}
		r.Readings++
		if one.Quality != wire.ReadingGood {
			r.Otherwise[strings.TrimSpace(one.Quality+" "+one.Code)]++
			if s.d.Faults == "" {
				s.amiss("meter %s at %s: %s %s", e.id(), e.at.Format(time.TimeOnly), one.Quality, one.Code)
			}
			continue
		}
		r.Good++
		from, to := e.at.Add(-earliest), e.at.Add(latest)
		if !s.watch.showed(e.id(), one.Litres, wanders(wrong, e.id(), from, to), from, to) {
			s.amiss("meter %s at %s: %d litres were taken for good, and its registers did not show them", e.id(), e.at.Format(time.TimeOnly), one.Litres)
		}
	}
	r.Sweeps = len(sweeps)
	for sweep, n := range sweeps {
		if n != r.Meters {
			s.amiss("sweep %s has %d readings of %d meters", sweep, n, r.Meters)
		}
	}
	s.schedule(begun)
	return r, nil
}

// wanders is by how much a meter's registers were off at most: each time they are read they show something else, and that
// is then what they showed.
func wanders(wrong []*trouble, meter string, from, to time.Time) (litres int64) {
	for _, t := range wrong {
		if t.on == "meter "+meter && t.do == "wander" && !t.from.After(to.Add(logSlack)) && !t.to.Before(from.Add(-logSlack)) {
			litres = max(litres, t.litres)
		}
	}
	return litres
}

// schedule sees that no sweep was left out: the first one comes at once, the second begins the schedule, and then one
// follows each period until now. A sweep that takes longer than its period, as in a nightmare, is not overtaken.
func (s *soak) schedule(begun []int64) {
	every := s.config.Metering.Every.Milliseconds()
	const slack = 500 // ms
	slices.Sort(begun)
	for i := 2; i < len(begun); i++ {
		apart := begun[i] - begun[i-1]
		if late := apart % every; s.d.Faults == "" && (apart > every+slack || apart < every-slack) || late > slack && late < every-slack {
			s.amiss("a sweep began %d ms after the one before; want %d", apart, every)
		}
	}
	if want := int(time.Since(s.began).Milliseconds()/every) - 2; s.d.Faults == "" && len(begun) < want && len(s.config.Meters) > 0 {
		s.amiss("%d sweeps in %v; want %d at least", len(begun), time.Since(s.began).Round(time.Second), want)
	}
}

// devices sees that nobody was silent in a sound building.
func (s *soak) devices(ctx context.Context, events []told) error {
	if s.d.Faults != "" {
		return nil
	}
	for _, e := range events {
		if e.Type == wire.DeviceSilent {
			s.amiss("%s was silent at %s", e.id(), e.at.Format(time.TimeOnly))
		}
	}
	h, err := s.health(ctx)
	if err != nil {
		return err
	}
	for _, d := range h.Devices {
		if !d.Online {
			s.amiss("%s does not answer at the end", d.ID)
		}
	}
	return nil
}
