package bus

import (
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

const ms = time.Millisecond

func TestTurnaroundIsLearned(t *testing.T) {
	for _, c := range []struct {
		name        string
		turns       []time.Duration
		missed      uint
		most        time.Duration
		least, past time.Duration // the limit lies between them
	}{
		{"never answered", nil, 0, 300 * ms, 300 * ms, 300 * ms},
		{"never answered, missed", nil, 3, 300 * ms, 300 * ms, 300 * ms},
		{"fast", []time.Duration{ms, ms, ms, ms, ms, ms, ms, ms}, 0, 300 * ms, leastLimit, leastLimit},
		{"first answer", []time.Duration{30 * ms}, 0, 300 * ms, 90 * ms, 90 * ms},
		{"steady", slowly(30*ms, 0, 40), 0, 300 * ms, 90 * ms, 91 * ms},
		{"wavering", slowly(30*ms, 20*ms, 40), 0, 300 * ms, 100 * ms, 130 * ms},
		{"never above the request's", slowly(200*ms, 0, 40), 0, 300 * ms, 300 * ms, 300 * ms},
		{"missed once", slowly(30*ms, 0, 40), 1, 300 * ms, 180 * ms, 182 * ms},
		{"missed often", slowly(30*ms, 0, 40), 99, 300 * ms, 300 * ms, 300 * ms},
		{"slower than it was", append(slowly(5*ms, 0, 40), slowly(80*ms, 0, 20)...), 0, 300 * ms, 200 * ms, 300 * ms},
		{"faster than it was", append(slowly(80*ms, 0, 40), slowly(5*ms, 0, 60)...), 0, 300 * ms, leastLimit, 25 * ms},
	} {
		var l turnaround
		for _, turn := range c.turns {
			l.learn(turn)
		}
		l.missed = c.missed
		if got := l.limit(c.most); got < c.least || got > c.past {
			t.Errorf("%s: limit = %v; want %v to %v", c.name, got, c.least, c.past)
		}
	}
}

// slowly is n turns of turn, alternately more and less.
func slowly(turn, by time.Duration, n int) (all []time.Duration) {
	for range n {
		all = append(all, turn+by)
		by = -by
	}
	return all
}

// A device that is slower than it was is late a few times, and then its time-out fits again; one late answer changes little.
func TestSlowerDeviceIsLearnedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var turn atomic.Int64
		serve(<-r.far, func(req []byte, w io.Writer) {
			time.Sleep(time.Duration(turn.Load()))
			echoNumber(req, w)
		})
		read := func(n int, each time.Duration) (late int) {
			turn.Store(int64(each))
			for range n {
				a, err := r.Do(t.Context(), ask('m', Polling))
				if err != nil {
					t.Fatal(err)
				}
				if a.Late {
					late++
				}
			}
			return late
		}
		if late := read(30, 5*ms); late != 0 || r.Stats().Devices["m"].Limit != leastLimit {
			t.Errorf("%d late, %+v; want a limit of %v", late, r.Stats().Devices["m"], leastLimit)
		}
		if late := read(1, 600*ms); late != 1 || r.Stats().Devices["m"].Limit != 2*leastLimit {
			t.Errorf("%d late, %+v; want the limit to double", late, r.Stats().Devices["m"])
		}
		if late := read(30, 5*ms); late != 0 || r.Stats().Devices["m"].Limit != leastLimit || r.Stats().Devices["m"].Turn > 6*ms {
			t.Errorf("%d late, %+v; want nothing learned of one late answer", late, r.Stats().Devices["m"])
		}
		if late := read(30, 100*ms); late < 1 || late > 4 {
			t.Errorf("%d of 30 were late when it slowed to 100ms; want a few", late)
		}
		if d := r.Stats().Devices["m"]; d.Turn < 80*ms || d.Limit < 150*ms {
			t.Errorf("%+v; want it learned again", d)
		}
	})
}

// invariant 8: a dead device costs a few time-outs, and then next to nothing; a poll of it is answered at once.
func TestDeadDeviceRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		asked := map[byte]int{}
		serve(<-r.far, func(req []byte, w io.Writer) {
			asked[req[1]]++
			if req[1] != 's' && req[1] != 't' {
				echoNumber(req, w)
			}
		})
		const hour = time.Hour
		start := time.Now()
		polls := 0
		for ; time.Since(start) < hour; polls++ { // each second, two dead ones and one that answers
			next := time.Now().Add(time.Second)
			for _, n := range []byte("sat") {
				began := time.Now()
				_, err := r.Do(t.Context(), ask(n, Polling))
				switch {
				case n == 'a' && err != nil:
					t.Fatal(err)
				case n != 'a' && !errors.Is(err, drivers.ErrSilent):
					t.Fatalf("Do(%c) = %v; want ErrSilent", n, err)
				case errors.Is(err, ErrResting) && (time.Since(began) > 0 || !strings.Contains(err.Error(), "not asked again before")):
					t.Fatalf("a poll of a resting device = %v after %v; want it at once", err, time.Since(began))
				}
			}
			time.Sleep(time.Until(next))
		}
		synctest.Wait()
		probes := asked['s'] + asked['t'] - 2*deadAfter
		if most := int((hour/probePart + probeBurst) / time.Second); probes < 10 || probes > most {
			t.Errorf("%d probes of 1s in an hour; want 0.5 %% of it and the burst, at most %d", probes, most)
		}
		if asked['s'] < probes/3 || asked['t'] < probes/3 {
			t.Errorf("asked %v; want both to get their share", asked)
		}
		s := r.Stats()
		if d := s.Devices["s"]; !d.Resting || d.Resting == d.NextProbe.IsZero() || int(d.Counters.Resting) != polls-asked['s'] {
			t.Errorf("%+v after %d polls, %d of them sent", d, polls, asked['s'])
		}
		if d := s.Devices["a"]; d.Resting || d.Period < 990*ms || d.Period > 1100*ms {
			t.Errorf("%+v; want a period of about 1s", d)
		}
	})
}

