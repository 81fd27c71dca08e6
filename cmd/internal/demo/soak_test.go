package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// noon is when the day of these tests begins.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// soaked is a run over a building of one lock, one meter and one door, in which nothing has happened yet.
func soaked(faults string) *soak {
	s := &soak{
		tour:  &tour{d: &Demo{Faults: faults}},
		locks: map[compartment]spot{{"A", 7}: {"A", 3}}, began: noon, people: map[string]int{},
		kiosk: map[int]int{}, byGuard: map[compartment]int{}, entrance: map[string]int{}, watch: newWatch(hand{}),
	}
	s.config = config.Config{
		Lockers:  []config.Locker{{Bank: "A", Line: "lockers", Protocol: "kerong-a", Supply: "hall", Boards: []int{4}}, {Bank: "B", Line: "other", Supply: "hall"}},
		Meters:   []config.Meter{{ID: "m-1", Line: "gas", Address: 1}, {ID: "m-2", Line: "gas", Address: 1, Channel: 2}},
		Doors:    []config.Door{{ID: "gym", Line: "doors", Address: 1}},
		Metering: config.Metering{Every: 10 * time.Second},
	}
	return s
}

func event(kind, subject string, at time.Time, state, data any) told {
	e := wire.Event{Type: kind, Subject: subject, Wall: wire.At(at)}
	if state != nil {
		e.State = wire.Raw(state)
	}
	if data != nil {
		e.Data = wire.Raw(data)
	}
	return told{e, at}
}

func intent(at float64, purpose string) told {
	return event(wire.UnlockIntended, "compartment/A-7", after(at), wire.Compartment{Bank: "A", Number: 7}, wire.Intent{ID: fmt.Sprint(at), Purpose: purpose})
}

func outcome(kind, of string, at float64) told {
	return event(kind, "compartment/A-7", after(at), nil, wire.Evidence{Intent: of, Pulsed: true})
}

// look is what the building shows of itself: pulses and openings of its lock, releases and openings of its door.
func lookAt(t *testing.T, s *soak, at float64, pulses, openings, releases, entered int) buildingState {
	t.Helper()
	var b buildingState
	text := fmt.Sprintf(`{"banks":[{"name":"A","locks":[{"lock":3,"pulses":%d,"openings":%d}]}],"doors":[{"id":"gym","counts":{"releases":%d,"openings":%d}}]}`, pulses, openings, releases, entered)
	if err := unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	s.watch.take(b, after(at), after(at))
	return b
}

// What the judge is there to catch, it catches. invariant 5
func TestJudgeOfOpeningsCatches(t *testing.T) {
	one := []told{intent(10, "deposit"), outcome(wire.UnlockOpened, "10", 11)}
	tests := []struct {
		name             string
		faults           string
		asked            int
		events           []told
		seen             float64 // when the pulses are seen
		pulses, openings int
		want             string
	}{
		{"one for one", "", 1, one, 10.1, 1, 1, ""},
		{"a pulse too many", "", 1, one, 10.1, 2, 1, "pulse 2, seen at 12:00:10, was not asked for"},
		{"a pulse too many in a nightmare", "script", 1, one, 10.1, 2, 1, "was not asked for"},
		{"a pulse before its intent", "", 1, one, 9.9, 1, 1, "pulse 1, seen at 12:00:09, was not asked for"},
		{"an intent that nobody asked for", "script", 0, one, 10.1, 1, 1, "0 openings of compartments were asked for, and 1 intents"},
		{"asked for, and nothing in the log", "script", 1, nil, 10, 0, 0, "1 openings asked for at the kiosk, 0 intents"},
		{"an opening without a pulse", "script", 1, one, 10.1, 1, 2, "2 openings with 1 pulses"},
		{"a pulse that was lost in a sound building", "", 1, one, 10.1, 0, 0, "1 intents, 0 pulses"},
		{"a pulse that was lost in a nightmare", "script", 1, one, 10.1, 0, 0, ""},
		{"two outcomes", "script", 1, append(one, outcome(wire.UnlockFailed, "10", 12)), 10.1, 1, 1, "intent 10 has two outcomes"},
		{"unknown, and then seen", "script", 1, append(one[:1:1], outcome(wire.UnlockUnknown, "10", 11), outcome(wire.UnlockOpened, "10", 15)), 10.1, 1, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := soaked(tt.faults)
			if tt.asked > 0 {
				s.kiosk[7] = tt.asked
			}
			b := lookAt(t, s, tt.seen, tt.pulses, tt.openings, 0, 0)
			if _, err := s.lockers(tt.events, b); err != nil {
				t.Fatal(err)
			}
			s.found(t, tt.want)
		})
	}
}

