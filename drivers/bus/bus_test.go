package bus

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/drivers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipePort behaves like a tarm port over a net.Pipe: it reads nothing after 100 ms, and nothing at once when hung up.
type pipePort struct{ net.Conn }

func (p pipePort) Read(b []byte) (int, error) {
	_ = p.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := p.Conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.EOF
	}
	return n, err
}

// rig is a bus in a bubble, with the far ends of the ports it has opened.
type rig struct {
	*Bus
	far   chan net.Conn
	ended chan error
	stop  context.CancelFunc
}

// newRig runs a bus over pipes. A nil far end on the channel makes an open fail.
func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{far: make(chan net.Conn, 1), ended: make(chan error, 1)}
	cfg.Name, cfg.Ports = "test", []string{"pipe"}
	r.Bus = New(cfg, Deps{
		Log: slog.New(slog.DiscardHandler),
		Open: func(string, Config) (io.ReadWriteCloser, error) {
			near, far := net.Pipe()
			select {
			case r.far <- far:
				return pipePort{near}, nil
			default:
				return nil, errors.New("nothing plugged in")
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	go func() { r.ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-r.ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
	return r
}

// serve hands each 2-byte request that arrives at far to answer, which may write whenever it likes.
func serve(far net.Conn, answer func(req []byte, w io.Writer)) {
	go func() {
		defer far.Close()
		for {
			req := make([]byte, 2)
			if _, err := io.ReadFull(far, req); err != nil {
				return
			}
			answer(req, far)
		}
	}()
}

// The toy protocol of these tests: a request is 'q' and a number, its answer 'a' and the same number or, since real
// answers seldom say which request they answer, 'a' and any number.
func request(n byte) []byte { return []byte{'q', n} }

func answered(in []byte) (Verdict, int) {
	switch {
	case in[0] == 'f' && len(in) > 1:
		return Foreign, 2
	case in[0] != 'a' && in[0] != 'f':
		return Bad, 1
	case len(in) < 2:
		return More, 0
	}
	return Complete, 2
}

func echoNumber(req []byte, w io.Writer) { _, _ = w.Write([]byte{'a', req[1]}) }

func TestDoCutsTheAnswerOut(t *testing.T) {
	for _, c := range []struct {
		name         string
		writes       []string
		bad, foreign int
		turn         time.Duration // to the answer's first byte, in pieces of 20 ms
	}{
		{"whole", []string{"a1"}, 0, 0, 20 * time.Millisecond},
		{"byte by byte", []string{"a", "1"}, 0, 0, 20 * time.Millisecond},
		{"after noise", []string{"xxa1"}, 2, 0, 20 * time.Millisecond},
		{"after a foreign frame", []string{"f9", "a1"}, 0, 1, 40 * time.Millisecond},
		{"with bytes over", []string{"a1zzz"}, 0, 0, 20 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Config{})
				serve(<-r.far, func(_ []byte, w io.Writer) {
					for _, s := range c.writes {
						time.Sleep(20 * time.Millisecond)
						_, _ = io.WriteString(w, s)
					}
				})
				a, err := r.Do(t.Context(), Request{Device: "d", Frame: request('1'), Match: answered})
				if err != nil || string(a.Frame) != "a1" || a.Bad != c.bad || a.Foreign != c.foreign {
					t.Errorf("Do() = %q, bad %d, foreign %d, %v; want a1, %d, %d", a.Frame, a.Bad, a.Foreign, err, c.bad, c.foreign)
				}
				if a.Turn <= c.turn-10*time.Millisecond || a.Turn > c.turn {
					t.Errorf("Turn = %v; want nearly %v", a.Turn, c.turn)
				}
				if got := r.Stats().Devices["d"]; got.Answers != 1 || got.Bad != uint64(c.bad) || got.BytesOut != 2 {
					t.Errorf("counters = %+v", got)
				}
			})
		})
	}
}

