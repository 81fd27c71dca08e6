package line

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// listened runs a stream of parrots behind a real TCP port.
func listened(t *testing.T, made *atomic.Int64) *Line {
	t.Helper()
	device := func() Device { made.Add(1); return parrot{after: time.Millisecond} }
	l, err := Listen(NewStream("tcp", 1, device, NewLog(0)), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v; want it canceled", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t *testing.T, l *Line) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Port().Device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// gone reports whether the other end has closed c.
func gone(t *testing.T, c net.Conn) bool {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err := c.Read(make([]byte, 1))
	var late net.Error
	return err != nil && (!errors.As(err, &late) || !late.Timeout())
}

func TestTCP(t *testing.T) {
	var made atomic.Int64
	l := listened(t, &made)
	p := l.Port()
	if p.Path != "tcp://"+p.Device || p.Link != p.Device || !p.Plugged {
		t.Errorf("Port = %+v", p)
	}
	first, second := dial(t, l), dial(t, l)
	for _, c := range []net.Conn{first, second} {
		if got := ask(t, c, "ab", 4); got != "abab" {
			t.Errorf("answer %q; want abab", got)
		}
	}
	if made.Load() != 2 {
		t.Errorf("%d devices for two connections", made.Load())
	}

	l.SetFaults(Faults{Cut: true})
	if _, err := first.Write([]byte("ab")); err != nil || !gone(t, first) {
		t.Errorf("a used connection lives on though the cable is cut (%v)", err)
	}
	if !gone(t, dial(t, l)) {
		t.Error("a new connection lives though the cable is cut")
	}
	l.SetFaults(Faults{})
	if got := ask(t, dial(t, l), "ab", 4); got != "abab" {
		t.Errorf("after the cut %q; want abab", got)
	}

	if err := l.Unplug(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", p.Device); err == nil {
		_ = c.Close()
		t.Error("an unplugged port takes connections")
	}
	if !gone(t, second) {
		t.Error("a connection outlived the unplugging")
	}
	if err := l.Unplug(); !errors.Is(err, ErrUnplugged) {
		t.Errorf("Unplug again = %v", err)
	}
	if err := l.Replug("127.0.0.1:1"); !errors.Is(err, ErrLink) {
		t.Errorf("Replug elsewhere = %v; want ErrLink", err)
	}
	if err := l.Replug(""); err != nil || l.Port() != p {
		t.Fatalf("Replug = %v at %+v; want it at %+v", err, l.Port(), p)
	}
	if got := ask(t, dial(t, l), "ab", 4); got != "abab" {
		t.Errorf("after replugging %q; want abab", got)
	}
	if _, err := Listen(NewStream("other", 1, nil, NewLog(0)), p.Device); err == nil {
		t.Error("two lines listen at one address")
	}
}

// invariant 13
func TestTCPConnectionsAreBounded(t *testing.T) {
	l := listened(t, &atomic.Int64{})
	for range maxConns {
		if got := ask(t, dial(t, l), "ab", 4); got != "abab" {
			t.Fatalf("answer %q; want abab", got)
		}
	}
	if !gone(t, dial(t, l)) {
		t.Error("one connection too many was served")
	}
}

func TestStreamCarriesBothWaysAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog(0)
		w := NewStream("a", 1, func() Device { return parrot{after: 10 * time.Millisecond} }, log)
		host := rig(t, w)
		_, _ = host.Write([]byte("ab"))
		_, _ = host.Write([]byte("cd"))
		if got := take(t, host, 8, time.Second); string(got) != "ababcdcd" {
			t.Errorf("answers %q; want ababcdcd", got)
		}
		w.SetFaults(Faults{Late: 300 * time.Millisecond})
		begin := time.Now()
		_, _ = host.Write([]byte("e"))
		if got := take(t, host, 2, time.Second); string(got) != "ee" || time.Since(begin) < 310*time.Millisecond {
			t.Errorf("late answer %q after %v", got, time.Since(begin))
		}
		w.SetFaults(Faults{Silence: true})
		_, _ = host.Write([]byte("f"))
		if got := take(t, host, 1, time.Second); len(got) != 0 {
			t.Errorf("answer %q through silence", got)
		}
	})
}

// TCP delivers what it delivers: noise loses answers and never changes one.
func TestNoiseOfAStreamLosesAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog(0)
		w := NewStream("a", 7, func() Device { return parrot{} }, log)
		w.SetFaults(Faults{Noise: 0.02}) // of 32 bits: about half of the answers
		host := rig(t, w)
		came := 0
		for range 200 {
			_, _ = host.Write([]byte("ab"))
			switch got := take(t, host, 4, time.Second); string(got) {
			case "abab":
				came++
			case "":
			default:
				t.Fatalf("answer %q", got)
			}
		}
		if came < 70 || came > 140 {
			t.Errorf("%d of 200 answers came; want about 105", came)
		}
		bad := 0
		for _, e := range log.After("", 0, 0) {
			if e.Meaning.Bad {
				bad++
			}
		}
		if bad != 200-came {
			t.Errorf("%d lost answers are logged; want %d", bad, 200-came)
		}
	})
}

