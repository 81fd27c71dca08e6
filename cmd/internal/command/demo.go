package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/cmd/internal/demo"
)

// Demo is the lobby-demo command. It holds the other commands too, and runs them as processes of their own.
func Demo(version string, look fs.FS) *cobra.Command {
	var data, building string
	root := &cobra.Command{
		Use:     "lobby-demo",
		Short:   "A whole Lobby on this machine: a building to play with",
		Long:    "A whole Lobby on this machine: a simulated building, its gateway, broker and cloud, each a process of its own.\nThe data folder is made anew at every start.",
		Example: "  lobby-demo\n  lobby-demo --building tower\n  lobby-demo --data /tmp/my-building\n  lobby-demo tour\n  lobby-demo soak --building tower --for 10m",
		Version: version,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return play(c.Context(), c.OutOrStdout(), demo.Options{Name: building, Dir: data, Ports: demo.FixedPorts(), Look: look})
		},
	}
	root.PersistentFlags().StringVar(&data, "data", "build/demo", "folder of the demo; made anew at every start")
	ready := strings.Join(demo.Buildings(), ", ")
	root.Flags().StringVar(&building, "building", demo.Buildings()[0], "which ready building: "+ready)
	root.AddCommand(demoTour(&data, look), demoSoak(&data, look, ready))
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

func demoSoak(data *string, look fs.FS, ready string) *cobra.Command {
	o := demo.Options{Look: look}
	var long time.Duration
	c := &cobra.Command{
		Use:   "soak",
		Short: "Live a busy day in a building for some minutes, in real wire time, and compare everything at the end",
		Long: "Live a busy day in a building: couriers, residents, the guard and people at the doors, through the pages and APIs\n" +
			"that they use, while its meters are read. Then compare what the building saw of itself with what was asked for, and\n" +
			"with what the cloud was told; in a nightmare every alarm with the faults that were on. Progress goes to standard\n" +
			"error once a minute, one line of JSON to standard output at the end. Exit code 0 only if all of it agrees.\n" +
			"The processes' logs stay in the data folder.",
		Example: "  lobby-demo soak --building tower --for 10m\n  lobby-demo soak --building nightmare --for 10m --seed 7",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Dir = *data; !c.Flags().Changed("data") {
				o.Dir = "build/soak"
			}
			if o.Sweep == 0 && (o.Name == "small" || o.Name == "tower") { // which are read once an hour
				o.Sweep = 30 * time.Second
			}
			var err error
			if o.Ports, err = demo.FreePorts(); err != nil {
				return err
			}
			found, err := soak(c.Context(), c.ErrOrStderr(), o, long)
			if err != nil {
				return err
			}
			if err := json.NewEncoder(c.OutOrStdout()).Encode(found); err != nil {
				return err
			}
			if !found.OK {
				return fmt.Errorf("%d things are not as they must be; the logs are in %s/log", len(found.Wrong), o.Dir)
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.Name, "building", "tower", "which ready building: "+ready)
	c.Flags().DurationVar(&long, "for", 10*time.Minute, "how long people live in it, at least a minute")
	c.Flags().DurationVar(&o.Sweep, "sweep", 0, "from one reading of a meter to the next; 0: 30s, or what the building has when it is less")
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "of what people do and of what chance does to the building; 0: the building's own")
	return c
}

func soak(ctx context.Context, progress io.Writer, o demo.Options, long time.Duration) (found demo.Soaked, err error) {
	if long < time.Minute {
		return found, badInput{fmt.Errorf("--for %v: use a minute or more", long)}
	}
	d, err := openDemo(o)
	if err != nil {
		return found, err
	}
	defer func() {
		if cerr := d.Close(); err == nil {
			err = cerr
		}
	}()
	return demo.Soak(ctx, d, long, progress)
}

func play(ctx context.Context, out io.Writer, o demo.Options) (err error) {
	d, err := openDemo(o)
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

func openDemo(o demo.Options) (*demo.Demo, error) {
	d, err := demo.Open(o)
	if errors.Is(err, demo.ErrBuilding) {
		err = badInput{err}
	}
	return d, err
}