// A device that was away for seconds is found within about three polls of its return.
func TestBackAfterSeconds(t *testing.T) {
	for _, away := range []time.Duration{4 * time.Second, 7 * time.Second, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			var gone atomic.Bool
			serve(<-r.far, func(req []byte, w io.Writer) {
				if !gone.Load() {
					echoNumber(req, w)
				}
			})
			poll := func() error {
				next := time.Now().Add(time.Second)
				_, err := r.Do(t.Context(), ask('m', Polling))
				time.Sleep(time.Until(next))
				return err
			}
			if err := poll(); err != nil {
				t.Fatal(err)
			}
			gone.Store(true)
			for left := time.Now(); time.Since(left) < away; {
				_ = poll()
			}
			gone.Store(false)
			polls := 1
			for poll() != nil {
				polls++
			}
			if polls > 4 {
				t.Errorf("away for %v: found by poll %d after its return; want 4 at most", away, polls)
			}
			if d := r.Stats().Devices["m"]; d.Resting {
				t.Errorf("%+v; want its rest ended", d)
			}
		})
	}
}

// Devices that went away together come back together: the first that answers gets the others asked.
func TestTogetherAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var gone atomic.Bool
		serve(<-r.far, func(req []byte, w io.Writer) {
			if !gone.Load() {
				echoNumber(req, w)
			}
		})
		all := []byte("0123456789abcdef")
		round := func() (answered int) {
			next := time.Now().Add(time.Second)
			for _, n := range all {
				if _, err := r.Do(t.Context(), ask(n, Polling)); err == nil {
					answered++
				}
			}
			time.Sleep(time.Until(next))
			return answered
		}
		round()
		gone.Store(true)
		for start := time.Now(); time.Since(start) < 20*time.Minute; {
			round()
		}
		gone.Store(false)
		back := time.Now()
		for round() == 0 {
		}
		if took := time.Since(back); took > probePart*time.Second+10*time.Second {
			t.Errorf("the first was found after %v; want one probe's time", took)
		}
		if n := round(); n != len(all) {
			t.Errorf("%d of %d answered in the next round; want all", n, len(all))
		}
	})
}

// What a person waits for is always sent, and finds a dead device again; so does a port that is opened again.
func TestRestIsForPollsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var gone atomic.Bool
		far := <-r.far
		answer := func(req []byte, w io.Writer) {
			if !gone.Load() {
				echoNumber(req, w)
			}
		}
		serve(far, answer)
		kill := func() {
			t.Helper()
			gone.Store(true)
			for range deadAfter {
				_, _ = r.Do(t.Context(), ask('m', Polling))
			}
			if _, err := r.Do(t.Context(), ask('m', Polling)); !errors.Is(err, ErrResting) {
				t.Fatalf("Do() = %v; want ErrResting", err)
			}
		}
		for _, p := range []Priority{Visible, Actuation} {
			kill()
			if a, err := r.Do(t.Context(), ask('m', p)); !errors.Is(err, drivers.ErrSilent) || a.Sent.IsZero() {
				t.Errorf("Do() of priority %d = sent %v, %v; want it sent", p, a.Sent, err)
			}
			gone.Store(false)
			if _, err := r.Do(t.Context(), ask('m', p)); err != nil {
				t.Error(err)
			}
			if _, err := r.Do(t.Context(), ask('m', Polling)); err != nil {
				t.Errorf("Do() after its return = %v", err)
			}
		}
		kill()
		for time.Until(r.Stats().Devices["m"].NextProbe) < 5*time.Second {
			time.Sleep(100 * ms)
			_, _ = r.Do(t.Context(), ask('m', Polling))
		}
		far.Close()
		synctest.Wait()
		time.Sleep(time.Second)
		gone.Store(false)
		serve(<-r.far, answer)
		if _, err := r.Do(t.Context(), ask('m', Polling)); err != nil {
			t.Errorf("Do() after the port was opened again = %v", err)
		}
	})
}

