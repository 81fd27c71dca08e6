package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// Soaked is what a soak found: one line of JSON at its end.
type Soaked struct {
	Building  string         `json:"building"`
	OK        bool           `json:"ok"`
	Seconds   float64        `json:"seconds"`
	Seed      uint64         `json:"seed"`
	People    map[string]int `json:"people"`              // what they did, and what they left undone, by name
	Lockers   openings       `json:"lockers"`             // of compartments
	Doors     openings       `json:"doors"`               // of facilities
	Readings  readingsFound  `json:"readings"`            // of meters, in the cloud
	Lines     []lineFound    `json:"lines"`               // what was measured beside what was computed
	Nightmare *explained     `json:"nightmare,omitempty"` // nil: no fault script was played
	Wrong     []string       `json:"wrong,omitempty"`     // whatever is not as it must be, the first hundred
}

// maxWrong bounds what is told of what is wrong.
const maxWrong = 100

// soak is one run.
type soak struct {
	*tour
	config config.Config
	locks  map[compartment]spot
	homes  []home
	desk   desk
	watch  *watch
	chance *rand.Rand
	began  time.Time

	deskMu sync.Mutex // one guard, one browser

	mu       sync.Mutex // guards what follows
	people   map[string]int
	kiosk    map[int]int         // doors opened at the kiosk, by their number
	byGuard  map[compartment]int // at the desk
	entrance map[string]int      // doors of facilities, released for somebody
	wrong    []string
}

// compartment is one by its bank and the number on its door.
type compartment struct {
	bank   string
	number int
}

func (c compartment) String() string { return fmt.Sprintf("%s-%d", c.bank, c.number) }

// home is a household of which somebody is signed in.
type home struct {
	who  person
	home household
	code string // the household's
}

// Soak lives a busy day in a building for a while, and judges it: by what the building saw of itself, and by what the cloud
// was told. It starts d. Progress goes to progress once a minute. An error says that there is nothing to judge.
func Soak(ctx context.Context, d *Demo, long time.Duration, progress io.Writer) (Soaked, error) {
	s, err := newSoak(d)
	if err != nil {
		return Soaked{}, err
	}
	defer s.hand.http.CloseIdleConnections()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return s.watch.runFrom(watching) })
	if err := d.Start(ctx); err != nil {
		return Soaked{}, err
	}
	if err := s.prepare(ctx); err != nil {
		return Soaked{}, err
	}
	if err := s.live(ctx, long, progress); err != nil {
		return Soaked{}, err
	}
	found, err := s.judge(ctx)
	stop()
	return found, errors.Join(err, group.Wait())
}

func newSoak(d *Demo) (*soak, error) {
	client := &http.Client{Timeout: 20 * time.Second}
	s := &soak{
		tour: &tour{
			d: d, screen: screen{"http://" + local(d.Ports.Kiosk), client}, terminal: terminal{"http://" + local(d.Ports.Kiosk), client},
			hand: hand{"http://" + local(d.Ports.Building), client}, secrets: map[string]string{},
		},
		locks: map[compartment]spot{}, chance: rand.New(rand.NewPCG(d.Seed, 0x50a6)), began: time.Now(),
		people: map[string]int{}, kiosk: map[int]int{}, byGuard: map[compartment]int{}, entrance: map[string]int{},
	}
	s.watch = newWatch(s.hand)
	c, _, err := config.Load(d.gatewayPath())
	if err != nil {
		return nil, err
	}
	s.config = c
	for _, l := range c.Lockers {
		for _, column := range l.Columns {
			for _, door := range column.Doors {
				if door.Number > 0 {
					s.locks[compartment{l.Bank, door.Number}] = spot{l.Bank, door.Lock}
				}
			}
		}
	}
	return s, nil
}

// prepare signs everybody in and has the codes minted.
func (s *soak) prepare(ctx context.Context) error {
	codes, err := s.d.Codes(ctx)
	if err != nil {
		return err
	}
	s.site, s.courier = s.d.Name, codes.Courier
	if s.desk, err = s.d.deskAt(codes.Guard); err != nil {
		return err
	}
	api := "http://" + local(s.d.Ports.API)
	for account, p := range map[string]*person{"manager": &s.manager, "operator": &s.operator} {
		if *p, err = signIn(ctx, api, account); err != nil {
			return err
		}
	}
	for _, account := range s.d.residents() {
		h := home{}
		if h.who, err = signIn(ctx, api, account); err == nil {
			h.home, err = h.who.household(ctx)
		}
		if err != nil {
			return err
		}
		h.code = codes.Homes[h.home.Unit]
		s.homes = append(s.homes, h)
	}
	return until(ctx, "deposits to be taken", func() (bool, any, error) { // after a start the doors are read first
		now, err := s.screen.touch(ctx, "/deliver")
		if err == nil {
			err = s.screen.home(ctx)
		}
		return err == nil, now, err
	})
}

// live lets everybody live until the time is over, and then lets what is under way end.
func (s *soak) live(ctx context.Context, long time.Duration, progress io.Writer) error {
	group, busy := errgroup.WithContext(ctx)
	day, cancel := context.WithTimeout(busy, long)
	defer cancel()
	group.Go(func() error { return s.atKiosk(day, busy) })
	group.Go(func() error { return s.atDesk(day, busy) })
	for i, door := range s.config.Doors {
		group.Go(func() error { return s.atDoor(day, busy, door.ID, s.homes[i%len(s.homes)]) })
	}
	group.Go(func() error { return s.report(day, progress) })
	if err := group.Wait(); err != nil {
		return err
	}
	if s.d.Faults != "" {
		return nil
	}
	for _, h := range s.homes { // whatever still waits
		if err := s.errand(ctx, errand{unit: h.home.Unit, kind: "household", code: h.code}); err != nil {
			return err
		}
	}
	return nil
}

// report says once a minute how far it is.
func (s *soak) report(day context.Context, progress io.Writer) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-day.Done():
			return nil
		}
		s.mu.Lock()
		line, err := json.Marshal(map[string]any{"after": time.Since(s.began).Round(time.Second).String(), "people": s.people, "wrong": len(s.wrong)})
		s.mu.Unlock()
		if err != nil {
			return err
		}
		fmt.Fprintf(progress, "%s\n", line)
	}
}

// did counts something that people did, or left undone.
func (s *soak) did(what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[what] += n
}

// count counts a door that was opened at the kiosk.
func (s *soak) count(number, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kiosk[number] += n
}

// amiss notes what is not as it must be.
func (s *soak) amiss(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < maxWrong {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// spoilt notes what somebody left undone: in a sound building that must not be.
func (s *soak) spoilt(who, what string) {
	if s.d.Faults == "" {
		s.amiss("%s at %s: %s", who, time.Now().Format(time.TimeOnly), what)
		return
	}
	s.did(who+": "+what, 1)
}

// intn is a number from 0 to n-1 by the run's seed.
func (s *soak) intn(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chance.IntN(n)
}

// doorIDs are the doors of facilities.
func (s *soak) doorIDs() (ids []string) {
	for _, d := range s.config.Doors {
		ids = append(ids, d.ID)
	}
	return ids
}

// compartments are all of them, in order.
func (s *soak) compartments() []compartment {
	return slices.SortedFunc(maps.Keys(s.locks), func(a, b compartment) int {
		if a.bank != b.bank {
			return slices.Compare([]string{a.bank}, []string{b.bank})
		}
		return a.number - b.number
	})
}
