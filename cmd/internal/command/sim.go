package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
)

// simShutdown is how long answers under way may take when the simulator is stopped.
const simShutdown = 2 * time.Second

// Sim is the lobby-sim command. look holds what all pages share.
func Sim(version string, look fs.FS) *cobra.Command {
	root := &cobra.Command{
		Use:     "lobby-sim",
		Short:   "Simulated devices to run Lobby against, with every fault one click away",
		Version: version,
	}
	root.AddCommand(simBuilding(look), simActions())
	return root
}

func simActions() *cobra.Command {
	return &cobra.Command{
		Use:   "actions",
		Short: "Print what can be done to a building by API, page and fault script",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(out, "OF\tACTION\tWHAT\tOPTIONS\tENDED BY")
			for _, a := range building.Actions() {
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", a.Kind, a.Name, a.EN, a.Options(), a.EndedBy())
			}
			return out.Flush()
		},
	}
}

func simBuilding(look fs.FS) *cobra.Command {
	var listen, dir, faults string
	var check bool
	c := &cobra.Command{
		Use:   "building FILE.yaml",
		Short: "Simulate a building: its serial ports, and a page to look at it and touch it",
		Long: `Simulate the devices of a building as its file describes them: locker banks, gas meters, doors. Every line becomes a
serial port, a symlink in --dir to a pseudo-terminal, or a TCP port; it is printed, and a gateway opens it like a real
one. The page shows each device, what goes over the wire, and the faults that can be switched on. A fault script switches
them by time, and what was done by hand can be had as such a script: docs/simulator.md. It is for tests and
demonstrations and asks nobody who they are: keep it on loopback.`,
		Example: `  lobby-sim building configs/building-demo.yaml
  lobby-sim building configs/building-demo.yaml --listen 127.0.0.1:8090 --dir /tmp/building
  lobby-sim building configs/building-nightmare.yaml
  lobby-sim building configs/building-demo.yaml --faults faults.yaml
  lobby-sim building --check configs/building-demo.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badInput{fmt.Errorf("%d files named, want one; try: lobby-sim building configs/building-demo.yaml", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := building.Load(args[0])
			if err != nil {
				return badInput{err}
			}
			var script building.Script // empty: nothing goes wrong by itself
			if path := cmp.Or(faults, cfg.Faults); path != "" {
				if script, err = building.LoadScript(path, cfg); err != nil {
					return badInput{err}
				}
			}
			if check {
				fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", args[0], describe(cfg))
				return nil
			}
			return simulate(c.Context(), c.OutOrStdout(), cfg, script, listen, dir, look)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address of the page; port 0 takes a free one")
	c.Flags().StringVar(&dir, "dir", "", "existing folder for the ports (default: a new one, removed at the end)")
	c.Flags().StringVar(&faults, "faults", "", "fault script to play (default: the one that the file names)")
	c.Flags().BoolVar(&check, "check", false, "only say whether the file, and the fault script, are right")
	return c
}

func describe(cfg building.Config) string {
	boards, locks, meters, doors := 0, 0, 0, 0
	for _, b := range cfg.Banks {
		boards += len(b.Boards)
		for _, board := range b.Boards {
			locks += board.Locks
		}
	}
	for _, l := range cfg.Meters {
		meters += len(l.Meters)
	}
	for _, l := range cfg.Doors {
		doors += len(l.Doors)
	}
	return fmt.Sprintf("%s: banks %d, boards %d, compartments %d, meters %d, doors %d", cfg.Name, len(cfg.Banks), boards, locks, meters, doors)
}

// simulate runs a building and its page until ctx ends.
func simulate(ctx context.Context, out io.Writer, cfg building.Config, script building.Script, listen, dir string, look fs.FS) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "lobby-sim-"); err != nil {
			return fmt.Errorf("folder for the ports: %w: name one with --dir", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return badInput{fmt.Errorf("--dir %s: no such folder: make it first", dir)}
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return badInput{fmt.Errorf("--listen %s: %w: use a free address like 127.0.0.1:8090", listen, err)}
	}
	defer func() { _ = l.Close() }() // closed by the server already, unless the building did not open
	b, err := building.Open(cfg, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	fmt.Fprintf(out, "page http://%s/\n", l.Addr())
	for _, p := range b.Ports() {
		if filepath.IsAbs(p.Device) {
			fmt.Fprintf(out, "port %s -> %s\n", p.Path, p.Device)
		} else {
			fmt.Fprintf(out, "port %s\n", p.Path)
		}
	}
	fmt.Fprintln(out, "ready")

	g, ctx := errgroup.WithContext(ctx)
	srv := &http.Server{
		Handler:           b.Handler(look),
		BaseContext:       func(net.Listener) context.Context { return ctx }, // live pages end with the simulator
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	g.Go(func() error { return b.Run(ctx) })
	g.Go(func() error {
		if err := b.Play(ctx, script); ctx.Err() == nil {
			return err
		}
		return nil
	})
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("page: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), simShutdown)
		defer cancel()
		return srv.Shutdown(last)
	})
	return g.Wait()
}
