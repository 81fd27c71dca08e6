// Package timing computes what lines can do before anything is sent: how long an opening waits at worst, and whether each
// device can be polled as often as is wanted.
//
// It counts characters, silences and time-outs as drivers/bus keeps them, and takes a turnaround for each protocol that is
// usual and not promised: health has the measured ones. What is not counted: a second opening at the same moment, damage
// on the line, and the gateway's own work, which is a millisecond or two.
package timing

import (
	"fmt"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// Usual turnarounds, from a request's last byte to the answer's first.
const (
	KerongTurn = 25 * time.Millisecond // docs/kerong.md 4: 25 ms where it was measured, up to 200 ms reported
	ModbusTurn = 20 * time.Millisecond // docs/modbus.md 4: 5 to 50 ms
)

// What is asked of a line.
const (
	OpenLimit = 150 * time.Millisecond // from a request to open until its frame has left
	UseLimit  = 0.95                   // of a line's time: more, and polls come late
)

// Device is a bank, a meter or a door as its line sees it.
type Device struct {
	Name  string        // locker/A, meter/m-101, door/ktv
	Every time.Duration // from the begin of one poll to that of the next
	Turn  time.Duration // usual turnaround
	Poll  []bus.Cost    // of one poll, in order
	Open  []bus.Cost    // of one opening until its frame has left; nil: it opens nothing
}

// Line is what a line can do.
type Line struct {
	Name    string
	Use     float64 // share of the line's time that the polls need while all answer
	Open    *Wait   // nil: nothing on it opens
	Devices []Poll
	Alarms  []Alarm
}

// Wait is the longest wait of an opening: behind the one exchange in flight, then its own reading.
type Wait struct {
	Device    string        // who waits longest
	Answering time.Duration // while all answer
	Silent    time.Duration // if a device falls silent in that moment
}

// Poll is how often a device can be polled.
type Poll struct {
	Device string
	Takes  time.Duration // of the line's time, while all answer
	Every  time.Duration // as configured
	Holds  time.Duration // as it will be
}

// Alarm is what cannot hold, and what to do.
type Alarm struct{ What, Remedy string }

// Compute says what a line can do with these devices on it.
func Compute(line bus.Config, devices []Device) Line {
	l := Line{Name: line.Name}
	for _, d := range devices {
		p := Poll{Device: d.Name, Every: d.Every, Takes: all(line, d.Poll, d.Turn)}
		l.Use += float64(p.Takes) / float64(d.Every)
		l.Devices = append(l.Devices, p)
	}
	for i := range l.Devices {
		p := &l.Devices[i]
		p.Holds = time.Duration(float64(p.Every) * max(1, l.Use))
	}
	for _, d := range devices {
		if w, opens := wait(line, d, devices); opens && (l.Open == nil || w.Silent > l.Open.Silent) {
			l.Open = &w
		}
	}
	l.Alarms = l.judge()
	return l
}

// wait is the longest wait of an opening of d among all devices of its line.
func wait(line bus.Config, d Device, all []Device) (Wait, bool) {
	if len(d.Open) == 0 {
		return Wait{}, false
	}
	var answering, silent time.Duration // of the longest exchange that may be in flight
	for _, o := range all {
		for _, c := range slices.Concat(o.Poll, o.Open) {
			answering = max(answering, line.Takes(c, o.Turn))
			if c.Device != d.Open[0].Device { // if it is the one that should open, nothing opens
				silent = max(silent, line.Misses(c, o.Turn))
			}
		}
	}
	own := opening(line, d.Open, d.Turn)
	return Wait{d.Name, answering + own, max(answering, silent) + own}, true
}

// opening is how long the exchanges of an opening take until the last byte of the last frame.
func opening(line bus.Config, costs []bus.Cost, turn time.Duration) time.Duration {
	last := len(costs) - 1
	frame := costs[last]
	frame.In = 0 // what comes after it nobody waits for
	return all(line, costs[:last], turn) + line.Takes(frame, 0)
}

func all(line bus.Config, costs []bus.Cost, turn time.Duration) (sum time.Duration) {
	for _, c := range costs {
		sum += line.Takes(c, turn)
	}
	return sum
}

func (l Line) judge() (alarms []Alarm) {
	if l.Open != nil && l.Open.Answering > OpenLimit {
		alarms = append(alarms, Alarm{
			fmt.Sprintf("an opening of %s may wait %v, and a person feels more than %v", l.Open.Device, round(l.Open.Answering), OpenLimit),
			"use a higher baud, or give what opens a line of its own",
		})
	}
	if l.Open != nil && l.Open.Answering <= OpenLimit && l.Open.Silent > OpenLimit {
		alarms = append(alarms, Alarm{
			fmt.Sprintf("an opening of %s may wait %v if another device falls silent in that moment, and a person feels more than %v", l.Open.Device, round(l.Open.Silent), OpenLimit),
			"use a higher baud, or give what opens a line of its own",
		})
	}
	if l.Use > UseLimit {
		slowest := slices.MaxFunc(l.Devices, func(a, b Poll) int { return int(a.Holds - b.Holds) })
		alarms = append(alarms, Alarm{
			fmt.Sprintf("its polls need %.0f %% of its time: %s comes every %v, and %v is wanted", 100*l.Use, slowest.Device, round(slowest.Holds), slowest.Every),
			"use a higher baud, another line for some of the devices, or a longer period",
		})
	}
	return alarms
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
