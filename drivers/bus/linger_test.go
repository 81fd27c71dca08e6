package bus

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// from takes the answer of number n and no other's: a source of its own.
func from(n byte) Matcher {
	return func(in []byte) (Verdict, int) {
		v, used := answered(in)
		if v == Complete && in[1] != n {
			v = Foreign
		}
		return v, used
	}
}

// ask sends a request to source n, with 300 ms for its answer and 1 s for a late one.
func ask(n byte, p Priority) Request {
	return Request{
		Device: string(n), Source: string(n), Priority: p, Frame: request(n), Match: from(n), Timeout: 300 * time.Millisecond, Lateness: time.Second,
	}
}

// late answers number n after d, others at once.
func late(far net.Conn, n byte, d time.Duration) {
	serve(far, func(req []byte, w io.Writer) {
		if req[1] == n {
			time.AfterFunc(d, func() { echoNumber(req, w) })
			return
		}
		echoNumber(req, w)
	})
}

// invariant 8: an actuation goes ahead of another source's quiet time, the late answer is not taken for its own, and all
// others wait as long as they would have.
func TestActuationGoesAheadOfAnothersQuiet(t *testing.T) {
	for _, c := range []struct {
		name  string
		comes time.Duration // when the actuation does; the poll's time-out ends at about 300 ms
		goes  time.Duration // when it has its answer, at most
	}{
		{"while the time-out runs", 100 * time.Millisecond, 310*time.Millisecond + grace},
		{"in the quiet", 500 * time.Millisecond, 510 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Config{})
				late(<-r.far, 's', 800*time.Millisecond)
				start := time.Now()
				silent, poll := make(chan error, 1), make(chan Answer, 1)
				go func() {
					_, err := r.Do(t.Context(), ask('s', Polling))
					silent <- err
				}()
				synctest.Wait()
				go func() {
					a, err := r.Do(t.Context(), ask('p', Polling))
					if err != nil {
						t.Errorf("poll: %v", err)
					}
					poll <- a
				}()
				time.Sleep(c.comes)
				a, err := r.Do(t.Context(), ask('u', Actuation))
				if at := time.Since(start); err != nil || string(a.Frame) != "au" || at > c.goes {
					t.Errorf("actuation = %q, %v at %v; want au by %v", a.Frame, err, at, c.goes)
				}
				if err := <-silent; !errors.Is(err, drivers.ErrSilent) {
					t.Errorf("Do(silent) = %v; want ErrSilent", err)
				}
				time.Sleep(time.Until(start.Add(795 * time.Millisecond)))
				// the late answer comes in while this one waits for its own
				held := ask('h', Actuation)
				held.Match = func(in []byte) (Verdict, int) {
					if string(in[:min(2, len(in))]) == "ah" {
						return Foreign, 2
					}
					return from('h')(in)
				}
				if a, err := r.Do(t.Context(), held); !errors.Is(err, drivers.ErrSilent) || a.Foreign != 2 {
					t.Errorf("Do() into a late answer = %q, %d foreign, %v; want two foreign frames, ErrSilent", a.Frame, a.Foreign, err)
				}
				if p := <-poll; p.Sent.Sub(start) < 1790*time.Millisecond {
					t.Errorf("poll went after %v; want both quiet times to be over", p.Sent.Sub(start))
				}
			})
		})
	}
}

// An answer that is a little late is let in before an actuation goes: two that speak at once garble each other, and a garbled
// frame may open another door. A dead device's is not waited for.
func TestActuationLetsALateAnswerIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var wait time.Duration // of the poll's answer; 0: none comes
		serve(<-r.far, func(req []byte, w io.Writer) {
			switch {
			case req[1] != 's':
				echoNumber(req, w)
			case wait > 0:
				answer := []byte{'a', req[1]}
				time.AfterFunc(wait, func() { _, _ = w.Write(answer) })
			}
		})
		both := func() (poll Answer, opened time.Duration, err error) {
			done, start := make(chan struct{}), time.Now()
			go func() {
				defer close(done)
				poll, err = r.Do(t.Context(), ask('s', Polling))
			}()
			synctest.Wait()
			time.Sleep(5 * time.Millisecond)
			if _, err := r.Do(t.Context(), ask('u', Actuation)); err != nil {
				t.Error(err)
			}
			opened = time.Since(start)
			<-done
			return poll, opened, err
		}
		for range 8 { // until its time-out is learned: 20 ms
			wait = time.Millisecond
			_, _ = r.Do(t.Context(), ask('s', Polling))
		}
		wait = leastLimit + grace/2
		if poll, opened, err := both(); err != nil || !poll.Late || opened < wait || opened > wait+20*time.Millisecond {
			t.Errorf("poll = %q, late %v, %v, actuation after %v; want the answer, and then the actuation", poll.Frame, poll.Late, err, opened)
		}
		wait = 0
		for range deadAfter {
			_, _ = r.Do(t.Context(), ask('s', Polling))
		}
		time.Sleep(probeMin + time.Second)
		if _, opened, err := both(); !errors.Is(err, drivers.ErrSilent) || opened > 20*time.Millisecond {
			t.Errorf("poll of a dead device: %v, actuation after %v; want it at once", err, opened)
		}
	})
}

