// Package command holds Lobby's commands themselves, so that the binaries are wiring and tests can run them.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of every command.
const (
	ExitDone     = 0
	ExitFailed   = 1 // it was tried and did not work
	ExitBadInput = 2 // a flag, an argument or a file is wrong: nothing was tried
)

// badInput marks an error as the caller's to mend: exit code 2.
type badInput struct{ error }

func (b badInput) Unwrap() error { return b.error }

// errSaid ends a command whose findings are already printed.
var errSaid = errors.New("")

// Main runs a command until it ends or the process is asked to stop (SIGINT, SIGTERM) and returns the exit code.
func Main(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return badInput{fmt.Errorf("%w; try: %s --help", err, c.CommandPath())}
	})
	markArgs(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", root.Name(), err)
	}
	if errors.As(err, new(badInput)) {
		return ExitBadInput
	}
	return ExitFailed
}

// markArgs makes wrong arguments of c and all commands below it the caller's to mend, as wrong flags are.
func markArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil || errors.As(err, new(badInput)) {
				return err
			}
			return badInput{fmt.Errorf("%w; try: %s --help", err, c.CommandPath())}
		}
	}
	for _, sub := range c.Commands() {
		markArgs(sub)
	}
}
