package building

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

const maxWander = 1_000_000 // litres

// MeterGroup is gas meters of one line.
type MeterGroup struct {
	Line       string        `yaml:"line"`       // name of the line
	Turnaround time.Duration `yaml:"turnaround"` // of every meter; 0 means 5ms, at most 2s
	Meters     []Meter       `yaml:"meters"`
}

// Meter is one gas meter: a device of its own, or a channel of one that has several counters.
type Meter struct {
	ID      string     `yaml:"id"`
	Address int        `yaml:"address"` // 1 to 247
	Channel int        `yaml:"channel"` // of a device with several counters, from 1; 0: it is a device of its own
	Serial  string     `yaml:"serial"`  // as its model writes it, or as it stands on the plate
	Litres  int64      `yaml:"litres"`  // at the start
	Use     modbus.Use `yaml:"use"`     // family, couple, elder or vacant; empty means family
	Speed   int        `yaml:"speed"`   // times faster than the clock; 0 means 1

	Profile    modbus.Profile  `yaml:"profile"`    // its model; empty means g4
	PerCount   int             `yaml:"per_count"`  // litres a count, or a pulse
	Decimals   *int            `yaml:"decimals"`   // of the cubic metres that it counts, instead
	Rollover   int64           `yaml:"rollover"`   // the first count that it never shows; 0: its model's
	Functions  []int           `yaml:"functions"`  // of 3 and 4; empty: its model's
	Order      modbus.Order    `yaml:"order"`      // ABCD, CDAB, BADC or DCBA; empty: its model's
	Unmapped   modbus.Unmapped `yaml:"unmapped"`   // what registers outside its map read: zeros or ff; empty: exception 02
	Base       int             `yaml:"base"`       // 0 or 1: the number of its first register
	Format     modbus.Format   `yaml:"format"`     // of an ek2x0's total: counter6, uint32, bcd12, bcd16 or float; empty means counter6
	Fraction   int             `yaml:"fraction"`   // of counter6: parts of a cubic metre; 0 means 65536
	Resolution int             `yaml:"resolution"` // of a flowsic500: litres that its resolution counts; 0 means 1000
	Registers  MeterRegisters  `yaml:"registers"`  // where its site sets addresses
}

// MeterRegisters are addresses that a site has set in a meter.
type MeterRegisters struct {
	Total    *int `yaml:"total"`
	Standard *int `yaml:"standard"`
	Serial   *int `yaml:"serial"`
	Status   *int `yaml:"status"`
	Scale    *int `yaml:"scale"`
}

// meter is a gas meter with the name of its line.
type meter struct {
	Meter
	line string
	sim  *modbus.Meter
}

func (m *Meter) fill() {
	m.Use, m.Profile = cmp.Or(m.Use, modbus.Family), cmp.Or(m.Profile, modbus.G4)
}

// options are what the device is told besides its counters.
func (m Meter) options() modbus.Options {
	return modbus.Options{
		Profile: m.Profile, Functions: m.Functions, Order: m.Order, Unmapped: m.Unmapped, Rollover: m.Rollover, Decimals: m.Decimals,
		Base: m.Base, Format: m.Format, Fraction: m.Fraction, Resolution: m.Resolution, Registers: modbus.Registers(m.Registers),
	}
}

func (m Meter) config(turnaround time.Duration, seed uint64) modbus.MeterConfig {
	return modbus.MeterConfig{
		Name: m.ID, Unit: m.Address, Channel: m.Channel, Turnaround: turnaround, Serial: m.Serial, Litres: m.Litres, PerCount: m.PerCount,
		Use: m.Use, Speed: m.Speed, Seed: seed, Options: m.options(),
	}
}

// build makes the meters of a group, and those of their devices that known does not hold yet.
func (g MeterGroup) build(seed uint64, known map[string]*modbus.Meter) (meters []*meter, devices []modbus.Slave) {
	for _, m := range g.Meters {
		key, cfg := fmt.Sprintf("%s %d", g.Line, m.Address), m.config(g.Turnaround, seed)
		var sim *modbus.Meter
		if first := known[key]; first != nil {
			sim = first.Join(cfg)
		} else {
			sim = modbus.NewMeter(cfg)
			known[key], devices = sim, append(devices, sim)
		}
		meters = append(meters, &meter{m, g.Line, sim})
	}
	return meters, devices
}

func (c *checker) meterGroup(at string, g MeterGroup) {
	l := c.on(at+".line", g.Line, modbusLine, "meters")
	c.turnaround(at, g.Turnaround)
	if len(g.Meters) == 0 {
		c.wrong(at+".meters", "no meters; describe one at least")
	}
	for i, m := range g.Meters {
		c.meter(fmt.Sprintf("%s.meters[%d]", at, i), m, l)
	}
}

