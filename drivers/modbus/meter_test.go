package modbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/internal/pty"
)

// direct is the configuration of a line to a Modbus TCP device, and converter of one to a converter.
var (
	direct    = bus.Config{Ports: []string{"tcp://meter:502"}, Direct: true}
	converter = bus.Config{Ports: []string{"tcp://converter:5000"}, Baud: 9600}
)

func newMeter(t testing.TB, line Line, cfg MeterConfig) *Meter {
	t.Helper()
	if cfg.Device == "" {
		cfg.Device = "meter/m-101"
	}
	if cfg.Profile == nil {
		cfg.Profile = shippedProfile(t, "g4")
	}
	if cfg.Address == 0 {
		cfg.Address = 7
	}
	m, err := NewMeter(line, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name     string
		line     bus.Config
		protocol Protocol
		echo     bool
	}{
		{"RTU", bus.Config{Baud: 9600}, RTU, false},
		{"RTU with echo", bus.Config{Baud: 9600, Echo: true}, "", true},
		{"RTU over TCP", converter, RTU, false},
		{"Modbus TCP", direct, TCP, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(map[byte]*module{7: g4(1234567, 0b1001, 10, 0x87654321)})
				p.tcp, p.echo = c.protocol == TCP, c.echo
				line, _ := inBubble(t, p, c.line)
				m := newMeter(t, line, MeterConfig{Protocol: c.protocol})
				for n := 1; n <= 3; n++ {
					r, err := m.Read(t.Context())
					if err != nil || r.Litres != 12345670 || r.Range != 1e9 || r.Qmax != 6000 || r.Serial != "87654321" ||
						!slices.Equal(r.Flags, []string{"low_battery", "valve_closed"}) {
						t.Fatalf("Read() = %+v, %v", r, err)
					}
					if p.asked != n || len(r.Raw) != 2 || !r.Raw[0].Sent || r.Raw[1].Sent || r.At.IsZero() || r.Raw[1].At < r.Raw[0].At {
						t.Errorf("read %d: %d requests, frames %+v at %v; want one request and its answer", n, p.asked, r.Raw, r.At)
					}
				}
				if h := m.Health()[0]; !h.Online || h.Answers != 3 || h.Errors != 0 || h.Error != "" || h.Device != "meter/m-101" {
					t.Errorf("health = %+v", h)
				}
				if s := line.Stats().Devices["meter/m-101"]; s.Answers != 3 {
					t.Errorf("counters = %+v", s)
				}
			})
		})
	}
}

func TestReadByInputRegistersAndSeveralRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		profile, err := ParseProfile("x", []byte(profile("base: 1", `
  - {name: total, function: 4, address: 101, type: uint32, order: CDAB, scale: 1/10}
  - {name: serial, function: 3, address: 7, type: bcd12, order: ABCDEF}`)))
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(map[byte]*module{7: {registers: map[uint16]uint16{
			100: 0x0019, 101: 0x0001, 6: 0x0000, 7: 0x1234, 8: 0x5678}}})
		line, _ := inBubble(t, p, bus.Config{})
		r, err := newMeter(t, line, MeterConfig{Profile: profile}).Read(t.Context())
		if err != nil || r.Litres != (65536+25)/10 || r.Serial != "000012345678" || len(r.Raw) != 4 {
			t.Errorf("Read() = %+v, %v; want 6556 litres, twelve digits, four frames", r, err)
		}
		if !r.At.After(time.Now().Add(-time.Second)) {
			t.Errorf("At = %v", r.At)
		}
	})
}

// An exception is an answer: it costs no time-out, says what to do, and keeps the meter online.
func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		code   byte
		kind   error
		online bool
		want   string
	}{
		{1, drivers.ErrRefused, true, "exception 01: it does not answer function 3, registers 0 to 5: check that it is a Lobby G4"},
		{2, drivers.ErrRefused, true, "and its profile g4"},
		{4, drivers.ErrRefused, true, "exception 04: the device has a fault of its own"},
		{5, drivers.ErrRefused, true, "exception 05: busy: later"},
		{6, drivers.ErrRefused, true, "exception 06: busy: later"},
		{11, drivers.ErrSilent, false, "no answer behind its gateway (exception 11)"},
	} {
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dev := g4(1, 0, 1, 1)
				dev.say = func(pdu, _ []byte) []byte { return []byte{pdu[0] | 0x80, c.code} }
				p := newPeer(map[byte]*module{7: dev})
				line, _ := inBubble(t, p, bus.Config{})
				m := newMeter(t, line, MeterConfig{})
				start := time.Now()
				r, err := m.Read(t.Context())
				if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "meter/m-101: unit 7: ") {
					t.Errorf("Read() = %v; want %v with %q", err, c.kind, c.want)
				}
				if took := time.Since(start); took > 100*time.Millisecond || p.asked != 1 || len(r.Raw) != 2 {
					t.Errorf("took %v, %d requests, %d frames; want no time-out, 1, 2", took, p.asked, len(r.Raw))
				}
				if h := m.Health()[0]; h.Online != c.online {
					t.Errorf("health = %+v; want online %v", h, c.online)
				}
			})
		})
	}
}

