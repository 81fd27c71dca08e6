package bus

import (
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// busyLine is 32 devices at 9600 baud of which some are dead; each turns round in 5 ms. It keeps the wire's times.
func busyLine(far net.Conn, cfg Config, dead func(n byte) bool) {
	go func() {
		defer far.Close()
		for req := make([]byte, 8); ; {
			if _, err := io.ReadFull(far, req); err != nil {
				return
			}
			if dead(req[1]) {
				continue
			}
			time.Sleep(cfg.wire(8) + 5*ms + cfg.wire(9))
			if _, err := far.Write(slices.Concat([]byte{'a', req[1]}, make([]byte, 7))); err != nil {
				return
			}
		}
	}()
}

// onBusyLine is a request to device n of a busy line.
func onBusyLine(n byte, p Priority) Request {
	r := ask(n, p)
	r.Frame = slices.Concat([]byte{'q', n}, []byte("------"))
	r.Match = func(in []byte) (Verdict, int) {
		switch {
		case len(in) < 9:
			return More, 0
		case in[1] != n:
			return Foreign, 9
		}
		return Complete, 9
	}
	return r
}

// busyFor polls 32 devices back to back for so long, and opens now and then: a reading and the frame that energises. It returns
// how often the first device was polled, and each opening's time from the call to its frame's last byte.
func busyFor(t *testing.T, d time.Duration, dead func(n byte) bool) (polls int, took []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Baud: 9600})
		busyLine(<-r.far, r.cfg, dead)
		var end time.Time
		round := func() {
			for n := range byte(32) {
				if _, err := r.Do(t.Context(), onBusyLine(n, Polling)); err != nil && !dead(n) {
					t.Errorf("device %d: %v", n, err)
				}
			}
		}
		for start := time.Now(); time.Since(start) < time.Minute; { // until the dead are known, and their first probes over
			round()
		}
		end = time.Now().Add(d)
		polled := make(chan int)
		go func() {
			n := 0
			for ; time.Now().Before(end); n++ {
				round()
			}
			polled <- n
		}()
		chance := rand.New(rand.NewPCG(1, 2))
		for time.Now().Before(end) {
			time.Sleep(time.Second + time.Duration(chance.Int64N(int64(time.Second))))
			began := time.Now()
			unlock := onBusyLine(7, Actuation)
			unlock.Proven = true
			if _, err := r.Do(t.Context(), onBusyLine(7, Actuation)); err != nil {
				t.Errorf("reading: %v", err)
			}
			a, err := r.Do(t.Context(), unlock)
			if err != nil {
				t.Errorf("unlock: %v", err)
			}
			took = append(took, a.Sent.Add(r.cfg.wire(8)).Sub(began))
		}
		polls = <-polled
	})
	return polls, took
}

// invariant 8: on a line that is fully busy, with four of 32 devices dead, an opening waits for one transaction and for no dead
// device, and the living are polled nearly as often as if the dead were not there.
func TestOpeningsOnABusyLine(t *testing.T) {
	const d = 10 * time.Minute
	dead := func(n byte) bool { return n >= 10 && n < 14 }
	polls, took := busyFor(t, d, dead)
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	if p50 > 60*ms || p99 > 150*ms {
		t.Errorf("%d openings: p50 %v, p99 %v; want 60ms, 150ms", len(took), p50, p99)
	}
	cfg := Config{Baud: 9600}.withDefaults()
	free := int(d / (28 * cfg.Takes(Cost{Out: 8, In: 9}, 5*ms))) // rounds of the living alone, without openings
	if polls*110 < free*100 {
		t.Errorf("%d rounds of the living; want at most a tenth less than %d", polls, free)
	}
	t.Logf("%d openings: p50 %v, p99 %v, worst %v; %d rounds of %d", len(took), p50, p99, took[len(took)-1], polls, free)
}

// invariant 8: of thousands of readings by several askers at once, with answers late by anything up to their worst, and some that
// never come, not one is taken for another's. An answer tells its source and the number of its request; the Matcher looks at the
// source alone, as RTU's does.
func TestNobodysAnswerIsAnothers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, lateness = 4000, 900 * ms
		chance := rand.New(rand.NewPCG(3, 4))
		r := newRig(t, Config{Baud: 115200})
		far := <-r.far
		said, over := make(chan []byte, 64), make(chan struct{})
		go func() {
			for {
				select {
				case answer := <-said:
					_, _ = far.Write(answer) // the reader below sees its end
				case <-over:
					return
				}
			}
		}()
		go func() {
			defer close(over)
			defer far.Close()
			for req := make([]byte, 4); ; {
				if _, err := io.ReadFull(far, req); err != nil {
					return
				}
				answer := slices.Concat([]byte{'a'}, req[1:])
				switch chance.IntN(100) {
				case 0:
				case 1, 2:
					late := time.Duration(chance.Int64N(int64(lateness - 20*ms)))
					time.AfterFunc(late, func() {
						select {
						case said <- answer:
						case <-over:
						}
					})
				default:
					time.Sleep(5 * ms)
					said <- answer
				}
			}
		}()
		done := make(chan [2]int)
		for i, source := range []byte("abcdef") {
			go func() {
				answered, late := 0, 0
				for n := range each {
					req := Request{
						Device: string(source), Source: string(source), Priority: Priority(i % int(priorities)), Timeout: 300 * ms, Lateness: lateness,
						Frame: []byte{'q', source, byte(n), byte(n >> 8)},
						Match: func(in []byte) (Verdict, int) {
							switch {
							case len(in) < 4:
								return More, 0
							case in[1] != source:
								return Foreign, 4
							}
							return Complete, 4
						},
					}
					a, err := r.Do(t.Context(), req)
					if err == nil {
						answered++
						if n != int(a.Frame[2])|int(a.Frame[3])<<8 {
							t.Errorf("request %d of %c took the answer to %d", n, source, int(a.Frame[2])|int(a.Frame[3])<<8)
						}
					}
					if a.Late {
						late++
					}
					time.Sleep(time.Duration(n%7) * ms)
				}
				done <- [2]int{answered, late}
			}()
		}
		answered, late := 0, 0
		for range 6 {
			one := <-done
			answered, late = answered+one[0], late+one[1]
		}
		if s := r.Stats(); answered < 6*each*9/10 || late == 0 || s.Line.Foreign == 0 && s.Stray == 0 {
			t.Errorf("%d answered, %d of them late, %d foreign, %d stray: the test does not test", answered, late, s.Line.Foreign, s.Stray)
		}
	})
}
