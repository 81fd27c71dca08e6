package kerong

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cabinet is the far end of the line: boards of one dialect, as far as these tests need them. It counts what it is asked, and
// has a codec of its own.
type cabinet struct {
	wide     bool // dialect B, with the codes of firmware60
	mu       sync.Mutex
	latch    map[int]uint64           // bits as read, by board; a board that is not here is silent
	item     map[int]uint64           // sensors
	onUnlock func(board, lock int)    // what a pulse does; called with mu held
	onStatus func(board int) [][]byte // answers a status request in the board's place, when it returns any
	pulses   map[Place]int            // the oracle
	at       []time.Time              // of the pulses
	asked    map[int]int              // status requests by board
	others   int                      // anything else

	optional      []byte        // answer to an unlock
	optionalAfter time.Duration // how late it comes
}

func newCabinet(latch map[int]uint64) *cabinet {
	return &cabinet{latch: latch, item: map[int]uint64{}, pulses: map[Place]int{}, asked: map[int]int{}}
}

// opens makes a pulse clear the latch's bit.
func (c *cabinet) opens() *cabinet {
	c.onUnlock = func(board, lock int) { c.latch[board] &^= 1 << lock }
	return c
}

// silent takes a board off the line.
func (c *cabinet) silent(board int) { delete(c.latch, board) }

// locked runs f while the cabinet stands still.
func (c *cabinet) locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// allPulses is how often any latch was energised.
func (c *cabinet) allPulses() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, p := range c.pulses {
		n += p
	}
	return n
}

// serve answers what comes until the line is cut.
func (c *cabinet) serve(line io.ReadWriter) {
	size := 5
	if c.wide {
		size = 6
	}
	for {
		req := make([]byte, size)
		if _, err := io.ReadFull(line, req); err != nil {
			return
		}
		for _, f := range c.answer(req) {
			if _, err := line.Write(f); err != nil {
				return
			}
		}
	}
}

// heard is a request as a board understands it.
func (c *cabinet) heard(req []byte) (board, lock int, status, unlock bool) {
	n := len(req)
	total := byte(0)
	for _, x := range req[:n-1] {
		total += x
	}
	if req[0] != 2 || req[n-2] != 3 || req[n-1] != total {
		return 0, 0, false, false
	}
	if c.wide {
		return int(req[1]), int(req[2]), req[3] == 0x60 && req[2] == 0, req[3] == 0x61 && req[2] < 48
	}
	board, lock = int(req[1]>>4), int(req[1]&0xf)
	return board, lock, req[2] == 0x30 && lock == 0 && board < 15, req[2] == 0x31 && board < 15
}

// says is a board's answer to a status request.
func (c *cabinet) says(board int, latch, item uint64) []byte {
	if c.wide {
		f := []byte{2, byte(board), 0, 0x75, 6}
		for i := range 6 {
			f = append(f, byte(latch>>(8*i)))
		}
		return summed(f)
	}
	return summed([]byte{2, byte(board << 4), 0x35, byte(latch), byte(latch >> 8), byte(item), byte(item >> 8), 3})
}

// summed ends a frame in its sum.
func summed(f []byte) []byte {
	total := 0
	for _, x := range f {
		total += int(x)
	}
	return append(f, byte(total%256))
}

func (c *cabinet) answer(req []byte) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	board, lock, status, unlock := c.heard(req)
	switch {
	case unlock:
		c.pulses[Place{board, lock}]++
		c.at = append(c.at, time.Now())
		if c.onUnlock != nil {
			c.onUnlock(board, lock)
		}
		if c.optional != nil {
			time.Sleep(c.optionalAfter)
			return [][]byte{c.optional}
		}
	case status:
		c.asked[board]++
		if c.onStatus != nil {
			if f := c.onStatus(board); f != nil {
				return f
			}
		}
		if latch, here := c.latch[board]; here {
			return [][]byte{c.says(board, latch, c.item[board])}
		}
	default:
		c.others++
	}
	return nil
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

// inBubble joins a bank to a cabinet by a bus over net.Pipe. cut unplugs the adapter for good.
func inBubble(t *testing.T, c *cabinet, cfg Config) (bank *Bank, line *bus.Bus, cut func()) {
	t.Helper()
	near, far := net.Pipe()
	plugged := make(chan io.ReadWriteCloser, 1)
	plugged <- pipePort{near}
	line = bus.New(bus.Config{Name: "rs485-1", Ports: []string{"pipe"}}, bus.Deps{
		Log: slog.New(slog.DiscardHandler),
		Open: func(string, bus.Config) (io.ReadWriteCloser, error) {
			select {
			case p := <-plugged:
				return p, nil
			default:
				return nil, errors.New("nothing plugged in")
			}
		},
	})
	if cfg.Name == "" {
		cfg.Name = "locker/A"
	}
	c.wide = cfg.Dialect == B
	bank, err := New(line, cfg)
	if err != nil {
		t.Fatal(err)
	}
	run(t, line, func() { c.serve(far) }, func() { far.Close() })
	return bank, line, func() { far.Close() }
}

// run runs a bus and its far end until the test ends.
func run(t *testing.T, line *bus.Bus, serve, cut func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(serve)
	both.Go(func() {
		if err := line.Run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		cut()
		both.Wait()
	})
}
