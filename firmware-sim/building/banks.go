package building

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// The protocols of locker boards.
const (
	kerongA = "kerong-a" // boards of 16 locks
	kerongB = "kerong-b" // boards of 48
)

// Bank is one bank of compartments: boards of a chain, which may hold other banks' boards too.
type Bank struct {
	Name          string        `yaml:"name"`           // A, B …
	Line          string        `yaml:"line"`           // name of its line
	Protocol      string        `yaml:"protocol"`       // kerong-a or kerong-b; empty means kerong-a
	Codes         *Codes        `yaml:"codes"`          // of kerong-b, as the boards' firmware has them
	Supply        string        `yaml:"supply"`         // name of its power supply; banks of one name share it, empty: its own
	ClosedBit     *int          `yaml:"closed_bit"`     // what a closed latch reads as: 0 or 1
	ItemSensors   bool          `yaml:"item_sensors"`   // infrared sensors are fitted
	Pulse         time.Duration `yaml:"pulse"`          // how long a latch is energised; 0 means 500ms, at most 10s
	AnswersUnlock bool          `yaml:"answers_unlock"` // boards send the optional answer to an unlock
	IgnoresSum    bool          `yaml:"ignores_sum"`    // boards obey requests with a wrong sum
	BusySilent    bool          `yaml:"busy_silent"`    // boards are silent while a latch is energised
	Boards        []Board       `yaml:"boards"`
	Columns       [][]string    `yaml:"columns"` // "7 M": door 7, middle size; "screen 6": the screen, six units high
}

// Codes are the command bytes of a 48-lock board, which differ by firmware.
type Codes struct {
	Status int `yaml:"status"` // asks for status: 0x60 or 0x50
	Open   int `yaml:"open"`   // opens one lock: 0x61 or 0x51
	OK     int `yaml:"ok"`     // answers both: 0x75
}

// Board is one locker board.
type Board struct {
	Address int `yaml:"address"` // 0 to 14; of kerong-b 0 to 99
	Locks   int `yaml:"locks"`   // 1 to 16; of kerong-b 1 to 48
}

func (b *Bank) fill() { b.Protocol = cmp.Or(b.Protocol, kerongA) }

// limits are the highest board number and the most locks of a board, by protocol.
func (b Bank) limits() (board, locks int) {
	return b.dialect().Limits()
}

func (b Bank) dialect() kerong.Dialect {
	if b.Protocol == kerongB {
		return kerong.B
	}
	return kerong.A
}

func (c *checker) bank(at string, b Bank) {
	c.own(at+".name", "bank ", b.Name)
	if b.Protocol != kerongA && b.Protocol != kerongB {
		c.wrong(at+".protocol", "%q; use %s or %s", b.Protocol, kerongA, kerongB)
		return
	}
	l := c.on(at+".line", b.Line, b.Protocol, "bank "+b.Name)
	if l != nil && l.line.Direct() {
		c.wrong(at+".line", "locker boards have no TCP port of their own; give line %s the baud of the serial line behind its converter", b.Line)
	}
	c.codes(at, b)
	if b.Supply != "" && !shortName().MatchString(b.Supply) {
		c.wrong(at+".supply", "%q; use a name of 1 to 32 letters, digits, '-' and '_'", b.Supply)
	}
	if b.ClosedBit == nil || *b.ClosedBit != 0 && *b.ClosedBit != 1 {
		c.wrong(at+".closed_bit", "say what a closed latch reads as: 0 or 1")
	}
	if b.Pulse < 0 || b.Pulse > 10*time.Second {
		c.wrong(at+".pulse", "%v; use 0s to 10s", b.Pulse)
	}
	c.columns(at+".columns", b.Columns, c.boards(at, b, l))
}

// codes checks the command bytes, which only one of the dialects leaves open.
func (c *checker) codes(at string, b Bank) {
	switch {
	case b.Protocol == kerongB && b.Codes == nil:
		c.wrong(at+".codes", "say which bytes its boards take, such as {status: 0x60, open: 0x61, ok: 0x75}")
	case b.Protocol == kerongA && b.Codes != nil:
		c.wrong(at+".codes", "boards of %s have fixed codes; leave it out", kerongA)
	case b.Codes != nil:
		for _, code := range []int{b.Codes.Status, b.Codes.Open, b.Codes.OK} {
			if code < 1 || code > 0xff {
				c.wrong(at+".codes", "%#x is no byte above 0; use those of the boards' firmware, such as {status: 0x60, open: 0x61, ok: 0x75}", code)
				return
			}
		}
		if b.Codes.Status == b.Codes.Open {
			c.wrong(at+".codes", "status and open are both %#x; a board tells them apart", b.Codes.Open)
		}
	}
}

