package line

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// traffic sends n requests of 16 bytes through a wire with faults and returns what came back.
func traffic(t *testing.T, seed uint64, f Faults, n int) (came [][]byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := NewWire("a", Format{Baud: 115200}, seed, parrot{after: time.Millisecond}, NewLog(0))
		w.SetFaults(f)
		host := rig(t, w)
		for i := range n {
			_, _ = host.Write(bytes.Repeat([]byte{byte(i)}, 16))
			came = append(came, take(t, host, 1<<10, 40*time.Millisecond))
		}
	})
	return came
}

// The same seed and traffic meet the same damage, byte for byte, and its size is as told.
func TestFaultsOfBytes(t *testing.T) {
	const n, sent = 200, 200 * 16
	same := func(i int, b []byte) (other int) {
		for _, c := range b {
			if c != byte(i) {
				other++
			}
		}
		return other
	}
	tests := []struct {
		name   string
		faults Faults
		// What is expected of all answers: their bytes, and those that are other ones.
		bytes, other [2]int
	}{
		{"none", Faults{}, [2]int{2 * sent, 2 * sent}, [2]int{0, 0}},
		{"damage both ways", Faults{Damage: 0.05}, [2]int{2 * sent, 2 * sent}, [2]int{540, 720}},
		{"drop both ways", Faults{Drop: 0.05}, [2]int{5680, 5870}, [2]int{0, 0}},
		{"double both ways", Faults{Double: 0.05}, [2]int{6930, 7190}, [2]int{0, 0}},
		{"half of the answers end early", Faults{Truncate: 0.5}, [2]int{4300, 5300}, [2]int{0, 0}},
	}
	for _, tt := range tests {
		first := traffic(t, 7, tt.faults, n)
		again := traffic(t, 7, tt.faults, n)
		another := traffic(t, 8, tt.faults, n)
		all, other := 0, 0
		for i := range first {
			if !bytes.Equal(first[i], again[i]) {
				t.Fatalf("%s: answer %d is % x, and with the same seed % x", tt.name, i, first[i], again[i])
			}
			all, other = all+len(first[i]), other+same(i, first[i])
		}
		if all < tt.bytes[0] || all > tt.bytes[1] || other < tt.other[0] || other > tt.other[1] {
			t.Errorf("%s: %d bytes came, %d of them other ones; want %v and %v", tt.name, all, other, tt.bytes, tt.other)
		}
		if tt.name != "none" && bytes.Equal(bytes.Join(first, nil), bytes.Join(another, nil)) {
			t.Errorf("%s: another seed did the same", tt.name)
		}
	}
}

func TestSomeAnswersAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWire("a", Format{Baud: 115200}, 3, parrot{}, NewLog(0))
		w.SetFaults(Faults{Late: 300 * time.Millisecond, LateRate: 0.25})
		host := rig(t, w)
		late := 0
		for range 200 {
			begin := time.Now()
			_, _ = host.Write([]byte("a"))
			if got := take(t, host, 2, time.Second); string(got) != "aa" {
				t.Fatalf("answer %q", got)
			}
			switch took := time.Since(begin); took {
			case w.Time(3):
			case w.Time(3) + 300*time.Millisecond:
				late++
			default:
				t.Fatalf("an answer took %v; want %v, or 300 ms more", took, w.Time(3))
			}
		}
		if late < 35 || late > 65 {
			t.Errorf("%d of 200 answers were late; want about 50", late)
		}
	})
}

// An echo comes back byte by byte as it passes, before any answer.
func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog(0)
		w := NewWire("a", Format{Baud: 9600}, 1, parrot{after: 2 * time.Millisecond}, log)
		w.SetFaults(Faults{Echo: true})
		host := rig(t, w)
		begin := time.Now()
		_, _ = host.Write([]byte("abc"))
		want := []time.Duration{w.Time(1), w.Time(2), w.Time(3)}
		for i := range 6 {
			want = append(want, w.Time(3)+2*time.Millisecond+w.Time(i+1))
		}
		for i, at := range want {
			got := take(t, host, 1, time.Second)
			if len(got) != 1 || got[0] != "abcabcabc"[i] || time.Since(begin) != at {
				t.Errorf("byte %d = %q after %v; want %q after %v", i, got, time.Since(begin), "abcabcabc"[i], at)
			}
		}
		synctest.Wait()
		if e := log.After("", 0, 0); len(e) != 3 || e[0].Meaning.EN != "the host's own echo" || !e[0].ToHost {
			t.Errorf("logged %+v; want the echo first", e)
		}
	})
}