// Several sources may be owed an answer at once: each is waited out by its own, and all by everybody else. invariant 13: no
// more than a bound of them.
func TestSeveralAreOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		far := <-r.far
		var sent []byte
		serve(far, func(req []byte, _ io.Writer) { sent = append(sent, req[1]) })
		numbers := []byte("abcdefghijklmnop")
		ended := make(chan struct{})
		for _, n := range numbers {
			go func() {
				req := ask(n, Actuation)
				req.Timeout, req.Lateness = 20*time.Millisecond, 2*time.Second
				_, _ = r.Do(t.Context(), req)
				ended <- struct{}{}
			}()
			synctest.Wait()
		}
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		if want := numbers[:maxOwed+1]; !slices.Equal(sent, want) {
			t.Errorf("asked within 700ms: %q; want %q, and the rest to wait", sent, want)
		}
		again := make(chan time.Time)
		go func() {
			a, _ := r.Do(t.Context(), ask('a', Actuation))
			again <- a.Sent
		}()
		start := time.Now()
		for range numbers {
			<-ended
		}
		if at := <-again; at.Sub(start) < 1500*time.Millisecond {
			t.Errorf("a was asked again after %v more; want its own quiet to be over", at.Sub(start))
		}
	})
}

// invariant 8: after an actuation went ahead, another may too, but not one that asks who owes an answer, nor one that does not
// say whom it asks.
func TestWhoOwesIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		first := true
		serve(<-r.far, func(req []byte, w io.Writer) {
			if req[1] == 's' && first {
				first = false
				return
			}
			echoNumber(req, w)
		})
		start := time.Now()
		go func() { _, _ = r.Do(t.Context(), ask('s', Polling)) }()
		time.Sleep(400 * time.Millisecond)
		if _, err := r.Do(t.Context(), ask('u', Actuation)); err != nil {
			t.Fatal(err)
		}
		unnamed := ask('n', Actuation)
		unnamed.Source = ""
		done := make(chan struct{})
		for _, c := range []struct {
			req         Request
			least, most time.Duration
		}{
			{ask('s', Actuation), time.Second, 1100 * time.Millisecond}, {unnamed, time.Second, 1100 * time.Millisecond},
			{ask('v', Actuation), 400 * time.Millisecond, 500 * time.Millisecond},
		} {
			go func() {
				a, err := r.Do(t.Context(), c.req)
				if at := a.Sent.Sub(start); err != nil || at < c.least || at > c.most {
					t.Errorf("%q of %q was sent at %v, %v; want %v to %v", c.req.Frame, c.req.Source, at, err, c.least, c.most)
				}
				done <- struct{}{}
			}()
			synctest.Wait()
		}
		for range 3 {
			<-done
		}
	})
}

// A connection on which an actuation went ahead is renewed when nothing is owed any more, and not before.
func TestPreemptedConnectionIsRenewedAfterTheQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line converter
		b := New(Config{Name: "tcp", Ports: []string{"tcp://converter:5000"}}, quietDeps(line.open(func(n byte) {
			if n != 's' {
				line.say([]byte{'a', n})
			}
		})))
		runOn(t, b)
		start := time.Now()
		silent := make(chan error, 1)
		go func() {
			_, err := b.Do(t.Context(), ask('s', Polling))
			silent <- err
		}()
		time.Sleep(400 * time.Millisecond)
		if _, err := b.Do(t.Context(), ask('u', Actuation)); err != nil || b.Stats().Renewals != 0 {
			t.Errorf("actuation = %v with %d renewals; want it on the old connection", err, b.Stats().Renewals)
		}
		<-silent
		if _, err := b.Do(t.Context(), ask('p', Polling)); err != nil || time.Since(start) < time.Second {
			t.Errorf("poll = %v after %v; want it after the quiet", err, time.Since(start))
		}
		if s := b.Stats(); s.Renewals != 1 {
			t.Errorf("%d renewals; want 1", s.Renewals)
		}
	})
}