// Every tenth answer is an exception that comes in two pieces. goburrow alone would take four bytes of it and read the
// fifth as the next answer's.
func TestExceptionsInTwoPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := g4(77, 0, 1, 1)
		asked := 0
		dev.say = func(pdu, good []byte) []byte {
			if asked++; asked%10 == 0 {
				return []byte{pdu[0] | 0x80, 6}
			}
			return good
		}
		p := newPeer(map[byte]*module{7: dev})
		p.deliver = func(b []byte, put func([]byte)) {
			put(b[:4])
			time.Sleep(15 * time.Millisecond) // a USB adapter's burst
			put(b[4:])
		}
		line, _ := inBubble(t, p, bus.Config{})
		m := newMeter(t, line, MeterConfig{})
		for n := 1; n <= 200; n++ {
			r, err := m.Read(t.Context())
			switch {
			case n%10 == 0 && !errors.Is(err, drivers.ErrRefused):
				t.Errorf("Read() %d = %v; want ErrRefused", n, err)
			case n%10 != 0 && (err != nil || r.Litres != 77):
				t.Errorf("Read() %d = %d, %v; want 77", n, r.Litres, err)
			}
		}
		if s := line.Stats(); s.Line.Timeouts+s.Line.Bad+s.Line.Foreign+s.Stray != 0 {
			t.Errorf("counters = %+v; want nothing lost", s)
		}
	})
}

// invariant 8: RTU has no transaction numbers. An answer that comes after its time-out is never read as the next one's, but as
// its own, on a line, behind a converter, or on a device's own connection.
func TestLateTotalIsNeverTheNextOnes(t *testing.T) {
	for _, c := range []struct {
		name string
		line bus.Config
		tcp  bool
	}{{"RTU", bus.Config{}, false}, {"RTU over TCP", converter, false}, {"Modbus TCP", direct, true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dev := g4(0, 0, 1, 1)
				asked := uint16(0)
				dev.say = func(pdu, _ []byte) []byte {
					asked++
					dev.registers[1] = asked // the counter moves with each request: a wrong answer shows
					return dev.good(pdu[0], 0, 6)
				}
				p := newPeer(map[byte]*module{7: dev})
				p.tcp = c.tcp
				p.deliver = func(b []byte, put func([]byte)) {
					if asked%10 == 3 {
						time.AfterFunc(700*time.Millisecond, func() { put(b) })
						return
					}
					put(b)
				}
				line, _ := inBubble(t, p, c.line)
				m := newMeter(t, line, MeterConfig{Protocol: map[bool]Protocol{true: TCP}[c.tcp], Lateness: 900 * time.Millisecond})
				for n := int64(1); n <= 60; n++ {
					r, err := m.Read(t.Context())
					if err != nil || r.Litres != n {
						t.Errorf("Read() %d = %d, %v", n, r.Litres, err)
					}
				}
				if s := line.Stats(); s.Line.Late != 6 || s.Stray != 0 {
					t.Errorf("%d late answers, %d stray bytes; want 6, 0", s.Line.Late, s.Stray)
				}
				if asked != 60 {
					t.Errorf("%d requests for 60 reads; nothing is ever repeated", asked)
				}
			})
		})
	}
}

func TestSilentMeterIsOfflineAfterThreePolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := g4(5, 0, 1, 1)
		p := newPeer(map[byte]*module{7: dev})
		line, plug := inBubble(t, p, bus.Config{})
		m := newMeter(t, line, MeterConfig{})
		if h := m.Health()[0]; h.Online || !h.Since.IsZero() || h.Error == "" {
			t.Errorf("health before any poll = %+v", h)
		}
		poll := func(want error, online bool, silent int) {
			t.Helper()
			_, err := m.Read(t.Context())
			if h := m.Health()[0]; !errors.Is(err, want) || h.Online != online || h.Silent != silent || h.Online != (h.Error == "") {
				t.Fatalf("Read() = %v, health %+v; want %v, online %v, silent %d", err, h, want, online, silent)
			}
			time.Sleep(time.Second)
		}
		poll(nil, true, 0)
		since := m.Health()[0].Since
		p.locked(func() { delete(p.units, 7) })
		poll(drivers.ErrSilent, true, 1)
		poll(drivers.ErrSilent, true, 2)
		poll(drivers.ErrSilent, false, 3)
		h := m.Health()[0]
		for _, cause := range []string{"power", "unit number", "A/B wires", "bus rs485-1"} {
			if !strings.Contains(h.Error, cause) {
				t.Errorf("error %q; want it to name %s", h.Error, cause)
			}
		}
		if !h.Since.After(since) || h.Errors != 3 || h.Answers != 1 {
			t.Errorf("health = %+v; want a new Since, 3 errors, 1 answer", h)
		}
		p.locked(func() { p.units[7] = dev })
		for polls := 1; !m.Health()[0].Online; polls++ {
			if polls > 3 {
				t.Fatalf("not found in %d polls of its return: %+v", polls, m.Health()[0])
			}
			_, _ = m.Read(t.Context())
			time.Sleep(time.Second)
		}
		poll(nil, true, 0)
		p.locked(func() { dev.registers[3] = 0 }) // a value that is none is an answer too
		poll(drivers.ErrValue, true, 0)
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := m.Read(ended); !errors.Is(err, context.Canceled) || m.Health()[0].Silent != 0 {
			t.Errorf("Read(ended) = %v; want its cause, and no word about the meter", err)
		}
		plug(false)
		synctest.Wait()
		poll(drivers.ErrGone, true, 2)
		poll(drivers.ErrGone, false, 4) // certain: sooner than silence
	})
}

