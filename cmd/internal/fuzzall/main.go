// Command fuzzall runs every fuzz target of the named packages for a while, since `go test -fuzz` takes one at a time.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	each := flag.Duration("time", 10*time.Second, "time for each target")
	jobs := flag.Int("jobs", 2, "targets at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *each, *jobs, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzall:", err)
		os.Exit(1)
	}
}

type target struct{ dir, name string }

func run(ctx context.Context, each time.Duration, jobs int, packages []string) error {
	targets, err := list(ctx, packages)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return fmt.Errorf("no fuzz target in %s", strings.Join(packages, " "))
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for i, t := range targets {
		group.Go(func() error {
			fmt.Printf("fuzz %d/%d %s %s\n", i+1, len(targets), t.dir, t.name)
			return fuzz(ctx, t, each)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Printf("fuzz: %d targets held for %s each\n", len(targets), each)
	return nil
}

// tries for a target whose time ran out in the middle of a run, which go test reports as a failure without an input
// ("context deadline exceeded"); a target that really hangs does so each time.
const tries = 3

func fuzz(ctx context.Context, t target, each time.Duration) error {
	var failed error
	for range tries {
		command := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", each.String(), "-parallel", "1", ".")
		command.Dir = t.dir
		out, err := command.CombinedOutput()
		if err == nil {
			return nil
		}
		failed = fmt.Errorf("%s %s: %w\n%s", t.dir, t.name, err, out)
		if !bytes.Contains(out, []byte("context deadline exceeded")) || bytes.Contains(out, []byte("Failing input")) {
			return failed
		}
	}
	return failed
}

var declared = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// list finds the targets in the source: asking `go test -list` would build every test binary once more.
func list(ctx context.Context, packages []string) ([]target, error) {
	args := append([]string{"list", "-f", `{{$d := .Dir}}{{range .TestGoFiles}}{{$d}}|{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$d}}|{{.}}{{"\n"}}{{end}}`}, packages...)
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var targets []target
	for line := range bytes.Lines(out) {
		dir, file, ok := strings.Cut(strings.TrimSpace(string(line)), "|")
		if !ok {
			continue
		}
		source, err := os.ReadFile(dir + string(os.PathSeparator) + file)
		if err != nil {
			return nil, err
		}
		for _, m := range declared.FindAllSubmatch(source, -1) {
			targets = append(targets, target{dir, string(m[1])})
		}
	}
	return targets, nil
}
