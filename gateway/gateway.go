package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/health"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// ErrConfig says that there is no configuration to run with: the file cannot be used, and no last good one is kept.
var ErrConfig = errors.New("no usable configuration")

const pruneEvery = 10 * time.Minute

// Options say what to run.
type Options struct {
	Config  string // path of the YAML file
	Data    string // folder of gateway.db, keys/ and config.last-good.yaml; made if it is missing
	Version string
	Wall    time.Time // the machine's wall clock is taken to stand here at the start, kept by nothing; zero: it is read
	Look    fs.FS     // what all pages share
	Log     *slog.Logger
	Ready   func(Addresses) // called once, when the pages listen
}

// Addresses are where the pages listen, as host:port; Desk is empty when it is off.
type Addresses struct {
	Metrics, Kiosk, Desk string
}

// daemon is one running gateway.
type daemon struct {
	o        Options
	log      *slog.Logger
	keys     Keys
	store    *store.Store
	clock    *clock.Clock
	hardware *hardware
	uplink   *uplink.Uplink // nil: no cloud is configured
	settings *settings
	floor    *floor
	full     atomic.Bool // the log is over its quota, and nothing left in it may go
}

// Run runs a gateway until ctx ends. It comes up with whatever is left when something is missing, and says so on health;
// it ends with an error only when the store cannot be trusted any more or there is nothing to run with.
func Run(ctx context.Context, o Options) (err error) {
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return err
	}
	s, err := openSettings(o.Config, o.Data)
	if err != nil {
		return err
	}
	d := &daemon{o: o, settings: s, log: o.Log.With("gateway", s.config().Gateway)}
	for _, f := range s.faults() {
		d.log.Error("configuration", "err", f)
	}
	if d.keys, err = OpenKeys(o.Data); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.store.Close()) }()
	return d.run(ctx)
}

// open opens the store, judges the time, and records the start.
func (d *daemon) open(ctx context.Context) error {
	var err error
	d.store, err = store.Open(filepath.Join(d.o.Data, "gateway.db"), store.Options{Gateway: d.settings.config().Gateway, Key: d.keys.Events})
	if err != nil {
		return err
	}
	var floor time.Time
	if err := d.store.View(func(tx *store.Tx) error {
		floor, err = uplink.Floor(tx)
		return err
	}); err != nil {
		return errors.Join(err, d.store.Close())
	}
	system := clock.System()
	if !d.o.Wall.IsZero() {
		system = clock.SystemSet(d.o.Wall)
	}
	d.clock = clock.New(d.store.Boot(), floor, system)
	d.clock.Kept(d.timeKeeper())
	started := wire.Event{Type: wire.GatewayStarted, Subject: "gateway/" + d.settings.config().Gateway, Data: wire.Raw(wire.Start{Version: d.o.Version, Boot: d.store.Boot()})}
	d.clock.Now().Stamp(&started)
	err = d.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Append(wire.Audit, started)
		return err
	})
	if err != nil {
		return errors.Join(err, d.store.Close())
	}
	return nil
}

func (d *daemon) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	d.hardware = newHardware(d.log)
	defer d.hardware.close()
	if _, err := d.hardware.apply(d.settings.config()); err != nil {
		d.log.Error("hardware", "err", err)
	}
	dial := d.link()
	d.floor = newFloor(d)
	defer d.floor.close()
	if err := d.floor.apply(ctx, d.settings.config()); err != nil {
		return err
	}
	if d.uplink != nil {
		group.Go(func() error { return d.uplink.Run(ctx, dial) })
	}
	if err := d.serve(ctx, group); err != nil {
		group.Go(func() error { return err }) // ends what runs already, the link above all
		return group.Wait()
	}
	group.Go(func() error { return d.reload(ctx) })
	group.Go(func() error { return d.keep(ctx) })
	group.Go(func() error { return d.hardware.watch(ctx, filepath.Join(d.o.Data, "recordings")) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-d.store.Broken(): // what the disk holds is known only to a new process (invariant 12)
			return store.ErrBroken
		case err := <-d.floor.failed:
			return err
		}
	})
	return group.Wait()
}

