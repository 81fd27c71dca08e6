package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of the lockers: more is a typing error.
const (
	maxBanks   = 16
	maxBoards  = 10 // of one bank: the switch of a 16-lock board has ten places
	minSpacing = 50 * time.Millisecond
	maxSpacing = 5 * time.Second
	maxSupply  = 40 // characters of a supply's name
)

// The protocols of locker boards.
const (
	kerongA = "kerong-a"
	kerongB = "kerong-b"
)

// board is what a kind of locker board has.
type board struct {
	highest int // number that its switch can say
	locks   int
}

var boards = map[string]board{kerongA: {14, 16}, kerongB: {99, 48}}

var sizes = []string{"S", "M", "L", "XL"}

// LocksPerBoard is how many locks a board of the bank has; 0: its protocol is not known.
func (l Locker) LocksPerBoard() int { return boards[l.Protocol].locks }

func (d *decoder) lockers(c Config) {
	if len(c.Lockers) > maxBanks {
		d.bad("lockers", fmt.Sprintf("%d banks, at most %d", len(c.Lockers), maxBanks), "remove some")
	}
	banks := map[string]int{}
	for i, l := range c.Lockers {
		at := fmt.Sprintf("lockers[%d]", i)
		if l.Bank == "" || len(l.Bank) > 8 || strings.ContainsAny(l.Bank, "/ ") {
			d.bad(at+".bank", fmt.Sprintf("%q is no name of a bank", l.Bank), "use a letter, as on the bank's front")
		}
		if other, twice := banks[l.Bank]; twice {
			d.bad(at+".bank", fmt.Sprintf("%s is also lockers[%d]", l.Bank, other), "give each bank a name of its own")
		}
		banks[l.Bank] = i
		d.onLine(at, l.Line, c.Lines)
		if l.LocksPerBoard() == 0 {
			d.bad(at+".protocol", fmt.Sprintf("%q is not known", l.Protocol), "use kerong-a for boards of 12 or 16 locks, kerong-b for those of 48")
		}
		if l.Closed == nil || *l.Closed != 0 && *l.Closed != 1 {
			d.bad(at+".closed_bit", "the meaning of the latch bit is not proven", "read the board, open one door by hand, read again: write 1 if its bit went from 1 to 0, else 0; lobby-gateway commission does so with you")
		}
		if l.Protocol == kerongB && l.Sensors {
			d.bad(at+".item_sensors", "boards of kerong-b say nothing of what is inside", "remove it")
		}
		d.codes(at, l)
		d.current(at, l)
		d.boards(at, l)
		d.doors(at, l)
	}
	d.supplies(c.Lockers)
}

// codes checks the command bytes, which only the 48-lock boards have.
func (d *decoder) codes(at string, l Locker) {
	switch {
	case l.Protocol == kerongA && l.Codes != nil:
		d.bad(at+".codes", "boards of kerong-a have one set of commands", "remove codes, or use kerong-b if they are 48-lock boards")
	case l.Protocol != kerongB:
	case l.Codes == nil:
		d.bad(at+".codes", "the commands of these boards are not known: they differ by firmware", "write them as its manual has them, such as {status: 0x60, open: 0x61, ok: 0x75} or {status: 0x50, open: 0x51, ok: 0x75}")
	default:
		seen := map[int]string{}
		for _, code := range []struct {
			key string
			n   int
		}{{"status", l.Codes.Status}, {"open", l.Codes.Open}, {"ok", l.Codes.OK}} {
			path := at + ".codes." + code.key
			if code.n < 1 || code.n > 0xff {
				d.bad(path, fmt.Sprintf("%#x is no command", code.n), "write the byte that the board's manual has, 0x01 to 0xff: all three are needed")
			} else if other, twice := seen[code.n]; twice {
				d.bad(path, fmt.Sprintf("%#x is also %s", code.n, other), "each command has a byte of its own")
			}
			seen[code.n] = code.key
		}
	}
}

// good tells whether all three are bytes of their own.
func (c *Codes) good() bool {
	isByte := func(n int) bool { return n > 0 && n <= 0xff }
	return c != nil && isByte(c.Status) && isByte(c.Open) && isByte(c.OK) && c.Status != c.Open && c.Status != c.OK && c.Open != c.OK
}

