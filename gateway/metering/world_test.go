package metering

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	every     = time.Hour
	answers   = 30 * time.Millisecond // of a meter on its line
	givesUp   = 2 * time.Second       // what a silent meter costs its line
	rollsOver = 1_000_000
)

// line carries meter at a time, or the test fails.
type line struct {
	t    *testing.T
	mu   sync.Mutex
	busy bool
	log  []string // who was asked, in order
}

func (l *line) take(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy {
		l.t.Errorf("%s is asked while another one is", who)
	}
	l.busy, l.log = true, append(l.log, who)
}

func (l *line) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
}

func (l *line) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	log := l.log
	l.log = nil
	return log
}

// meter behaves like one: gas flows through it, it answers after a while, and it can fail.
type meter struct {
	id   string
	line *line

	mu     sync.Mutex
	serial string
	litres int64
	hourly int64
	since  time.Time
	fault  error
	faults int // so many tries fail; -1: all
	wait   time.Duration
	flags  []string
	silent int
	online bool
}

func (m *meter) with(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.litres = m.total()
	m.since = time.Now()
	fn()
}

func (m *meter) total() int64 {
	return (m.litres + int64(time.Since(m.since)/time.Second)*m.hourly/3600) % rollsOver
}

// Read implements drivers.Meter.
func (m *meter) Read(ctx context.Context) (drivers.Reading, error) {
	m.line.take(m.id)
	defer m.line.give()
	m.mu.Lock()
	wait, fault := m.wait, m.fault
	if m.faults == 0 {
		fault = nil
	}
	if m.faults > 0 {
		m.faults--
	}
	m.mu.Unlock()
	if fault != nil {
		wait = givesUp
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return drivers.Reading{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if fault != nil {
		m.silent++
		m.online = m.silent < 3
		return drivers.Reading{}, fmt.Errorf("meter %s: %w", m.id, fault)
	}
	m.silent, m.online = 0, true
	return drivers.Reading{At: time.Now(), Serial: m.serial, Litres: m.total(), Range: rollsOver, Qmax: 6000, Flags: m.flags}, nil
}

// Health implements drivers.Watched.
func (m *meter) Health() []drivers.Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []drivers.Health{{Device: "meter/" + m.id, Online: m.online, Silent: m.silent}}
}

// building is a gateway with meters on two lines: m-1 to m-3 on a, m-4 on b.
type building struct {
	t       *testing.T
	path    string
	store   *store.Store
	clock   *clock.Clock
	service *Service
	lines   map[string]*line
	meters  map[string]*meter
	config  Config
	jitter  func(time.Duration) time.Duration
	quit    func()
	done    chan error
}

func newBuilding(t *testing.T) *building {
	t.Helper()
	b := &building{
		t: t, path: filepath.Join(t.TempDir(), "gateway.db"), lines: map[string]*line{"a": {t: t}, "b": {t: t}}, meters: map[string]*meter{},
		config: Config{Every: every}, jitter: func(time.Duration) time.Duration { return 0 },
	}
	for i, l := range []string{"a", "a", "a", "b"} {
		m := &meter{id: fmt.Sprintf("m-%d", i+1), line: b.lines[l], serial: fmt.Sprint(10000001 + i), litres: 500_000, hourly: 60, since: time.Now(), wait: answers, online: true}
		b.meters[m.id] = m
		b.config.Meters = append(b.config.Meters, Meter{ID: m.id, Line: l, Serial: m.serial})
	}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *building) start() {
	b.t.Helper()
	var err error
	if b.store, err = store.Open(b.path, store.Options{Gateway: "gw-test", NoSync: true}); err != nil {
		b.t.Fatal(err)
	}
	began := time.Now()
	b.clock = clock.New(b.store.Boot(), began.Add(-time.Minute), func() (time.Time, time.Duration) { return time.Now(), time.Since(began) })
	b.clock.Answered(began, 0, 0)
	meters := map[string]drivers.Meter{}
	for id, m := range b.meters {
		meters[id] = m
	}
	b.service, err = New(Deps{Store: b.store, Clock: b.clock, Meters: meters, Jitter: b.jitter}, b.config)
	if err != nil {
		b.t.Fatal(err)
	}
	var ctx context.Context
	ctx, b.quit = context.WithCancel(b.t.Context())
	b.done = make(chan error, 1)
	go func() { b.done <- b.service.Run(ctx) }()
	synctest.Wait()
}

func (b *building) stop() {
	b.quit()
	if err := <-b.done; err != nil {
		b.t.Error(err)
	}
	if err := b.store.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *building) restart() {
	b.t.Helper()
	b.stop()
	b.start()
}

func (b *building) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// told is one event of a meter.
type told struct {
	wire.Event
	wire.Reading
	meter string
}

// events are all that stands in a stream.
func events(t *testing.T, tx *store.Tx, stream wire.Stream) (all []wire.Event) {
	t.Helper()
	segments, err := tx.Segments(tx.Epoch(), stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		for from := uint64(1); from <= s.Last; {
			block, err := tx.Block(tx.Epoch(), stream, s.Number, from, wire.BlockEvents, wire.MaxMessage)
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range block.Events {
				ev, err := wire.DecodeEvent(raw)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, ev)
			}
			from = block.Last() + 1
		}
	}
	return all
}

func readings(t *testing.T, tx *store.Tx) (all []told) {
	t.Helper()
	for _, ev := range events(t, tx, wire.Telemetry) {
		r := told{Event: ev, meter: ev.Subject[len("meter/"):]}
		if err := json.Unmarshal(ev.Data, &r.Reading); err != nil || ev.Type != wire.MeterRead {
			t.Fatalf("%s: %v", ev.Type, err)
		}
		all = append(all, r)
	}
	return all
}

// readings are all readings of a meter.
func (b *building) readings(id string) (all []told) {
	b.t.Helper()
	err := b.store.View(func(tx *store.Tx) error {
		for _, r := range readings(b.t, tx) {
			if r.meter == id {
				all = append(all, r)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// newest is the newest reading of a meter.
func (b *building) newest(id string) told {
	b.t.Helper()
	all := b.readings(id)
	if len(all) == 0 {
		b.t.Fatalf("no reading of %s", id)
	}
	return all[len(all)-1]
}

func (b *building) shown(id string) Reading {
	b.t.Helper()
	for _, r := range b.service.View().Meters {
		if r.Meter == id {
			return r
		}
	}
	b.t.Fatalf("%s is not shown", id)
	return Reading{}
}
