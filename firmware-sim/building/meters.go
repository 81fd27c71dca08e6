package building

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// MeterGroup is gas meters of one line.
type MeterGroup struct {
	Line       string        `yaml:"line"`       // name of the line
	Turnaround time.Duration `yaml:"turnaround"` // of every meter; 0 means 5ms, at most 2s
	Meters     []Meter       `yaml:"meters"`
}

// Meter is one gas meter.
type Meter struct {
	ID       string     `yaml:"id"`
	Address  int        `yaml:"address"`   // 1 to 247
	Serial   string     `yaml:"serial"`    // eight digits
	Litres   int64      `yaml:"litres"`    // at the start
	PerCount int        `yaml:"per_count"` // litres a count: 1, 10 or 100
	Use      modbus.Use `yaml:"use"`       // family, couple, elder or vacant; empty means family
	Speed    int        `yaml:"speed"`     // times faster than the clock; 0 means 1
}

// meter is a gas meter with the name of its line.
type meter struct {
	Meter
	line string
	sim  *modbus.Meter
}

func (m *Meter) fill() { m.Use = cmp.Or(m.Use, modbus.Family) }

// build makes the meters of a group.
func (g MeterGroup) build(seed uint64) (meters []*meter, devices []modbus.Slave) {
	for _, m := range g.Meters {
		sim := modbus.NewMeter(modbus.MeterConfig{
			Name: m.ID, Unit: m.Address, Turnaround: g.Turnaround, Serial: m.Serial, Litres: m.Litres, PerCount: m.PerCount,
			Use: m.Use, Speed: m.Speed, Seed: seed,
		})
		devices, meters = append(devices, sim), append(meters, &meter{m, g.Line, sim})
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
	c.unit(at, l, m.Address, unitClaim{"meter " + m.ID, "meter " + m.ID}, false)
	if !regexp.MustCompile(`^\d{8}$`).MatchString(m.Serial) {
		c.wrong(at+".serial", "%q; write the eight digits of its plate, in quotes", m.Serial)
	}
	switch end := modbus.Rollover * int64(m.PerCount); {
	case m.PerCount != 1 && m.PerCount != 10 && m.PerCount != 100:
		c.wrong(at+".per_count", "%d; a count is 1, 10 or 100 litres", m.PerCount)
	case m.Litres < 0 || m.Litres >= end:
		c.wrong(at+".litres", "%d; its counter shows 0 to %d", m.Litres, end-1)
	}
	if !slices.Contains(modbus.Uses(), m.Use) {
		c.wrong(at+".use", "%q; use one of %v", m.Use, modbus.Uses())
	}
	if m.Speed < 0 || m.Speed > modbus.MaxSpeed {
		c.wrong(at+".speed", "%d; use 1 to %d", m.Speed, modbus.MaxSpeed)
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
	ID        string       `json:"id"`
	Line      string       `json:"line"`
	Address   int          `json:"address"`
	Serial    string       `json:"serial"`
	Litres    int64        `json:"litres"` // as its registers show
	PerCount  int          `json:"per_count"`
	Flow      int64        `json:"flow_lph"`  // litres an hour by the clock, as its counter runs
	Flags     []string     `json:"flags"`     // status bits that are set: low_battery, tamper, leak, valve_closed
	Registers string       `json:"registers"` // from 0, in hex
	Faults    AnswerFaults `json:"faults"`
}

func (m *meter) state() MeterState {
	s := m.sim.State()
	hex := make([]string, len(s.Registers))
	for i, r := range s.Registers {
		hex[i] = fmt.Sprintf("%04X", r)
	}
	return MeterState{
		ID: m.ID, Line: m.line, Address: m.Address, Serial: s.Serial, Litres: s.Litres, PerCount: s.PerCount, Flow: s.Flow,
		Flags: s.Flags.Names(), Registers: strings.Join(hex, " "), Faults: answerFaults(m.sim),
	}
}

// touchMeter does something to a meter: replace (Serial, and Litres of the new one), set (Litres or Add); leak, low-battery,
// tamper and valve-closed (On); or to its answers: silence, wrong-unit (On), late (Rate and MS).
func (b *Building) touchMeter(id, action string, o Options) error {
	m, err := b.Meter(id)
	if err != nil {
		return err
	}
	flags := map[string]modbus.Flags{
		"leak": modbus.Leak, "low-battery": modbus.LowBattery, "tamper": modbus.Tamper, "valve-closed": modbus.ValveClosed,
	}
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
	case "leak", "low-battery", "tamper", "valve-closed":
		m.SetFlag(flags[action], o.on())
		return nil
	case "silence", "late", "wrong-unit":
		return touchAnswers(m, action, o)
	}
	return fmt.Errorf("%w: %q: use replace, set, leak, low-battery, tamper, valve-closed, silence, late or wrong-unit", ErrAction, action)
}