// link makes the uplink, unless no cloud is configured or its files cannot be read: the building works alone then.
func (d *daemon) link() uplink.Dial {
	c := d.settings.config()
	if c.Cloud.Broker == "" {
		return nil
	}
	broker, root, err := cloudFiles(c)
	if err != nil {
		d.settings.note("cloud: " + err.Error())
		d.log.Error("no link to the cloud", "err", err)
		return nil
	}
	d.uplink = uplink.New(uplink.Config{Gateway: c.Gateway, Version: d.o.Version, Key: d.keys.Events, RootKey: root}, uplink.Deps{
		Store: d.store, Clock: d.clock, Log: d.log, Jitter: within,
		Health:  func() wire.Health { return d.snapshot().Wire() },
		Applied: func() { d.floor.applied() },
		Command: func(payload []byte) { d.floor.command(payload) },
	})
	return broker.Dial
}

func cloudFiles(c config.Config) (uplink.Broker, []byte, error) {
	certificate, err := tls.LoadX509KeyPair(c.Cloud.Certificate, c.Cloud.Key)
	if err != nil {
		return uplink.Broker{}, nil, err
	}
	authority, err := os.ReadFile(c.Cloud.CA)
	if err != nil {
		return uplink.Broker{}, nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return uplink.Broker{}, nil, fmt.Errorf("%s: no certificate in it: put back the file that came with the enrolment", c.Cloud.CA)
	}
	text, err := os.ReadFile(c.Cloud.RootKey)
	if err != nil {
		return uplink.Broker{}, nil, err
	}
	root, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(root) != 32 {
		return uplink.Broker{}, nil, fmt.Errorf("%s: no root key: base64 of 32 bytes is wanted", c.Cloud.RootKey)
	}
	return uplink.Broker{
		Address: strings.TrimPrefix(c.Cloud.Broker, "tls://"),
		TLS:     &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool, MinVersion: tls.VersionTLS13},
		Gateway: c.Gateway,
	}, root, nil
}

// keep does what must be done now and then: look at who keeps the clock, and drop what retention lets go.
func (d *daemon) keep(ctx context.Context) error {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		d.clock.Kept(d.timeKeeper())
		if err := d.prune(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// timeKeeper says what keeps the wall clock.
func (d *daemon) timeKeeper() wire.Quality {
	if !d.o.Wall.IsZero() {
		return wire.FromRTC
	}
	return timeKeeper()
}

func (d *daemon) prune(ctx context.Context) error {
	for more := true; more; {
		now := d.clock.Now()
		var stamp wire.Event
		now.Stamp(&stamp)
		var pruned store.Pruned
		err := d.store.Update(ctx, func(tx *store.Tx) error {
			var err error
			pruned, err = tx.Prune(now.Time, stamp)
			return err
		})
		if err != nil {
			return err
		}
		more = pruned.More
		if d.full.Swap(pruned.Over) != pruned.Over {
			d.log.Warn("log is over its quota: deposits are refused", "over", pruned.Over)
		}
	}
	return nil
}

// snapshot is how the gateway is now.
func (d *daemon) snapshot() health.Snapshot {
	state, faults := d.settings.state()
	s := health.Snapshot{
		Version: d.o.Version, Config: state, Faults: faults, Clock: d.clock.Now().Quality,
		StoreSize: d.store.Size(), DiskFree: diskFree(d.o.Data),
		Lines: d.hardware.stats(), Computed: d.hardware.timing(), Openings: d.hardware.waits.all(), Devices: d.hardware.devices(),
	}
	for _, r := range d.floor.readings() {
		s.Meters = append(s.Meters, health.Meter{ID: r.Meter, Quality: r.Quality, AsOf: r.At, Litres: r.Good, GoodAt: r.GoodAt})
	}
	if d.uplink != nil {
		link := d.uplink.Status()
		s.Connected, s.Answered, s.Counters = link.Connected, link.Answered, link.Counters
	}
	err := d.store.View(func(tx *store.Tx) error {
		n, oldest, err := tx.Undelivered()
		if err != nil {
			return err
		}
		s.Undelivered = n
		if oldest != 0 {
			s.Oldest = oldest.Time()
		}
		s.Heads, err = tx.Heads()
		return err
	})
	if err != nil {
		s.Faults = append(s.Faults, "store: "+err.Error())
	}
	return s
}