// An answer that breaks off does not hold an actuation up for its whole time-out, and its rest is still taken.
func TestBrokenOffAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		serve(<-r.far, func(req []byte, w io.Writer) {
			if req[1] != 's' {
				echoNumber(req, w)
				return
			}
			_, _ = io.WriteString(w, "a")
			time.AfterFunc(200*time.Millisecond, func() { _, _ = w.Write(req[1:]) })
		})
		if a, err := r.Do(t.Context(), ask('s', Polling)); err != nil || !a.Late || a.Turn > leastLimit {
			t.Errorf("Do() = %q, late %v, turn %v, %v; want its rest, late", a.Frame, a.Late, a.Turn, err)
		}
		start := time.Now()
		poll := make(chan error, 1)
		go func() {
			_, err := r.Do(t.Context(), ask('s', Polling))
			poll <- err
		}()
		time.Sleep(10 * time.Millisecond)
		if _, err := r.Do(t.Context(), ask('u', Actuation)); err != nil || time.Since(start) > 2*stall+grace {
			t.Errorf("actuation = %v after %v; want it once the answer stood still", err, time.Since(start))
		}
		if err := <-poll; !errors.Is(err, drivers.ErrSilent) {
			t.Errorf("Do(broken off) = %v; want ErrSilent", err)
		}
		if c := r.Stats().Line; c.Stalled != 2 || c.Late != 1 || c.Timeouts != 1 {
			t.Errorf("%+v; want 2 stalled, 1 late, 1 time-out", c)
		}
	})
}

// invariant 5: what needs proof is not sent before its device has answered since the port was opened.
func TestUnprovenIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var sent []byte
		answer := func(req []byte, w io.Writer) {
			sent = append(sent, req[1])
			if req[1] == 'w' { // a write, answered by its echo
				_, _ = w.Write(req)
				return
			}
			echoNumber(req, w)
		}
		far := <-r.far
		serve(far, answer)
		unlock := ask('u', Actuation)
		unlock.Proven = true
		refused := func(when string) {
			t.Helper()
			if a, err := r.Do(t.Context(), unlock); !errors.Is(err, drivers.ErrUnproven) || !a.Sent.IsZero() {
				t.Errorf("%s: Do() = sent %v, %v; want ErrUnproven", when, a.Sent, err)
			}
		}
		refused("before any answer")
		other := ask('o', Polling)
		write := ask('w', Actuation)
		write.Device, write.Match = unlock.Device, func(in []byte) (Verdict, int) {
			if len(in) < 2 {
				return More, 0
			}
			return Complete, 2
		}
		for _, one := range []Request{other, write} {
			if _, err := r.Do(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
		refused("after another's answer and an echo")
		reading := ask('u', Actuation)
		for range 2 {
			if _, err := r.Do(t.Context(), reading); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Do(t.Context(), unlock); err != nil {
				t.Errorf("Do() after a reading = %v", err)
			}
			// another cable in the same place, between the reading and the frame
			far.Close()
			synctest.Wait()
			time.Sleep(time.Second)
			far = <-r.far
			serve(far, answer)
			refused("after another opening")
		}
		synctest.Wait()
		if string(sent) != "owuuuu" || r.Stats().Unproven != 4 {
			t.Errorf("on the line: %q, %d refused; want owuuuu, 4", sent, r.Stats().Unproven)
		}
	})
}