// converted runs a converter with a wire of parrots behind it at a real TCP port.
func converted(t *testing.T, log *Log) *Line {
	t.Helper()
	l, err := Listen(NewWire("conv", Format{Baud: 9600}, 1, parrot{after: time.Millisecond}, log), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v; want it canceled", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Behind a converter there is one wire, with its time, for all connections; both hear what comes over it.
func TestConverter(t *testing.T) {
	log := NewLog(0)
	l := converted(t, log)
	first, second := dial(t, l), dial(t, l)
	if got := ask(t, second, "x", 2); got != "xx" { // both connections are taken now
		t.Fatalf("answer %q; want xx", got)
	}
	if got := read(t, first, 2); got != "xx" {
		t.Errorf("the other connection heard %q; want xx", got)
	}
	begin := time.Now()
	if got := ask(t, first, "hello", 10); got != "hellohello" {
		t.Errorf("answer %q; want hellohello", got)
	}
	if took, least := time.Since(begin), l.Time(15); took < least {
		t.Errorf("15 characters took %v; at 9600 baud they take %v", took, least)
	}
	read(t, second, 10)

	l.SetFaults(Faults{Cut: true})
	_, _ = first.Write([]byte("ab"))
	if gone(t, first) {
		t.Error("a converter closed its connection because the wire behind it is cut")
	}
	_ = first.SetReadDeadline(time.Time{})
	l.SetFaults(Faults{})
	if got := ask(t, first, "ab", 4); got != "abab" {
		t.Errorf("after the cut %q; want abab", got)
	}
	if err := l.Unplug(); err != nil {
		t.Fatal(err)
	}
	if !gone(t, first) {
		t.Error("a connection outlived the unplugging")
	}
	if err := l.Replug(""); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, dial(t, l), "cd", 4); got != "cdcd" {
		t.Errorf("after replugging %q; want cdcd", got)
	}
}

// More than waits for its wire time does not hold up an unplugging.
func TestUnplugABusyConverter(t *testing.T) {
	l := converted(t, NewLog(0))
	c := dial(t, l)
	if _, err := c.Write(make([]byte, 4*maxInbound)); err != nil { // seventeen seconds of wire
		t.Fatal(err)
	}
	if err := l.Unplug(); err != nil {
		t.Fatal(err)
	}
	if err := l.Replug(""); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, dial(t, l), "cd", 4); got != "cdcd" {
		t.Errorf("after replugging %q; want cdcd", got)
	}
}

// read reads n bytes or what came within a second.
func read(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	return string(take(t, c, n, time.Second))
}

// Connections that have gone stale swallow what comes and stay open, for good; new ones work.
func TestStaleConnections(t *testing.T) {
	for name, l := range map[string]*Line{"device": listened(t, &atomic.Int64{}), "converter": converted(t, NewLog(0))} {
		old := dial(t, l)
		if got := ask(t, old, "ab", 4); got != "abab" {
			t.Fatalf("%s: answer %q; want abab", name, got)
		}
		l.SetFaults(Faults{StaleTCP: true})
		for _, f := range []Faults{{StaleTCP: true}, {}} {
			l.SetFaults(f)
			if _, err := old.Write([]byte("ab")); err != nil {
				t.Errorf("%s: a stale connection refuses: %v", name, err)
			}
			if got := string(take(t, old, 1, 200*time.Millisecond)); got != "" {
				t.Errorf("%s: a stale connection says %q", name, got)
			}
			if got := ask(t, dial(t, l), "cd", 4); got != "cdcd" {
				t.Errorf("%s: a new connection says %q; want cdcd", name, got)
			}
		}
	}
}

// A babbling device is lost among its own talk on a stream, and a doubled answer comes twice.
func TestFaultsOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog(0)
		w := NewStream("a", 7, func() Device { return parrot{} }, log)
		host := rig(t, w)
		w.SetFaults(Faults{Double: 1})
		_, _ = host.Write([]byte("ab"))
		if got := take(t, host, 9, time.Second); string(got) != "abababab" {
			t.Errorf("doubled answer %q", got)
		}
		w.SetFaults(Faults{Drop: 1})
		_, _ = host.Write([]byte("ab"))
		if got := take(t, host, 1, time.Second); len(got) > 0 {
			t.Errorf("a lost answer came as %q", got)
		}
		w.SetFaults(Faults{Swapped: true, Baud: 300, Parity: Odd})
		_, _ = host.Write([]byte("ab"))
		if got := take(t, host, 4, time.Second); string(got) != "abab" {
			t.Errorf("what is wrong with a serial wire changed a stream: %q", got)
		}
		w.SetFaults(Faults{Babble: true})
		go func() { _, _ = host.Write([]byte("hello")) }()
		if got := take(t, host, 5*babbleBytes, 550*time.Millisecond); len(got) != 5*babbleBytes || string(got) == "hellohello" {
			t.Errorf("%d bytes in 550 ms; want five stretches of babble", len(got))
		}
	})
}
