// Command bench measures Lobby against ceilings that it measures in the same run: bare libraries that do the same work on
// the same disk, line and loopback, turn by turn with the real thing, so that both see the same machine.
//
// It runs in the root of the project and writes build/bench.jsonl, one figure a line, and docs/performance.md. It uses
// loopback and a folder below build/, which it removes: what is measured is the disk of the checkout, not a memory file
// system.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// limit is for the whole run.
const limit = 4 * time.Minute

// Where the results go, from the root of the project.
const (
	lines = "build/bench.jsonl"
	page  = "docs/performance.md"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if _, err := os.Stat(filepath.Dir(page)); err != nil {
		return fmt.Errorf("%w: run it in the root of the project, or by make bench", err)
	}
	if err := os.MkdirAll(filepath.Dir(lines), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(lines), "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done in %v", limit))
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	r, err := measure(ctx, dir, full(), log)
	if err != nil {
		return err
	}
	return save(r, lines, page)
}

// sizes are how much is measured.
type sizes struct {
	turns    int           // of each side, for appends
	turn     time.Duration // length of one
	doors    int           // that are opened in turn: at most 6 times a minute each
	openings int           // of each side
	pause    time.Duration // most between two openings
	events   int           // waiting to be drained
	drains   int           // of each side
}

func full() sizes {
	return sizes{turns: 8, turn: 500 * time.Millisecond, doors: 12, openings: 64, pause: 600 * time.Millisecond, events: 20_000, drains: 4}
}

// results are what one run found.
type results struct {
	machine machine
	figures []Figure
	appends []appends
	doors   openings
	drains  drains
}

// measure takes every figure, one after the other, in dir.
func measure(ctx context.Context, dir string, s sizes, log *slog.Logger) (results, error) {
	r := results{machine: thisMachine(time.Now())}
	for _, writers := range []int{1, 64} {
		say("append/%d: %d turns of %v each side", writers, s.turns, s.turn)
		a, err := measureAppends(ctx, dir, writers, s)
		if err != nil {
			return r, fmt.Errorf("append/%d: %w", writers, err)
		}
		r.appends, r.figures = append(r.appends, a), append(r.figures, a.figure())
	}
	say("pin-to-frame: %d openings each side, behind %d doors", s.openings, s.doors)
	var err error
	if r.doors, err = measureOpenings(ctx, dir, s, log); err != nil {
		return r, fmt.Errorf("pin-to-frame: %w", err)
	}
	r.figures = append(r.figures, r.doors.figures()...)
	say("drain: %d events, %d times each side", s.events, s.drains)
	if r.drains, err = measureDrains(ctx, dir, s, log); err != nil {
		return r, fmt.Errorf("drain: %w", err)
	}
	r.figures = append(r.figures, r.drains.figure())
	for _, f := range r.figures {
		say("%-16s %10.1f %s, ceiling %.1f, ratio %.2f", f.Name, f.Value, f.Unit, f.Ceiling, f.Ratio)
	}
	return r, nil
}

// say writes a line of progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }

// save writes the figures for programs and the page for people.
func save(r results, lines, page string) error {
	var b []byte
	for _, f := range r.figures {
		line, err := json.Marshal(f)
		if err != nil {
			return err
		}
		b = append(append(b, line...), '\n')
	}
	if err := os.WriteFile(lines, b, 0o644); err != nil {
		return err
	}
	return os.WriteFile(page, []byte(markdown(r)), 0o644)
}