// found checks what was found wrong: want is a part of it, or nothing.
func (s *soak) found(t *testing.T, want string) {
	t.Helper()
	all := strings.Join(s.wrong, "\n")
	if want == "" && all != "" || want != "" && !strings.Contains(all, want) {
		t.Errorf("found %q; want %q", all, want)
	}
}

// invariant 5
func TestJudgeOfDoorsCatches(t *testing.T) {
	opening := event(wire.DoorOpening, "door/gym", after(10), nil, wire.Entry{ID: "1"})
	for _, tt := range []struct {
		name                     string
		faults                   string
		asked, releases, entered int
		events                   []told
		want                     string
	}{
		{"one for one", "", 1, 1, 1, []told{opening}, ""},
		{"released for nobody", "script", 1, 2, 1, []told{opening}, "1 intents, 2 releases"},
		{"an intent for nobody", "script", 0, 1, 0, []told{opening}, "0 were let in, and 1 intents"},
		{"let in, and held", "", 1, 1, 0, []told{opening}, "1 were let in; in the building"},
		{"let in, and held, in a nightmare", "script", 1, 1, 0, []told{opening}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := soaked(tt.faults)
			s.entrance["gym"] = tt.asked
			if _, err := s.entrances(tt.events, lookAt(t, s, 20, 0, 0, tt.releases, tt.entered)); err != nil {
				t.Fatal(err)
			}
			s.found(t, tt.want)
		})
	}
}

func TestJudgeOfReadingsCatches(t *testing.T) {
	read := func(meter string, at float64, litres int64, quality string) told {
		return event(wire.MeterRead, "meter/"+meter, after(at), nil, wire.Reading{Sweep: "1-10000", Litres: litres, Quality: quality})
	}
	other := read("m-2", 10, 500, wire.ReadingGood)
	wander := []*trouble{{on: "meter m-1", do: "wander", from: after(5), to: after(15), litres: 30}}
	for _, tt := range []struct {
		name   string
		faults string
		wrong  []*trouble
		events []told
		want   string
	}{
		{"what was shown", "", nil, []told{read("m-1", 10, 101, wire.ReadingGood), other}, ""},
		{"between two looks", "", nil, []told{read("m-1", 10.05, 103, wire.ReadingGood), other}, ""},
		{"never shown", "", nil, []told{read("m-1", 10, 120, wire.ReadingGood), other}, "meter m-1 at 12:00:10: 120 litres were taken for good"},
		{"shown long before", "script", nil, []told{read("m-1", 10, 90, wire.ReadingGood), other}, "90 litres were taken for good"},
		{"another meter's", "script", nil, []told{read("m-1", 10, 500, wire.ReadingGood), other}, "500 litres were taken for good"},
		{"registers that wander", "script", wander, []told{read("m-1", 10, 120, wire.ReadingGood), other}, ""},
		{"registers that do not wander so far", "script", wander, []told{read("m-1", 10, 150, wire.ReadingGood), other}, "150 litres were taken for good"},
		{"bad in a sound building", "", nil, []told{read("m-1", 10, 100, wire.ReadingBad), other}, "meter m-1 at 12:00:10: bad"},
		{"bad in a nightmare", "script", nil, []told{read("m-1", 10, 100, wire.ReadingBad), other}, ""},
		{"half a sweep", "script", nil, []told{other}, "sweep 1-10000 has 1 readings of 2 meters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := soaked(tt.faults)
			s.began = time.Now()
			for i, litres := range []int64{90, 95, 100, 101, 105} {
				var b buildingState
				if err := unmarshal(fmt.Sprintf(`{"meters":[{"id":"m-1","litres":%d},{"id":"m-2","litres":500}]}`, litres), &b); err != nil {
					t.Fatal(err)
				}
				at := []float64{2, 5, 9.9, 10, 10.1}[i]
				s.watch.take(b, after(at), after(at))
			}
			if _, err := s.readings(tt.events, tt.wrong); err != nil {
				t.Fatal(err)
			}
			s.found(t, tt.want)
		})
	}
}

func TestASweepThatWasLeftOutIsMissed(t *testing.T) {
	for _, tt := range []struct {
		faults string
		begun  []int64 // ms
		want   string
	}{
		{"", []int64{300, 4_000, 14_000, 24_010}, ""},
		{"", []int64{300, 4_000, 14_000, 34_000}, "20000 ms after the one before"},
		{"script", []int64{300, 4_000, 14_000, 34_000}, ""}, // it was overrun
		{"script", []int64{300, 4_000, 14_000, 29_000}, "15000 ms after the one before"},
	} {
		s := soaked(tt.faults)
		s.began = time.Now()
		s.schedule(tt.begun)
		s.found(t, tt.want)
	}
}

