package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// How long before an alarm the fault that explains it may have ended. The building's log is to the second.
const (
	logSlack   = 2 * time.Second
	outcomes   = 10 * time.Second  // of an opening: its budget, and the tries to read what came of it
	lastPolls  = 12 * time.Second  // of a board or a door: three polls with their tries
	sweepsLate = 40 * time.Second  // of a meter: three tries of a sweep, and what waits before it on the line
	leftOpen   = 190 * time.Second // a compartment that stands open is told after three minutes, a door after one
)

// explained is what became of a nightmare's alarms.
type explained struct {
	Alarms    map[string]int `json:"alarms"` // by what they say
	Explained int            `json:"explained"`
	Faults    int            `json:"faults"`
	Noticed   int            `json:"noticed"` // faults that explain an alarm
	Share     float64        `json:"noticed_share"`
}

// alarm is something that the gateway found wrong.
type alarm struct {
	at    time.Time
	what  string
	about string        // locker/A/board/1, meter/m-101, door/ktv, compartment/A-3
	reach time.Duration // how long before it its fault may have ended
	own   bool          // only what was done to the device itself explains it: what a line does to bytes must never be believed
}

// explain matches every alarm in the cloud's log with a fault that the building says was on.
func (s *soak) explain(ctx context.Context, events []told, all []*trouble) (*explained, error) {
	alarms, err := s.alarms(events)
	if err != nil {
		return nil, err
	}
	x := &explained{Alarms: map[string]int{}, Faults: len(all)}
	for _, a := range alarms {
		x.Alarms[a.what]++
		suspects := s.suspects(a)
		because := on(all, suspects, a.at.Add(-a.reach-logSlack), a.at.Add(logSlack))
		if because == nil {
			s.amiss("%s of %s at %s is explained by no fault: %s", a.what, a.about, a.at.Format("15:04:05.000"), s.keep(ctx, a))
			continue
		}
		x.Explained++
		for _, t := range all {
			if on([]*trouble{t}, suspects, a.at.Add(-a.reach-logSlack), a.at.Add(logSlack)) != nil {
				t.noticed = true
			}
		}
	}
	for _, t := range all {
		if t.noticed {
			x.Noticed++
		}
	}
	if x.Faults > 0 {
		x.Share = float64(x.Noticed) / float64(x.Faults)
	}
	return x, nil
}

// keep keeps the recording of an alarm's line and says how to replay it.
func (s *soak) keep(ctx context.Context, a alarm) string {
	line := s.lineOf(a.about)
	code, text, _, err := fetch(ctx, s.hand.http, http.MethodGet, "http://"+local(s.d.Ports.Metrics)+"/recordings/"+line, nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("recording of %s: %d", line, code)
	}
	file := filepath.Join(s.d.Dir, "unexplained", line+".rec")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return err.Error()
	}
	return "lobby-gateway replay " + file
}

// alarms finds what the gateway said is wrong. What goes on being wrong is told once.
func (s *soak) alarms(events []told) (all []alarm, err error) {
	quality := map[string]string{}
	for _, e := range events {
		a := alarm{at: e.at, what: e.Type, about: e.Subject, reach: outcomes}
		switch e.Type {
		case wire.DeviceSilent:
			a.about, a.reach = e.id(), lastPolls
			if strings.HasPrefix(a.about, "meter/") {
				a.reach = sweepsLate
			}
		case wire.UnlockFailed, wire.UnlockUnknown, wire.DoorUnknown:
		case wire.CompartmentForced, wire.DoorForced:
			a.own = true
		case wire.DoorAjar, wire.DoorHeld, wire.DoorLeftOpen:
			a.reach = leftOpen
		case wire.MeterRead:
			var r wire.Reading
			if err := json.Unmarshal(e.Data, &r); err != nil {
				return nil, err
			}
			before := quality[e.id()]
			if quality[e.id()] = r.Quality; r.Quality == wire.ReadingGood || r.Quality == before {
				continue
			}
			a.what, a.reach = strings.TrimSpace("reading "+r.Quality+" "+r.Code), sweepsLate
			if a.own = r.Quality != wire.ReadingBad; a.own {
				a.reach = e.at.Sub(s.began) // a person has to end that doubt: it lasts, however the meter answers meanwhile
			}
		default:
			continue
		}
		all = append(all, a)
	}
	return all, nil
}

// suspects are what can have caused an alarm: the device, its line, and its supply.
func (s *soak) suspects(a alarm) (targets []string) {
	kind, id, _ := strings.Cut(a.about, "/")
	add := func(kind, name string) { targets = append(targets, kind+" "+name) }
	if !a.own {
		add("line", s.lineOf(a.about))
	}
	switch kind {
	case "compartment":
		bank, number := cutCompartment(id)
		p := s.locks[compartment{bank, number}]
		add("lock", p.String())
		for _, l := range s.config.Lockers {
			if l.Bank == bank {
				add("board", fmt.Sprintf("%s/%d", bank, l.Boards[(p.lock-1)/s.locksPerBoard(l.Protocol)]))
			}
		}
		s.sharing(bank, add)
	case "locker":
		bank, board, _ := strings.Cut(id, "/board/")
		add("board", bank+"/"+board)
		s.sharing(bank, add)
	case "meter":
		for _, m := range s.config.Meters {
			for _, of := range s.config.Meters {
				if of.ID == id && m.Line == of.Line && (m.Address == of.Address) { // channels of one device share its answers
					add("meter", m.ID)
				}
			}
		}
	case "door":
		for _, d := range s.config.Doors {
			for _, of := range s.config.Doors {
				if of.ID == id && d.Line == of.Line && d.Address == of.Address { // doors of one module do
					add("door", d.ID)
				}
			}
		}
	}
	return targets
}

func (s *soak) locksPerBoard(protocol string) int {
	if protocol == "kerong-b" {
		return 48
	}
	return 16
}

// sharing adds the banks on one power supply with a bank: what brings it down brings all down.
func (s *soak) sharing(bank string, add func(kind, name string)) {
	supply := ""
	for _, l := range s.config.Lockers {
		if l.Bank == bank {
			supply = l.Supply
		}
	}
	for _, l := range s.config.Lockers {
		if l.Bank == bank || supply != "" && l.Supply == supply {
			add("bank", l.Bank)
		}
	}
}

func cutCompartment(id string) (bank string, n int) {
	bank, rest, _ := strings.Cut(id, "-")
	return bank, number(rest)
}

// lineOf is the line of a device or a compartment.
func (s *soak) lineOf(about string) string {
	kind, id, _ := strings.Cut(about, "/")
	if kind == "compartment" {
		bank, _ := cutCompartment(id)
		about = "locker/" + bank
	}
	on, _ := s.onLines()
	return on[device(about)]
}
