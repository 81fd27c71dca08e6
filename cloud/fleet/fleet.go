package fleet

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of the registry.
var (
	ErrUnknown = errors.New("not registered")
	ErrExists  = errors.New("registered otherwise")
	ErrInput   = errors.New("not valid")
)

// Message is one MQTT message to a gateway. It is published after the transaction that made it has committed, and
// may be lost: pulses repair that.
type Message struct {
	Topic   string
	Payload []byte
}

// PartSource gives parts of a site's state document. Parts reads with tx only and gives equal parts for equal content.
type PartSource interface {
	Parts(ctx context.Context, tx *store.Tx, site string) ([]NamedPart, error)
}

// NamedPart is one part of the state document before it is encoded. For wire.PartHouseholds the value is a
// wire.Households with all units of the site, for wire.PartGrants a wire.Grants with all its grants: fleet sorts and
// shards them. Fleet itself makes wire.PartWishes and
// wire.PartRevocations.
type NamedPart struct {
	Name  string
	Value any
}

// Options of a Fleet. The zero value works.
type Options struct {
	Publish func(topic string, payload []byte) error // nil: messages are dropped; pulses ask again
	Sources []PartSource
	Log     *slog.Logger // nil: silent
}

// Fleet is the registry of one cloud. Its methods may be called by several goroutines and by several replicas.
type Fleet struct {
	db      *store.DB
	keys    *Keys
	publish func(topic string, payload []byte) error
	sources []PartSource
	log     *slog.Logger

	challenges *challenges
}

// New makes a Fleet over a database whose tables Migrate has made. keys are what LoadKeys gave.
func New(db *store.DB, keys *Keys, o Options) *Fleet {
	if db == nil || keys == nil {
		panic("fleet: New needs a database and keys")
	}
	f := &Fleet{db: db, keys: keys, publish: o.Publish, sources: o.Sources, log: o.Log, challenges: newChallenges()}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.publish == nil {
		f.publish = func(string, []byte) error { return nil }
	}
	return f
}

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error { return db.Migrate(ctx, "fleet", migrations) }

// Keys are the cloud's keys that this fleet signs with.
func (f *Fleet) Keys() *Keys { return f.keys }

// Publish hands messages to the broker, after a commit. What cannot be published is logged: pulses repair it.
func (f *Fleet) Publish(messages []Message) {
	for _, m := range messages {
		if err := f.publish(m.Topic, m.Payload); err != nil {
			f.log.Warn("message not published", "topic", m.Topic, "err", err)
		}
	}
}

// Change runs fn in a transaction that may change what the state documents of a site are made of, issues the documents
// anew in the same transaction, and publishes them after it has committed.
func (f *Fleet) Change(ctx context.Context, site string, now time.Time, fn func(*store.Tx) error) error {
	var out []Message
	err := f.db.Write(ctx, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		var err error
		out, err = f.Refresh(ctx, tx, site, now)
		return err
	})
	if err != nil {
		return err
	}
	f.Publish(out)
	return nil
}

// Taipei is the time of the buildings: it has had no summer time since 1979.
func Taipei() *time.Location { return time.FixedZone("Asia/Taipei", 8*60*60) }

func num(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// hash scans a column of 32 bytes.
type hash wire.Hash

// Scan takes 32 bytes, or none, or NULL, for the zero hash.
func (h *hash) Scan(src any) error {
	b, ok := src.([]byte)
	if src != nil && !ok || len(b) != 0 && len(b) != len(h) {
		return errors.New("not a hash")
	}
	*h = hash{}
	copy(h[:], b)
	return nil
}
