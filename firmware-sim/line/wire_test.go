package line

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parrot answers every burst with the same bytes twice as long.
type parrot struct{ after time.Duration }

func (p parrot) Hear(b []byte, _ time.Time) []Heard {
	return []Heard{{Bytes: b, Meaning: Meaning{EN: "heard"}, Answers: []Answer{{After: p.after, Bytes: append(bytes.Clone(b), b...)}}}}
}

func (parrot) Explain([]byte) Meaning { return Meaning{EN: "answered"} }

// rig runs a wire inside the current bubble and returns the host's end.
func rig(t *testing.T, w *Wire) net.Conn {
	t.Helper()
	host, devices := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx, devices) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve ended with %v; want it canceled", err)
		}
		_ = host.Close()
	})
	return host
}

// take reads n bytes, or what came before the deadline.
func take(t *testing.T, host net.Conn, n int, within time.Duration) []byte {
	t.Helper()
	_ = host.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, n)
	got, _ := io.ReadFull(host, buf)
	return buf[:got]
}

func TestWireTime(t *testing.T) {
	for _, baud := range []int{9600, 19200, 115200} {
		synctest.Test(t, func(t *testing.T) {
			w := NewWire("a", Format{Baud: baud}, 1, parrot{after: 5 * time.Millisecond}, NewLog(0))
			host := rig(t, w)
			start := time.Now()
			_, _ = host.Write([]byte("hello"))
			for i := 1; i <= 10; i++ {
				if got := take(t, host, 1, time.Second); len(got) != 1 {
					t.Fatalf("baud %d: byte %d did not come", baud, i)
				}
				want := w.Time(5) + 5*time.Millisecond + w.Time(i)
				if got := time.Since(start); got != want {
					t.Errorf("baud %d: byte %d came after %v; want %v", baud, i, got, want)
				}
			}
			synctest.Wait()
			if got, want := w.Busy(time.Now()), w.Time(15).Seconds()/10; got < want*0.999 || got > want*1.001 {
				t.Errorf("baud %d: busy %v; want %v", baud, got, want)
			}
			time.Sleep(11 * time.Second)
			if got := w.Busy(time.Now()); got != 0 {
				t.Errorf("baud %d: busy %v eleven seconds later; want 0", baud, got)
			}
		})
	}
}

// What is due keeps its time, though the machine looks late.
func TestALateMachineDelaysNoAnswer(t *testing.T) {
	host, devices := net.Pipe()
	defer host.Close()
	w := NewWire("a", Format{Baud: 10_000}, 1, parrot{}, NewLog(0)) // a character takes a millisecond
	s := service{Wire: w, conn: devices, dev: parrot{}}
	due := time.Now()
	s.queue = []burst{{at: due, bytes: []byte("first")}, {at: due.Add(time.Millisecond), bytes: []byte("second")}}
	for _, look := range []struct {
		after time.Duration
		want  string
	}{{3*time.Millisecond + 500*time.Microsecond, "fir"}, {6 * time.Millisecond, "st"}, {8*time.Millisecond + 500*time.Microsecond, "sec"}, {20 * time.Millisecond, "ond"}} {
		stepped := make(chan struct{})
		go func() {
			s.step(due.Add(look.after))
			close(stepped)
		}()
		got := take(t, host, len(look.want), time.Second)
		if <-stepped; string(got) != look.want {
			t.Fatalf("%v after it was due came %q; want %q", look.after, got, look.want)
		}
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults Faults
		want   string
		logged int
	}{
		{"perfect", Faults{}, "abab", 2},
		{"silence: heard, not answered", Faults{Silence: true}, "", 1},
		{"cut: not even heard", Faults{Cut: true}, "", 0},
		{"late, but in time", Faults{Late: 200 * time.Millisecond}, "abab", 2},
		{"too late", Faults{Late: 2 * time.Second}, "", 1},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			log := NewLog(0)
			w := NewWire("a", Format{Baud: 19200}, 1, parrot{}, log)
			w.SetFaults(tt.faults)
			host := rig(t, w)
			_, _ = host.Write([]byte("ab"))
			if got := take(t, host, 4, time.Second); string(got) != tt.want {
				t.Errorf("%s: answer %q; want %q", tt.name, got, tt.want)
			}
			synctest.Wait()
			if got := len(log.After("", 0, 0)); got != tt.logged {
				t.Errorf("%s: %d entries logged; want %d", tt.name, got, tt.logged)
			}
		})
	}
}

