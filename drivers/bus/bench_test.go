package bus

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/internal/pty"
)

// BenchmarkMeterLine polls one meter back to back, two registers each, on a pty whose far end keeps the times of 9600 baud and
// turns round in 5 ms. "of-ceiling" is what wire, silence and turnaround allow, divided by what it took; "own" is what
// lies between an answer and the next request beside the silence.
func BenchmarkMeterLine(b *testing.B) {
	const turn = 5 * time.Millisecond
	p := pty.Open(b)
	cfg := Config{Name: "pty", Ports: []string{p.Path}, Baud: 9600}
	full := cfg.withDefaults()
	go func() {
		for req := make([]byte, 8); ; {
			if _, err := io.ReadFull(p.Master, req); err != nil {
				return
			}
			time.Sleep(full.wire(8) + turn + full.wire(9))
			if _, err := p.Master.Write(make([]byte, 9)); err != nil {
				return
			}
		}
	}()
	var heard time.Time
	var over time.Duration // what lay between an answer and the next request beside the silence
	see := func(at time.Time, dir Dir, _ []byte) {
		if dir == Out && !heard.IsZero() {
			over += at.Sub(heard) - full.Gap
		}
		heard = at
	}
	line := New(cfg, Deps{Log: slog.New(slog.DiscardHandler), Recorder: NewRecorder(), Observe: see})
	runOn(b, line)
	req := Request{Device: "m", Frame: []byte("question"), Timeout: 300 * time.Millisecond, Match: func(in []byte) (Verdict, int) {
		if len(in) < 9 {
			return More, 0
		}
		return Complete, 9
	}}
	start := time.Now()
	n := 0
	for ; b.Loop(); n++ {
		if _, err := line.Do(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start) / time.Duration(n)
	b.ReportMetric(float64(time.Minute)/float64(took), "readings/min")
	b.ReportMetric(float64(over.Microseconds())/float64(n), "own-µs/op")
	b.ReportMetric(float64(cfg.Takes(Cost{Out: 8, In: 9}, turn))/float64(took), "of-ceiling")
}

// BenchmarkExchange is what one request costs Lobby itself, over a pipe that answers at once.
func BenchmarkExchange(b *testing.B) {
	var line converter
	deps := quietDeps(line.open(func(n byte) { line.say([]byte{'a', n}) }))
	deps.Recorder = NewRecorder()
	bus := New(Config{Name: "tcp", Ports: []string{"tcp://device:502"}, Direct: true}, deps)
	runOn(b, bus)
	req := ask('m', Polling)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bus.Do(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
