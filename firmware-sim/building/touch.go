package building

import (
	"errors"
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// Errors of a touch, besides those of the packages that do it.
var (
	ErrAction  = errors.New("no such action")
	ErrOptions = errors.New("bad options")
	ErrInUse   = errors.New("link name is in use")
)

// Options of a touch. Which of them an action reads stands at the action.
type Options struct {
	Rate    *float64 `json:"rate"`    // noise: chance of each bit to flip, 0 to 0.5; late of a device: part of its answers, 0 to 1
	On      *bool    `json:"on"`      // of faults: false ends it; missing means true
	MS      *int64   `json:"ms"`      // late: 0 to 10000; slow: 0 to 60000
	Link    string   `json:"link"`    // replug: the new link name; empty means the one it had
	Serial  string   `json:"serial"`  // replace: of the new meter, eight digits
	Litres  *int64   `json:"litres"`  // set: the new total; replace: that of the new meter, missing means 0
	Add     *int64   `json:"add"`     // set: so many litres more than it shows, or fewer, instead of Litres
	Contact string   `json:"contact"` // stick-contact: open, closed or off
}

// on reports whether a fault begins.
func (o Options) on() bool { return o.On == nil || *o.On }

// TouchLock does what a person at a compartment does: open-by-key, close, put, take; or makes its latch stick,
// unstick or slow (Options.MS).
func (b *Building) TouchLock(bank string, lock int, action string, o Options) error {
	c, err := b.Chain(bank)
	if err != nil {
		return err
	}
	switch action {
	case "open-by-key":
		err = c.OpenByKey(lock)
	case "close":
		err = c.CloseDoor(lock)
	case "put":
		err = c.Put(lock)
	case "take":
		err = c.Take(lock)
	case "stick", "unstick":
		err = c.Stick(lock, action == "stick")
	case "slow":
		if o.MS == nil || *o.MS < 0 || *o.MS > 60000 {
			return fmt.Errorf("%w: give ms, 0 to 60000", ErrOptions)
		}
		err = c.Slow(lock, time.Duration(*o.MS)*time.Millisecond)
	default:
		return fmt.Errorf("%w: %q: use open-by-key, close, put, take, stick, unstick or slow", ErrAction, action)
	}
	if err != nil {
		return fmt.Errorf("bank %s: %w", bank, err)
	}
	return nil
}

// TouchBoard makes a board mute, dead or fine again.
func (b *Building) TouchBoard(bank string, address int, action string) error {
	c, err := b.Chain(bank)
	if err != nil {
		return err
	}
	faults := map[string]kerong.BoardFault{"mute": kerong.BoardMute, "dead": kerong.BoardDead, "fine": kerong.BoardFine}
	f, ok := faults[action]
	if !ok {
		return fmt.Errorf("%w: %q: use mute, dead or fine", ErrAction, action)
	}
	if err := c.SetBoardFault(address, f); err != nil {
		return fmt.Errorf("bank %s: %w", bank, err)
	}
	return nil
}

// TouchLine does something to a line: unplug, replug (Options.Link), noise (Rate), silence and cut (On), late (MS),
// or clear, which ends every fault but an unplugged adapter.
func (b *Building) TouchLine(name, action string, o Options) error {
	l, err := b.Line(name)
	if err != nil {
		return err
	}
	f := l.Faults()
	switch action {
	case "unplug":
		return l.Unplug()
	case "replug":
		return b.replug(l, o.Link)
	case "noise":
		if o.Rate == nil || !(*o.Rate >= 0 && *o.Rate <= 0.5) {
			return fmt.Errorf("%w: give rate, 0 to 0.5", ErrOptions)
		}
		f.Noise = *o.Rate
	case "silence":
		f.Silence = o.on()
	case "cut":
		f.Cut = o.on()
	case "late":
		if o.MS == nil || *o.MS < 0 || *o.MS > maxLate {
			return fmt.Errorf("%w: give ms, 0 to %d", ErrOptions, maxLate)
		}
		f.Late = time.Duration(*o.MS) * time.Millisecond
	case "clear":
		f = line.Faults{}
	default:
		return fmt.Errorf("%w: %q: use unplug, replug, noise, silence, cut, late or clear", ErrAction, action)
	}
	l.SetFaults(f)
	return nil
}

// replug refuses a link that another line of the building has: it would take its port away.
func (b *Building) replug(l *line.Line, link string) error {
	for _, other := range b.lines {
		if other.Line != l && other.Port().Link == link {
			return fmt.Errorf("link %q: %w: choose another one", link, ErrInUse)
		}
	}
	return l.Replug(link)
}
