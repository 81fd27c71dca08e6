package command

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/cmd/internal/demo"
)

// Demo is the lobby-demo command. It holds the other commands too, and runs them as processes of their own.
func Demo(version string, look fs.FS) *cobra.Command {
	var data string
	root := &cobra.Command{
		Use:     "lobby-demo",
		Short:   "A whole Lobby on this machine: a building to play with",
		Long:    "A whole Lobby on this machine: a simulated building, its gateway, broker and cloud, each a process of its own.\nThe data folder is made anew at every start.",
		Example: "  lobby-demo\n  lobby-demo --data /tmp/my-building\n  lobby-demo tour",
		Version: version,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return play(c.Context(), c.OutOrStdout(), data, look)
		},
	}
	root.PersistentFlags().StringVar(&data, "data", "build/demo", "folder of the demo; made anew at every start")
	root.AddCommand(demoTour(&data, look))
	for name, c := range map[string]*cobra.Command{"gateway": Gateway(version, look), "cloud": Cloud(version, look), "sim": Sim(version, look)} {
		c.Use, c.Hidden = name, true
		root.AddCommand(c)
	}
	return root
}

func demoTour(data *string, look fs.FS) *cobra.Command {
	var seed uint64
	c := &cobra.Command{
		Use:     "tour",
		Short:   "Play a building's whole life, with everything that fails on the way, and check every step",
		Long:    "Play a building's whole life through the pages and APIs that people use: one line of JSON a step, with what was\nobserved. Exit code 0 only if every step held. The processes' logs stay in the data folder.",
		Example: "  lobby-demo tour\n  lobby-demo tour --data /tmp/tour\n  lobby-demo tour --seed 7   # faults strike at other moments, the same ones each time",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			folder := *data
			if !c.Flags().Changed("data") {
				folder = "build/tour"
			}
			ports, err := demo.FreePorts()
			if err != nil {
				return err
			}
			held, err := tour(c.Context(), c.OutOrStdout(), demo.Options{Dir: folder, Ports: ports, Look: look, Tapped: true, Seed: seed})
			if err == nil && !held {
				err = fmt.Errorf("a step did not hold; the logs are in %s/log", folder)
			}
			return err
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 0, "chooses when the faults strike; 0: each at the begin of its step")
	return c
}

func tour(ctx context.Context, out io.Writer, o demo.Options) (held bool, err error) {
	d, err := demo.Open(o)
	if err != nil {
		return false, err
	}
	defer func() {
		if cerr := d.Close(); err == nil {
			err = cerr
		}
	}()
	if err := d.Start(ctx); err != nil {
		return false, err
	}
	return demo.Tour(ctx, d, out)
}

func play(ctx context.Context, out io.Writer, folder string, look fs.FS) (err error) {
	d, err := demo.Open(demo.Options{Dir: folder, Ports: demo.FixedPorts(), Look: look})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := d.Close(); err == nil {
			err = cerr
		}
	}()
	fmt.Fprintln(out, "starting building, cloud and gateway …")
	if err := d.Start(ctx); err != nil {
		return err
	}
	codes, err := d.Codes(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(out, d.Welcome(codes))
	<-ctx.Done()
	return nil
}
