package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// toy decodes the requests of these tests: number 'u' awaits no answer, others their own.
type toy struct{ match func(n byte) Matcher }

func (d toy) Match(device string, frame []byte) (Matcher, bool) {
	switch {
	case len(frame) != 2 || frame[0] != 'q' || device == "unknown":
		return nil, false
	case frame[1] == 'u':
		return nil, true
	}
	return d.match(frame[1]), true
}

func (d toy) Explain(device string, frame, answer []byte) string {
	return fmt.Sprintf("%s: %q says %q", device, frame, answer)
}

// recorded runs a bus with a recorder over what serve puts at its far end, and returns the recording after use.
func recorded(t *testing.T, cfg Config, far func(net.Conn), use func(b *Bus)) []Record {
	t.Helper()
	cfg.Name, cfg.Ports = "rs485-1", []string{"pipe"}
	rec := NewRecorder()
	b := New(cfg, Deps{Log: slog.New(slog.DiscardHandler), Recorder: rec, Open: func(string, Config) (io.ReadWriteCloser, error) {
		n, f := net.Pipe()
		far(f)
		return pipePort{n}, nil
	}})
	runOn(t, b)
	use(b)
	var out bytes.Buffer
	if err := rec.Write(&out); err != nil {
		t.Fatal(err)
	}
	records, err := ReadRecording(&out)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// A recording of everything that can happen is concluded the same when it is replayed.
func TestReplayConcludesTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := recorded(t, Config{}, func(far net.Conn) {
			serve(far, func(req []byte, w io.Writer) {
				switch req[1] {
				case 's': // silent
				case 'l': // late
					time.AfterFunc(500*time.Millisecond, func() { echoNumber(req, w) })
				case 'n': // after noise and a foreign frame, in pieces
					for _, piece := range []string{"x", "f0a", "n", "over"} {
						_, _ = io.WriteString(w, piece)
						time.Sleep(time.Millisecond)
					}
				case 'u':
					_, _ = io.WriteString(w, "ok")
				case 'b': // breaks off
					_, _ = io.WriteString(w, "a")
				case 'e': // its echo
					_, _ = w.Write(req)
					echoNumber(req, w)
				case 'h': // hangs up
					_ = w.(net.Conn).Close()
				default:
					echoNumber(req, w)
				}
			})
		}, func(b *Bus) {
			for _, n := range []byte("1slnube") {
				req := ask(n, Visible)
				if n == 'u' {
					req.Match = nil
				}
				_, _ = b.Do(t.Context(), req)
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(echoRetry)
			_, _ = b.Do(t.Context(), ask('h', Visible))
			time.Sleep(time.Second)
			unknown := ask('2', Visible)
			unknown.Device = "unknown"
			_, _ = b.Do(t.Context(), unknown)
		})
		all := Replay(records, []Decoder{toy{from}})
		want := []struct {
			device, answer string
			now            Outcome
		}{
			{"1", "a1", Answered}, {"s", "", Silent}, {"l", "al", AnsweredLate}, {"n", "an", Answered}, {"u", "ok", Listened},
			{"b", "", Silent}, {"e", "", Echoed}, {"h", "", Broken}, {"unknown", "", Undecoded},
		}
		if len(all) != len(want) {
			t.Fatalf("%d requests concluded; want %d: %+v", len(all), len(want), all)
		}
		for i, c := range all {
			w := want[i]
			if c.Device != w.device || string(c.Answer) != w.answer || c.Now != w.now || c.Line != "rs485-1" {
				t.Errorf("concluded %+v; want %+v", c, w)
			}
			if known := w.device != "unknown"; c.Differs == known || known && c.Then != c.Now || known && c.Explained == "" {
				t.Errorf("%+v; want it as it was then", c)
			}
		}
		// another driver concludes something else, and that shows
		deaf := func(byte) Matcher { return func([]byte) (Verdict, int) { return Bad, 1 } }
		if c := Replay(records, []Decoder{toy{deaf}})[0]; !c.Differs || c.Now != Silent || c.Then != Answered {
			t.Errorf("with another Matcher: %+v; want it to differ", c)
		}
	})
}

// Where the recording begins or ends in the middle of a request, nothing is said to differ.
func TestReplayOfAPart(t *testing.T) {
	records := []Record{
		{Kind: LineIs, Text: "a"},
		{Kind: BytesReceived, Bytes: []byte("a0")},
		{Kind: Ended, Outcome: Answered, Bytes: []byte("a0")},
		{Kind: FrameSent, Device: "1", Bytes: request('1')},
		{Kind: BytesReceived, Bytes: []byte("a1")},
		{Kind: LineIs, Text: "b"},
		{Kind: FrameSent, Device: "2", Bytes: request('2')},
	}
	all := Replay(records, []Decoder{toy{from}})
	if len(all) != 2 || all[0].Now != Answered || all[1].Now != Silent || all[0].Differs || all[1].Differs || all[1].Line != "b" {
		t.Errorf("Replay() = %+v; want two, neither differing", all)
	}
}

// FuzzBus has a peer that may say anything at any time. Each byte of script is a pause, a word of the toy protocol or a byte
// of its own. No answer is another request's or came without one's own word, no call takes longer than its times, and a replay
// of the recording agrees.
func FuzzBus(f *testing.F) {
	f.Add([]byte("a1a1a1a1a1"), false)
	f.Add([]byte{'q', '1', 'a', '1', 3, 'a', '2', 200, 'f', 'f', 255, 'a', 250, '3', 'q', '4'}, false)
	f.Add([]byte{'q', '1', 'a', '1', 'q', '2', 'x', 'a', '2', 240, 240, 'q'}, true)
	f.Fuzz(func(t *testing.T, script []byte, echo bool) {
		if len(script) > 512 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			over := make(chan struct{})
			records := recorded(t, Config{Echo: echo}, func(far net.Conn) {
				go func() { _, _ = io.Copy(io.Discard, far) }()
				go func() {
					defer far.Close()
					for _, b := range script {
						if b >= 200 {
							select {
							case <-time.After(time.Duration(b-199) * 10 * time.Millisecond):
								continue
							case <-over:
								return
							}
						}
						if _, err := far.Write([]byte{b}); err != nil {
							return
						}
					}
					<-over
				}()
			}, func(b *Bus) { fuzzed(t, b) })
			close(over)
			synctest.Wait()
			for _, c := range Replay(records, []Decoder{toy{from}}) {
				if c.Differs {
					t.Errorf("replayed: %+v", c)
				}
			}
		})
	})
}

// fuzzed asks a bus whose peer says anything.
func fuzzed(t *testing.T, b *Bus) {
	for i := range 12 {
		n := byte('1' + i%4)
		req := ask(n, Priority(i%int(priorities)))
		if i%5 == 4 {
			req = Request{Device: "u", Source: "u", Priority: Actuation, Frame: request('u'), Timeout: 200 * time.Millisecond}
		}
		start := time.Now()
		a, err := b.Do(t.Context(), req)
		if took := time.Since(start); took > time.Second+maxSettle+100*time.Millisecond {
			t.Errorf("Do() took %v", took)
		}
		switch {
		case err == nil && req.Match != nil && string(a.Frame) != "a"+string(n):
			t.Errorf("Do(%c) = %q", n, a.Frame)
		case err != nil && !errors.Is(err, drivers.ErrSilent) && !errors.Is(err, drivers.ErrGone):
			t.Errorf("Do(%c) = %v", n, err)
		case err != nil && strings.Count(err.Error(), "bus rs485-1") != 1:
			t.Errorf("Do(%c) = %v; want the line named once", n, err)
		}
	}
}