// invariant 8: a late answer is its own request's, and never taken for the next one.
func TestLateAnswerIsNeverTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		serve(<-r.far, func(req []byte, w io.Writer) {
			if req[1]%10 == 0 { // every tenth answer is 600 ms late, long after the next request could be out
				time.AfterFunc(600*time.Millisecond, func() { echoNumber(req, w) })
				return
			}
			echoNumber(req, w)
		})
		start := time.Now()
		for n := range byte(60) {
			a, err := r.Do(t.Context(), Request{
				Frame: request(n), Match: answered, Timeout: 300 * time.Millisecond, Lateness: 700 * time.Millisecond,
			})
			if err != nil || a.Frame[1] != n || a.Late != (n%10 == 0) {
				t.Errorf("Do(%d) = %q, late %v, %v; want its own answer", n, a.Frame, a.Late, err)
			}
		}
		if s := r.Stats(); s.Stray != 0 || s.Line.Timeouts != 0 || s.Line.Late != 6 {
			t.Errorf("stray bytes %d, time-outs %d, late %d; want 0, 0, 6", s.Stray, s.Line.Timeouts, s.Line.Late)
		}
		// the quiet ends with the answer: 100 ms less for each late one
		if took := time.Since(start); took > 6*600*time.Millisecond+60*10*time.Millisecond {
			t.Errorf("took %v; want no quiet after a late answer", took)
		}
	})
}

// invariant 8: without the late answer the line is left quiet for as long as it could come, for everybody who may be taken in.
func TestQuietAfterATimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		silentNumber(<-r.far, 's')
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := r.Do(t.Context(), Request{
				Source: "s", Frame: request('s'), Match: answered, Timeout: 300 * time.Millisecond, Lateness: 700 * time.Millisecond,
			})
			done <- err
		}()
		synctest.Wait()
		for _, waits := range []Request{
			{Priority: Polling, Source: "other"}, {Priority: Visible, Source: "other"}, {Priority: Actuation}, {Priority: Actuation, Source: "s"},
		} {
			go func() {
				waits.Frame, waits.Match = request('1'), answered
				if a, err := r.Do(t.Context(), waits); err != nil || a.Sent.Sub(start) < 700*time.Millisecond {
					t.Errorf("priority %d of %q went after %v, %v; want it to wait", waits.Priority, waits.Source, a.Sent.Sub(start), err)
				}
			}()
		}
		if err := <-done; !errors.Is(err, drivers.ErrSilent) || time.Since(start) < 700*time.Millisecond {
			t.Errorf("Do() = %v after %v; want ErrSilent when its answer can no longer come", err, time.Since(start))
		}
		time.Sleep(time.Second)
	})
}

// silentNumber answers every request but those of number n.
func silentNumber(far net.Conn, n byte) {
	serve(far, func(req []byte, w io.Writer) {
		if req[1] != n {
			echoNumber(req, w)
		}
	})
}

// invariant 8: at most one transaction is on the line, and actuation goes ahead of what waits.
func TestPriorityAndOneInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var order []byte
		var inFlight atomic.Int32
		serve(<-r.far, func(req []byte, w io.Writer) {
			if inFlight.Add(1) > 1 {
				t.Error("two requests on the line")
			}
			order = append(order, req[1])
			time.Sleep(50 * time.Millisecond)
			inFlight.Add(-1)
			echoNumber(req, w)
		})
		done := make(chan error)
		ask := func(n byte, p Priority) {
			go func() {
				_, err := r.Do(t.Context(), Request{Priority: p, Frame: request(n), Match: answered})
				done <- err
			}()
			synctest.Wait()
		}
		ask('1', Polling)
		time.Sleep(10 * time.Millisecond) // the first is on the line now
		ask('5', Polling)
		ask('4', Visible)
		ask('2', Actuation)
		ask('3', Actuation)
		for range 5 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if string(order) != "12345" {
			t.Errorf("order = %s; want 12345", order)
		}
	})
}

