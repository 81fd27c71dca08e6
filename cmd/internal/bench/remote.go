package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
)

// patience is how long a command is waited for.
const patience = 10 * time.Second

// remotes are doors opened from the cloud, and how long it took from the ask to the release frame.
type remotes struct {
	gateways   int
	real, bare []time.Duration

	asked, signed, sent []time.Duration // parts of real: until the request is there, the command is there, the frame is taken
	trips               tripParts
}

func (r remotes) figures() []Figure {
	how := fmt.Sprintf("%d commands to %d gateways: from fleet.Ask, as a manager's click calls it, to the release frame taken by a real pty; commit, embedded broker, TLS, paho, challenge, signature, intent on disk; gateways and cloud in one process",
		len(r.real), r.gateways)
	bare := fmt.Sprintf("%d times in turn: two round trips by paho, TLS and mochi on loopback, QoS 1, %d bytes each way, and one commit each of bare SQLite and bare bbolt, synced alike", len(r.bare), len(message))
	return spread("remote-open", r.real, r.bare, how, bare)
}

// measureRemotes opens doors of several gateways from one cloud, and makes bare round trips in turn.
func measureRemotes(ctx context.Context, dir string, s sizes, log *slog.Logger) (r remotes, err error) {
	r.gateways = s.gateways
	dir = filepath.Join(dir, "remote")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	all := entrancesOf(s.gateways)
	ids, known := []string{gatewayID}, []fleet.Gateway(nil)
	for _, e := range all {
		ids, known = append(ids, e.id), append(known, e.registered())
	}
	certs, err := makeCertificates(filepath.Join(dir, "pki"), ids...)
	if err != nil {
		return r, err
	}
	bare, err := openTrips(ctx, dir, certs)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, bare.close()) }()
	c, err := openCloud(ctx, dir, known, certs, log)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	tty := filepath.Join(dir, "tty")
	b, err := openBuilding(tty, relayLines(all))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	below, above := append(c.runs(), b.Run), []func(context.Context) error(nil)
	for _, e := range all {
		if err := e.open(dir, tty, c, log); err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, e.store.Close()) }()
		below = append(below, e.bus.Run)
		above = append(above, e.service.Run, func(ctx context.Context) error { return e.uplink.Run(ctx, c.dial(e.id)) })
	}
	// Services turn their outputs off at the end: the lines live longer.
	lines := start(ctx, below...)
	defer func() { err = errors.Join(err, lines()) }()
	stop := start(ctx, above...)
	defer func() { err = errors.Join(err, stop()) }()
	if err := r.measure(ctx, c, all, bare, s); err != nil {
		return r, err
	}
	r.trips = bare.parts
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("not each command released a door once"))
	defer cancel()
	return r, tillRight(ctx, func() error { // the last frame is still on its wire
		n, err := releases(b, all)
		if err == nil && n != uint64(len(r.real)) {
			err = fmt.Errorf("%d releases for %d commands", n, len(r.real))
		}
		return err
	})
}

func (r *remotes) measure(ctx context.Context, c *smallCloud, all []*entrance, bare *trips, s sizes) error {
	for _, e := range all {
		if err := e.ready(ctx); err != nil {
			return err
		}
	}
	say("remote-open: %d gateways are ready", len(all))
	for n := range s.commands {
		e := all[n%len(all)]
		select {
		case <-time.After(time.Until(e.due)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := rest(ctx, s.pause); err != nil {
			return err
		}
		ours := func() error { return r.openReal(ctx, c, e) }
		there := func() error {
			took, err := bare.twice(ctx)
			r.bare = append(r.bare, took)
			return err
		}
		if err := byTurns(n, ours, there); err != nil {
			return fmt.Errorf("command %d, to %s: %w", n+1, e.id, err)
		}
	}
	return nil
}

// openReal clicks.
func (r *remotes) openReal(ctx context.Context, c *smallCloud, e *entrance) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no release within %v", patience))
	defer cancel()
	for len(e.heard) > 0 {
		<-e.heard
	}
	frame := e.tap.expect(released)
	began := time.Now()
	e.due = began.Add(commandPace)
	if err := c.ask(ctx, e.id, e.id); err != nil {
		return err
	}
	moments := []time.Time{began}
	for _, next := range []<-chan time.Time{e.heard, e.heard, frame} {
		select {
		case at := <-next:
			moments = append(moments, at)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	r.real = append(r.real, moments[3].Sub(began))
	for i, part := range []*[]time.Duration{&r.asked, &r.signed, &r.sent} {
		*part = append(*part, moments[i+1].Sub(moments[i]))
	}
	return nil
}
