// Package cloud composes the cloud: broker, ingest, state documents, notices, API and pages over one database.
package cloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/cloud/api"
	"github.com/ntpc-smart-community/lobby/cloud/broker"
	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/notify"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/web"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const (
	renewEvery  = time.Minute      // between looks at state documents that are due
	renewAll    = 10 * time.Minute // between looks at all of them: people move in and out by the date
	lastAnswers = 5 * time.Second  // for requests under way when the cloud ends
)

// ErrOptions says that an option, or a file that it names, cannot be used.
var ErrOptions = errors.New("not usable")

// Options are what a cloud is started with.
type Options struct {
	Data          string        // folder: keys/, and the database unless DSN names one
	DSN           string        // "": lobby.db (SQLite) in Data
	Listen        string        // address of API and pages
	BrokerListen  string        // address of the broker
	BrokerCert    string        // PEM file of the broker's certificate
	BrokerKey     string        // PEM file of its key
	ClientCA      string        // PEM file of the CA that signs gateways' certificates
	Issuer        string        // address of the OpenID issuer
	ClientID      string        // what this cloud is called there
	ExternalURL   string        // as browsers see API and pages; "": that of Listen
	Webhook       string        // takes notices; "": they are kept and shown by the API
	WebhookSecret string        // file with whsec_…
	TellAgain     time.Duration // an event marked delivered and older than this was told already; 0 means 10 min
	MetricsListen string        // loopback address of /metrics and /healthz
	Version       string
	Look          fs.FS // what all pages share
	Log           *slog.Logger
	Ready         func(Addresses) // called once everything listens; may be nil
}

// Addresses are where a cloud listens.
type Addresses struct{ API, Broker, Metrics string }

// DataSource is the database that Options name.
func (o Options) DataSource() string {
	if o.DSN != "" {
		return o.DSN
	}
	return "file:" + filepath.Join(o.Data, "lobby.db")
}

// KeysDir is where the cloud's keys are.
func (o Options) KeysDir() string { return filepath.Join(o.Data, "keys") }

// parts are the cloud's rooms, put together.
type parts struct {
	db       *store.DB
	keys     *fleet.Keys
	fleet    *fleet.Fleet
	identity *identity.Identity
	ingest   *ingest.Ingest
	parcels  *parcels.Parcels
	booking  *facilities.Facilities
	once     *once.Keys
	notify   *notify.Notifier
	broker   *broker.Broker
}

