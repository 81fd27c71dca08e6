// Package notify tells people that a parcel waits for them: one outbox in SQL, one notice for each person and matter, each
// delivered once as far as a webhook can promise (its id is the same at every try and in every life of the database).
//
// A notice is made only after the courier's undo has ended and all that came later is in, and is read again just before it
// goes out: nobody is told of a parcel that is gone. No text holds a PIN or a code. Without an address for webhooks the
// notices are kept where the API shows them.
package notify

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Bounds of the outbox.
const (
	maxTries  = 12               // then a notice is given up: about nine hours after the first try
	firstWait = 10 * time.Second // before the second try, doubling
	lastWait  = 2 * time.Hour    // most between two tries
	lease     = time.Minute      // how long a try keeps other replicas away
	batch     = 50               // matters of one step
	posts     = 5                // deliveries of one step: they end within the lease
	lookEvery = 15 * time.Second // other replicas' commits wake nobody here
	postLimit = 10 * time.Second // one delivery
)

// ErrSecret says that the webhook secret cannot be used.
var ErrSecret = errors.New("not a webhook secret: want whsec_ and base64")

// Matter is what there is to tell of a parcel, as it is now.
type Matter struct {
	Waiting   bool // to be collected, and the courier can no longer undo; if not, the rest means nothing
	Site      string
	Household string
	Door      int64  // 0: none
	Shelf     string // at the guard's desk
	Since     wire.Micros
	Due       wire.Micros
}

// Source knows the matters. Matter reads with tx alone.
type Source interface {
	Matter(ctx context.Context, tx *store.Tx, gateway, parcel string) (Matter, error)
}

// Options of a Notifier. Without URL notices are kept and not delivered.
type Options struct {
	URL    string // takes Standard Webhooks by POST
	Secret string // whsec_…
	Client *http.Client
	Now    func() time.Time                       // nil means time.Now
	Jitter func(wait time.Duration) time.Duration // nil means between half and the whole
	Log    *slog.Logger                           // nil: silent
}

// Notifier makes notices and delivers them.
type Notifier struct {
	db       *store.DB
	fleet    *fleet.Fleet
	identity *identity.Identity
	source   Source
	sign     *webhooks.Webhook // nil: keep
	o        Options

	made, sent, failed atomic.Int64
}

// New makes a Notifier over a database whose tables Migrate has made.
func New(db *store.DB, f *fleet.Fleet, i *identity.Identity, s Source, o Options) (*Notifier, error) {
	n := &Notifier{db: db, fleet: f, identity: i, source: s, o: o}
	if o.Client == nil {
		n.o.Client = &http.Client{Timeout: postLimit}
	}
	if o.Now == nil {
		n.o.Now = time.Now
	}
	if o.Jitter == nil {
		n.o.Jitter = func(wait time.Duration) time.Duration { return wait/2 + rand.N(wait/2+1) }
	}
	if o.Log == nil {
		n.o.Log = slog.New(slog.DiscardHandler)
	}
	if o.URL == "" {
		return n, nil
	}
	var err error
	if n.sign, err = webhooks.NewWebhook(o.Secret); err != nil || o.Secret == "" {
		return nil, ErrSecret // the library's error may echo the secret
	}
	return n, nil
}

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error { return db.Migrate(ctx, "notify", migrations) }

// Counts are how often what has happened since the start.
type Counts struct{ Made, Sent, Failed int64 }

// Counts tells the figures.
func (n *Notifier) Counts() Counts {
	return Counts{Made: n.made.Load(), Sent: n.sent.Load(), Failed: n.failed.Load()}
}

// Run makes and delivers notices until ctx ends: after each commit (changed gives a channel that is closed by the next
// one), and when a try is due.
func (n *Notifier) Run(ctx context.Context, changed func() <-chan struct{}) error {
	for {
		wake := changed()
		next, err := n.Step(ctx)
		if err != nil && ctx.Err() == nil {
			n.o.Log.Error("notices not taken", "err", err)
		}
		timer := time.NewTimer(min(max(next, 0), lookEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Step does what is due and tells how long until something will be, as far as is known.
func (n *Notifier) Step(ctx context.Context) (time.Duration, error) {
	more, err := n.make(ctx)
	if err != nil {
		return lookEvery, fmt.Errorf("make notices: %w", err)
	}
	again, err := n.deliver(ctx)
	if err != nil {
		return lookEvery, fmt.Errorf("deliver notices: %w", err)
	}
	if more {
		return 0, nil
	}
	return again, nil
}
