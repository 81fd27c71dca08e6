package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the far end of the line: units as far as these tests need them. It counts what it is asked.
type peer struct {
	tcp     bool
	echo    bool                                    // returns what is sent, like some adapters
	deliver func(answer []byte, put func(b []byte)) // how an answer's frame comes; nil: at once

	mu     sync.Mutex
	units  map[byte]*module
	asked  int            // requests of any kind
	writes map[uint32]int // of coils, by address and value: the oracle
	others int            // requests that no driver should send
	conn   io.Writer      // the newest, where late answers go
}

// module is one unit.
type module struct {
	registers map[uint16]uint16
	inputs    map[uint16]bool
	coils     map[uint16]bool
	until     map[uint16]time.Time          // when a timed coil goes off
	noTimer   bool                          // it has no timed coils
	obey      func(pdu []byte) (done bool)  // whether a request has any effect; nil: it has
	say       func(pdu, good []byte) []byte // the answer in place of the good one; nil: none. Called with the peer's mu held
}

func newPeer(units map[byte]*module) *peer {
	return &peer{units: units, writes: map[uint32]int{}}
}

// locked runs f while the peer stands still.
func (p *peer) locked(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// count is how often value was written to a coil.
func (p *peer) count(address, value uint16) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes[uint32(address)<<16|uint32(value)]
}

// allWrites is how often any coil was written.
func (p *peer) allWrites() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.writes {
		n += w
	}
	return n
}

// isOn is what a strike would do.
func (p *peer) isOn(unit byte, coil uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.units[unit].on(coil)
}

func (m *module) on(coil uint16) bool { return m.coils[coil] || time.Now().Before(m.until[coil]) }

// serve answers what comes until the line is cut.
func (p *peer) serve(line io.ReadWriter) {
	p.locked(func() { p.conn = line })
	for {
		head, unit, pdu, err := p.next(line)
		if err != nil {
			return
		}
		if p.echo {
			if _, err := line.Write(frameOf(p.tcp, head, unit, pdu)); err != nil {
				return
			}
		}
		answer := p.answer(unit, pdu)
		if answer == nil {
			continue
		}
		put := func(b []byte) {
			p.mu.Lock()
			conn := p.conn
			p.mu.Unlock()
			_, _ = conn.Write(b)
		}
		if frame := frameOf(p.tcp, head, unit, answer); p.deliver != nil {
			p.deliver(frame, put)
		} else {
			put(frame)
		}
	}
}

// next reads one request; all that the drivers send have five bytes of function and data.
func (p *peer) next(r io.Reader) (head []byte, unit byte, pdu []byte, err error) {
	b := make([]byte, 8)
	if p.tcp {
		b = make([]byte, 12)
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, 0, nil, err
	}
	if p.tcp {
		return b[:2], b[6], b[7:], nil
	}
	return nil, b[0], b[1:6], nil
}

// frameOf makes a frame, RTU or TCP.
func frameOf(tcp bool, head []byte, unit byte, pdu []byte) []byte {
	if tcp {
		b := append(slices.Clone(head), 0, 0, 0, byte(1+len(pdu)), unit)
		return append(b, pdu...)
	}
	b := append([]byte{unit}, pdu...)
	return binary.LittleEndian.AppendUint16(b, crc(b))
}

func (p *peer) answer(unit byte, pdu []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	m, here := p.units[unit]
	if !here {
		return nil
	}
	address, value := binary.BigEndian.Uint16(pdu[1:]), binary.BigEndian.Uint16(pdu[3:])
	if pdu[0] == 5 {
		p.writes[uint32(address)<<16|uint32(value)]++
	}
	if m.obey != nil && !m.obey(pdu) {
		return nil
	}
	good := m.good(pdu[0], address, value)
	if good == nil {
		p.others++
		good = []byte{pdu[0] | 0x80, 1}
	}
	if m.say != nil {
		return m.say(pdu, good)
	}
	return good
}

