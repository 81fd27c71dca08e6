package uplink

import (
	"context"
	"fmt"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/document"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func segmentOf(h wire.Head, number uint64) rules.Segment {
	return rules.Segment{Epoch: h.Epoch, Stream: h.Stream, Number: number}
}

func TestFirstContact(t *testing.T) {
	w := newWorld(t, 1)
	w.append(wire.Audit, 3)
	w.connect()
	w.run(time.Minute)
	w.view(func(tx *store.Tx) error {
		d, err := document.Load(tx)
		if d.Version != w.cloud.version || d.Policy.StayHours != 10 || w.apply != 1 {
			t.Errorf("state %+v, told of %d", d.Version, w.apply)
		}
		return err
	})
	r := w.clock.Now()
	if off := r.Time.Sub(w.now()).Abs(); off > time.Second || r.Quality != wire.FromAnswer {
		t.Errorf("clock is off by %s, %s", off, r.Quality)
	}
	for len(w.pipe) > 0 {
		w.step()
	}
	before := len(w.cloud.pulses)
	w.cloud.issue(11)
	w.send(packet{wire.StateTopic(site), w.cloud.root})
	w.send(packet{wire.StateTopic(site), w.cloud.parts[0]})
	w.step()
	w.step()
	w.step()
	if p := w.cloud.pulses; w.apply != 2 || len(p) != before+1 || p[before].State != w.cloud.version {
		t.Errorf("a changed document was not applied and told at once: %d pulses more", len(p)-before)
	}
	w.settle()
	if n := w.count("blocks_again"); n != 0 {
		t.Errorf("%d blocks were sent again on a sound link", n)
	}
}

// invariants 3, 4, 14
func TestEverythingArrivesOnce(t *testing.T) {
	for seed := range uint64(12) {
		var traces []string
		for range 2 { // two runs of a seed leave the same trace
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				cryptotest.SetGlobalRandom(t, seed)
				w := newWorld(t, seed)
				w.fault = 0.15
				w.cloud.pages = 1 + int(seed%3)
				for range 40 {
					switch w.rng.IntN(8) {
					case 0:
						w.append(wire.Audit, 1+w.rng.IntN(400))
					case 1:
						w.append(wire.Telemetry, 1+w.rng.IntN(400))
					case 2:
						w.append(wire.Audit, 1)
					case 3:
						if w.link {
							w.cut()
						}
					case 4:
						w.restart()
					case 5:
						if !w.link {
							w.connect()
						}
					default:
						w.run(time.Duration(w.rng.IntN(90)) * time.Second)
					}
				}
				w.settle()
				if w.lost == 0 {
					t.Error("nothing was lost: the broker behaves")
				}
				if w.epoch() != 1 {
					t.Errorf("epoch %d: nothing was put back", w.epoch())
				}
				traces = append(traces, fmt.Sprintf("%x %s", w.sent.Sum(nil), w.mono))
			})
		}
		if len(traces) == 2 && traces[0] != traces[1] {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}

// invariant 3: a cloud restored from yesterday asks again and gets everything, also what was delivered long ago
func TestRestoredCloud(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t, seed)
		w.connect()
		w.append(wire.Audit, 300)
		w.run(2 * time.Minute)
		yesterday := w.cloud.backup()
		for range 4 {
			w.append(wire.Audit, 700)
			w.append(wire.Telemetry, 300)
			w.run(2 * time.Minute)
			w.cut()
			w.connect()
		}
		w.settle()
		w.cloud.restore(yesterday)
		w.settle()
		w.cloud.restore(newCloud(t).backup()) // all of it
		w.settle()
		if w.epoch() != 1 {
			t.Errorf("epoch %d: a restored cloud is no fork", w.epoch())
		}
	}
}

