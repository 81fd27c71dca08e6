package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/broker"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	cloud "github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// certificates are those of both ends of links.
type certificates struct {
	server  *tls.Config
	clients map[string]*tls.Config // by gateway
}

func makeCertificates(dir string, gateways ...string) (c certificates, err error) {
	ca, err := pki.Open(dir, time.Now)
	if err != nil {
		return c, err
	}
	pair := func(files pki.Files, err error) ([]tls.Certificate, error) {
		if err != nil {
			return nil, err
		}
		one, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		return []tls.Certificate{one}, err
	}
	server, err := pair(ca.Server("broker"))
	if err != nil {
		return c, err
	}
	c.server = &tls.Config{Certificates: server, ClientCAs: ca.Pool(), MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert}
	c.clients = map[string]*tls.Config{}
	for _, id := range gateways {
		client, err := pair(ca.Client(id))
		if err != nil {
			return c, err
		}
		c.clients[id] = &tls.Config{Certificates: client, RootCAs: ca.Pool(), MinVersion: tls.VersionTLS13}
	}
	return c, nil
}

// smallCloud is the part of the cloud that takes events and sends commands.
type smallCloud struct {
	db       *cloud.DB
	root     ed25519.PublicKey
	certs    certificates
	fleet    *fleet.Fleet
	ingest   *ingest.Ingest
	broker   *broker.Broker
	listener net.Listener
}

// openCloud makes a cloud that knows some gateways, all of one site.
func openCloud(ctx context.Context, dir string, gateways []fleet.Gateway, certs certificates, log *slog.Logger) (c *smallCloud, err error) {
	root := newKey()
	c = &smallCloud{root: root.Public().(ed25519.PublicKey), certs: certs}
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
	if err := c.join(ctx, keys, gateways, log); err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return c, nil
}

func (c *smallCloud) join(ctx context.Context, keys *fleet.Keys, gateways []fleet.Gateway, log *slog.Logger) (err error) {
	for _, migrate := range []func(context.Context, *cloud.DB) error{fleet.Migrate, ingest.Migrate, parcels.Migrate} {
		if err := migrate(ctx, c.db); err != nil {
			return err
		}
	}
	if c.broker, err = broker.New(broker.Config{TLS: c.certs.server, Log: log, Handler: c.take}); err != nil {
		return err
	}
	c.fleet = fleet.New(c.db, keys, fleet.Options{Publish: c.broker.Publish, Log: log})
	c.ingest = ingest.New(c.db, c.fleet, []ingest.Projection{parcels.Projection{}}, ingest.Options{Log: log})
	err = c.db.Write(ctx, func(tx *cloud.Tx) error {
		now := time.Now()
		err := c.fleet.RegisterSite(ctx, tx, fleet.Site{ID: "bench", Name: "bench"}, now)
		for _, g := range gateways {
			g.Site = "bench"
			err = errors.Join(err, c.fleet.RegisterGateway(ctx, tx, g, now))
		}
		return err
	})
	if err != nil {
		return err
	}
	c.listener, err = net.Listen("tcp", "127.0.0.1:0")
	return err
}

// take hands a gateway's message on, as the cloud does.
func (c *smallCloud) take(ctx context.Context, gateway string, kind wire.Kind, payload []byte) error {
	if kind == wire.KindChallenge {
		c.fleet.Challenged(gateway, payload)
		return nil
	}
	return c.ingest.Offer(ctx, gateway, kind, payload)
}

// runs are its loops.
func (c *smallCloud) runs() []func(context.Context) error {
	return []func(context.Context) error{
		c.ingest.Run, c.fleet.SignCommands, func(ctx context.Context) error { return c.broker.Serve(ctx, c.listener) },
	}
}

// link is a gateway's end of the link to this cloud.
func (c *smallCloud) link(of uplink.Config, d uplink.Deps) *uplink.Uplink {
	of.Version, of.RootKey = "bench", c.root
	d.Jitter = func(most time.Duration) time.Duration { return rand.N(max(most, 1)) }
	return uplink.New(of, d)
}

// dial opens a gateway's connections.
func (c *smallCloud) dial(gateway string) uplink.Dial {
	return uplink.Broker{Address: c.listener.Addr().String(), TLS: c.certs.clients[gateway], Gateway: gateway}.Dial
}

// ask has a door opened, as a manager's click does: the command is committed, then its request is published.
func (c *smallCloud) ask(ctx context.Context, gateway, door string) error {
	var request fleet.Message
	err := c.db.Write(ctx, func(tx *cloud.Tx) (err error) {
		_, request, err = c.fleet.Ask(ctx, tx, fleet.Command{Gateway: gateway, Device: "door/" + door, What: "open", Who: "person/bench", Why: "visitor"})
		return err
	})
	if err == nil {
		c.fleet.Publish([]fleet.Message{request})
	}
	return err
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