// invariant 5: the exchange of the port between a frame's turn and the frame cannot go unseen: the frame goes to the port that
// was asked for proof, or nowhere.
func TestUnprovenAfterRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line converter
		b := New(Config{Name: "tcp", Ports: []string{"tcp://converter:5000"}}, quietDeps(line.open(func(n byte) {
			if n != 's' {
				line.say([]byte{'a', n})
			}
		})))
		runOn(t, b)
		if _, err := b.Do(t.Context(), ask('u', Actuation)); err != nil {
			t.Fatal(err)
		}
		_, _ = b.Do(t.Context(), ask('s', Polling)) // renews the connection
		unlock := ask('u', Actuation)
		unlock.Proven = true
		if _, err := b.Do(t.Context(), unlock); !errors.Is(err, drivers.ErrUnproven) {
			t.Errorf("Do() on a renewed connection = %v; want ErrUnproven", err)
		}
	})
}

func TestFaultsOfTheLineAreNamed(t *testing.T) {
	silent := func([]byte, io.Writer) {}
	garbage := func(_ []byte, w io.Writer) { _, _ = io.WriteString(w, "xyz") }
	for _, c := range []struct {
		name   string
		cfg    Config
		answer func([]byte, io.Writer)
		want   string
	}{
		{"silence of everybody", Config{}, silent, "nobody on this line answers: check baud"},
		{"damaged bytes only", Config{}, garbage, "only damaged bytes come on this line: check baud and parity"},
		{"echo where none is configured", Config{}, func(req []byte, w io.Writer) {
			_, _ = w.Write(req)
			echoNumber(req, w)
		}, "set echo: true"},
		{"no echo where one is configured", Config{Echo: true}, silent, "set echo: false"},
		{"answer without the echo", Config{Echo: true}, echoNumber, "came without the echo of what was sent: set echo: false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.cfg)
				serve(<-r.far, c.answer)
				for range 2 {
					_, err := r.Do(t.Context(), ask('1', Visible))
					if err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("Do() = %v; want %q", err, c.want)
					}
				}
			})
		})
	}
}

// One that is silent among others is no fault of the line; all of them are.
func TestOneSilentIsNotTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		gone := ""
		serve(<-r.far, func(req []byte, w io.Writer) {
			if !strings.Contains(gone, string(req[1:])) {
				echoNumber(req, w)
			}
		})
		for _, c := range []struct {
			gone string
			asks string
			line bool
		}{{"", "ab", false}, {"a", "a", false}, {"ab", "ab", true}} {
			synctest.Wait()
			gone = c.gone
			var err error
			for _, n := range c.asks {
				_, err = r.Do(t.Context(), ask(byte(n), Visible))
			}
			if told := err != nil && strings.Contains(err.Error(), "nobody on this line answers any more"); told != c.line {
				t.Errorf("without %q: %v; want the line to be named: %v", c.gone, err, c.line)
			}
		}
	})
}

// invariant 5: on a line that returns what is sent, nothing that energises goes out; once it no longer does, all is well.
func TestEchoingLineIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		echoes := true
		var sent []byte
		serve(<-r.far, func(req []byte, w io.Writer) {
			sent = append(sent, req[1])
			if echoes {
				_, _ = w.Write(req)
			}
			echoNumber(req, w)
		})
		if _, err := r.Do(t.Context(), ask('1', Polling)); !errors.Is(err, errEchoes) || !errors.Is(err, drivers.ErrGone) {
			t.Errorf("Do() = %v; want the echo found", err)
		}
		listened, proven := ask('u', Actuation), ask('1', Actuation)
		listened.Match, proven.Proven = nil, true
		for range 2 {
			for _, one := range []Request{listened, proven} {
				if a, err := r.Do(t.Context(), one); !errors.Is(err, errEchoes) || !a.Sent.IsZero() {
					t.Errorf("Do() = sent %v, %v; want it refused", a.Sent, err)
				}
			}
			time.Sleep(echoRetry) // a reading may go then, but no more
		}
		if _, err := r.Do(t.Context(), ask('1', Polling)); !errors.Is(err, errEchoes) || string(sent) != "11" || r.Stats().Fault == "" {
			t.Errorf("Do() = %v, sent %q, %+v; want a second reading to find it again", err, sent, r.Stats())
		}
		synctest.Wait()
		echoes = false
		time.Sleep(echoRetry)
		for _, one := range []Request{ask('1', Polling), proven, listened} {
			if _, err := r.Do(t.Context(), one); err != nil {
				t.Errorf("Do() on a line that is well again = %v", err)
			}
		}
		if s := r.Stats(); s.Fault != "" || !s.Open || s.Losses != 0 {
			t.Errorf("%+v; want no fault, and the port open all the time", s)
		}
	})
}
