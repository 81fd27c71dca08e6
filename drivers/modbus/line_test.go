package modbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// witness is a line that keeps what it is asked, and refuses what must be proven until somebody answers.
type witness struct {
	Line

	mu     sync.Mutex
	proven bool
	asked  []bus.Request
}

func (w *witness) requests() []bus.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

func (w *witness) Do(ctx context.Context, r bus.Request) (bus.Answer, error) {
	w.mu.Lock()
	w.asked = append(w.asked, r)
	proven := w.proven
	w.mu.Unlock()
	if r.Proven && !proven {
		return bus.Answer{}, fmt.Errorf("bus: %w", drivers.ErrUnproven)
	}
	a, err := w.Line.Do(ctx, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proven = w.proven || err == nil
	return a, err
}

// Every request says who answers it, as the answer shows it; only what energises asks for proof.
func TestRequestsNameTheirSource(t *testing.T) {
	for _, protocol := range []Protocol{RTU, TCP} {
		synctest.Test(t, func(t *testing.T) {
			r := newDoorRig(t, DoorConfig{Protocol: protocol, Contact: at(0)}, map[Protocol]bus.Config{TCP: direct}[protocol])
			w := &witness{Line: r.line}
			r.Door.line = w
			if err := r.Secure(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Status(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Release(t.Context(), time.Second, time.Time{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // and off again
			if len(w.requests()) != 5 {
				t.Fatalf("%d requests; want off, two readings, on, off", len(w.requests()))
			}
			for i, q := range w.requests() {
				if want := fmt.Sprintf("modbus unit %d", unitOf); q.Source != want || q.Device != "door/ktv" || q.Proven != (i == 3) {
					t.Errorf("request %d: source %q, proven %v; want %q, and proof for the release alone", i, q.Source, q.Proven, want)
				}
			}
		})
	}
}

// A door whose port was opened anew is read once, and then let be opened: one release, one frame. // invariant 5
func TestReleaseOfAnUnprovenDoor(t *testing.T) {
	for _, flash := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newDoorRig(t, DoorConfig{Flash: flash, Contact: at(0), OpenIs: 1}, bus.Config{})
			w := &witness{Line: r.line}
			r.Door.line = w
			got, err := r.Release(t.Context(), time.Second, time.Now().Add(time.Second))
			if err != nil || !got.Known || !r.unlocked() {
				t.Fatalf("Release() = %+v, %v, on %v; want it known to be on", got, err, r.unlocked())
			}
			var priorities []bus.Priority
			for _, q := range w.requests() {
				priorities = append(priorities, q.Priority)
			}
			if got, want := fmt.Sprint(priorities), fmt.Sprint([]bus.Priority{bus.Actuation, bus.Actuation, bus.Actuation, bus.Actuation}); got != want {
				t.Errorf("requests of priorities %v; want the refused one, two readings, and the release", got)
			}
			if n := r.peer.count(1, coilOn) + r.peer.count(0x0201, 10); n != 1 || len(got.Frames) != 6 {
				t.Errorf("released %d times, %d frames of evidence; want 1, 6", n, len(got.Frames))
			}
			time.Sleep(2 * time.Second)
			if r.unlocked() {
				t.Error("the output is left on")
			}
		})
	}
}

// Nothing is released to a module that does not answer, to one that is retired meanwhile, or too late; and to turn an output
// off asks for no proof. // invariant 5, 15
func TestUnprovenDoorStaysShut(t *testing.T) {
	for _, c := range []struct {
		name  string
		while func(r *doorRig, w *witness) // before the release
		want  error
	}{
		{"silent", func(r *doorRig, _ *witness) { r.peer.locked(func() { delete(r.peer.units, unitOf) }) }, drivers.ErrUnproven},
		{"silent is silent", func(r *doorRig, _ *witness) { r.peer.locked(func() { delete(r.peer.units, unitOf) }) }, drivers.ErrSilent},
		{"retired", func(r *doorRig, _ *witness) {
			r.peer.locked(func() {
				r.say = func(pdu, good []byte) []byte { // while it is read
					r.Door.mu.Lock()
					r.retired = true
					r.Door.mu.Unlock()
					return good
				}
			})
		}, drivers.ErrGone},
		{"refused", func(r *doorRig, _ *witness) {
			r.peer.locked(func() { r.say = func(pdu, _ []byte) []byte { return []byte{pdu[0] | 0x80, 2} } })
		}, drivers.ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newDoorRig(t, DoorConfig{Flash: true}, bus.Config{})
				w := &witness{Line: r.line}
				r.Door.line = w
				c.while(r, w)
				got, err := r.Release(t.Context(), time.Second, time.Now().Add(5*time.Second))
				if !errors.Is(err, c.want) || got.Known || r.peer.count(0x0201, 10) != 0 {
					t.Errorf("Release() = %+v, %v; want %v and nothing released", got, err, c.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newDoorRig(t, DoorConfig{}, bus.Config{})
		r.peer.locked(func() { r.coils[1] = true })
		r.Door.line = &witness{Line: r.line}
		if err := r.Secure(t.Context()); err != nil || r.unlocked() {
			t.Errorf("Secure() = %v, on %v; want it off without proof", err, r.unlocked())
		}
	})
}

// A battery meter answers the second request only. Its silence is no fault, nothing is asked a third time, and one that was
// not asked at all is not asked again.
func TestSleepingMeter(t *testing.T) {
	p, err := ParseProfile("p", []byte(profile("wake: 200ms", plainTotal+"\n  - {name: serial, function: 3, address: 9, type: uint16}")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		misses int
		want   error
		asked  int
	}{{"awake", 0, nil, 2}, {"asleep", 1, nil, 3}, {"dead", 9, drivers.ErrSilent, 2}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dev := &module{registers: map[uint16]uint16{0: 0, 1: 77, 9: 5}}
				misses := c.misses
				dev.say = func(_, good []byte) []byte {
					if misses--; misses >= 0 {
						return nil
					}
					return good
				}
				line, _ := inBubble(t, newPeer(map[byte]*module{7: dev}), bus.Config{})
				w := &witness{Line: line}
				m := newMeter(t, w, MeterConfig{Profile: p})
				r, err := m.Read(t.Context())
				if !errors.Is(err, c.want) || err == nil && (r.Litres != 770 || r.Serial != "5") || len(w.requests()) != c.asked {
					t.Errorf("Read() = %+v, %v by %d requests; want %v by %d", r, err, len(w.requests()), c.want, c.asked)
				}
				if w.requests()[0].Timeout != 200*time.Millisecond || w.requests()[1].Timeout != 500*time.Millisecond {
					t.Errorf("time-outs %v, %v; want the waking one, then the usual", w.requests()[0].Timeout, w.requests()[1].Timeout)
				}
				if h := m.Health()[0]; h.Errors != uint64(map[bool]int{true: 1}[c.want != nil]) || h.Online == (c.want != nil) {
					t.Errorf("health = %+v", h)
				}
			})
		})
	}
	unasked := &refuser{}
	if _, err := newMeter(t, unasked, MeterConfig{Profile: p}).Read(t.Context()); !errors.Is(err, drivers.ErrSilent) || unasked.asked != 1 {
		t.Errorf("Read() = %v by %d requests; want one that was not sent", err, unasked.asked)
	}
}

// refuser is a line that sends nothing.
type refuser struct{ asked int }

func (r *refuser) Do(context.Context, bus.Request) (bus.Answer, error) {
	r.asked++
	return bus.Answer{}, drivers.ErrSilent
}

// What the drivers send they know again, and they say what the answers mean.
func TestDecoders(t *testing.T) {
	for _, protocol := range []Protocol{RTU, TCP} {
		synctest.Test(t, func(t *testing.T) {
			cfg := map[Protocol]bus.Config{TCP: direct}[protocol]
			r := newDoorRig(t, DoorConfig{Protocol: protocol, Flash: true, Contact: at(0), Exit: at(2), OpenIs: 1}, cfg)
			r.peer.locked(func() {
				dev := g4(1234567, 0b1001, 10, 0x87654321)
				r.peer.units[7] = dev
				r.inputs[2] = true
			})
			m := newMeter(t, r.line, MeterConfig{Protocol: protocol})
			reading, err := m.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			release, err := r.Release(t.Context(), 700*time.Millisecond, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			tape := &tape{called: time.Now()}
			if _, err := r.read(t.Context(), manner{tape: tape}); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				who           bus.Decoder
				device        string
				frame, answer []byte
				want          string
			}{
				{m, "meter/m-101", reading.Raw[0].Bytes, reading.Raw[1].Bytes, "unit 7, function 3, registers 0 to 5: total 0012 d687 = 1234567 x 10 l = 12345670 l = 12345.670 度; " +
					"scale 000a = 10 factor of the scale; serial 8765 4321 = 87654321; status 0009 = 9 low_battery, valve_closed"},
				{m, "meter/m-101", reading.Raw[0].Bytes, nil, "unit 7, function 3, registers 0 to 5: no answer"},
				{m, "meter/m-101", reading.Raw[0].Bytes, reading.Raw[0].Bytes, "registers 0 to 5: no answer to it: damaged, or of another device"},
				{r.Door, "door/ktv", release.Frames[0].Bytes, release.Frames[1].Bytes, "unit 3, output 1 on for 700ms: confirmed"},
				{r.Door, "door/ktv", tape.frames[0].Bytes, tape.frames[1].Bytes, "unit 3, reads inputs 0 to 2: 00000100"},
				{r.Door, "door/ktv", tape.frames[2].Bytes, tape.frames[3].Bytes, "unit 3, reads output 1: 00000001"},
			} {
				match, ok := c.who.Match(c.device, c.frame)
				if !ok {
					t.Errorf("%s: % x is not known again", c.device, c.frame)
					continue
				}
				if v, n := match(c.answer); len(c.answer) > 0 && string(c.answer) != string(c.frame) && (v != bus.Complete || n != len(c.answer)) {
					t.Errorf("%s: match of % x = %v, %d", c.device, c.answer, v, n)
				}
				if got := c.who.Explain(c.device, c.frame, c.answer); !strings.Contains(strings.ReplaceAll(got, "[", ""), c.want) {
					t.Errorf("Explain(% x, % x) = %q; want %q", c.frame, c.answer, got, c.want)
				}
			}
			refused := frameOf(protocol == TCP, reading.Raw[0].Bytes[:2], 7, []byte{0x83, 2})
			if got := m.Explain("meter/m-101", reading.Raw[0].Bytes, refused); !strings.Contains(got, "exception 02") {
				t.Errorf("Explain(an exception) = %q", got)
			}
			neighbour := slices.Clone(reading.Raw[0].Bytes) // the same request to unit 8
			if protocol == TCP {
				neighbour[6] = 8
			} else {
				neighbour = frameOf(false, nil, 8, neighbour[1:6])
			}
			for _, other := range []struct {
				who    bus.Decoder
				device string
				frame  []byte
			}{
				{m, "meter/m-102", reading.Raw[0].Bytes}, {m, "meter/m-101", release.Frames[0].Bytes}, {r.Door, "door/ktv", reading.Raw[0].Bytes},
				{m, "meter/m-101", nil}, {r.Door, "door/ktv", []byte{3}}, {m, "meter/m-101", reading.Raw[1].Bytes},
				{m, "meter/m-101", neighbour}, {m, "meter/m-101", append(slices.Clone(reading.Raw[0].Bytes[:len(reading.Raw[0].Bytes)-1]), 99)},
			} {
				if _, ok := other.who.Match(other.device, other.frame); ok {
					t.Errorf("%s takes % x for its own", other.device, other.frame)
				}
			}
		})
	}
}

// What a poll costs is what it then sends and receives.
func TestCosts(t *testing.T) {
	for _, protocol := range []Protocol{RTU, TCP} {
		synctest.Test(t, func(t *testing.T) {
			r := newDoorRig(t, DoorConfig{Protocol: protocol, Flash: true, Contact: at(0), Exit: at(9), Lateness: 2 * time.Second}, map[Protocol]bus.Config{TCP: direct}[protocol])
			r.peer.locked(func() { r.peer.units[7] = g4(1, 0, 10, 1) })
			m := newMeter(t, r.line, MeterConfig{Protocol: protocol})
			reading, err := m.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tape := &tape{called: time.Now()}
			if _, err := r.read(t.Context(), manner{tape: tape}); err != nil {
				t.Fatal(err)
			}
			release, err := r.Release(t.Context(), time.Second, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				device string
				costs  []bus.Cost
				frames []drivers.Frame
				answer time.Duration
			}{
				{"meter/m-101", m.PollCost(), reading.Raw, 500 * time.Millisecond}, {"door/ktv", r.PollCost(), tape.frames, 300 * time.Millisecond},
				{"door/ktv", r.OpenCost(), release.Frames, 300 * time.Millisecond},
			} {
				if 2*len(c.costs) != len(c.frames) {
					t.Errorf("%s: %d costs of %d frames", c.device, len(c.costs), len(c.frames))
					continue
				}
				for i, cost := range c.costs {
					if out, in := len(c.frames[2*i].Bytes), len(c.frames[2*i+1].Bytes); cost.Out != out || cost.In != in || cost.Device != c.device || cost.Answer != c.answer {
						t.Errorf("%s: cost %+v; want %d bytes out and %d in, %v", c.device, cost, out, in, c.answer)
					}
				}
			}
			if r.OpenCost()[0].Lateness != 2*time.Second || m.OpenCost() != nil {
				t.Errorf("costs of opening: %+v, %+v", r.OpenCost(), m.OpenCost())
			}
		})
	}
	p, err := ParseProfile("p", []byte(profile("wake: 200ms", plainTotal)))
	if err != nil {
		t.Fatal(err)
	}
	if got := newMeter(t, nil, MeterConfig{Profile: p}).PollCost(); len(got) != 2 || got[0].In != 0 || got[0].Answer != 200*time.Millisecond || got[1].In != 9 {
		t.Errorf("cost of a sleeping meter = %+v; want the waking one first", got)
	}
}

// A meter that the line lets rest is without an answer like before: no further time-out, and the cause stays said.
func TestRestingMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(map[byte]*module{})
		line, _ := inBubble(t, p, bus.Config{})
		m := newMeter(t, line, MeterConfig{})
		for n := 1; n <= 40; n++ {
			_, err := m.Read(t.Context())
			h := m.Health()[0]
			if !errors.Is(err, drivers.ErrSilent) || h.Online || h.Silent != n || !strings.Contains(h.Error, "check its power") || strings.Contains(h.Error, "not asked again") {
				t.Fatalf("poll %d: %v, health %+v", n, err, h)
			}
			time.Sleep(200 * time.Millisecond)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if h := m.Health()[0]; p.asked > 20 || h.Errors != uint64(p.asked) {
			t.Errorf("%d requests of 40 polls, %d errors; want the line to let it rest, and an error for each time-out", p.asked, h.Errors)
		}
	})
}
