package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/gateway/clock"
	"github.com/ntpc-smart-community/lobby/gateway/store"
	"github.com/ntpc-smart-community/lobby/gateway/uplink"
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
	certs, err := makeCertificates(filepath.Join(dir, "pki"), gatewayID)
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
	c, err := openCloud(ctx, dir, []fleet.Gateway{{ID: gatewayID, EventKey: b.key.Public().(ed25519.PublicKey)}}, certs, log)
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
	up := c.link(uplink.Config{Gateway: gatewayID, Key: b.key}, uplink.Deps{Store: st, Clock: clock.New(st.Boot(), time.Time{}, clock.System()), Log: log})
	dial := c.dial(gatewayID)
	serve := start(ctx, c.runs()...)
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
