package ingest

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Logged is one event as it stands in the log.
type Logged struct {
	Pos      int64 // cloud-wide, unique; see Events for the order
	Gateway  string
	Site     string
	Name     wire.Name // under which it was logged
	First    wire.Name // under which it takes effect: its first name if it was appended again, else Name
	Hash     wire.Hash // chain hash after it
	Event    wire.Event
	Received time.Time // by the cloud's clock
	Told     bool      // people were told before: project, do not notify
	Newest   bool      // to Project only: no event of this subject with a higher (epoch, version) has come yet
}

// Projection turns events into a module's tables. Project is called once for each event that takes effect, in the
// transaction that logs it, in no order but that of the segment: for a state, act only if Newest. It must read and write
// with tx alone. An error undoes what this call did; the event stays logged and is marked until Rebuild.
type Projection interface {
	Name() string
	Project(ctx context.Context, tx *store.Tx, l Logged) error
}

// Resetter is a Projection that can empty its tables before Rebuild projects everything again.
type Resetter interface {
	Reset(ctx context.Context, tx *store.Tx) error
}

// Options of an Ingest. The zero value works.
type Options struct {
	TellAgain time.Duration    // an event marked delivered and older than this was told already; 0 means 10 min
	Queue     int              // messages that may wait in each partition; 0 means 32
	Patience  time.Duration    // how long Offer waits for room; 0 means 5 s
	Batch     int              // most messages of one transaction; 0 means 128
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil: silent
}

// Ingest takes blocks and pulses. Several of them, in one process or many, may share a database.
type Ingest struct {
	db          *store.DB
	fleet       *fleet.Fleet
	projections []Projection
	o           Options
	slots       [wire.Partitions]chan struct{}
	inputs      chan input

	mu      sync.Mutex
	counts  map[string]int64
	changed chan struct{} // closed at the next commit
}

// New makes an Ingest over a database whose tables Migrate has made.
func New(db *store.DB, f *fleet.Fleet, projections []Projection, o Options) *Ingest {
	if db == nil || f == nil {
		panic("ingest: New needs a database and a fleet")
	}
	o = o.withDefaults()
	i := &Ingest{
		db: db, fleet: f, o: o, counts: map[string]int64{}, changed: make(chan struct{}),
		inputs: make(chan input, o.Queue*wire.Partitions),
	}
	i.projections = append([]Projection{boxes{fleet: f, now: o.Now}}, projections...)
	for p := range i.slots {
		i.slots[p] = make(chan struct{}, o.Queue)
	}
	return i
}

func (o Options) withDefaults() Options {
	if o.TellAgain == 0 {
		o.TellAgain = 10 * time.Minute
	}
	if o.Queue == 0 {
		o.Queue = 32
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Batch == 0 {
		o.Batch = 128
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error { return db.Migrate(ctx, "ingest", migrations) }

// Changed gives a channel that is closed after the next commit of this process. Take the channel, read with Events, then
// wait for it. Another replica's commits do not close it: followers also look by themselves from time to time.
func (i *Ingest) Changed() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.changed
}

func (i *Ingest) wake() {
	i.mu.Lock()
	defer i.mu.Unlock()
	close(i.changed)
	i.changed = make(chan struct{})
}

// Counts are how often what has happened since the start: events, blocks, pulses, and by its reason what was not taken.
func (i *Ingest) Counts() map[string]int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.counts)
}

func (i *Ingest) count(what map[string]int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for k, n := range what {
		i.counts[k] += n
	}
}

// reason is the code under which an error of a payload is counted.
func reason(err error) string {
	for _, r := range []struct {
		err  error
		code string
	}{
		{wire.ErrSignature, "signature"}, {wire.ErrSize, "size"}, {wire.ErrFormat, "format"}, {wire.ErrContext, "context"},
		{fleet.ErrUnknown, "unknown"}, {fleet.ErrHole, "hole"}, {fleet.ErrFork, "fork"}, {fleet.ErrLost, "lost"},
		{wire.ErrChain, "chain"},
	} {
		if errors.Is(err, r.err) {
			return r.code
		}
	}
	return "failed"
}