// However many polls of a dead device wait when its probe is due, one is sent.
func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		serve(<-r.far, func(req []byte, w io.Writer) {
			if req[1] != 's' {
				time.Sleep(50 * ms)
				echoNumber(req, w)
			}
		})
		for range deadAfter {
			_, _ = r.Do(t.Context(), ask('s', Polling))
		}
		time.Sleep(probeMin + time.Second)
		go func() { _, _ = r.Do(t.Context(), ask('x', Polling)) }()
		time.Sleep(20 * ms) // the line is held now, so that all of them wait
		const polls = 5
		resting := make(chan bool)
		for range polls {
			go func() {
				_, err := r.Do(t.Context(), ask('s', Polling))
				resting <- errors.Is(err, ErrResting)
			}()
		}
		rested := 0
		for range polls {
			if <-resting {
				rested++
			}
		}
		if rested != polls-1 || r.Stats().Devices["s"].Transactions != deadAfter+1 {
			t.Errorf("%d of %d polls were not sent, %d in all were; want one", rested, polls, r.Stats().Devices["s"].Transactions)
		}
	})
}

// A probe never holds an actuation up.
func TestProbeYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		silentNumber(<-r.far, 's')
		for range deadAfter {
			_, _ = r.Do(t.Context(), ask('s', Polling))
		}
		time.Sleep(probeMin)
		probe := make(chan error, 1)
		go func() {
			a, err := r.Do(t.Context(), ask('s', Polling))
			if a.Sent.IsZero() {
				t.Error("the probe was not sent")
			}
			probe <- err
		}()
		time.Sleep(5 * ms)
		start := time.Now()
		if _, err := r.Do(t.Context(), ask('u', Actuation)); err != nil || time.Since(start) > 10*ms {
			t.Errorf("actuation = %v after %v; want it at once", err, time.Since(start))
		}
		if err := <-probe; !errors.Is(err, drivers.ErrSilent) {
			t.Errorf("probe = %v; want ErrSilent", err)
		}
	})
}

// invariant 13: names are bounded; nothing is learned of those over the bound, and nothing proven.
func TestDevicesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		serve(<-r.far, echoNumber)
		for n := range maxDevices + 50 {
			req := Request{Device: strings.Repeat("x", n+1), Frame: request('1'), Match: answered}
			if _, err := r.Do(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			req.Proven, req.Priority = true, Actuation
			if _, err := r.Do(t.Context(), req); errors.Is(err, drivers.ErrUnproven) != (n >= maxDevices) {
				t.Fatalf("Do() of device %d = %v", n, err)
			}
		}
		if s := r.Stats(); len(s.Devices) != maxDevices+1 || s.Devices[others].Answers != 50 || s.Devices[others].Turn != 0 {
			t.Errorf("%d names, others %+v", len(s.Devices), s.Devices[others])
		}
	})
}

// The wait of an actuation ends with its frame's last byte on the wire; use is the held part of the last minute.
func TestWaitsAndUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Baud: 1200}) // 2 bytes: 16.7 ms; silence 32 ms
		serve(<-r.far, func(req []byte, w io.Writer) {
			time.Sleep(50 * ms)
			echoNumber(req, w)
		})
		time.Sleep(time.Minute)
		wait := func() time.Duration { // until the frame's last byte has left
			began := time.Now()
			a, err := r.Do(t.Context(), ask('u', Actuation))
			if err != nil {
				t.Fatal(err)
			}
			return a.Sent.Sub(began) + r.cfg.wire(2)
		}
		if first := wait(); first < 16*ms || first > 17*ms {
			t.Errorf("first wait: %v; want 16.7ms", first)
		}
		s := r.Stats()
		if s.Use < 0.0008 || s.Use > 0.002 {
			t.Errorf("use = %v of the last minute; want 50ms and the silence", s.Use)
		}
		go func() { _, _ = r.Do(t.Context(), ask('p', Polling)) }()
		time.Sleep(35 * ms) // its frame is out now: who comes while the line falls silent goes ahead
		if behind := wait(); behind < 90*ms || behind > 140*ms {
			t.Errorf("wait behind a poll: %v; want one transaction", behind)
		}
		time.Sleep(30 * time.Minute)
		if s := r.Stats(); s.Use != 0 {
			t.Errorf("half an hour later: use %v; want 0", s.Use)
		}
	})
}

// Where nobody answers, there is nobody whom probes hold up: whoever comes back is found within seconds, however long it was
// away.
func TestADesertedLineIsProbedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		var here atomic.Bool
		here.Store(true)
		serve(<-r.far, func(req []byte, w io.Writer) {
			if here.Load() {
				echoNumber(req, w)
			}
		})
		poll := func() (found bool) {
			for _, n := range []byte("ab") {
				_, err := r.Do(t.Context(), ask(n, Polling))
				found = found || err == nil
			}
			return found
		}
		poll()
		here.Store(false)
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(time.Second) {
			poll()
		}
		here.Store(true)
		back := time.Now()
		for !poll() {
			time.Sleep(time.Second)
		}
		if took := time.Since(back); took > probeLone+3*time.Second {
			t.Errorf("found after %v; want %v and a poll", took, probeLone)
		}
	})
}
