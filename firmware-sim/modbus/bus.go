package modbus

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// MaxUnit is the highest address of a device; the lowest is 1.
const MaxUnit = 247

// wakeful is how long a sleepy device listens after a request has woken it.
const wakeful = 5 * time.Second

// defaultTurnaround is the time from a request's last byte to its answer's first.
const defaultTurnaround = 5 * time.Millisecond

// Faults are what is wrong with a device's answers. The zero value is a healthy device.
type Faults struct {
	Silent    bool          // it hears and acts, and does not answer
	Sleepy    bool          // it hears the second of two requests only: the first one wakes it
	LateRate  float64       // the part of its answers that comes late, 0 to 1
	Late      time.Duration // how much later these come
	CutRate   float64       // the part of its answers that ends too early, 0 to 1
	BusyRate  float64       // the part of the requests that it refuses as busy, exception 06, 0 to 1
	WrongUnit bool          // its answers carry the address after its own
	AllFF     bool          // of a meter: every register reads FFFF
	SwapWords bool          // of a meter: values of several registers have their words the other way round
}

// station is what all devices of a bus have: an address and the faults of their answers.
type station struct {
	unit       int
	name       string // for people
	turnaround time.Duration

	mu         sync.Mutex // guards the device that embeds the station, too
	faults     Faults
	random     *rand.Rand
	unanswered uint64
	woken      time.Time // a sleepy device heard a request then, and listens for a while
}

// place puts a device at unit, where it answers after turnaround; 0 means 5 ms. It panics on an impossible one.
func (s *station) place(unit int, name string, turnaround time.Duration, seed uint64) {
	if unit < 1 || unit > MaxUnit || turnaround < 0 {
		panic(fmt.Sprintf("modbus: impossible unit %d, turnaround %v", unit, turnaround))
	}
	s.unit, s.name, s.turnaround = unit, name, cmp.Or(turnaround, defaultTurnaround)
	s.random = rand.New(rand.NewPCG(seed, uint64(unit)))
}

func (s *station) base() *station { return s }

// Unit is the device's address.
func (s *station) Unit() int { return s.unit }

// Faults returns what is wrong with the device's answers now.
func (s *station) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// SetFaults changes what is wrong, from the next answer on.
func (s *station) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Unanswered returns how many requests the device has left without an answer while it was silent.
func (s *station) Unanswered() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unanswered
}

// Slave is one device of a bus: a Meter or a Relay.
type Slave interface {
	base() *station
	// obey does what a request asks for and returns the answer. The station's lock is held.
	obey(r request, now time.Time) []byte
	// asked and answered say what a request and its answer mean; pdu is no exception.
	asked(r request) line.Meaning
	answered(r request, pdu []byte) line.Meaning
}

// Bus is the devices of one line. It is safe for concurrent use.
type Bus struct{ slaves map[byte]Slave }

// NewBus returns a bus of devices. It panics when two share an address.
func NewBus(slaves ...Slave) *Bus {
	b := &Bus{slaves: map[byte]Slave{}}
	for _, s := range slaves {
		unit := byte(s.base().unit)
		if b.slaves[unit] != nil {
			panic(fmt.Sprintf("modbus: two devices at unit %d", unit))
		}
		b.slaves[unit] = s
	}
	return b
}

// answer is what a device says to a request.
type answer struct {
	after time.Duration
	unit  byte
	pdu   []byte
	part  float64 // what is sent of it; 1: all
}

// cut is what is sent of a frame.
func (a answer) cut(frame []byte) []byte {
	if a.part >= 1 {
		return frame
	}
	return frame[:max(1, int(a.part*float64(len(frame))))]
}

// ask hands a request to the device at unit. It returns what the device says, and false for nothing: a broadcast, an
// address nobody has, or a silent device.
func (b *Bus) ask(unit byte, pdu []byte, now time.Time) (answer, bool) {
	slave := b.slaves[unit]
	if slave == nil {
		return answer{}, false
	}
	s := slave.base()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.Sleepy && !s.awake(now) {
		s.unanswered++
		return answer{}, false
	}
	a := answer{after: s.turnaround, unit: unit, part: 1}
	switch r, ok := parseRequest(pdu); {
	case s.happens(s.faults.BusyRate):
		a.pdu = exception(r.fn, busy)
	case ok:
		a.pdu = slave.obey(r, now)
	default:
		a.pdu = exception(r.fn, noValue)
	}
	if s.faults.Silent {
		s.unanswered++
		return answer{}, false
	}
	if s.happens(s.faults.LateRate) {
		a.after += s.faults.Late
	}
	if s.happens(s.faults.CutRate) {
		a.part = s.random.Float64()
	}
	if s.faults.WrongUnit {
		a.unit = unit%MaxUnit + 1
	}
	return a, true
}

// happens draws whether something that happens at a rate happens now. What cannot happen draws nothing.
func (s *station) happens(rate float64) bool { return rate > 0 && s.random.Float64() < rate }

// awake reports whether a sleepy device hears a request: one has woken it a moment ago. It falls asleep after it.
func (s *station) awake(now time.Time) bool {
	if !s.woken.IsZero() && now.Sub(s.woken) <= wakeful {
		s.woken = time.Time{}
		return true
	}
	s.woken = now
	return false
}
