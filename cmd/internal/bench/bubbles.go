package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// figuresTo names the file to which tests of this package write figures: those that are taken in virtual time, which only
// tests have.
const figuresTo = "LOBBY_FIGURES"

// bubbles is the package of those tests: this one.
const bubbles = "github.com/ntpc-smart-community/lobby/cmd/internal/bench"

// measureBubbles runs the tests that take a figure, at full size.
func measureBubbles(ctx context.Context, dir, tests string) (all []Figure, err error) {
	path := filepath.Join(dir, "figures.jsonl")
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=15m", "-run", tests, bubbles)
	c.Env = append(os.Environ(), figuresTo+"="+path)
	out, failed := c.CombinedOutput()
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", errors.Join(err, failed), out)
	}
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var f Figure
		switch err := d.Decode(&f); {
		case errors.Is(err, io.EOF):
			if failed != nil {
				return all, fmt.Errorf("%w\n%s", failed, out)
			}
			return all, os.Remove(path)
		case err != nil:
			return all, err
		}
		all = append(all, f)
	}
}
