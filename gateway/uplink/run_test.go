package uplink

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// pipeLink is a connection whose other end is the test's cloud, in a bubble.
type pipeLink struct {
	out  chan packet
	lost chan struct{}
	quit chan struct{}
	done sync.WaitGroup
}

func (l *pipeLink) Publish(topic string, payload []byte) bool {
	select {
	case l.out <- packet{topic, payload}:
		return true
	default:
		return false
	}
}

func (l *pipeLink) Lost() <-chan struct{} { return l.lost }

func (l *pipeLink) Close() {
	close(l.quit)
	l.done.Wait()
}

func TestRunReconnectsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		start := time.Now()
		w.clock = clock.New(w.store.Boot(), time.Time{}, clock.System())
		w.up.deps.Clock = w.clock
		w.up.deps.Jitter = func(d time.Duration) time.Duration { return d / 2 }
		var links []*pipeLink
		refuse := 3 // dials
		dial := func(_ context.Context, will []byte, deliver func(Message)) (Connection, error) {
			var p wire.Pulse
			if err := wire.Open(public(boxKey), wire.ContextPulse, will, &p); err != nil || !p.Will || p.Gateway != site || p.Nonce == "" {
				t.Errorf("last will %+v: %v", p, err)
			}
			if refuse--; refuse >= 0 {
				return nil, errors.New("no route")
			}
			l := &pipeLink{out: make(chan packet, 100), lost: make(chan struct{}), quit: make(chan struct{})}
			links = append(links, l)
			l.done.Go(func() {
				for {
					select {
					case p := <-l.out:
						for _, q := range w.cloud.take(p, epochOfTime.Add(time.Since(start))) {
							deliver(Message{Topic: q.topic, Payload: q.payload})
						}
					case <-l.quit:
						return
					}
				}
			})
			return l, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.up.Run(ctx, dial) }()
		happen := func(n int) {
			err := w.store.Update(ctx, func(tx *store.Tx) error {
				for range n {
					w.ids++
					ev := wire.Event{Type: happened, Subject: "thing/1", Data: wire.Raw(map[string]int{"ID": w.ids})}
					if _, err := tx.Append(wire.Audit, ev); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		happen(5)
		time.Sleep(5 * time.Minute) // the bubble's: three refused dials, then pulses
		synctest.Wait()
		if len(links) != 1 || !w.up.Status().Connected || w.count("dials_failed") != 3 {
			t.Errorf("%d links, %+v", len(links), w.up.Status())
		}
		happen(3)
		close(links[0].lost)
		synctest.Wait()
		if w.up.Status().Connected {
			t.Error("connected after the link was lost")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(links) != 2 {
			t.Errorf("%d links after a lost one", len(links))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		w.check()
	})
}

func TestRunEndsWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.clock = clock.New(1, epochOfTime, clock.System())
		w.up.deps.Clock = w.clock
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		err := w.up.Run(t.Context(), func(ctx context.Context, _ []byte, _ func(Message)) (Connection, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("Run = %v; want %v", err, store.ErrClosed)
		}
	})
}
