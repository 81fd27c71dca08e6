package modbus

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

const (
	// MaxSpeed is how many times faster than the clock a household may live.
	MaxSpeed = 240

	// maxFlow is the most that passes a meter, in millilitres an hour, however fast its household lives. A G4 measures up to
	// 6 m³/h; a tenth below it no reading shows more than that.
	maxFlow = 5_400_000
	// leakFlow is what a leaking joint lets out, in litres an hour.
	leakFlow = 40

	// step is the least time that a meter counts with. A litre is unitsPerLitre of millilitres an hour times steps, so that
	// the total is exact and does not depend on when it is looked at.
	step          = time.Microsecond
	unitsPerLitre = int64(1000 * time.Hour / step)

	// Standard cubic metres of a corrector, in thousandths of actual ones: at 20 °C and the pressure of a household's line.
	standardPerMille = 950
)

// Flags are a meter's status bits, as its register has them.
type Flags uint16

// The status bits.
const (
	LowBattery Flags = 1 << iota
	Tamper
	Leak        // gas escapes behind the meter, too
	ValveClosed // nothing passes, too
)

// Names are the bits that are set, by the names people use.
func (f Flags) Names() []string {
	out := []string{}
	for i, name := range []string{"low_battery", "tamper", "leak", "valve_closed"} {
		if f&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// Errors of what somebody does to a meter. They are wrapped with the meter.
var (
	ErrSerial = errors.New("no serial number")
	ErrTotal  = errors.New("no possible total")
)

// MeterConfig describes a meter with its household.
type MeterConfig struct {
	Name       string        // names it in explanations, and with Seed its household
	Unit       int           // 1 to 247
	Channel    int           // of a device with several counters, from 1; 0 means 1
	Turnaround time.Duration // from a request to its answer; 0 means 5 ms
	Serial     string        // as its model writes it
	Litres     int64         // total at the start, below its counter's end
	PerCount   int           // litres a count
	Use        Use           // empty means family
	Speed      int           // times faster than the clock the household lives; 0 means 1, at most MaxSpeed
	Seed       uint64
	Options
}

// Meter is a gas meter: one counter of a device. It is safe for concurrent use.
type Meter struct {
	*device
	cfg     MeterConfig
	channel int
	per     scale
	end     int64         // the first total in litres that it never shows
	start   time.Time     // by the clock
	birth   time.Duration // start on the household's clock, since its first midnight

	serial  string
	flags   Flags
	litres  int64         // passed in all, never rolled over
	rest    int64         // below a litre, in units
	settled time.Duration // until when on the household's clock it has been counted
	today   []burn
	drawn   int64 // day number of today

	wrong  CounterFaults
	frozen passed   // what a stuck counter shows
	high   []uint16 // the upper half of the counter as it was read last; nil: not yet
}

// passed is an amount of gas.
type passed struct{ litres, rest int64 }

// CounterFaults are what is wrong with a meter's counter. The zero value is a good one.
type CounterFaults struct {
	Stuck  bool  // it stands still, though gas passes
	Wander int64 // what it shows is off by up to so many litres, up or down, each time it is read
	Torn   bool  // the upper half of a 32-bit counter is that of the read before: the two are not latched together
}

// MeterState is a meter as it stands.
type MeterState struct {
	Serial    string
	Litres    int64 // as its registers show, wandering or torn or not
	Standard  int64 // of a corrector: the same in standard conditions; 0: it has none
	PerCount  int   // litres a count; 0: less than one
	Flow      int64 // litres an hour by the clock, as gas passes
	Flags     Flags
	Registers []Stretch
	Counter   CounterFaults
}

// NewMeter returns a meter whose household lives from now on. It panics on an impossible configuration.
func NewMeter(cfg MeterConfig) *Meter {
	d := newDevice(cfg, modelOf(cfg.Options))
	d.live()
	return d.meters[0]
}

// Join returns a meter at another counter of m's device. It panics on an impossible configuration.
func (m *Meter) Join(cfg MeterConfig) *Meter {
	cfg.Options = m.options
	d := m.device
	d.mu.Lock()
	defer d.mu.Unlock()
	joined := d.meter(cfg)
	if d.at(joined.channel) != nil {
		panic(fmt.Sprintf("modbus: two meters at channel %d of unit %d", joined.channel, d.unit))
	}
	d.meters = append(d.meters, joined)
	d.name = d.meters[0].cfg.Name + "…" + cfg.Name
	d.live()
	return joined
}

func newDevice(cfg MeterConfig, m model) *device {
	d := &device{options: cfg.Options, model: m}
	d.meters = []*Meter{d.meter(cfg)}
	return d
}

// meter is a meter of the device whose household does not live yet.
func (d *device) meter(cfg MeterConfig) *Meter {
	cfg.Seed = householdSeed(cfg.Seed, cfg.Name)
	cfg.Speed, cfg.Use = cmp.Or(cfg.Speed, 1), cmp.Or(cfg.Use, Family)
	return &Meter{device: d, cfg: cfg, channel: max(cfg.Channel, 1), per: d.model.per(cfg), end: d.model.end(cfg), drawn: -1}
}

// live puts the device at its unit, if it is not there yet, and lets the household of its newest meter live.
func (d *device) live() {
	m := d.meters[len(d.meters)-1]
	err := d.wire()
	if wrong := m.cfg.Check(); len(wrong) > 0 || err != nil {
		panic(fmt.Sprintf("modbus: impossible meter %+v: %v, %v", m.cfg, wrong, err))
	}
	if d.random == nil {
		d.place(m.cfg.Unit, m.cfg.Name, m.cfg.Turnaround, m.cfg.Seed)
	}
	m.start = time.Now()
	local := m.start.In(time.FixedZone("Asia/Taipei", 8*60*60))
	m.birth = time.Duration(local.Unix()+8*60*60) * time.Second % day
	m.settled, m.serial, m.litres = m.birth, m.cfg.Serial, m.cfg.Litres
}

// State returns the meter as it stands.
func (m *Meter) State() MeterState { return m.state(true) }

// Glance is State without the registers.
func (m *Meter) Glance() MeterState { return m.state(false) }

func (m *Meter) state(registers bool) MeterState {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	now := m.passed()
	s := MeterState{
		Serial: m.serial, Litres: m.shown(now), PerCount: m.perCount(), Flow: m.flow() * int64(m.cfg.Speed) / 1000,
		Flags: m.flags, Counter: m.wrong,
	}
	if m.model.corrects {
		s.Standard = m.shown(now.standard())
	}
	if registers {
		s.Registers = m.stretches()
	}
	return s
}

// perCount is litres a count, 0 of a counter that shows less than one.
func (m *Meter) perCount() int {
	if _, _, ok := m.counter6(passed{}); ok || m.options.Format == Float32 {
		return 0
	}
	return int(m.per.litres / m.per.of)
}

// shown is an amount as litres that the registers say.
func (m *Meter) shown(p passed) int64 {
	if whole, fraction, ok := m.counter6(p); ok {
		return whole*1000 + fraction*1000/m.options.fraction()
	}
	return m.per.times(m.counts(p))
}

// passed is what the counter has counted, a stuck one until it stuck.
func (m *Meter) passed() passed {
	if m.wrong.Stuck {
		return m.frozen
	}
	return passed{m.litres, m.rest}
}

// read is what a host reads of the counter: it may wander.
func (m *Meter) read(live bool) passed {
	p := m.passed()
	if live && m.wrong.Wander > 0 {
		p.litres = max(0, p.litres+m.random.Int64N(2*m.wrong.Wander+1)-m.wrong.Wander)
	}
	return p
}

// standard is the same gas in standard cubic metres.
func (p passed) standard() passed {
	units := p.litres % 1000 * unitsPerLitre / 1000 * standardPerMille // below 3.6e15
	units += p.rest / 1000 * standardPerMille
	return passed{p.litres/1000*standardPerMille + units/unitsPerLitre, units % unitsPerLitre}
}

// counts is an amount as the counter shows it.
func (m *Meter) counts(p passed) int64 {
	litres := p.litres % m.end
	return (litres*m.per.of + p.rest*m.per.of/unitsPerLitre) / m.per.litres % cmp.Or(m.options.Rollover, m.model.rollover)
}

// counter6 is an amount in whole cubic metres and their fraction, of a counter that has both.
func (m *Meter) counter6(p passed) (whole, fraction int64, ok bool) {
	if m.options.Profile != EK2x0 || m.options.Format != "" && m.options.Format != Counter6 {
		return 0, 0, false
	}
	parts := m.options.fraction()
	return p.litres / 1000 % cmp.Or(m.options.Rollover, m.model.rollover), (p.litres%1000*parts + p.rest/1000*parts/(unitsPerLitre/1000)) / 1000, true
}

// Replace puts another meter in the place: another serial number, and a total of its own.
func (m *Meter) Replace(serial string, litres int64) error {
	if wrong := m.model.wrongSerial(serial); wrong != "" {
		return fmt.Errorf("meter %s: %w: %s", m.cfg.Name, ErrSerial, wrong)
	}
	return m.count(litres, func() { m.serial = serial })
}

// Set moves the counter to a total, forwards or backwards.
func (m *Meter) Set(litres int64) error { return m.count(litres, func() {}) }

// Brink moves the counter to two counts below its end, and at least two litres.
func (m *Meter) Brink() { _ = m.Set(max(0, m.end-2*max(1, m.per.litres/m.per.of))) } // in its range

// count lets the counter go on from a total, and does also in the same moment.
func (m *Meter) count(litres int64, also func()) error {
	if litres < 0 || litres >= m.end {
		return fmt.Errorf("meter %s: %d litres: %w: give 0 to %d", m.cfg.Name, litres, ErrTotal, m.end-1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	m.litres, m.rest, m.frozen = litres, 0, passed{litres, 0}
	also()
	return nil
}

// SetCounterFaults changes what is wrong with the counter, from the next read on. It panics on a negative amount.
func (m *Meter) SetCounterFaults(f CounterFaults) {
	if f.Wander < 0 {
		panic(fmt.Sprintf("modbus: impossible fault %+v", f))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	if f.Stuck && !m.wrong.Stuck {
		m.frozen = passed{m.litres, m.rest}
	}
	m.wrong, m.high = f, nil
}

// SetFlag sets or clears status bits.
func (m *Meter) SetFlag(f Flags, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	m.flags &^= f
	if on {
		m.flags |= f
	}
}

// settle counts what has passed by now.
func (m *Meter) settle(now time.Time) {
	until := m.birth + now.Sub(m.start).Truncate(step)*time.Duration(m.cfg.Speed)
	for m.settled < until {
		number := int64(m.settled / day)
		if number != m.drawn {
			m.today, m.drawn = burns(m.cfg.Use, m.cfg.Seed, number), number
		}
		midnight := time.Duration(number) * day
		for _, edge := range edges(m.today, m.settled-midnight, min(until-midnight, day)) {
			m.rest += m.flow() * int64((midnight+edge-m.settled)/step)
			m.settled = midnight + edge
			m.litres, m.rest = m.litres+m.rest/unitsPerLitre, m.rest%unitsPerLitre
		}
	}
}

// flow is what passes now, in millilitres an hour of the household.
func (m *Meter) flow() int64 {
	if m.flags&ValveClosed != 0 {
		return 0
	}
	flow := 1000 * flowAt(m.today, m.settled%day)
	if m.flags&Leak != 0 {
		flow += 1000 * leakFlow
	}
	return min(flow, maxFlow/int64(m.cfg.Speed))
}

// flagZH says a status bit's name to people.
func flagZH(name string) string {
	return map[string]string{"low_battery": "電池低", "tamper": "外殼被動過", "leak": "漏氣", "valve_closed": "閥關閉"}[name]
}
