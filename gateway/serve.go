package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/gateway/health"
)

// serve opens the pages. Without the kiosk or the metrics the box is of no use, so that their address in use is an
// error; the desk may be missing.
func (d *daemon) serve(ctx context.Context, group *errgroup.Group) error {
	c := d.settings.config()
	var a Addresses
	var err error
	if a.Metrics, err = d.page(ctx, group, c.Metrics.Listen, nil, d.figures()); err != nil {
		return err
	}
	if a.Kiosk, err = d.page(ctx, group, c.Kiosk.Listen, nil, d.floor.screens()); err != nil {
		return err
	}
	if c.Desk.Listen != "" {
		certificate, err := tls.LoadX509KeyPair(c.Desk.Certificate, c.Desk.Key)
		if err == nil {
			a.Desk, err = d.page(ctx, group, c.Desk.Listen, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, whichever(&d.floor.desk))
		}
		if err != nil {
			d.settings.note("desk: " + err.Error())
			d.log.Error("no desk", "err", err)
		}
	}
	if d.o.Ready != nil {
		d.o.Ready(a)
	}
	return nil
}

// figures serves how the box is, and what its lines said.
func (d *daemon) figures() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", health.Handler(d.snapshot))
	mux.HandleFunc("GET /recordings/{line}", d.hardware.serveRecording)
	return mux
}

// screens serves the locker screen, and below /door/ those at the doors.
func (f *floor) screens() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", whichever(&f.kiosk))
	mux.Handle("/door/", whichever(&f.terminal))
	mux.Handle("/terminal/", whichever(&f.terminal))
	return mux
}

// whichever serves the handler that is in force now; there may be none.
func whichever(p *atomic.Pointer[http.Handler]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := p.Load()
		if h == nil {
			http.NotFound(w, r)
			return
		}
		(*h).ServeHTTP(w, r)
	})
}

func (d *daemon) page(ctx context.Context, group *errgroup.Group, listen string, secure *tls.Config, h http.Handler) (address string, err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("%s: %w: is another gateway running?", listen, err)
	}
	address = l.Addr().String()
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	s := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // live pages end with the gateway
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	group.Go(func() error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return s.Close()
	})
	return address, nil
}

// reload reads the configuration again on SIGHUP: an equal file does nothing, a changed one touches what has changed, a
// bad one changes nothing and is said on health and screen.
func (d *daemon) reload(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
		}
		changed, err := d.settings.read()
		if err != nil {
			d.log.Error("configuration not taken", "err", err)
			continue
		}
		if !changed {
			d.log.Info("configuration unchanged")
			continue
		}
		touched, err := d.hardware.apply(d.settings.config())
		if err != nil {
			d.log.Error("hardware", "err", err)
		}
		if err := d.floor.apply(ctx, d.settings.config()); err != nil {
			return err
		}
		d.log.Info("configuration read again", "touched", touched)
	}
}