// openDB opens the database and brings its tables up to date.
func openDB(ctx context.Context, o Options) (*store.DB, error) {
	if o.DSN == "" {
		// It holds names: nobody else on this machine reads it.
		f, err := os.OpenFile(filepath.Join(o.Data, "lobby.db"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("--data: %w: %w", ErrOptions, err)
		}
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
	}
	db, err := store.Open(ctx, o.DataSource())
	if err != nil {
		return nil, err
	}
	for _, migrate := range []func(context.Context, *store.DB) error{fleet.Migrate, identity.Migrate, ingest.Migrate, parcels.Migrate, gas.Migrate, notify.Migrate, facilities.Migrate, once.Migrate} {
		if err := migrate(ctx, db); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

func openKeys(o Options) (*fleet.Keys, error) {
	keys, err := fleet.LoadKeys(o.KeysDir())
	if err != nil {
		return nil, fmt.Errorf("%w: make keys with: lobby-cloud keys --data %s: %w", ErrOptions, o.Data, err)
	}
	return keys, nil
}

// Run runs a cloud until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	secret, serverTLS, err := o.check()
	if err != nil {
		return err
	}
	p := &parts{}
	if p.keys, err = openKeys(o); err != nil {
		return err
	}
	ls, err := listen(o)
	if err != nil {
		return err
	}
	defer ls.close() // closed by their servers already, unless the rest did not open
	if o.ExternalURL == "" {
		o.ExternalURL = "http://" + ls.api.Addr().String()
	}
	if p.db, err = openDB(ctx, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.db.Close()) }()
	if err := p.join(o, secret, serverTLS); err != nil {
		return err
	}
	return p.serve(ctx, o, ls)
}

// check reads what must be right before anything is opened.
func (o Options) check() (secret string, server *tls.Config, err error) {
	for _, needed := range []struct{ flag, value string }{
		{"--data", o.Data}, {"--broker-cert", o.BrokerCert}, {"--broker-key", o.BrokerKey}, {"--client-ca", o.ClientCA}, {"--issuer", o.Issuer}, {"--client-id", o.ClientID},
	} {
		if needed.value == "" {
			err = errors.Join(err, fmt.Errorf("%s is missing: %w", needed.flag, ErrOptions))
		}
	}
	for _, address := range []struct{ flag, value string }{{"--issuer", o.Issuer}, {"--external-url", o.ExternalURL}, {"--webhook", o.Webhook}} {
		if u, perr := url.Parse(address.value); address.value != "" && (perr != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			err = errors.Join(err, fmt.Errorf("%s: %w: want an address like https://lobby.example", address.flag, ErrOptions))
		}
	}
	if o.Webhook != "" {
		b, rerr := os.ReadFile(o.WebhookSecret)
		if rerr != nil {
			err = errors.Join(err, fmt.Errorf("--webhook-secret-file: %w: %w", ErrOptions, rerr))
		}
		secret = strings.TrimSpace(string(b))
	}
	if err != nil {
		return "", nil, err
	}
	pair, err := tls.LoadX509KeyPair(o.BrokerCert, o.BrokerKey)
	if err != nil {
		return "", nil, fmt.Errorf("--broker-cert, --broker-key: %w: %w", ErrOptions, err)
	}
	ca, err := os.ReadFile(o.ClientCA)
	if err != nil {
		return "", nil, fmt.Errorf("--client-ca: %w: %w", ErrOptions, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return "", nil, fmt.Errorf("--client-ca %s: no certificate in it: %w", o.ClientCA, ErrOptions)
	}
	return secret, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool}, nil
}

type listeners struct{ api, broker, metrics net.Listener }

func (l listeners) close() {
	for _, one := range []net.Listener{l.api, l.broker, l.metrics} {
		if one != nil {
			one.Close()
		}
	}
}

func listen(o Options) (l listeners, err error) {
	host, _, err := net.SplitHostPort(o.MetricsListen)
	if addr, perr := netip.ParseAddr(host); err != nil || host != "localhost" && (perr != nil || !addr.IsLoopback()) {
		return l, fmt.Errorf("--metrics-listen %s: %w: metrics are for this machine alone, use 127.0.0.1:9090", o.MetricsListen, ErrOptions)
	}
	for _, want := range []struct {
		flag, address string
		to            *net.Listener
	}{{"--listen", o.Listen, &l.api}, {"--broker-listen", o.BrokerListen, &l.broker}, {"--metrics-listen", o.MetricsListen, &l.metrics}} {
		if *want.to, err = net.Listen("tcp", want.address); err != nil {
			l.close()
			return listeners{}, fmt.Errorf("%s %s: %w: %w: use a free address like 127.0.0.1:8080", want.flag, want.address, ErrOptions, err)
		}
	}
	return l, nil
}

// join makes the rooms and the doors between them.
func (p *parts) join(o Options, secret string, server *tls.Config) (err error) {
	log := o.Log
	p.identity = identity.New(p.db, identity.Config{Issuer: o.Issuer, ClientID: o.ClientID, Public: strings.TrimSuffix(o.ExternalURL, "/"), Now: time.Now, Log: log})
	p.broker, err = broker.New(broker.Config{TLS: server, Log: log, Handler: p.take})
	if err != nil {
		return err
	}
	p.fleet = fleet.New(p.db, p.keys, fleet.Options{Publish: p.broker.Publish, Sources: sources(p.identity, time.Now), Log: log})
	p.ingest = ingest.New(p.db, p.fleet, projections(p.fleet), ingest.Options{TellAgain: o.TellAgain, Log: log})
	p.parcels = parcels.New(p.fleet)
	p.booking, p.once = facilities.New(p.fleet), once.New(p.db)
	p.notify, err = notify.New(p.db, p.fleet, p.identity, Matters{p.parcels}, notify.Options{URL: o.Webhook, Secret: secret, Log: log})
	if err != nil {
		return fmt.Errorf("--webhook-secret-file: %w: %w", ErrOptions, err)
	}
	return nil
}

func projections(f *fleet.Fleet) []ingest.Projection {
	return []ingest.Projection{parcels.Projection{}, gas.Projection{}, notify.Projection{}, facilities.Projection{Fleet: f}}
}

// sources are what state documents are made of.
func sources(people *identity.Identity, now func() time.Time) []fleet.PartSource {
	return []fleet.PartSource{people, parcels.Documents{}, facilities.Documents{Now: now}}
}

// take hands a gateway's message on: a challenge to be signed over, all else to ingest.
func (p *parts) take(ctx context.Context, gateway string, kind wire.Kind, payload []byte) error {
	if kind == wire.KindChallenge {
		p.fleet.Challenged(gateway, payload)
		return nil
	}
	return p.ingest.Offer(ctx, gateway, kind, payload)
}

// serve runs all loops and servers until ctx ends or one of them fails.
func (p *parts) serve(ctx context.Context, o Options, l listeners) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.ingest.Run(ctx) })
	g.Go(func() error { return p.fleet.SignCommands(ctx) })
	g.Go(func() error { return p.notify.Run(ctx, p.ingest.Changed) })
	g.Go(func() error { return p.renew(ctx, o.Log) })
	g.Go(func() error { return p.broker.Serve(ctx, l.broker) })
	serveHTTP(ctx, g, "api", l.api, p.front(o))
	serveHTTP(ctx, g, "metrics", l.metrics, p.inside())
	if o.Ready != nil {
		o.Ready(Addresses{API: l.api.Addr().String(), Broker: l.broker.Addr().String(), Metrics: l.metrics.Addr().String()})
	}
	return g.Wait()
}

