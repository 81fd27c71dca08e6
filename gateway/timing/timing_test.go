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
	// at 19200 a character is 0.573 ms and the silence 2.0 ms; a status is 2.0 + 2.9 + 25 + 5.2 = 35.0 ms, an unlock 4.9 ms
	alone := timing.Compute(line, []timing.Device{board("1")})
	if w := alone.Open; w == nil || !near(w.Answering, 75*ms) || w.Silent != w.Answering {
		t.Errorf("one board: %+v; want 75ms, whatever happens: nobody else is there", alone.Open)
	}
	// a silent neighbour costs its time-out: 4.9 + 300 in place of 35.0
	two := timing.Compute(line, []timing.Device{board("1"), board("2")})
	if w := two.Open; w == nil || !near(w.Answering, 75*ms) || !near(w.Silent, 345*ms) {
		t.Errorf("two boards: %+v; want 75ms and 345ms", two.Open)
	}
	if u := two.Use; u < 0.069 || u > 0.071 {
		t.Errorf("use = %.3f; want 0.070", u)
	}
	if len(two.Alarms) != 1 || !strings.Contains(two.Alarms[0].What, "an opening of 1 may wait 345ms if another device falls silent") {
		t.Errorf("alarms = %+v", two.Alarms)
	}
	slow := timing.Compute(bus.Config{Name: "a", Baud: 1200}, []timing.Device{board("1")})
	if len(slow.Alarms) != 1 || !strings.Contains(slow.Alarms[0].What, "an opening of 1 may wait") || !strings.Contains(slow.Alarms[0].Remedy, "higher baud") {
		t.Errorf("alarms at 1200 baud = %+v; want one of the opening", slow.Alarms)
	}
}

func TestPollsThatDoNotFit(t *testing.T) {
	line := bus.Config{Name: "m", Baud: 9600}
	// at 9600 a meter is 4.0 + 9.2 + 20 + 19.5 = 52.7 ms: 32 of them 1.69 s
	var devices []timing.Device
	for range 32 {
		devices = append(devices, meter("m", 2*time.Second))
	}
	good := timing.Compute(line, devices)
	if good.Use < 0.83 || good.Use > 0.86 || len(good.Alarms) != 0 || good.Devices[0].Holds != 2*time.Second || good.Open != nil {
		t.Errorf("32 meters each 2s: %+v; want 84 %% of the line and no alarm", good)
	}
	for i := range devices {
		devices[i].Every = time.Second
	}
	bad := timing.Compute(line, devices)
	if len(bad.Alarms) != 1 || !strings.Contains(bad.Alarms[0].What, "its polls need 168 % of its time: m comes every 1.685s, and 1s is wanted") {
		t.Errorf("32 meters each 1s: %+v", bad.Alarms)
	}
}

func TestADeviceOnTheNetworkHasNoWire(t *testing.T) {
	l := timing.Compute(bus.Config{Name: "n", Direct: true}, []timing.Device{meter("m", time.Second)})
	if l.Devices[0].Takes != timing.ModbusTurn {
		t.Errorf("takes %v; want its turnaround alone", l.Devices[0].Takes)
	}
}
