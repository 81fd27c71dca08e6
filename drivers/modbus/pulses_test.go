package modbus

import "testing"

// An input of pulses has a most, though nobody knows the meter on it: words in the wrong order are no gas.
func TestPulsesHaveAMost(t *testing.T) {
	for _, tt := range []struct {
		scale   string
		divisor byte
		want    int64 // litres an hour
	}{{"1000", 100, 600_000}, {"10", 1, 600_000}, {"1/10", 100, 60}, {"1/1000", 100, 1}} {
		p, err := Shipped("pcd7-h104d")
		if err != nil {
			t.Fatal(err)
		}
		l, faults := p.place(1, Site{ScaleOf: tt.scale})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		r, err := l.decode(saysOfPulses(t, l, tt.divisor))
		if err != nil || r.Qmax != tt.want {
			t.Errorf("scale %s, %d pulses: Qmax %d, %v; want %d", tt.scale, tt.divisor, r.Qmax, err, tt.want)
		}
	}
	g4, err := Shipped("g4")
	if err != nil {
		t.Fatal(err)
	}
	if l, faults := g4.place(1, Site{}); len(faults) > 0 || l.Qmax == 0 {
		t.Errorf("what a profile says stays: %d, %v", l.Qmax, faults)
	}
}

// saysOfPulses is what a pulse counter says to each of a layout's requests.
func saysOfPulses(t *testing.T, l *layout, divisor byte) (data [][]byte) {
	t.Helper()
	for _, s := range l.requests {
		b := make([]byte, 2*s.count)
		for i := range s.count {
			switch s.address + i {
			case 2:
				b[2*i+1] = 43
			case 36, 37, 38, 39:
				b[2*i+1] = divisor
			}
		}
		data = append(data, b)
	}
	return data
}
