package timing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/timing"
)

const ms = time.Millisecond

func board(name string) timing.Device {
	status := bus.Cost{Device: name, Out: 5, In: 9, Answer: 300 * ms}
	return timing.Device{
		Name: name, Every: time.Second, Turn: timing.KerongTurn, Poll: []bus.Cost{status},
		Open: []bus.Cost{status, {Device: name, Out: 5, Answer: 200 * ms}},
	}
}

func meter(name string, every time.Duration) timing.Device {
	return timing.Device{
		Name: name, Every: every, Turn: timing.ModbusTurn,
		Poll: []bus.Cost{{Device: name, Out: 8, In: 17, Answer: 500 * ms}},
	}
}

// near tells whether two times agree within a millisecond: the figures below were added up by hand.
func near(a, b time.Duration) bool { return max(a-b, b-a) <= ms }

func TestAnOpeningWaitsForOneExchangeAndItsOwnReading(t *testing.T) {
	line := bus.Config{Name: "a", Baud: 19200}
	// at 19200 a character is 0.521 ms and the silence 2.0 ms; a status is 2.0 + 2.6 + 25 + 4.7 = 34.3 ms, an unlock 4.6 ms
	alone := timing.Compute(line, []timing.Device{board("1")})
	if w := alone.Open; w == nil || !near(w.Answering, 73*ms) || w.Silent != w.Answering {
		t.Errorf("one board: %+v; want 73ms, whatever happens: nobody else is there", alone.Open)
	}
	// a silent neighbour costs its time-out, which is learned as three turnarounds, and 30 ms more: 4.6 + 105 in place of 34.3
	two := timing.Compute(line, []timing.Device{board("1"), board("2")})
	if w := two.Open; w == nil || !near(w.Answering, 73*ms) || !near(w.Silent, 148*ms) || len(two.Alarms) != 0 {
		t.Errorf("two boards: %+v, %v; want 73ms and 148ms, and no alarm", two.Open, two.Alarms)
	}
	if u := two.Use; u < 0.0685 || u > 0.0695 {
		t.Errorf("use = %.3f; want 0.069", u)
	}
	lazy := board("2")
	lazy.Turn = 50 * ms // 4.6 + 150 + 30, and an opening of the other in 39 more
	if l := timing.Compute(line, []timing.Device{board("1"), lazy}); len(l.Alarms) != 1 || !strings.Contains(l.Alarms[0].What, "may wait 224ms if another device falls silent") {
		t.Errorf("alarms beside a slow device = %+v, %+v", l.Alarms, l.Open)
	}
	slow := timing.Compute(bus.Config{Name: "a", Baud: 1200}, []timing.Device{board("1")})
	if len(slow.Alarms) != 1 || !strings.Contains(slow.Alarms[0].What, "an opening of 1 may wait") || !strings.Contains(slow.Alarms[0].Remedy, "higher baud") {
		t.Errorf("alarms at 1200 baud = %+v; want one of the opening", slow.Alarms)
	}
}

func TestPollsThatDoNotFit(t *testing.T) {
	line := bus.Config{Name: "m", Baud: 9600}
	// at 9600 a meter is 4.0 + 8.3 + 20 + 17.7 = 50.1 ms: 32 of them 1.60 s
	var devices []timing.Device
	for range 32 {
		devices = append(devices, meter("m", 2*time.Second))
	}
	good := timing.Compute(line, devices)
	if good.Use < 0.795 || good.Use > 0.805 || len(good.Alarms) != 0 || good.Devices[0].Holds != 2*time.Second || good.Open != nil {
		t.Errorf("32 meters each 2s: use %.3f, %+v, %+v; want 80 %% of the line and no alarm", good.Use, good.Open, good.Alarms)
	}
	for i := range devices {
		devices[i].Every = time.Second
	}
	bad := timing.Compute(line, devices)
	if len(bad.Alarms) != 1 || !strings.Contains(bad.Alarms[0].What, "its polls need 160 % of its time: m comes every 1.602s, and 1s is wanted") {
		t.Errorf("32 meters each 1s: %+v", bad.Alarms)
	}
}

func TestADeviceOnTheNetworkHasNoWire(t *testing.T) {
	l := timing.Compute(bus.Config{Name: "n", Direct: true}, []timing.Device{meter("m", time.Second)})
	if l.Devices[0].Takes != timing.ModbusTurn {
		t.Errorf("takes %v; want its turnaround alone", l.Devices[0].Takes)
	}
}
