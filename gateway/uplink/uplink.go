// Package uplink keeps gateway and cloud level over MQTT: it sends what the cloud lacks of the log and takes answers,
// positions and the state document (docs/wire.md).
//
// One loop takes one input at a time (Handle); connections, messages, time, chance and the store are handed in, so
// that a simulation can drive it. A broker is a pipe: that a message was published or acknowledged proves nothing, and
// only the cloud's signed answer to the newest pulse marks events delivered, moves positions back or moves the clock's
// floor. Being delivered deletes nothing; retention is the store's.
//
// What comes on the command topic is handed on unread (Deps.Command): who may open what is judged by the services, and a
// challenge goes up by Publish.
package uplink

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink/rules"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds (invariant 13).
const (
	inboxLength = 256              // messages waiting for the loop; more are dropped and counted
	pulseEvery  = 45 * time.Second // plus up to pulseJitter
	pulseJitter = 30 * time.Second
	hurryFirst  = 2 * time.Second // to the next pulse while something is missing; doubles
	hurryShift  = 5
	floorEvery  = 10 * time.Minute // between writes of the clock's floor without an answer
	backlog     = wire.BlockEvents // undelivered events in the newest segment that make a connection seal it
	maxMissing  = 256              // hashes in a pulse
	maxPump     = 256              // blocks one input may send
	maxTold     = 192              // positions in a pulse: with maxMissing, half of a message at most
	outboxSize  = 16               // messages of others waiting for the loop; more are dropped and counted
	reconnect   = 2 * time.Minute  // longest wait before dialling again
)

// Config says who this box is.
type Config struct {
	Gateway string
	Version string             // of the program, for the pulse
	Key     ed25519.PrivateKey // signs events and pulses
	RootKey ed25519.PublicKey  // the offline root key, which signs the key set
}

// Deps are what an Uplink works with. All but Health, Applied and Command are needed.
type Deps struct {
	Store  *store.Store
	Clock  *clock.Clock
	Log    *slog.Logger
	Jitter func(most time.Duration) time.Duration // uniform in [0, most)
	Health func() wire.Health                     // for the pulse; nil: none. Called by the loop
	// Applied is called by the loop after a state document came into force; it must not block. nil: nobody is told.
	Applied func()
	// Command is called by the loop with what came on the command topic; it must not block. nil: it is dropped.
	Command func(payload []byte)
}

// Link is one living connection to the broker.
type Link interface {
	// Publish hands over a message and returns at once; false: there was no room for it.
	Publish(topic string, payload []byte) bool
}

// Input is one thing that happened: Connected, Disconnected, Message, Outgoing, Appended, StateApplied or Tick.
type Input interface{ input() }

// The inputs.
type (
	// Connected says that a link is up and subscribed.
	Connected struct{ Link Link }
	// Disconnected says that the link is gone.
	Disconnected struct{}
	// Message is what came on a topic.
	Message struct {
		Topic    string
		Payload  []byte
		Retained bool
	}
	// Outgoing is a message that a service has to say now or never.
	Outgoing struct {
		Topic   string
		Payload []byte
	}
	// Appended says that the log has grown.
	Appended struct{}
	// StateApplied says that a state document came into force by another way than this link.
	StateApplied struct{}
	// Tick says that the time Due gave has come.
	Tick struct{}
)

func (Connected) input()    {}
func (Disconnected) input() {}
func (Message) input()      {}
func (Outgoing) input()     {}
func (Appended) input()     {}
func (StateApplied) input() {}
func (Tick) input()         {}

// Uplink is the loop's state. Handle and Due belong to the one goroutine that drives it; Will, Status, Publish and Count
// may be called from any.
type Uplink struct {
	config Config
	deps   Deps
	log    *slog.Logger
	status status
	outbox chan Outgoing

	counter atomic.Uint64 // of the last pulse

	link     Link
	first    uint64 // counter of the connection's first pulse
	sender   *rules.Sender
	asked    rules.Asked
	fresh    bool   // no answer accepted since boot
	serial   string // of the last answer accepted
	named    wire.StateVersion
	keys     uint64 // version of the key set that the last answer names
	refused  string // code of the last state document refused
	told     string // what the newest pulse said of that
	hurried  int    // early pulses in a row
	pulseDue time.Duration
	floorDue time.Duration
}