// front is what browsers and programs meet.
func (p *parts) front(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", api.New(api.Parts{DB: p.db, Fleet: p.fleet, Identity: p.identity, Ingest: p.ingest, Parcels: p.parcels, Facilities: p.booking, Once: p.once, Now: time.Now, Log: o.Log, Version: o.Version}))
	mux.Handle("/auth/", p.identity.Handler())
	pages := web.New(web.Parts{DB: p.db, Fleet: p.fleet, Identity: p.identity, Ingest: p.ingest, Parcels: p.parcels, Facilities: p.booking, Once: p.once, Now: time.Now, Log: o.Log})
	mux.Handle("/{$}", pages)
	mux.Handle("/household-code", pages)
	for _, path := range []string{"/gas", "/bookings", "/bookings/", "/doors", "/doors/", "/operator", "/operator/"} {
		mux.Handle(path, pages)
	}
	mux.Handle("/look/", web.Files("/look/", o.Look))
	return mux
}

// serveHTTP serves h on l until ctx ends.
func serveHTTP(ctx context.Context, g *errgroup.Group, name string, l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
		defer cancel()
		if err := server.Shutdown(last); err != nil {
			return server.Close()
		}
		return nil
	})
}

// renew keeps the state documents true: those marked, and now and then all.
func (p *parts) renew(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	var whole time.Time
	for {
		var err error
		if now := time.Now(); now.Sub(whole) >= renewAll {
			whole = now
			err = p.renewSites(ctx, now)
		} else {
			err = p.fleet.RefreshStale(ctx, now)
		}
		if err != nil && ctx.Err() == nil {
			log.Error("state documents not issued", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (p *parts) renewSites(ctx context.Context, now time.Time) error {
	var sites []string
	err := p.db.Read(ctx, func(tx *store.Tx) (err error) {
		sites, err = p.fleet.SiteIDs(ctx, tx)
		return err
	})
	for _, site := range sites {
		err = errors.Join(err, p.fleet.Change(ctx, site, now, func(*store.Tx) error { return nil }))
	}
	return err
}

// Rebuild empties the projections of a cloud that does not run, and fills them again from the log.
func Rebuild(ctx context.Context, o Options) (err error) {
	keys, err := openKeys(o)
	if err != nil {
		return err
	}
	db, err := openDB(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f := fleet.New(db, keys, fleet.Options{Log: o.Log})
	return ingest.New(db, f, projections(f), ingest.Options{Log: o.Log}).Rebuild(ctx)
}