// A device that talks all the time fills the wire, and nobody gets a word in until it stops.
func TestBabble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog(0)
		w := NewWire("a", Format{Baud: 9600}, 5, parrot{}, log)
		host := rig(t, w)
		synctest.Wait()
		w.SetFaults(Faults{Babble: true})
		begin := time.Now()
		if got := take(t, host, 96, time.Second); len(got) != 96 || time.Since(begin) != 3*w.Time(32) {
			t.Errorf("%d bytes of babble in %v; want 96 in %v", len(got), time.Since(begin), 3*w.Time(32))
		}
		go func() { _, _ = host.Write([]byte("hello")) }()
		if got := take(t, host, 500, 400*time.Millisecond); bytes.Contains(got, []byte("hello")) {
			t.Errorf("an answer came through: %q", got)
		}
		w.SetFaults(Faults{})
		take(t, host, 1<<10, 100*time.Millisecond)
		_, _ = host.Write([]byte("ab"))
		if got := take(t, host, 4, time.Second); string(got) != "abab" {
			t.Errorf("answer after the babble = %q", got)
		}
		heard := 0
		for _, e := range log.After("", 0, 0) {
			if e.Meaning.EN == "a device talks all the time" || e.Meaning.Bad {
				heard++
			}
		}
		if heard < 10 {
			t.Errorf("%d entries of babble; want it in the log", heard)
		}
	})
}

// picky answers "ping" alone.
type picky struct{}

func (picky) Hear(b []byte, _ time.Time) []Heard {
	h := Heard{Bytes: b, Meaning: Meaning{EN: "rubbish", Bad: true}}
	if string(b) == "ping" {
		h.Meaning, h.Answers = Meaning{EN: "ping"}, []Answer{{Bytes: []byte("pong")}}
	}
	return []Heard{h}
}

func (picky) Explain([]byte) Meaning { return Meaning{EN: "answered"} }

// With A and B swapped no request is heard, nothing but 00 and FF comes back, and silence stays silence.
func TestSwapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := NewLog(0)
		w := NewWire("a", Format{Baud: 9600}, 2, picky{}, log)
		host := rig(t, w)
		w.SetFaults(Faults{Swapped: true})
		if got := take(t, host, 1, 10*time.Second); len(got) > 0 {
			t.Errorf("% x came though nobody spoke", got)
		}
		noise := 0
		for range 50 {
			_, _ = host.Write([]byte("ping"))
			got := take(t, host, 100, 100*time.Millisecond)
			if noise += len(got); len(bytes.Trim(got, "\x00\xff")) > 0 || len(got) > 3 {
				t.Errorf("% x came back; want up to three of 00 and FF", got)
			}
		}
		if noise < 30 {
			t.Errorf("%d bytes of noise after 50 requests; want more", noise)
		}
		logged := log.After("", 0, 0)
		for _, e := range logged {
			if !e.Meaning.Bad {
				t.Errorf("%+v is logged as sound", e)
			}
		}
		if !strings.Contains(logged[0].Meaning.EN, "A and B are swapped") {
			t.Errorf("logged %q; want the reason", logged[0].Meaning.EN)
		}
		w.SetFaults(Faults{})
		_, _ = host.Write([]byte("ping"))
		if got := take(t, host, 4, time.Second); string(got) != "pong" {
			t.Errorf("answer with the wires mended = %q", got)
		}
	})
}

func TestNothingComesBack(t *testing.T) {
	for _, f := range []Faults{{Silence: true, Late: time.Second}, {Cut: true, Babble: true}} {
		if came := traffic(t, 1, f, 3); len(bytes.Join(came, nil)) > 0 {
			t.Errorf("%+v: % x came", f, came)
		}
	}
}

// Stop and parity bits take time, too.
func TestFormatTime(t *testing.T) {
	tests := []struct {
		f    Format
		text string
		want time.Duration // of 96 characters
	}{
		{Format{Baud: 9600}, "9600 8N1", 100 * time.Millisecond},
		{Format{Baud: 9600, Parity: Even}, "9600 8E1", 110 * time.Millisecond},
		{Format{Baud: 9600, StopBits: 2}, "9600 8N2", 110 * time.Millisecond},
		{Format{Baud: 19200, Parity: Odd, StopBits: 2}, "19200 8O2", 60 * time.Millisecond},
	}
	for _, tt := range tests {
		if got := tt.f.Time(96); got != tt.want || tt.f.String() != tt.text {
			t.Errorf("%s: 96 characters take %v; want %s, %v", tt.f, got, tt.text, tt.want)
		}
		synctest.Test(t, func(t *testing.T) {
			host := rig(t, NewWire("a", tt.f, 1, parrot{after: time.Millisecond}, NewLog(0)))
			begin := time.Now()
			_, _ = host.Write(make([]byte, 32))
			take(t, host, 64, time.Second)
			if got := time.Since(begin); got != tt.f.Time(32)+time.Millisecond+tt.f.Time(64) {
				t.Errorf("%s: 32 characters and 64 back took %v", tt.f, got)
			}
		})
	}
}

