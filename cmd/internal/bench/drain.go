package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ntpc-smart-community/lobby/cloud/broker"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	cloud "github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// keepsUp is what a week without the cloud asks for: 2 events a second, told twenty times as fast as they came.
const keepsUp = 40

// drains are backlogs brought to the cloud.
type drains struct {
	real, bare       tally
	realCPU, bareCPU time.Duration // of the whole process
	blocks           int
	events           int // in a backlog
}

func (d drains) figure() Figure {
	return of(Figure{
		Name: "drain", Value: d.real.rate(), Unit: "events/s", Ceiling: d.bare.rate(), Target: keepsUp,
		How: fmt.Sprintf("%d events that a gateway's store holds, from dialling to the commit of the last: uplink, paho, TLS, embedded broker, ingest, fleet, parcels' projection, SQLite; gateway and cloud in one process", d.events),
		Bare: fmt.Sprintf("the same events in %d equal blocks, packed before: paho, TLS, mochi, a subscriber that inserts them into one table of SQLite, in what has queued up, synced alike",
			d.blocks),
	})
}

// certificates are those of both ends of a link.
type certificates struct{ server, client *tls.Config }

func makeCertificates(dir string) (c certificates, err error) {
	ca, err := pki.Open(dir, time.Now)
	if err != nil {
		return c, err
	}
	serverFiles, err := ca.Server("broker")
	if err != nil {
		return c, err
	}
	clientFiles, err := ca.Client(gatewayID)
	if err != nil {
		return c, err
	}
	server, err := tls.LoadX509KeyPair(serverFiles.Cert, serverFiles.Key)
	if err != nil {
		return c, err
	}
	client, err := tls.LoadX509KeyPair(clientFiles.Cert, clientFiles.Key)
	c.server = &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: ca.Pool(), MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert}
	c.client = &tls.Config{Certificates: []tls.Certificate{client}, RootCAs: ca.Pool(), MinVersion: tls.VersionTLS13}
	return c, err
}

// measureDrains brings a backlog to the cloud, and the same events through the bare libraries, by turns.
func measureDrains(ctx context.Context, dir string, s sizes, log *slog.Logger) (d drains, err error) {
	dir = filepath.Join(dir, "drain")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return d, err
	}
	b, err := makeBacklog(ctx, dir, s.events)
	if err != nil {
		return d, err
	}
	d.events, d.blocks = b.events, len(b.blocks)
	certs, err := makeCertificates(filepath.Join(dir, "pki"))
	if err != nil {
		return d, err
	}
	for turn := range s.drains {
		in := filepath.Join(dir, fmt.Sprint(turn))
		if err := os.Mkdir(in, 0o700); err != nil {
			return d, err
		}
		ours := func() error {
			return add(&d.real, &d.realCPU, func() (drained, error) { return drainReal(ctx, in, b, certs, log) })
		}
		bare := func() error {
			return add(&d.bare, &d.bareCPU, func() (drained, error) { return drainBare(ctx, in, b, certs) })
		}
		if err := byTurns(turn, ours, bare); err != nil {
			return d, err
		}
	}
	return d, nil
}

// drained is one drain.
type drained struct {
	n    int
	took time.Duration
	cpu  time.Duration
}

// add adds a drain to what is known.
func add(t *tally, cpu *time.Duration, drain func() (drained, error)) error {
	d, err := drain()
	if err != nil {
		return err
	}
	t.add(d.n, d.took)
	*cpu += d.cpu
	return nil
}

// watch measures one drain.
type watch struct {
	began time.Time
	cpu   time.Duration
}

func begin() watch { return watch{time.Now(), used()} }

func (w watch) end(n int) drained { return drained{n, time.Since(w.began), used() - w.cpu} }

