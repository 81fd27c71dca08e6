package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"go.etcd.io/bbolt"
)

// down is the topic on which bare clients are told something.
const down = "down"

// message is what bare round trips carry: about as much as a challenge.
var message [256]byte

// trips are two round trips over MQTT with a commit on each side, by bare libraries alone.
type trips struct {
	server     *mochi.Server
	client     paho.Client
	table      *table
	db         *bbolt.DB
	came, told chan []byte // from the client, to the client
	parts      tripParts
}

// tripParts are what two round trips wait for: a commit of SQLite, the first trip, the second without the commit of bbolt.
type tripParts struct{ sqlite, first, second, bbolt []time.Duration }

func openTrips(ctx context.Context, dir string, certs certificates) (t *trips, err error) {
	t = &trips{came: make(chan []byte, 1), told: make(chan []byte, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if t.table, err = openTable(ctx, filepath.Join(dir, "bare.sqlite")); err != nil {
		return nil, err
	}
	if t.db, err = openBare(filepath.Join(dir, "bare.db")); err != nil {
		return nil, err
	}
	server, address, err := serveBare(certs, func(payload []byte) { t.came <- payload })
	if err != nil {
		return nil, err
	}
	t.server = server
	if t.client, err = dialBare(ctx, address, certs); err != nil {
		return nil, err
	}
	return t, done(ctx, t.client.Subscribe(down, 1, func(_ paho.Client, m paho.Message) { t.told <- m.Payload() }))
}

func (t *trips) close() (err error) {
	if t.client != nil {
		t.client.Disconnect(250)
	}
	if t.server != nil {
		err = t.server.Close()
	}
	if t.db != nil {
		err = errors.Join(err, t.db.Close())
	}
	if t.table != nil {
		err = errors.Join(err, t.table.close())
	}
	return err
}

// twice goes there and back twice, as a command does: the server commits before the first trip, the client before it
// answers in the second.
func (t *trips) twice(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if err := t.table.put(ctx, message[:]); err != nil {
		return 0, err
	}
	kept := time.Now()
	if err := errors.Join(t.tell(ctx), t.answer(ctx)); err != nil {
		return 0, err
	}
	asked := time.Now()
	if err := t.tell(ctx); err != nil {
		return 0, err
	}
	told := time.Now()
	if err := putAll(t.db, message[:]); err != nil {
		return 0, err
	}
	synced := time.Now()
	if err := t.answer(ctx); err != nil {
		return 0, err
	}
	ended := time.Now()
	p := &t.parts
	p.sqlite, p.first = append(p.sqlite, kept.Sub(began)), append(p.first, asked.Sub(kept))
	p.second, p.bbolt = append(p.second, told.Sub(asked)+ended.Sub(synced)), append(p.bbolt, synced.Sub(told))
	return ended.Sub(began), nil
}

// tell carries a message to the client.
func (t *trips) tell(ctx context.Context) error {
	if err := t.server.Publish(down, message[:], false, 1); err != nil {
		return err
	}
	return arrives(ctx, t.told)
}

// answer carries one to the server.
func (t *trips) answer(ctx context.Context) error {
	t.client.Publish(topic, 1, false, message[:])
	return arrives(ctx, t.came)
}

func arrives(ctx context.Context, at <-chan []byte) error {
	select {
	case <-at:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