// invariant 4: a disk put back by some events starts a new epoch, and what happens after takes effect once
func TestRolledBackDisk(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, seed)
		w.fault = 0.05
		w.connect()
		w.append(wire.Audit, 1+w.rng.IntN(500))
		w.append(wire.Telemetry, 5)
		w.run(3 * time.Minute)
		image, ids := w.snapshot()
		w.append(wire.Audit, 10)
		if seed%2 == 1 { // across the end of a segment
			w.cut()
			w.append(wire.Audit, 250)
			w.connect()
		}
		w.run(3 * time.Minute)
		w.putBack(image, ids)
		w.append(wire.Audit, 1+int(seed)*2)
		w.connect()
		w.settle()
		if w.epoch() != 2 || w.count("forks") != 1 {
			t.Errorf("seed %d: epoch %d, %d forks", seed, w.epoch(), w.count("forks"))
		}
		w.putBack(image, w.ids) // and again, across the epoch: nothing of the new one is held
		w.append(wire.Telemetry, 7)
		w.connect()
		w.settle()
		if w.epoch() != 3 {
			t.Errorf("seed %d: epoch %d after the second time", seed, w.epoch())
		}
	}
}

func TestBrokerThatForgets(t *testing.T) {
	w := newWorld(t, 3)
	w.connect()
	for range 30 {
		w.append(wire.Audit, 50)
		w.pipe = nil
		w.run(5 * time.Second)
	}
	w.settle()
}

// invariant 3: neither an acknowledged publish nor a hint marks anything delivered
func TestOnlyTheAnswerDelivers(t *testing.T) {
	w := newWorld(t, 1)
	w.connect()
	w.run(3 * time.Minute)
	w.append(wire.Audit, 20)
	for len(w.pipe) > 0 { // the cloud takes it and hints
		w.step()
	}
	if got := w.undelivered(); got != 20 || w.cloud.effects[20] != 1 {
		t.Errorf("%d undelivered before the answer; want 20", got)
	}
	w.run(2 * time.Minute)
	if got := w.undelivered(); got != 0 {
		t.Errorf("%d undelivered after the answer", got)
	}
	image, _ := w.snapshot()
	if len(image) == 0 || w.held() < 20 {
		t.Error("delivered events were deleted")
	}
	// A forged hint moves the window to the head: nothing is sent, and the next answer brings it back.
	w.cut()
	w.append(wire.Audit, 20)
	w.connect()
	w.pipe = nil
	var h wire.Head
	w.view(func(tx *store.Tx) error { heads, err := tx.Heads(); h = heads[0]; return err })
	w.handle(Message{Topic: wire.PositionTopic(site), Payload: wire.Raw(wire.Hint{
		Epoch: h.Epoch, Stream: h.Stream, Position: wire.Position{Segment: h.Segment, Seq: h.Seq, Hash: h.Hash}})})
	if got := w.undelivered(); got != 20 {
		t.Errorf("%d undelivered after a hint; want 20", got)
	}
	w.settle()
	w.append(wire.Audit, 1)
	w.handle(Message{Topic: wire.PositionTopic(site), Payload: wire.Raw(wire.Hint{
		Epoch: h.Epoch, Stream: h.Stream, Position: wire.Position{Segment: h.Segment, Seq: h.Seq + 1, Hash: h.Hash}})})
	if w.count("hints_refused") != 1 {
		t.Error("a hint of another chain was believed")
	}
}

// held counts the events of the living audit stream.
func (w *world) held() (n uint64) {
	w.view(func(tx *store.Tx) error {
		segments, err := tx.Segments(tx.Epoch(), wire.Audit)
		for _, g := range segments {
			n += g.Last
		}
		return err
	})
	return n
}

