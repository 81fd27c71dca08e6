package building

import (
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

// State is the whole building as it stands: the answer of GET /api/state.
type State struct {
	Name   string       `json:"name"`
	Seed   uint64       `json:"seed"`
	Banks  []BankState  `json:"banks"`
	Meters []MeterState `json:"meters"`
	Doors  []DoorState  `json:"doors"`
	Lines  []LineState  `json:"lines"` // in the order of the file
	Counts
}

// Counts is what physically happened at the banks since the start.
type Counts struct {
	Pulses      uint64 `json:"pulses"`       // times a latch was energised
	Openings    uint64 `json:"openings"`     // times a pulse opened a closed latch
	KeyOpenings uint64 `json:"key_openings"` // times the mechanical key did
	Forced      uint64 `json:"forced"`       // times a compartment was forced open
}

func (c Counts) plus(o Counts) Counts {
	return Counts{c.Pulses + o.Pulses, c.Openings + o.Openings, c.KeyOpenings + o.KeyOpenings, c.Forced + o.Forced}
}

// BankState is one bank.
type BankState struct {
	Name        string       `json:"name"`
	Line        string       `json:"line"`
	ClosedBit   int          `json:"closed_bit"`
	ItemSensors bool         `json:"item_sensors"`
	Protocol    string       `json:"protocol"`
	Supply      string       `json:"supply"`    // its power supply, which banks of the same name share; empty: its own
	BrownOut    float64      `json:"brown_out"` // chance of a pulse to make the supply collapse
	Collapses   uint64       `json:"collapses"` // of the supply
	Overlaps    uint64       `json:"overlaps"`  // pulses given while another latch of the supply was energised
	Boards      []BoardState `json:"boards"`
	Locks       []LockState  `json:"locks"`
	Counts
}

// BoardState is one board.
type BoardState struct {
	Address int               `json:"address"`
	Locks   int               `json:"locks"`
	Fault   kerong.BoardFault `json:"fault"`  // "", mute or dead
	Resets  bool              `json:"resets"` // silent, because its supply has just collapsed
}

// LockState is one compartment.
type LockState struct {
	Lock  int    `json:"lock"` // from 1, as on the door
	Size  Size   `json:"size"`
	Board int    `json:"board"`
	Latch string `json:"latch"` // open or closed: what the feedback switch says
	Door  string `json:"door"`  // open or closed
	Item  bool   `json:"item"`  // something is inside, seen by a sensor or not
	Stuck bool   `json:"stuck"`
	Slow  int64  `json:"slow_ms"`
	Lies  bool   `json:"lies"` // its item sensor
	Counts
}

// LineState is one line.
type LineState struct {
	Name    string     `json:"name"`
	Baud    int        `json:"baud"`   // 0: a TCP port with no serial line behind it
	TCP     bool       `json:"tcp"`    // it is a TCP port
	Link    string     `json:"link"`   // name of the symlink now, or the TCP address
	Path    string     `json:"path"`   // what a gateway opens
	Device  string     `json:"device"` // the pseudo-terminal behind it, or the TCP address; empty while unplugged
	Plugged bool       `json:"plugged"`
	Busy    float64    `json:"busy_percent"` // of the last ten seconds
	Faults  LineFaults `json:"faults"`
}

// LineFaults is what is wrong with a line: line.Faults as JSON has them.
type LineFaults struct {
	Noise    float64     `json:"noise"`     // chance of each bit to flip
	Damage   float64     `json:"damage"`    // chance of each byte
	Drop     float64     `json:"drop"`      // chance of each byte
	Double   float64     `json:"double"`    // chance of each byte
	Truncate float64     `json:"truncate"`  // chance of each answer
	Late     int64       `json:"late_ms"`   // of answers
	LateRate float64     `json:"late_rate"` // the part of the answers that is late; 0: all
	Silence  bool        `json:"silence"`
	Cut      bool        `json:"cut"`
	Echo     bool        `json:"echo"`
	Babble   bool        `json:"babble"`
	Swapped  bool        `json:"swapped"`
	StaleTCP bool        `json:"stale_tcp"`
	Baud     int         `json:"baud"`   // that devices speak; 0: the line's
	Parity   line.Parity `json:"parity"` // that devices speak with; empty: the line's
}

// State returns the building as it stands.
func (b *Building) State() State {
	return b.state(func(m *modbus.Meter) modbus.MeterState { return m.State() })
}

// glance is the building as it stands, without the registers of its meters.
func (b *Building) glance() State {
	return b.state(func(m *modbus.Meter) modbus.MeterState { return m.Glance() })
}

func (b *Building) state(meter func(*modbus.Meter) modbus.MeterState) State {
	s := State{Name: b.cfg.Name, Seed: b.cfg.Seed, Banks: []BankState{}, Meters: []MeterState{}, Doors: []DoorState{}}
	for _, l := range b.lines {
		s.Lines = append(s.Lines, l.state())
	}
	for _, m := range b.meters {
		s.Meters = append(s.Meters, m.state(meter(m.sim)))
	}
	for _, d := range b.doors {
		s.Doors = append(s.Doors, d.state())
	}
	for _, k := range b.banks {
		bank := k.state()
		s.Banks = append(s.Banks, bank)
		s.Counts = s.plus(bank.Counts)
	}
	return s
}

func (k *bank) state() BankState {
	supply := k.chain.Supply()
	s := BankState{
		Name: k.Name, Line: k.Line, ClosedBit: *k.ClosedBit, ItemSensors: k.ItemSensors, Protocol: k.Protocol, Supply: k.Bank.Supply,
		BrownOut: supply.BrownOut(), Collapses: supply.Collapses(), Overlaps: k.chain.Overlaps(),
	}
	faults, resets := k.chain.BoardFaults(), k.chain.Resetting()
	for _, board := range k.Boards {
		s.Boards = append(s.Boards, BoardState{Address: board.Address, Locks: board.Locks, Fault: faults[board.Address], Resets: resets[board.Address]})
	}
	for _, l := range k.chain.Locks() {
		s.Locks = append(s.Locks, LockState{
			Lock: l.Number, Size: k.sizes[l.Number], Board: l.Board, Latch: openOrClosed(l.LatchOpen), Door: openOrClosed(l.DoorOpen),
			Item: l.Item, Stuck: l.Stuck, Slow: l.Slow.Milliseconds(), Lies: l.Lies, Counts: Counts(l.Counts),
		})
		s.Counts = s.plus(Counts(l.Counts))
	}
	return s
}

func (w *wired) state() LineState {
	p := w.Port()
	return LineState{
		Name: w.cfg.Name, Baud: w.cfg.Baud, TCP: w.cfg.TCP != "", Link: p.Link, Path: p.Path, Device: p.Device, Plugged: p.Plugged, Busy: busyPercent(w.Line),
		Faults: faultsOf(w.Line),
	}
}

// faultsOf is what is wrong with a line now.
func faultsOf(l *line.Line) LineFaults {
	f := l.Faults()
	return LineFaults{
		Noise: f.Noise, Damage: f.Damage, Drop: f.Drop, Double: f.Double, Truncate: f.Truncate,
		Late: f.Late.Milliseconds(), LateRate: f.LateRate, Silence: f.Silence, Cut: f.Cut, Echo: f.Echo, Babble: f.Babble,
		Swapped: f.Swapped, StaleTCP: f.StaleTCP, Baud: f.Baud, Parity: f.Parity,
	}
}

func (f LineFaults) faults() line.Faults {
	return line.Faults{
		Noise: f.Noise, Damage: f.Damage, Drop: f.Drop, Double: f.Double, Truncate: f.Truncate,
		Late: time.Duration(f.Late) * time.Millisecond, LateRate: f.LateRate, Silence: f.Silence, Cut: f.Cut, Echo: f.Echo,
		Babble: f.Babble, Swapped: f.Swapped, StaleTCP: f.StaleTCP, Baud: f.Baud, Parity: f.Parity,
	}
}

func openOrClosed(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}

// WireEntry is one frame of GET /api/wire.
type WireEntry struct {
	ID        uint64    `json:"id"`
	At        time.Time `json:"at"`
	Line      string    `json:"line"`
	Direction string    `json:"direction"` // sent by the host, or received by it
	Hex       string    `json:"hex"`       // as it arrived
	Meaning   string    `json:"meaning"`
	MeaningZH string    `json:"meaning_zh"`
	Bad       bool      `json:"bad"`    // damaged
	Marked    bool      `json:"marked"` // asks for something physical, such as an unlock
}
