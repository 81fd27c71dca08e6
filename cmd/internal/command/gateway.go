package command

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/gateway"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// Gateway is the lobby-gateway command. look holds what all pages share; version is what pulses and /healthz say.
func Gateway(version string, look fs.FS) *cobra.Command {
	root := &cobra.Command{
		Use:     "lobby-gateway",
		Short:   "The daemon on a community's box: lockers, meters, doors, with or without the internet",
		Version: version,
	}
	var file, data string
	root.PersistentFlags().StringVarP(&file, "config", "c", "/etc/lobby/gateway.yaml", "configuration file")
	root.PersistentFlags().StringVarP(&data, "data", "d", "/var/lib/lobby", "folder of the store, the keys and the last good configuration")
	root.AddCommand(gatewayRun(version, look, &file, &data), gatewayCheck(&file), gatewayProbe(&file), gatewayProfile(),
		gatewayReplay(), gatewayKeys(&data), gatewayCommission(&file, &data))
	return root
}

func gatewayRun(version string, look fs.FS, file, data *string) *cobra.Command {
	var debug bool
	var wall string
	c := &cobra.Command{
		Use:     "run",
		Short:   "Run the gateway until it is told to stop; SIGHUP reads the configuration again",
		Example: "  lobby-gateway run --config /etc/lobby/gateway.yaml --data /var/lib/lobby",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if debug {
				level = slog.LevelDebug
			}
			var at time.Time
			if wall != "" {
				var err error
				if at, err = time.Parse(time.RFC3339, wall); err != nil {
					return badInput{fmt.Errorf("--wall %q: use a time like 1970-01-01T00:00:00Z", wall)}
				}
			}
			err := gateway.Run(c.Context(), gateway.Options{
				Config:  *file,
				Data:    *data,
				Version: version,
				Wall:    at,
				Look:    look,
				Log:     slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level})),
				Ready: func(a gateway.Addresses) {
					fmt.Fprintf(c.OutOrStdout(), "metrics http://%s\nkiosk http://%s\n", a.Metrics, a.Kiosk)
					if a.Desk != "" {
						fmt.Fprintf(c.OutOrStdout(), "desk https://%s\n", a.Desk)
					}
					fmt.Fprintln(c.OutOrStdout(), "ready")
				},
			})
			if errors.Is(err, config.ErrUnreadable) || errors.Is(err, gateway.ErrConfig) {
				return badInput{err}
			}
			return err
		},
	}
	c.Flags().BoolVar(&debug, "debug", false, "log frames and messages too")
	c.Flags().StringVar(&wall, "wall", "", "take the wall clock to stand here at the start, as after a dead battery (1970-01-01T00:00:00Z)")
	if err := c.Flags().MarkHidden("wall"); err != nil {
		panic(err) // it was just made
	}
	return c
}

// probeLimit bounds a probe: a building of 400 meters, a tenth of them silent, takes two minutes.
const probeLimit = 5 * time.Minute

func gatewayProbe(file *string) *cobra.Command {
	var asJSON, explain bool
	c := &cobra.Command{
		Use:   "probe",
		Short: "Read every configured device once; exit code 1 if any failed. Nothing is opened",
		Example: "  lobby-gateway probe --config gateway.yaml\n  lobby-gateway probe --config gateway.yaml --json\n" +
			"  lobby-gateway probe --config gateway.yaml --explain",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			loaded, faults, err := config.Load(*file)
			if err != nil {
				return badInput{err}
			}
			for _, f := range faults {
				fmt.Fprintln(c.ErrOrStderr(), f)
			}
			ctx, cancel := context.WithTimeout(c.Context(), probeLimit)
			defer cancel()
			found, err := gateway.Probe(ctx, loaded, explain)
			if err != nil {
				return err
			}
			if err := printProbed(c.OutOrStdout(), found, asJSON, explain); err != nil {
				return err
			}
			for _, p := range found {
				if !p.OK {
					return errSaid
				}
			}
			if len(faults) > 0 {
				return badInput{errSaid}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	c.Flags().BoolVar(&explain, "explain", false, "say what stands in which register, as it came and what it means")
	return c
}

func printProbed(w io.Writer, found []gateway.Probed, asJSON, explain bool) error {
	switch {
	case asJSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(found)
	case explain:
		explainProbed(w, found)
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tLINE\tPORT\tSTATE\tTURNAROUND\tREADS\tERROR")
	for _, p := range found {
		state, turn := "ok", p.Turn.Round(100*time.Microsecond).String()
		if !p.OK {
			state, turn = "failed", "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Device, p.Line, p.Port, state, turn, reads(p), p.Error)
	}
	return t.Flush()
}

// reads is what a device said of itself.
func reads(p gateway.Probed) string {
	switch {
	case p.Litres != nil && p.Serial != "":
		return fmt.Sprintf("%d l, serial %s", *p.Litres, p.Serial)
	case p.Litres != nil:
		return fmt.Sprintf("%d l", *p.Litres)
	}
	return p.Door
}

func gatewayKeys(data *string) *cobra.Command {
	return &cobra.Command{
		Use:     "keys",
		Short:   "Make the gateway's keys if it has none, and print the public one for enrolment",
		Example: "  lobby-gateway keys --data /var/lib/lobby",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			keys, err := gateway.OpenKeys(*data)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), base64.StdEncoding.EncodeToString(keys.Public()))
			return nil
		},
	}
}