// New makes the uplink of one boot.
func New(c Config, d Deps) *Uplink {
	return &Uplink{
		config: c, deps: d, log: d.Log, status: status{now: Status{Counters: map[string]uint64{}}},
		outbox: make(chan Outgoing, outboxSize), sender: rules.NewSender(), fresh: true, floorDue: d.Clock.Now().Mono + floorEvery,
	}
}

// Handle takes one input and does all that follows from it. An error means that the store is broken or closed, or that
// ctx has ended; whatever else goes wrong is counted, logged and mended by the next answer.
func (u *Uplink) Handle(ctx context.Context, in Input) error {
	var err error
	switch in := in.(type) {
	case Connected:
		err = u.connected(ctx, in.Link)
	case Disconnected:
		u.link, u.asked = nil, rules.Asked{}
		u.sender.Reset()
		u.status.connect(false)
		u.log.Info("link is down", "gateway", u.config.Gateway)
	case Message:
		err = u.message(ctx, in)
	case Outgoing:
		u.publish(in.Topic, in.Payload)
	case Appended:
		err = u.appended(ctx)
	case StateApplied:
		err = u.pulse()
	case Tick:
		err = u.tick(ctx)
	}
	return u.fatal(ctx, err)
}

// fatal tells the errors that end the loop from those it lives with.
func (u *Uplink) fatal(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, store.ErrBroken), errors.Is(err, store.ErrClosed):
		return err
	}
	u.status.count("store_errors")
	u.log.Error("log cannot be read or written", "gateway", u.config.Gateway, "err", err)
	return nil
}

// Due is when the next Tick is wanted, in monotonic time as Deps.Clock gives it.
func (u *Uplink) Due() time.Duration {
	due := u.floorDue
	if u.link == nil {
		return due
	}
	due = min(due, u.pulseDue)
	if at, ok := u.sender.Due(); ok {
		due = min(due, at)
	}
	return due
}

func (u *Uplink) connected(ctx context.Context, link Link) error {
	u.link, u.first, u.hurried = link, u.counter.Load()+1, 0
	u.status.connect(true)
	u.log.Info("link is up", "gateway", u.config.Gateway)
	if err := u.seal(ctx); err != nil {
		return err
	}
	if err := u.know(); err != nil {
		return err
	}
	if err := u.pulse(); err != nil {
		return err
	}
	return u.pump(ctx)
}

// seal ends the newest segments that hold a backlog, so that what happens from now on goes ahead of it.
func (u *Uplink) seal(ctx context.Context) error {
	waits := func(tx *store.Tx, s wire.Stream) (bool, error) {
		segments, err := tx.Segments(tx.Epoch(), s)
		if err != nil || len(segments) == 0 {
			return false, err
		}
		g := segments[len(segments)-1]
		return g.Last-min(g.Last, g.Delivered.Seq) > backlog, nil
	}
	var full []wire.Stream
	err := u.deps.Store.View(func(tx *store.Tx) error {
		for _, s := range streams() {
			if yes, err := waits(tx, s); err != nil {
				return err
			} else if yes {
				full = append(full, s)
			}
		}
		return nil
	})
	if err != nil || len(full) == 0 {
		return err
	}
	return u.deps.Store.Update(ctx, func(tx *store.Tx) error {
		for _, s := range full {
			if err := tx.Seal(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (u *Uplink) tick(ctx context.Context) error {
	now := u.deps.Clock.Now().Mono
	if now >= u.floorDue {
		u.floorDue = now + floorEvery
		if err := u.deps.Store.Update(ctx, func(tx *store.Tx) error { return KeepFloor(tx, u.deps.Clock) }); err != nil {
			return err
		}
	}
	if u.link == nil {
		return nil
	}
	if now >= u.pulseDue {
		if err := u.pulse(); err != nil {
			return err
		}
	}
	if u.sender.TimedOut(now) {
		u.status.count("timeouts")
		return u.pump(ctx)
	}
	return nil
}

func streams() [2]wire.Stream { return [2]wire.Stream{wire.Audit, wire.Telemetry} }