const buildingLog = `# What was done to x in the 2m0s since 2026-01-01T12:00:00Z.
seed: 1
faults:
  - {at: 10s, line: lockers, do: noise, rate: 0.01}
  - {at: 20s, line: lockers, do: noise, rate: 0}
  - {at: 30s, board: A/4, do: dead}
  - {at: 40s, board: A/4, do: fine}
  - {at: 45s, line: doors, do: unplug}
  - {at: 50s, line: doors, do: replug, link: "doors-1"}
  - {at: 55s, bank: B, do: brown-out, rate: 0.2}
  - {at: 60s, lock: A/3, do: force}
  - {at: 70s, meter: m-2, do: replace, serial: "00000001"}
  - {at: 80s, line: gas, do: silence}
`

func TestTroublesOfTheBuildingsLog(t *testing.T) {
	all, err := troublesOf([]byte(buildingLog), after(120))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range all {
		got = append(got, one.String())
	}
	want := []string{
		"noise of line lockers from 12:00:10 to 12:00:20", "dead of board A/4 from 12:00:30 to 12:00:40",
		"unplug of line doors from 12:00:45 to 12:00:50", "brown-out of bank B from 12:00:55 to 12:02:00",
		"force of lock A/3 from 12:01:00 to 12:01:00", "replace of meter m-2 from 12:01:10 to 12:01:10", "silence of line gas from 12:01:20 to 12:02:00",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := troublesOf([]byte("faults: []"), noon); err == nil {
		t.Error("a log without its beginning is taken")
	}
}

// Every alarm is explained by what was wrong with its device, its line or its supply, at its time, and by nothing else.
func TestAlarmsAreExplained(t *testing.T) {
	all, err := troublesOf([]byte(buildingLog), after(120))
	if err != nil {
		t.Fatal(err)
	}
	silent := func(device string, at float64) told {
		return event(wire.DeviceSilent, "device/"+device, after(at), wire.Device{}, nil)
	}
	read := func(meter string, at float64, quality string) told {
		return event(wire.MeterRead, "meter/"+meter, after(at), nil, wire.Reading{Quality: quality})
	}
	for _, tt := range []struct {
		name   string
		events []told
		alarms int
		want   string
	}{
		{"a board that is dead", []told{silent("locker/A/board/4", 35)}, 1, ""},
		{"another bank on the same supply", []told{silent("locker/A/board/4", 100)}, 1, ""},
		{"the noise on its line", []told{silent("locker/A/board/4", 12)}, 1, ""},
		{"before anything was wrong", []told{silent("locker/A/board/4", 5)}, 1, "device.silent of locker/A/board/4 at 12:00:05.000 is explained by no fault"},
		{"another line's fault", []told{silent("door/gym", 35)}, 1, "device.silent of door/gym"},
		{"shortly after", []told{outcome(wire.UnlockUnknown, "1", 28)}, 1, ""},
		{"stuck for no reason", []told{outcome(wire.UnlockFailed, "1", 5)}, 1, "compartment.stuck of compartment/A-7"},
		{"forced", []told{event(wire.CompartmentForced, "compartment/A-7", after(61), nil, nil)}, 1, ""},
		{"noise forces nothing", []told{event(wire.CompartmentForced, "compartment/A-7", after(15), nil, nil)}, 1, "compartment.forced"},
		{"an exchanged meter, by the other channel of its device", []told{read("m-1", 75, wire.ReadingForeign)}, 1, ""},
		{"a wrong total is never the line's doing", []told{read("m-1", 60, wire.ReadingGood), read("m-1", 65, wire.ReadingJump)}, 1, "reading jump of meter/m-1"},
		{"what goes on being wrong is told once", []told{read("m-1", 85, wire.ReadingBad), read("m-1", 95, wire.ReadingBad)}, 1, ""},
		{"held open, for no reason", []told{event(wire.DoorHeld, "door/gym", after(20), nil, nil)}, 1, "door.held of door/gym"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := soaked("script")
			s.d.Dir = t.TempDir()
			s.hand.http = unreachable()
			x, err := s.explain(t.Context(), tt.events, all)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, of := range x.Alarms {
				n += of
			}
			if n != tt.alarms || x.Explained != tt.alarms-len(s.wrong) || x.Faults != len(all) || (x.Noticed > 0) != (tt.want == "") {
				t.Errorf("%+v; want %d alarms", x, tt.alarms)
			}
			s.found(t, tt.want)
			for _, one := range all {
				one.noticed = false
			}
		})
	}
}

func unmarshal(text string, into any) error { return json.Unmarshal([]byte(text), into) }

// unreachable is a browser that gets nowhere.
func unreachable() *http.Client {
	return &http.Client{Transport: nowhere{}}
}

type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("there is no network in a test")
}