func (c *checker) meter(at string, m Meter, l *claims) {
	c.own(at+".id", "meter ", m.ID)
	claim := unitClaim{"meter " + m.ID, "meter " + m.ID, ""}
	if m.Channel > 0 {
		options, _ := json.Marshal(m.options()) // plain values
		claim.device, claim.options = "channels of "+string(m.Profile), string(options)
	}
	c.unit(at, l, m.Address, claim, m.Channel > 0)
	if l != nil && m.Channel > 0 {
		key := fmt.Sprintf("channel %d of unit %d", m.Channel, m.Address)
		if by := l.terminal[key]; by != "" {
			c.wrong(at+".channel", "%s is meter %s already; give each a channel of its own", key, by)
		}
		l.terminal[key] = m.ID
	}
	for _, w := range m.config(0, 0).Check() {
		c.wrong(at+"."+w.Key, "%s", w.Text)
	}
}

// Meter returns a meter by its id: the oracle of a test in the same process.
func (b *Building) Meter(id string) (*modbus.Meter, error) {
	for _, m := range b.meters {
		if m.ID == id {
			return m.sim, nil
		}
	}
	return nil, fmt.Errorf("meter %q: %w", id, ErrNotFound)
}

// MeterState is one gas meter.
type MeterState struct {
	ID        string         `json:"id"`
	Line      string         `json:"line"`
	Address   int            `json:"address"`
	Channel   int            `json:"channel"` // of a device with several counters; 0: it is a device of its own
	Profile   modbus.Profile `json:"profile"`
	Serial    string         `json:"serial"`
	Litres    int64          `json:"litres"`          // as its registers show
	Standard  int64          `json:"standard_litres"` // of a corrector; 0: it has none
	PerCount  int            `json:"per_count"`       // litres a count; 0: less than one
	Flow      int64          `json:"flow_lph"`        // litres an hour by the clock, as gas passes
	Flags     []string       `json:"flags"`           // status bits that are set: low_battery, tamper, leak, valve_closed
	Registers string         `json:"registers"`       // address and words in hex, stretch by stretch
	Faults    MeterFaults    `json:"faults"`
}

// MeterFaults is what is wrong with a meter's counter and with the answers of its device.
type MeterFaults struct {
	Stuck     bool  `json:"stuck"`         // its counter stands still
	Wander    int64 `json:"wander_litres"` // its counter is off by up to so many litres, up or down
	Torn      bool  `json:"torn"`          // the upper half of its counter is that of the read before
	AllFF     bool  `json:"all_ff"`        // every register reads FFFF
	SwapWords bool  `json:"word_order"`    // values of several registers have their words the other way round
	AnswerFaults
}

func (m *meter) state(s modbus.MeterState) MeterState {
	stretches := make([]string, len(s.Registers))
	for i, r := range s.Registers {
		stretches[i] = r.String()
	}
	f := m.sim.Faults()
	return MeterState{
		ID: m.ID, Line: m.line, Address: m.Address, Channel: m.Channel, Profile: m.Profile, Serial: s.Serial,
		Litres: s.Litres, Standard: s.Standard, PerCount: s.PerCount, Flow: s.Flow,
		Flags: s.Flags.Names(), Registers: strings.Join(stretches, "; "),
		Faults: MeterFaults{
			Stuck: s.Counter.Stuck, Wander: s.Counter.Wander, Torn: s.Counter.Torn, AllFF: f.AllFF, SwapWords: f.SwapWords,
			AnswerFaults: answerFaults(m.sim),
		},
	}
}

// touchMeter does something to a meter: replace (Serial, and Litres of the new one), set (Litres or Add), rollover (to just
// below its end); leak, low-battery, tamper and valve-closed (On); stuck and torn (On), wander (Litres) to its counter;
// all-ff and word-order (On) to its device's registers; or what touchAnswers does.
func (b *Building) touchMeter(id, action string, o Options) error {
	m, err := b.Meter(id)
	if err != nil {
		return err
	}
	flags := map[string]modbus.Flags{
		"leak": modbus.Leak, "low-battery": modbus.LowBattery, "tamper": modbus.Tamper, "valve-closed": modbus.ValveClosed,
	}
	counter := m.State().Counter
	switch action {
	case "replace":
		var litres int64
		if o.Litres != nil {
			litres = *o.Litres
		}
		return m.Replace(o.Serial, litres)
	case "set":
		switch {
		case o.Litres != nil && o.Add == nil:
			return m.Set(*o.Litres)
		case o.Add != nil && o.Litres == nil:
			return m.Set(m.State().Litres + *o.Add)
		}
		return fmt.Errorf("%w: give litres, or add", ErrOptions)
	case "rollover":
		m.Brink()
		return nil
	case "leak", "low-battery", "tamper", "valve-closed":
		m.SetFlag(flags[action], o.on())
		return nil
	case "stuck":
		counter.Stuck = o.on()
	case "torn":
		counter.Torn = o.on()
	case "wander":
		counter.Wander = *o.Litres
	default:
		return touchAnswers(m, action, o)
	}
	m.SetCounterFaults(counter)
	return nil
}