// current checks what flows through the latches.
func (d *decoder) current(at string, l Locker) {
	if l.Pulse < 50*time.Millisecond || l.Pulse > 2*time.Second {
		d.bad(at+".pulse", l.Pulse.String()+" is out of range", "use 500ms for solenoid latches, 1s for motor latches")
	}
	if l.Spacing < minSpacing || l.Spacing > maxSpacing {
		d.bad(at+".spacing", l.Spacing.String()+" is out of range", "use 100ms, more if the supply drops when doors open one after the other; 50ms to 5s")
	}
	if len(l.Supply) > maxSupply || strings.TrimSpace(l.Supply) != l.Supply {
		d.bad(at+".supply", fmt.Sprintf("%q is no name", l.Supply), fmt.Sprintf("use a short name, at most %d characters, the same at all banks that hang on it", maxSupply))
	}
}

// supplies looks at those that several banks share: they are one thing, which waits one time.
func (d *decoder) supplies(lockers []Locker) {
	first := map[string]int{}
	for i, l := range lockers {
		other, known := first[l.Supply]
		switch {
		case l.Supply == "":
		case !known:
			first[l.Supply] = i
		case lockers[other].Spacing != l.Spacing:
			d.bad(fmt.Sprintf("lockers[%d].spacing", i), fmt.Sprintf("%v, and lockers[%d] on the same supply %s has %v", l.Spacing, other, l.Supply, lockers[other].Spacing),
				"write the longer one at both")
		}
	}
}

func (d *decoder) boards(at string, l Locker) {
	if len(l.Boards) == 0 || len(l.Boards) > maxBoards {
		d.bad(at+".boards", fmt.Sprintf("%d boards", len(l.Boards)), fmt.Sprintf("list the boards' switches, 1 to %d of them", maxBoards))
	}
	kind, known := boards[l.Protocol]
	for b, number := range l.Boards {
		if known && (number < 0 || number > kind.highest) {
			d.bad(fmt.Sprintf("%s.boards[%d]", at, b), fmt.Sprintf("board %d is out of range", number), fmt.Sprintf("use the number on the board's switch, 0 to %d", kind.highest))
		}
	}
}

func (d *decoder) doors(at string, l Locker) {
	numbers, locks, screens, count := map[int]string{}, map[int]string{}, 0, 0
	per := l.LocksPerBoard()
	for c, column := range l.Columns {
		for i, door := range column.Doors {
			path := fmt.Sprintf("%s.columns[%d].doors[%d]", at, c, i)
			if door.Size == "screen" {
				screens++
				continue
			}
			count++
			if !slices.Contains(sizes, door.Size) {
				d.bad(path+".size", fmt.Sprintf("%q is no size", door.Size), "use S, M, L, XL or screen")
			}
			if door.Number < 1 || door.Number > 999 {
				d.bad(path+".number", fmt.Sprintf("door %d is out of range", door.Number), "use the number painted on the door, 1 to 999")
			}
			if other, twice := numbers[door.Number]; twice {
				d.bad(path+".number", fmt.Sprintf("door %d is also %s", door.Number, other), "give each door a number of its own")
			}
			if per > 0 && (door.Lock < 1 || door.Lock > per*len(l.Boards)) {
				d.bad(path+".lock", fmt.Sprintf("lock %d, and the chain has 1 to %d", door.Lock, per*len(l.Boards)), fmt.Sprintf("count the locks along the chain, %d a board", per))
			}
			if other, twice := locks[door.Lock]; twice {
				d.bad(path+".lock", fmt.Sprintf("lock %d is also that of %s", door.Lock, other), "one lock opens one door")
			}
			numbers[door.Number], locks[door.Lock] = path, path
		}
	}
	if count == 0 {
		d.bad(at+".columns", "the bank has no door", "list its doors, column by column")
	}
	if screens > 1 {
		d.bad(at+".columns", fmt.Sprintf("%d screens", screens), "a bank has at most one")
	}
}