// Who listens in another format hears other characters: at half the speed fewer, at double more.
func TestSampled(t *testing.T) {
	sent := []byte("The quick brown fox jumps over the lazy dog, 0123456789")
	n96, n192, e96 := Format{Baud: 9600}, Format{Baud: 19200}, Format{Baud: 9600, Parity: Even}
	tests := []struct {
		name        string
		from, to    Format
		upside      bool
		least, most int // characters
		right, bad  int // at most right, at least bad
	}{
		{"the same", n96, n96, false, 55, 55, 55, 0},
		{"two stop bits for one", Format{Baud: 9600, StopBits: 2}, n96, false, 55, 55, 55, 0},
		{"one stop bit for two", n96, Format{Baud: 9600, StopBits: 2}, false, 55, 55, 55, 0},
		{"half the speed", n192, n96, false, 15, 40, 2, 1},
		{"double the speed", n96, n192, false, 70, 170, 8, 20},
		{"parity awaited", n96, e96, false, 20, 55, 30, 20},
		{"upside down", n96, n96, true, 20, 70, 3, 1},
	}
	for _, tt := range tests {
		got := tt.to.sampled(sent, tt.from, 0.04, tt.upside)
		bad, right := 0, 0
		for i, c := range got {
			if c.bad {
				bad++
			} else if i < len(sent) && c.b == sent[i] {
				right++
			}
			if c.at > tt.from.Time(len(sent)+2) || i > 0 && c.at <= got[i-1].at {
				t.Errorf("%s: character %d comes at %v", tt.name, i, c.at)
			}
		}
		if len(got) < tt.least || len(got) > tt.most || right > tt.right || bad < tt.bad {
			t.Errorf("%s: %d characters, %d right, %d bad; want %d to %d, at most %d right, at least %d bad", tt.name, len(got), right, bad, tt.least, tt.most, tt.right, tt.bad)
		}
	}
	if got := bytesOf(n96.sampled(sent, e96, 0, false)); !bytes.Equal(got, sent) {
		t.Errorf("parity not awaited: %q; a port takes the parity bit for the stop bit and waits for the line to rest", got)
	}
}

// Whatever is sent in whatever format, a receiver of the same one has it as it was, and any other one ends.
func FuzzSampled(f *testing.F) {
	f.Add([]byte("abc"), uint32(9600), uint32(19200), uint8(0), true)
	f.Add([]byte{0, 0xff, 0x55}, uint32(115200), uint32(300), uint8(7), false)
	f.Fuzz(func(t *testing.T, b []byte, from, to uint32, how uint8, upside bool) {
		formats := []Format{{}, {Parity: Even}, {Parity: Odd}, {StopBits: 2}}
		one, other := formats[how&3], formats[how>>2&3]
		one.Baud, other.Baud = 50+int(from%1_000_000), 50+int(to%1_000_000)
		early := (float64(how)/255 - 0.5) * sampleJitter
		if got := one.sampled(b, one, early, false); !bytes.Equal(bytesOf(got), b) {
			t.Errorf("%s: % x is heard as %v", one, b, got)
		}
		if n, most := len(other.sampled(b, one, early, upside)), len(b)*12; n > most {
			t.Errorf("%s hears %d characters of % x of %s", other, n, b, one)
		}
	})
}

// Devices that speak otherwise than the line is set for are not understood, which the log says; afterwards they are.
func TestAnotherFormat(t *testing.T) {
	for _, f := range []Faults{{Baud: 9600}, {Baud: 38400}, {Parity: Even}} {
		synctest.Test(t, func(t *testing.T) {
			log := NewLog(0)
			w := NewWire("a", Format{Baud: 19200}, 1, parrot{}, log)
			w.SetFaults(f)
			host := rig(t, w)
			_, _ = host.Write([]byte("hello"))
			if got := take(t, host, 100, time.Second); bytes.Contains(got, []byte("hello")) {
				t.Errorf("%+v: %q was answered", f, got)
			}
			want := "host speaks 19200 8N1, line is " + f.speaks(w.Format()).String()
			if e := log.After("", 0, 0); len(e) == 0 || !strings.HasPrefix(e[0].Meaning.EN, want) || !e[0].Meaning.Bad {
				t.Errorf("logged %+v; want %s", e, want)
			}
			w.SetFaults(Faults{})
			_, _ = host.Write([]byte("hello"))
			if got := take(t, host, 10, time.Second); string(got) != "hellohello" {
				t.Errorf("after %+v the answer is %q", f, got)
			}
		})
	}
}