// invariant 13: the queue is bounded, and a full one says so at once.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Queue: 3})
		far := <-r.far
		defer far.Close()
		errs := make(chan error, 20)
		ctx, cancel := context.WithCancel(t.Context())
		for range 20 { // one blocks in its write, which the peer does not read
			go func() {
				_, err := r.Do(ctx, Request{Frame: request(1), Match: answered})
				errs <- err
			}()
			synctest.Wait()
			time.Sleep(5 * time.Millisecond)
		}
		if got := r.Stats(); got.Refused != 16 || got.Waiting != 3 {
			t.Errorf("refused %d, waiting %d; want 16, 3", got.Refused, got.Waiting)
		}
		cancel()
		busy := 0
		for range 20 {
			if errors.Is(<-errs, drivers.ErrBusy) {
				busy++
			}
		}
		if busy != 16 {
			t.Errorf("%d of 20 were busy; want 16", busy)
		}
	})
}

func TestNotAfterIsAskedJustBeforeTheFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Gap: 40 * time.Millisecond})
		var got []byte
		serve(<-r.far, func(req []byte, w io.Writer) {
			got = append(got, req[1])
			time.Sleep(100 * time.Millisecond)
			echoNumber(req, w)
		})
		first := make(chan error, 1)
		go func() {
			_, err := r.Do(t.Context(), Request{Frame: request('1'), Match: answered})
			first <- err
		}()
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		// its turn comes in time, but the gap before its frame ends too late
		a, err := r.Do(t.Context(), Request{Frame: request('2'), Match: answered, NotAfter: time.Now().Add(110 * time.Millisecond)})
		if !errors.Is(err, drivers.ErrLate) || !a.Sent.IsZero() {
			t.Errorf("Do() = sent %v, %v; want nothing sent, ErrLate", a.Sent, err)
		}
		if err := <-first; err != nil || string(got) != "1" {
			t.Errorf("on the line: %q, %v; want only 1", got, err)
		}
		if s := r.Stats(); s.Late != 1 || s.Line.Transactions != 1 {
			t.Errorf("late %d, transactions %d; want 1, 1", s.Late, s.Line.Transactions)
		}
	})
}

func TestWithdrawnRequestIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var got []byte
		serve(<-r.far, func(req []byte, w io.Writer) {
			got = append(got, req[1])
			time.Sleep(500 * time.Millisecond)
			echoNumber(req, w)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		second := make(chan error, 1)
		go func() {
			synctest.Wait()
			time.Sleep(20 * time.Millisecond)
			a, err := r.Do(ctx, Request{Frame: request('2'), Match: answered})
			if !a.Sent.IsZero() {
				t.Error("a withdrawn request was sent")
			}
			second <- err
		}()
		// already on the line when its context ends: its answer is waited for
		if a, err := r.Do(ctx, Request{Frame: request('1'), Match: answered}); err != nil || string(a.Frame) != "a1" {
			t.Errorf("Do() = %q, %v; want a1", a.Frame, err)
		}
		if err := <-second; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do() = %v; want DeadlineExceeded", err)
		}
		time.Sleep(time.Second) // long enough for its turn to have come
		if string(got) != "1" {
			t.Errorf("on the line: %q; want only 1", got)
		}
	})
}

func TestWithoutMatcherTheLineIsListenedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		serve(<-r.far, func(req []byte, w io.Writer) {
			if req[1] == 'u' {
				time.AfterFunc(150*time.Millisecond, func() { _, _ = w.Write([]byte("a?")) })
				return
			}
			echoNumber(req, w)
		})
		a, err := r.Do(t.Context(), Request{Frame: request('u'), Timeout: 200 * time.Millisecond})
		if err != nil || string(a.Frame) != "a?" || a.Sent.IsZero() {
			t.Errorf("Do() = %q, sent %v, %v; want a?", a.Frame, a.Sent, err)
		}
		if a, err := r.Do(t.Context(), Request{Frame: request('s'), Match: answered}); err != nil || string(a.Frame) != "as" {
			t.Errorf("Do() = %q, %v; want as", a.Frame, err)
		}
	})
}

func TestDoRefusesWhatNoLineCarries(t *testing.T) {
	b := New(Config{Name: "x"}, Deps{})
	for _, r := range []Request{{}, {Frame: make([]byte, maxFrame+1)}, {Frame: []byte{1}, Priority: priorities}} {
		if _, err := b.Do(t.Context(), r); err == nil {
			t.Errorf("Do(%d bytes, priority %d) = nil; want an error", len(r.Frame), r.Priority)
		}
	}
}
