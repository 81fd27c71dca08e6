package bus

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	none := func(d time.Duration) time.Duration { return d }
	wild := func(time.Duration) time.Duration { return time.Hour }
	for _, c := range []struct {
		try    int
		jitter func(time.Duration) time.Duration
		want   time.Duration
	}{
		{0, none, backoffMin}, {1, none, 2 * backoffMin}, {4, none, 16 * backoffMin}, {5, none, backoffMax},
		{1000, none, backoffMax}, {0, wild, backoffMax},
	} {
		if got := backoff(c.try, c.jitter); got != c.want {
			t.Errorf("backoff(%d) = %v; want %v", c.try, got, c.want)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := (Config{Ports: []string{"/dev/ttyUSB0"}}).Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	for _, port := range []string{"tcp://192.168.1.200:502", "tcp://[fd00::5]:5000", "tcp://meters.lan:502"} {
		if err := (Config{Ports: []string{port}, Direct: true}).Validate(); err != nil {
			t.Errorf("Validate(%s) = %v", port, err)
		}
	}
	for _, c := range []Config{
		{Ports: []string{"tcp://"}}, {Ports: []string{"tcp://box"}}, {Ports: []string{"tcp://:502"}}, {Ports: []string{"tcp://box:0"}},
		{Ports: []string{"tcp://box:x"}}, {Ports: []string{"tcp://fd00::5:502"}}, {Ports: []string{"/dev/ttyUSB0"}, Direct: true},
		{}, {Ports: []string{"x"}, Baud: 19201}, {Ports: []string{"x"}, StopBits: 3}, {Ports: []string{"x"}, Gap: -1},
		{Ports: []string{"x"}, Lateness: time.Hour}, {Ports: []string{"x"}, Queue: -1},
	} {
		if c.Validate() == nil {
			t.Errorf("Validate(%+v) = nil; want an error", c)
		}
	}
}