// invariant 8: one silent meter among many costs the others its own time, once a sweep.
func TestSilentMeterDelaysNobodyElse(t *testing.T) {
	for _, cfg := range []bus.Config{{}, converter} {
		synctest.Test(t, func(t *testing.T) {
			units := map[byte]*module{}
			for u := byte(1); u <= 20; u++ {
				units[u] = g4(uint32(u), 0, 1, 1)
			}
			delete(units, 13)
			line, _ := inBubble(t, newPeer(units), cfg)
			start := time.Now()
			for u := 1; u <= 20; u++ {
				m := newMeter(t, line, MeterConfig{Device: fmt.Sprintf("meter/m-%d", u), Address: u})
				if r, err := m.Read(t.Context()); (err == nil) != (u != 13) || err == nil && r.Litres != int64(u) {
					t.Errorf("Read() of %d = %d, %v", u, r.Litres, err)
				}
			}
			if took := time.Since(start); took > 1500*time.Millisecond {
				t.Errorf("20 meters, one silent, took %v; want its second of lateness and little more", took)
			}
		})
	}
}

func TestNewMeterRefusesBadConfig(t *testing.T) {
	good := MeterConfig{Device: "meter/m", Address: 1, Profile: shippedProfile(t, "g4")}
	for _, c := range []struct {
		want string
		edit func(*MeterConfig)
	}{
		{"device: empty", func(c *MeterConfig) { c.Device = "" }},
		{`protocol: "mbus"`, func(c *MeterConfig) { c.Protocol = "mbus" }},
		{"address: 0", func(c *MeterConfig) { c.Address = 0 }},
		{"address: 248", func(c *MeterConfig) { c.Address = 248 }},
		{"profile: none", func(c *MeterConfig) { c.Profile = nil }},
		{"answer: 6s", func(c *MeterConfig) { c.Answer = 6 * time.Second }},
		{"lateness: -1ns", func(c *MeterConfig) { c.Lateness = -1 }},
	} {
		cfg := good
		c.edit(&cfg)
		if _, err := NewMeter(nil, cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewMeter(%+v) = %v; want %q", cfg, err, c.want)
		}
	}
}

// The whole way over a real terminal, and over real TCP in both protocols.
func TestReadOverRealLines(t *testing.T) {
	units := func() map[byte]*module { return map[byte]*module{7: g4(4200, 0, 100, 0x11223344)} }
	check := func(t *testing.T, m *Meter) {
		t.Helper()
		for range 20 {
			if r, err := m.Read(t.Context()); err != nil || r.Litres != 420000 || r.Serial != "11223344" {
				t.Fatalf("Read() = %+v, %v; want 420000 litres", r, err)
			}
		}
	}
	t.Run("pty", func(t *testing.T) {
		pair := pty.Open(t)
		line := bus.New(bus.Config{Name: "pty", Ports: []string{pair.Path}, Baud: 9600}, quiet())
		var served sync.WaitGroup
		served.Go(func() { newPeer(units()).serve(pair.Master) })
		stop := run(t, line)
		check(t, newMeter(t, line, MeterConfig{}))
		stop()
		pair.Unplug()
		served.Wait()
	})
	for _, protocol := range []Protocol{RTU, TCP} {
		t.Run(string(protocol), func(t *testing.T) {
			address := listen(t, func() *peer {
				p := newPeer(units())
				p.tcp = protocol == TCP
				return p
			})
			line := bus.New(bus.Config{Name: "tcp", Ports: []string{"tcp://" + address}, Baud: 115200, Direct: protocol == TCP}, quiet())
			defer run(t, line)()
			check(t, newMeter(t, line, MeterConfig{Protocol: protocol}))
		})
	}
}

// listen serves each connection to a loopback address by a new peer until the test ends.
func listen(t testing.TB, peerOf func() *peer) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				peerOf().serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}
