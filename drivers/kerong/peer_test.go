package kerong

import (
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// liar is a peer that may say anything at any time, as a script of bytes tells it. It remembers what a bank may conclude: the
// latches that some sound answer of the right board ever showed open.
type liar struct {
	cab    *cabinet
	script []byte

	mu   sync.Mutex // never held while the liar sleeps
	open map[Place]bool
}

// next is the script's next byte; at its end the peer is honest.
func (l *liar) next() (byte, bool) {
	if len(l.script) == 0 {
		return 0, false
	}
	b := l.script[0]
	l.script = l.script[1:]
	return b, true
}

// answer says what the script has for a request that the cabinet would answer with honest.
func (l *liar) answer(board int, honest [][]byte) (out []byte) {
	for _, f := range honest {
		out = append(out, f...)
	}
	for range 8 { // things done to one answer
		op, more := l.next()
		if !more {
			return out
		}
		arg, _ := l.next()
		switch op % 9 {
		case 0:
			return out
		case 1:
			out = nil
		case 2: // noise before it
			out = append([]byte{arg, op}, out...)
		case 3: // noise after it
			out = append(out, arg, 2, op)
		case 4:
			if len(out) > 0 {
				out[int(arg)%len(out)] ^= 1 << (op / 9 % 8)
			}
		case 5:
			out = out[:len(out)*int(arg)/256]
		case 6: // another board's
			out = append(out, l.cab.says(int(arg)%15, uint64(arg)<<8|uint64(op), 0)...)
		case 7: // a sound one of its own, with other bits
			latch := uint64(arg) * 0x0101010101
			out = append(out, l.cab.says(board, latch, 0)...)
		case 8:
			time.Sleep(time.Duration(arg) * 10 * time.Millisecond)
		}
	}
	return out
}

// note remembers which latches what is said may show open, by every frame that can be cut out of it.
func (l *liar) note(bank *Bank, said []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := bank.speech.answerLen()
	for i := 0; i+n <= len(said); i++ {
		for _, board := range bank.boards {
			if v, _ := bank.speech.answer(board)(said[i : i+n]); v != bus.Complete {
				continue
			}
			s, _ := bank.speech.read(said[i : i+n])
			for _, p := range bank.places {
				if p.Board == board && s.latch>>p.Lock&1 == 0 {
					l.open[p] = true
				}
			}
		}
	}
}

// FuzzPeer drives a whole bank against a peer that may say anything at any time: no panic, at most one pulse for an unlock,
// no verdict that no sound answer supports, and little work and memory for a frame.
func FuzzPeer(f *testing.F) {
	f.Add(false, []byte{})
	f.Add(true, []byte{})
	f.Add(false, []byte{7, 0, 0, 0, 7, 255, 1, 0, 2, 9, 0, 0, 6, 1, 8, 200})
	f.Add(true, []byte{4, 3, 0, 0, 8, 120, 0, 0, 3, 3, 5, 100, 1, 1, 1, 1})
	f.Add(true, []byte{6, 2, 2, 2, 7, 254, 6, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, wide bool, script []byte) {
		script = script[:min(len(script), 256)]
		synctest.Test(t, func(t *testing.T) { lie(t, wide, script) })
	})
}

func lie(t *testing.T, wide bool, script []byte) {
	cfg, full := Config{Name: "locker/A", Boards: 2, ClosedBit: ClosedIs1, Tries: 2}, uint64(1<<16-1)
	if wide {
		cfg.Dialect, cfg.Codes, full = B, firmware60, 1<<48-1
	}
	cab := newCabinet(map[int]uint64{0: full, 1: full}).opens()
	cab.wide = wide
	l := &liar{cab: cab, script: script, open: map[Place]bool{}}
	near, far := net.Pipe()
	line := bus.New(bus.Config{Name: "a", Ports: []string{"pipe"}}, bus.Deps{
		Log: slog.New(slog.DiscardHandler), Open: func(string, bus.Config) (io.ReadWriteCloser, error) { return pipePort{near}, nil },
	})
	bank, err := New(line, cfg)
	if err != nil {
		t.Fatal(err)
	}
	run(t, line, func() { l.serve(bank, far) }, func() { far.Close() })
	frames := startMeter()
	for round := range 3 {
		lock := 1 + round*cfg.Dialect.Locks()/2
		before := cab.allPulses()
		got, err := bank.Unlock(t.Context(), lock, time.Time{})
		pulses := cab.allPulses() - before
		if pulses > 1 || !got.Pulsed && pulses > 0 || err != nil && got.Pulsed {
			t.Errorf("Unlock(%d) = %+v, %v with %d pulses", lock, got, err, pulses)
		}
		l.mu.Lock()
		if opened := got.Outcome == drivers.Opened || got.Outcome == drivers.AlreadyOpen; opened && !l.open[bank.places[lock-1]] {
			t.Errorf("Unlock(%d) = %v, and no sound answer ever said so", lock, got.Outcome)
		}
		l.mu.Unlock()
		_, _ = bank.Status(t.Context())
		_ = bank.Health()
	}
	frames.check(t, line.Stats())
}

// serve reads requests and says what the script makes of their answers.
func (l *liar) serve(bank *Bank, far io.ReadWriter) {
	req := make([]byte, len(bank.speech.status(0)))
	for {
		if _, err := io.ReadFull(far, req); err != nil {
			return
		}
		board, _, _, _ := l.cab.heard(req)
		said := l.answer(board, l.cab.answer(req))
		l.note(bank, said)
		if _, err := far.Write(said); err != nil {
			return
		}
	}
}

// meter is what work and memory had cost when it was read. Time stands still in a bubble, the processor's does not.
type meter struct {
	cpu   time.Duration
	bytes uint64
}

func startMeter() meter {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return meter{cpu(), m.TotalAlloc}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// check holds the cost of all exchanges since m against 10 ms and 64 KiB a frame.
func (m meter) check(t *testing.T, s bus.Stats) {
	t.Helper()
	now, exchanges := startMeter(), time.Duration(0)
	for _, d := range s.Devices {
		exchanges += time.Duration(d.Transactions)
	}
	exchanges = max(exchanges, 1)
	if work := (now.cpu - m.cpu) / exchanges; work > 10*time.Millisecond {
		t.Errorf("%v of work a frame, over %d", work, exchanges)
	}
	if got := (now.bytes - m.bytes) / uint64(exchanges); got > 64<<10 {
		t.Errorf("%d bytes allocated a frame, over %d", got, exchanges)
	}
}