// invariants 9 and 11: what is not a sound answer to the newest pulse is counted and changes nothing
func TestForgedAnswersChangeNothing(t *testing.T) {
	w := newWorld(t, 1)
	w.connect()
	w.append(wire.Audit, 5)
	w.run(3 * time.Minute)
	old := w.cloud.pulses[len(w.cloud.pulses)-1]
	w.append(wire.Audit, 5)
	w.pipe = nil
	w.mono = w.up.pulseDue
	w.handle(Tick{})
	var newest wire.Pulse
	if err := wire.Open(public(boxKey), wire.ContextPulse, w.pipe[0].payload, &newest); err != nil {
		t.Fatal(err)
	}
	var h wire.Head
	w.view(func(tx *store.Tx) error { heads, err := tx.Heads(); h = heads[0]; return err })
	answer := func(fn func(*wire.Answer)) wire.Answer {
		a := w.cloud.answer(newest, w.now().Add(time.Hour))[0]
		a.Rows = []wire.Row{{Epoch: 1, Stream: wire.Audit, Partial: []wire.Position{{Segment: 1, Seq: h.Seq, Hash: h.Hash}}}}
		fn(&a)
		return a
	}
	same := func(*wire.Answer) {}
	tests := []struct {
		name, counter string
		payload       []byte
	}{
		{"another key", "answers_refused_signature", sign(t, stateKey, wire.ContextAnswer, answer(same))},
		{"the state key", "answers_refused_key", sign(t, stateKey, wire.ContextAnswer, answer(func(a *wire.Answer) { a.Key = "s1" }))},
		{"another context", "answers_refused_signature", sign(t, answerKey, wire.ContextState, answer(same))},
		{"an ended key", "answers_refused_key", sign(t, key(9), wire.ContextAnswer, answer(func(a *wire.Answer) { a.Key = "a0" }))},
		{"another gateway", "answers_refused_gateway", sign(t, answerKey, wire.ContextAnswer, answer(func(a *wire.Answer) { a.Gateway = "site-2" }))},
		{"an older pulse", "answers_refused_nonce", sign(t, answerKey, wire.ContextAnswer, answer(func(a *wire.Answer) { a.Nonce = old.Nonce }))},
		{"no nonce", "answers_refused_nonce", sign(t, answerKey, wire.ContextAnswer, answer(func(a *wire.Answer) { a.Nonce = "" }))},
		{"page beyond", "answers_refused_page", sign(t, answerKey, wire.ContextAnswer, answer(func(a *wire.Answer) { a.Page = 2 }))},
		{"oversized", "oversized_dropped", make([]byte, wire.MaxMessage+1)},
		{"garbage", "answers_refused_format", []byte("{}\n\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, floor := w.count(tt.counter), w.clock.Floor()
			w.handle(Message{Topic: wire.AnswerTopic(site), Payload: tt.payload})
			if w.count(tt.counter) != n+1 || w.undelivered() != 5 || w.clock.Floor() != floor {
				t.Errorf("counted %d, undelivered %d, clock moved by %s", w.count(tt.counter)-n, w.undelivered(), w.clock.Floor().Sub(floor))
			}
		})
	}
	good := sign(t, answerKey, wire.ContextAnswer, answer(func(a *wire.Answer) { a.Time = wire.At(w.now()) }))
	w.handle(Message{Topic: wire.AnswerTopic(site), Payload: good, Retained: true})
	if w.undelivered() != 5 || w.count("retained_dropped") != 1 {
		t.Error("a retained answer was taken")
	}
	w.mono += wire.AnswerSeconds*time.Second + 1
	w.handle(Message{Topic: wire.AnswerTopic(site), Payload: good})
	if w.undelivered() != 5 || w.count("answers_refused_late") != 1 {
		t.Error("a late answer was taken")
	}
	w.mono -= 2
	w.handle(Message{Topic: wire.AnswerTopic(site), Payload: good})
	if w.undelivered() != 0 {
		t.Error("the sound answer was not taken")
	}
	n := w.count("answers_refused_nonce")
	w.handle(Message{Topic: wire.AnswerTopic(site), Payload: good})
	if w.count("answers_refused_nonce") != n+1 {
		t.Error("an answer counted twice")
	}
}

// invariant 13: what is in flight is bounded, and what happens now does not wait for a backlog
func TestWindowIsBoundedAndNowGoesFirst(t *testing.T) {
	w := newWorld(t, 1)
	w.connect()
	w.run(3 * time.Minute)
	w.cut()
	for range 20 {
		w.append(wire.Audit, 3000)
		w.append(wire.Telemetry, 3000)
	}
	w.connect()
	w.pipe = nil // nothing arrives
	for range 30 {
		w.mono += time.Millisecond
		w.append(wire.Telemetry, 300)
	}
	if limit := 2 * wire.MaxMessage; w.most > limit {
		t.Errorf("%d bytes in flight beyond the window; want at most %d", w.most, limit)
	}
	w.pipe = nil
	w.append(wire.Audit, 1)
	id := w.ids
	for n := 0; w.cloud.effects[id] == 0; n++ {
		if len(w.pipe) == 0 || n > 40 {
			t.Fatalf("after %d messages what has just happened is not in the cloud", n)
		}
		w.step()
	}
	w.run(time.Hour)
	w.settle()
}