func (m *module) good(function byte, address, value uint16) []byte {
	no := func(code byte) []byte { return []byte{function | 0x80, code} }
	switch function {
	case 1, 2:
		bits := make([]byte, (value+7)/8)
		for i := range value {
			if function == 1 && m.on(address+i) || function == 2 && m.inputs[address+i] {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		return append([]byte{function, byte(len(bits))}, bits...)
	case 3, 4:
		b := []byte{function, byte(2 * value)}
		for i := range value {
			v, there := m.registers[address+i]
			if !there {
				return no(2)
			}
			b = binary.BigEndian.AppendUint16(b, v)
		}
		return b
	case 5:
		echo := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{5}, address), value)
		switch {
		case address >= 0x0200 && address < 0x0300 && !m.noTimer:
			m.until[address-0x0200] = time.Now().Add(time.Duration(value) * 100 * time.Millisecond)
		case address >= 0x0100:
			return no(2)
		case value == 0xff00:
			m.coils[address] = true
		case value == 0:
			m.coils[address] = false
			delete(m.until, address)
		default:
			return no(3)
		}
		return echo
	}
	return nil
}

// g4 is a module with the registers of profile g4.
func g4(total uint32, status, scale uint16, serial uint32) *module {
	return &module{registers: map[uint16]uint16{
		0: uint16(total >> 16), 1: uint16(total), 2: status, 3: scale, 4: uint16(serial >> 16), 5: uint16(serial),
	}}
}

// relay is a module with outputs and inputs.
func relay() *module {
	return &module{inputs: map[uint16]bool{}, coils: map[uint16]bool{}, until: map[uint16]time.Time{}}
}

// pipePort behaves like a serial port over a net.Pipe: it reads nothing after 100 ms.
type pipePort struct{ net.Conn }

func (p pipePort) Read(b []byte) (int, error) {
	_ = p.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := p.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}

// inBubble is a bus whose far end is p, over net.Pipe: each opening is a new pipe. plug(false) cuts the newest and lets
// nobody open another until plug(true).
func inBubble(t *testing.T, p *peer, cfg bus.Config) (line *bus.Bus, plug func(in bool)) {
	t.Helper()
	return pluggable(t, p.serve, cfg)
}

// inBubbleWith is a bus whose far end serves itself.
func inBubbleWith(t *testing.T, serve func(io.ReadWriter), cfg bus.Config) *bus.Bus {
	t.Helper()
	line, _ := pluggable(t, serve, cfg)
	return line
}

func pluggable(t *testing.T, serve func(io.ReadWriter), cfg bus.Config) (line *bus.Bus, plug func(in bool)) {
	t.Helper()
	cfg.Name = "rs485-1"
	if cfg.Ports == nil {
		cfg.Ports = []string{"pipe"}
	}
	var mu sync.Mutex
	var served sync.WaitGroup
	var far net.Conn
	plugged := true
	line = bus.New(cfg, bus.Deps{
		Log: slog.New(slog.DiscardHandler),
		Open: func(string, bus.Config) (io.ReadWriteCloser, error) {
			mu.Lock()
			defer mu.Unlock()
			if !plugged {
				return nil, errors.New("nothing plugged in")
			}
			near, f := net.Pipe()
			far = f
			served.Go(func() {
				defer f.Close()
				serve(f)
			})
			return pipePort{near}, nil
		},
	})
	stop := run(t, line)
	plug = func(in bool) {
		mu.Lock()
		defer mu.Unlock()
		if plugged = in; !in && far != nil {
			far.Close()
		}
	}
	t.Cleanup(func() {
		stop()
		plug(false)
		served.Wait()
	})
	return line, plug
}

// run runs a bus until stop.
func run(t testing.TB, line *bus.Bus) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- line.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
}

// quiet is a bus's dependencies without its log.
func quiet() bus.Deps { return bus.Deps{Log: slog.New(slog.DiscardHandler)} }