// noisy sends a kilobyte through a wire with one bit in a hundred flipped and returns what came back.
func noisy(t *testing.T, seed uint64) (got []byte) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWire("a", Format{Baud: 115200}, seed, parrot{}, NewLog(0))
		w.SetFaults(Faults{Noise: 0.01})
		host := rig(t, w)
		for range 16 {
			_, _ = host.Write(make([]byte, 64))
			got = append(got, take(t, host, 128, time.Second)...)
		}
	})
	return got
}

func TestNoiseIsSeeded(t *testing.T) {
	first, again, other := noisy(t, 7), noisy(t, 7), noisy(t, 8)
	if !bytes.Equal(first, again) {
		t.Error("the same seed gave other noise")
	}
	if bytes.Equal(first, other) {
		t.Error("another seed gave the same noise")
	}
	flipped := 0
	for _, b := range first {
		for ; b != 0; b &= b - 1 {
			flipped++
		}
	}
	// Each answered bit was flipped on its way there and on its way back: about 2 % of 16,384.
	if flipped < 230 || flipped > 430 {
		t.Errorf("%d of 16384 bits flipped; want about 325", flipped)
	}
}

func TestSpeakingAtOnceDamagesBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog(0)
		w := NewWire("a", Format{Baud: 9600}, 1, parrot{after: time.Millisecond}, log)
		host := rig(t, w)
		_, _ = host.Write([]byte("abcdefgh"))
		first := take(t, host, 3, time.Second)
		_, _ = host.Write([]byte("XY")) // into the answer
		rest := take(t, host, 13, time.Second)
		if string(first) != "abc" || bytes.Contains(rest, []byte("efgh")) {
			t.Errorf("answer %q %q; want its rest damaged", first, rest)
		}
		synctest.Wait()
		for _, e := range log.After("", 1, 0) {
			if !e.Meaning.Bad {
				t.Errorf("entry %d (%q) is not marked as damaged", e.ID, e.Bytes)
			}
			if !e.ToHost && bytes.Equal(e.Bytes, []byte("XY")) {
				t.Error("the device heard what it talked over")
			}
		}
	})
}

func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWire("a", Format{Baud: 19200}, 1, parrot{}, NewLog(0))
		host := rig(t, w)
		_, _ = host.Write([]byte("ab"))
		time.Sleep(time.Second) // nobody reads: the answer is lost and the wire goes on
		_, _ = host.Write([]byte("c"))
		if got := take(t, host, 2, time.Second); string(got) != "cc" {
			t.Errorf("answer %q; want cc", got)
		}
	})
}

// invariant 13
func TestLog(t *testing.T) {
	l := NewLog(4)
	woken, end := l.Subscribe()
	for i := range 11 {
		l.Append(Entry{Line: []string{"a", "b"}[i%2], Bytes: []byte{byte(i)}})
	}
	select {
	case <-woken:
	default:
		t.Error("the subscriber was not woken")
	}
	tests := []struct {
		name  string
		line  string
		after uint64
		limit int
		want  []uint64
	}{
		{"the last four", "", 0, 0, []uint64{8, 9, 10, 11}},
		{"one line", "a", 0, 0, []uint64{9, 11}},
		{"after one", "", 9, 0, []uint64{10, 11}},
		{"the newest two", "", 0, 2, []uint64{10, 11}},
		{"more than is kept", "", 0, 1 << 20, []uint64{8, 9, 10, 11}},
		{"nothing new", "", 11, 0, nil},
	}
	for _, tt := range tests {
		var got []uint64
		for _, e := range l.After(tt.line, tt.after, tt.limit) {
			got = append(got, e.ID)
		}
		if len(got) != len(tt.want) || len(got) > 0 && (got[0] != tt.want[0] || got[len(got)-1] != tt.want[len(got)-1]) {
			t.Errorf("%s: After(%q, %d, %d) = %v; want %v", tt.name, tt.line, tt.after, tt.limit, got, tt.want)
		}
	}
	if end(); len(l.subs) != 0 {
		t.Error("a subscriber that left is kept")
	}
	for range 100 {
		l.Append(Entry{})
	}
	if cap(l.entries) > 64 {
		t.Errorf("a log of 4 holds room for %d", cap(l.entries))
	}
}
