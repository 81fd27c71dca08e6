package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

const (
	// Rollover is the number of counts after which a meter's total begins again at 0.
	Rollover = 100_000_000
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
)

// The registers of a meter, from 0, the same by functions 03 and 04.
const (
	regTotal    = 0 // and 1: counts, uint32, high word first
	regStatus   = 2 // Flags
	regPerCount = 3 // litres a count
	regSerial   = 4 // and 5: eight decimal digits, four bits each, high digits first
	meterRegs   = 6
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

// MeterConfig describes a meter: a household diaphragm meter (G4) with a Modbus head.
type MeterConfig struct {
	Name       string        // names it in explanations, and with Seed its household
	Unit       int           // 1 to 247
	Turnaround time.Duration // from a request to its answer; 0 means 5 ms
	Serial     string        // eight digits
	Litres     int64         // total at the start, below 100 million counts
	PerCount   int           // litres a count: 1, 10 or 100
	Use        Use
	Speed      int // times faster than the clock the household lives; 0 means 1, at most MaxSpeed
	Seed       uint64
}

// Meter is a gas meter. It is safe for concurrent use.
type Meter struct {
	station
	cfg   MeterConfig
	start time.Time     // by the clock
	birth time.Duration // start on the household's clock, since its first midnight

	serial  string
	flags   Flags
	litres  int64         // passed in all, never rolled over
	rest    int64         // below a litre, in units
	settled time.Duration // until when on the household's clock it has been counted
	today   []burn
	drawn   int64 // day number of today
}

// MeterState is a meter as it stands.
type MeterState struct {
	Serial    string
	Litres    int64 // as its registers show
	PerCount  int
	Flow      int64 // litres an hour by the clock, as its counter runs
	Flags     Flags
	Registers []uint16
}

// NewMeter returns a meter whose household lives from now on. It panics on an impossible configuration.
func NewMeter(cfg MeterConfig) *Meter {
	if cfg.Speed == 0 {
		cfg.Speed = 1
	}
	if cfg.Speed < 0 || cfg.Speed > MaxSpeed || cfg.PerCount != 1 && cfg.PerCount != 10 && cfg.PerCount != 100 {
		panic(fmt.Sprintf("modbus: impossible meter %+v", cfg))
	}
	seed := householdSeed(cfg.Seed, cfg.Name)
	m := &Meter{station: newStation(cfg.Unit, cfg.Name, cfg.Turnaround, seed), cfg: cfg, start: time.Now(), drawn: -1}
	m.cfg.Seed = seed
	local := m.start.In(time.FixedZone("Asia/Taipei", 8*60*60))
	m.birth = time.Duration(local.Unix()+8*60*60) * time.Second % day
	m.settled = m.birth
	if err := m.Replace(cfg.Serial, cfg.Litres); err != nil {
		panic(fmt.Sprintf("modbus: impossible meter: %v", err))
	}
	return m
}

// State returns the meter as it stands.
func (m *Meter) State() MeterState {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	return MeterState{
		Serial: m.serial, Litres: m.counts() * int64(m.cfg.PerCount), PerCount: m.cfg.PerCount,
		Flow: m.flow() * int64(m.cfg.Speed) / 1000, Flags: m.flags, Registers: m.registers(),
	}
}

// Replace puts another meter in the place: another serial number, and a total of its own.
func (m *Meter) Replace(serial string, litres int64) error {
	if !regexp.MustCompile(`^\d{8}$`).MatchString(serial) {
		return fmt.Errorf("meter %s: %q: %w: give eight digits", m.name, serial, ErrSerial)
	}
	return m.count(litres, func() { m.serial = serial })
}

// Set moves the counter to a total, forwards or backwards.
func (m *Meter) Set(litres int64) error { return m.count(litres, func() {}) }

// count lets the counter go on from a total, and does also in the same moment.
func (m *Meter) count(litres int64, also func()) error {
	if end := Rollover * int64(m.cfg.PerCount); litres < 0 || litres >= end {
		return fmt.Errorf("meter %s: %d litres: %w: give 0 to %d", m.name, litres, ErrTotal, end-1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(time.Now())
	m.litres, m.rest = litres, 0
	also()
	return nil
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

// counts is the total as the counter shows it.
func (m *Meter) counts() int64 { return m.litres / int64(m.cfg.PerCount) % Rollover }

func (m *Meter) registers() []uint16 {
	total := uint32(m.counts())
	digits, _ := strconv.ParseUint(m.serial, 16, 32) // eight decimal digits: BCD is hex that says them
	return []uint16{
		regTotal: uint16(total >> 16), uint16(total),
		regStatus: uint16(m.flags), regPerCount: uint16(m.cfg.PerCount),
		regSerial: uint16(digits >> 16), uint16(digits),
	}
}

// obey answers a request. It is a method of Slave.
func (m *Meter) obey(r request, now time.Time) []byte {
	switch {
	case r.fn != fnHolding && r.fn != fnInputRegister:
		return exception(r.fn, noFunction)
	case r.n < 1 || r.n > maxRegs:
		return exception(r.fn, noValue)
	case int(r.addr)+int(r.n) > meterRegs:
		return exception(r.fn, noAddress)
	}
	m.settle(now)
	return appendRegisters(nil, r.fn, m.registers()[r.addr:r.addr+r.n])
}

// asked says what a request means. It is a method of Slave.
func (m *Meter) asked(r request) line.Meaning {
	if r.fn != fnHolding && r.fn != fnInputRegister {
		return unknown(r)
	}
	return line.Meaning{ZH: "讀暫存器 " + span(r), EN: "read registers " + span(r)}
}

// answered says what the registers of an answer hold. It is a method of Slave.
func (m *Meter) answered(r request, pdu []byte) line.Meaning {
	if len(pdu) != 2+2*int(r.n) || int(r.addr)+int(r.n) > meterRegs {
		return line.Meaning{ZH: fmt.Sprintf("%d 位元組，與所問不符", len(pdu)), EN: fmt.Sprintf("%d bytes, not what was asked for", len(pdu))}
	}
	var regs [meterRegs]uint16
	var has [meterRegs]bool
	for i := range int(r.n) {
		at := int(r.addr) + i
		regs[at], has[at] = binary.BigEndian.Uint16(pdu[2+2*i:]), true
	}
	var zh, en phrase
	if has[regTotal] && has[regTotal+1] {
		counts := uint32(regs[regTotal])<<16 | uint32(regs[regTotal+1])
		if has[regPerCount] {
			litres := int64(counts) * int64(regs[regPerCount])
			zh.add("累計 %s 公升＝%s 度", grouped(litres), grouped(litres/1000))
			en.add("total %s litres = %s m³", grouped(litres), grouped(litres/1000))
		} else {
			zh.add("累計 %s 次", grouped(int64(counts)))
			en.add("total %s counts", grouped(int64(counts)))
		}
	}
	if has[regSerial] && has[regSerial+1] {
		zh.add("表號 %04X%04X", regs[regSerial], regs[regSerial+1])
		en.add("serial %04X%04X", regs[regSerial], regs[regSerial+1])
	}
	if has[regStatus] {
		for _, name := range Flags(regs[regStatus]).Names() {
			zh.add("%s", flagZH(name))
			en.add("%s", name)
		}
	}
	if len(zh) == 0 {
		zh.add("暫存器 %s：% X", span(r), pdu[2:])
		en.add("registers %s: % X", span(r), pdu[2:])
	}
	return line.Meaning{ZH: zh.join("，"), EN: en.join(", ")}
}

// flagZH says a status bit's name to people.
func flagZH(name string) string {
	return map[string]string{"low_battery": "電池低", "tamper": "外殼被動過", "leak": "漏氣", "valve_closed": "閥關閉"}[name]
}
