package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/klauspost/compress/zstd"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/ncruces/go-sqlite3/driver"
)

const (
	topic     = "events" // that bare clients publish on
	mostAtOne = 128      // messages of one transaction, as the cloud's
)

// pack makes each block one message: its events, a line each, compressed.
func pack(blocks [][][]byte) ([][]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var out [][]byte
	for _, events := range blocks {
		out = append(out, z.EncodeAll(bytes.Join(events, []byte{'\n'}), nil))
	}
	return out, nil
}

// drainBare brings a backlog's events through the bare libraries into one table.
func drainBare(ctx context.Context, dir string, b backlog, certs certificates) (d drained, err error) {
	messages, err := pack(b.blocks)
	if err != nil {
		return d, err
	}
	table, err := openTable(ctx, filepath.Join(dir, "bare.db"))
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, table.close()) }()
	came := make(chan []byte, len(messages))
	server, address, err := serveBare(certs, func(payload []byte) { came <- payload })
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	watch := begin()
	client, err := dialBare(ctx, address, certs)
	if err != nil {
		return d, err
	}
	defer client.Disconnect(250)
	for _, m := range messages {
		client.Publish(topic, 1, false, m)
	}
	n, err := table.take(ctx, came, b.events)
	return watch.end(n), err
}

// dialBare connects a client of paho alone.
func dialBare(ctx context.Context, address string, certs certificates) (paho.Client, error) {
	client := paho.NewClient(paho.NewClientOptions().AddBroker("ssl://" + address).SetTLSConfig(certs.clients[gatewayID]).SetClientID(gatewayID).
		SetProtocolVersion(4).SetAutoReconnect(false).SetOrderMatters(true))
	return client, done(ctx, client.Connect())
}

func done(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// everybody lets all clients in and allows all topics: without a hook the broker allows nothing.
type everybody struct{ mochi.HookBase }

func (*everybody) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (*everybody) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (*everybody) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// serveBare starts a broker that lets everybody in and hands over each message by an inline subscription.
func serveBare(certs certificates, take func([]byte)) (server *mochi.Server, address string, err error) {
	server = mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(everybody), nil); err != nil {
		return nil, "", err
	}
	listener := listeners.NewTCP(listeners.Config{ID: "bare", Address: "127.0.0.1:0", TLSConfig: certs.server})
	if err := server.AddListener(listener); err != nil {
		return nil, "", err
	}
	err = server.Subscribe(topic, 1, func(_ *mochi.Client, _ packets.Subscription, p packets.Packet) { take(bytes.Clone(p.Payload)) })
	if err == nil {
		err = server.Serve()
	}
	if err != nil {
		return nil, "", errors.Join(err, server.Close())
	}
	return server, listener.Address(), nil
}

// table is one table of SQLite, journaled and synced as the cloud's database is.
type table struct {
	db     *sql.DB
	insert *sql.Stmt
	unpack *zstd.Decoder
	seq    int
}

func openTable(ctx context.Context, path string) (*table, error) {
	db, err := driver.Open("file:" + path + "?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	t := &table{db: db}
	if _, err = db.ExecContext(ctx, `CREATE TABLE events (gateway TEXT, seq INTEGER, raw BLOB, PRIMARY KEY (gateway, seq))`); err == nil {
		t.insert, err = db.PrepareContext(ctx, `INSERT INTO events VALUES (?, ?, ?)`)
	}
	if err == nil {
		t.unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return t, nil
}

func (t *table) close() error {
	t.unpack.Close()
	return errors.Join(t.insert.Close(), t.db.Close())
}

// put inserts one row and commits.
func (t *table) put(ctx context.Context, raw []byte) error {
	t.seq++
	_, err := t.insert.ExecContext(ctx, gatewayID, t.seq, raw)
	return err
}

// take inserts what comes until so many events are committed: one transaction of what has queued up, then the next.
func (t *table) take(ctx context.Context, came <-chan []byte, events int) (int, error) {
	for t.seq < events {
		var batch [][]byte
		select {
		case m := <-came:
			batch = append(batch, m)
		case <-ctx.Done():
			return t.seq, context.Cause(ctx)
		}
		for more := true; more && len(batch) < mostAtOne; {
			select {
			case m := <-came:
				batch = append(batch, m)
			default:
				more = false
			}
		}
		if err := t.commit(ctx, batch); err != nil {
			return t.seq, err
		}
	}
	return t.seq, nil
}

func (t *table) commit(ctx context.Context, batch [][]byte) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	insert := tx.StmtContext(ctx, t.insert)
	for _, m := range batch {
		raw, err := t.unpack.DecodeAll(m, nil)
		if err != nil {
			return err
		}
		for event := range bytes.SplitSeq(raw, []byte{'\n'}) {
			t.seq++
			if _, err := insert.ExecContext(ctx, gatewayID, t.seq, event); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}