// invariants 9 and 13: what came on the command topic is handed on, unless it is retained, too large or somebody else's; a
// service that takes nothing holds nobody up
func TestCommandsAreHandedOn(t *testing.T) {
	w := newWorld(t, 1)
	inbox := make(chan []byte, 2) // of a service that stands still
	w.up.deps.Command = func(p []byte) {
		select {
		case inbox <- p:
		default:
			w.up.Count("commands_dropped")
		}
	}
	w.connect()
	topic := wire.CommandTopic(site)
	w.handle(Message{Topic: topic, Payload: []byte("a"), Retained: true})
	w.handle(Message{Topic: topic, Payload: make([]byte, wire.MaxMessage+1)})
	w.handle(Message{Topic: wire.CommandTopic("site-2"), Payload: []byte("a")})
	w.handle(Message{Topic: wire.ChallengeTopic(site), Payload: []byte("a")})
	if len(inbox) != 0 || w.count("retained_dropped") != 1 || w.count("oversized_dropped") != 1 || w.count("topics_dropped") != 2 {
		t.Errorf("%d handed on, counters %v", len(inbox), w.up.Status().Counters)
	}
	for range 100 {
		w.handle(Message{Topic: topic, Payload: []byte("b")})
	}
	if string(<-inbox) != "b" || w.count("commands_dropped") != 98 {
		t.Errorf("%d dropped; want 98", w.count("commands_dropped"))
	}
	w.append(wire.Audit, 5)
	w.settle() // everything else goes on
}

func TestPublishForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.clock = clock.New(w.store.Boot(), time.Time{}, clock.System())
		w.up.deps.Clock = w.clock
		l := &pipeLink{out: make(chan packet, 100), lost: make(chan struct{}), quit: make(chan struct{})}
		topic := wire.ChallengeTopic(site)
		for range outboxSize + 3 { // nobody takes them yet: never blocks
			w.up.Publish(topic, []byte("early"))
		}
		if n := w.count("publish_dropped"); n != 3 {
			t.Errorf("%d dropped; want 3", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		dialled := false
		go func() {
			ended <- w.up.Run(ctx, func(ctx context.Context, _ []byte, _ func(Message)) (Connection, error) {
				if dialled {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				dialled = true
				<-time.After(time.Second)
				return l, nil
			})
		}()
		synctest.Wait() // not connected: what waited is gone, since a challenge is for now or never
		if n := w.count("publish_dropped"); n != 3+outboxSize {
			t.Errorf("%d dropped; want %d", n, 3+outboxSize)
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		w.up.Publish(topic, []byte("now"))
		synctest.Wait()
		sent := 0
		for len(l.out) > 0 {
			if p := <-l.out; p.topic == topic {
				sent++
				if string(p.payload) != "now" {
					t.Errorf("sent %q", p.payload)
				}
			}
		}
		if sent != 1 {
			t.Errorf("%d challenges sent; want 1", sent)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// The floor that a ticket's issue time has raised is kept as an answer's is. // invariant 5
func TestRaisedFloorIsKept(t *testing.T) {
	w := newWorld(t, 1)
	raised := epochOfTime.AddDate(0, 1, 0)
	w.clock.Issued(raised)
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return KeepFloor(tx, w.clock) }); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if got := w.clock.Floor(); got.Before(raised) {
		t.Errorf("floor %s after a restart; want %s", got, raised)
	}
}

func TestCommandsWithoutATakerAreDropped(t *testing.T) {
	w := newWorld(t, 1)
	w.connect()
	w.handle(Message{Topic: wire.CommandTopic(site), Payload: []byte("{}")})
	w.handle(Message{Topic: wire.CommandTopic("site-2"), Payload: []byte("{}")})
	w.handle(Message{Topic: wire.PulseTopic(site), Payload: []byte("{}")})
	if w.count("commands_dropped") != 1 || w.count("topics_dropped") != 2 {
		t.Errorf("counters %v", w.up.Status().Counters)
	}
}

func TestFloorSurvivesRestart(t *testing.T) {
	w := newWorld(t, 1)
	w.connect()
	w.run(3 * time.Minute)
	w.cut()
	w.run(2 * time.Hour)
	floor := w.clock.Floor()
	w.restart()
	if lost := floor.Sub(w.clock.Floor()); lost > floorEvery+time.Minute || w.clock.Now().Quality != wire.Uncertain {
		t.Errorf("the floor fell by %s, quality %s", lost, w.clock.Now().Quality)
	}
}
