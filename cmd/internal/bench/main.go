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
const limit = 15 * time.Minute

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
	meters   int           // on a line
	sweeps   int           // of them
	every    time.Duration // from the begin of one sweep to that of the next; longer than a sweep
	gateways int           // that are commanded in turn: at most 5 times a minute each, 60 times all together
	commands int           // to them

	rounds       int // over a line of meters without a pause
	busyLines    int // of lockers, at once
	busyRounds   int // over the boards of each
	busyOpenings int // of each
	plugs        int // adapters, at once
	replugs      int // of each
	bubbles      bool
}

func full() sizes {
	return sizes{
		turns: 8, turn: 500 * time.Millisecond, doors: 12, openings: 64, pause: 600 * time.Millisecond, events: 20_000, drains: 4,
		meters: 32, sweeps: 8, every: 2 * time.Second, gateways: 8, commands: 64,
		rounds: 20, busyLines: 4, busyRounds: 60, busyOpenings: 32, plugs: 10, replugs: 50, bubbles: true,
	}
}

// results are what one run found.
type results struct {
	machine machine
	figures []Figure
	appends []appends
	doors   []openings
	drains  drains
	rounds  rounds
	remotes remotes
	pace    pace
}

// measure takes every figure, one after the other, in dir.
func measure(ctx context.Context, dir string, s sizes, log *slog.Logger) (results, error) {
	r := results{machine: thisMachine(time.Now())}
	for _, step := range []struct {
		name string
		take func() ([]Figure, error)
	}{
		{"append/1", func() ([]Figure, error) { return r.takeAppends(ctx, dir, appends{writers: 1}, s, log) }},
		{"append/64", func() ([]Figure, error) { return r.takeAppends(ctx, dir, appends{writers: 64}, s, log) }},
		{"append/1+metering", func() ([]Figure, error) {
			return r.takeAppends(ctx, dir, appends{writers: 1, meters: s.meters}, s, log)
		}},
		{"pin-to-frame", func() ([]Figure, error) { return r.takeOpenings(ctx, dir, openings{}, s, log) }},
		{"pin-to-frame+metering", func() ([]Figure, error) { return r.takeOpenings(ctx, dir, openings{meters: s.meters}, s, log) }},
		{"drain", func() (all []Figure, err error) {
			r.drains, err = measureDrains(ctx, dir, s, log)
			return []Figure{r.drains.figure()}, err
		}},
		{"sweep", func() (all []Figure, err error) {
			r.rounds, err = measureSweeps(ctx, dir, s, log)
			return []Figure{r.rounds.figure()}, err
		}},
		{"remote-open", func() (all []Figure, err error) {
			r.remotes, err = measureRemotes(ctx, dir, s, log)
			return r.remotes.figures(), err
		}},
		{"meter-line", func() (all []Figure, err error) {
			r.pace, err = measurePace(ctx, dir, s, log)
			return []Figure{r.pace.figure()}, err
		}},
		{"unlock-busy-line", func() (all []Figure, err error) {
			b, err := measureBusy(ctx, dir, s, log)
			return b.figures(), err
		}},
		{"replug", func() (all []Figure, err error) {
			p, err := measureReplugs(ctx, dir, s, log)
			return []Figure{p.figure()}, err
		}},
		{"late-answers, noise, nightmare-heap", func() ([]Figure, error) {
			if !s.bubbles {
				return nil, nil
			}
			return measureBubbles(ctx, dir, "TestLateAnswersAreNobodyElses|TestNoise|TestNightmareHeap")
		}},
	} {
		say("%s …", step.name)
		figures, err := step.take()
		if err != nil {
			return r, fmt.Errorf("%s: %w", step.name, err)
		}
		r.figures = append(r.figures, figures...)
	}
	for _, f := range r.figures {
		say("%-26s %10.1f %s, ceiling %.1f, ratio %.2f", f.Name, f.Value, f.Unit, f.Ceiling, f.Ratio)
	}
	return r, nil
}

func (r *results) takeAppends(ctx context.Context, dir string, a appends, s sizes, log *slog.Logger) ([]Figure, error) {
	err := a.measure(ctx, dir, s, log)
	r.appends = append(r.appends, a)
	return []Figure{a.figure()}, err
}

func (r *results) takeOpenings(ctx context.Context, dir string, o openings, s sizes, log *slog.Logger) ([]Figure, error) {
	err := o.run(ctx, dir, s, log)
	r.doors = append(r.doors, o)
	return o.figures(), err
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