// used is the processor time of this process so far.
func used() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// drainReal lets a gateway with a copy of the backlog find a new cloud.
func drainReal(ctx context.Context, dir string, b backlog, certs certificates, log *slog.Logger) (d drained, err error) {
	c, err := openCloud(ctx, dir, b.key.Public().(ed25519.PublicKey), certs, log)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	path := filepath.Join(dir, "gateway.db")
	if err := copyFile(path, b.path); err != nil {
		return d, err
	}
	st, err := store.Open(path, store.Options{Gateway: gatewayID, Key: b.key})
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	up := uplink.New(uplink.Config{Gateway: gatewayID, Version: "bench", Key: b.key, RootKey: c.root}, uplink.Deps{
		Store: st, Clock: clock.New(st.Boot(), time.Time{}, clock.System()), Log: log,
		Jitter: func(most time.Duration) time.Duration { return rand.N(max(most, 1)) },
	})
	dial := uplink.Broker{Address: c.listener.Addr().String(), TLS: certs.client, Gateway: gatewayID}.Dial
	serve := start(ctx, c.ingest.Run, func(ctx context.Context) error { return c.broker.Serve(ctx, c.listener) })
	defer func() { err = errors.Join(err, serve()) }()
	watch := begin()
	stop := start(ctx, func(ctx context.Context) error { return up.Run(ctx, dial) })
	n, err := c.until(ctx, b.events)
	d = watch.end(n)
	return d, errors.Join(err, stop())
}

// copyFile copies a file that nobody writes.
func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// smallCloud is the part of the cloud that takes events.
type smallCloud struct {
	db       *cloud.DB
	root     ed25519.PublicKey
	fleet    *fleet.Fleet
	ingest   *ingest.Ingest
	broker   *broker.Broker
	listener net.Listener
}

func openCloud(ctx context.Context, dir string, events ed25519.PublicKey, certs certificates, log *slog.Logger) (c *smallCloud, err error) {
	root := newKey()
	c = &smallCloud{root: root.Public().(ed25519.PublicKey)}
	keysDir := filepath.Join(dir, "keys")
	if err := os.Mkdir(keysDir, 0o700); err != nil {
		return nil, err
	}
	if _, err := fleet.InitKeys(keysDir, "bench", root, time.Now().AddDate(1, 0, 0)); err != nil {
		return nil, err
	}
	keys, err := fleet.LoadKeys(keysDir)
	if err != nil {
		return nil, err
	}
	if c.db, err = cloud.Open(ctx, "file:"+filepath.Join(dir, "lobby.db")); err != nil {
		return nil, err
	}
	if err := c.join(ctx, keys, events, certs, log); err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return c, nil
}

func (c *smallCloud) join(ctx context.Context, keys *fleet.Keys, events ed25519.PublicKey, certs certificates, log *slog.Logger) (err error) {
	for _, migrate := range []func(context.Context, *cloud.DB) error{fleet.Migrate, ingest.Migrate, parcels.Migrate} {
		if err := migrate(ctx, c.db); err != nil {
			return err
		}
	}
	if c.broker, err = broker.New(broker.Config{TLS: certs.server, Log: log, Handler: c.take}); err != nil {
		return err
	}
	c.fleet = fleet.New(c.db, keys, fleet.Options{Publish: c.broker.Publish, Log: log})
	c.ingest = ingest.New(c.db, c.fleet, []ingest.Projection{parcels.Projection{}}, ingest.Options{Log: log})
	err = c.db.Write(ctx, func(tx *cloud.Tx) error {
		now := time.Now()
		if err := c.fleet.RegisterSite(ctx, tx, fleet.Site{ID: "bench", Name: "bench"}, now); err != nil {
			return err
		}
		return c.fleet.RegisterGateway(ctx, tx, fleet.Gateway{ID: gatewayID, Site: "bench", EventKey: events}, now)
	})
	if err != nil {
		return err
	}
	c.listener, err = net.Listen("tcp", "127.0.0.1:0")
	return err
}

func (c *smallCloud) take(ctx context.Context, gateway string, kind wire.Kind, payload []byte) error {
	return c.ingest.Offer(ctx, gateway, kind, payload)
}

// until waits until so many events are committed, and says how many were.
func (c *smallCloud) until(ctx context.Context, events int) (int, error) {
	for {
		changed := c.ingest.Changed()
		if n := int(c.ingest.Counts()["events"]); n >= events {
			return n, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, fmt.Errorf("%v: %w", c.ingest.Counts(), context.Cause(ctx))
		}
	}
}
