package bus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// invariant 8: a babbling device holds nobody up for longer than its times.
func TestBabblerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		far := <-r.far
		go func() { _, _ = io.Copy(io.Discard, far) }()
		hoarse := make(chan struct{})
		go func() {
			defer close(hoarse)
			for {
				if _, err := far.Write(bytes.Repeat([]byte{'x'}, 16)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		start := time.Now()
		a, err := r.Do(t.Context(), Request{Frame: request(1), Match: answered, Timeout: 300 * time.Millisecond})
		if took := time.Since(start); !errors.Is(err, drivers.ErrSilent) || a.Bad == 0 || took > time.Second+maxSettle {
			t.Errorf("Do() = bad %d, %v after %v; want damaged bytes, ErrSilent within 1.1s", a.Bad, err, took)
		}
		most := 0
		never := func(in []byte) (Verdict, int) { most = max(most, len(in)); return More, 0 }
		if _, err := r.Do(t.Context(), Request{Frame: request(1), Match: never}); !errors.Is(err, drivers.ErrSilent) {
			t.Errorf("Do() = %v; want ErrSilent", err)
		}
		if most != maxInput { // invariant 13
			t.Errorf("%d bytes were kept of what never ends; want %d", most, maxInput)
		}
		far.Close()
		<-hoarse
	})
}

func TestEchoIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Echo: true})
		serve(<-r.far, func(req []byte, w io.Writer) {
			if req[1] == 'c' {
				_, _ = w.Write([]byte("qX"))
				return
			}
			_, _ = w.Write(req)
			echoNumber(req, w)
		})
		if a, err := r.Do(t.Context(), Request{Frame: request('1'), Match: answered}); err != nil || string(a.Frame) != "a1" {
			t.Errorf("Do() = %q, %v; want a1", a.Frame, err)
		}
		if a, err := r.Do(t.Context(), Request{Frame: request('c'), Match: answered}); !errors.Is(err, drivers.ErrSilent) || a.Bad != 1 {
			t.Errorf("Do() with a spoilt echo = bad %d, %v; want 1, ErrSilent", a.Bad, err)
		}
	})
}

func TestUnplugAndReplug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		far := <-r.far
		r.far <- nil // nothing can be plugged in until this is taken
		go func() {
			_, _ = io.ReadFull(far, make([]byte, 2))
			far.Close() // in the middle of a transaction
		}()
		a, err := r.Do(t.Context(), Request{Frame: request('1'), Match: answered})
		if !errors.Is(err, drivers.ErrGone) || a.Sent.IsZero() {
			t.Errorf("Do() = sent %v, %v; want sent, ErrGone", a.Sent, err)
		}
		a, err = r.Do(t.Context(), Request{Frame: request('2'), Match: answered})
		if !errors.Is(err, drivers.ErrGone) || !a.Sent.IsZero() {
			t.Errorf("Do() without a port = sent %v, %v; want ErrGone", a.Sent, err)
		}
		time.Sleep(time.Minute)
		if s := r.Stats(); s.Open || s.Losses != 1 || s.Error == "" {
			t.Errorf("unplugged: %+v", s)
		}
		<-r.far
		serve(<-r.far, echoNumber)
		synctest.Wait()
		if a, err := r.Do(t.Context(), Request{Frame: request('3'), Match: answered}); err != nil || string(a.Frame) != "a3" {
			t.Errorf("Do() after replug = %q, %v; want a3", a.Frame, err)
		}
		if s := r.Stats(); !s.Open || s.Opens != 2 {
			t.Errorf("replugged: %+v", s)
		}
	})
}

func TestHangingWriteFreesTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		<-r.far // a peer that never reads: the write hangs
		start := time.Now()
		a, err := r.Do(t.Context(), Request{Frame: request(1), Match: answered})
		if took := time.Since(start); !errors.Is(err, drivers.ErrGone) || a.Sent.IsZero() || took > 2*time.Second {
			t.Errorf("Do() = sent %v, %v after %v; want ErrGone within 2s", a.Sent, err, took)
		}
		serve(<-r.far, echoNumber)
		if _, err := r.Do(t.Context(), Request{Frame: request(1), Match: answered}); err != nil {
			t.Errorf("Do() on the new port = %v", err)
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		far := <-r.far
		go func() { _, _ = io.Copy(io.Discard, far) }()
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := r.Do(context.Background(), Request{Frame: request(1), Match: answered})
				errs <- err
			}()
		}
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		r.stop()
		for range 3 {
			if err := <-errs; !errors.Is(err, drivers.ErrGone) {
				t.Errorf("Do() on a stopped bus = %v; want ErrGone", err)
			}
		}
		if err := <-r.ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
		r.ended <- nil
		if _, err := r.Do(context.Background(), Request{Frame: request(1)}); !errors.Is(err, drivers.ErrGone) {
			t.Errorf("Do() after the end = %v; want ErrGone", err)
		}
		if err := r.Run(t.Context()); err == nil {
			t.Error("Run() twice = nil; want an error")
		}
	})
}

// invariant 8: a device that babbles when it is asked delays the others by at most one poll cycle, and soon not at all.
func TestBabblerAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cycle = time.Second
		r := newRig(t, Config{})
		serve(<-r.far, func(req []byte, w io.Writer) {
			if req[1] != 'b' {
				echoNumber(req, w)
				return
			}
			go func() {
				for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
					if _, err := io.WriteString(w, "xax"); err != nil {
						return
					}
				}
			}()
		})
		polls := func(n byte, sent func(time.Time)) (stop func()) {
			ended, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					next := time.Now().Add(cycle)
					req := ask(n, Polling)
					req.Lateness = cycle - 50*time.Millisecond // the silence before a frame comes on top of it
					if a, _ := r.Do(t.Context(), req); !a.Sent.IsZero() {
						sent(a.Sent)
					}
					select {
					case <-time.After(time.Until(next)):
					case <-ended:
						return
					}
				}
			}()
			return func() { close(ended); <-stopped }
		}
		asked := 0
		stopB := polls('b', func(time.Time) { asked++ })
		var last time.Time
		worst, lately := time.Duration(0), 0
		start := time.Now()
		stopA := polls('a', func(at time.Time) {
			if since := at.Sub(last); !last.IsZero() {
				worst = max(worst, since)
				if at.Sub(start) > 4*time.Minute {
					lately++
				}
			}
			last = at
		})
		time.Sleep(5 * time.Minute)
		stopA()
		stopB()
		if worst > 2*cycle || lately < 57 || asked < deadAfter {
			t.Errorf("polls were up to %v apart, %d in the last minute; want at most %v, 57; the babbler was asked %d times", worst, lately, 2*cycle, asked)
		}
	})
}