// boards checks a bank's boards and returns how many locks they drive.
func (c *checker) boards(at string, b Bank, l *claims) (locks int) {
	most, perBoard := b.limits()
	if len(b.Boards) == 0 || len(b.Boards) > kerong.MaxBoards {
		c.wrong(at+".boards", "%d boards; a bank has 1 to %d", len(b.Boards), kerong.MaxBoards)
		return 0
	}
	for i, board := range b.Boards {
		place := fmt.Sprintf("%s.boards[%d]", at, i)
		switch {
		case board.Address < 0 || board.Address > most:
			c.wrong(place+".address", "%d; give each board an address of its own, 0 to %d", board.Address, most)
		case l != nil && l.boards[board.Address] != "":
			c.wrong(place+".address", "board %d of line %s is %s's already; give each board an address of its own, 0 to %d",
				board.Address, b.Line, l.boards[board.Address], most)
		case l != nil:
			l.boards[board.Address] = "bank " + b.Name
		}
		if board.Locks < 1 || board.Locks > perBoard {
			c.wrong(place+".locks", "%d; a board drives 1 to %d locks", board.Locks, perBoard)
		}
		locks += max(0, min(board.Locks, perBoard))
	}
	return locks
}

type bank struct {
	Bank
	on    Line
	cells [][]cell
	sizes map[int]Size
	chain *kerong.Chain
}

func (b Bank) build(on Line, supply *kerong.Supply) *bank {
	k := &bank{Bank: b, on: on, cells: b.front(), sizes: map[int]Size{}, chain: kerong.New(b.chain(supply))}
	for _, column := range k.cells {
		for _, cell := range column {
			k.sizes[cell.Lock] = cell.Size
		}
	}
	return k
}

func (b Bank) chain(supply *kerong.Supply) kerong.Config {
	cfg := kerong.Config{
		Dialect: b.dialect(), Supply: supply,
		ClosedBit: *b.ClosedBit, ItemSensors: b.ItemSensors, Pulse: b.Pulse,
		AnswersUnlock: b.AnswersUnlock, IgnoresSum: b.IgnoresSum, BusySilent: b.BusySilent,
	}
	if b.Codes != nil {
		cfg.Codes = kerong.Codes{Status: byte(b.Codes.Status), Open: byte(b.Codes.Open), OK: byte(b.Codes.OK)}
	}
	for _, board := range b.Boards {
		cfg.Boards = append(cfg.Boards, kerong.Board(board))
	}
	return cfg
}

// Chain returns the boards of a bank: the oracle of a test in the same process.
func (b *Building) Chain(name string) (*kerong.Chain, error) {
	for _, k := range b.banks {
		if k.Name == name {
			return k.chain, nil
		}
	}
	return nil, fmt.Errorf("bank %q: %w", name, ErrNotFound)
}

// chained are the boards of several banks on one line: each hears everything, and the one that is meant answers.
type chained []*bank

// device is what hangs on a line with banks.
func (all chained) device() line.Device {
	if len(all) == 1 {
		return all[0].chain
	}
	return all
}

// of is the bank to which a frame is addressed, or whose it is.
func (all chained) of(frame []byte) *bank {
	for _, k := range all {
		if len(frame) > 1 && slices.ContainsFunc(k.Boards, func(b Board) bool { return b.Address == k.addressed(frame) }) {
			return k
		}
	}
	return all[0]
}

// addressed is the board whose number a frame carries.
func (b Bank) addressed(frame []byte) int {
	if b.Protocol == kerongB {
		return int(frame[1])
	}
	return int(frame[1] >> 4)
}

// Hear hands bytes to every bank, which cut them alike, and takes the answers of all. It is a method of line.Device.
func (all chained) Hear(b []byte, now time.Time) []line.Heard {
	var heard [][]line.Heard
	for _, k := range all {
		heard = append(heard, k.chain.Hear(b, now))
	}
	out := slices.Clone(heard[0])
	for i := range out {
		meant := all.of(out[i].Bytes)
		out[i].Answers = nil
		for n, k := range all {
			if i < len(heard[n]) {
				if out[i].Answers = append(out[i].Answers, heard[n][i].Answers...); k == meant {
					out[i].Meaning = k.named(heard[n][i].Meaning)
				}
			}
		}
	}
	return out
}

// Explain says what bytes on their way to the host mean. It is a method of line.Device.
func (all chained) Explain(b []byte) line.Meaning {
	k := all.of(b)
	return k.named(k.chain.Explain(b))
}

// named puts the bank in front of what its boards say or are asked: several banks have a door 1.
func (k *bank) named(m line.Meaning) line.Meaning {
	m.ZH, m.EN = k.Name+" 棟："+m.ZH, k.Name+": "+m.EN
	return m
}
