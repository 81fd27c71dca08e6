package bus

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// converter is a line behind a TCP converter in a bubble: what a device says goes to whoever is connected when it comes.
type converter struct {
	mu   sync.Mutex
	conn net.Conn // newest
}

func (c *converter) say(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.conn.Write(b)
}

// open is a Deps.Open that hands each request to answer.
func (c *converter) open(answer func(n byte)) func(string, Config) (io.ReadWriteCloser, error) {
	return func(string, Config) (io.ReadWriteCloser, error) {
		near, far := net.Pipe()
		c.mu.Lock()
		c.conn = far
		c.mu.Unlock()
		go func() {
			defer far.Close()
			for req := make([]byte, 2); ; {
				if _, err := io.ReadFull(far, req); err != nil {
					return
				}
				answer(req[1])
			}
		}()
		return pipePort{near}, nil
	}
}

// quietDeps is a bus's dependencies without its log.
func quietDeps(open func(string, Config) (io.ReadWriteCloser, error)) Deps {
	return Deps{Log: slog.New(slog.DiscardHandler), Open: open}
}

// runOn runs a bus until the test ends.
func runOn(t testing.TB, b *Bus) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
}

// invariant 8: over a converter a late answer would come in on the new connection; the quiet before it is what helps. The
// connection is opened again only if the answer did not come.
func TestLateAnswerIsNeverTheNextOnesOverAConverter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line converter
		b := New(Config{Name: "tcp", Ports: []string{"tcp://converter:5000"}}, Deps{
			Log: slog.New(slog.DiscardHandler),
			Open: line.open(func(n byte) {
				switch n % 10 {
				case 0:
					time.AfterFunc(600*time.Millisecond, func() { line.say([]byte{'a', n}) })
				case 5: // never
				default:
					line.say([]byte{'a', n})
				}
			}),
		})
		runOn(t, b)
		for n := range byte(60) {
			a, err := b.Do(t.Context(), Request{
				Frame: request(n), Match: answered, Timeout: 300 * time.Millisecond, Lateness: 700 * time.Millisecond,
			})
			switch {
			case n%10 == 5 && !errors.Is(err, drivers.ErrSilent):
				t.Errorf("Do(%d) = %q, %v; want ErrSilent", n, a.Frame, err)
			case n%10 != 5 && (err != nil || a.Frame[1] != n):
				t.Errorf("Do(%d) = %q, %v; want its own answer", n, a.Frame, err)
			}
		}
		if s := b.Stats(); s.Renewals != 6 || s.Opens != 7 || s.Losses != 0 || !s.Open || s.Line.Late != 6 {
			t.Errorf("after 6 time-outs: %+v; want 6 renewals, 6 late answers and no loss", s)
		}
	})
}

// invariant 8: a device's answer that comes in on its old connection, however late, is not heard any more; and who waits
// behind the time-out is served, not refused.
func TestMissedAnswerRenewsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		b := New(Config{Name: "tcp", Ports: []string{"tcp://device:502"}, Direct: true}, Deps{
			Log: slog.New(slog.DiscardHandler),
			Open: func(string, Config) (io.ReadWriteCloser, error) {
				near, far := net.Pipe()
				opened++
				first := opened == 1
				serve(far, func(req []byte, w io.Writer) {
					if first && req[1] == 's' { // far later than it ever should: on a kept connection it would be the next one's
						time.AfterFunc(1200*time.Millisecond, func() { echoNumber(req, w) })
						return
					}
					time.Sleep(300 * time.Millisecond)
					echoNumber(req, w)
				})
				return pipePort{near}, nil
			},
		})
		runOn(t, b)
		var all sync.WaitGroup
		for _, n := range []byte("s123") {
			all.Go(func() {
				a, err := b.Do(t.Context(), Request{Frame: request(n), Match: answered, Timeout: 400 * time.Millisecond})
				switch {
				case n == 's' && !errors.Is(err, drivers.ErrSilent):
					t.Errorf("Do(s) = %v; want ErrSilent", err)
				case n != 's' && (err != nil || a.Frame[1] != n):
					t.Errorf("Do(%c) = %q, %v; want its own answer", n, a.Frame, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if s := b.Stats(); opened != 2 || s.Renewals != 1 || s.Stray != 0 {
			t.Errorf("opened %d times, %+v; want 2, and 1 renewal", opened, s)
		}
	})
}

// A device's own connection has no baud: requests follow each other as fast as it answers.
func TestDirectHasNoWireTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			cfg  Config
			want time.Duration
		}{
			{Config{Direct: true}, 0},
			{Config{Baud: 1200}, 10 * (2*11*time.Second/1200 + 7*11*time.Second/1200/2)},
		} {
			r := newRig(t, c.cfg)
			serve(<-r.far, echoNumber)
			synctest.Wait()
			start := time.Now()
			for n := range byte(10) {
				if _, err := r.Do(t.Context(), Request{Frame: request(n), Match: answered}); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(start).Round(10 * time.Millisecond); took > c.want || took < c.want-100*time.Millisecond {
				t.Errorf("ten requests with %+v took %v; want %v", c.cfg, took, c.want)
			}
		}
	})
}

// listen serves each connection of a loopback listener by serve until the test ends.
func listen(t *testing.T, serve func(net.Conn)) net.Listener {
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
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l
}

func TestOverTCP(t *testing.T) {
	ended := make(chan error, 8) // how each connection ended, as its peer saw it
	l := listen(t, func(conn net.Conn) {
		for req := make([]byte, 2); ; {
			if _, err := io.ReadFull(conn, req); err != nil {
				ended <- err
				return
			}
			switch req[1] {
			case 's': // silent
			case 'h': // hangs up
				return
			default:
				echoNumber(req, conn)
			}
		}
	})
	b := New(Config{Name: "tcp", Ports: []string{"tcp://" + l.Addr().String()}, Lateness: 50 * time.Millisecond},
		Deps{Log: slog.New(slog.DiscardHandler)})
	runOn(t, b)
	ask := func(n byte) error {
		a, err := b.Do(t.Context(), Request{Frame: request(n), Match: answered, Timeout: 250 * time.Millisecond})
		if err == nil && a.Frame[1] != n {
			t.Errorf("Do(%d) took the answer to %d", n, a.Frame[1])
		}
		return err
	}
	for n := range byte(20) {
		if err := ask(n); err != nil {
			t.Fatalf("Do(%d) = %v", n, err)
		}
	}
	if err := ask('s'); !errors.Is(err, drivers.ErrSilent) {
		t.Errorf("Do(silent) = %v; want ErrSilent", err)
	}
	if err := ask(21); err != nil {
		t.Errorf("Do() on the renewed connection = %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the peer did not see the old connection end")
	}
	if err := ask('h'); !errors.Is(err, drivers.ErrGone) || !strings.Contains(err.Error(), "network") {
		t.Errorf("Do() hung up on = %v; want ErrGone with its remedy", err)
	}
	eventually(t, "the bus connects again", func() bool { return b.Stats().Opens == 3 })
	if err := ask(22); err != nil {
		t.Errorf("Do() connected again = %v", err)
	}
	if s := b.Stats(); s.Renewals != 1 || s.Losses != 1 {
		t.Errorf("renewals %d, losses %d; want 1, 1", s.Renewals, s.Losses)
	}
}

// Reading returns within about 100 ms, or Close would have to wait for a peer's next word.
func TestTCPReadReturns(t *testing.T) {
	l := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	p, err := Open("tcp://"+l.Addr().String(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	done := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 1))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("Read() of nothing = nil; want a time-out")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Read() of a silent peer does not return")
	}
}

func TestTCPNobodyThere(t *testing.T) {
	l := listen(t, func(net.Conn) {})
	l.Close()
	b := New(Config{Name: "tcp", Ports: []string{"tcp://" + l.Addr().String()}}, Deps{Log: slog.New(slog.DiscardHandler)})
	if _, err := b.open(); !errors.Is(err, drivers.ErrGone) || !strings.Contains(err.Error(), "check the address") {
		t.Errorf("open() = %v; want ErrGone with its remedy", err)
	}
}
